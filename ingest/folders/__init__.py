"""Products on disk, as producers pack them: SAFE, Landsat, HLS, RTC, MODIS, drone."""

from ingest.folders.errors import (
    FolderError,
    FolderMissing,
    ProductInvalid,
    ReaderMissing,
)
from ingest.folders.product import SOURCE as FOLDER
from ingest.folders.source import AnyFolder, FolderSource

__all__ = [
    "FOLDER",
    "AnyFolder",
    "FolderError",
    "FolderMissing",
    "FolderSource",
    "ProductInvalid",
    "ReaderMissing",
]
