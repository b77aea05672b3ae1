"""Runs of estimates from a store: lead times, baselines, totals, finals, changes."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import pytest

from api.errors import AsOfInvalid, NothingToEstimate, StatisticTooEarly
from api.estimates import Issued, estimate_run
from api.estimates_final import final_run
from api.estimates_history import changes, steps
from api.estimates_production import production_run
from store import Store, estimates, runs, statistics
from store.estimates import Estimate
from tests.api import yield_cases as cases
from tests.api.yield_cases import AUGUST, CODES, YEAR, YEARS


def estimate(
    store: Store,
    seasons: Mapping[int, str] | None = None,
    *,
    as_of: date = AUGUST,
    over: bool = False,
) -> Issued:
    return estimate_run(
        store,
        season_runs=seasons or {},
        year=YEAR,
        as_of=as_of,
        season_over=over,
        crops=["maize"],
    )


def known(number: float | None) -> float:
    """Return a number that has to be there."""
    assert number is not None
    return number


def rows_of(store: Store, run: Issued) -> dict[tuple[str, str], Estimate]:
    with store.connection() as conn:
        found = estimates.of_run(conn, run.run_id)
    return {(row.county, row.measure): row for row in found}


@pytest.fixture
def filled(store: Store) -> Store:
    cases.put_statistics(store)
    cases.put_weather(store)
    return store


def test_estimate_carries_its_day_and_its_baselines(filled: Store) -> None:
    run = estimate(filled, cases.put_seasons(filled))
    row = rows_of(filled, run)["220322", "yield"]
    assert (row.as_of, row.status, row.reason) == (AUGUST, "forecast", None)
    past = [cases.yield_of(0, year) for year in YEARS[-5:]]
    assert row.mean5 == pytest.approx(sum(past) / 5, abs=1e-3)
    assert row.trend is not None
    assert known(row.lower) < known(row.value)


def test_skill_of_past_years_stands_beside_the_run(filled: Store) -> None:
    run = estimate(filled, cases.put_seasons(filled))
    with filled.connection() as conn:
        (skill,) = estimates.skill(conn, [run.run_id])
    assert skill.years == [2021, 2022, 2023, 2024, 2025]
    assert skill.compared == 30
    # The greenness of the cases follows the luck of the year; the trend does not.
    assert known(skill.rmse) <= known(skill.rmse_trend)


def test_same_inputs_issue_nothing_new(filled: Store) -> None:
    seasons = cases.put_seasons(filled)
    first = estimate(filled, seasons)
    assert estimate(filled, seasons) == replace(first, new=False)
    assert production_run(filled, first.run_id).new
    assert not production_run(filled, first.run_id).new


def test_later_weather_does_not_change_what_august_said(filled: Store) -> None:
    seasons = cases.put_seasons(filled)
    first = estimate(filled, seasons)
    with filled.connection() as conn:
        conn.execute(
            "UPDATE county_weather SET tmax = tmax + 1 WHERE day > %s", [AUGUST]
        )
        # Of past Septembers too: no model of August may have seen them.
        conn.execute(
            "UPDATE county_weather SET tmax = tmax + 1"
            " WHERE extract(month FROM day) > 8"
        )
    assert estimate(filled, seasons) == replace(first, new=False)


def test_year_without_imagery_says_so(filled: Store) -> None:
    seasons = cases.put_seasons(filled, years=tuple(YEARS))
    row = rows_of(filled, estimate(filled, seasons))["220322", "yield"]
    assert row.status == "forecast"
    assert row.reason is not None
    assert row.reason.startswith("without imagery")
    assert "未用影像" in row.reason


def test_store_with_statistics_alone_gives_the_trend(store: Store) -> None:
    cases.put_statistics(store)
    row = rows_of(store, estimate(store))["220322", "yield"]
    assert row.value == row.trend
    assert row.reason is not None
    assert "without weather" in row.reason


def test_county_with_two_years_of_history_gets_a_reason(filled: Store) -> None:
    with filled.connection() as conn:
        conn.execute(
            "DELETE FROM county_statistic WHERE county = '220422' AND year < 2024"
        )
    run = estimate(filled, cases.put_seasons(filled))
    row = rows_of(filled, run)["220422", "yield"]
    assert (row.status, row.value, row.mean5) == ("missing", None, None)
    assert row.reason is not None
    assert "2 of the 5 years" in row.reason
    total = rows_of(filled, production_run(filled, run.run_id))
    assert total["220422", "production"].status == "missing"
    # A sixth of the province has no number, more than a total may lack.
    assert total["220000", "production"].status == "missing"
    assert "83%" in str(total["220000", "production"].reason)


def test_statistic_of_the_year_and_later_ones_are_not_learnt_from(
    filled: Store,
) -> None:
    seasons = cases.put_seasons(filled)
    first = estimate(filled, seasons)
    with filled.connection() as conn:
        statistics.put(conn, [cases.a_statistic(0, YEAR, yield_t_ha=99.0)])
        statistics.put(conn, [cases.a_statistic(0, 2031, yield_t_ha=99.0)])
    assert estimate(filled, seasons) == replace(first, new=False)


@pytest.mark.parametrize(
    "day", [date(YEAR, 4, 1), date(YEAR, 11, 1), date(YEAR - 1, 8, 31)]
)
def test_day_outside_the_season_is_refused(filled: Store, day: date) -> None:
    with pytest.raises(AsOfInvalid, match=r"outside the season of 2026.*不在"):
        estimate(filled, as_of=day)


def test_store_without_statistics_says_how_to_get_them(store: Store) -> None:
    with pytest.raises(NothingToEstimate, match="heitu ingest statistics"):
        estimate(store)


def test_production_is_area_times_yield_with_both_errors(filled: Store) -> None:
    run = estimate(filled, cases.put_seasons(filled))
    grown = rows_of(filled, run)["220322", "yield"]
    made = rows_of(filled, production_run(filled, run.run_id))
    area, tonnes = made["220322", "area"], made["220322", "production"]
    assert area.value == 100_000.0 + 1_000 * (2025 % 3)
    assert "statistics of 2025" in str(area.reason)
    assert "面积取自 2025 年统计" in str(tonnes.reason)
    assert known(tonnes.value) == pytest.approx(
        known(area.value) * known(grown.value), rel=1e-6
    )
    # Wider than by the error of the yield alone.
    wider = known(tonnes.upper) / known(tonnes.value) - 1
    assert wider > 0.9 * (known(grown.upper) / known(grown.value) - 1)


def test_totals_are_wider_than_of_independent_counties(filled: Store) -> None:
    run = estimate(filled, cases.put_seasons(filled))
    made = rows_of(filled, production_run(filled, run.run_id))
    counties = [made[code, "production"] for code in CODES]
    whole = made["220000", "production"]
    assert whole.value == pytest.approx(sum(known(r.value) for r in counties), abs=1)
    halves = [known(row.upper) - known(row.value) for row in counties]
    independent = sum(half**2 for half in halves) ** 0.5
    assert known(whole.upper) - known(whole.value) > independent
    assert whole.unit == "t"
    assert {code for code, _ in made} >= {"220000", "220300", "220400"}
    mean = known(whole.value) / known(made["220000", "area"].value)
    assert made["220000", "yield"].value == pytest.approx(mean, rel=1e-3)


def test_area_of_long_ago_is_no_area(filled: Store) -> None:
    with filled.connection() as conn:
        conn.execute(
            "DELETE FROM county_statistic WHERE county = '220322' AND year > 2022"
        )
    run = estimate(filled, cases.put_seasons(filled))
    row = rows_of(filled, production_run(filled, run.run_id))["220322", "area"]
    assert (row.status, row.value) == ("missing", None)
    assert "2022" in str(row.reason)


def test_published_number_is_final_and_leaves_the_forecast(filled: Store) -> None:
    forecast = estimate(filled, cases.put_seasons(filled))
    with filled.connection() as conn:
        statistics.put(conn, [cases.a_statistic(0, YEAR, production_t=816_000.0)])
    made = final_run(filled, year=YEAR, today=date(2027, 9, 1))
    assert made is not None
    assert made.new
    with filled.connection() as conn:
        (final,) = estimates.find(conn, county="220322", measure="yield")
        tonnes = estimates.of_run(conn, made.run_id)
    assert (final.status, final.value, final.source) == (
        "final",
        8.0,
        "yearbook · 年鉴",
    )
    assert {row.measure: row.value for row in tonnes}["production"] == 816_000.0
    assert rows_of(filled, forecast)["220322", "yield"].status == "forecast"
    assert final_run(filled, year=YEAR, today=date(2027, 9, 1)) == replace(
        made, new=False
    )


def test_statistic_of_a_harvest_to_come_is_refused(filled: Store) -> None:
    with filled.connection() as conn:
        statistics.put(conn, [cases.a_statistic(0, YEAR)])
    with pytest.raises(StatisticTooEarly, match=r"220322 for 2026.*尚未收获"):
        final_run(filled, year=YEAR, today=date(YEAR, 8, 31))


def test_year_without_statistics_has_nothing_final(filled: Store) -> None:
    assert final_run(filled, year=YEAR, today=date(2027, 9, 1)) is None


def told(store: Store, *, measure: str = "yield") -> list[list[tuple[str, str]]]:
    """Kind and words of the changes of each issue of Lishu's maize."""
    with store.connection() as conn:
        issues = estimates.history(
            conn, counties=["220322"], crop="maize", year=YEAR, measure=measure
        )
        return [[(c.kind, c.en) for c in step.changes] for step in steps(conn, issues)]


def test_history_says_what_changed(filled: Store) -> None:
    first = estimate(filled, cases.put_seasons(filled, scenes=8))
    production_run(filled, first.run_id)
    more = estimate(filled, cases.put_seasons(filled, scenes=9))
    production_run(filled, more.run_id)
    with filled.connection() as conn:
        statistics.put(conn, [cases.a_statistic(1, 2020, yield_t_ha=7.0)])
    estimate(filled, cases.put_seasons(filled, scenes=9))
    with filled.connection() as conn:
        statistics.put(conn, [cases.a_statistic(1, 2015)])
    estimate(filled, cases.put_seasons(filled, scenes=9))
    assert told(filled) == [
        [("first", "first issue")],
        [("scenes", "new scenes: 11")],
        [("statistics", "statistics corrected")],
        [("statistics", "statistics +1 rows")],
    ]
    assert told(filled, measure="production")[1] == [("scenes", "new scenes: 11")]


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ((), ("a",), "a survey of areas came in"),
        (("a",), ("a", "b"), "a survey of areas came in"),
        (("a",), (), "a survey of areas is no longer used"),
    ],
)
def test_history_tells_of_surveys_of_areas(
    before: tuple[str, ...], after: tuple[str, ...], words: str
) -> None:
    old, new = (cases.a_production(*surveys) for surveys in (before, after))
    (told,) = changes(old, new, lambda _: cases.a_production())
    assert (told.kind, told.en) == ("areas", words)


def test_history_says_that_the_data_reach_further(filled: Store) -> None:
    estimate(filled, cases.put_seasons(filled, scenes=8), as_of=date(YEAR, 7, 31))
    estimate(filled, cases.put_seasons(filled, scenes=9))
    assert told(filled)[1] == [
        ("later-data", "data up to 2026-08-31 instead of 2026-07-31"),
        # Of its own year: past years have more of them just as well.
        ("scenes", "new scenes: 1"),
    ]


def test_forecast_revised_after_the_yearbook_is_compared_with_forecasts(
    filled: Store,
) -> None:
    seasons = cases.put_seasons(filled)
    estimate(filled, seasons)
    with filled.connection() as conn:
        statistics.put(conn, [cases.a_statistic(0, YEAR)])
    final_run(filled, year=YEAR, today=date(2027, 9, 1))
    with filled.connection() as conn:
        statistics.put(conn, [cases.a_statistic(1, 2020, yield_t_ha=7.0)])
    estimate(filled, seasons)
    with filled.connection() as conn:
        statistics.put(conn, [cases.a_statistic(0, YEAR, yield_t_ha=8.5)])
    final_run(filled, year=YEAR, today=date(2027, 9, 1))
    assert told(filled)[1:] == [
        [("published", "the statistics of the year are out")],
        [("statistics", "statistics corrected")],
        [("published", "statistics corrected")],
    ]


def test_history_says_when_inputs_came_back(filled: Store) -> None:
    few = cases.put_seasons(filled, scenes=8)
    first = estimate(filled, few)
    estimate(filled, cases.put_seasons(filled, scenes=9))
    assert estimate(filled, few) == first
    assert told(filled)[2] == [("scenes", "scenes no longer used: 11")]


def test_run_names_all_it_read(filled: Store) -> None:
    seasons = cases.put_seasons(filled)
    run = estimate(filled, seasons)
    with filled.connection() as conn:
        read = runs.get(conn, run.run_id)
    assert read.inputs["season/2026"] == seasons[YEAR]
    assert {"statistics", "weather"} <= set(read.inputs)
    assert read.parameters["as_of"] == "2026-08-31"
    assert read.parameters["rows"]["statistics"] == 60
