"""The ground of some counties: a window of any crop map of the archive."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import pyproj
import pystac
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.windows import Window

from api.crop_map_product import KIND as CLASSES
from api.errors import ApiError, PlaceInvalid
from api.ground import Ground, crop_map_id
from api.place import Bounds, Place
from api.raster_file import open_raster
from ingest.archive import PRODUCTS, Archive
from models.crop_map.classes import class_named
from models.features import CROPS
from store.counties import County

__all__ = ["CropMapMissing", "PartOfGround", "counties_in", "find_ground", "window_of"]

SHARES: Final = "crop-map"
"""Kind of the products that hold crop shares, per cent; `CLASSES` hold class codes."""

# A finer map that leaves more of the place out is not taken for it.
_MOSTLY = 0.95


class CropMapMissing(ApiError):
    """The archive has no crop map of the place, or not the one that is named."""


@dataclass(frozen=True, kw_only=True)
class PartOfGround(Ground):
    """A window of a crop map, of shares or of classes."""

    window: Window

    @cached_property
    def fractions(self) -> NDArray[np.uint8]:
        """Percent of maize, rice and soybean, (3, y, x); 255 where the map ends."""
        with open_raster(self.crop_map.assets["data"].href) as source:
            cells: NDArray[np.uint8] = source.read(window=self.window)
        if self.crop_map.properties.get("heitu:kind") == CLASSES:
            return _shares_of_classes(cells[0])
        held = self.crop_map.properties.get("heitu:crops", CROPS)
        unknown = np.full(cells.shape[1:], 255, np.uint8)
        bands = dict(zip(held, cells, strict=True))
        return np.stack([bands.get(crop, unknown) for crop in CROPS])


def _shares_of_classes(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    found = [class_named(crop) for crop in CROPS]
    shares = [np.where(codes == one.code, 100, 0) for one in found if one is not None]
    return np.where(codes == 255, 255, np.stack(shares)).astype(np.uint8)


def counties_in(place: Place | None, counties: Sequence[County]) -> list[County]:
    """Return the counties that a place lies in, all of them for no place.

    Raises
    ------
    PlaceInvalid
        It lies in none.
    """
    if place is None:
        return list(counties)
    own = [county for county in counties if county.code == place.key]
    # A neighbour of a county shares its border and nothing else.
    found = own or [
        county
        for county in counties
        if shapely.area(shapely.intersection(county.geometry, place.geometry)) > 0
    ]
    if not found:
        raise PlaceInvalid(
            f"{place.name_en} lies in no county: yields are estimated by county, give "
            f"a place in Jilin · {place.name_zh} 不在任何县内，请给出吉林省内的地点"
        )
    return found


def find_ground(
    archive: Archive, counties: Sequence[County], *, named: str | None
) -> PartOfGround:
    """Lay some counties over a crop map: the one named, or the finest that covers them.

    Raises
    ------
    CropMapMissing
    ingest.IngestError
        An item cannot be read.
    """
    maps = [item for item in archive.items(PRODUCTS) if _is_crop_map(item)]
    if named is not None:
        maps = [one for one in maps if one.id in (named, crop_map_id(named))]
    whole = shapely.union_all([county.geometry for county in counties])
    covering = [one for one in maps if named or _covers(one, whole)]
    if not covering:
        raise _missing(named, archive)
    best = min(covering, key=lambda one: float(one.properties.get("gsd", np.inf)))
    with open_raster(best.assets["data"].href) as source:
        geobox = GeoBox(source.shape, source.transform, source.crs)
    window = window_of(geobox, _bounds(whole))
    if window is None:
        raise _missing(named, archive)
    return PartOfGround(
        geobox=part_of(geobox, window),
        crop_map=best,
        counties=tuple(counties),
        window=window,
    )


def part_of(geobox: GeoBox, window: Window) -> GeoBox:
    """Return the part of a grid in a window."""
    rows, columns = window.toslices()
    return geobox[rows, columns]


def window_of(geobox: GeoBox, bounds: Bounds) -> Window | None:
    """Return the window of a grid that holds a rectangle in degrees; None for none."""
    project = pyproj.Transformer.from_crs("EPSG:4326", str(geobox.crs), always_xy=True)
    left, bottom, right, top = project.transform_bounds(*bounds, densify_pts=64)
    corners = [~geobox.affine * xy for xy in ((left, top), (right, bottom))]
    (west, north), (east, south) = corners
    height, width = geobox.shape
    row, past_row = max(int(np.floor(north)), 0), min(int(np.ceil(south)), height)
    column, past = max(int(np.floor(west)), 0), min(int(np.ceil(east)), width)
    if row >= past_row or column >= past:
        return None
    return Window(column, row, past - column, past_row - row)


def _is_crop_map(item: pystac.Item) -> bool:
    return item.properties.get("heitu:kind") in (SHARES, CLASSES)


def _covers(item: pystac.Item, place: Any) -> bool:  # noqa: ANN401
    if item.geometry is None:
        return False
    outline = shapely.geometry.shape(item.geometry)
    return bool(outline.intersection(place).area >= _MOSTLY * place.area)


def _missing(named: str | None, archive: Archive) -> CropMapMissing:
    there = [one.id for one in archive.items(PRODUCTS) if _is_crop_map(one)]
    known = ", ".join(there)
    wanted = f"no crop map {named!r}" if named else "no crop map of all of the place"
    return CropMapMissing(
        f"the archive has {wanted}, only {known or 'none at all'}: give --crop-map, or "
        "make one with `heitu crop-map apply`"
        f" · 没有可用的作物图，现有：{known or '无'}，请用 --crop-map 指定或先运行 "
        "`heitu crop-map apply`"
    )


def _bounds(shape: shapely.Geometry) -> Bounds:
    west, south, east, north = map(float, shape.bounds)
    return west, south, east, north
