"""`heitu ingest fields | points | …`: from a file to the store, as a user runs it."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import shapely
import typer
from typer.testing import CliRunner, Result

from api import ingest_ground
from ingest import boundaries
from ingest.gcj02 import to_gcj02
from ingest.ground.errors import (
    CoordinatesSwapped,
    DatasetExists,
    DatumConflict,
    OptionInvalid,
    YearUnknown,
)
from store import Store, fields, ground
from tests.ingest.ground.builders import (
    EAST,
    SQUARE,
    WEST,
    county,
    frame,
    rectangle,
    write_csv,
    write_geojson,
)
from tests.ingest.wording import english

Run = Callable[..., Result]

app = typer.Typer()
for command in ("fields", "points", "segments", "cuts", "monitor"):
    app.command()(getattr(ingest_ground, command))


@pytest.fixture
def run(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command on the store, in a province of two square counties."""
    counties = [county("220322", WEST), county("220183", EAST)]
    monkeypatch.setattr(boundaries, "jilin_counties", lambda: counties)
    monkeypatch.setenv("HEITU_DATABASE_URL", store.url)
    monkeypatch.setenv("HEITU_DATA", str(tmp_path / "data"))

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return invoke


def stored(store: Store, table: Any = ground.POINTS) -> list[Any]:
    with store.connection() as conn:
        return ground.find(conn, table)


def datasets(store: Store) -> list[ground.Dataset]:
    with store.connection() as conn:
        return ground.datasets(conn)


@pytest.fixture
def points(tmp_path: Path) -> Path:
    """Two good points, one of them twice, one outside and one without a label."""
    return write_csv(
        tmp_path / "points.csv",
        "lon,lat,crop,year",
        "124.5,43.5,Crop,2019",
        "125.5,43.5,NonCrop,2019",
        "124.5,43.5,Crop,2019",
        "123.0,43.5,Crop,2019",
        "124.6,43.5,,2019",
    )


def test_what_is_good_is_stored_and_the_rest_listed(
    run: Run, store: Store, points: Path
) -> None:
    result = run("points", points, "--licence", "CC BY-SA 4.0", "--attribution", "X")
    assert result.exit_code == 1
    assert (
        "rows 行 5: stored 入库 2, duplicate 重复 1, not taken 未采用 2"
        in result.stdout
    )
    assert "points.csv\t4\toutside\toutside the province, 81 km" in result.stderr
    assert "points.csv\t5\tlabel\tno label · 没有标签" in result.stderr
    assert [(p.row, p.county) for p in stored(store)] == [(1, "220322"), (2, "220183")]
    (dataset,) = datasets(store)
    assert (dataset.source, dataset.kind) == ("points.csv", "points")
    assert (dataset.licence, dataset.attribution) == ("CC BY-SA 4.0", "X")
    assert not dataset.simulated


def test_second_import_changes_nothing(run: Run, store: Store, points: Path) -> None:
    run("points", points, "--licence", "CC BY-SA 4.0")
    before = (stored(store), datasets(store))
    result = run("points", points)
    assert "stored 入库 0, duplicate 重复 3, not taken 未采用 2" in result.stdout
    assert (stored(store), datasets(store)) == before


def test_mended_file_adds_only_what_was_missing(
    run: Run, store: Store, points: Path, tmp_path: Path
) -> None:
    run("points", points)
    text = points.read_text().replace("123.0", "124.7").replace(",,", ",玉米,")
    result = run("points", write_csv(tmp_path / "mended.csv", *text.splitlines()))
    assert result.exit_code == 0
    assert "stored 入库 2, duplicate 重复 3, not taken 未采用 0" in result.stdout
    assert len(stored(store)) == 4
    assert len(datasets(store)) == 2


def test_dry_run_stores_nothing(run: Run, store: Store, points: Path) -> None:
    result = run("points", points, "--dry-run")
    assert result.exit_code == 1
    assert "stored 入库 2" in result.stdout
    assert "nothing was stored" in result.stdout
    assert (stored(store), datasets(store)) == ([], [])


def test_report_names_every_row_that_was_not_stored(
    run: Run, points: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.csv"
    run("points", points, "--report", report)
    with report.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert [row[:4] for row in rows] == [
        ["file", "row", "fate", "kind"],
        ["points.csv", "4", "not taken", "outside"],
        ["points.csv", "5", "not taken", "label"],
        ["points.csv", "3", "duplicate", "repeated"],
    ]
    assert rows[3][4:] == ["same as row 1", "与第 1 行相同"]


def test_other_settings_are_no_second_import(
    run: Run, store: Store, points: Path
) -> None:
    run("points", points)
    shifted = run("points", points, "--gcj02")
    assert isinstance(shifted.exception, DatasetExists)
    assert len(stored(store)) == 2
    result = run("points", points, "--gcj02", "--replace")
    assert "GCJ-02 → WGS 84" in result.stdout
    assert len(stored(store)) == 2
    (dataset,) = datasets(store)
    assert dataset.converted_from == "GCJ-02"
    assert dataset.parameters == {"gcj02": True}


def test_gcj02_is_converted_once(run: Run, store: Store, tmp_path: Path) -> None:
    lon, lat = to_gcj02(124.5, 43.5)
    line = f"{float(lon)},{float(lat)},Crop,2019,GCJ-02"
    path = write_csv(tmp_path / "a.csv", "lon,lat,crop,year,datum", line)
    assert isinstance(run("points", path).exception, DatumConflict)
    assert run("points", path, "--gcj02").exit_code == 0
    (point,) = stored(store)
    assert (point.lon, point.lat) == pytest.approx((124.5, 43.5), abs=1e-8)


def test_simulated_points_do_not_replace_real_ones(
    run: Run, store: Store, points: Path, tmp_path: Path
) -> None:
    run("points", points)
    real = stored(store)
    copy = write_csv(tmp_path / "copy.csv", *points.read_text().splitlines()[:3], "")
    result = run("points", copy, "--simulated")
    assert result.exit_code == 1
    assert "simulated 2" in result.stdout
    assert stored(store) == real


def test_real_points_take_the_place_of_simulated_ones(
    run: Run, store: Store, points: Path, tmp_path: Path
) -> None:
    copy = write_csv(tmp_path / "copy.csv", *points.read_text().splitlines()[:3], "")
    run("points", copy, "--simulated")
    assert [point.simulated for point in stored(store)] == [True, True]
    run("points", points)
    assert [point.simulated for point in stored(store)] == [False, False]


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        (CoordinatesSwapped, ("lon,lat,crop,year", "43.5,124.5,Crop,2019")),
        (YearUnknown, ("lon,lat,crop", "124.5,43.5,Crop")),
    ],
)
def test_file_that_cannot_be_taken_leaves_nothing(
    run: Run, store: Store, tmp_path: Path, error: type[Exception], lines: list[str]
) -> None:
    result = run("points", write_csv(tmp_path / "a.csv", *lines))
    assert result.exit_code == 1
    assert isinstance(result.exception, error)
    assert datasets(store) == []


def test_fields(run: Run, store: Store, tmp_path: Path) -> None:
    path = write_geojson(
        tmp_path / "f.geojson",
        (SQUARE, {"id": "F1", "name": "一号地", "crop": "玉米"}),
        (SQUARE.buffer(0.001), {"id": "F2", "crop": "玉米", "year": 2025}),
    )
    result = run("fields", path, "--columns", "name_zh=name", "--year", 2026)
    # Rows that say a year say 2025, the command 2026: which one is not ours to say.
    assert result.exit_code == 1
    with store.connection() as conn:
        (field,) = fields.find(conn)
    assert (field.field_id, field.name_zh, field.year) == ("F1", "一号地", 2026)
    again = run("fields", path, "--columns", "name_zh=name", "--year", 2026)
    assert "stored 入库 0, duplicate 重复 1" in again.stdout


def test_segments_with_parcels(run: Run, store: Store, tmp_path: Path) -> None:
    outline = write_geojson(
        tmp_path / "s.geojson",
        (rectangle(1000, 1000), {"segment_id": "S1", "year": 2024}),
    )
    parcels = write_geojson(
        tmp_path / "p.geojson",
        (rectangle(500, 400), {"segment_id": "S1", "crop": "玉米"}),
    )
    result = run("segments", outline, "--parcels", parcels)
    assert result.exit_code == 0, result.output
    (segment,) = stored(store, ground.SEGMENTS)
    assert segment.maize_ha == pytest.approx(20, abs=1e-3)
    assert result.stdout.count("stored 入库 1") == 2


def test_cuts(run: Run, store: Store, tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "c.csv",
        "lon,lat,年份,area_m2,grain,moisture_%",
        "124.5,43.5,2024,10,24.8,25.3",
    )
    units = ("--units", "grain=斤")
    assert run("cuts", path, "--crop", "玉米", *units).exit_code == 0
    (cut,) = stored(store, ground.CUTS)
    assert cut.yield_t_ha == pytest.approx(10.770698, abs=1e-6)
    assert datasets(store)[0].parameters == {
        "crop": "玉米",
        "units": ["grain=斤"],
        "basis": 14.0,
    }


def test_real_yield_monitor(run: Run, store: Store, shared_data: Path) -> None:
    path = shared_data / "yield_monitor" / "gartner.corn.raw.csv"
    inside = run("monitor", path, "--year", 2011)
    assert inside.exit_code == 1
    assert "4929 more" in inside.stderr
    assert datasets(store) == []
    result = run("monitor", path, "--year", 2011, "--crop", "corn", "--anywhere")
    assert result.exit_code == 0, result.output
    points = stored(store, ground.MONITOR)
    assert len(points) == 4949
    assert {point.county for point in points} == {None}
    again = run("monitor", path, "--year", 2011, "--crop", "corn", "--anywhere")
    assert "stored 入库 0, duplicate 重复 4949" in again.stdout
    assert stored(store, ground.MONITOR) == points


def test_simulated_import_does_not_replace_a_real_one(
    run: Run, store: Store, points: Path
) -> None:
    run("points", points)
    before = (stored(store), datasets(store))
    result = run("points", points, "--simulated", "--replace")
    assert isinstance(result.exception, DatasetExists)
    assert english(str(result.exception))
    assert (stored(store), datasets(store)) == before


def test_replacing_does_not_lose_rows(run: Run, store: Store, points: Path) -> None:
    run("points", points)
    before = (stored(store), datasets(store))
    result = run("points", points, "--year", 2020, "--replace")
    assert result.exit_code == 1
    assert "2 rows of the earlier import" in result.stdout
    assert "nothing was replaced" in result.stdout
    assert (stored(store), datasets(store)) == before


def test_layer_named_or_not_is_one_import(
    run: Run, store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "a.gpkg"
    point = shapely.Point(124.5, 43.5)
    frame([point], crop=["maize"], year=[2024]).to_file(path, layer="one")
    run("points", path)
    shifted = run("points", path, "--layer", "one", "--gcj02")
    assert isinstance(shifted.exception, DatasetExists)
    assert len(datasets(store)) == len(stored(store)) == 1


def test_report_that_cannot_be_written_is_told_first(
    run: Run, store: Store, points: Path, tmp_path: Path
) -> None:
    result = run("points", points, "--report", tmp_path / "none" / "x.csv")
    assert isinstance(result.exception, OptionInvalid)
    assert english(str(result.exception))
    assert stored(store) == []
