"""The season of a place: from STAC items and a grid to a lazy dataset.

| variable | dims | dtype | meaning |
|---|---|---|---|
| ndvi | time, y, x | int16 * 1e-4 | median of the step's clear observations |
| clear_count | time, y, x | uint8 | clear observations, by scene class alone |
| ndvi_smooth | time, y, x | int16 * 1e-4 | smoothed, from first to last composite |
| sos, pos, eos | y, x | int16 | start, peak, end in days since `start` |
| peak | y, x | int16 * 1e-4 | smoothed NDVI at `pos` |
| integral | y, x | int16 * 0.01 | NDVI days above zero from `sos` to `eos` |

Nodata is -32768, everywhere for a pixel never clear; a pixel with fewer than three
composites has no smooth series and no season. Attributes follow CF, so that
`xr.decode_cf` gives numbers and dates.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Any, Literal

import dask.array as da
import numpy as np
import pystac
import xarray as xr
from dask.delayed import delayed
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords

from raster.block import INTEGRAL_SCALE, NDVI_SCALE, NODATA, Recipe, season_block
from raster.dekad import TimeStep, dekads
from raster.errors import GridInvalid, SettingInvalid
from raster.grid import lonlat_bounds
from raster.scene import SCENE_CLASS, Bounds, Observation, observations

SEASON_VARIABLES = (
    "ndvi",
    "clear_count",
    "ndvi_smooth",
    "sos",
    "pos",
    "eos",
    "peak",
    "integral",
)

# The others hold one value a pixel.
# Follows a crop's rise and fall over dekads; 10 would cut a tenth off its peak.
SMOOTHING = 1.0

# Share of the amplitude at start and end of season, as HR-VPP has it.
THRESHOLD = 0.25

_OVER_TIME = ("ndvi", "clear_count", "ndvi_smooth")

_NAMES = {
    "ndvi": "median NDVI of the clear observations",
    "clear_count": "clear observations",
    "ndvi_smooth": "smoothed NDVI",
    "sos": "start of season",
    "pos": "peak of season",
    "eos": "end of season",
    "peak": "smoothed NDVI at the peak of season",
    "integral": "area under the smoothed NDVI from start to end of season",
}


def season(
    items: Sequence[pystac.Item],
    geobox: GeoBox,
    *,
    start: date,
    end: date,
    variables: Sequence[str] = SEASON_VARIABLES,
    step: Literal["dekad", "date"] = "dekad",
    smoothing: float = SMOOTHING,
    threshold: float = THRESHOLD,
    chunk: int = 512,
) -> xr.Dataset:
    """Season of a grid from Sentinel-2 L2A items, lazy on dask.

    One task a block reads all its dates once, and only the bands that are needed.

    Parameters
    ----------
    items
        Scenes of any order, grid and CRS with single-band assets "B04", "B08" (uint16,
        0 = nodata, scale and offset of the STAC raster extension) and "SCL". Items of
        one UTC date are one observation.
    geobox
        Grid of the result, any CRS.
    start, end
        First and last acquisition date (UTC) taken, both included.
    variables
        Any of `SEASON_VARIABLES`.
    step
        "dekad", or "date" for each acquisition date, which asks for ``smoothing=0``.
    smoothing
        Lambda of the Whittaker smoother over the steps; 0 joins them by lines.
    threshold
        Share of the amplitude that marks start and end of season.
    chunk
        Block side in pixels; memory grows with its square times the steps.

    Returns
    -------
    xr.Dataset
        The asked variables as in the module's table; `time` is the first day of a
        step, attribute `simulated` is 1 if any scene is.

    Raises
    ------
    SettingInvalid, GridInvalid, NoScenes, AssetMissing, OffsetUnknown
        Settings, grid or items do not serve; at once.
    SceneUnreadable
        A file is missing or damaged; when its block is computed.
    """
    names = _checked_variables(variables)
    _check_settings(start, end, step=step, smoothing=smoothing, threshold=threshold)
    _check_grid(geobox, chunk)
    looks = observations(items, start=start, end=end, bands=_bands_for(names))
    recipe = Recipe(names, _steps(looks, step, start, end), start, smoothing, threshold)
    arrays = _lazy_arrays(geobox, looks, recipe, chunk)
    attributes = {"step": step, "smoothing": smoothing, "threshold": threshold}
    return _dataset(arrays, geobox, recipe).assign_attrs(
        attributes, Conventions="CF-1.10", simulated=_any_simulated(looks)
    )


def _any_simulated(looks: Sequence[Observation]) -> int:
    # A number, since netCDF knows no booleans and the text "false" reads as true.
    return int(any(scene.simulated for look in looks for scene in look.scenes))


def _checked_variables(variables: Sequence[str]) -> tuple[str, ...]:
    unknown = [name for name in variables if name not in SEASON_VARIABLES]
    if unknown or not variables:
        raise SettingInvalid(
            f"unknown season variables {unknown}: choose at least one of "
            f"{', '.join(SEASON_VARIABLES)}"
        )
    return tuple(dict.fromkeys(variables))


def _check_settings(
    start: date, end: date, *, step: str, smoothing: float, threshold: float
) -> None:
    if end < start:
        raise SettingInvalid(f"the season ends {end}, before it starts {start}")
    if step not in {"dekad", "date"}:
        raise SettingInvalid(f"unknown step {step!r}: choose 'dekad' or 'date'")
    # Beyond a million the float64 elimination itself starts to lose digits.
    if not 0 <= smoothing <= 1e6:
        raise SettingInvalid(f"smoothing {smoothing}: choose from 0 to 1e6")
    if step == "date" and smoothing != 0:
        raise SettingInvalid(
            f"smoothing {smoothing} needs equal steps and acquisition dates are not: "
            "use step='dekad', or smoothing=0"
        )
    if not 0 < threshold < 1:
        raise SettingInvalid(f"threshold {threshold}: choose between 0 and 1")


def _check_grid(geobox: GeoBox, chunk: int) -> None:
    if geobox.crs is None:
        raise GridInvalid("the grid has no CRS: build it with raster.grid.geobox_for")
    if chunk < 1:
        raise SettingInvalid(f"chunk {chunk}: choose at least 1 pixel")


def _bands_for(names: tuple[str, ...]) -> tuple[str, ...]:
    return (SCENE_CLASS,) if names == ("clear_count",) else ("B04", "B08", SCENE_CLASS)


def _steps(
    looks: Sequence[Observation], step: str, start: date, end: date
) -> tuple[TimeStep, ...]:
    if step == "dekad":
        return dekads(start, end)
    return tuple(TimeStep(look.acquired, look.acquired) for look in looks)


def _lazy_arrays(
    geobox: GeoBox, looks: Sequence[Observation], recipe: Recipe, chunk: int
) -> dict[str, da.Array]:
    height, width = geobox.shape
    columns = [slice(x, min(x + chunk, width)) for x in range(0, width, chunk)]
    blocks = [
        [
            _lazy_block(geobox[y : min(y + chunk, height), x], looks, recipe)
            for x in columns
        ]
        for y in range(0, height, chunk)
    ]
    return {
        name: da.block([[block[name] for block in row] for row in blocks])  # type: ignore[no-untyped-call]
        for name in recipe.variables
    }


def _lazy_block(
    geobox: GeoBox, looks: Sequence[Observation], recipe: Recipe
) -> dict[str, da.Array]:
    # A block opens only the scenes that can touch it: of a province, a few percent.
    near = tuple(_looks_near(looks, lonlat_bounds(geobox)))
    # A partial, because dask would walk through every argument looking for its own.
    task = delayed(partial(season_block, geobox, near, recipe), pure=False)()
    cube = (len(recipe.steps), *geobox.shape)
    return {
        name: da.from_delayed(  # type: ignore[no-untyped-call]
            task[name],
            shape=cube if name in _OVER_TIME else cube[1:],
            dtype=np.uint8 if name == "clear_count" else np.int16,
        )
        for name in recipe.variables
    }


def _looks_near(looks: Sequence[Observation], bounds: Bounds) -> Iterator[Observation]:
    for look in looks:
        near = tuple(s for s in look.scenes if _overlap(s.bounds, bounds))
        if near:
            yield Observation(look.acquired, near)


def _overlap(scene: Bounds | None, block: Bounds) -> bool:
    if scene is None:
        return True
    west, south, east, north = scene
    return west < block[2] and block[0] < east and south < block[3] and block[1] < north


def _dataset(
    arrays: Mapping[str, da.Array], geobox: GeoBox, recipe: Recipe
) -> xr.Dataset:
    coordinates: dict[Hashable, Any] = dict(xr_coords(geobox, always_yx=True))
    variables = {}
    for name, array in arrays.items():
        dims = ("time", "y", "x") if name in _OVER_TIME else ("y", "x")
        variables[name] = xr.Variable(dims, array, _attributes(name, recipe.start))
    if any(name in _OVER_TIME for name in arrays):
        coordinates.update(_time_coordinates(recipe.steps))
    return xr.Dataset(variables, coords=coordinates)


def _time_coordinates(steps: Sequence[TimeStep]) -> dict[str, xr.Variable]:
    first = [np.datetime64(step.start, "ns") for step in steps]
    past = [np.datetime64(step.end + timedelta(days=1), "ns") for step in steps]
    attributes = {"standard_name": "time", "axis": "T", "bounds": "time_bnds"}
    # CF wants the bounds written in the units of the time itself.
    units = {"units": "days since 1970-01-01"}
    edges = np.stack([first, past], axis=1)
    return {
        "time": xr.Variable("time", first, attributes, units),
        "time_bnds": xr.Variable(("time", "bnds"), edges, None, units),
    }


def _attributes(name: str, start: date) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "long_name": _NAMES[name],
        "units": "1",
        "grid_mapping": "spatial_ref",
    }
    if name == "clear_count":
        return attributes
    attributes["_FillValue"] = np.int16(NODATA)
    if name in {"sos", "pos", "eos"}:
        return attributes | {"units": f"days since {start.isoformat()}"}
    if name == "integral":
        return attributes | {"units": "day", "scale_factor": INTEGRAL_SCALE}
    return attributes | {"scale_factor": NDVI_SCALE}
