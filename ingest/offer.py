"""What a source of imagery offers: scenes, and what it had to refuse.

A source answers two questions, behind one small interface (`Source`): which scenes
are there of a place and time, and give me this band of that scene as a checked file.
Its answer to the first is complete or an error: what the source has and cannot be
used is `refused` by name, never left out in silence.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Protocol

import shapely

from ingest.band import BandFile

__all__ = [
    "BandOffer",
    "Bounds",
    "Fetcher",
    "Found",
    "Refused",
    "SceneOffer",
    "Source",
    "Wanted",
    "split_origin",
]

Bounds = tuple[float, float, float, float]

_BAND = re.compile(r"#band=(\d+)$")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of a source.

    Attributes
    ----------
    where : Polygon or MultiPolygon
        EPSG:4326, longitude and latitude in degrees; scenes that touch it count.
    start, end : date
        First and last UTC day of acquisition, both included.
    max_cloud : float
        Percent; scenes with more cloud over the whole scene are counted, not offered.
    bands : tuple of str
        Letters as `raster.mission` has them ("R", "N", "S1"); the mask of the mission
        always comes with them. Empty = every band the mission knows.
    """

    where: shapely.Geometry
    start: date
    end: date
    max_cloud: float = 100.0
    bands: tuple[str, ...] = ("R", "N")


@dataclass(frozen=True, slots=True)
class BandOffer:
    """One band of a scene, where it lies and what its numbers mean.

    Attributes
    ----------
    key : str
        Asset key in the archive: "B04", "SCL", "qa_pixel", "Fmask", "VV".
    href : str
        What holds the pixels: a path, a GDAL path such as ``/vsizip/…``, or a URL.
        Never signed: secrets are added when the request is made.
    nodata : float or None
        Stored number that is no measurement; None when every number is one.
    scale, offset : float or None
        Physical value = number * scale + offset; None for class codes and flags.
    index : int
        Band inside the file, from 1.
    size : int or None
        Bytes of the whole file at the source, where the source says it.
    checksum : str or None
        Multihash of the whole file at the source (STAC ``file:checksum``).
    resolution : float or None
        Pixel size in metres, for the estimate of bytes; None when not known.
    """

    key: str
    href: str
    nodata: float | None
    scale: float | None = None
    offset: float | None = None
    index: int = 1
    size: int | None = None
    checksum: str | None = None
    resolution: float | None = None

    @property
    def origin(self) -> str:
        """The href, with ``#band=N`` for any but the first; see `split_origin`."""
        return self.href if self.index == 1 else f"{self.href}#band={self.index}"


def split_origin(origin: str) -> tuple[str, int]:
    """Take href and band of `BandOffer.origin` apart."""
    found = _BAND.search(origin)
    return (origin[: found.start()], int(found[1])) if found else (origin, 1)


@dataclass(frozen=True, slots=True)
class SceneOffer:
    """One scene of a source, described as it will stand in the archive.

    Attributes
    ----------
    source : str
        Name of the source: "earth-search", "folder", "sentinel-hub".
    collection, item_id : str
        Ids in the archive.
    acquired : datetime
        Timezone-aware.
    footprint : Geometry
        EPSG:4326; where the scene has pixels, as the source says it.
    bands : mapping of str to BandOffer
        By asset key, the mask among them where the mission has one.
    properties : mapping
        STAC properties to keep: platform, eo:cloud_cover, s2:processing_baseline,
        s2:mgrs_tile, s2:datatake_id and their like.
    """

    source: str
    collection: str
    item_id: str
    acquired: datetime
    footprint: shapely.Geometry
    bands: Mapping[str, BandOffer]
    properties: Mapping[str, Any] = field(default_factory=dict)

    @property
    def cloud_cover(self) -> float | None:
        """Percent of the whole scene; None where the source does not say it."""
        value = self.properties.get("eo:cloud_cover")
        return None if value is None else float(value)


@dataclass(frozen=True, slots=True)
class Refused:
    """A scene that the source has and that cannot be used, and why.

    `reason` is in English and Chinese, "… · …", and says what to do.
    """

    item_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Found:
    """All that a source has of what is wanted.

    Attributes
    ----------
    offers : tuple of SceneOffer
        By acquisition time, then id.
    refused : tuple of Refused
        Scenes of the place and time that cannot be used.
    cloudy : tuple of SceneOffer
        Scenes left out for their cloud alone, in the same order.
    notes : tuple of str
        How the answer was checked, and what was odd; "English · 中文".
    """

    offers: tuple[SceneOffer, ...]
    refused: tuple[Refused, ...] = ()
    cloudy: tuple[SceneOffer, ...] = ()
    notes: tuple[str, ...] = ()


class Fetcher(Protocol):
    """Brings the bands of offers, of its own search or of an older one."""

    def fetch(
        self, offer: SceneOffer, key: str, *, clip: Bounds | None, folder: Path
    ) -> BandFile:
        """Write one band as a checked COG ``folder/KEY.tif``; safe for threads.

        Parameters
        ----------
        offer
            One of `search`.
        key
            Asset key of one of its bands.
        clip
            (west, south, east, north) in degrees: the pixels outside are not needed.
            None = the whole scene.
        folder
            Exists; what a killed process left there is used again where it is whole.

        Raises
        ------
        IngestError
            The band is not to be had; no file of that name is left behind.
        """


class Source(Fetcher, Protocol):
    """Where scenes come from."""

    @property
    def name(self) -> str:
        """Short name, as the command line takes it."""

    def search(self, wanted: Wanted) -> Found:
        """Find all scenes of a place and time.

        Raises
        ------
        IngestError
            The source cannot be asked, or its answer is not complete.
        """
