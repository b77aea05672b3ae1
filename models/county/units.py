"""A history in two units: it jumps by a factor that no harvest does, or for good."""

import numpy as np
from numpy.typing import NDArray

from models.county.table import Floats

APART = 5.0
"""Ratio of two groups of yields to be in two units.

Bushels an acre and tonnes a hectare are apart by 15 (wheat), jin a mu and kilograms
a hectare by 7.5, tonnes and kilograms by 1000.
"""
GAP = 3.0
"""Ratio between the groups that holds no value at all."""
FEWEST = 4
STEP = 1.6
"""Ratio, against all other regions, at which one changes its unit from a year on:
kilograms and jin are apart by 2, of which a change of level may hide a part."""
CLEAR = 1.25
"""Ratio between the years before and after the step that holds no value at all."""
FEWEST_BESIDE = 4
"""Years before and after a step: three dry ones in a row are none."""


def two_units(target: Floats) -> NDArray[np.bool_]:
    """Tell which regions cannot be compared with themselves or with the others.

    A region whose positive values fall into two groups, each narrower than the gap
    between them; and, where the medians of the regions do, those of the smaller
    group. A single low value is a lost harvest, not another unit. And a region that
    parts from the median of the others for good: a step no other takes.

    Parameters
    ----------
    target : float64 (year, region), NaN where unknown

    Returns
    -------
    bool (region,)
        All false where a value is below 0: departures have no ratio.
    """
    if (target < 0).any():
        return np.zeros(target.shape[1], dtype=bool)
    logs = np.full(target.shape, np.nan)
    np.log(target, out=logs, where=target > 0)
    within = np.array([_split(column, lowest=2) is not None for column in logs.T], bool)
    within |= _steps(logs)
    counts = np.isfinite(logs).sum(axis=0)
    medians = np.full(counts.size, np.nan)
    usable = ~within & (counts > 0)
    medians[usable] = np.nanmedian(logs[:, usable], axis=0)
    if (edge := _split(medians, lowest=1)) is None:
        return within
    upper, lower = medians > edge, medians < edge
    smaller = upper if upper.sum() < lower.sum() else lower
    return np.asarray(within | smaller)


def _steps(logs: Floats) -> NDArray[np.bool_]:
    """Tell which regions (year, region) part from the others from one year on."""
    # Of two regions nobody can tell which one stepped.
    years = np.isfinite(logs).sum(axis=1) >= FEWEST
    beside = logs[years]
    if len(beside) < 2 * FEWEST_BESIDE:
        return np.zeros(logs.shape[1], dtype=bool)
    beside = beside - np.nanmedian(beside, axis=1, keepdims=True)
    return np.array([_stepped(one[np.isfinite(one)]) for one in beside.T], dtype=bool)


def _stepped(logs: Floats) -> bool:
    """Tell whether a history is apart before and after some year of it."""
    for place in range(FEWEST_BESIDE, len(logs) - FEWEST_BESIDE + 1):
        low, high = sorted((logs[:place], logs[place:]), key=np.median)
        clear = high.min() - low.max() >= np.log(CLEAR)
        if clear and np.median(high) - np.median(low) >= np.log(STEP):
            return True
    return False


def _split(logs: Floats, *, lowest: int) -> float | None:
    """Return what parts two groups, None where there are none.

    `lowest` is the least number of values in the lower one.
    """
    values = np.sort(logs[np.isfinite(logs)])
    if values.size < FEWEST:
        return None
    gaps = np.diff(values)
    place = int(gaps.argmax())
    low, high = values[: place + 1], values[place + 1 :]
    widest = max(np.log(GAP), np.ptp(low), np.ptp(high))
    apart = np.median(high) - np.median(low) >= np.log(APART)
    if gaps[place] < widest or not apart or low.size < lowest:
        return None
    return float((low[-1] + high[0]) / 2)


__all__ = ["two_units"]
