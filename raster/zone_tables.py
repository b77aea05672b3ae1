"""Weighted tables of distinct values: what exact quantiles over blocks need."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raster.coverage import Runs
from raster.kernels_zonal import tabulate, weighted_quantiles

Float = NDArray[np.float64]

# Values of one zone worked on at once.
_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """Values (time, y, x) and which of them is no data: none where `keep_all`."""

    values: NDArray[Any]
    nodata: np.generic
    keep_all: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """Distinct values and their weights, one table a zone and date, dates fastest.

    Attributes
    ----------
    indptr
        int64 (tables + 1,): entries of table i are ``indptr[i]`` to ``indptr[i + 1]``.
    values
        (entries,) in the type of the raster, ascending in a table.
    weights
        float64 (entries,).
    """

    indptr: NDArray[np.int64]
    values: NDArray[Any]
    weights: Float

    def __add__(self, other: "Tables") -> "Tables":
        table = np.concatenate([self._table(), other._table()])
        values = np.concatenate([self.values, other.values])
        weights = np.concatenate([self.weights, other.weights])
        order = np.lexsort((values, table))
        table, values, weights = table[order], values[order], weights[order]
        begins = np.ones(len(table), bool)
        begins[1:] = (table[1:] != table[:-1]) | (values[1:] != values[:-1])
        first = np.flatnonzero(begins)
        if len(first):
            weights = np.add.reduceat(weights, first)
        indptr = np.searchsorted(table[first], np.arange(len(self.indptr)))
        return Tables(indptr.astype(np.int64), values[first], weights)

    def _table(self) -> NDArray[np.intp]:
        return np.repeat(np.arange(len(self.indptr) - 1), np.diff(self.indptr))

    def quantiles(self, asked: Float) -> Float:
        """Weighted quantiles, float64 (tables, asked); NaN for an empty table."""
        out = np.empty((len(self.indptr) - 1, len(asked)))
        weighted_quantiles(self.indptr, self.values, self.weights, asked, out)
        return out


def tables(stack: Stack, runs: Runs, count: int) -> Tables:
    """Tabulate values for each of `count` matrix rows and each date."""
    ordered, bounds = runs.by_zone(count)
    size = np.zeros((count, len(stack.values)), np.int64)
    found = [np.zeros(0, stack.values.dtype)]
    weights = [np.zeros(0)]
    for zone in range(count):
        own = ordered.taken(slice(bounds[zone], bounds[zone + 1]))
        for dates in _date_slices(own, stack.values):
            part = replace(stack, values=stack.values[dates])
            size[zone, dates], some_found, some_weights = _tabulated(part, own)
            found.append(some_found)
            weights.append(some_weights)
    indptr = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
    return Tables(indptr, np.concatenate(found), np.concatenate(weights))


def _date_slices(runs: Runs, values: NDArray[Any]) -> list[slice]:
    step = max(1, _AT_ONCE // max(1, _capacity(runs, values.dtype)))
    return [slice(t, t + step) for t in range(0, len(values), step)]


def _capacity(runs: Runs, dtype: np.dtype[Any]) -> int:
    """Distinct values a zone may hold at most."""
    pixels = int(runs.length.sum())
    return min(pixels, 2 ** (8 * dtype.itemsize)) if dtype.kind in "iu" else pixels


def _tabulated(
    stack: Stack, runs: Runs
) -> tuple[NDArray[np.int64], NDArray[Any], Float]:
    """Size of the table of each date, then all values and all weights."""
    values = stack.values
    shape = (len(values), _capacity(runs, values.dtype))
    found, weights = np.empty(shape, values.dtype), np.empty(shape)
    size = np.zeros(len(values), np.int64)
    kind = (stack.nodata, stack.keep_all, values.dtype.kind in "iu")
    where = (*kind, runs.row, runs.col, runs.length, runs.weight)
    tabulate(values, *where, found, weights, size)
    used = np.arange(shape[1]) < size[:, np.newaxis]
    return size, found[used], weights[used]
