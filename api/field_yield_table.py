"""Yields of fields from a yield map of the archive and the estimates behind it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pystac
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from api.errors import ApiError
from api.raster_file import open_raster
from ingest.archive import Archive
from models.pixel_yield import NODATA, SCALE, WithinError, field_yields
from raster.coverage import coverage
from raster.zonal import zone_index

if TYPE_CHECKING:
    from api.settings import Settings

__all__ = ["FieldYields", "FieldsMissing", "NoYieldMap", "field_yield_table"]

NO_INTERVAL = (
    "the map tells no interval of a county's estimate: none of fields either"
    " · 该图未给出县级估计的区间，因此无法给出区间"
)
LOWER_BOUND = (
    "intervals hold the county's error alone and are too narrow: give --field-error,"
    " measured by crop cuts"
    " · 区间只含县级误差，偏窄；请用 --field-error 给出由测产得到的误差"
)


class NoYieldMap(ApiError):
    """The product is no yield map in kg/ha."""

    def __init__(self, product: str) -> None:
        super().__init__(
            f"product {product!r} is no yield map in kg/ha: `heitu archive list "
            f"products` names those there are · 产品 {product} 不是单产图，"
            "请用 `heitu archive list products` 查看"
        )


class FieldsMissing(ApiError):
    """There are no fields to tell the yields of."""

    def __init__(self, crop: str, year: int) -> None:
        super().__init__(
            f"no stored field of {crop} in {year}: bring them in with `heitu ingest "
            f"fields`, or give --fields FILE · 没有 {year} 年 {crop} 的地块，"
            "请先导入或用 --fields 给出文件"
        )


@dataclass(frozen=True, slots=True)
class FieldYields:
    """A row a field, see `models.pixel_yield.field_yields`, and what is to be said."""

    table: pd.DataFrame
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Counties:
    """What the estimates say, in the order of `codes`."""

    zones: NDArray[np.int16]
    values: NDArray[np.float64]
    sds: NDArray[np.float64]


def field_yield_table(
    settings: "Settings",
    product: str,
    fields: Path | None,
    *,
    level: float,
    within: WithinError | None,
) -> FieldYields:
    """Make the table.

    Parameters
    ----------
    product
        Id of a yield map in the archive.
    fields
        File of polygons; None for the stored fields of the map's crop and year.
    level
        Of the interval, 0..1.
    within
        Error of the map within a county; None where nobody has measured it.

    Raises
    ------
    NoYieldMap, FieldsMissing
    ingest.IngestError
        No such product, or the file cannot be taken.
    """
    item = Archive(settings.archive, create=False).item("products", product)
    pixels, geobox = _map_of(item, product)
    ids, shapes, simulated = _fields(settings, item, fields)
    counties = _counties(settings, item, geobox)
    table = field_yields(
        pixels,
        coverage(geobox, shapes),
        fields=ids,
        zones=None if counties is None else counties.zones,
        county_values=None if counties is None else counties.values,
        county_sds=None if counties is None else counties.sds,
        within=within,
        level=level,
    )
    made_up = simulated | bool(item.properties["heitu:simulated"])
    told = [f"map 单产图: {product}, run {item.properties['heitu:run']}"]
    if counties is None:
        told.append(NO_INTERVAL)
    elif within is None:
        told.append(LOWER_BOUND)
    if np.any(made_up):
        told.append("simulated 模拟数据")
    return FieldYields(table.assign(simulated=made_up), tuple(told))


def _map_of(item: pystac.Item, product: str) -> tuple[NDArray[np.uint16], GeoBox]:
    if item.properties.get("heitu:unit") != "t/ha" or "data" not in item.assets:
        raise NoYieldMap(product)
    with open_raster(item.assets["data"].href) as source:
        if source.nodata != NODATA or source.scales[0] != SCALE:
            raise NoYieldMap(product)
        pixels: NDArray[np.uint16] = source.read(1)
        return pixels, GeoBox(source.shape, source.transform, source.crs)


def _fields(
    settings: "Settings", item: pystac.Item, path: Path | None
) -> tuple[list[str], list[shapely.Geometry], NDArray[np.bool_]]:
    """Ids, polygons (EPSG:4326) and whether each is simulated."""
    if path is not None:
        return _fields_of_file(path)
    from store import fields as stored
    from store import open_store

    crop, year = item.properties["heitu:crop"], int(item.properties["heitu:year"])
    with (
        open_store(data=settings.data, url=settings.url) as store,
        store.connection() as conn,
    ):
        found = [one for one in stored.find(conn, year=year) if one.crop == crop]
    if not found:
        raise FieldsMissing(crop, year)
    simulated = np.array([one.simulated for one in found])
    return [one.field_id for one in found], [one.geometry for one in found], simulated


def _fields_of_file(
    path: Path,
) -> tuple[list[str], list[shapely.Geometry], NDArray[np.bool_]]:
    from ingest.ground.headers import SPELLINGS
    from ingest.ground.vector import read_layer

    layer = read_layer(path)
    spelled = [name for role in ("field", "id") for name in SPELLINGS.get(role, ())]
    column = next((name for name in layer.columns if name.casefold() in spelled), None)
    ids = [
        str(feature.values[column]) if column else str(feature.row)
        for feature in layer.features
    ]
    shapes = [feature.geometry for feature in layer.features]
    return ids, shapes, np.zeros(len(ids), bool)


def _counties(
    settings: "Settings", item: pystac.Item, geobox: GeoBox
) -> _Counties | None:
    """Take the estimates that the map was scaled to; None where there are none."""
    from store import counties, open_store

    used = [
        one
        for one in item.properties.get("heitu:counties", ())
        if one["estimate"] is not None and one["sd"] is not None
    ]
    if not used:
        return None
    with (
        open_store(data=settings.data, url=settings.url) as store,
        store.connection() as conn,
    ):
        outlines = {one.code: one.geometry for one in counties.all_counties(conn)}
    there = [one for one in used if one["code"] in outlines]
    return _Counties(
        zones=zone_index(geobox, [outlines[one["code"]] for one in there]),
        values=np.array([one["estimate"] for one in there], np.float64),
        sds=np.array([one["sd"] for one in there], np.float64),
    )
