"""From county features and statistics to yield estimates: one run a year and lead time.

Every year of the history is cut at the same day of the calendar as the year that is
estimated (`models.lead`), so a forecast of June learns from what June had shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from itertools import chain
from typing import Any

import pandas as pd
from pandas import DataFrame

from api.errors import AsOfInvalid, NothingToEstimate
from api.estimates_skill import backtest, skill_rows, tested_years
from api.estimates_stack import stack_estimates
from api.lineage import Recipe, table_checksum
from api.progress import Advance
from api.reasons import join_reasons
from api.seasons import season_window
from models.county import platform
from models.county.platform import CountyStack, county_stacks, weather_read
from models.county_yield import INTERVAL, MODEL_VERSION, CountyYieldModel
from models.evaluation import baselines, compared, surpassed
from models.features import (
    CROPS,
    PURITY,
    SEASON_FEATURES,
    weather_features,
    weather_names,
)
from models.lead import SEASON_TO_DATE, same_day
from models.reasons import Reason
from store import Store, estimates, features, runs, statistics, weather
from store.estimates import Estimate, Status
from store.statistics import CountyStatistic

__all__ = ["HISTORY_YEARS", "Issued", "check_as_of", "estimate_run"]

HISTORY_YEARS = 25
"""Years before the one estimated that statistics are taken from; older ones tell of
another agriculture."""

# Fewer years with a feature teach nothing about it, and the trend is left.
FEWEST_YEARS = 5

_KEY = ["county", "crop", "year"]

NO_IMAGERY = Reason(
    "without imagery: too few past years, or not this one, have scenes in the archive",
    "未用影像：档案中往年的影像年数不足，或缺本年影像",
)
NO_WEATHER = Reason(
    "without weather: too few past years, or not this one, have it up to this day",
    "未用气象：往年的气象年数不足，或缺本年截至该日的气象",
)


@dataclass(frozen=True, slots=True)
class Issued:
    """A run of estimates, and whether asking for it issued anything new."""

    run_id: str
    new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tables:
    """What a run reads, the features it may use, and stacks of long histories."""

    history: DataFrame
    current: DataFrame
    statistics: DataFrame
    weather: DataFrame
    features: tuple[str, ...]
    notes: tuple[Reason, ...]
    stacks: Mapping[str, CountyStack]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Modelled:
    """Estimates of the year, those of past years beside the truth, and by what."""

    made: DataFrame
    tested: DataFrame
    models: Mapping[str, str]


def check_as_of(as_of: date, *, year: int) -> None:
    """Refuse a day that no season of the year can be cut at.

    Raises
    ------
    AsOfInvalid
    """
    first, last = season_window(year)
    if not first < as_of <= last:
        raise AsOfInvalid(
            f"{as_of} lies outside the season of {year}: give a day after {first} and"
            f" up to {last}, when it is over · 日期 {as_of} 不在 {year} 年生长季内，"
            f"请填写 {first} 之后、{last} 及以前的日期"
        )


def estimate_run(
    store: Store,
    *,
    season_runs: Mapping[int, str],
    year: int,
    as_of: date,
    season_over: bool,
    crops: Sequence[str] = CROPS,
    first_year: int | None = None,
    advance: Advance = lambda: None,
) -> Issued:
    """Estimate every county's and crop's yield of `year` from data up to a day.

    Parameters
    ----------
    store
        Holds statistics and weather, and the season features of `season_runs`.
    season_runs
        Year -> run that made its season features, cut at the same day of the calendar;
        `year` and those years of the history that have imagery.
    year
        Year to estimate; the model sees the statistics of earlier years only.
    as_of
        Last day of the data; the last day of the season for all of it.
    season_over
        Whether its scenes reach the end of the season: then an estimate is
        provisional (until statistics come out), before it is a forecast.
    crops
        Crops to estimate.
    first_year
        First year of the history; `HISTORY_YEARS` before if left out.
    advance
        Called after each year that the stack of a crop has estimated.

    Raises
    ------
    AsOfInvalid, NothingToEstimate
    models.ModelError, store.StoreError
    """
    check_as_of(as_of, year=year)
    first = year - HISTORY_YEARS if first_year is None else first_year
    wanted = {y: run for y, run in season_runs.items() if first <= y <= year}
    tables = _load(
        store, season_runs=wanted, first=first, as_of=as_of, crops=tuple(crops)
    )
    recipe = _recipe(store, tables, wanted, as_of=as_of, over=season_over, crops=crops)
    with store.connection() as conn:
        if runs.exists(conn, recipe.run_id):
            # Inputs may have come back to what they were: then this is current again.
            again = estimates.issue(conn, recipe.run_id, issued_at=datetime.now(UTC))
            return Issued(recipe.run_id, again)
    _issue(store, tables, recipe, as_of=as_of, advance=advance)
    return Issued(recipe.run_id, True)


def _issue(
    store: Store, tables: _Tables, recipe: Recipe, *, as_of: date, advance: Advance
) -> None:
    found = _modelled(tables, year=as_of.year, advance=advance)
    rows = found.made.merge(
        baselines(tables.history, tables.current), on=_KEY, how="left"
    )
    run = recipe.finished()
    issued = [
        _estimate(row, run, as_of=as_of, notes=tables.notes)
        for row in rows.to_dict("records")
    ]
    with store.connection() as conn, conn.transaction():
        runs.save(conn, run)
        estimates.add(conn, issued)
        estimates.add_skill(
            conn, skill_rows(found.tested, run_id=run.run_id, models=found.models)
        )


def _modelled(tables: _Tables, *, year: int, advance: Advance) -> _Modelled:
    """Estimate a year and the last ones before it, each crop by its better model."""
    history, current, stacks = tables.history, tables.current, tables.stacks
    tested = tested_years(history)
    model = CountyYieldModel.fit(history, features=tables.features)
    ridge = _Modelled(
        made=model.predict(current),
        tested=backtest(history, features=tables.features, years=tested),
        models=dict.fromkeys(current["crop"].unique(), MODEL_VERSION),
    )
    if not stacks:
        return ridge
    rows = stack_estimates(stacks, years=[*tested, year], advance=advance)
    now = rows["year"] == year
    stack = _Modelled(
        # Of a county asked for; the table has those of all years.
        made=current[_KEY].merge(rows[now], on=_KEY),
        tested=compared(rows[~now], history=history),
        models=dict.fromkeys(stacks, platform.MODEL_VERSION),
    )
    earned = [
        crop
        for crop in stacks
        if surpassed(_of(ridge.tested, [crop]), by=_of(stack.tested, [crop]))
    ]
    return _with_crops(ridge, stack, earned) if earned else ridge


def _with_crops(one: _Modelled, other: _Modelled, crops: list[str]) -> _Modelled:
    """Return what was modelled, that of some crops replaced by the other's."""

    def joined(left: DataFrame, right: DataFrame) -> DataFrame:
        kept = left[~left["crop"].isin(crops)]
        # A table without rows has no types to keep.
        parts = [part for part in (kept, _of(right, crops)) if len(part)]
        return pd.concat(parts, ignore_index=True)

    return _Modelled(
        made=joined(one.made, other.made),
        tested=joined(one.tested, other.tested),
        models={**one.models, **{crop: other.models[crop] for crop in crops}},
    )


def _of(rows: DataFrame, crops: Sequence[str]) -> DataFrame:
    return rows[rows["crop"].isin(list(crops))]


def _load(
    store: Store,
    *,
    season_runs: Mapping[int, str],
    first: int,
    as_of: date,
    crops: tuple[str, ...],
) -> _Tables:
    """Join features, weather and statistics; history has a yield, current has none."""
    year = as_of.year
    with store.connection() as conn:
        seasons = features.find(conn, run_ids=list(season_runs.values()))
        daily = weather.find(conn, start=date(first, 1, 1), end=as_of)
        rows = statistics.find(conn)
    known = DataFrame(rows, columns=[field.name for field in fields(CountyStatistic)])
    known = known[known["crop"].isin(crops) & known["year"].between(first, year - 1)]
    seasons = seasons[seasons["crop"].isin(crops)]
    if known.empty:
        raise NothingToEstimate(
            f"the store has no statistics of {', '.join(crops)} from {first} to"
            f" {year - 1}: bring them in with `heitu ingest statistics`"
            f" · 没有 {first}–{year - 1} 年的统计，请先用 heitu ingest statistics 导入"
        )
    read = _up_to_the_day(daily, as_of)
    meteo = _meteo(daily[read], years=[*sorted({*known["year"]}), year], as_of=as_of)
    names, notes = _usable(seasons, meteo, as_of=as_of)
    past = known[[*_KEY, "yield_t_ha"]]
    now = pd.concat([past[_KEY[:2]], seasons[_KEY[:2]]]).drop_duplicates()
    now = now.sort_values(_KEY[:2]).assign(year=year)
    history, current = _joined(past, seasons, meteo), _joined(now, seasons, meteo)
    stacks = county_stacks(
        history,
        current,
        daily,
        as_of=as_of,
        imagery=[n for n in names if n in (*SEASON_FEATURES, *SEASON_TO_DATE)],
    )
    if stacks:
        read |= weather_read(daily, as_of=as_of)
    return _Tables(
        history=history,
        current=current,
        statistics=known,
        weather=daily[read],
        features=names,
        notes=notes,
        stacks=stacks,
    )


def _up_to_the_day(daily: DataFrame, as_of: date) -> "pd.Series[bool]":
    """Tell which days are up to the same day of their year, and read by the ridge."""
    calendar = daily["day"].dt.month * 100 + daily["day"].dt.day
    last = min(as_of.month * 100 + as_of.day, 930)
    known: pd.Series[bool] = calendar.between(501, last)
    return known


def _meteo(daily: DataFrame, *, years: Sequence[int], as_of: date) -> DataFrame:
    cuts = [same_day(as_of, year) for year in years]
    tables = [weather_features(daily, until=c).assign(year=c.year) for c in cuts]
    return pd.concat(tables, ignore_index=True)


def _whole(as_of: date) -> bool:
    """Whether a day is the last one of its season."""
    return as_of >= season_window(as_of.year)[1]


def _usable(
    seasons: DataFrame, meteo: DataFrame, *, as_of: date
) -> tuple[tuple[str, ...], tuple[Reason, ...]]:
    """Return the features that this year and enough past years have, and what lacks."""
    imagery = SEASON_FEATURES if _whole(as_of) else SEASON_TO_DATE
    names: tuple[str, ...] = ()
    notes: tuple[Reason, ...] = ()
    for columns, table, lacking in (
        (imagery, seasons, NO_IMAGERY),
        (weather_names(as_of), meteo, NO_WEATHER),
    ):
        seen = table.dropna(subset=list(columns))["year"]
        if as_of.year in set(seen) and seen[seen < as_of.year].nunique() > (
            FEWEST_YEARS - 1
        ):
            names += columns
        elif columns:
            notes += (lacking,)
    return names, notes


def _joined(keys: DataFrame, seasons: DataFrame, meteo: DataFrame) -> DataFrame:
    plain = seasons.drop(columns="run_id")
    joined = keys.merge(plain, on=_KEY, how="left")
    return joined.merge(meteo, on=["county", "year"], how="left")


def _recipe(
    store: Store,
    tables: _Tables,
    season_runs: Mapping[int, str],
    *,
    as_of: date,
    over: bool,
    crops: Sequence[str],
) -> Recipe:
    with store.connection() as conn:
        seasons = [runs.get(conn, run_id) for run_id in season_runs.values()]
    inputs = {f"season/{y}": run_id for y, run_id in season_runs.items()}
    read = {"statistics": tables.statistics, "weather": tables.weather}
    models = {
        crop: [*[platform.MODEL_VERSION] * (crop in tables.stacks), MODEL_VERSION]
        for crop in sorted(crops)
    }
    return Recipe(
        kind="county-yield",
        inputs=inputs | {name: table_checksum(frame) for name, frame in read.items()},
        parameters={
            "year": as_of.year,
            "as_of": as_of.isoformat(),
            "interval": INTERVAL,
            "season_over": over,
            "features": list(tables.features),
            "purity": PURITY,
            "crops": sorted(crops),
            "models": models,
            "rows": {name: len(frame) for name, frame in read.items()},
        },
        model_version=", ".join(sorted({*chain(*models.values())})),
        simulated=any(run.simulated for run in seasons)
        or any(bool(frame["simulated"].any()) for frame in read.values()),
    )


def _estimate(
    row: Mapping[Any, Any], run: runs.Run, *, as_of: date, notes: Sequence[Reason]
) -> Estimate:
    status = _status(row["status"], run)
    told = () if status == "missing" else notes
    return Estimate(
        county=row["county"],
        crop=row["crop"],
        year=int(row["year"]),
        measure="yield",
        value=_number(row["value"]),
        unit="t/ha",
        lower=_number(row["lower"]),
        upper=_number(row["upper"]),
        interval=INTERVAL,
        status=status,
        reason=join_reasons(row["reason"], *map(str, told)),
        simulated=run.simulated,
        run_id=run.run_id,
        as_of=as_of,
        trend=_number(row["trend"]),
        mean5=_number(row["mean5"]),
        issued_at=run.finished_at,
    )


def _status(modelled: str, run: runs.Run) -> Status:
    if modelled == "missing":
        return "missing"
    return "provisional" if run.parameters["season_over"] else "forecast"


def _number(value: float) -> float | None:
    """Round to whole kg/ha; NaN has no place in the store or in JSON."""
    return None if pd.isna(value) else round(float(value), 3)
