"""Smoothing and gap filling of many series at once; arrays are (time, pixels)."""

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]


def whittaker(values: Float, *, smoothing: float) -> Float:
    """Whittaker smoother with second differences.

    Minimises ``sum w (y - z)^2 + smoothing * sum (second difference of z)^2`` with
    w = 1 where a value exists and 0 where it is NaN (Eilers 2003, Analytical
    Chemistry 75:3631).

    Parameters
    ----------
    values
        float32 (time, pixels), equally spaced in time, NaN = missing.
    smoothing
        Lambda, > 0; larger is smoother.

    Returns
    -------
    float32 (time, pixels), no gaps. Before the first and after the last value it
    runs on as a straight line. NaN where a pixel has fewer than two values, because
    the minimum is then not unique.
    """
    weights = np.isfinite(values)
    singular = weights.sum(axis=0) < 2
    targets = np.where(weights, values, np.float32(0))
    # Any regular system will do for pixels whose result is thrown away.
    weights[:, singular] = True
    solved = _solve(weights, targets, smoothing).astype(np.float32)
    solved[:, singular] = np.nan
    return solved


def _solve(
    weights: NDArray[np.bool_], targets: Float, smoothing: float
) -> NDArray[np.float64]:
    """Solve ``(W + smoothing D'D) z = W y`` by banded LDL' elimination over time.

    In float64: with few weights the matrix is nearly singular, and float32 was seen
    to be 0.002 NDVI off.
    """
    steps = len(targets)
    differences = np.diff(np.eye(steps), n=2, axis=0)
    penalty = smoothing * differences.T @ differences
    # Two leading rows of zero multipliers stand for the steps before the first.
    first = np.zeros((steps + 2, targets.shape[1]))
    second = np.zeros_like(first)
    pivots = np.ones_like(first)
    z = np.zeros_like(first)
    for t in range(steps):
        i = t + 2
        pivots[i] = weights[t] + penalty[t, t]
        pivots[i] -= pivots[i - 1] * first[i - 1] ** 2
        pivots[i] -= pivots[i - 2] * second[i - 2] ** 2
        if t + 1 < steps:
            below = pivots[i - 1] * first[i - 1] * second[i - 1]
            first[i] = (penalty[t, t + 1] - below) / pivots[i]
        if t + 2 < steps:
            second[i] = penalty[t, t + 2] / pivots[i]
        z[i] = targets[t] - first[i - 1] * z[i - 1] - second[i - 2] * z[i - 2]
    z /= pivots
    for i in range(steps, 1, -1):
        z[i] -= first[i] * z[i + 1]
        if i + 2 < len(z):
            z[i] -= second[i] * z[i + 2]
    return z[2:]


def interpolate(values: Float, times: NDArray[np.float32]) -> Float:
    """Fill the gaps inside each series by straight lines.

    Parameters
    ----------
    values
        float32 (time, pixels), NaN = missing.
    times
        (time,), increasing, any unit.

    Returns
    -------
    float32 (time, pixels); before the first and after the last value still NaN.
    """
    # One walk back collects the next value, one walk forward has the last at hand.
    known = np.isfinite(values)
    after, after_time = values.copy(), np.where(known, times[:, None], np.nan)
    for t in range(len(values) - 2, -1, -1):
        after[t] = np.where(known[t], values[t], after[t + 1])
        after_time[t] = np.where(known[t], times[t], after_time[t + 1])
    filled = values.copy()
    before, before_time = values[0], np.where(known[0], times[0], np.nan)
    for t in range(1, len(values)):
        share = (times[t] - before_time) / (after_time[t] - before_time)
        between = before + share * (after[t] - before)
        filled[t] = np.where(known[t], values[t], between)
        before = np.where(known[t], values[t], before)
        before_time = np.where(known[t], times[t], before_time)
    return filled


def observed_span(values: Float) -> NDArray[np.bool_]:
    """(time, pixels): from the first to the last value of each series, both ends in."""
    started = np.isfinite(values)
    not_ended = started.copy()
    # Row by row: ufunc.accumulate along the first axis is ten times slower.
    for t in range(1, len(values)):
        started[t] |= started[t - 1]
        not_ended[-1 - t] |= not_ended[-t]
    return started & not_ended
