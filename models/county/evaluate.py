"""The model tested on years it has not seen, beside the baselines it has to beat."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.county.doubts import former_names
from models.county.forecast import (
    MINIMUM_YEARS,
    Forecast,
    Protocol,
    forecast,
    nothing,
)
from models.county.season import known_moments
from models.county.status import judge
from models.county.table import Floats, Table, TooFewYears
from models.county.units import two_units
from models.errors import ValueInvalid

HISTORY = 10
"""Years before the first one tested, where nobody says which it is."""
SHARES = (0.45, 0.65, 0.85, 1.0)
"""Shares of the moments of a season that have passed at each lead time."""
WHOLE_YEAR = 366

COLUMNS = (
    *("region", "year", "lead", "observed", "value", "lower", "upper"),
    *("trend", "mean5", "status", "reason"),
)


@dataclass(frozen=True, slots=True, order=True)
class Cut:
    """One model to make: a year tested, from what is known up to a day of it."""

    year: int
    until: int


Estimate = Callable[[Cut], Forecast]
Run = Callable[[Estimate, Sequence[Cut]], Iterable[Forecast]]
"""As `map`: applies the function to each cut, here or in other processes, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """What one kind of estimate missed; NaN where it cannot be said.

    Attributes
    ----------
    rmse : root mean square error, in the unit of the target
    nrmse : the same in % of the mean of the values observed
    mape : mean absolute error in % of the value observed, those of zero left out
    r2 : 1 - squared errors / squared departures of the observed from their mean
    """

    rmse: float
    nrmse: float
    mape: float
    r2: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Model and baselines over the same rows: those where all of them give a number.

    Attributes
    ----------
    n : rows compared
    missing : rows with a known target left out, for want of an estimate or baseline
    zeros : rows of `n` whose target is 0, which `mape` leaves out
    no_interval : rows of `n` without an interval, which `coverage` leaves out
    model, trend, mean5 : Errors
    coverage : share of the targets inside their interval
    width : mean width of the intervals, in the unit of the target
    """

    n: int
    missing: int
    zeros: int
    no_interval: int
    model: Errors
    trend: Errors
    mean5: Errors
    coverage: float
    width: float

    @property
    def skill(self) -> float:
        """1 - RMSE / that of the better baseline: above 0 the model is of use."""
        better = min(self.trend.rmse, self.mean5.rmse)
        return 1 - self.model.rmse / better if better > 0 else np.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Estimates of the years tested, at each lead time, and what they missed.

    Attributes
    ----------
    protocol : "walk-forward" or "leave-year-out"
    interval : nominal coverage, in 0..1
    years : years tested, ascending
    leads : days of the year, ascending; the last has seen all the others have
    rows : DataFrame with `COLUMNS`
        A row for each lead, year and row of the table; `reason` is "English · 中文"
        or "", numbers are NaN where there is none.
    """

    protocol: Protocol
    interval: float
    years: tuple[int, ...]
    leads: tuple[int, ...]
    rows: pd.DataFrame

    def at(self, lead: int) -> Score:
        """Score all years at a lead time."""
        return score(self.rows.loc[self.rows["lead"] == lead])

    def of(self, year: int, *, lead: int) -> Score:
        """Score one year at a lead time."""
        chosen = (self.rows["lead"] == lead) & (self.rows["year"] == year)
        return score(self.rows.loc[chosen])


def evaluate(
    table: Table,
    *,
    protocol: Protocol = "walk-forward",
    first: int | None = None,
    leads: Iterable[int] = (),
    interval: float = 0.9,
    run: Run = map,
) -> Evaluation:
    """Estimate each year from others and compare with what was observed.

    Parameters
    ----------
    table : Table
    protocol : "walk-forward" learns from earlier years only, as a forecaster has to;
        "leave-year-out" from all others, for a short history
    first : first year to test; `first_year` where None
    leads : days of the year at which to cut; `default_leads` where there are none
    interval : nominal coverage, in 0..1
    run : applies the model to each year and lead, as `map`

    Raises
    ------
    TooFewYears
        No year can be tested.
    ValueInvalid
        A lead is no day of the year, or the table has no series to cut; the interval
        is not between 0 and 1.
    """
    _check(table, leads := tuple(leads), interval=interval)
    years = years_to_test(table, first=first, protocol=protocol)
    cuts = [Cut(y, u) for u in sorted({*leads}) or default_leads(table) for y in years]
    estimate = partial(estimate_cut, table=table, protocol=protocol, interval=interval)
    found = list(run(estimate, cuts))
    return Evaluation(
        protocol=protocol,
        interval=interval,
        years=tuple(years),
        leads=tuple(dict.fromkeys(cut.until for cut in cuts)),
        rows=pd.concat([_rows(table, one) for one in found], ignore_index=True),
    )


def _check(table: Table, leads: Sequence[int], *, interval: float) -> None:
    if not 0 < interval < 1:
        raise ValueInvalid(
            f"an interval of {interval} covers nothing or everything: give its"
            " probability, as 0.9 · 区间概率须在 0 与 1 之间，例如 0.9"
        )
    if leads and not table.series:
        raise ValueInvalid(
            "the table has no series to cut at a day: leave --lead out, or name the"
            " columns as ndvi_w26, rain_m07 or tmax_d191"
            " · 表中没有时间序列，请去掉 --lead，或按 ndvi_w26 这样命名列"
        )
    for lead in leads:
        if not 1 <= lead <= WHOLE_YEAR:
            raise ValueInvalid(
                f"{lead} is no day of the year: give a lead of 1 to {WHOLE_YEAR}"
                f" · {lead} 不是一年中的某日，请用 1 至 {WHOLE_YEAR}"
            )


def estimate_cut(
    cut: Cut, *, table: Table, protocol: Protocol, interval: float
) -> Forecast:
    """Make the model of one cut; with too short a history, say so in its place."""
    known = np.isfinite(table.target).any(axis=1)
    training = _training(table, cut.year, protocol=protocol) & known
    if training.sum() < MINIMUM_YEARS:
        return nothing(table.target[training], year=cut.year, until=cut.until)
    # A series that has not begun by then says nothing yet.
    begun = [s for s in table.series if known_moments(s.days, until=cut.until).size]
    return forecast(
        replace(table, series=tuple(begun)),
        year=cut.year,
        until=cut.until,
        protocol=protocol,
        interval=interval,
    )


def _training(table: Table, year: int, *, protocol: Protocol) -> NDArray[np.bool_]:
    walking = protocol == "walk-forward"
    return table.years < year if walking else table.years != year


def default_leads(table: Table) -> tuple[int, ...]:
    """Return the last day that any series reaches, and three days on the way to it.

    Without series the whole year, 366, alone.
    """
    if not table.series:
        return (WHOLE_YEAR,)
    days = np.unique(np.concatenate([one.days for one in table.series]))
    places = {max(0, round(share * days.size) - 1) for share in SHARES}
    return tuple(int(days[place]) for place in sorted(places))


def years_to_test(table: Table, *, first: int | None, protocol: Protocol) -> list[int]:
    """Return the years to test: from `first` on, those with any target known."""
    known = table.years[np.isfinite(table.target).any(axis=1)].tolist()
    if len(known) <= MINIMUM_YEARS:
        raise TooFewYears(
            f"the target is known in {len(known)} years, and {MINIMUM_YEARS + 1} are"
            " the fewest to learn from and test: add earlier years"
            f" · 目标列只有{len(known)}个年份有值，至少需要{MINIMUM_YEARS + 1}年"
        )
    start = first_year(known) if first is None else first
    years = [year for year in known if year >= start]
    if not years or (protocol == "walk-forward" and years[-1] < known[MINIMUM_YEARS]):
        raise TooFewYears(
            f"no year from {start} on has a target and history enough: the table has"
            f" {known[0]} to {known[-1]}, choose another --from"
            f" · 自{start}年起没有可检验的年份，表中为{known[0]}至{known[-1]}年"
        )
    return years


def first_year(known: Sequence[int]) -> int:
    """Return the first of the years `known` with ten before it, else half of them."""
    return known[min(HISTORY, max(MINIMUM_YEARS, len(known) // 2))]


def _rows(table: Table, found: Forecast) -> pd.DataFrame:
    """Return a row for each region that the table has in the year of a forecast."""
    place = int(np.flatnonzero(table.years == found.year)[0])
    features = bool(table.series) or table.scalars.shape[2] > 0
    former = former_names(table, year=found.year)
    judged = judge(found, features=features, former=former)
    bounded = np.isfinite(found.lower) & np.isfinite(found.upper)
    columns: dict[str, Any] = {
        "region": table.regions,
        "year": found.year,
        "lead": found.until,
        "observed": _comparable(table.target[: place + 1], mixed=found.mixed),
        "value": found.value,
        "lower": np.where(bounded, found.lower, np.nan),
        "upper": np.where(bounded, found.upper, np.nan),
        "trend": found.trend,
        "mean5": found.mean5,
        "status": [one.status for one in judged],
        "reason": ["" if one.reason is None else str(one.reason) for one in judged],
    }
    rows: pd.DataFrame = pd.DataFrame(columns).loc[table.present[place]]
    return rows


def _comparable(history: Floats, *, mixed: NDArray[np.bool_] | None) -> Floats:
    """Return the last year's values observed, NaN where only they are of another unit.

    An error of a thousand tons is none of the model, nor is it to be averaged in.
    """
    odd = two_units(history)
    if mixed is not None:
        odd &= ~mixed
    return np.where(odd, np.nan, history[-1])


def score(rows: pd.DataFrame) -> Score:
    """Score rows with `COLUMNS`, over those where model and baselines give a number."""
    known = rows.loc[rows["observed"].notna()]
    used = known.dropna(subset=["value", "trend", "mean5"])
    observed = used["observed"].to_numpy()
    bounded = used.dropna(subset=["lower", "upper"])
    inside = bounded["observed"].between(bounded["lower"], bounded["upper"])
    some = len(bounded) > 0
    return Score(
        n=len(used),
        missing=len(known) - len(used),
        zeros=int((observed == 0).sum()),
        no_interval=len(used) - len(bounded),
        model=errors(used["value"].to_numpy(), observed=observed),
        trend=errors(used["trend"].to_numpy(), observed=observed),
        mean5=errors(used["mean5"].to_numpy(), observed=observed),
        coverage=float(inside.mean()) if some else np.nan,
        width=float((bounded["upper"] - bounded["lower"]).mean()) if some else np.nan,
    )


def errors(values: Floats, *, observed: Floats) -> Errors:
    """Compare values with those observed, both float64 (row,) without NaN."""
    if observed.size == 0:
        return Errors(rmse=np.nan, nrmse=np.nan, mape=np.nan, r2=np.nan)
    missed = values - observed
    rmse = float(np.sqrt(np.mean(np.square(missed))))
    mean = float(observed.mean())
    variance = float(observed.var())
    some = observed != 0
    return Errors(
        rmse=rmse,
        nrmse=100 * rmse / abs(mean) if mean else np.nan,
        mape=100 * _mean(np.abs(missed[some] / observed[some])),
        r2=1 - rmse**2 / variance if variance > 0 else np.nan,
    )


def _mean(values: Floats) -> float:
    return float(values.mean()) if values.size else np.nan


__all__ = [
    "COLUMNS",
    "WHOLE_YEAR",
    "Cut",
    "Errors",
    "Estimate",
    "Evaluation",
    "Run",
    "Score",
    "default_leads",
    "errors",
    "estimate_cut",
    "evaluate",
    "first_year",
    "score",
    "years_to_test",
]
