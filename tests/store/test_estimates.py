"""Lineage and revision of estimates: nothing is erased, and the right one counts."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from store import RowRefused, Store, estimates, runs
from store.estimates import Estimate, Skill
from store.migrate import migrate, migrations

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)
JUNE, AUGUST = date(2026, 6, 30), date(2026, 8, 31)

FINAL: dict[str, Any] = {
    "status": "final",
    "lower": None,
    "upper": None,
    "interval": None,
    "source": "yearbook 2027",
}


def a_run(conn: psycopg.Connection, name: str) -> str:
    run_id = name.ljust(16, "0")
    parts: dict[str, Any] = {"inputs": {}, "parameters": {}, "code_version": "1"}
    times: dict[str, Any] = {"started_at": NOON, "finished_at": NOON}
    run = runs.Run(
        run_id=run_id, kind=name, model_version=None, simulated=True, **parts, **times
    )
    runs.save(conn, run)
    return run_id


def add(conn: psycopg.Connection, name: str, **changes: Any) -> Estimate:
    parts: dict[str, Any] = {
        "county": "220322",
        "crop": "maize",
        "year": 2026,
        "value": 10.0,
        "lower": 9.0,
        "upper": 11.5,
        "status": "forecast",
        "simulated": False,
        "run_id": a_run(conn, name),
        "issued_at": NOON,
    }
    made = Estimate(**{**parts, **changes})
    estimates.add(conn, [made])
    return made


def test_everything_of_an_estimate_comes_back(store: Store) -> None:
    with store.connection() as conn:
        made = add(conn, "a", as_of=JUNE, trend=9.5, mean5=9.25)
        assert estimates.find(conn) == [made]


def test_estimate_from_later_data_counts_whenever_it_was_issued(store: Store) -> None:
    with store.connection() as conn:
        august = add(conn, "a", as_of=AUGUST)
        add(conn, "b", as_of=JUNE)
        assert estimates.find(conn) == [august]


def test_what_was_known_in_june_is_still_told(store: Store) -> None:
    with store.connection() as conn:
        june = add(conn, "a", as_of=JUNE)
        add(conn, "b", as_of=AUGUST)
        add(conn, "c")
        assert estimates.find(conn, as_of=date(2026, 7, 15)) == [june]
        assert estimates.find(conn, as_of=date(2026, 6, 29)) == []


def test_final_counts_before_every_forecast(store: Store) -> None:
    with store.connection() as conn:
        final = add(conn, "a", **FINAL)
        forecast = add(conn, "b", as_of=AUGUST)
        assert estimates.find(conn) == [final]
        assert estimates.find(conn, status="forecast") == [forecast]


def test_history_has_every_issue_in_order(store: Store) -> None:
    later = NOON + timedelta(days=1)
    with store.connection() as conn:
        june = add(conn, "a", as_of=JUNE)
        june_again = add(conn, "b", as_of=JUNE, value=9.5)
        estimates.issue(conn, june.run_id, issued_at=later)
        final = add(conn, "c", **FINAL)
        add(conn, "d", crop="rice")
        told = estimates.history(conn, counties=["220322"], crop="maize", year=2026)
    assert [one.estimate for one in told] == [
        june,
        june_again,
        replace(june, issued_at=later),
        final,
    ]
    assert [one.issue for one in told] == sorted(one.issue for one in told)


def test_history_goes_on_under_a_former_code(store: Store) -> None:
    with store.connection() as conn:
        add(conn, "a", county="220381")
        add(conn, "b", county="220184")
        codes = ["220184", "220381"]
        told = estimates.history(conn, counties=codes, crop="maize", year=2026)
    assert [one.estimate.county for one in told] == ["220381", "220184"]


def test_run_of_june_is_newest_of_june_though_august_is_out(store: Store) -> None:
    with store.connection() as conn:
        june = add(conn, "a", as_of=JUNE)
        add(conn, "b", as_of=AUGUST)
        add(conn, "c", **FINAL)
        assert not estimates.issue(conn, june.run_id, issued_at=NOON)


def test_run_revised_on_the_same_data_is_issued_again(store: Store) -> None:
    with store.connection() as conn:
        first = add(conn, "a", as_of=JUNE)
        add(conn, "b", as_of=JUNE)
        assert estimates.issue(conn, first.run_id, issued_at=NOON)
        assert not estimates.issue(conn, first.run_id, issued_at=NOON)


@pytest.mark.parametrize(
    ("level", "codes"),
    [
        ("county", ["220322"]),
        ("prefecture", ["220300"]),
        ("province", ["220000"]),
        (None, ["220000", "220300", "220322"]),
    ],
)
def test_totals_are_told_from_counties(
    store: Store, level: Any, codes: list[str]
) -> None:
    with store.connection() as conn:
        for code in ("220322", "220300", "220000"):
            add(conn, code, county=code)
        found = estimates.find(conn, level=level)
    assert [row.county for row in found] == codes


def test_measures_are_kept_apart(store: Store) -> None:
    with store.connection() as conn:
        grown = add(conn, "a")
        area = add(conn, "b", measure="area", unit="ha")
        assert estimates.find(conn, measure="area") == [area]
        assert estimates.find(conn, measure="yield") == [grown]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unit": "kg/ha"}, r"yield of maize.*is in kg/ha.*单位不符"),
        ({"measure": "production"}, "production in t"),
        ({"measure": "protein", "unit": "%"}, "protein"),
    ],
)
def test_measure_in_another_unit_is_refused(
    store: Store, changes: dict[str, str], message: str
) -> None:
    with store.connection() as conn, pytest.raises(RowRefused, match=message):
        add(conn, "a", **changes)


def test_two_numbers_for_one_thing_are_refused(store: Store) -> None:
    with store.connection() as conn:
        one = add(conn, "a")
        other = replace(one, value=9.5)
        with pytest.raises(RowRefused, match=r"maize in county 220322, 2026, twice"):
            estimates.add(conn, [one, other])


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({**FINAL, "source": None}, "final_has_a_source"),
        ({**FINAL, "status": "forecast"}, "interval_is_whole"),
        ({"as_of": date(2025, 6, 30)}, "as_of_its_year"),
        ({"source": ""}, "source_check"),
    ],
)
def test_estimate_that_breaks_a_rule_is_refused(
    store: Store, changes: dict[str, Any], rule: str
) -> None:
    def attempt() -> None:
        with store.connection() as conn:
            add(conn, "a", **changes)

    with pytest.raises(RowRefused, match=rule):
        attempt()


def test_skill_comes_back_with_its_run(store: Store) -> None:
    with store.connection() as conn:
        run_id = a_run(conn, "a")
        known = Skill(
            run_id=run_id,
            crop="maize",
            measure="yield",
            years=[2024, 2025],
            compared=120,
            rmse=0.6,
            rmse_trend=0.75,
            rmse_mean5=None,
            coverage=0.9,
            shared=0.4,
        )
        estimates.add_skill(conn, [known])
        estimates.add_skill(conn, [replace(known, rmse=9.0)])
        assert estimates.skill(conn, [run_id]) == [known]


def test_estimates_of_before_stay_as_they_were(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as conn:
        migrate(conn, migrations()[:10])
        run_id = a_run(conn, "a")
        conn.execute(
            "INSERT INTO estimate (run_id, county, crop, year, measure, value, unit,"
            ' lower, upper, "interval", status, simulated) VALUES'
            " (%(run)s, '220322', 'maize', 2025, 'yield', 9.5, 't/ha', 8, 11, 0.8,"
            " 'provisional', false),"
            # Rules of later versions do not judge what is there already.
            " (%(run)s, '220322', 'rice', 2025, 'yield', 8.5, 'Mg/ha', 8, 11, 0.8,"
            " 'final', false)",
            {"run": run_id},
        )
        conn.execute(
            "INSERT INTO estimate_issue (run_id, issued_at) VALUES (%s, %s)",
            [run_id, NOON],
        )
        migrate(conn)
        old, _ = estimates.find(conn)
        assert (old.value, old.status, old.as_of, old.trend) == (
            9.5,
            "provisional",
            None,
            None,
        )
        new = add(conn, "b", year=2025, as_of=date(2025, 6, 30))
        assert estimates.find(conn, crop="maize") == [new]
