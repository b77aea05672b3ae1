"""The season of one pixel, from the finest scenes that cover it."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, timedelta
from functools import lru_cache
from typing import Any

import pystac
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from pystac.extensions.projection import ProjectionExtension

from api.catalogue import Catalogue
from api.errors import NoDataForYear, PointOutside, SceneFailed
from api.schemas import Observation, SeasonCurve
from api.seasons import season_window
from raster.errors import AssetMissing, OffsetUnknown, SceneUnreadable
from raster.season import season
from raster.step import dekad_of

__all__ = ["season_at"]

_RED = "B04"
_METRES_PER_DEGREE = 111_320

Scenes = Sequence[tuple[pystac.Item, GeoBox]]
"""Scenes over a point, each with the one pixel of its own grid that holds it."""


def season_at(
    catalogue: Catalogue, *, lon: float, lat: float, year: int
) -> SeasonCurve:
    """Compute a pixel's season from 1 April to 31 October.

    Parameters
    ----------
    catalogue
        The archive's items.
    lon, lat
        WGS 84 degrees.
    year
        Year of the season.

    Returns
    -------
    SeasonCurve
        Of the finest collection with scenes of that year over the point. A pixel that
        was never clear has status ``no-clear-observation`` and no values.

    Raises
    ------
    PointOutside
        No scene of any year covers the point.
    NoDataForYear
        Scenes cover the point, but in other years.
    SceneFailed
        A scene cannot be used.
    """
    over = {
        name: _over(catalogue.items(name), lon=lon, lat=lat)
        for name in catalogue.scene_collections()
    }
    collection, scenes = _finest(_of_year(over, lon=lon, lat=lat, year=year))
    items, pixel = [item for item, _ in scenes], scenes[0][1]
    dekads, dates = _compute(items, pixel, year)
    return SeasonCurve(
        lon=lon,
        lat=lat,
        year=year,
        collection=collection,
        resolution_m=_resolution_m(pixel),
        simulated=any(item.properties.get("heitu:simulated", False) for item in items),
        observations=_observations(dates),
        **_curve(dekads, start=season_window(year)[0]),
    )


def _over(items: Sequence[pystac.Item], *, lon: float, lat: float) -> Scenes:
    pixels = ((item, _pixel(item, lon=lon, lat=lat)) for item in items)
    return [(item, pixel) for item, pixel in pixels if pixel is not None]


def _of_year(
    over: Mapping[str, Scenes], *, lon: float, lat: float, year: int
) -> dict[str, Scenes]:
    """Keep the scenes of one year, or say why there are none."""
    years = {_year(item) for scenes in over.values() for item, _ in scenes}
    if not years:
        raise PointOutside("all scenes of the archive", lon=lon, lat=lat)
    if year not in years:
        raise NoDataForYear(f"scenes over lon {lon}, lat {lat}", year=year, years=years)
    return {
        name: [scene for scene in scenes if _year(scene[0]) == year]
        for name, scenes in over.items()
        if any(_year(item) == year for item, _ in scenes)
    }


def _finest(scenes: Mapping[str, Scenes]) -> tuple[str, Scenes]:
    return min(scenes.items(), key=lambda named: _resolution_m(named[1][0][1]))


def _year(item: pystac.Item) -> int:
    # An acquisition has one moment; the archive writes no scene without.
    assert item.datetime is not None
    return item.datetime.astimezone(UTC).year


def _pixel(item: pystac.Item, *, lon: float, lat: float) -> GeoBox | None:
    """Return the 1 x 1 grid of the scene's pixel that holds a point, if one does."""
    if _RED not in item.assets:
        return None
    grid = ProjectionExtension.ext(item.assets[_RED])
    if grid.crs_string is None or grid.transform is None or grid.shape is None:
        return None
    affine = Affine(*grid.transform[:6])
    column, row = ~affine @ _from_lonlat(grid.crs_string).transform(lon, lat)
    rows, columns = grid.shape
    if not (0 <= column < columns and 0 <= row < rows):
        return None
    corner = affine @ Affine.translation(math.floor(column), math.floor(row))
    return GeoBox((1, 1), corner, grid.crs_string)


@lru_cache(maxsize=64)
def _from_lonlat(crs: str) -> Transformer:
    return Transformer.from_crs("EPSG:4326", crs, always_xy=True)


def _resolution_m(pixel: GeoBox) -> float:
    size = abs(pixel.resolution.x)
    in_metres = pixel.crs is not None and pixel.crs.projected
    return size if in_metres else size * _METRES_PER_DEGREE


def _compute(
    items: Sequence[pystac.Item], pixel: GeoBox, year: int
) -> tuple[xr.Dataset, xr.Dataset]:
    """Return the pixel's dekads with phenology, and its single dates."""
    start, end = season_window(year)
    try:
        dekads = season(items, pixel, start=start, end=end)
        dates = season(
            items,
            pixel,
            start=start,
            end=end,
            variables=("ndvi",),
            step="date",
            smoothing=0,
        )
        return _at_once(dekads), _at_once(dates)
    except (SceneUnreadable, AssetMissing, OffsetUnknown) as exc:
        raise SceneFailed(exc.item_id) from exc


def _at_once(cube: xr.Dataset) -> xr.Dataset:
    # One pixel is one task: threads would only be started and thrown away.
    return cube.isel(y=0, x=0).compute(scheduler="synchronous")


def _curve(dekads: xr.Dataset, *, start: date) -> dict[str, Any]:
    clear_count = dekads["clear_count"].values.tolist()
    peak, integral = _numbers(dekads["peak"]), _numbers(dekads["integral"])
    return {
        "dates": _days(dekads),
        "centres": [dekad_of(day).centre for day in _days(dekads)],
        "ndvi": _numbers(dekads["ndvi"]),
        "clear_count": clear_count,
        "ndvi_smooth": _numbers(dekads["ndvi_smooth"]),
        "sos": _day(dekads["sos"], start),
        "pos": _day(dekads["pos"], start),
        "eos": _day(dekads["eos"], start),
        "peak": peak[0],
        "integral": integral[0],
        "status": "ok" if any(clear_count) else "no-clear-observation",
    }


def _observations(dates: xr.Dataset) -> list[Observation]:
    return [
        Observation(date=day, ndvi=value)
        for day, value in zip(_days(dates), _numbers(dates["ndvi"]), strict=True)
        if value is not None
    ]


def _days(cube: xr.Dataset) -> list[date]:
    days: list[date] = cube["time"].values.astype("datetime64[D]").tolist()
    return days


def _numbers(variable: xr.DataArray) -> list[float | None]:
    """Return stored integers as values, None for nodata."""
    scale, nodata = variable.attrs.get("scale_factor", 1), variable.attrs["_FillValue"]
    # Rounded, since 7321 * 0.0001 is 0.7321000000000001.
    return [
        None if stored == nodata else round(stored * scale, 6)
        for stored in variable.values.ravel().tolist()
    ]


def _day(variable: xr.DataArray, start: date) -> date | None:
    (days,) = _numbers(variable)
    return None if days is None else start + timedelta(days=days)
