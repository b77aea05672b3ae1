"""The estimate of one year: level and season, its interval, and its baselines."""

from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from models.county.baselines import Level, level, mean5, trend
from models.county.interval import half_width, spread
from models.county.learners import Sample
from models.county.likeness import coordinates
from models.county.season import FAR, SPACINGS, Season, season
from models.county.stack import Stack, Trust, sharpest, stack
from models.county.table import Floats, Table, known_by
from models.county.units import two_units
from models.county.unknown import set_aside

Protocol = Literal["walk-forward", "leave-year-out"]

MINIMUM_YEARS = 5
"""Years of history below which a region gets no number."""


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
    filled : share of the worst window of the season for which a normal stands in
    mixed : bool, whether the history jumps as from one unit to another
    without : features set aside, since too little of them is known
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
    filled: Floats | None = None
    mixed: NDArray[np.bool_] | None = None
    without: tuple[str, ...] = ()


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
    if protocol == "leave-year-out":
        return _forecast(table, year, table.years != year, until, interval)
    seen, regions = known_by(table, year)
    found = _forecast(seen, year, seen.years < year, until, interval)
    return _laid_out(found, regions)


def _laid_out(found: Forecast, regions: NDArray[np.bool_]) -> Forecast:
    """Return a forecast of some regions as one of all, with nothing for the others."""
    if regions.all():
        return found

    def laid_out(values: NDArray[Any]) -> NDArray[Any]:
        empty = np.nan if values.dtype == np.float64 else 0
        every = np.full(regions.shape, empty, dtype=values.dtype)
        every[regions] = values
        return every

    values = {one.name: getattr(found, one.name) for one in fields(found)}
    every = {k: laid_out(v) for k, v in values.items() if isinstance(v, np.ndarray)}
    return Forecast(**{**values, **every})


def _forecast(
    table: Table, year: int, training: NDArray[np.bool_], until: int, interval: float
) -> Forecast:
    years, place = table.years, int(np.flatnonzero(table.years == year)[0])
    known = np.where(training[:, None], table.target, np.nan)
    mixed = two_units(known)
    target = np.where(mixed, np.nan, known)
    training = training & np.isfinite(target).any(axis=1)
    if training.sum() < MINIMUM_YEARS:
        return nothing(known, year=year, until=until, mixed=mixed)
    table, without = set_aside(table, target, place=place, until=until)
    first = level(target, years=years, training=training, year=year)
    views = [
        season(table, training=training, until=until, spacing=spacing)
        for spacing in SPACINGS
    ]
    samples = [_sample(table, target, first, view) for view in views]
    chosen = sharpest(samples)
    seasons = views[chosen]
    learnt = stack(samples[chosen], seasons.factors[place])
    # Levels anew without what the seasons did: one drought is no lower level.
    weather = np.nan_to_num(learnt.left_out)
    final = level(target, years=years, training=training, year=year, weather=weather)
    there = seasons.known[place]
    value = final.expected + np.where(there, learnt.added, 0.0)
    errors, plain = _errors(target, years, training, learnt)
    half = _half(errors, interval=interval)
    alone = np.maximum(_half(plain, interval=interval), half)
    half = np.where(there | (not learnt.trust), half, alone)
    # Out there the season may do nothing more, or as much again: nothing tells which.
    outside = there & (seasons.beyond[place] > FAR)
    half = np.where(outside, alone + np.abs(learnt.added), half)
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
        years_known=np.isfinite(known).sum(axis=0),
        season_known=there,
        beyond=seasons.beyond[place],
        trust=learnt.trust,
        filled=seasons.filled[place],
        mixed=mixed,
        without=without,
    )


def nothing(
    target: Floats,
    *,
    year: int,
    until: int,
    mixed: NDArray[np.bool_] | None = None,
) -> Forecast:
    """Return the forecast that gives no number, from the targets (year, region) known.

    For a history too short, or all of it in two units.
    """
    regions = target.shape[1]
    unknown = np.full(regions, np.nan)
    return Forecast(
        year=year,
        until=until,
        value=unknown,
        lower=unknown,
        upper=unknown,
        trend=unknown,
        mean5=unknown,
        years_known=np.isfinite(target).sum(axis=0),
        season_known=np.zeros(regions, dtype=bool),
        beyond=np.zeros(regions),
        trust=Trust(common=0.0, local=0.0),
        mixed=mixed,
    )


def _sample(table: Table, target: Floats, normal: Level, seasons: Season) -> Sample:
    """Return what seasons added to the level of their region, to learn from."""
    usable = seasons.mostly & (np.isfinite(target).sum(axis=0) >= MINIMUM_YEARS)
    return Sample(
        factors=seasons.factors,
        residuals=np.where(usable, normal.residuals, np.nan),
        likeness=coordinates(seasons.normals, table.traits),
    )


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
