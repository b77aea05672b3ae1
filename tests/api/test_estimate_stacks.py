"""Estimates of crops whose history is long enough for the stack."""

from datetime import date
from typing import Any

import pytest

from api.estimates import Issued, estimate_run
from store import Store, estimates, runs, statistics, weather
from store.statistics import CountyStatistic
from tests.models.county.provinces import FIRST, Province, province

CODES = (
    *("220322", "220323", "220381", "220382"),
    *("220421", "220422", "220581", "220582"),
)


def put(store: Store, made: Province) -> None:
    same: dict[str, Any] = {"area_ha": 1_000.0, "source": "test", "simulated": True}
    rows = [
        CountyStatistic(**{str(name): value for name, value in row.items()}, **same)
        for row in made.history.to_dict("records")
    ]
    with store.connection() as conn:
        statistics.put(conn, rows)
        weather.put(conn, made.weather)


def estimate(store: Store, *, year: int, seen: list[int] | None = None) -> Issued:
    return estimate_run(
        store,
        season_runs={},
        year=year,
        as_of=date(year, 8, 31),
        season_over=False,
        crops=["maize"],
        advance=lambda: None if seen is None else seen.append(1),
    )


@pytest.fixture
def long(store: Store) -> Store:
    put(store, province(counties=8, years=20, codes=CODES))
    return store


def test_long_history_is_estimated_and_tested_by_the_stack_on_data_up_to_the_day(
    long: Store,
) -> None:
    steps: list[int] = []
    run = estimate(long, year=FIRST + 20, seen=steps)
    with long.connection() as conn:
        read = runs.get(conn, run.run_id)
        rows = estimates.of_run(conn, run.run_id)
        (skill,) = estimates.skill(conn, [run.run_id])
    assert read.parameters["models"] == {"maize": ["county-stack/1", "county-yield/3"]}
    assert read.model_version == "county-stack/1, county-yield/3"
    assert skill.model == "county-stack/1"
    # Eight counties of every day from January on, and last year's autumn.
    assert read.parameters["rows"]["weather"] > 8 * 20 * 243
    assert {row.county for row in rows} == set(CODES)
    assert all(row.status == "forecast" and row.simulated for row in rows)
    assert all(row.trend and row.mean5 for row in rows)
    assert skill.years == [2020, 2021, 2022, 2023, 2024]
    assert skill.compared == 40
    assert skill.rmse is not None
    assert skill.rmse_trend is not None
    assert skill.rmse < 0.8 * skill.rmse_trend
    # The year itself and the five tested.
    assert len(steps) == 6
    late = date(FIRST + 20, 9, 1)
    with long.connection() as conn:
        conn.execute(
            "UPDATE county_weather SET tmax = tmax + 1 WHERE day >= %s", [late]
        )
    assert estimate(long, year=FIRST + 20) == Issued(run.run_id, False)


def test_short_history_stays_with_the_ridge(store: Store) -> None:
    put(store, province(counties=8, years=14, codes=CODES))
    run = estimate(store, year=FIRST + 14)
    with store.connection() as conn:
        read = runs.get(conn, run.run_id)
    assert read.parameters["models"] == {"maize": ["county-yield/3"]}
    assert read.model_version == "county-yield/3"
    # May to August alone.
    assert read.parameters["rows"]["weather"] == 8 * 15 * 123
