"""A crop map over a season, lazy: block by block as the season itself is computed.

| variable | dims | dtype | meaning |
|---|---|---|---|
| crop | y, x | uint8 | class code, see `models.crop_map.classes` |
| probability | y, x | uint8 | of that class, per cent |
| extrapolation | y, x | uint8 | dissimilarity index over its threshold, per cent |

Nodata is 255 in all three. Above 100 `extrapolation` is outside the area of
applicability; 254 stands for that and more. It is computed once a square of `CELL`
pixels, for the one in its middle.
"""

from functools import partial
from typing import Any, Final
from uuid import uuid4

import dask.array as da
import numpy as np
import xarray as xr
from dask.highlevelgraph import HighLevelGraph
from numpy.typing import NDArray

from models.crop_map.classes import CLASSES, NODATA
from models.crop_map.features import Planes
from models.crop_map.model import CropMapModel

__all__ = ["CELL", "LAYERS", "crop_map", "map_block"]

CELL: Final = 16
"""Side in pixels of a square of one dissimilarity index."""

_LARGEST: Final = 254

LAYERS: Final[dict[str, dict[str, Any]]] = {
    "crop": {
        "long_name": "crop class",
        "flag_values": [one.code for one in CLASSES],
        "flag_meanings": " ".join(one.name for one in CLASSES),
    },
    "probability": {"long_name": "probability of the class", "units": "%"},
    "extrapolation": {
        "long_name": "dissimilarity index over its threshold",
        "units": "%",
    },
}


def crop_map(season: xr.Dataset, model: CropMapModel) -> xr.Dataset:
    """Lay out the crop map of a season.

    Parameters
    ----------
    season
        The model's variables as `raster.season.season` gives them, lazy, in equal
        blocks of y and x.
    model
        A trained crop map.

    Returns
    -------
    xr.Dataset
        The variables of the module's table, lazy in the season's blocks, with its
        grid and attributes; ``simulated`` is 1 where the samples are.

    Raises
    ------
    FeatureMismatch
        A variable is absent; or, when a block is computed, has other steps.
    """
    plan = model.plan
    variables = {name: plan.variable(season, name) for name in plan.variables}
    arrays = [variable.data for variable in variables.values()]
    bare = {name: v.isel(y=slice(0), x=slice(0)) for name, v in variables.items()}
    # Without their dask arrays, or every block would carry all of them.
    bare = {name: v.copy(data=np.empty(v.shape, v.dtype)) for name, v in bare.items()}
    blocks = f"crop_block-{uuid4().hex}"
    shape = arrays[0].chunks[-2:]
    tasks: dict[Any, Any] = {
        (blocks, i, j): (
            # A partial, because dask would walk through every argument for its own.
            partial(map_block, model, bare),
            [(array.name, *(0 for _ in array.shape[:-2]), i, j) for array in arrays],
        )
        for i, j in np.ndindex(*map(len, shape))
    }
    graph = HighLevelGraph.from_collections(blocks, tasks, dependencies=arrays)
    layers = {name: _picked(name, graph, blocks, shape) for name in LAYERS}
    kept = {name: season.coords[name] for name in ("y", "x", "spatial_ref")}
    simulated = int(bool(season.attrs.get("simulated")) or model.simulated)
    return xr.Dataset(
        {
            name: (("y", "x"), array, _attributes(name))
            for name, array in layers.items()
        },
        coords=kept,
        attrs=season.attrs | {"simulated": simulated},
    )


def map_block(
    model: CropMapModel,
    bare: dict[str, xr.DataArray],
    arrays: list[NDArray[Any]],
) -> dict[str, NDArray[np.uint8]]:
    """Compute the layers of one block from its season.

    Parameters
    ----------
    bare
        The variables of the season without their pixels, in the order of `arrays`.
    """
    season = {
        name: xr.DataArray(array, dims=known.dims, attrs=known.attrs, name=name)
        for (name, known), array in zip(bare.items(), arrays, strict=True)
    }
    planes = model.plan.planes(season)
    found = model.label(planes)
    height, width = arrays[0].shape[-2:]
    return {
        "crop": found.label.reshape(height, width),
        "probability": found.percent.reshape(height, width),
        "extrapolation": _extrapolation(
            model, planes, found.label.reshape(height, width)
        ),
    }


def _extrapolation(
    model: CropMapModel, planes: Planes, label: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    height, width = label.shape
    rows, columns = _middles(height), _middles(width)
    # An index costs as many distances as there are training samples.
    middles = (rows[:, None] * width + columns[None, :]).ravel()
    known = label.ravel()[middles] != NODATA
    cells = np.full(middles.size, NODATA, np.uint8)
    index = 100 * model.applicability.index(planes.values(middles[known]))
    cells[known] = np.minimum(np.rint(index), _LARGEST)
    grid = cells.reshape(rows.size, columns.size)
    # A cell without a class in its middle stays nodata, also where others have one:
    # nobody measured how far those are.
    full = grid.repeat(CELL, axis=0)[:height].repeat(CELL, axis=1)[:, :width]
    return np.where(label == NODATA, np.uint8(NODATA), full)


def _middles(size: int) -> NDArray[np.intp]:
    """Return the middle pixel of each cell along an axis; the last may be cut."""
    starts = np.arange(0, size, CELL)
    return np.minimum(starts + CELL // 2, size - 1)


def _attributes(name: str) -> dict[str, Any]:
    said = {"units": "1", "grid_mapping": "spatial_ref", "_FillValue": np.uint8(NODATA)}
    return said | LAYERS[name]


def _picked(
    name: str, graph: HighLevelGraph, blocks: str, shape: tuple[tuple[int, ...], ...]
) -> da.Array:
    picks: dict[Any, Any] = {
        (f"{name}-{blocks}", i, j): (_pick, (blocks, i, j), name)
        for i, j in np.ndindex(*map(len, shape))
    }
    layers = {**graph.layers, f"{name}-{blocks}": picks}
    dependencies = {**graph.dependencies, f"{name}-{blocks}": {blocks}}
    full = HighLevelGraph(layers, dependencies)
    return da.Array(full, f"{name}-{blocks}", shape, dtype=np.uint8)  # type: ignore[no-untyped-call]


def _pick(found: dict[str, NDArray[np.uint8]], name: str) -> NDArray[np.uint8]:
    return found[name]
