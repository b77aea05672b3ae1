"""A small lazy season whose blocks say when they are computed."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import dask.array as da
import numpy as np
import rasterio
import xarray as xr
from dask.delayed import delayed
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords

from raster.errors import SceneUnreadable
from tests.raster.scenes import grid

STEPS = 3
NODATA = np.int16(-32768)
GRID = grid(20, 30)
# 20 x 30 pixels in blocks of 10: two rows of three.
BLOCKS = 6

Hook = Callable[[int, int], None]
Arrays = dict[str, NDArray[Any]]


def values(geobox: GeoBox = GRID, *, seasons: int = 1, clear: bool = True) -> Arrays:
    """All pixels of the season: numbers that differ everywhere, gaps in a corner."""
    height, width = geobox.shape
    number = np.arange(height * width, dtype=np.int16).reshape(height, width)
    count = np.stack([number % 3, number % 2, number * 0]).astype(np.uint8)
    ndvi = np.stack([number + 1000 * step for step in range(STEPS)])
    sos = np.stack([number + 7 * season for season in range(seasons)])
    for array in (count, ndvi, sos):
        array[..., : height // 2, : width // 3] = 0
    ndvi[count == 0] = NODATA
    sos[..., ~count.any(axis=0)] = NODATA
    sos[1:, ::2] = NODATA
    if not clear:
        count[:], ndvi[:], sos[:] = 0, NODATA, NODATA
    return {"ndvi": ndvi, "clear_count": count, "sos": sos if seasons > 1 else sos[0]}


def lazy_season(
    log: Path,
    *,
    geobox: GeoBox = GRID,
    chunk: int = 10,
    seasons: int = 1,
    clear: bool = True,
    hook: Hook | None = None,
    lineage: object = ("S2_1",),
) -> xr.Dataset:
    """Dataset as `raster.season.season` gives it, a file in `log` for each block.

    `hook` is called with (row, column) in whatever thread computes that block.
    """
    log.mkdir(exist_ok=True)
    arrays = values(geobox, seasons=seasons, clear=clear)
    height, width = geobox.shape
    blocks = [
        [
            delayed(partial(_block, arrays, y, x, chunk, log, hook), pure=False)()
            for x in range(0, width, chunk)
        ]
        for y in range(0, height, chunk)
    ]
    return xr.Dataset(
        {
            name: (_dims(array), _lazy(blocks, name, array, chunk), _attributes(name))
            for name, array in arrays.items()
        },
        coords={**xr_coords(geobox, always_yx=True), **_times()},
        attrs={
            "Conventions": "CF-1.10",
            "step": "dekad",
            "simulated": 1,
            "lineage": json.dumps(
                {"scenes": lineage, "superseded": [], "parameters": {"step": "dekad"}}
            ),
        },
    )


def computed(log: Path) -> list[tuple[int, int]]:
    """(row, column) of every block computed so far, sorted, as often as it was."""
    names = (path.name.split("_") for path in log.iterdir())
    return sorted((int(row), int(column)) for row, column, _ in names)


def names(folder: Path) -> list[str]:
    """What lies in a folder, hidden or not."""
    return sorted(path.name for path in folder.iterdir())


def fail_at(row: int, column: int) -> Hook:
    """Make the block there fail."""

    def hook(*place: int) -> None:
        if place == (row, column):
            raise SceneUnreadable("a scene is cut · 影像损坏")

    return hook


def assert_whole(out: Path) -> None:
    """The product is there, right in every pixel, and nothing else is."""
    assert names(out) == ["rice"]
    stored = xr.open_zarr(out / "rice" / "season.zarr", mask_and_scale=False)
    for name in ("ndvi", "clear_count"):
        np.testing.assert_array_equal(stored[name], values()[name])
    with rasterio.open(out / "rice" / "sos.tif") as file:
        np.testing.assert_array_equal(file.read(1), values()["sos"])


def _block(
    arrays: Arrays, y: int, x: int, chunk: int, log: Path, hook: Hook | None
) -> Arrays:
    (log / f"{y // chunk}_{x // chunk}_{uuid4().hex}").touch()
    if hook is not None:
        hook(y // chunk, x // chunk)
    return {
        name: array[..., y : y + chunk, x : x + chunk] for name, array in arrays.items()
    }


def _lazy(
    blocks: list[list[Any]], name: str, array: NDArray[Any], chunk: int
) -> da.Array:
    height, width = array.shape[-2:]
    pieces = [
        [
            da.from_delayed(  # type: ignore[no-untyped-call]
                block[name],
                shape=(
                    *array.shape[:-2],
                    min(chunk, height - row * chunk),
                    min(chunk, width - column * chunk),
                ),
                dtype=array.dtype,
            )
            for column, block in enumerate(line)
        ]
        for row, line in enumerate(blocks)
    ]
    return da.block(pieces)  # type: ignore[no-untyped-call, no-any-return]


def _dims(array: NDArray[Any]) -> tuple[str, ...]:
    if array.ndim == 2:
        return ("y", "x")
    return ("time" if array.shape[0] == STEPS else "season", "y", "x")


def _attributes(name: str) -> dict[str, Any]:
    own: dict[str, dict[str, Any]] = {
        "ndvi": {"units": "1", "_FillValue": NODATA, "scale_factor": 1e-4},
        "clear_count": {"units": "1"},
        "sos": {"units": "days since 2025-05-01", "_FillValue": NODATA},
    }
    return {"long_name": name, "grid_mapping": "spatial_ref"} | own[name]


def _times() -> dict[str, xr.Variable]:
    edges = np.array(
        ["2025-05-01", "2025-05-11", "2025-05-21", "2025-06-01"], "datetime64[ns]"
    )
    units = {"units": "days since 1970-01-01"}
    return {
        "time": xr.Variable("time", edges[:-1], {"bounds": "time_bnds"}, units),
        "time_bnds": xr.Variable(
            ("time", "bnds"), np.stack([edges[:-1], edges[1:]], axis=1), None, units
        ),
    }
