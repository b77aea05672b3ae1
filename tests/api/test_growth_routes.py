"""Growth and bulletins over HTTP, as the commands wrote them."""

import csv
import io
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from ingest.archive import Archive
from store import Store
from tests.api.problem_contract import assert_problem

MAIZE = {"crop": "maize"}
ROW = {
    "zone": "220322",
    "name_en": "Lishu",
    "name_zh": "梨树县",
    "value": 0.58,
    "normal": 0.64,
    "low": 0.6,
    "high": 0.68,
    "difference": -0.06,
    "vci": -25.0,
    "anomaly": -1.9,
    "percentile": 0.0,
    "years": 5,
    "grade": 2,
    "grade_en": "worse",
    "grade_zh": "较差",
    "seen": 1.0,
    **{f"share_{i}": float(i == 2) for i in range(1, 6)},
    "status": "below",
    "reason_en": "lower than in every past year",
    "reason_zh": "低于所有往年",
    "dekad_start": "2026-07-21",
    "dekad_end": "2026-07-31",
    "index": "ndvi",
    "crop": "maize",
    "crop_map": "crop-map-10m",
    "basis": "difference",
    "limits": "-0.08 -0.03 0.03 0.08",
    "run": "0123456789abcdef",
    "simulated": True,
}


def write(folder: Path, name: str, *rows: dict[str, object]) -> None:
    folder.mkdir(exist_ok=True)
    table = pd.DataFrame([ROW | row for row in rows])
    table.to_csv(folder / name, index=False, encoding="utf-8-sig")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def asked(
    filled_store: Store, own_archive: Archive, folder: Path
) -> Iterator[TestClient]:
    app = create_app(
        store=filled_store,
        archive=own_archive,
        growth=folder / "growth",
        bulletins=folder / "bulletins",
    )
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def test_a_county_s_growth_is_told_with_grade_and_reason(
    asked: TestClient, folder: Path
) -> None:
    write(folder / "growth", "growth-220322-20260721-counties-maize.csv", {})
    body = asked.get("/counties/220322/growth", params=MAIZE).json()
    assert (body["count"], body["simulated"]) == (1, True)
    (row,) = body["growth"]
    assert (row["grade"], row["grade_zh"], row["grade_en"]) == (2, "较差", "worse")
    assert (row["dekad_start"], row["dekad_end"]) == ("2026-07-21", "2026-07-31")
    assert (row["status"], row["reason_zh"]) == ("below", "低于所有往年")
    assert row["limits"] == [-0.08, -0.03, 0.03, 0.08]
    assert row["shares"] == [0, 1, 0, 0, 0]


def test_a_county_without_a_grade_has_a_reason_and_no_number(
    asked: TestClient, folder: Path
) -> None:
    none = dict.fromkeys(("value", "difference", "vci", "grade", "grade_en"))
    bare = none | {f"share_{i}": None for i in range(1, 6)} | {"status": "no_value"}
    write(folder / "growth", "growth-220322-20260721-counties-maize.csv", bare)
    (row,) = asked.get("/counties/220322/growth", params=MAIZE).json()["growth"]
    assert (row["grade"], row["value"], row["shares"]) == (None, None, None)
    assert row["status"] == "no_value"


def test_a_season_is_told_dekad_by_dekad(asked: TestClient, folder: Path) -> None:
    for day in ("20260711", "20260721", "20250721"):
        write(folder / "growth", f"growth-jilin-{day}-counties-maize.csv", {})
    found = asked.get("/counties/220322/growth", params=MAIZE).json()["growth"]
    assert [row["dekad_start"] for row in found] == ["2026-07-11", "2026-07-21"]
    past = asked.get("/counties/220322/growth", params=MAIZE | {"year": "2025"})
    assert [row["dekad_start"] for row in past.json()["growth"]] == ["2025-07-21"]


def test_a_grading_made_again_takes_the_place_of_the_one_before(
    asked: TestClient, folder: Path
) -> None:
    name = "growth-220322-20260721-counties-maize.csv"
    write(folder / "growth", name, {})
    asked.get("/counties/220322/growth", params=MAIZE)
    write(folder / "growth", name, {"grade": 4, "grade_zh": "较好"})
    (row,) = asked.get("/counties/220322/growth", params=MAIZE).json()["growth"]
    assert row["grade"] == 4


def test_a_part_of_a_county_is_not_the_county(asked: TestClient, folder: Path) -> None:
    write(folder / "growth", "growth-box1a2b3c-20260721-counties-maize.csv", {})
    response = asked.get("/growth", params=MAIZE)
    assert_problem(response, 404, "Growth not graded")


def test_all_counties_of_the_newest_dekad_come_as_csv(
    asked: TestClient, folder: Path
) -> None:
    write(folder / "growth", "growth-jilin-20260711-counties-maize.csv", {})
    both: tuple[dict[str, object], ...] = (
        {},
        {"zone": "220323", "grade": None, "status": "no_value"},
    )
    write(folder / "growth", "growth-jilin-20260721-counties-maize.csv", *both)
    response = asked.get("/growth", params=MAIZE, headers={"Accept": "text/csv"})
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="growth-maize-2026-07-21.csv"' in str(response.headers)
    rows = list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert [(row["county"], row["grade"]) for row in rows] == [
        ("220322", "2"),
        ("220323", ""),
    ]
    assert {row["simulated"] for row in rows} == {"true"}
    day = {"day": "2026-07-15", "f": "csv"}
    assert b"2026-07-11" in asked.get("/growth", params=MAIZE | day).content


def test_growth_that_nobody_graded_names_the_command(asked: TestClient) -> None:
    response = asked.get("/counties/220322/growth", params=MAIZE)
    command = "`heitu growth --county 220322 --crop maize --date"
    assert_problem(response, 404, "Growth not graded", command, "没有")


def test_growth_of_another_year_names_the_years_there_are(
    asked: TestClient, folder: Path
) -> None:
    write(folder / "growth", "growth-jilin-20260711-counties-maize.csv", {})
    response = asked.get("/counties/220322/growth", params=MAIZE | {"year": "2020"})
    assert_problem(response, 404, "Growth not graded", "2020", "there is 2026")


def test_growth_of_a_county_that_is_none_is_refused(asked: TestClient) -> None:
    response = asked.get("/counties/999999/growth", params=MAIZE)
    assert_problem(response, 404, "County unknown")


@pytest.fixture
def shelf(folder: Path) -> Path:
    made = folder / "bulletins"
    made.mkdir()
    for day in (date(2026, 7, 11), date(2026, 7, 21)):
        for name in ("zh.html", "en.html", "zh.pdf"):
            stem = f"bulletin-220322-maize-{day:%Y%m%d}-{name}"
            (made / stem).write_text(f"{day} {name}", encoding="utf-8")
    (made / ".bulletin-220322-maize-20260721-zh.html.part").touch()
    return made


def test_the_newest_bulletin_is_a_page_that_can_run_nothing(
    asked: TestClient, shelf: Path
) -> None:
    response = asked.get("/counties/220322/bulletin", params=MAIZE)
    assert response.text == "2026-07-21 zh.html"
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in response.headers["content-security-policy"]


def test_a_bulletin_is_negotiated(asked: TestClient, shelf: Path) -> None:
    address = "/counties/220322/bulletin"
    pdf = asked.get(address, params=MAIZE, headers={"Accept": "application/pdf"})
    assert pdf.headers["content-type"] == "application/pdf"
    assert pdf.text == "2026-07-21 zh.pdf"
    earlier = MAIZE | {"day": "2026-07-20", "lang": "en", "f": "html"}
    assert asked.get(address, params=earlier).text == "2026-07-11 en.html"


def test_a_bulletin_that_nobody_wrote_names_what_there_is(
    asked: TestClient, shelf: Path
) -> None:
    wanted = MAIZE | {"lang": "en", "f": "pdf"}
    response = asked.get("/counties/220322/bulletin", params=wanted)
    command = "`heitu bulletin 220322 --crop maize --date"
    assert_problem(response, 404, "Bulletin missing", command, "2026-07-21 zh pdf")


def test_bulletins_are_listed_newest_first_and_their_links_answer(
    asked: TestClient, shelf: Path
) -> None:
    found = asked.get("/counties/220322/bulletins").json()["bulletins"]
    assert [(one["dekad"], one["language"], one["form"]) for one in found][:3] == [
        ("2026-07-21", "zh", "html"),
        ("2026-07-21", "zh", "pdf"),
        ("2026-07-21", "en", "html"),
    ]
    assert asked.get(found[1]["href"]).text == "2026-07-21 zh.pdf"
    assert asked.get("/counties/220323/bulletins").json()["bulletins"] == []
