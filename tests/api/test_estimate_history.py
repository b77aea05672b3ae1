"""The history of an estimate over HTTP, and estimates by lead, status and level."""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from ingest.archive import Archive
from store import Store, counties, estimates, runs
from store.estimates import Skill
from tests.api import samples
from tests.api.problem_contract import assert_problem

JUNE, JULY = date(2026, 6, 30), date(2026, 7, 31)


def a_run(conn: Any, name: str, **parameters: Any) -> str:
    run = replace(
        samples.a_run(),
        run_id=name.ljust(16, "0"),
        parameters={"year": 2026, **parameters},
    )
    runs.save(conn, run)
    return run.run_id


@pytest.fixture
def issued(store: Store, own_archive: Archive) -> Iterator[TestClient]:
    """Forecasts of June and July, a total, an area, and the published value."""
    base = samples.an_estimate("220322", "maize", 10.0)
    with store.connection() as conn:
        counties.replace(conn, samples.two_counties())
        june = a_run(conn, "a", as_of="2026-06-30")
        july = a_run(conn, "b", as_of="2026-07-31")
        rows = [replace(base, run_id=june, as_of=JUNE, trend=9.5, mean5=9.0)]
        rows.append(replace(rows[0], county="220000", value=9.75))
        area: dict[str, Any] = {"value": 5e4, "lower": 4e4, "upper": 6e4}
        rows.append(replace(rows[0], measure="area", unit="ha", **area))
        estimates.add(conn, rows)
        later: dict[str, Any] = {
            "value": 10.5,
            "issued_at": samples.ISSUED + timedelta(days=1),
        }
        estimates.add(conn, [replace(base, run_id=july, as_of=JULY, **later)])
        final = {"value": 10.25, "lower": None, "upper": None, "interval": None}
        end = a_run(conn, "c")
        published: dict[str, Any] = {
            "status": "final",
            "source": "yearbook · 年鉴",
            **final,
        }
        estimates.add(conn, [replace(base, run_id=end, **published)])
        skill = Skill(
            run_id=june,
            crop="maize",
            measure="yield",
            years=[2025],
            compared=60,
            rmse=0.6,
            rmse_trend=0.75,
            rmse_mean5=0.8,
            coverage=0.9,
            shared=0.4,
        )
        estimates.add_skill(conn, [skill])
    app = create_app(store=store, archive=own_archive)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def only(client: TestClient, **query: Any) -> dict[str, Any]:
    response = client.get("/estimates", params={"crop": "maize"} | query)
    assert response.status_code == 200, response.text
    (row,) = response.json()["estimates"]
    found: dict[str, Any] = row
    return found


def test_history_tells_every_issue_in_order(issued: TestClient) -> None:
    body = issued.get("/counties/220322/estimates", params={"crop": "maize"}).json()
    told = [(i["as_of"], i["value"], i["status"]) for i in body["issues"]]
    assert told == [
        ("2026-06-30", 10.0, "forecast"),
        ("2026-07-31", 10.5, "forecast"),
        (None, 10.25, "final"),
    ]
    assert [i["difference"] for i in body["issues"]] == [None, 0.5, -0.25]
    assert body["simulated"] is True
    assert (body["county"], body["year"], body["measure"]) == ("220322", 2026, "yield")


def test_history_says_why_it_changed_in_both_languages(issued: TestClient) -> None:
    body = issued.get("/counties/220322/estimates", params={"crop": "maize"}).json()
    assert body["issues"][1]["changes"] == [
        {
            "kind": "later-data",
            "en": "data up to 2026-07-31 instead of 2026-06-30",
            "zh": "数据截止日由 2026-06-30 变为 2026-07-31",
        }
    ]


def test_history_answers_to_a_former_code(issued: TestClient) -> None:
    # 222122 was 梨树县 until 1983.
    body = issued.get("/counties/222122/estimates", params={"crop": "maize"}).json()
    assert body["county"] == "220322"
    assert body["former_codes"] == ["222122"]
    assert len(body["issues"]) == 3


def test_history_as_csv_has_a_line_an_issue(issued: TestClient) -> None:
    response = issued.get(
        "/counties/220322/estimates", params={"crop": "maize", "f": "csv"}
    )
    rows = list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert [row["AS_OF"] for row in rows] == ["2026-06-30", "2026-07-31", ""]
    assert [row["OBS_STATUS"] for row in rows] == ["F", "F", "A"]
    assert rows[2]["SOURCE"] == "yearbook · 年鉴"


@pytest.mark.parametrize(
    ("path", "query", "status", "title", "mention"),
    [
        ("999999", {"crop": "maize"}, 404, "County unknown", "'999999'"),
        ("220322", {"crop": "rice"}, 404, "No data for the year", "rice 220322"),
        ("220322", {}, 422, "Parameter invalid", "crop"),
        ("220322", {"crop": "wheat"}, 422, "Parameter invalid", "'wheat'"),
        (
            "220322",
            {"crop": "maize", "measure": "protein"},
            422,
            "Parameter invalid",
            "'yield', 'area' or 'production'",
        ),
    ],
)
def test_wrong_question_is_a_problem(
    issued: TestClient,
    path: str,
    query: dict[str, str],
    status: int,
    title: str,
    mention: str,
) -> None:
    response = issued.get(f"/counties/{path}/estimates", params=query)
    assert_problem(response, status, title, mention)


def test_final_counts_until_asked_otherwise(issued: TestClient) -> None:
    assert only(issued, county="220322")["status"] == "final"
    forecast = only(issued, county="220322", status="forecast")
    assert (forecast["value"], forecast["as_of"]) == (10.5, "2026-07-31")


def test_what_was_known_in_june_comes_with_lead_baselines_and_skill(
    issued: TestClient,
) -> None:
    row = only(issued, county="220322", as_of="2026-06-30")
    assert (row["value"], row["lead"], row["lead_days"]) == (10.0, "june", 92)
    assert (row["trend"], row["mean5"]) == (9.5, 9.0)
    assert (row["rmse"], row["rmse_trend"], row["rmse_mean5"]) == (0.6, 0.75, 0.8)


def test_totals_have_the_names_of_their_regions(issued: TestClient) -> None:
    row = only(issued, level="province")
    assert (row["county"], row["name_zh"], row["name_en"]) == (
        "220000",
        "吉林省",
        "Jilin Province",
    )
    assert only(issued, county="220000") == row


def test_areas_are_asked_for_by_their_measure(issued: TestClient) -> None:
    row = only(issued, measure="area")
    assert (row["value"], row["unit"]) == (50_000.0, "ha")


def test_day_that_is_none_is_refused(issued: TestClient) -> None:
    response = issued.get("/estimates", params={"as_of": "June"})
    assert_problem(response, 422, "Parameter invalid", "as_of", "'June'")
