"""County yields: level and season, learnt from a table of regions and years."""
