"""Smoothing and gap filling of many series at once; arrays are (time, pixels).

The kernels work on strips (see `raster.jit`), in float64: with few observations the
smoother's matrix is nearly singular, and float32 was seen to be 0.002 NDVI off.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raster.errors import SettingInvalid
from raster.jit import ONE, STRIP, TWO, P, kernel

Float = NDArray[np.float32]
Strip = NDArray[np.float64]

# A step of the solver keeps three rows: inverse pivot, multiplier, solution.
_ROWS = np.uint64(3)
_STEP = _ROWS * P
# Two empty steps before the first and after the last make every step alike.
_BEFORE = TWO * _STEP
MARGIN_STEPS = 4

_ZERO = np.uint64(0)


@dataclass(frozen=True, slots=True)
class Penalty:
    """Bands of ``smoothing * D'D``, D the second differences of `steps` values.

    Each float64 (steps,): `diagonal[t]`, `next[t]` couples t and t + 1, and
    `second[t]` couples t - 2 and t, two zeros longer than the steps.
    """

    diagonal: NDArray[np.float64]
    next: NDArray[np.float64]
    second: NDArray[np.float64]


def penalty(steps: int, *, smoothing: float) -> Penalty:
    """Bands of the roughness penalty (Eilers 2003, Analytical Chemistry 75:3631)."""
    differences = np.diff(np.eye(steps), n=2, axis=0)
    matrix = smoothing * differences.T @ differences
    upper = np.append(np.diag(matrix, 1), 0.0)
    second = np.zeros(steps + 2)
    second[2:steps] = np.diag(matrix, 2) if steps > 2 else 0.0
    return Penalty(np.diag(matrix).copy(), upper[:steps], second)


@kernel
def smooth_strip(
    weights: Strip,
    targets: Strip,
    diagonal: Strip,
    next_: Strip,
    second: Strip,
    work: Strip,
) -> None:
    """Solve ``(W + penalty) z = W y`` for the pixels of a strip by LDL' elimination.

    Parameters
    ----------
    weights, targets
        float64 strips of one row a step; a target of weight 0 is not used.
    diagonal, next_, second
        Bands of `penalty`.
    work
        float64 strip of ``3 * (steps + 4)`` rows. The solution at step t is its row
        ``3 * t + 8``.
    """
    steps = np.uint64(diagonal.size)
    for i in range(_BEFORE):
        work[i] = 0.0
        work[steps * _STEP + _BEFORE + i] = 0.0
    for step in range(steps):
        # Rows of t - 2 begin at `at`, of t - 1 one step on, of t two steps on.
        t = np.uint64(step)
        at, row = t * _STEP, t * P
        centre, aside = diagonal[t], next_[t]
        far, far_before = second[t], second[t + ONE]
        for p in range(P):
            inverse = work[at + _STEP + p]
            upper = work[at + _STEP + P + p]
            share = upper * inverse
            share_far = far * work[at + p]
            weight = weights[row + p]
            pivot = weight + centre - upper * share - far * share_far
            work[at + _BEFORE + p] = 1.0 / pivot
            work[at + _BEFORE + P + p] = aside - share * far_before
            work[at + _BEFORE + TWO * P + p] = (
                weight * targets[row + p]
                - share * work[at + _STEP + TWO * P + p]
                - share_far * work[at + TWO * P + p]
            )
    for back in range(steps):
        t = steps - ONE - np.uint64(back)
        at, far = (t + TWO) * _STEP, second[t + TWO]
        for p in range(P):
            value = work[at + TWO * P + p]
            value -= work[at + P + p] * work[at + _STEP + TWO * P + p]
            value -= far * work[at + _BEFORE + TWO * P + p]
            work[at + TWO * P + p] = value * work[at + p]


@kernel
def interpolate_strip(
    weights: Strip, targets: Strip, times: Strip, work: Strip
) -> None:
    """Join the targets of positive weight by straight lines.

    Parameters and place of the result as in `smooth_strip`; `times` is float64
    (steps,), increasing. Outside the observed span the result means nothing.
    """
    steps = np.uint64(times.size)
    for i in range(_BEFORE):
        work[steps * _STEP + _BEFORE + i] = 0.0
        work[i] = 0.0
    # Walking back, each step learns value and time of the next observation ...
    for back in range(steps):
        t = steps - ONE - np.uint64(back)
        at, row, now = (t + TWO) * _STEP, t * P, times[t]
        for p in range(P):
            here = weights[row + p] > 0
            value, later = work[at + _STEP + p], work[at + _STEP + P + p]
            work[at + p] = targets[row + p] if here else value
            work[at + P + p] = now if here else later
    # ... and walking on, it lies between that and the step before, which is already
    # on the line.
    before = times[0]
    for step in range(steps):
        t = np.uint64(step)
        at, row, now = (t + TWO) * _STEP, t * P, times[t]
        for p in range(P):
            here = weights[row + p] > 0
            last = work[at - _STEP + TWO * P + p]
            rise = (work[at + p] - last) / (work[at + P + p] - before)
            between = last + rise * (now - before)
            work[at + TWO * P + p] = targets[row + p] if here else between
        before = now


@kernel
def new_span() -> NDArray[np.int32]:
    """Make a strip of three rows for `find_span`."""
    return np.empty(3 * STRIP, np.int32)


@kernel
def find_span(weights: Strip, span: NDArray[np.int32]) -> None:
    """Find the observed span of each pixel of a strip.

    Rows of `span`: first step of positive weight, last one, and how many there are;
    without any, the first lies behind the last.
    """
    steps = np.uint64(weights.size) // P
    for p in range(P):
        span[p] = np.int32(steps)
        span[P + p] = np.int32(-1)
        span[TWO * P + p] = np.int32(0)
    for t in range(steps):
        row, now = np.uint64(t) * P, np.int32(t)
        for p in range(P):
            here = weights[row + p] > 0
            span[p] = min(span[p], now) if here else span[p]
            span[P + p] = now if here else span[P + p]
            span[TWO * P + p] += np.int32(1) if here else np.int32(0)


@kernel
def _load(
    values: Float,
    weights: NDArray[np.uint8],
    start: int,
    wide: int,
    kept: Strip,
    targets: Strip,
) -> None:
    """Take `wide` series from column `start` on; the rest of the strip weighs 0."""
    for t in range(values.shape[0]):
        row = np.uint64(t) * P
        if wide < STRIP:
            for p in range(P):
                kept[row + p] = 0.0
                targets[row + p] = 0.0
        value, weight = (
            values[t, start : start + wide],
            weights[t, start : start + wide],
        )
        for p in range(np.uint64(wide)):
            missing = value[p] != value[p]
            kept[row + p] = 0.0 if missing else np.float64(weight[p])
            targets[row + p] = 0.0 if missing else np.float64(value[p])


@kernel
def _whittaker(
    values: Float,
    weights: NDArray[np.uint8],
    diagonal: Strip,
    next_: Strip,
    second: Strip,
    result: Float,
) -> None:
    steps, pixels = values.shape
    kept, targets = np.empty(steps * STRIP), np.empty(steps * STRIP)
    work = np.empty((steps + MARGIN_STEPS) * 3 * STRIP)
    span = new_span()
    for start in range(0, pixels, STRIP):
        wide = min(STRIP, pixels - start)
        _load(values, weights, start, wide, kept, targets)
        smooth_strip(kept, targets, diagonal, next_, second, work)
        find_span(kept, span)
        for t in range(steps):
            at = np.uint64(t) * _STEP + _BEFORE + TWO * P
            filled = result[t, start : start + wide]
            for p in range(np.uint64(wide)):
                value = np.float32(work[at + p])
                enough = span[TWO * P + p] > 1
                filled[p] = value if enough else np.float32(np.nan)


def whittaker(
    values: Float, *, smoothing: float, weights: NDArray[np.uint8] | None = None
) -> Float:
    """Whittaker smoother with second differences.

    Minimises ``sum w (y - z)^2 + smoothing * sum (second difference of z)^2`` with
    w = `weights` where a value exists and 0 where it is NaN (Eilers 2003, Analytical
    Chemistry 75:3631).

    Parameters
    ----------
    values
        float32 (time, pixels), equally spaced in time, NaN = missing.
    smoothing
        Lambda, > 0; larger is smoother.
    weights
        uint8 (time, pixels), for example the observations behind each value; all 1 if
        left out.

    Returns
    -------
    float32 (time, pixels), no gaps. Before the first and after the last value it
    runs on as a straight line. NaN where a pixel has fewer than two values of some
    weight, because the minimum is then not unique.

    Raises
    ------
    SettingInvalid
        `smoothing` is not positive, or `weights` has another shape.
    """
    if weights is None:
        weights = np.ones(values.shape, np.uint8)
    if not smoothing > 0 or weights.shape != values.shape:
        raise SettingInvalid(
            f"smoothing {smoothing}, values {values.shape}, weights {weights.shape}: "
            "give a positive smoothing and one weight a value"
        )
    result = np.empty(values.shape, np.float32)
    if values.size:
        bands = penalty(len(values), smoothing=smoothing)
        _whittaker(
            np.ascontiguousarray(values, np.float32),
            np.ascontiguousarray(weights),
            bands.diagonal,
            bands.next,
            bands.second,
            result,
        )
    return result


@kernel
def _interpolate(
    values: Float, weights: NDArray[np.uint8], times: Strip, result: Float
) -> None:
    steps, pixels = values.shape
    kept, targets = np.empty(steps * STRIP), np.empty(steps * STRIP)
    work = np.empty((steps + MARGIN_STEPS) * 3 * STRIP)
    span = new_span()
    for start in range(0, pixels, STRIP):
        wide = min(STRIP, pixels - start)
        _load(values, weights, start, wide, kept, targets)
        interpolate_strip(kept, targets, times, work)
        find_span(kept, span)
        for t in range(steps):
            at = np.uint64(t) * _STEP + _BEFORE + TWO * P
            for p in range(np.uint64(wide)):
                inside = (span[p] <= t) & (t <= span[P + p])
                value = np.float32(work[at + p])
                result[t, start + p] = value if inside else np.float32(np.nan)


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
    result = np.empty(values.shape, np.float32)
    if values.size:
        weights = np.ones(values.shape, np.uint8)
        moments = np.asarray(times, np.float64)
        _interpolate(np.ascontiguousarray(values, np.float32), weights, moments, result)
    return result
