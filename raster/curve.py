"""From the composites of a block to smoothed series and seasons, strip by strip."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raster.composite import NODATA, to_int16
from raster.jit import STRIP, TWO, P, kernel
from raster.phenology import (
    BASE,
    EOS,
    INTEGRAL,
    PEAK,
    POS,
    SEASON_ROWS,
    SOS,
    find_season,
    integrate_season,
    split_span,
)
from raster.smooth import (
    MARGIN_STEPS,
    Strip,
    find_span,
    interpolate_strip,
    new_span,
    penalty,
    smooth_strip,
)

Float = NDArray[np.float32]
Int = NDArray[np.int16]

PHENOLOGY = ("sos", "pos", "eos", "los", "peak", "base", "amplitude", "integral")
"""What a season of one pixel is told by, in the order of `Curves.seasons`."""

# Two values fix a straight line, not a season.
MIN_COMPOSITES = 3

_LONGEST_SEASON = 366
_LARGEST = 32767

_NODATA = np.int16(NODATA)
_ONE_DAY = np.float32(1)
_EMPTY = np.int32(-1)
_SOLUTION = np.uint64(8) * P
_STEP = np.uint64(3) * P


@dataclass(frozen=True, slots=True)
class Curves:
    """Smoothed series and seasons of some pixels.

    Attributes
    ----------
    series
        int16 (time, pixels) in steps of the composites' scale, nodata -32768 before
        the first and after the last composite; no rows if not asked for.
    seasons
        int16 (seasons, variables, pixels) in the order of `PHENOLOGY`; dates in days,
        values in steps of the scale, the integral in `integral_scale`.
    """

    series: Int
    seasons: Int


def integral_scale(limits: tuple[float, float]) -> float:
    """Value of one int16 step of an integral: 1, 2 or 5 times a power of ten.

    The smallest that holds a year at the upper limit of the index.
    """
    needed = limits[1] * _LONGEST_SEASON / _LARGEST
    power = math.floor(math.log10(needed))
    leading = next(n for n in (1, 2, 5, 10) if n * 10.0**power >= needed)
    # By text, since 2 * 10.0**-2 is not the nearest number to 0.02.
    return float(f"{leading}e{power}")


def curves(
    composites: Int,
    weights: NDArray[np.uint8],
    times: Float,
    *,
    scale: float,
    limits: tuple[float, float],
    smoothing: float,
    threshold: float,
    seasons: int = 1,
    wants_series: bool = True,
    wants_seasons: bool = True,
) -> Curves:
    """Smooth composites over time and find the seasons of each pixel.

    Parameters
    ----------
    composites
        (time, pixels), nodata -32768.
    weights
        (time, pixels), observations behind each composite.
    times
        (time,) days, increasing; used for dates, and between the values where
        `smoothing` is 0. The smoother takes the steps for equal.
    scale
        Value of one step of the composites.
    limits
        The smoothed series is kept within.
    smoothing
        Lambda of the Whittaker smoother; 0 joins the composites by straight lines.
    threshold
        See `raster.phenology.find_season`.
    seasons
        1, or 2 for two seasons in order of time.

    Returns
    -------
    Curves
        All nodata for a pixel with fewer than `MIN_COMPOSITES` composites.
    """
    steps, pixels = composites.shape
    series = np.empty((steps if wants_series else 0, pixels), np.int16)
    found = np.empty(
        (seasons if wants_seasons else 0, len(PHENOLOGY), pixels), np.int16
    )
    bands = penalty(steps, smoothing=smoothing)
    _curves(
        composites,
        weights,
        np.asarray(times, np.float32),
        (bands.diagonal, bands.next, bands.second),
        (scale, *limits, threshold, smoothing, integral_scale(limits)),
        series,
        found,
    )
    return Curves(series, found)


@kernel
def _curves(
    composites: Int,
    weights: NDArray[np.uint8],
    times: Float,
    bands: tuple[Strip, Strip, Strip],
    settings: tuple[float, ...],
    series: Int,
    seasons: Int,
) -> None:
    scale, low, high, threshold, smoothing, area_scale = settings
    steps, pixels = composites.shape
    kept, targets = np.empty(steps * STRIP), np.empty(steps * STRIP)
    work = np.empty((steps + MARGIN_STEPS) * 3 * STRIP)
    smooth = np.empty(steps * STRIP, np.float32)
    span, exact_times = new_span(), times.astype(np.float64)
    limits = np.float32(low), np.float32(high)
    for start in range(0, pixels, STRIP):
        wide = min(STRIP, pixels - start)
        seen = _load(composites, weights, start, wide, scale, kept, targets)
        if not seen:
            series[:, start : start + wide] = _NODATA
            seasons[:, :, start : start + wide] = _NODATA
            continue
        find_span(kept, span)
        _forget_short(span)
        if smoothing > 0:
            smooth_strip(kept, targets, bands[0], bands[1], bands[2], work)
        else:
            interpolate_strip(kept, targets, exact_times, work)
        _take_solution(work, limits, smooth)
        if series.size:
            _store_series(smooth, span, np.float32(1 / scale), start, wide, series)
        if seasons.size:
            scales = scale, area_scale
            _find_all(smooth, times, span, threshold, scales, start, wide, seasons)


@kernel
def _load(
    composites: Int,
    weights: NDArray[np.uint8],
    start: int,
    wide: int,
    scale: float,
    kept: Strip,
    targets: Strip,
) -> bool:
    """Take `wide` pixels as float64; tells whether any of them has a value."""
    total = np.int64(0)
    for t in range(composites.shape[0]):
        row = np.uint64(t) * P
        if wide < STRIP:
            for p in range(P):
                kept[row + p] = 0.0
                targets[row + p] = 0.0
        value = composites[t, start : start + wide]
        weight = weights[t, start : start + wide]
        for p in range(np.uint64(wide)):
            known = value[p] != _NODATA
            kept[row + p] = np.float64(weight[p]) if known else 0.0
            targets[row + p] = np.float64(value[p]) * scale if known else 0.0
            total += np.int64(weight[p])
    return bool(total > 0)


@kernel
def _forget_short(span: NDArray[np.int32]) -> None:
    """Empty the span of pixels with too few composites."""
    for p in range(P):
        enough = span[TWO * P + p] >= MIN_COMPOSITES
        span[P + p] = span[P + p] if enough else _EMPTY


@kernel
def _take_solution(
    work: Strip, limits: tuple[np.float32, np.float32], smooth: Float
) -> None:
    low, high = limits
    for t in range(np.uint64(smooth.size) // P):
        at, row = np.uint64(t) * _STEP + _SOLUTION, np.uint64(t) * P
        for p in range(P):
            smooth[row + p] = min(max(np.float32(work[at + p]), low), high)


@kernel
def _store_series(
    smooth: Float,
    span: NDArray[np.int32],
    inverse_scale: np.float32,
    start: int,
    wide: int,
    series: Int,
) -> None:
    # Past its ends the smoother is a straight line that nobody observed.
    for t in range(series.shape[0]):
        row, now, stored = (
            np.uint64(t) * P,
            np.int32(t),
            series[t, start : start + wide],
        )
        for p in range(np.uint64(wide)):
            inside = (span[p] <= now) & (now <= span[P + p])
            value = to_int16(smooth[row + p], inverse_scale)
            stored[p] = value if inside else _NODATA


@kernel
def _find_all(
    smooth: Float,
    times: Float,
    span: NDArray[np.int32],
    threshold: float,
    scales: tuple[float, float],
    start: int,
    wide: int,
    seasons: Int,
) -> None:
    season = np.empty(SEASON_ROWS * STRIP, np.float32)
    find_season(smooth, times, span, threshold, season)
    if seasons.shape[0] == 1:
        integrate_season(smooth, times, season)
        _store_season(season, scales, start, wide, seasons[0])
        return
    spans = new_span(), new_span()
    split_span(smooth, times, span, threshold, season, spans)
    for number in range(2):
        find_season(smooth, times, spans[number], threshold, season)
        integrate_season(smooth, times, season)
        _store_season(season, scales, start, wide, seasons[number])


@kernel
def _store_season(
    season: Float, scales: tuple[float, float], start: int, wide: int, stored: Int
) -> None:
    steps, area_steps = np.float32(1 / scales[0]), np.float32(1 / scales[1])
    sos, pos = stored[0, start : start + wide], stored[1, start : start + wide]
    eos, los = stored[2, start : start + wide], stored[3, start : start + wide]
    peak, base = stored[4, start : start + wide], stored[5, start : start + wide]
    amplitude = stored[6, start : start + wide]
    integral = stored[7, start : start + wide]
    for p in range(np.uint64(wide)):
        sos[p] = to_int16(season[SOS + p], _ONE_DAY)
        pos[p] = to_int16(season[POS + p], _ONE_DAY)
        eos[p] = to_int16(season[EOS + p], _ONE_DAY)
        # From whole days, as whoever subtracts the two dates will find it.
        both = (sos[p] != _NODATA) & (eos[p] != _NODATA)
        los[p] = eos[p] - sos[p] if both else _NODATA
    for p in range(np.uint64(wide)):
        peak[p] = to_int16(season[PEAK + p], steps)
        base[p] = to_int16(season[BASE + p], steps)
        amplitude[p] = to_int16(season[PEAK + p] - season[BASE + p], steps)
        integral[p] = to_int16(season[INTEGRAL + p], area_steps)
