"""What the peers of the season engine take for the same work, as a good user has it.

Monthly median NDVI from odc-stac's lazy cube (time in one chunk, classes by nearest
neighbour, offsets by date), the median by flox, by numbagg or by bottleneck; and the
Whittaker smoother of whittaker-eilers and by scipy's sparse solver.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import bottleneck  # type: ignore[import-untyped]
import dask.array as da
import flox.xarray
import numbagg
import numpy as np
import odc.stac
import pystac
import scipy.sparse as sp
import xarray as xr
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from scipy.sparse.linalg import spsolve
from whittaker_eilers import WhittakerSmoother

Float = NDArray[np.float32]
Median = Callable[..., Float]

NODATA = -32768
_MONTHS = np.arange(1, 13)


def load(items: Sequence[pystac.Item], geobox: GeoBox, *, chunk: int) -> xr.Dataset:
    """Bands of all dates on a grid, lazy, (time, y, x), one chunk over time."""
    cube: xr.Dataset = odc.stac.load(
        items,
        bands=["B04", "B08", "SCL"],
        geobox=geobox,
        chunks={"time": -1, "y": chunk, "x": chunk},
        resampling="nearest",
        groupby="time",
    )
    return cube


def offsets(items: Sequence[pystac.Item]) -> Float:
    """Give what to add to the digital numbers of each date, in order of time."""
    ordered = sorted(items, key=lambda item: str(item.datetime))
    bands = [item.assets["B04"].extra_fields["raster:bands"][0] for item in ordered]
    return np.array([b["offset"] / b["scale"] for b in bands], np.float32)


def monthly_flox(
    items: Sequence[pystac.Item], geobox: GeoBox, *, engine: str, chunk: int = 512
) -> xr.DataArray:
    """Medians by flox: int16 * 1e-4, (time, y, x), -32768 where nothing was clear."""
    cube = load(items, geobox, chunk=chunk)
    shift = xr.DataArray(offsets(items), dims="time", coords={"time": cube.time})
    red = cube.B04.astype("float32") + shift
    nir = cube.B08.astype("float32") + shift
    clear = (cube.SCL >= 4) & (cube.SCL <= 7) & (cube.B04 > 0) & (cube.B08 > 0)
    ndvi = ((nir - red) / (nir + red)).where(clear & (nir + red > 0)).clip(-1, 1)
    median = flox.xarray.xarray_reduce(
        ndvi,
        ndvi.time.dt.month,
        func="nanmedian",
        engine=engine,
        method="blockwise",
        expected_groups=_MONTHS,
    )
    # 1e4 apart from 1e-4, rounding of the scaled float32.
    scaled = (median * 10_000).round().fillna(NODATA).astype("int16")
    cube_of_months: xr.DataArray = scaled.transpose("month", "y", "x")
    return cube_of_months


def monthly_by_hand(
    items: Sequence[pystac.Item], geobox: GeoBox, *, median: Median, chunk: int = 1024
) -> xr.DataArray:
    """Medians by one numpy function a block; as `monthly_flox`."""
    cube = load(items, geobox, chunk=chunk)
    months = cube.time.dt.month.to_numpy()
    shift = offsets(items)[:, None, None]

    def block(
        red: NDArray[np.uint16], nir: NDArray[np.uint16], classes: NDArray[np.uint8]
    ) -> NDArray[np.int16]:
        ndvi = _masked_ndvi(red, nir, classes, shift)
        found = np.stack([median(ndvi[months == month], axis=0) for month in _MONTHS])
        scaled = np.rint(found * np.float32(10_000))
        return np.where(np.isnan(found), np.float32(NODATA), scaled).astype(np.int16)

    bands = [cube[name].data for name in ("B04", "B08", "SCL")]
    chunks = ((len(_MONTHS),), *bands[0].chunks[1:])
    lazy = da.map_blocks(block, *bands, dtype=np.int16, chunks=chunks)  # type: ignore[no-untyped-call]
    return xr.DataArray(lazy, dims=("month", "y", "x"))


def _masked_ndvi(
    red: NDArray[np.uint16],
    nir: NDArray[np.uint16],
    classes: NDArray[np.uint8],
    shift: Float,
) -> Float:
    dark, bright = red.astype(np.float32) + shift, nir.astype(np.float32) + shift
    total = bright + dark
    with np.errstate(divide="ignore", invalid="ignore"):
        ndvi = np.divide(bright - dark, total, dtype=np.float32)
    clear = (classes >= 4) & (classes <= 7) & (red > 0) & (nir > 0) & (total > 0)
    ndvi[~clear] = np.nan
    return ndvi.clip(-1, 1, out=ndvi)


def _numbagg_median(values: Float, *, axis: int) -> Float:
    found: Float = numbagg.nanmedian(values, axis=axis)  # type: ignore[arg-type]
    return found


def _bottleneck_median(values: Float, *, axis: int) -> Float:
    found: Float = bottleneck.nanmedian(values, axis=axis)
    return found


MONTHLY: Mapping[str, Callable[..., xr.DataArray]] = {
    "odc-stac + flox": lambda items, geobox: monthly_flox(items, geobox, engine="flox"),
    "odc-stac + flox + numbagg": lambda items, geobox: monthly_flox(
        items, geobox, engine="numbagg"
    ),
    "odc-stac + numbagg": lambda items, geobox: monthly_by_hand(
        items, geobox, median=_numbagg_median
    ),
    "odc-stac + bottleneck": lambda items, geobox: monthly_by_hand(
        items, geobox, median=_bottleneck_median
    ),
}


def monthly(name: str, items: Sequence[pystac.Item], geobox: GeoBox) -> NDArray[Any]:
    """Compute the medians by one of `MONTHLY`."""
    with warnings.catch_warnings():
        # All-NaN slices and the engines' hints.
        warnings.simplefilter("ignore")
        cube: NDArray[Any] = MONTHLY[name](items, geobox).to_numpy()
    return cube


def smooth_eilers(values: Float, weights: Float, *, smoothing: float) -> Float:
    """Smooth (time, pixels) by whittaker-eilers, one call a series."""
    result = np.empty_like(values)
    smoother = WhittakerSmoother(lmbda=smoothing, order=2, data_length=len(values))
    for pixel in range(values.shape[1]):
        smoother.update_weights(weights[:, pixel].tolist())
        result[:, pixel] = smoother.smooth(values[:, pixel].tolist())
    return result


def smooth_scipy(
    values: Float, weights: Float, *, smoothing: float
) -> NDArray[np.float64]:
    """Smooth (time, pixels) in float64 by one sparse solve a series."""
    steps = len(values)
    second = np.diff(np.eye(steps), n=2, axis=0)
    penalty = sp.csc_array(smoothing * second.T @ second)
    result = np.empty(values.shape)
    for pixel in range(values.shape[1]):
        weight = weights[:, pixel].astype(np.float64)
        matrix = sp.csc_array(sp.diags_array(weight)) + penalty
        result[:, pixel] = spsolve(matrix, weight * values[:, pixel])
    return result
