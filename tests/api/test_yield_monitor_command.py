"""`heitu yield-monitor clean`, as a user runs it."""

import json
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pytest
import rasterio
from typer.testing import CliRunner, Result

from api import ingest_ground
from api.cli import app
from api.yield_monitor_files import HarvestUnknown, SeveralHarvests
from ingest.ground.errors import ColumnMissing, FileUnreadable
from store import Store
from tests.ingest.wording import english
from tests.models.yield_monitor.harvests import harvest

COLUMNS = {
    "time_s": "time_s",
    "interval_s": "interval_s",
    "distance_m": "distance_m",
    "swath_m": "swath_m",
    "flow_kg_s": "flow_kg_s",
    "moisture": "moisture_%",
}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["yield-monitor", "clean", *map(str, arguments)])


def logged(path: Path, **options: float) -> Path:
    harvest(**options).rename(columns=COLUMNS).to_csv(path, index=False)  # type: ignore[arg-type]
    return path


def account(folder: Path) -> dict[str, object]:
    told: dict[str, object] = json.loads((folder / "summary.json").read_text("utf-8"))
    return told


def test_a_file_becomes_points_raster_picture_and_summary(tmp_path: Path) -> None:
    path, out = logged(tmp_path / "east.csv", delay=12.0), tmp_path / "out"
    result = run(path, "--year", 2025, "--crop", "玉米", "--out", out, "--simulated")
    assert result.exit_code == 0, result.output
    assert "simulated 模拟数据" in result.stdout
    assert result.stdout.splitlines()[-1] == str(out)
    points = pd.read_csv(out / "points.csv")
    assert len(points) == 800
    assert points["simulated"].all()
    told = account(out)
    assert (told["delay_s"], told["delay_status"]) == (12.0, "estimated")
    assert told["simulated"] is True
    good = int((points["flag"] == 1).sum())
    assert told["points"]["good"] == good  # type: ignore[index]
    assert len(geopandas.read_file(out / "points.gpkg")) == 800
    with rasterio.open(out / "yield.tif") as raster:
        mean, count, error = raster.read()
        assert raster.tags()["simulated"] == "true"
    assert np.nansum(count) == good
    assert np.nanmean(mean) == pytest.approx(9.0, abs=0.5)
    assert np.isfinite(error).any()
    assert (out / "yield.png").read_bytes().startswith(b"\x89PNG")


def test_the_real_harvest_in_american_units(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "yield_monitor" / "gartner.corn.raw.csv"
    result = run(
        *(path, "--year", 2011, "--crop", "corn", "--basis", 15.5),
        *("--out", tmp_path, "--no-picture"),
    )
    assert result.exit_code == 0, result.output
    told = account(tmp_path)
    # 133.5 bu/ac of corn.
    assert told["field"]["mean"] == pytest.approx(8.38, rel=0.03)  # type: ignore[index]
    assert told["points"]["partial_swath"] == 34  # type: ignore[index]
    assert not (tmp_path / "yield.png").exists()


def test_an_import_is_cleaned_by_its_id(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEITU_DATABASE_URL", store.url)
    monkeypatch.setenv("HEITU_DATA", str(tmp_path / "data"))
    path = logged(tmp_path / "east.csv", passes=6)
    ingest_ground.monitor(path, year=2025, crop="maize", attribution="a farm")
    with store.connection() as conn:
        row = conn.execute("SELECT dataset_id FROM ground_dataset").fetchone()
    assert row is not None
    result = run(row[0], "--no-picture")
    assert result.exit_code == 0, result.output
    told = account(tmp_path / "data" / "yield_monitor" / row[0])
    assert (told["crop"], told["attribution"]) == ("maize", "a farm")
    nothing = run("monitor-0000")
    assert isinstance(nothing.exception, HarvestUnknown)
    assert english(str(nothing.exception))


def test_a_harvest_without_a_good_point_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "dead.csv"
    table = harvest(passes=2).assign(flow_kg_s=-1.0)
    table.rename(columns=COLUMNS).to_csv(path, index=False)
    result = run(path, "--year", 2025, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert account(tmp_path / "out")["field"]["mean"] is None  # type: ignore[index]
    assert not (tmp_path / "out" / "yield.tif").exists()


def test_two_years_in_one_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "two.csv"
    table = harvest(passes=2).rename(columns=COLUMNS)
    table.assign(year=[2024] * 50 + [2025] * 50).to_csv(path, index=False)
    result = run(path, "--out", tmp_path / "out")
    assert isinstance(result.exception, SeveralHarvests)
    assert "2024, 2025" in str(result.exception)


def test_an_empty_file_and_one_without_moisture_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.csv"
    table = harvest(passes=2).rename(columns=COLUMNS)
    table.iloc[:0].to_csv(path, index=False)
    assert isinstance(run(path, "--year", 2025).exception, FileUnreadable)
    table.drop(columns="moisture_%").to_csv(path, index=False)
    assert isinstance(run(path, "--year", 2025).exception, ColumnMissing)


def test_an_unknown_method_is_wrong_usage(tmp_path: Path) -> None:
    path = logged(tmp_path / "east.csv", passes=2)
    result = run(path, "--year", 2025, "--method", "iqr")
    assert result.exit_code == 2
    assert "只能是 mad 或 sd" in result.stderr
