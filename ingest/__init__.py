"""Ingest: scenes, products and county boundaries brought in and kept whole."""

from ingest.archive import PRODUCTS, Archive
from ingest.band import BandData
from ingest.boundaries import attribution, jilin_counties, simplified
from ingest.checksum import sha256_multihash
from ingest.errors import (
    ArchiveError,
    ArchiveFull,
    ArchiveMissing,
    BandInvalid,
    BoundariesError,
    BoundariesMissing,
    BoundariesUnexpected,
    IngestError,
    ItemInvalid,
    ItemUnknown,
    NameInvalid,
    PropertyInvalid,
    SceneExists,
)
from ingest.gcj02 import to_gcj02, to_wgs84
from ingest.verify import Fault

__all__ = [
    "PRODUCTS",
    "Archive",
    "ArchiveError",
    "ArchiveFull",
    "ArchiveMissing",
    "BandData",
    "BandInvalid",
    "BoundariesError",
    "BoundariesMissing",
    "BoundariesUnexpected",
    "Fault",
    "IngestError",
    "ItemInvalid",
    "ItemUnknown",
    "NameInvalid",
    "PropertyInvalid",
    "SceneExists",
    "attribution",
    "jilin_counties",
    "sha256_multihash",
    "simplified",
    "to_gcj02",
    "to_wgs84",
]
