"""Harmonized Landsat Sentinel-2, version 2: one GeoTIFF a band, all in tags and name.

Source: HLS Product User Guide, version 2.0 (scale 0.0001, fill -9999, Fmask fill 255).
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from ingest.folders.errors import ProductInvalid
from ingest.folders.files import Files
from ingest.folders.header import Header, read_header
from ingest.folders.product import SOURCE, Product, checked_id, invalid, known, number
from ingest.offer import BandOffer, SceneOffer
from ingest.stac_item import footprint
from raster.mask import MASK_NODATA
from raster.mission import HLS_L30, HLS_S30, Mission

__all__ = ["COLLECTIONS", "products"]

COLLECTIONS = {"S": "hls2-s30", "L": "hls2-l30"}
MISSIONS = {"S": HLS_S30, "L": HLS_L30}
TOLERANCE = 1e-6

_FILE = re.compile(
    r"(?:^|/)(?P<id>HLS\.(?P<sensor>[SL])30\.T(?P<tile>\d\d[A-Z]{3})\."
    r"(?P<time>\d{7}T\d{6})\.v(?P<version>\d\.\d))\.(?P<key>\w+)\.\w+$"
)
_LANDSAT = re.compile(r"L[COTEM]0(\d)_")


def products(files: Files) -> Iterator[Product]:
    """All HLS granules, by folder and name."""
    granules: dict[tuple[str, str], dict[str, str]] = {}
    parts: dict[str, re.Match[str]] = {}
    for name in files.sizes:
        found = _FILE.search(name)
        if found:
            place = name[: found.start("id")], found["id"]
            key = found["key"] if name.lower().endswith((".tif", ".tiff")) else name
            granules.setdefault(place, {})[key] = name
            parts[found["id"]] = found
    for (_, granule), names in granules.items():
        reading = _Reading(files, parts[granule], names)
        yield Product(
            granule, frozenset(names.values()), reading.offer, reading.taken.date()
        )


@dataclass(frozen=True, slots=True)
class _Reading:
    """One granule: its name taken apart, and its files by key."""

    files: Files
    parts: re.Match[str]
    names: Mapping[str, str]

    @property
    def name(self) -> str:
        return self.parts["id"]

    @property
    def taken(self) -> datetime:
        return datetime.strptime(self.parts["time"], "%Y%jT%H%M%S").replace(tzinfo=UTC)

    def offer(self) -> SceneOffer:
        sensor = self.parts["sensor"]
        if not self.parts["version"].startswith("2."):
            raise invalid(
                self.name,
                self.name,
                "is of an older version of HLS; get version 2.0",
                "是旧版 HLS，请改用 2.0 版",
            )
        mission = MISSIONS[sensor]
        headers = {
            key: self._header(self.names[key])
            for key in sorted(_keys(mission))
            if key in self.names
        }
        if "Fmask" not in headers:
            raise invalid(
                self.name,
                f"{self.name}.Fmask.tif",
                "is missing, which says where clouds are; download it to the bands",
                "缺少云掩膜文件，请补充下载",
            )
        return SceneOffer(
            source=SOURCE,
            collection=COLLECTIONS[sensor],
            item_id=checked_id(self.name),
            acquired=self.taken,
            footprint=footprint(headers["Fmask"].grid),
            bands={key: self._band(key, mission, headers[key]) for key in headers},
            properties=self._properties(headers),
        )

    def _header(self, name: str) -> Header:
        return read_header(self.files.href(name), product=self.name, file=name)

    def _band(self, key: str, mission: Mission, header: Header) -> BandOffer:
        name = self.names[key]
        mask = key == "Fmask"
        if not mask:
            self._check(name, mission, header)
        calibration = mission.calibrations[0]
        return BandOffer(
            key=key,
            href=self.files.href(name),
            nodata=MASK_NODATA["Fmask"] if mask else mission.nodata,
            scale=None if mask else calibration.scale,
            offset=None if mask else calibration.offset,
            size=self.files.size(name),
            resolution=header.metres,
        )

    def _check(self, name: str, mission: Mission, header: Header) -> None:
        """Compare what the file says, where it says it, with the specification."""
        calibration = mission.calibrations[0]
        scale = _stated(header, "scale_factor", header.scales[0], unsaid=1)
        offset = _stated(header, "add_offset", header.offsets[0], unsaid=0)
        fill = _stated(header, "_FillValue", header.nodata, unsaid=None)
        for what, stated, expected in (
            ("scale_factor", scale, calibration.scale),
            ("add_offset", offset, calibration.offset),
            ("_FillValue", fill, mission.nodata),
        ):
            if stated is not None and not math.isclose(
                stated, expected, rel_tol=TOLERANCE, abs_tol=TOLERANCE * 1e-4
            ):
                raise self._differs(name, what, stated, expected)

    def _differs(
        self, name: str, what: str, stated: float, expected: float
    ) -> ProductInvalid:
        return invalid(
            self.name,
            name,
            f"{what} is {stated:g} instead of {expected:g}; it was changed after it "
            "was made, download it again",
            f"{what} 为 {stated:g}，规范为 {expected:g}，文件可能被改动，请重新下载",
        )

    def _properties(self, headers: Mapping[str, Header]) -> Mapping[str, object]:
        tags: dict[str, str] = {}
        for header in headers.values():
            tags = {**header.tags, **tags}
        return known(
            {
                "platform": _platform(tags),
                "eo:cloud_cover": number(tags.get("cloud_coverage")),
                "grid:code": f"MGRS-{self.parts['tile']}",
                "s2:product_uri": tags.get("PRODUCT_URI"),
                "landsat:product_id": tags.get("LANDSAT_PRODUCT_ID"),
                "created": _time(tags.get("HLS_PROCESSING_TIME")),
            }
        )


def _keys(mission: Mission) -> set[str]:
    return {key for keys in mission.bands.values() for key in keys} | {"Fmask"}


def _stated(
    header: Header, tag: str, value: float | None, *, unsaid: float | None
) -> float | None:
    """Give a tag's number, or the band's own; None where neither says it."""
    if tag in header.tags:
        return number(header.tags[tag])
    return None if value == unsaid else value


def _platform(tags: Mapping[str, str]) -> str | None:
    if "SPACECRAFT_NAME" in tags:
        return tags["SPACECRAFT_NAME"].lower()
    found = _LANDSAT.search(tags.get("LANDSAT_PRODUCT_ID", ""))
    return f"landsat-{found[1]}" if found else None


def _time(text: str | None) -> str | None:
    try:
        return None if text is None else datetime.fromisoformat(text).isoformat()
    except ValueError:
        return None
