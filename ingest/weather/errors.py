"""Errors of weather that is brought in.

::

    IngestError
    └── WeatherError
        ├── WeatherUnreadable   not the file it says it is, damaged or cut off
        ├── WeatherUnknown      no AgERA5, ERA5-Land or NASA POWER
        ├── UnitUnknown         a unit that nobody told us how to convert
        ├── GridUnusable        a grid that is not regular, or not two cells wide
        ├── GridElsewhere       a grid that none of the places touches
        ├── HeldTwice           two files with the same variable of the same time
        ├── NotAccumulated      sums that fall where they ought to grow
        ├── PowerUnexpected     an answer of NASA POWER to another question
        ├── PlacesUnusable      fields without ids, without shapes, or twice
        └── SeriesUnusable      arguments that no index can be computed from
"""

from pathlib import Path

from ingest.errors import IngestError

__all__ = [
    "GridElsewhere",
    "GridUnusable",
    "HeldTwice",
    "NotAccumulated",
    "PlacesUnusable",
    "PowerUnexpected",
    "SeriesUnusable",
    "UnitUnknown",
    "WeatherError",
    "WeatherUnknown",
    "WeatherUnreadable",
]


class WeatherError(IngestError):
    """Weather cannot be used; `path` is the file or address it came from."""

    def __init__(self, message: str, *, path: Path | str) -> None:
        super().__init__(message)
        self.path = path


class WeatherUnreadable(WeatherError):
    """Not the file it says it is, damaged or cut off."""


class WeatherUnknown(WeatherError):
    """None of the kinds of weather that can be read."""


class UnitUnknown(WeatherError):
    """A variable in a unit that nobody told us how to convert."""

    def __init__(
        self, message: str, *, path: Path | str, variable: str, unit: str | None
    ) -> None:
        super().__init__(message, path=path)
        self.variable = variable
        self.unit = unit


class GridUnusable(WeatherError):
    """A grid that is not regular in longitude and latitude."""


class GridElsewhere(WeatherError):
    """A grid that none of the places touches."""


class HeldTwice(WeatherError):
    """A variable and time that another file holds already."""

    def __init__(self, message: str, *, path: Path | str, other: Path | str) -> None:
        super().__init__(message, path=path)
        self.other = other


class NotAccumulated(WeatherError):
    """Sums since 00 UTC that fall within a day."""


class PowerUnexpected(WeatherError):
    """An answer of NASA POWER to another question than was asked."""


class PlacesUnusable(WeatherError):
    """Fields without ids, without shapes, or twice."""


class SeriesUnusable(IngestError):
    """Arguments that no index can be computed from."""
