"""Totals of rasters over zones that add up over the blocks of a grid."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise
from operator import add
from typing import Any

import numpy as np
import odc.geo.xr  # noqa: F401  # gives arrays their geobox
import xarray as xr
from dask.delayed import delayed
from numpy.typing import NDArray

from raster.blocks import slices
from raster.coverage import Coverage, Runs
from raster.errors import GridInvalid, SettingInvalid
from raster.kernels_zonal import count_looked_up, count_runs, sum_runs
from raster.zone_tables import Stack, Tables, tables

Float = NDArray[np.float64]
Raster = NDArray[Any] | xr.DataArray

# Grids whose corners differ by less than this share of a pixel are the same.
_SAME_PLACE = 1e-3

# Totals of so many blocks are added in one task.
_ADDED_AT_ONCE = 16


@dataclass(frozen=True, slots=True, eq=False)
class ZoneTotals:
    """Sums over zones; ``+`` joins the sums over blocks that do not overlap.

    Rows are zones, or with classes (zone, code) pairs, codes fastest. Values are raw:
    no scale, no offset.

    Attributes
    ----------
    checksum, classes
        Polygons of the coverage, and class codes.
    pixels, inside
        float64 (zones,): area of the polygon in pixels, and the part of it that was
        summed over.
    cover, full, ground
        float64 (rows,): pixels, weight, and weight times ground area (m²) that were
        summed over, valid or not.
    total, weight, area
        float64 (rows, time), of the valid pixels: weight times value, weight, weight
        times ground area (m²).
    edges, counts
        Bin edges in raw values, and float64 (rows, time, bins): weight of the valid
        pixels in each bin; no bins if not asked for.
    tables
        Distinct values and their weights; None if not asked for.
    """

    checksum: str
    classes: tuple[int, ...]
    pixels: Float
    inside: Float
    cover: Float
    full: Float
    ground: Float
    total: Float
    weight: Float
    area: Float
    edges: tuple[float, ...]
    counts: Float
    tables: Tables | None

    def __add__(self, other: "ZoneTotals") -> "ZoneTotals":
        if self._kind() != other._kind():
            raise SettingInvalid(
                "totals add up only over the same polygons, classes, dates and bins"
                " · 只有多边形、类别、日期和分组都相同的合计才能相加"
            )
        added: dict[str, Any] = {
            name: getattr(self, name) + getattr(other, name) for name in _ADDED
        }
        if self.tables is not None and other.tables is not None:
            added["tables"] = self.tables + other.tables
        return replace(self, **added)

    def _kind(self) -> tuple[Any, ...]:
        return (
            self.checksum,
            self.classes,
            self.total.shape,
            self.edges,
            self.tables is None,
        )


_ADDED = ("inside", "cover", "full", "ground", "total", "weight", "area", "counts")


@dataclass(frozen=True, slots=True)
class _Wanted:
    nodata: float | None
    edges: tuple[float, ...]
    tables: bool
    codes: tuple[int, ...]


def zone_totals(
    values: Raster,
    coverage: Coverage,
    *,
    nodata: float | None = None,
    classes: Raster | None = None,
    codes: Sequence[int] = (),
    weights: Raster | None = None,
    edges: Sequence[float] = (),
    with_tables: bool = False,
) -> ZoneTotals:
    """Sum a raster over zones, all dates in one pass.

    Parameters
    ----------
    values
        (time, y, x) or (y, x), integers or floats. A dask-backed DataArray is summed
        block by block on dask's scheduler; blocks without a zone are not computed.
    coverage
        Of the grid of `values`.
    nodata
        Raw value that is no data; NaN and infinity never count.
    classes, codes, weights
        As for `Coverage.refine`, (y, x). Cut into blocks like `values`.
    edges
        Ascending bin edges in raw values, for histograms. Bins hold their lower edge,
        the last one also its upper edge, as in numpy.
    with_tables
        Also keep distinct values with their weights, for exact quantiles: as many
        entries as there are distinct values a zone and date, 65,536 at most for
        16-bit integers.

    Returns
    -------
    ZoneTotals

    Raises
    ------
    GridInvalid
        An array is not on the coverage's grid, or a weight is negative.
    SettingInvalid
        Values are not numbers, edges do not ascend, or classes and codes do not fit.
    """
    wanted = _Wanted(nodata, _checked_edges(edges), with_tables, tuple(codes))
    array = values if isinstance(values, xr.DataArray) else xr.DataArray(values)
    _check_values(array, coverage)
    if isinstance(values, xr.DataArray):
        _check_place(values, coverage)
    if array.chunks is None:
        planes = _loaded(classes), _loaded(weights)
        return _block_totals(array.values, coverage, *planes, wanted)
    return _over_blocks(array, coverage, classes, weights, wanted)


def _checked_edges(edges: Sequence[float]) -> tuple[float, ...]:
    numbers = tuple(float(edge) for edge in edges)
    ascending = all(a < b for a, b in pairwise(numbers))
    if len(numbers) == 1 or not ascending or not np.isfinite(numbers).all():
        raise SettingInvalid(
            f"bin edges {numbers}: give two or more finite numbers that ascend"
            " · 分组边界须为两个以上递增的有限数值"
        )
    return numbers


def _check_values(array: xr.DataArray, coverage: Coverage) -> None:
    if array.dtype.kind not in "iufb":
        raise SettingInvalid(
            f"values of type {array.dtype} cannot be summed: give integers or floats"
            " · 数据类型无法求和，请提供整数或浮点数"
        )
    if array.ndim not in (2, 3) or array.shape[-2:] != tuple(coverage.geobox.shape):
        raise GridInvalid(
            f"values of shape {array.shape} do not fit the coverage's grid of shape "
            f"{tuple(coverage.geobox.shape)}: give (y, x) or (time, y, x) of that grid"
            " · 数据形状与覆盖权重的栅格不符"
        )


def _check_place(array: xr.DataArray, coverage: Coverage) -> None:
    """Compare coordinates where there are any: same shape is not same place."""
    geobox = array.odc.geobox
    if geobox is None:
        return
    own = coverage.geobox
    height, width = own.shape
    apart = [
        np.subtract(~own.affine * (geobox.affine * corner), corner)
        for corner in ((0, 0), (width, height))
    ]
    if geobox.crs not in (None, own.crs) or np.abs(apart).max() > _SAME_PLACE:
        raise GridInvalid(
            f"values lie on {geobox.boundingbox}, the coverage on {own.boundingbox}: "
            "compute the coverage for the grid of the values"
            " · 数据与覆盖权重不在同一栅格，请按数据栅格重新计算权重"
        )


def _loaded(raster: Raster | None) -> NDArray[Any] | None:
    return None if raster is None else np.asarray(raster)


def _block_totals(
    values: NDArray[Any],
    coverage: Coverage,
    classes: NDArray[Any] | None,
    weights: NDArray[Any] | None,
    wanted: _Wanted,
) -> ZoneTotals:
    if classes is not None or weights is not None or wanted.codes:
        coverage = coverage.refine(classes=classes, codes=wanted.codes, weights=weights)
    runs, count = coverage.runs, len(coverage.cover)
    stack = _stack(values, wanted.nodata)
    total, weight, area = _sums(stack, runs, count)
    return ZoneTotals(
        checksum=coverage.checksum,
        classes=coverage.classes,
        pixels=coverage.pixels,
        inside=coverage.inside,
        cover=coverage.cover,
        full=runs.totals(count),
        ground=runs.areas(count),
        total=total,
        weight=weight,
        area=area,
        edges=wanted.edges,
        counts=_histograms(stack, runs, count, wanted.edges),
        tables=tables(stack, runs, count) if wanted.tables else None,
    )


def _stack(values: NDArray[Any], nodata: float | None) -> Stack:
    """Values as the kernels take them: (time, y, x) in a type that numba knows."""
    array = values if values.ndim == 3 else values[np.newaxis]
    if array.dtype == np.bool_:
        array = array.view(np.uint8)
    elif array.dtype == np.float16:
        array = array.astype(np.float32)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype.kind == "f":
        return Stack(array, array.dtype.type(np.nan if nodata is None else nodata))
    bounds = np.iinfo(array.dtype)
    # No value of the type equals a nodata beyond it or between two integers.
    if nodata is None or not bounds.min <= nodata <= bounds.max or nodata % 1:
        return Stack(array, array.dtype.type(0), keep_all=True)
    return Stack(array, array.dtype.type(int(nodata)))


def _sums(stack: Stack, runs: Runs, count: int) -> Float:
    """Value times weight, weight, and area times weight: (3, rows, time)."""
    zero: np.generic = np.float64(0) if stack.values.dtype.kind == "f" else np.int64(0)
    out = np.zeros((len(stack.values), count, 3))
    where = (runs.zone, runs.row, runs.col, runs.length, runs.weight, runs.area)
    sum_runs(stack.values, stack.nodata, stack.keep_all, zero, *where, out)
    return np.ascontiguousarray(out.transpose(2, 1, 0))


def _histograms(
    stack: Stack, runs: Runs, count: int, edges: tuple[float, ...]
) -> Float:
    """Weight in each bin: (rows, time, bins)."""
    values, dtype = stack.values, stack.values.dtype
    out = np.zeros((len(values), count, max(0, len(edges) - 1)))
    where = (runs.zone, runs.row, runs.col, runs.length, runs.weight)
    if edges and dtype.kind in "iu" and dtype.itemsize <= 2:
        lowest, bins = _bin_of_each(stack, edges)
        count_looked_up(values, lowest, bins, *where, out)
    elif edges:
        bounds = np.array(edges)
        count_runs(values, stack.nodata, stack.keep_all, bounds, *where, out)
    return np.ascontiguousarray(out.transpose(1, 0, 2))


def _bin_of_each(
    stack: Stack, edges: tuple[float, ...]
) -> tuple[int, NDArray[np.int32]]:
    """Lowest value of the type, and the bin of every value from there, -1 for none."""
    bounds = np.iinfo(stack.values.dtype)
    values = np.arange(int(bounds.min), int(bounds.max) + 1)
    bins = np.searchsorted(edges, values, side="right") - 1
    bins[values == edges[-1]] = len(edges) - 2
    bins[values > edges[-1]] = -1
    if not stack.keep_all:
        bins[values == stack.nodata] = -1
    return int(bounds.min), bins.astype(np.int32)


def _over_blocks(
    array: xr.DataArray,
    coverage: Coverage,
    classes: Raster | None,
    weights: Raster | None,
    wanted: _Wanted,
) -> ZoneTotals:
    if coverage.refined and (classes is not None or weights is not None):
        raise SettingInvalid(
            "the coverage is refined already: give classes and weights together, here "
            "or to Coverage.refine · 覆盖已细化，类别和权重请一次给出"
        )
    # All dates of a block are one task, however they were cut.
    data = array.data if array.ndim == 2 else array.data.rechunk({0: -1})
    chunks = data.chunks[-2:]
    blocks = data.to_delayed().reshape([len(sizes) for sizes in chunks])
    planes = [_blocks_like(raster, chunks) for raster in (classes, weights)]
    task = delayed(_block_totals, pure=False)
    parts = [
        task(blocks[at], piece, *(plane[at] for plane in planes), wanted)
        for at, piece in _touched(coverage, chunks)
    ]
    while len(parts) > 1:
        groups = range(0, len(parts), _ADDED_AT_ONCE)
        parts = [delayed(_joined)(parts[i : i + _ADDED_AT_ONCE]) for i in groups]
    joined: ZoneTotals = parts[0].compute()
    if coverage.refined:
        # A piece of a refined coverage cannot tell its own part of these.
        joined = replace(joined, inside=coverage.inside, cover=coverage.cover)
    return joined


def _joined(parts: Sequence[ZoneTotals]) -> ZoneTotals:
    return reduce(add, parts)


def _blocks_like(
    raster: Raster | None, chunks: tuple[tuple[int, ...], ...]
) -> NDArray[np.object_]:
    """Blocks of a (y, x) raster as tasks; None for each where there is no raster."""
    if raster is None:
        return np.full([len(sizes) for sizes in chunks], None)
    plane = raster if isinstance(raster, xr.DataArray) else xr.DataArray(raster)
    shape = tuple(sum(sizes) for sizes in chunks)
    if plane.shape != shape:
        raise GridInvalid(
            f"classes or weights of shape {plane.shape} do not fit values on a grid of "
            f"shape {shape} · 类别或权重的形状与数据栅格不符"
        )
    cut = plane.chunk(dict(zip(plane.dims, chunks, strict=True)))
    blocks: NDArray[np.object_] = cut.data.to_delayed()
    return blocks


def _touched(
    coverage: Coverage, chunks: tuple[tuple[int, ...], ...]
) -> list[tuple[tuple[int, int], Coverage]]:
    """Blocks that hold a part of a zone, at least one, each with its coverage."""
    found: list[tuple[tuple[int, int], Coverage]] = []
    all_cols = slice(0, coverage.geobox.shape.x)
    for i, rows in enumerate(slices(chunks[0])):
        band = _piece(coverage, rows, all_cols)
        all_rows = slice(0, band.geobox.shape.y)
        for j, cols in enumerate(slices(chunks[1])):
            piece = _piece(band, all_rows, cols)
            if len(piece.runs) or (i, j) == (0, 0):
                found.append(((i, j), piece))
    return found


def _piece(coverage: Coverage, rows: slice, cols: slice) -> Coverage:
    if not coverage.refined:
        return coverage.window(rows, cols)
    runs = coverage.runs.window(rows, cols)
    return replace(coverage, geobox=coverage.geobox[rows, cols], runs=runs)
