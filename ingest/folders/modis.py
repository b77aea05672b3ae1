"""MODIS vegetation indices 13Q1, 16 days at 250 m: HDF4-EOS or GeoTIFFs made of it.

Source: MODIS Vegetation Index User's Guide, Collection 6.1: an index is the number
/ 10000, fill -3000. The day of a name is the first of the 16.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from odc.geo.geobox import GeoBox

from ingest.folders.errors import ProductInvalid
from ingest.folders.files import Files
from ingest.folders.header import Header, read_header
from ingest.folders.modis_hdf import Field, fields_of, href_of
from ingest.folders.product import (
    SOURCE,
    Product,
    checked_id,
    invalid,
    known,
    not_usable,
)
from ingest.offer import BandOffer, SceneOffer
from ingest.stac_item import footprint

__all__ = ["products"]

PLATFORMS = {"MOD": "terra", "MYD": "aqua"}
DAYS = 16
METRES = 231.656
DIVISOR = 10000.0
TOLERANCE = 1e-6


class Layer(NamedTuple):
    """A layer of the product: its name there, its type and fill, and whether scaled."""

    title: str
    dtype: str
    fill: int
    scaled: bool = False


LAYERS = {
    "ndvi": Layer("NDVI", "int16", -3000, scaled=True),
    "evi": Layer("EVI", "int16", -3000, scaled=True),
    "vi_quality": Layer("VI Quality", "uint16", 65535),
    "pixel_reliability": Layer("pixel reliability", "int8", -1),
    "composite_day": Layer("composite day of the year", "int16", -1),
}
KEYS = {layer.title.replace(" ", "_").lower(): key for key, layer in LAYERS.items()}

_NAME = re.compile(
    r"(?:^|/)(?P<id>(?P<sensor>MOD|MYD)13Q1\.A(?P<day>\d{7})\.h\d\dv\d\d\."
    r"(?P<version>\d{3})(?:\.\d{13})?)"
    r"(?:[._]250m_16_days_(?P<title>\w+?))?\.(?P<form>hdf|tiff?)$",
    re.IGNORECASE,
)


def products(files: Files) -> Iterator[Product]:
    """All 13Q1 tiles, by folder and name."""
    tiles: dict[tuple[str, str], list[re.Match[str]]] = {}
    for name in files.sizes:
        found = _NAME.search(name)
        if found:
            place = name[: found.start("id")], found["id"]
            tiles.setdefault(place, []).append(found)
    for (_, tile), group in tiles.items():
        reading = _Reading(files, tile, tuple(group))
        claimed = frozenset(found.string for found in group)
        read = reading.offer
        if files.scheme and reading.hdf:
            read = not_usable(
                tile,
                f"lies packed in {files.root.name}, where HDF4 cannot be read; unpack "
                "it",
                f"位于压缩包 {files.root.name} 内，HDF4 不能直接读取，请先解压",
            )
        yield Product(tile, claimed, read, reading.first.date())


@dataclass(frozen=True, slots=True)
class _Reading:
    """One tile and its files."""

    files: Files
    name: str
    found: tuple[re.Match[str], ...]

    @property
    def hdf(self) -> str | None:
        names = (one.string for one in self.found if one["form"].lower() == "hdf")
        return next(names, None)

    @property
    def first(self) -> datetime:
        return datetime.strptime(self.found[0]["day"], "%Y%j").replace(tzinfo=UTC)

    def offer(self) -> SceneOffer:
        grid, bands = self._of_hdf(self.hdf) if self.hdf else self._of_tiffs()
        if grid is None or not bands:
            raise invalid(
                self.name,
                self.name,
                f"holds none of {', '.join(LAYERS)}; get the product again",
                "不含可用图层，请重新获取该产品",
            )
        last = self.first + timedelta(days=DAYS) - timedelta(seconds=1)
        return SceneOffer(
            source=SOURCE,
            collection=f"modis-13Q1-{self.found[0]['version']}",
            item_id=checked_id(self.name),
            acquired=self.first,
            footprint=footprint(grid),
            bands=bands,
            properties=known(
                {
                    "platform": PLATFORMS[self.found[0]["sensor"].upper()],
                    "instruments": ["modis"],
                    "start_datetime": _utc(self.first),
                    "end_datetime": _utc(last),
                }
            ),
        )

    def _of_hdf(self, name: str) -> tuple[GeoBox | None, dict[str, BandOffer]]:
        path = self.files.href(name)
        grid, fields = fields_of(path, product=self.name, file=name)
        bands = {}
        for key, layer in LAYERS.items():
            field = next((one for one in fields if one.endswith(layer.title)), None)
            if field:
                self._check_field(name, layer, fields[field])
                bands[key] = self._band(
                    key, href_of(path, field), self.files.size(name)
                )
        return grid, bands

    def _of_tiffs(self) -> tuple[GeoBox | None, dict[str, BandOffer]]:
        bands, grid = {}, None
        for one in self.found:
            key = KEYS.get((one["title"] or "").lower())
            if key is None:
                continue
            href = self.files.href(one.string)
            header = read_header(href, product=self.name, file=one.string)
            self._check_header(one.string, LAYERS[key], header)
            bands[key] = self._band(key, href, self.files.size(one.string))
            grid = header.grid
        return grid, bands

    def _band(self, key: str, href: str, size: int | None) -> BandOffer:
        layer = LAYERS[key]
        return BandOffer(
            key=key,
            href=href,
            nodata=layer.fill,
            scale=1 / DIVISOR if layer.scaled else None,
            offset=0.0 if layer.scaled else None,
            size=size,
            resolution=METRES,
        )

    def _check_field(self, file: str, layer: Layer, field: Field) -> None:
        scales = {DIVISOR} if layer.scaled else {1.0}
        self._check(file, layer, field.dtype, field.scale, scales, field.fill)

    def _check_header(self, file: str, layer: Layer, header: Header) -> None:
        # Exports leave the scale out, or write it as factor or as divisor.
        scales = {1.0, DIVISOR, 1 / DIVISOR} if layer.scaled else {1.0}
        self._check(
            file, layer, header.dtypes[0], header.scales[0], scales, header.nodata
        )

    def _check(
        self,
        file: str,
        layer: Layer,
        dtype: str,
        scale: float,
        scales: set[float],
        fill: float | None,
    ) -> None:
        """Compare what the file says with the specification."""
        if dtype != layer.dtype:
            raise self._differs(file, layer, "type", dtype, layer.dtype)
        if not any(math.isclose(scale, one, rel_tol=TOLERANCE) for one in scales):
            raise self._differs(file, layer, "scale", scale, max(scales))
        if fill is not None and fill != layer.fill:
            raise self._differs(file, layer, "fill value", fill, layer.fill)

    def _differs(
        self, file: str, layer: Layer, what: str, stated: object, expected: object
    ) -> ProductInvalid:
        return invalid(
            self.name,
            file,
            f"{what} of {layer.title} is {stated} instead of {expected}, so that its "
            "numbers cannot be trusted; export or download it again",
            f"{layer.title} 的 {what} 为 {stated}，规范为 {expected}，请重新导出或下载",
        )


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
