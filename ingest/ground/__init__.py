"""Ground truth: crop points, area segments, crop cuts, yield monitors, fields."""
