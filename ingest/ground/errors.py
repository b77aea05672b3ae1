"""Errors of ground truth files.

::

    IngestError
    └── GroundError
        ├── FileUnreadable
        ├── FormatUnknown
        ├── LayerUnclear
        ├── CrsUnknown
        ├── CrsConflict
        ├── DatumUnsure
        ├── DatumConflict
        ├── EncodingWrong
        ├── CoordinatesSwapped
        ├── NotDegrees
        ├── ColumnMissing
        ├── ColumnUnclear
        ├── UnitUnknown
        ├── UnitContradictory
        ├── YearUnknown
        ├── OptionInvalid
        └── DatasetExists
"""

from collections.abc import Sequence
from pathlib import Path

from ingest.errors import IngestError

__all__ = [
    "ColumnMissing",
    "ColumnUnclear",
    "CoordinatesSwapped",
    "CrsConflict",
    "CrsUnknown",
    "DatasetExists",
    "DatumConflict",
    "DatumUnsure",
    "EncodingWrong",
    "FileUnreadable",
    "FormatUnknown",
    "GroundError",
    "LayerUnclear",
    "NotDegrees",
    "OptionInvalid",
    "UnitContradictory",
    "UnitUnknown",
    "YearUnknown",
]


class GroundError(IngestError):
    """A file of ground truth cannot be taken as a whole."""

    def __init__(self, message: str, *, path: Path | None = None) -> None:
        super().__init__(message)
        self.path = path


class FileUnreadable(GroundError):
    """The file is missing, cut short, broken, or holds no geometry."""


class FormatUnknown(GroundError):
    """The file's name ends in nothing that is read here."""


class LayerUnclear(GroundError):
    """The file holds several layers, or not the one asked for; `layers` lists them."""

    def __init__(self, message: str, *, path: Path, layers: Sequence[str]) -> None:
        super().__init__(message, path=path)
        self.layers = tuple(layers)


class CrsUnknown(GroundError):
    """Neither the file nor the caller says in which CRS the coordinates are."""


class CrsConflict(GroundError):
    """The file states one CRS and the caller another."""


class DatumUnsure(GroundError):
    """No transformation of known accuracy leads from the file's datum to WGS 84."""


class DatumConflict(GroundError):
    """What the file says of its datum stands against what the caller says."""


class EncodingWrong(GroundError):
    """The text of the file is not in the encoding it is said to be in."""


class CoordinatesSwapped(GroundError):
    """Latitude stands where longitude belongs."""


class NotDegrees(GroundError):
    """The coordinates are no longitudes and latitudes."""


class ColumnMissing(GroundError):
    """A column without which the file means nothing is not there."""


class ColumnUnclear(GroundError):
    """Two columns of the file could be the one that is needed."""


class UnitUnknown(GroundError):
    """A column's unit is not stated, or is none that is known."""


class UnitContradictory(GroundError):
    """The header of a column names another unit than the caller."""


class YearUnknown(GroundError):
    """Neither the file nor the caller says which season the data are of."""


class OptionInvalid(GroundError):
    """An option that cannot be understood."""


class DatasetExists(GroundError):
    """The same file was imported before with other settings."""
