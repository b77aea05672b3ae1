"""Errors of the simulated world.

::

    IngestError
    └── SimulationError
        ├── CountyNotDescribed
        ├── GridNotCovered
        └── CropUnknown
"""

from ingest.errors import IngestError


class SimulationError(IngestError):
    """The simulated world cannot give what was asked."""


class CountyNotDescribed(SimulationError):
    """A county without an assumed land cover, so that nothing can be simulated."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class GridNotCovered(SimulationError):
    """A grid that does not touch any county of the world."""


class CropUnknown(SimulationError):
    """A crop that is not grown in the simulated world."""
