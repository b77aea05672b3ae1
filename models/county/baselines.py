"""What a yield would be without looking at the season: trend, five-year mean, level."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.county.table import Floats
from models.panel import column_median
from models.trend import pooled_slope

HALF_LIVES = (4.0, 8.0, 16.0)
"""Years after which a yield counts half, from quickly to slowly changing farms."""


def trend(
    target: Floats, *, years: NDArray[np.int64], training: NDArray[np.bool_]
) -> Floats:
    """Return the robust trend of the training years in every year.

    As `models.trend` has it, but in the unit of the target: one slope for all regions,
    the median over pairs of years within each (Theil-Sen), and the median of each
    region's departures from it. So a constant added to the target shifts the trend by
    it, and a target may be 0 or below.

    Returns
    -------
    float64 (year, region), NaN where a region has no training year
    """
    slope = pooled_slope(target[training], years=years[training])
    line = slope * (years - years[-1])[:, None]
    return np.asarray(line + column_median((target - line)[training]))


def mean5(
    target: Floats, *, years: NDArray[np.int64], training: NDArray[np.bool_], year: int
) -> Floats:
    """Return the mean of the five known training years nearest to `year`, (region,).

    Of two equally near, the earlier goes first; NaN with fewer than five.
    """
    order = np.lexsort((years, np.abs(years - year)))
    order = order[training[order]]
    known = np.isfinite(target[order])
    nearest = known & (known.cumsum(axis=0) <= 5)
    count = nearest.sum(axis=0)
    total = np.where(nearest, target[order], 0.0).sum(axis=0)
    return np.asarray(np.where(count == 5, total / 5, np.nan))


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """What regions yield in a normal season.

    Attributes
    ----------
    slope : change a year, the same everywhere
    expected : float64 (region,), in the year asked for
    residuals : float64 (year, region), target less slope and region; NaN outside
        training
    """

    slope: float
    expected: Floats
    residuals: Floats


def level(
    target: Floats,
    *,
    years: NDArray[np.int64],
    training: NDArray[np.bool_],
    year: int,
    weather: Floats | float = 0.0,
) -> Level:
    """Estimate the level of each region in `year` from its training years.

    The slope is the median over all regions and pairs of years (Theil-Sen, see
    `models.trend`), in the unit of the target. The level is the mean of the yields
    brought to `year` by that slope, recent years counting more; half-lives of 4, 8
    and 16 years are averaged, since no past tells them apart.

    Parameters
    ----------
    target : float64 (year, region)
    weather : float64 (year, region)
        What the season is known to have added; taken off before levels are formed.
    """
    corrected = np.where(training[:, None], target - weather, np.nan)
    slope = pooled_slope(corrected[training], years=years[training])
    brought = corrected - slope * (years - year)[:, None]
    means = [_weighted_mean(brought, years - year, half_life=h) for h in HALF_LIVES]
    plain = target - slope * (years - year)[:, None]
    plain = np.where(training[:, None], plain, np.nan)
    normal = _weighted_mean(plain, years - year, half_life=np.inf)
    return Level(
        slope=slope,
        expected=np.asarray(np.mean(means, axis=0)),
        residuals=plain - normal,
    )


def _weighted_mean(
    values: Floats, distance: NDArray[np.int64], *, half_life: float
) -> Floats:
    known = np.isfinite(values)
    weights = known * 0.5 ** (np.abs(distance) / half_life)[:, None]
    total = np.where(known, values, 0.0)
    sums = weights.sum(axis=0)
    total = (weights * total).sum(axis=0)
    empty = np.full(sums.shape, np.nan)
    return np.asarray(np.divide(total, sums, out=empty, where=sums > 0))
