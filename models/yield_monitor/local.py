"""Points unlike their neighbours, and how long a pass takes to fill and to empty."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from models.yield_monitor.passes import Track

__all__ = ["fill_time", "local_outliers"]

Float = NDArray[np.float64]

# Of normal numbers, the standard deviation over the median absolute deviation.
_MAD_TO_SD = 1.4826

# Neighbours needed, and how finely equal neighbours are told from an outlier.
_MIN_NEIGHBOURS = 5
_LEAST_SPREAD = 0.02

# A pass is full where it yields this share of its own middle.
_FULL = 0.95
_MIN_PASSES = 5
_MIN_ROWS = 12


def local_outliers(
    x: Float,
    y: Float,
    values: Float,
    *,
    radius: float,
    limit: float = 3.0,
    method: Literal["mad", "sd"] = "mad",
) -> NDArray[np.bool_]:
    """Points further from their neighbours than so many standard deviations.

    Parameters
    ----------
    x, y
        Metres.
    values
        Yields; NaN is neither an outlier nor a neighbour.
    radius
        Metres around a point in which its neighbours are.
    limit
        Standard deviations.
    method
        "mad": from the median by the median absolute deviation; "sd": from the mean by
        the standard deviation, both of the neighbours without the point itself.

    Returns
    -------
    bool (points,); points with fewer than five neighbours are not judged.
    """
    known = np.flatnonzero(np.isfinite(values))
    outlying = np.zeros(len(values), bool)
    if not known.size:
        return outlying
    tree = cKDTree(np.column_stack([x[known], y[known]]))
    around = tree.query_ball_point(tree.data, radius)
    own = values[known]
    for i, near in enumerate(around):
        # With itself among them a wild point would widen the spread it is judged by.
        others = own[[j for j in near if j != i]]
        if len(others) >= _MIN_NEIGHBOURS:
            centre, spread = _centre(others, method)
            # Neighbours that agree by chance would make an outlier of any difference.
            floor = _LEAST_SPREAD * abs(centre)
            outlying[known[i]] = abs(own[i] - centre) > limit * max(spread, floor)
    return outlying


def _centre(values: Float, method: str) -> tuple[float, float]:
    if method == "sd":
        return float(values.mean()), float(values.std(ddof=1))
    middle = float(np.median(values))
    return middle, _MAD_TO_SD * float(np.median(np.abs(values - middle)))


def fill_time(
    track: Track,
    yields: Float,
    seconds: Float,
    *,
    interval: float,
    longest: float,
    usual: float,
) -> float:
    """Seconds from an end of the passes over which they yield less than their middle.

    The median over all passes of yield / median yield of the pass, interval by
    interval from the end that `seconds` counts from, until it reaches 0.95.

    Parameters
    ----------
    seconds
        From the start, or to the end, of each row's pass.
    longest
        More than this is no filling: headlands can yield less.
    usual
        What is taken where fewer than five passes of twelve rows tell.
    """
    middle = _pass_medians(track, yields)
    relative = yields / middle
    # Passes are compared at the same number of rows from their end.
    step = np.floor(seconds / interval + 0.5)
    told = np.isfinite(relative)
    if len(np.unique(track.run[told])) < _MIN_PASSES:
        return usual
    for position in range(int(longest / interval)):
        here = relative[told & (step == position)]
        # The median: headlands and weeds at the ends of single passes are not filling.
        if len(here) >= _MIN_PASSES and np.median(here) >= _FULL:
            return position * interval
    return longest


def _pass_medians(track: Track, yields: Float) -> Float:
    """Median yield of each row's pass, NaN of passes too short to tell."""
    medians = np.full(len(yields), np.nan)
    order = np.argsort(track.run, kind="stable")
    begins = np.flatnonzero(np.diff(track.run[order], prepend=-1))
    for rows in np.split(order, begins[1:]):
        known = yields[rows][np.isfinite(yields[rows])]
        if len(known) >= _MIN_ROWS and np.median(known) > 0:
            medians[rows] = np.median(known)
    return medians
