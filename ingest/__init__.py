"""Ingest: scenes, products and county boundaries brought in and kept whole."""

from ingest.archive import PRODUCTS, Archive
from ingest.band import BandData, BandFile
from ingest.boundaries import attribution, jilin_counties, simplified
from ingest.checksum import sha256_multihash
from ingest.errors import (
    ArchiveDenied,
    ArchiveError,
    ArchiveFull,
    ArchiveMissing,
    ArchiveUnreachable,
    BandInvalid,
    BoundariesError,
    BoundariesMissing,
    BoundariesUnexpected,
    BucketMissing,
    IngestError,
    ItemInvalid,
    ItemUnknown,
    LocationInvalid,
    NameInvalid,
    PropertyInvalid,
    SceneExists,
)
from ingest.gcj02 import to_gcj02, to_wgs84
from ingest.verify import Fault

__all__ = [
    "PRODUCTS",
    "Archive",
    "ArchiveDenied",
    "ArchiveError",
    "ArchiveFull",
    "ArchiveMissing",
    "ArchiveUnreachable",
    "BandData",
    "BandFile",
    "BandInvalid",
    "BoundariesError",
    "BoundariesMissing",
    "BoundariesUnexpected",
    "BucketMissing",
    "Fault",
    "IngestError",
    "ItemInvalid",
    "ItemUnknown",
    "LocationInvalid",
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
