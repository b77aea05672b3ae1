"""Share of a crop in each pixel of a grid, from the archive's crop maps.

There are two kinds: "crop-map" holds the share of each crop, "crop-classes" the class
of each pixel (`heitu crop-map apply`). Both become shares of the wanted grid.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pystac
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from api.errors import CropUnknown
from api.raster_file import open_raster
from ingest.archive import PRODUCTS, Archive
from models.crop_map.classes import CROP, NODATA, NON_CROP
from models.features import PURITY
from raster.grid import lonlat_bounds

__all__ = ["CropShare", "crop_share"]

_SHARES, _CLASSES = "crop-map", "crop-classes"

# Pixels of a class map that are held at once along a side.
_SIDE: Final = 4096

_Share = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class CropShare:
    """Share of a crop in each pixel of a grid, and the map it is from.

    Attributes
    ----------
    share
        float32 (y, x), 0..1; 0 where less than `PURITY` per cent, or unknown.
    item
        The crop map's archive item.
    """

    share: _Share
    item: pystac.Item

    @property
    def simulated(self) -> bool:
        """Whether the crop map is simulated."""
        return bool(self.item.properties.get("heitu:simulated"))


def crop_share(
    archive: Archive, crop: str, geobox: GeoBox, *, year: int | None = None
) -> CropShare | None:
    """Lay the archive's crop map over a grid, averaged; None where there is none.

    Of several maps that with the best cover of the grid, then that of the nearest year,
    then that of the likest pixel size.

    Parameters
    ----------
    crop
        Name of a crop, e.g. "maize".
    year
        Season the shares are for; None where any will do.

    Raises
    ------
    CropUnknown
        There are crop maps, but none has the crop.
    """
    maps = [(item, _crops(item)) for item in archive.items(PRODUCTS)]
    maps = [(item, crops) for item, crops in maps if crops]
    if not maps:
        return None
    known = [item for item, crops in maps if crop in crops]
    if not known:
        raise CropUnknown(crop, known={name for _, crops in maps for name in crops})
    best = max(known, key=lambda item: _fitness(item, geobox, year))
    code = _crops(best)[crop]
    href = best.assets["data"].href
    if best.properties["heitu:kind"] == _CLASSES:
        percent = 100 * _share_of_class(href, code, geobox)
    else:
        percent = _mean_percent(href, code, geobox)
    pure = np.where(percent >= PURITY, percent, 0) / 100
    return CropShare(share=pure.astype(np.float32), item=best)


def _crops(item: pystac.Item) -> dict[str, int]:
    """Return crop -> band of its share, or its class; empty for other products."""
    said: dict[str, Any] = item.properties
    if said.get("heitu:kind") == _SHARES:
        return {name: 1 + i for i, name in enumerate(said.get("heitu:crops", ()))}
    if said.get("heitu:kind") == _CLASSES:
        classes = {one["name"]: one["value"] for one in said.get("heitu:classes", ())}
        return {k: v for k, v in classes.items() if k not in {NON_CROP.name, CROP}}
    return {}


def _fitness(
    item: pystac.Item, geobox: GeoBox, year: int | None
) -> tuple[float, float, float]:
    """Rank a map by cover of the grid, nearness in time, likeness in pixel size."""
    with open_raster(item.assets["data"].href) as source:
        grid = GeoBox(source.shape, source.transform, source.crs)
    wanted = shapely.box(*lonlat_bounds(geobox))
    there = shapely.box(*lonlat_bounds(grid)).intersection(wanted).area / wanted.area
    ratio = abs(grid.resolution.x) / abs(geobox.resolution.x)
    made = item.properties.get("heitu:year")
    apart = abs(made - year) if year is not None and made is not None else 0
    return round(there, 2), -apart, -abs(np.log(ratio))


@contextmanager
def _warped(
    href: str, geobox: GeoBox, resampling: Resampling, dtype: str
) -> Iterator[WarpedVRT]:
    with (
        open_raster(href) as source,
        WarpedVRT(
            source,
            crs=str(geobox.crs),
            transform=geobox.affine,
            height=geobox.shape.y,
            width=geobox.shape.x,
            resampling=resampling,
            dtype=dtype,
        ) as below,
    ):
        yield below


def _mean_percent(href: str, band: int, geobox: GeoBox) -> _Share:
    with _warped(href, geobox, Resampling.average, "float32") as below:
        percent = below.read(band, masked=True)
    filled: _Share = percent.filled(0).astype(np.float32)
    return np.where(filled <= 100, filled, np.float32(0))


def _share_of_class(href: str, code: int, geobox: GeoBox) -> _Share:
    """Share of a class among the classified pixels of a finer map, 0 where none is.

    An average of codes would be no class, so each pixel is cut into as many as the map
    has there, and those of the class are counted.
    """
    fine, cut = _cut(href, geobox)
    rows, columns = geobox.shape
    share = np.zeros((rows, columns), np.float32)
    step = max(1, _SIDE // cut)
    with _warped(href, fine, Resampling.nearest, "uint8") as below:
        for y in range(0, rows, step):
            for x in range(0, columns, step):
                high, wide = min(step, rows - y), min(step, columns - x)
                window = Window(x * cut, y * cut, wide * cut, high * cut)
                found = below.read(1, window=window, masked=True).filled(NODATA)
                cells = found.reshape(high, cut, wide, cut)
                known = (cells != NODATA).sum(axis=(1, 3))
                there = (cells == code).sum(axis=(1, 3))
                share[y : y + high, x : x + wide] = there / np.maximum(known, 1)
    return share


def _cut(href: str, geobox: GeoBox) -> tuple[GeoBox, int]:
    """Cut a grid's pixels to about those of a file; also into how many a side."""
    with open_raster(href) as source:
        grid = GeoBox(source.shape, source.transform, source.crs)
    middle = geobox.center_pixel
    metres = abs(middle.to_crs(str(grid.crs)).resolution.x)
    cut = max(1, round(metres / abs(grid.resolution.x)))
    return geobox.zoom_to(shape=(geobox.shape.y * cut, geobox.shape.x * cut)), cut
