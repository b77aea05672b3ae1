"""Season start, peak, end and size from a smoothed vegetation series.

Start and end are threshold dates as in TIMESAT (Jönsson & Eklundh 2004, Computers &
Geosciences 30:833) and the Copernicus HR-VPP product, which uses 25 % of the
amplitude: on each side of the peak the level is that side's minimum plus `threshold`
times the way up to the peak.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SeasonDates:
    """Dates of one season a pixel, (pixels,) float32; NaN where there is none."""

    sos: Float
    pos: Float
    eos: Float
    peak: Float


def season_dates(series: Float, times: Float, *, threshold: float) -> SeasonDates:
    """Start, peak and end of the season around the highest value.

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
        last value.
    """
    known = np.isfinite(series)
    heights = np.where(known, series, np.float32(-np.inf))
    top = heights.argmax(axis=0)
    peak = np.take_along_axis(heights, top[None], axis=0)[0]
    found = known.any(axis=0)
    peak = np.where(found, peak, np.float32(np.nan))
    return SeasonDates(
        sos=_crossing(series, times, top, peak, threshold=threshold),
        pos=np.where(found, times[top], np.float32(np.nan)),
        eos=_crossing(
            series[::-1], times[::-1], len(times) - 1 - top, peak, threshold=threshold
        ),
        peak=peak,
    )


def _crossing(
    series: Float, times: Float, top: NDArray[np.intp], peak: Float, *, threshold: float
) -> Float:
    """Time where the series, walked down from `top` towards index 0, meets its level.

    The end of season is the same walk on the series turned round in time.
    """
    steps = np.arange(len(times))[:, None]
    before = np.where((steps <= top) & np.isfinite(series), series, peak)
    # Beyond the peak and outside the observed span stands the peak itself, which is
    # never the lowest value and never below the level.
    lowest = before.min(axis=0)
    level = lowest + np.float32(threshold) * (peak - lowest)
    # Last step before the peak at or below the level; -1 where there is none.
    below = (before <= level) & (before < peak)
    found = below.any(axis=0)
    # argmax finds the first, so look from the end to find the last.
    left = np.where(found, len(times) - 1 - below[::-1].argmax(axis=0), 0)
    right = np.minimum(left + 1, len(times) - 1)
    low, high = _pick(series, left), _pick(series, right)
    # The level lies between the two, so the rise is never 0 where a crossing is found.
    rise = np.where(found, high - low, np.float32(1))
    date = times[left] + (level - low) / rise * (times[right] - times[left])
    return np.where(found, date, np.float32(np.nan))


def _pick(series: Float, steps: NDArray[np.intp]) -> Float:
    picked: Float = np.take_along_axis(series, steps[None], axis=0)[0]
    return picked


def season_integral(series: Float, times: Float, sos: Float, eos: Float) -> Float:
    """Area under the series and above zero, from `sos` to `eos`.

    Parameters
    ----------
    series, times
        As in `season_dates`; straight lines between the values.
    sos, eos
        (pixels,) in the unit of `times`; NaN gives NaN.

    Returns
    -------
    float32 (pixels,), value times unit of `times` (TIMESAT's "large integral").
    Values below zero count as zero.
    """
    heights = np.maximum(series, np.float32(0))
    total = np.zeros_like(sos)
    for t in range(len(times) - 1):
        width = times[t + 1] - times[t]
        start, end = np.clip([sos, eos], times[t], times[t + 1])
        slope = (heights[t + 1] - heights[t]) / width
        middle = heights[t] + slope * ((start + end) * np.float32(0.5) - times[t])
        total += np.where(end > start, middle * (end - start), np.float32(0))
    return np.where(np.isfinite(sos) & np.isfinite(eos), total, np.float32(np.nan))
