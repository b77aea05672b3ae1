"""Intervals that hold in a year not yet seen: errors of years left out, by year."""

import math

import numpy as np

from models.county.table import Floats

FEWEST_YEARS = 4


def spread(errors: Floats) -> Floats:
    """Return how large the errors of each region are, (region,).

    The root mean square of a region, drawn to that of all regions as if ten more
    years had shown it: a few calm years do not make a region sure.

    Parameters
    ----------
    errors : float64 (year, region), NaN where unknown
    """
    known = np.isfinite(errors)
    squares = np.where(known, np.square(errors), 0.0)
    common = squares.sum() / max(int(known.sum()), 1)
    return np.asarray(
        np.sqrt((squares.sum(axis=0) + 10 * common) / (known.sum(axis=0) + 10))
    )


def half_width(errors: Floats, *, interval: float) -> float:
    """Return the half-width, in units of the spread, that covers a share `interval`.

    All regions of a year share its luck, so the year and not the row is what can be
    exchanged: each year weighs the same, whatever its rows. The quantile of the
    absolute errors is widened as a Student interval is over a normal one with as
    many years less one, for what so few years leave open; the exact conformal bound
    with the year as the unit (Dunn, Wasserman & Ramdas 2023, JASA 118:2491) needs
    ten years to say anything at 90 %, and then covers far more than it says.

    Parameters
    ----------
    errors : float64 (year, region)
        Errors of years left out over the spread of their region; NaN where there is
        none.
    interval : nominal coverage, in 0..1

    Returns
    -------
    float
        Infinite with fewer than four years.
    """
    years = [np.abs(year[np.isfinite(year)]) for year in errors]
    years = [year for year in years if year.size]
    if len(years) < FEWEST_YEARS:
        return math.inf
    values = np.concatenate(years)
    weights = np.concatenate([np.full(year.size, 1 / year.size) for year in years])
    order = np.argsort(values, kind="stable")
    covered = np.cumsum(weights[order]) / len(years)
    place = min(int(np.searchsorted(covered, interval - 1e-12)), len(order) - 1)
    return float(values[order][place]) * _student(len(years), interval=interval)


def _student(years: int, *, interval: float) -> float:
    """Return by how much a Student interval is wider than a normal one."""
    # Half a second of import that only an interval should cost.
    from scipy.special import stdtrit

    share = (1 + interval) / 2
    return float(stdtrit(years - 1, share) / stdtrit(1e9, share))
