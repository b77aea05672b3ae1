"""Season start, peak, end and size from a smoothed vegetation series.

Start and end are threshold dates as in TIMESAT (Jönsson & Eklundh 2004, Computers &
Geosciences 30:833) and the Copernicus HR-VPP product, which uses 25 % of the
amplitude: on each side of the peak the level is that side's minimum plus `threshold`
times the way up to the peak.

The kernels work on strips (see `raster.jit`): a series is a float32 strip of one row a
step, a season a float32 strip of the rows below. Missing is NaN.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from raster.jit import ONE, STRIP, P, kernel
from raster.smooth import new_span

Float = NDArray[np.float32]
Span = NDArray[np.int32]

_NAN = np.float32(np.nan)
_INF = np.float32(np.inf)
_HALF = np.float32(0.5)
_NIL = np.float32(0)

# Rows of a season strip: what is asked for, then what leads to it.
SOS, POS, EOS, PEAK, BASE = (np.uint64(i) * P for i in range(5))
INTEGRAL = np.uint64(5) * P
_LOW_LEFT = np.uint64(6) * P
_LOW_RIGHT = np.uint64(7) * P
_LEVEL = np.uint64(8) * P
SEASON_ROWS = 9


@dataclass(frozen=True, slots=True)
class SeasonDates:
    """One season a pixel, (pixels,) float32; NaN where there is none."""

    sos: Float
    pos: Float
    eos: Float
    peak: Float
    base: Float
    integral: Float


@kernel
def find_season(
    series: Float, times: Float, span: Span, threshold: float, season: Float
) -> None:
    """Find the season around the highest value of each pixel of a strip.

    Parameters
    ----------
    series, times
        Values and their times, float32; the times increase.
    span
        First and last step of each pixel that count, as `find_span` gives them.
    threshold
        Share of the amplitude that marks start and end, in (0, 1).
    season
        Strip of `SEASON_ROWS` rows, filled but for `INTEGRAL`.
    """
    _find_peak(series, times, span, season)
    _find_start(series, times, span, np.float32(threshold), season)
    _find_end(series, times, span, np.float32(threshold), season)
    for p in range(P):
        both = season[EOS + p] > season[SOS + p]
        base = _HALF * (season[_LOW_LEFT + p] + season[_LOW_RIGHT + p])
        season[BASE + p] = base if both else _NAN


@kernel
def _find_peak(series: Float, times: Float, span: Span, season: Float) -> None:
    """Fill POS and PEAK with the first maximum, and the lowest value on either side."""
    steps = np.uint64(times.size)
    for p in range(P):
        season[PEAK + p] = -_INF
        season[POS + p] = _NAN
        season[_LOW_LEFT + p] = _INF
        season[_LOW_RIGHT + p] = _INF
    for t in range(steps):
        row, now, time = np.uint64(t) * P, np.int32(t), times[t]
        for p in range(P):
            value = series[row + p]
            inside = (span[p] <= now) & (now <= span[P + p])
            higher = inside & (value > season[PEAK + p])
            # SOS serves as the lowest value so far until the start is known.
            low = _INF if t == 0 else season[SOS + p]
            low = min(low, value) if inside else low
            season[SOS + p] = low
            season[PEAK + p] = value if higher else season[PEAK + p]
            season[POS + p] = time if higher else season[POS + p]
            season[_LOW_LEFT + p] = low if higher else season[_LOW_LEFT + p]
            # A new peak ends what was the right side of the one before.
            right = value if higher else min(season[_LOW_RIGHT + p], value)
            season[_LOW_RIGHT + p] = right if inside else season[_LOW_RIGHT + p]


@kernel
def _find_start(
    series: Float, times: Float, span: Span, threshold: np.float32, season: Float
) -> None:
    """Fill SOS: the last time before the peak that the series rises above its level."""
    _set_level(season, _LOW_LEFT, threshold, SOS)
    for t in range(np.uint64(times.size) - ONE):
        row, now, time = np.uint64(t) * P, np.int32(t), times[t]
        for p in range(P):
            value = series[row + p]
            before = (span[p] <= now) & (time < season[POS + p])
            low = (value <= season[_LEVEL + p]) & (value < season[PEAK + p])
            season[SOS + p] = np.float32(t) if before & low else season[SOS + p]
    _cross(series, times, season, SOS, 1)


@kernel
def _find_end(
    series: Float, times: Float, span: Span, threshold: np.float32, season: Float
) -> None:
    """Fill EOS: the first time after the peak that the series falls to its level."""
    steps = np.uint64(times.size)
    _set_level(season, _LOW_RIGHT, threshold, EOS)
    for back in range(steps - ONE):
        t = steps - ONE - np.uint64(back)
        row, now, time = t * P, np.int32(t), times[t]
        for p in range(P):
            value = series[row + p]
            after = (now <= span[P + p]) & (time > season[POS + p])
            low = (value <= season[_LEVEL + p]) & (value < season[PEAK + p])
            season[EOS + p] = np.float32(t) if after & low else season[EOS + p]
    _cross(series, times, season, EOS, -1)


@kernel
def _set_level(
    season: Float, lows: np.uint64, threshold: np.float32, date: np.uint64
) -> None:
    for p in range(P):
        low = season[lows + p]
        season[_LEVEL + p] = low + threshold * (season[PEAK + p] - low)
        season[date + p] = _NAN


@kernel
def _cross(
    series: Float, times: Float, season: Float, date: np.uint64, direction: int
) -> None:
    """Turn the last step below the level into the time of crossing it."""
    # Once a pixel, so that no division stands in the loops over the steps.
    for p in range(STRIP):
        step = season[date + np.uint64(p)]
        if step == step:
            low = int(step)
            high = low + direction
            value, peakward = series[low * STRIP + p], series[high * STRIP + p]
            share = (season[_LEVEL + np.uint64(p)] - value) / (peakward - value)
            way = share * (times[high] - times[low])
            season[date + np.uint64(p)] = times[low] + way


@kernel
def integrate_season(series: Float, times: Float, season: Float) -> None:
    """Fill INTEGRAL: the area under the series and above zero from SOS to EOS."""
    for p in range(P):
        both = season[EOS + p] > season[SOS + p]
        season[INTEGRAL + p] = _NIL if both else _NAN
    for t in range(np.uint64(times.size) - ONE):
        row = np.uint64(t) * P
        left, right = times[t], times[np.uint64(t) + ONE]
        share = np.float32(1) / (right - left)
        for p in range(P):
            low = max(series[row + p], _NIL)
            slope = (max(series[row + P + p], _NIL) - low) * share
            start = min(max(season[SOS + p], left), right)
            end = min(max(season[EOS + p], left), right)
            middle = low + slope * (_HALF * (start + end) - left)
            area = middle * (end - start) if end > start else _NIL
            season[INTEGRAL + p] += area


@kernel
def split_span(
    series: Float,
    times: Float,
    span: Span,
    threshold: float,
    season: Float,
    spans: tuple[Span, Span],
) -> None:
    """Split the span of each pixel at the valley between its two greatest seasons.

    The second season is the value that stands highest above the lowest value between
    it and the peak, if by more than `threshold` times the peak's own height above
    its surroundings; without one the second span is empty.

    Parameters
    ----------
    season
        As filled by `find_season` over the whole `span`.
    spans
        Filled: first and second season in order of time.
    """
    first, second = spans
    for p in range(STRIP):
        valley = _valley(series, times, span[p], span[P + p], threshold, season, p)
        first[p], second[P + p] = span[p], span[P + p]
        # An empty span begins behind its end.
        first[P + p] = valley if valley >= 0 else span[P + p]
        second[p] = valley if valley >= 0 else span[P + p] + 1


@kernel
def _valley(
    series: Float,
    times: Float,
    begin: int,
    end: int,
    threshold: float,
    season: Float,
    pixel: int,
) -> int:
    """Step of the valley that parts two seasons of one pixel; -1 if there is one."""
    peak, best, found = season[PEAK + pixel], np.float32(0), -1
    lowest = min(season[_LOW_LEFT + pixel], season[_LOW_RIGHT + pixel])
    wanted = np.float32(threshold) * (peak - lowest)
    top = begin
    while top < end and times[top] < season[POS + pixel]:
        top += 1
    for direction in (-1, 1):
        t, low, valley = top, peak, top
        while begin <= t <= end:
            value = series[t * STRIP + pixel]
            if value < low:
                low, valley = value, t
            if value - low > max(best, wanted):
                best, found = value - low, valley
            t += direction
    return found


@kernel
def _dates_kernel(
    series: Float, times: Float, threshold: float, result: NDArray[np.float32]
) -> None:
    steps, pixels = series.shape
    strip = np.zeros(steps * STRIP, np.float32)
    span, season = new_span(), np.empty(SEASON_ROWS * STRIP, np.float32)
    for start in range(0, pixels, STRIP):
        wide = min(STRIP, pixels - start)
        for p in range(wide):
            span[p], span[STRIP + p] = steps, -1
            for t in range(steps):
                value = series[t, start + p]
                strip[t * STRIP + p] = value
                if value == value:
                    span[p], span[STRIP + p] = min(span[p], t), t
        find_season(strip, times, span, threshold, season)
        integrate_season(strip, times, season)
        for p in range(wide):
            for row in range(6):
                result[row, start + p] = season[row * STRIP + p]


def season_dates(series: Float, times: Float, *, threshold: float) -> SeasonDates:
    """Start, peak, end and size of the season around the highest value.

    Parameters
    ----------
    series
        float32 (time, pixels); NaN only before the first and after the last value.
    times
        float32 (time,), increasing; the unit of the result.
    threshold
        Share of the amplitude that marks start and end, in (0, 1).

    Returns
    -------
    SeasonDates
        `pos` is the time of the first maximum and `peak` its value. `sos` and `eos`
        are the crossings of the side's level nearest to the peak, interpolated
        linearly; NaN where that side does not rise, as when the peak is the first or
        last value. `base` is the mean of the lowest values of both sides, and
        `integral` the area under the series and above zero from `sos` to `eos`, value
        times unit of `times` (TIMESAT's "large integral"); NaN without both dates.
    """
    result = np.empty((len(fields(SeasonDates)), series.shape[1]), np.float32)
    _dates_kernel(
        np.ascontiguousarray(series, np.float32),
        np.ascontiguousarray(times, np.float32),
        threshold,
        result,
    )
    sos, pos, eos, peak, base, integral = result
    peak[np.isinf(peak)] = np.nan
    return SeasonDates(sos, pos, eos, peak, base, integral)
