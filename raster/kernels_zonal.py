"""Kernels of the zonal sums, over runs of pixels.

A **run** is a stretch of one grid row whose pixels have one weight in one zone. Runs
come in the order of the grid, so that a raster is read from top to bottom; sums are
kept in float64, and in int64 along a run of integers. Values are (time, y, x) of any
integer or float type; a value counts when it is finite and not `nodata`, or `keep_all`
is set (integers without nodata).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from raster.jit import kernel

Values = NDArray[Any]
Number = Any
Int = NDArray[np.int32]
Index = NDArray[np.int64]
Single = NDArray[np.float32]
Double = NDArray[np.float64]

# Runs taken at once for one date after the other: they stay in the second cache.
_RUNS = 4096

# Counting sort wins while the span of the values is below this many times their number.
_SPAN_PER_VALUE = 8


@kernel
def sum_runs(
    values: Values,
    nodata: Number,
    keep_all: bool,
    zero: Number,
    zone: Int,
    row: Int,
    col: Int,
    length: Int,
    weight: Single,
    area: Single,
    out: Double,
) -> None:
    """Add value * weight, weight, and weight * area to out (time, zones, 3).

    `zero` is np.int64(0) or np.float64(0): the type of the sum along a run. `area` is
    that of one whole pixel of the run.
    """
    for first in range(0, row.size, _RUNS):
        for t in range(values.shape[0]):
            for r in range(first, min(first + _RUNS, row.size)):
                line = values[t, row[r], col[r] : col[r] + length[r]]
                total = zero
                count = 0
                for i in range(line.size):
                    v = line[i]
                    used = np.isfinite(v) & ((v != nodata) | keep_all)
                    total += v if used else zero
                    count += used
                w = np.float64(weight[r])
                out[t, zone[r], 0] += total * w
                out[t, zone[r], 1] += count * w
                out[t, zone[r], 2] += count * w * area[r]


@kernel
def count_runs(
    values: Values,
    nodata: Number,
    keep_all: bool,
    edges: Double,
    zone: Int,
    row: Int,
    col: Int,
    length: Int,
    weight: Single,
    out: Double,
) -> None:
    """Add the weights of each bin to out (time, zones, bins).

    Bins are half open, [a, b); the last one holds its upper edge too.
    """
    last = edges.size - 1
    for t in range(values.shape[0]):
        for r in range(row.size):
            line = values[t, row[r], col[r] : col[r] + length[r]]
            for i in range(line.size):
                v = line[i]
                if not (np.isfinite(v) & ((v != nodata) | keep_all)):
                    continue
                if v >= edges[0] and v <= edges[last]:
                    b = np.searchsorted(edges, v, side="right") - 1
                    out[t, zone[r], min(b, last - 1)] += weight[r]


@kernel
def count_looked_up(
    values: Values,
    lowest: int,
    bins: Int,
    zone: Int,
    row: Int,
    col: Int,
    length: Int,
    weight: Single,
    out: Double,
) -> None:
    """As `count_runs`, for integers of 8 or 16 bits, several times as fast.

    ``bins[v - lowest]`` is the bin of the value v, -1 for none.
    """
    for t in range(values.shape[0]):
        for r in range(row.size):
            line = values[t, row[r], col[r] : col[r] + length[r]]
            for i in range(line.size):
                b = bins[line[i] - lowest]
                if b >= 0:
                    out[t, zone[r], b] += weight[r]


@kernel
def tabulate(
    values: Values,
    nodata: Number,
    keep_all: bool,
    integers: bool,
    row: Int,
    col: Int,
    length: Int,
    weight: Single,
    out_values: Values,
    out_weights: Double,
    out_size: Index,
) -> None:
    """Distinct values of one zone, ascending, and the weight of each, date by date.

    Parameters
    ----------
    integers
        Of the values' type.
    row, col, length, weight
        The runs of the zone.
    out_values, out_weights
        (time, capacity); capacity holds the zone's distinct values.
    out_size
        (time,) number of distinct values.
    """
    pixels = length.sum()
    found = np.empty(pixels, values.dtype)
    carried = np.empty(pixels, np.float64)
    for t in range(values.shape[0]):
        n = 0
        for r in range(row.size):
            line = values[t, row[r], col[r] : col[r] + length[r]]
            for i in range(line.size):
                v = line[i]
                if np.isfinite(v) & ((v != nodata) | keep_all):
                    found[n] = v
                    carried[n] = weight[r]
                    n += 1
        out_size[t] = _merged(
            found[:n], carried[:n], integers, out_values[t], out_weights[t]
        )


@kernel
def _merged(
    found: Values,
    carried: Double,
    integers: bool,
    out_values: Values,
    out_weights: Double,
) -> int:
    if found.size == 0:
        return 0
    # In float64, since the ends of a type lie further apart than it can say.
    span = np.float64(found.max()) - np.float64(found.min())
    if integers and span < _SPAN_PER_VALUE * found.size:
        return _counted(found, carried, int(span) + 1, out_values, out_weights)
    order = np.argsort(found)
    size = 0
    for i in order:
        if size == 0 or found[i] != out_values[size - 1]:
            out_values[size] = found[i]
            out_weights[size] = 0.0
            size += 1
        out_weights[size - 1] += carried[i]
    return size


@kernel
def _counted(
    found: Values, carried: Double, span: int, out_values: Values, out_weights: Double
) -> int:
    lowest = found.min()
    bins = np.zeros(span, np.float64)
    for i in range(found.size):
        bins[np.int64(found[i] - lowest)] += carried[i]
    size = 0
    for b in range(span):
        if bins[b] > 0:
            out_values[size] = lowest + b
            out_weights[size] = bins[b]
            size += 1
    return size


@kernel
def weighted_quantiles(
    indptr: Index, values: Values, weights: Double, asked: Double, out: Double
) -> None:
    """Quantiles of tables of distinct values: out (tables, asked), NaN if empty.

    Value i of n, with weight w_i and the weight C_i before it, stands at
    ``s_i = i w_i + (n - 1) C_i`` of the whole ``(n - 1) C_n``, and between two values
    the quantile is linear: the definition of exactextract, which for distinct values
    of equal weight is numpy's default.
    """
    for table in range(indptr.size - 1):
        first, end = indptr[table], indptr[table + 1]
        n = end - first
        for k in range(asked.size):
            if n == 0:
                out[table, k] = np.nan
                continue
            target = asked[k] * (n - 1) * weights[first:end].sum()
            before = 0.0
            left = 0.0
            out[table, k] = values[end - 1]
            for i in range(n):
                here = i * weights[first + i] + (n - 1) * before
                if here > target:
                    low = np.float64(values[first + i - 1])
                    step = np.float64(values[first + i]) - low
                    out[table, k] = low + step * (target - left) / (here - left)
                    break
                left = here
                before += weights[first + i]


@kernel
def count_pieces(
    slots: Values, factors: Single, row: Int, col: Int, length: Int
) -> int:
    """Count the pieces of runs that are cut where slot or factor changes.

    `slots` and `factors` are (y, x); a pixel of slot -1 belongs nowhere.
    """
    pieces = 0
    for r in range(row.size):
        slot = slots[row[r], col[r] : col[r] + length[r]]
        factor = factors[row[r], col[r] : col[r] + length[r]]
        for i in range(slot.size):
            pieces += slot[i] >= 0 and _piece_begins(slot, factor, i)
    return pieces


@kernel
def cut_pieces(
    slots: Values,
    factors: Single,
    row: Int,
    col: Int,
    length: Int,
    out_parent: Index,
    out_slot: Int,
    out_col: Int,
    out_length: Int,
    out_factor: Single,
) -> None:
    """Cut runs where slot or factor changes; `out_parent` is the run of each piece."""
    piece = -1
    for r in range(row.size):
        slot = slots[row[r], col[r] : col[r] + length[r]]
        factor = factors[row[r], col[r] : col[r] + length[r]]
        for i in range(slot.size):
            if slot[i] < 0:
                continue
            if _piece_begins(slot, factor, i):
                piece += 1
                out_parent[piece] = r
                out_slot[piece] = slot[i]
                out_col[piece] = col[r] + i
                out_length[piece] = 0
                out_factor[piece] = factor[i]
            out_length[piece] += 1


@kernel
def _piece_begins(slot: Values, factor: Single, i: int) -> bool:
    return i == 0 or slot[i] != slot[i - 1] or factor[i] != factor[i - 1]
