"""The season of a place: from STAC items and a grid to a lazy dataset.

| variable | dims | dtype | meaning |
|---|---|---|---|
| an index, as ndvi | time, y, x | int16 * its scale | composite of a step |
| clear_count | time, y, x | uint8 | clear observations, by scene class alone |
| an index + _smooth | time, y, x | int16 * its scale | from first to last composite |
| sos, pos, eos | y, x | int16 | start, peak, end in days since `start` |
| los | y, x | int16 | length, from start to end, in days |
| peak, base, amplitude | y, x | int16 * the scale | at `pos`, around it, and between |
| integral | y, x | int16 * a scale | index days above zero from `sos` to `eos` |

Nodata is -32768, everywhere for a pixel never clear; a pixel with fewer than three
composites has no smooth series and no season. With two seasons the variables over y, x
have a first dim `season`. Attributes follow CF, so that `xr.decode_cf` gives numbers
and dates.
"""

import json
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from operator import getitem
from typing import Any, NoReturn, get_args
from uuid import uuid4

import dask.array as da
import numpy as np
import pystac
import xarray as xr
from dask.highlevelgraph import HighLevelGraph
from dask.typing import Key
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords

from raster.block import CLEAR_COUNT, SMOOTH, Composite, Recipe, season_block
from raster.blocks import slices
from raster.composite import NODATA
from raster.curve import PHENOLOGY, integral_scale
from raster.errors import GridInvalid, NoScenes, SettingInvalid
from raster.grid import check_crs, lonlat_bounds
from raster.indices import INDICES, Index, index_named, near_indices
from raster.observe import index_limits
from raster.selection import Bounds, Observation, Selection, select
from raster.step import Step, TimeStep, dekads, months, spans

SEASON_VARIABLES = ("ndvi", CLEAR_COUNT, "ndvi_smooth", *PHENOLOGY)

# Follows a crop's rise and fall over dekads; 10 would cut a tenth off its peak.
SMOOTHING = 1.0

# Share of the amplitude at start and end of season, as HR-VPP has it.
THRESHOLD = 0.25

# Sides of a block, largest first: the largest holds whole blocks of 20 m files, so that
# none is decoded twice; smaller ones for steps of very many observations.
_SIDES = (1024, 512, 256, 128)
_BLOCK_BYTES = 400_000_000

_MOST_OBSERVATIONS = 255

_DATES = ("sos", "pos", "eos")

_NAMES = {
    CLEAR_COUNT: "clear observations",
    "sos": "start of season",
    "pos": "peak of season",
    "eos": "end of season",
    "los": "length of season",
    "peak": "smoothed {} at the peak of season",
    "base": "mean of the lowest smoothed {} before and after the peak",
    "amplitude": "smoothed {} at the peak above the base",
    "integral": "area under the smoothed {} from start to end of season",
}


def season(
    items: Sequence[pystac.Item],
    geobox: GeoBox,
    *,
    start: date,
    end: date,
    variables: Sequence[str | Index] = SEASON_VARIABLES,
    step: Step = "dekad",
    composite: Composite = "median",
    index: str | Index = "ndvi",
    seasons: int = 1,
    smoothing: float = SMOOTHING,
    threshold: float = THRESHOLD,
    cloud_buffer: float = 0.0,
    chunk: int | None = None,
    verify: bool = False,
) -> xr.Dataset:
    """Season of a grid from optical scenes, lazy on dask.

    One task a block reads all its dates once, and only the bands that are needed.

    Parameters
    ----------
    items
        Sentinel-2 L2A, Landsat Collection 2 Level 2 or HLS scenes of any order, grid
        and CRS, see `raster.selection.select`. Items of one UTC date and mission are
        one observation.
    geobox
        Grid of the result, any CRS.
    start, end
        First and last acquisition date (UTC) taken, both included. A season may cross
        the new year: dates count from `start`.
    variables
        Names of the module's table, with any index of `raster.indices.INDICES`; an
        `Index` of one's own stands for its composite.
    step
        "dekad", "month", a number of days from `start` on, or "date" for each
        acquisition date, which asks for ``smoothing=0``.
    composite
        "median", "max", or "best": the clear observation nearest the middle of the
        step, all indices of a pixel from the same one.
    index
        Index whose smoothed series the season is found in.
    seasons
        1, or 2 to part the series at the valley between its two greatest seasons.
    smoothing
        Lambda of the Whittaker smoother, which weighs each step by its clear
        observations; 0 joins the steps by lines.
    threshold
        Share of the amplitude that marks start and end of season.
    cloud_buffer
        Metres by which clouds and their shadows are grown, in whole mask pixels.
    chunk
        Block side in pixels; by itself as large as keeps a block below 400 MB.
    verify
        Compare each local file with the SHA-256 that its item tells, once a process,
        before its pixels count: a flipped bit decodes to another number without error.

    Returns
    -------
    xr.Dataset
        The asked variables as in the module's table; `time` is the first day of a
        step. Attribute `simulated` is 1 if any scene is; `lineage` is JSON with the ids
        of the scenes, the superseded ones left out, and the parameters.

    Raises
    ------
    SettingInvalid, GridInvalid, NoScenes, AssetMissing, OffsetUnknown
        Settings, grid or items do not serve; at once.
    SceneUnreadable
        A file is missing or damaged; when its block is computed.
    """
    _check_settings(start, end, step=step, smoothing=smoothing, threshold=threshold)
    _check_choices(composite, seasons=seasons, cloud_buffer=cloud_buffer)
    _check_grid(geobox, chunk)
    names, indices, of_season = _asked(variables, index)
    bands = dict.fromkeys(band for i in indices for band in i.program.bands)
    selection = select(items, start=start, end=end, bands=tuple(bands))
    looks = tuple(_looks_near(selection.observations, lonlat_bounds(geobox)))
    if not looks:
        raise _nothing_near(selection, geobox)
    recipe = Recipe(
        variables=names,
        indices=indices,
        phenology_index=of_season.name,
        steps=_steps(looks, step, start, end),
        start=start,
        composite=composite,
        smoothing=smoothing,
        threshold=threshold,
        seasons=seasons,
        cloud_buffer=cloud_buffer,
        verify=verify,
    )
    arrays = _lazy_arrays(geobox, looks, recipe, _side(chunk, recipe, looks))
    return _dataset(arrays, geobox, recipe, of_season).assign_attrs(
        _lineage(looks, selection, recipe, step, end=end)
    )


def _check_settings(
    start: date, end: date, *, step: Step, smoothing: float, threshold: float
) -> None:
    if end < start:
        raise SettingInvalid(
            f"the season ends {end}, before it starts {start}: turn the dates round"
            f" · 结束日期 {end} 早于开始日期 {start}，请调换"
        )
    if isinstance(step, str) and step not in {"dekad", "month", "date"}:
        raise SettingInvalid(
            f"unknown step {step!r}: choose 'dekad', 'month', 'date' or a number of "
            f"days · 未知的步长 {step!r}，可选 dekad（旬）、month（月）、date 或天数"
        )
    # Beyond a million the float64 elimination itself starts to lose digits.
    if not 0 <= smoothing <= 1e6:
        raise SettingInvalid(
            f"smoothing {smoothing}: choose from 0 to 1e6"
            f" · 平滑参数 {smoothing} 无效，请取 0 至 1e6"
        )
    if step == "date" and smoothing != 0:
        raise SettingInvalid(
            f"smoothing {smoothing} needs equal steps and acquisition dates are not: "
            "use step='dekad', or smoothing=0"
            f" · 平滑参数 {smoothing} 要求等间隔步长，请用 step='dekad' 或 smoothing=0"
        )
    if not 0 < threshold < 1:
        raise SettingInvalid(
            f"threshold {threshold}: choose between 0 and 1"
            f" · 阈值 {threshold} 无效，请取 0 与 1 之间的值"
        )


def _check_choices(composite: str, *, seasons: int, cloud_buffer: float) -> None:
    if composite not in get_args(Composite):
        raise SettingInvalid(
            f"unknown composite {composite!r}: choose 'median', 'max' or 'best'"
            f" · 未知的合成方法 {composite!r}，可选 median、max 或 best"
        )
    if seasons not in {1, 2}:
        raise SettingInvalid(
            f"{seasons} seasons: choose 1 or 2 · 季数 {seasons} 无效，请取 1 或 2"
        )
    if not 0 <= cloud_buffer <= 1000:
        raise SettingInvalid(
            f"cloud buffer of {cloud_buffer} m: choose from 0 to 1000"
            f" · 云缓冲 {cloud_buffer} 米无效，请取 0 至 1000"
        )


def _asked(
    variables: Sequence[str | Index], index: str | Index
) -> tuple[tuple[str, ...], tuple[Index, ...], Index]:
    """Names of the results, the indices they need, and that of the seasons."""
    of_season = index if isinstance(index, Index) else index_named(index)
    own: dict[str, Index] = {}
    for i in (*variables, index):
        if isinstance(i, Index) and own.setdefault(i.name, i) != i:
            raise SettingInvalid(
                f"two indices named {i.name!r}, {own[i.name].formula} and {i.formula}:"
                f" rename one · 两个指数同名 {i.name!r}，请改名"
            )
    names = [v.name if isinstance(v, Index) else v for v in variables]
    if not names:
        raise SettingInvalid(
            "no season variables: ask for at least one, as 'ndvi'"
            " · 没有指定变量，请至少给出一个，例如 ndvi"
        )
    needed = {}
    for name in names:
        if name in PHENOLOGY:
            needed[of_season.name] = of_season
        elif name != CLEAR_COUNT:
            base = name.removesuffix(SMOOTH)
            needed[base] = own.get(base) or INDICES.get(base) or _refuse(name)
    return tuple(dict.fromkeys(names)), tuple(needed.values()), of_season


def _refuse(variable: str) -> NoReturn:
    indices = ", ".join(near_indices(variable.removesuffix(SMOOTH)) or INDICES)
    others = ", ".join((CLEAR_COUNT, *PHENOLOGY))
    raise SettingInvalid(
        f"there is no variable {variable!r}: choose an index ({indices}), a smoothed "
        f"series (INDEX{SMOOTH}), {others}, or give an Index with its own formula"
        f" · 没有变量 {variable!r}，可选：指数（{indices}）、平滑序列（指数{SMOOTH}）、"
        f"{others}，或用 Index 自定义公式"
    )


def _steps(
    looks: Sequence[Observation], step: Step, start: date, end: date
) -> tuple[TimeStep, ...]:
    if step == "dekad":
        return dekads(start, end)
    if step == "month":
        return months(start, end)
    if step == "date":
        days = dict.fromkeys(look.acquired for look in looks)
        return tuple(TimeStep(day, day) for day in days)
    return spans(start, end, days=int(step))


def _side(chunk: int | None, recipe: Recipe, looks: Sequence[Observation]) -> int:
    """Side of a block: as asked, or the largest that keeps its arrays small."""
    most = max(
        sum(step.start <= look.acquired <= step.end for look in looks)
        for step in recipe.steps
    )
    if most > _MOST_OBSERVATIONS:
        raise SettingInvalid(
            f"a step with {most} observations: choose shorter steps, at most "
            f"{_MOST_OBSERVATIONS} can be counted · 一个步长内有 {most} 次观测，最多"
            f" {_MOST_OBSERVATIONS} 次，请缩短步长"
        )
    if chunk is not None:
        return chunk
    series = sum(name.endswith(SMOOTH) for name in recipe.variables)
    a_step = 3 * len(recipe.indices) + 2 * series + (CLEAR_COUNT in recipe.variables)
    pixel = len(recipe.steps) * a_step + 4 * most * len(recipe.indices)
    fitting = [side for side in _SIDES if side * side * pixel <= _BLOCK_BYTES]
    return fitting[0] if fitting else _SIDES[-1]


def _check_grid(geobox: GeoBox, chunk: int | None) -> None:
    check_crs(geobox)
    if min(geobox.shape) < 1:
        raise GridInvalid(
            f"a grid of shape {tuple(geobox.shape)}: give one with pixels"
            f" · 网格 {tuple(geobox.shape)} 没有像元，请重新指定"
        )
    if chunk is not None and chunk < 1:
        raise SettingInvalid(
            f"chunk {chunk}: choose at least 1 pixel · 分块边长 {chunk} 无效，至少为 1"
        )


def _nothing_near(selection: Selection, geobox: GeoBox) -> NoScenes:
    where = ", ".join(f"{degrees:.3f}" for degrees in lonlat_bounds(geobox))
    some = selection.scenes[0].item_id
    return NoScenes(
        f"none of the {len(selection.scenes)} scenes, as {some}, touches the grid "
        f"(west, south, east, north {where}): check the place and the items' bbox"
        f" · {len(selection.scenes)} 景影像（如 {some}）都不在范围 {where} 内，请检查"
        "地点和 bbox"
    )


def _lineage(
    looks: Sequence[Observation],
    selection: Selection,
    recipe: Recipe,
    step: Step,
    *,
    end: date,
) -> dict[str, Any]:
    """Attributes that say what the season was made of, and how."""
    parameters = {
        "start": recipe.start.isoformat(),
        "end": end.isoformat(),
        "step": step,
        "composite": recipe.composite,
        "index": recipe.phenology_index,
        "formulas": {index.name: index.formula for index in recipe.indices},
        "seasons": recipe.seasons,
        "smoothing": recipe.smoothing,
        "threshold": recipe.threshold,
        "cloud_buffer": recipe.cloud_buffer,
    }
    scenes = [scene for look in looks for scene in look.scenes]
    read = {scene.item_id for scene in scenes}
    told = {
        "scenes": [scene.item_id for scene in scenes],
        "beside_the_grid": sorted({s.item_id for s in selection.scenes} - read),
        "superseded": [
            {"item": old.item_id, "by": old.by, "reason": old.reason}
            for old in selection.superseded
        ],
        "parameters": parameters,
    }
    return {
        "Conventions": "CF-1.10",
        "step": step,
        "smoothing": recipe.smoothing,
        "threshold": recipe.threshold,
        # A number, since netCDF knows no booleans and the text "false" reads as true.
        "simulated": int(any(scene.simulated for scene in scenes)),
        "lineage": json.dumps(told, ensure_ascii=False),
    }


def _lazy_arrays(
    geobox: GeoBox, looks: Sequence[Observation], recipe: Recipe, chunk: int
) -> dict[str, da.Array]:
    """One task a block, and one array a variable that picks its part of each."""
    rows, columns = (_lengths(size, chunk) for size in geobox.shape)
    blocks = f"season_block-{uuid4().hex}"
    tasks: dict[Key, Any] = {
        # A partial, because dask would walk through every argument for its own.
        (blocks, i, j): (_block_task(geobox[y, x], looks, recipe),)
        for i, y in enumerate(slices(rows))
        for j, x in enumerate(slices(columns))
    }
    return {
        name: _pick(name, tasks, blocks, recipe, (rows, columns))
        for name in recipe.variables
    }


def _lengths(size: int, chunk: int) -> tuple[int, ...]:
    return tuple(min(chunk, size - start) for start in range(0, size, chunk))


def _block_task(
    geobox: GeoBox, looks: Sequence[Observation], recipe: Recipe
) -> Callable[[], dict[str, Any]]:
    # A block opens only the scenes that can touch it: of a province, a few percent.
    near = tuple(_looks_near(looks, lonlat_bounds(geobox)))
    return partial(season_block, geobox, near, recipe)


def _pick(
    name: str,
    tasks: Mapping[Key, Any],
    blocks: str,
    recipe: Recipe,
    lengths: tuple[tuple[int, ...], tuple[int, ...]],
) -> da.Array:
    """Array of one variable, every chunk a part of its block's result."""
    sizes = {"time": len(recipe.steps), "season": recipe.seasons}
    first = tuple((sizes[dim],) for dim in _first_dims(name, recipe))
    layer = blocks.replace("season_block", name)
    picks: dict[Key, Any] = {
        (layer, *(0 for _ in first), i, j): (getitem, (blocks, i, j), name)
        for i, j in np.ndindex(*map(len, lengths))
    }
    graph = HighLevelGraph(
        {blocks: tasks, layer: picks}, {blocks: set(), layer: {blocks}}
    )
    dtype = np.uint8 if name == CLEAR_COUNT else np.int16
    return da.Array(graph, layer, (*first, *lengths), dtype=dtype)  # type: ignore[no-untyped-call]


def _first_dims(name: str, recipe: Recipe) -> tuple[str, ...]:
    """Dims of a variable before y and x."""
    if name not in PHENOLOGY:
        return ("time",)
    return ("season",) if recipe.seasons > 1 else ()


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
    arrays: Mapping[str, da.Array], geobox: GeoBox, recipe: Recipe, of_season: Index
) -> xr.Dataset:
    coordinates: dict[Hashable, Any] = dict(xr_coords(geobox, always_yx=True))
    dims = {name: (*_first_dims(name, recipe), "y", "x") for name in arrays}
    variables = {
        name: xr.Variable(dims[name], array, _attributes(name, recipe, of_season))
        for name, array in arrays.items()
    }
    if any("time" in found for found in dims.values()):
        coordinates.update(_time_coordinates(recipe.steps))
    if any("season" in found for found in dims.values()):
        coordinates["season"] = xr.Variable("season", [1, 2])
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


def _attributes(name: str, recipe: Recipe, of_season: Index) -> dict[str, Any]:
    attributes: dict[str, Any] = {"units": "1", "grid_mapping": "spatial_ref"}
    if name == CLEAR_COUNT:
        return attributes | {"long_name": _NAMES[name]}
    attributes["_FillValue"] = np.int16(NODATA)
    if name in PHENOLOGY:
        attributes["long_name"] = _NAMES[name].format(of_season.name.upper())
        return attributes | _phenology_units(name, recipe.start, of_season)
    index = next(i for i in recipe.indices if i.name == name.removesuffix(SMOOTH))
    text = "smoothed {}" if name.endswith(SMOOTH) else recipe.composite + " {}"
    long_name = text.format(index.long_name or index.name)
    return attributes | {"long_name": long_name, "scale_factor": index.scale}


def _phenology_units(name: str, start: date, index: Index) -> dict[str, Any]:
    if name in _DATES:
        return {"units": f"days since {start.isoformat()}"}
    if name == "los":
        return {"units": "day"}
    if name == "integral":
        return {"units": "day", "scale_factor": integral_scale(index_limits(index))}
    return {"scale_factor": index.scale}
