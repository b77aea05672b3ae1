"""The estimate of one year: level and season, its interval, and its baselines."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.county.baselines import Level, level, mean5, trend
from models.county.interval import half_width, spread
from models.county.learners import Sample
from models.county.likeness import coordinates
from models.county.season import Season, season
from models.county.stack import Stack, Trust, stack
from models.county.table import Floats, Table

Protocol = Literal["walk-forward", "leave-year-out"]

MINIMUM_YEARS = 5
"""Years of history below which a region gets no number."""
FAR = 0.5
"""Share of the range of training by which a season may leave it without a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Estimates of one year, all arrays (region,) as float64 with NaN for none.

    Attributes
    ----------
    year, until : the year, and the day of it up to which its season was known
    value, lower, upper : the estimate and its interval, in the unit of the target
    trend, mean5 : the baselines
    years_known : int64, years of history
    season_known : bool, whether the season of the region was there
    beyond : how far the season lies outside training (`models.county.season`)
    trust : what the season counted for (`models.county.stack`)
    """

    year: int
    until: int
    value: Floats
    lower: Floats
    upper: Floats
    trend: Floats
    mean5: Floats
    years_known: NDArray[np.int64]
    season_known: NDArray[np.bool_]
    beyond: Floats
    trust: Trust


def forecast(
    table: Table,
    *,
    year: int,
    until: int = 366,
    protocol: Protocol = "walk-forward",
    interval: float = 0.9,
) -> Forecast:
    """Estimate a year from the others; its own targets are never looked at.

    Parameters
    ----------
    table : Table
    year : a year of the table
    until : day of the year after which nothing of its season is known; histories
        are cut at the same day, so that each lead time has a model of its own
    protocol : "walk-forward" learns from earlier years only, "leave-year-out" from
        all others
    interval : nominal coverage, in 0..1
    """
    years = table.years
    training = years < year if protocol == "walk-forward" else years != year
    training &= np.isfinite(table.target).any(axis=1)
    target = np.where(training[:, None], table.target, np.nan)
    seasons = season(table, training=training, until=until)
    place = int(np.flatnonzero(years == year)[0])
    first = level(target, years=years, training=training, year=year)
    learnt = _learn(table, target, first, seasons, place=place)
    # Levels anew without what the seasons did: one drought is no lower level.
    weather = np.nan_to_num(learnt.left_out)
    final = level(target, years=years, training=training, year=year, weather=weather)
    known = seasons.known[place]
    added = np.where(known, learnt.added, 0.0)
    value = final.expected + added
    errors, plain = _errors(target, years, training, learnt)
    half = _half(errors, interval=interval)
    alone = np.maximum(_half(plain, interval=interval), half)
    half = np.where(known | (not learnt.trust), half, alone)
    count = np.isfinite(target).sum(axis=0)
    value = np.where(count >= MINIMUM_YEARS, value, np.nan)
    floor = 0.0 if np.nanmin(target, initial=np.inf) >= 0 else -np.inf
    value = np.maximum(value, floor)
    return Forecast(
        year=year,
        until=until,
        value=value,
        lower=np.maximum(value - half, floor),
        upper=value + half,
        trend=trend(target, years=years, training=training)[place],
        mean5=mean5(target, years=years, training=training, year=year),
        years_known=count,
        season_known=known,
        beyond=seasons.beyond[place],
        trust=learnt.trust,
    )


def _learn(
    table: Table, target: Floats, normal: Level, seasons: Season, *, place: int
) -> Stack:
    """Learn what seasons add to the level of their region."""
    usable = seasons.known & (np.isfinite(target).sum(axis=0) >= MINIMUM_YEARS)
    sample = Sample(
        factors=seasons.factors,
        residuals=np.where(usable, normal.residuals, np.nan),
        likeness=coordinates(seasons.normals, table.traits),
    )
    return stack(sample, seasons.factors[place])


def _errors(
    target: Floats,
    years: NDArray[np.int64],
    training: NDArray[np.bool_],
    learnt: Stack,
) -> tuple[Floats, Floats]:
    """Return the errors (year, region) of forecasts of past years, and of levels alone.

    Each past year is forecast from those before it and from a season learnt without
    it; the first years, which have too little before them, give none.
    """
    errors = np.full(target.shape, np.nan)
    plain = np.full(target.shape, np.nan)
    weather = np.nan_to_num(learnt.left_out)
    for place in np.flatnonzero(training):
        before = training & (years < years[place])
        if before.sum() < MINIMUM_YEARS:
            continue
        year = int(years[place])
        ahead = level(target, years=years, training=before, year=year, weather=weather)
        errors[place] = target[place] - ahead.expected - weather[place]
        ahead = level(target, years=years, training=before, year=year)
        plain[place] = target[place] - ahead.expected
    return errors, plain


def _half(errors: Floats, *, interval: float) -> Floats:
    """Return the half-width of each region, infinite where nothing is known."""
    scale = spread(errors)
    scaled = np.full(errors.shape, np.nan)
    np.divide(errors, scale, out=scaled, where=scale > 0)
    width = half_width(scaled, interval=interval)
    return width * scale if np.isfinite(width) else np.full(scale.shape, np.inf)
