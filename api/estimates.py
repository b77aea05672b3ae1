"""From county features and statistics to estimates: one run a year."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
from pandas import DataFrame

from api.lineage import Recipe, table_checksum
from models.county_yield import INTERVAL, MODEL_VERSION, CountyYieldModel
from models.features import FEATURES, PURITY, weather_features
from store import Store, estimates, features, runs, statistics, weather
from store.estimates import Estimate, Status
from store.statistics import CountyStatistic

__all__ = ["estimate_run"]


def estimate_run(
    store: Store, *, season_runs: Mapping[int, str], year: int, season_over: bool
) -> str:
    """Estimate every county's and crop's yield of `year`; returns the run's id.

    Parameters
    ----------
    store
        Holds statistics and weather, and the season features of `season_runs`.
    season_runs
        Year -> run that made its season features; `year` and the years of history.
    year
        Year to estimate; the model sees the statistics of earlier years only.
    season_over
        Whether its scenes reach the end of the season: then an estimate is
        provisional (until statistics come out), before it is a forecast.
    """
    tables = _load(store, season_runs=season_runs, year=year)
    with store.connection() as conn:
        seasons = [runs.get(conn, run_id) for run_id in season_runs.values()]
    recipe = _recipe(
        tables,
        season_runs=season_runs,
        parameters={
            "year": year,
            "interval": INTERVAL,
            "season_over": season_over,
            "features": list(FEATURES),
            "purity": PURITY,
        },
        simulated=any(run.simulated for run in seasons),
    )
    with store.connection() as conn:
        if runs.exists(conn, recipe.run_id):
            # Inputs may have come back to what they were: then this is current again.
            estimates.issue(conn, recipe.run_id, issued_at=datetime.now(UTC))
            return recipe.run_id
    model = CountyYieldModel.fit(tables["history"])
    run = recipe.finished()
    rows = [
        _estimate(row, run)
        for row in model.predict(tables["current"]).to_dict("records")
    ]
    with store.connection() as conn:
        runs.save(conn, run)
        estimates.add(conn, rows)
    return run.run_id


def _load(
    store: Store, *, season_runs: Mapping[int, str], year: int
) -> dict[str, DataFrame]:
    """Join features, weather and statistics; history has a yield, current has none."""
    first = min(season_runs)
    with store.connection() as conn:
        seasons = features.find(conn, run_ids=list(season_runs.values()))
        daily = weather.find(conn, start=date(first, 1, 1), end=date(year, 12, 31))
        rows = statistics.find(conn)
    known = DataFrame(rows, columns=[field.name for field in fields(CountyStatistic)])
    meteo = pd.concat(
        [weather_features(daily, y).assign(year=y) for y in sorted(season_runs)]
    )
    joined = seasons.merge(meteo, on=["county", "year"], how="left")
    past = joined[joined["year"] < year]
    return {
        "history": past.merge(
            known[["county", "crop", "year", "yield_t_ha"]],
            on=["county", "crop", "year"],
        ),
        "current": joined[joined["year"] == year],
        "statistics": known[known["year"] < year],
        "weather": daily,
    }


def _recipe(
    tables: Mapping[str, DataFrame],
    *,
    season_runs: Mapping[int, str],
    parameters: Mapping[str, Any],
    simulated: bool,
) -> Recipe:
    inputs = {f"season/{y}": run_id for y, run_id in season_runs.items()}
    read = ("statistics", "weather")
    return Recipe(
        kind="county-yield",
        inputs=inputs | {name: table_checksum(tables[name]) for name in read},
        parameters=parameters,
        model_version=MODEL_VERSION,
        simulated=simulated or any(bool(tables[n]["simulated"].any()) for n in read),
    )


def _estimate(row: Mapping[Any, Any], run: runs.Run) -> Estimate:
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
        status=_status(row["status"], run),
        reason=row["reason"],
        simulated=run.simulated,
        run_id=run.run_id,
        issued_at=run.finished_at,
    )


def _status(modelled: str, run: runs.Run) -> Status:
    if modelled == "missing":
        return "missing"
    return "provisional" if run.parameters["season_over"] else "forecast"


def _number(value: float) -> float | None:
    """Round to whole kg/ha; NaN has no place in the store or in JSON."""
    return None if pd.isna(value) else round(float(value), 3)
