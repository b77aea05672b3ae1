"""Surveyed areas in the store, and the productions that are made with them."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from api.area_command import area_app
from api.area_errors import NothingToStore
from api.area_samples import frame_simulated
from api.area_store import (
    AREA_SURVEY,
    Survey,
    county_areas_of,
    last_day,
    store_areas,
)
from api.errors import AsOfInvalid
from api.estimates import Issued, estimate_run
from api.estimates_production import production_run
from models.area import AreaEstimate, Status
from models.reasons import Reason
from store import Store, estimates, open_store, runs
from store.estimates import Estimate
from tests.api import yield_cases as cases
from tests.api.yield_cases import AUGUST, CODES, YEAR

LAND = {CODES[0]: 1000.0, CODES[1]: 2000.0}
FRAME = pd.DataFrame({"county": CODES[:2], "area_ha": [99_000.0, 205_000.0]})


def an_area(code: str = CODES[0], **changes: Any) -> AreaEstimate:
    parts: dict[str, Any] = {
        "name": "maize",
        "domain": code,
        "value": 120_000.0,
        "se": 3_000.0,
        # 2.1 standard errors, of t with 18 degrees of freedom.
        "lower": 113_700.0,
        "upper": 126_300.0,
        "interval": 0.95,
        "df": 18.0,
        "samples": 6,
        "method": "fay-herriot",
        "status": Status.ESTIMATED,
    }
    return AreaEstimate(**{**parts, **changes})


def put_areas(
    store: Store, *done: AreaEstimate, as_of: date = AUGUST, simulated: bool = False
) -> Issued:
    """Store areas of a survey, whatever the frame covers."""
    issued, _ = store_areas(
        store,
        Survey(
            year=YEAR,
            as_of=as_of,
            files={},
            parameters={"areas": [(one.domain, one.value) for one in done]},
            simulated=simulated,
        ),
        done,
        pd.DataFrame({"county": CODES, "area_ha": 1.0}),
        crops_outside=False,
    )
    return issued


def of_run(store: Store, run: Issued) -> dict[tuple[str, str], Estimate]:
    with store.connection() as conn:
        found = estimates.of_run(conn, run.run_id)
    return {(row.county, row.measure): row for row in found}


@pytest.fixture
def yields(store: Store) -> str:
    """Run of yields of August."""
    cases.put_statistics(store)
    return estimate_run(
        store,
        season_runs={},
        year=YEAR,
        as_of=AUGUST,
        season_over=False,
        crops=["maize"],
    ).run_id


def known(number: float | None) -> float:
    assert number is not None
    return number


def test_surveyed_area_is_stored_with_its_error_and_its_run(store: Store) -> None:
    issued = put_areas(store, an_area())
    row = of_run(store, issued)[CODES[0], "area"]
    assert (row.value, row.se, row.unit) == (120_000.0, 3_000.0, "ha")
    assert (row.lower, row.upper, row.interval) == (113_700.0, 126_300.0, 0.95)
    assert (row.status, row.as_of, row.area_source) == ("provisional", AUGUST, "survey")
    with store.connection() as conn:
        assert runs.get(conn, issued.run_id).kind == AREA_SURVEY


def test_same_survey_is_not_stored_twice(store: Store) -> None:
    first = put_areas(store, an_area())
    assert put_areas(store, an_area()) == Issued(first.run_id, False)


def test_area_without_standard_error_is_stored_as_missing(store: Store) -> None:
    single = an_area(
        se=None, lower=None, upper=None, reason=Reason("one segment", "一个样方")
    )
    row = of_run(store, put_areas(store, single))[CODES[0], "area"]
    assert (row.status, row.value, row.se) == ("missing", None, None)
    assert str(row.reason).startswith("one segment; no standard error, so no area · ")
    assert str(row.reason).endswith("一个样方；无标准误，不作为面积估计")


def test_frame_over_part_of_a_county_is_not_the_county() -> None:
    frame = FRAME.assign(area_ha=[43_000.0, 180_000.0])
    done = [an_area(CODES[0]), an_area(CODES[1])]
    part, whole = county_areas_of(done, frame, land_km2=LAND)
    assert (part.value, part.status) == (None, Status.MISSING)
    assert "43%" in str(part.reason)
    # Nine tenths: only the border is missing.
    assert whole == done[1]


def test_frame_that_leaves_out_land_without_crops_is_the_county() -> None:
    frame = FRAME.assign(area_ha=1_000.0)
    done = [an_area()]
    assert county_areas_of(done, frame, land_km2=LAND, crops_outside=False) == done


def test_frame_of_one_county_is_that_county() -> None:
    frame = pd.DataFrame({"county": [CODES[0]], "area_ha": [100_000.0]})
    (found,) = county_areas_of([an_area("")], frame, land_km2=LAND)
    assert found == an_area(CODES[0])


@pytest.mark.parametrize(
    ("done", "frame"),
    [
        ([an_area("")], pd.DataFrame({"area_ha": [1.0]})),
        ([an_area("north")], pd.DataFrame({"county": ["north"], "area_ha": [1.0]})),
        ([an_area(name="other")], FRAME),
    ],
)
def test_areas_of_no_county_or_crop_of_the_store_are_refused(
    done: list[AreaEstimate], frame: pd.DataFrame
) -> None:
    with pytest.raises(NothingToStore, match=r"GB/T 2260.*县代码"):
        county_areas_of(done, frame, land_km2=LAND)


def test_last_day_in_the_field_is_today_until_the_season_ends() -> None:
    assert last_day(2026, given=None, now=date(2026, 8, 3)) == date(2026, 8, 3)
    assert last_day(2026, given=None, now=date(2027, 1, 9)) == date(2026, 10, 31)
    assert last_day(2026, given=AUGUST, now=date(2027, 1, 9)) == AUGUST
    with pytest.raises(AsOfInvalid):
        last_day(2026, given=date(2025, 8, 3), now=date(2027, 1, 9))


def test_production_takes_the_surveyed_area_and_says_so(
    store: Store, yields: str
) -> None:
    survey = put_areas(store, an_area())
    made = of_run(store, production_run(store, yields))
    area, tonnes = made[CODES[0], "area"], made[CODES[0], "production"]
    assert (area.value, area.area_source) == (120_000.0, "survey")
    assert tonnes.area_source == "survey"
    assert f"area from the survey of 2026 (run {survey.run_id})" in str(tonnes.reason)
    assert "面积取自 2026 年抽样调查" in str(area.reason)
    # 6,300 ha are 2.1 standard errors of t, and 1.96 of the normal law.
    assert area.se == pytest.approx(6_300 / 1.95996, abs=0.1)
    other = made[CODES[1], "area"]
    assert other.area_source == "statistics"
    assert "statistics of 2025, no survey" in str(other.reason)


def test_total_of_both_kinds_says_both_and_names_the_survey(
    store: Store, yields: str
) -> None:
    survey = put_areas(store, an_area())
    run = production_run(store, yields)
    whole = of_run(store, run)["220000", "production"]
    assert whole.area_source == "survey+statistics"
    assert "survey of 2026" in str(whole.reason)
    assert "statistics of 2025" in str(whole.reason)
    with store.connection() as conn:
        read = runs.get(conn, run.run_id)
    assert read.inputs[f"areas/{survey.run_id}"] == survey.run_id
    assert read.parameters["rows"]["surveyed"] == 1


def test_errors_of_surveyed_areas_do_not_add_up(store: Store, yields: str) -> None:
    put_areas(store, *(an_area(code) for code in CODES))
    made = of_run(store, production_run(store, yields))
    whole = made["220400", "area"]
    own = known(made["220421", "area"].se)
    assert (whole.area_source, whole.value) == ("survey", 240_000.0)
    assert whole.se == pytest.approx(own * 2**0.5, abs=0.5)


def test_survey_that_went_on_after_the_day_is_not_known_yet(
    store: Store, yields: str
) -> None:
    put_areas(store, an_area(), as_of=date(YEAR, 9, 20))
    made = of_run(store, production_run(store, yields))
    assert made[CODES[0], "area"].area_source == "statistics"


def test_later_survey_counts_before_an_earlier_one(store: Store, yields: str) -> None:
    put_areas(store, an_area(value=121_000.0), as_of=date(YEAR, 8, 20))
    put_areas(store, an_area(), as_of=date(YEAR, 7, 20))
    made = of_run(store, production_run(store, yields))
    assert made[CODES[0], "area"].value == 121_000.0


def test_simulated_survey_makes_no_real_production(store: Store, yields: str) -> None:
    put_areas(store, an_area(), simulated=True)
    made = of_run(store, production_run(store, yields))
    row = made[CODES[0], "production"]
    assert (row.simulated, row.area_source) == (False, "statistics")


def test_surveyed_area_without_a_number_leaves_the_statistics(
    store: Store, yields: str
) -> None:
    why = Reason("no segment", "没有样方")
    nothing = AreaEstimate.missing("maize", domain=CODES[0], interval=0.95, reason=why)
    put_areas(store, nothing)
    made = of_run(store, production_run(store, yields))
    assert made[CODES[0], "area"].area_source == "statistics"


def test_production_does_not_take_its_own_areas_for_a_survey(
    store: Store, yields: str
) -> None:
    put_areas(store, an_area())
    first = production_run(store, yields)
    assert production_run(store, yields) == Issued(first.run_id, False)


def frame_file(folder: Path, *, simulated: str | None) -> Path:
    """Write a frame over all of Lishu, whose land is some 3,500 km2, one stratum."""
    path = folder / "frame.csv"
    rows = [
        {
            "segment_id": f"S{number}",
            "stratum": "1",
            "county": "220322",
            "area_ha": 5_000.0,
            "maize_map_ha": 2_000.0 + 30 * (number % 7),
        }
        for number in range(70)
    ]
    frame = pd.DataFrame(rows)
    if simulated is not None:
        frame["simulated"] = simulated
    frame.to_csv(path, index=False)
    return path


def answers_file(folder: Path, **properties: Any) -> Path:
    """Write twelve surveyed segments of that frame."""
    features = []
    for number in range(12):
        west, south = 124.0 + 0.05 * number, 43.3
        ring = [(0, 0), (0.0125, 0), (0.0125, 0.009), (0, 0.009), (0, 0)]
        features.append(
            {
                "type": "Feature",
                "geometry": {
                    "type": "Polygon",
                    "coordinates": [[(west + x, south + y) for x, y in ring]],
                },
                "properties": {
                    "segment_id": f"S{number}",
                    "stratum": "1",
                    "year": YEAR,
                    "maize_ha": 50.0 + 2 * (number % 5),
                    **properties,
                },
            }
        )
    path = folder / "answers.geojson"
    said = {"type": "FeatureCollection", "features": features}
    path.write_text(json.dumps(said), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("frame", "answers", "made_up"),
    [("True", {}, True), ("False", {}, False), (None, {"simulated": True}, True)],
)
def test_mark_of_simulated_data_is_that_of_the_files(
    tmp_path: Path,
    area: Callable[..., Result],
    frame: str | None,
    answers: dict[str, Any],
    made_up: bool,
) -> None:
    result = area(
        *("estimate", frame_file(tmp_path, simulated=frame)),
        *(answers_file(tmp_path, **answers), "--json", "--method", "direct"),
    )
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout.splitlines()[-1])["simulated"] is made_up


def test_older_frame_is_simulated_as_its_design_says(tmp_path: Path) -> None:
    path = frame_file(tmp_path, simulated=None)
    frame = pd.read_csv(path)
    assert not frame_simulated(frame, path)
    (tmp_path / "design.json").write_text('{"simulated": true}', encoding="utf-8")
    assert frame_simulated(frame, path)


@pytest.fixture
def area(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("HEITU_DATA", str(tmp_path / "data"))

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(area_app, [str(one) for one in arguments])

    return invoke


def test_command_stores_the_area_of_a_county(
    tmp_path: Path,
    area: Callable[..., Result],
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HEITU_DATABASE_URL", database_url)
    result = area(
        *("estimate", frame_file(tmp_path, simulated="True"), answers_file(tmp_path)),
        *("--store", "--as-of", "2026-08-20", "--json", "--method", "direct"),
    )
    assert result.exit_code == 0, result.output
    assert "1 county areas stored, known from 2026-08-20 on" in result.output
    said = json.loads(result.stdout.splitlines()[-1])
    with open_store(url=database_url) as store, store.connection() as conn:
        (row,) = estimates.of_run(conn, said["run"])
        read = runs.get(conn, said["run"])
    # Twelve segments of 50 to 58 ha, 642 ha in all; 70 segments in the frame.
    assert row.county == "220322"
    assert row.value == pytest.approx(642 / 12 * 70, abs=0.1)
    assert (row.simulated, read.simulated) == (True, True)
    assert set(read.inputs) == {"frame", "segments"}
    assert row.issued_at <= datetime.now(UTC)
