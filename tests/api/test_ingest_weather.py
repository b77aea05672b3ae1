"""`heitu ingest weather`, as a user runs it."""

import functools
import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from api.ingest_weather import weather as command
from ingest import boundaries
from store import Store, field_weather, open_store, weather
from tests.ingest.weather.builders import (
    agera5_day,
    hours,
    new_store_file,
    power_answer,
    write_json,
)
from tests.ingest.weather.power_server import PowerServer, power_server

MAY_1, MAY_2, MAY_3 = (date(2026, 5, day) for day in (1, 2, 3))

# A grid around Lishu and Gongzhuling; the builders' own is smaller than a county.
LAT = tuple(np.round(np.arange(44.5, 42.5, -0.1), 1))
LON = tuple(np.round(np.arange(123.0, 126.0, 0.1), 1))
LISHU = ("--county", "220322")


# Reading the outlines takes seconds, and none of them changes between tests.
_COUNTIES = functools.cache(boundaries.jilin_counties)


@pytest.fixture
def store(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The store that the command writes to."""
    monkeypatch.setenv("HEITU_DATABASE_URL", database_url)
    with open_store(url=database_url) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _no_other_store(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boundaries, "jilin_counties", _COUNTIES)


@pytest.fixture
def server() -> Iterator[PowerServer]:
    with power_server() as running:
        yield running


def run(*arguments: str | Path) -> Result:
    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def grids(folder: Path, *days: date) -> Path:
    for day in days:
        agera5_day(folder, day, lat=LAT, lon=LON)
    return folder


def stored(store: Store) -> list[tuple[str, str, float]]:
    with store.connection() as conn:
        found = weather.find(conn, start=MAY_1, end=MAY_3, columns=weather.ALL_COLUMNS)
    return [
        (row["county"], f"{row['day']:%m-%d}", round(row["tmax"], 3))
        for row in found.to_dict("records")
    ]


def test_agera5_of_a_county(store: Store, tmp_path: Path) -> None:
    result = run(grids(tmp_path, MAY_1, MAY_2), *LISHU, "--county", "公主岭市")
    assert result.exit_code == 0, result.output
    assert "AgERA5: 12 files" in result.stdout
    assert "not covered · 未覆盖: 0" in result.stdout
    assert "new · 新增 4, there already · 已有 0" in result.stdout
    assert stored(store) == [
        ("220184", "05-01", 20.0),
        ("220184", "05-02", 20.0),
        ("220322", "05-01", 20.0),
        ("220322", "05-02", 20.0),
    ]


def test_a_second_run_does_nothing_new(tmp_path: Path) -> None:
    folder = grids(tmp_path, MAY_1)
    run(folder, *LISHU)
    result = run(folder, *LISHU)
    assert result.exit_code == 0, result.output
    assert "new · 新增 0, there already · 已有 1" in result.stdout


def test_a_missing_day_is_named(tmp_path: Path) -> None:
    result = run(grids(tmp_path, MAY_1, MAY_3), *LISHU)
    assert result.exit_code == 1
    assert "without data · 无数据 1" in result.stdout
    assert "220322 2026-05-02: nothing there" in result.stdout


def test_days_that_are_asked_for_are_missed(tmp_path: Path) -> None:
    result = run(grids(tmp_path, MAY_1), *LISHU, "--start", "2026-04-30")
    assert result.exit_code == 1
    assert "220322 2026-04-30: nothing there" in result.stdout


def test_one_broken_file_among_many(store: Store, tmp_path: Path) -> None:
    grids(tmp_path, MAY_1, MAY_2)
    broken = sorted(tmp_path.glob("Precipitation*20260502*"))[0]
    broken.write_bytes(broken.read_bytes()[:500])
    result = run(tmp_path, *LISHU)
    assert result.exit_code == 1
    assert str(broken) in result.stderr
    assert "220322 2026-05-02: precipitation" in result.stdout
    assert len(stored(store)) == 2


def test_a_county_off_the_grid_is_named(tmp_path: Path) -> None:
    # Yanji lies far in the east.
    result = run(grids(tmp_path, MAY_1), "--county", "220322", "--county", "222401")
    assert result.exit_code == 1
    assert "222401: 0.0% of its area is on the grid" in result.stdout
    assert "222401 2026-05-01: nothing there" in result.stdout
    assert "新增 1," in result.stdout


def test_days_cut_by_the_time_zone_are_named(store: Store, tmp_path: Path) -> None:
    # 48 hours from 00 UTC are one whole day of China, and parts of two.
    moments = hours(datetime(2026, 5, 1, tzinfo=UTC), 48)
    path = new_store_file(tmp_path / "e.nc", {"t2m": 293.15}, moments=moments)
    point = {"type": "Point", "coordinates": [124.2, 43.3]}
    field = {"type": "Feature", "properties": {"field_id": "a"}, "geometry": point}
    fields = write_json(tmp_path / "f.geojson", field)
    result = run(path, "--fields", fields)
    assert result.exit_code == 0, result.output
    assert "ERA5-Land: 1 files · 文件, 1 days · 天 (2026-05-02" in result.stdout
    assert "缺小时，未采用: 2026-05-01, 2026-05-03" in result.stdout


def test_fields(store: Store, tmp_path: Path) -> None:
    field = {
        "type": "Feature",
        "properties": {"name": "东一"},
        "geometry": {"type": "Point", "coordinates": [124.2, 43.3]},
    }
    path = write_json(
        tmp_path / "f.geojson", {"type": "FeatureCollection", "features": [field]}
    )
    folder = grids(tmp_path / "grids", MAY_1)
    result = run(folder, "--fields", path, "--field-key", "name")
    assert result.exit_code == 0, result.output
    with store.connection() as conn:
        found = field_weather.find(conn, start=MAY_1, end=MAY_1)
    assert found["field_id"].tolist() == ["东一"]


def test_power_files(store: Store, tmp_path: Path) -> None:
    write_json(tmp_path / "p.json", power_answer((124.3, 43.3)))
    result = run(tmp_path, *LISHU)
    assert result.exit_code == 0, result.output
    assert "NASA POWER (LST): 1 files" in result.stdout
    assert stored(store) == [("220322", "05-01", 20.0)]


def test_rows_of_another_source_are_said_to_be_replaced(tmp_path: Path) -> None:
    run(grids(tmp_path / "a", MAY_1), *LISHU)
    write_json(tmp_path / "p.json", power_answer((124.3, 43.3)))
    result = run(tmp_path / "p.json", *LISHU)
    assert "to be replaced · 将替换: 1 rows · 行, AgERA5" in result.stdout


def test_a_source_with_fewer_variables_does_not_erase_the_others(
    store: Store, tmp_path: Path
) -> None:
    run(grids(tmp_path / "a", MAY_1, MAY_2), *LISHU)
    answer = power_answer((124.3, 43.3), T2M_MAX=30.0, WS2M=None)
    path = write_json(tmp_path / "p.json", answer)
    result = run(path, *LISHU)
    assert result.exit_code == 1
    assert "新增 0, there already · 已有 0, missing" in result.stdout
    assert "left as they were · 保持不变 1: " in result.stdout
    assert stored(store)[0] == ("220322", "05-01", 20.0)
    result = run(path, *LISHU, "--replace")
    assert result.exit_code == 0, result.output
    assert stored(store)[0] == ("220322", "05-01", 30.0)
    assert run(path, *LISHU).exit_code == 0


@pytest.mark.parametrize("asked", [("--start", "2026-06-01"), ("--end", "2026-04-01")])
def test_days_beyond_the_files_are_named(tmp_path: Path, asked: tuple[str]) -> None:
    result = run(grids(tmp_path, MAY_1, MAY_2), *LISHU, *asked)
    assert result.exit_code == 1, result.output
    assert "the files reach from 2026-05-01 to 2026-05-02" in result.stderr


@pytest.mark.parametrize(
    ("text", "code"),
    [("220381", "220184"), ("公主岭", "220184"), ("梨树县", "220322")],
)
def test_counties_by_the_names_and_codes_of_any_year(
    store: Store, tmp_path: Path, text: str, code: str
) -> None:
    result = run(grids(tmp_path, MAY_1), "--county", text)
    assert result.exit_code == 0, result.output
    assert [county for county, _, _ in stored(store)] == [code]


def test_variables_that_no_file_has_are_said_and_not_missed(tmp_path: Path) -> None:
    for path in agera5_day(tmp_path, MAY_1, lat=LAT, lon=LON):
        if "Wind" in path.name or "Vapour" in path.name:
            path.unlink()
    result = run(tmp_path, *LISHU)
    assert result.exit_code == 0, result.output
    assert "not in the files · 文件中没有: wind humidity" in result.stdout


def test_fields_of_a_table(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "fields.csv"
    path.write_text("field_id,lon,lat\nA,124.2,43.3\n")
    result = run(grids(tmp_path / "grids", MAY_1), "--fields", path)
    assert result.exit_code == 0, result.output
    with store.connection() as conn:
        found = field_weather.find(conn, start=MAY_1, end=MAY_1)
    assert found["field_id"].tolist() == ["A"]


def test_two_kinds_are_not_mixed(tmp_path: Path) -> None:
    grids(tmp_path, MAY_1)
    write_json(tmp_path / "p.json", power_answer((124.3, 43.3)))
    result = run(tmp_path, *LISHU)
    assert result.exit_code == 2
    assert "--kind" in result.stderr
    assert run(tmp_path, *LISHU, "--kind", "power").exit_code == 0


def ask(server: PowerServer, *arguments: str) -> Result:
    days = ("--start", "2026-05-01", "--end", "2026-05-03")
    return run("--power", "--power-url", server.url, *days, *arguments)


def test_asking_the_server(store: Store, server: PowerServer) -> None:
    result = ask(server, *LISHU, "--county", "220184")
    assert result.exit_code == 0, result.output
    assert "requests to come · 待请求 2" in result.stdout
    assert "新增 6," in result.stdout
    assert len(stored(store)) == 6
    # Each county has its own point, inside it.
    assert len({(query["longitude"], query["latitude"]) for query in server.asked}) == 2


def test_asking_again_asks_nothing(server: PowerServer) -> None:
    ask(server, *LISHU)
    result = ask(server, *LISHU)
    assert result.exit_code == 0, result.output
    assert "新增 0, there already · 已有 3" in result.stdout
    assert len(server.asked) == 1


def test_a_day_that_the_server_lacks(server: PowerServer) -> None:
    server.lost = {"20260502"}
    result = ask(server, *LISHU)
    assert result.exit_code == 1
    assert "220322 2026-05-02: nothing there" in result.stdout
    server.lost = set()
    assert ask(server, *LISHU).exit_code == 0
    assert (server.asked[-1]["start"], server.asked[-1]["end"]) == ("20260502",) * 2


def test_a_variable_that_the_server_lacks(server: PowerServer) -> None:
    server.changes = {"ALLSKY_SFC_SW_DWN": -999.0}
    result = ask(server, *LISHU)
    assert result.exit_code == 1
    assert "220322 2026-05-01 to 2026-05-03: radiation" in result.stdout


def test_a_county_that_fails_does_not_stop_the_others(
    store: Store, server: PowerServer
) -> None:
    server.troubles = [(404, {})]
    result = ask(server, *LISHU, "--county", "220184")
    assert result.exit_code == 1
    assert {county for county, _, _ in stored(store)} == {"220322"}
    assert "220184 2026-05-01 to 2026-05-03: nothing there" in result.stdout
    assert "220184: " in result.stderr


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "give files or folders"),
        (("--power",), "--power needs --start and --end"),
        (("--power", "x.nc"), "give files or folders"),
        (("gone.nc",), "gone.nc"),
        (("--power", "--start", "2026-05-02", "--end", "2026-05-01"), "2026-05-01"),
        (("gone.nc", "--county", "220999"), "220999"),
        (("gone.nc", "--kind", "gfs"), "gfs"),
    ],
)
def test_questions_that_make_no_sense(arguments: tuple[str, ...], why: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert why in " ".join(result.stderr.replace("│", " ").split())


def test_nothing_in_the_folder(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert result.exit_code == 2
    # The box around the message breaks its lines where the path happens to end.
    assert re.search(r"no[\s│]+weather[\s│]+files", result.stderr)


def test_answers_are_stored_before_the_next_is_asked(
    store: Store, server: PowerServer
) -> None:
    seen: list[int] = []
    plain = server.answer

    def answer(query: dict[str, str]) -> dict[str, object]:
        seen.append(len(stored(store)))
        return json.loads(json.dumps(plain(query)))  # type: ignore[no-any-return]

    server.answer = answer  # type: ignore[method-assign]
    ask(server, *LISHU, "--county", "220184")
    assert seen == [0, 3]
