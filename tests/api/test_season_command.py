"""`heitu season`: from an archive to a product, as a user runs it."""

# distributed says that it is typed and leaves most of its functions without types.
# mypy: disable-error-code="no-untyped-call"

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from distributed import LocalCluster

from api.errors import PlaceInvalid
from api.lineage import checksums
from ingest.archive import Archive
from ingest.errors import ArchiveMissing
from raster.errors import NoClearPixel, SettingInvalid
from store.runs import run_id_of
from tests.api import samples
from tests.api.season_cases import (
    BOX,
    add_data,
    check_languages,
    made,
    request,
    run,
    series,
)
from tests.demo.conftest import heitu


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return add_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEITU_DASK", raising=False)


def test_the_product_holds_the_season_of_the_rectangle(data: Path) -> None:
    result = run(data, *BOX, "--year", "2026", "--block", "16")

    folder, item = made(result)
    lazy = request(data).dataset()
    expected = lazy.compute()
    assert folder == data / "seasons" / (
        "season-box_124.2955_43.3012_124.3005_43.3055-2026-fine-dekad"
    )
    for name in ("ndvi", "clear_count", "ndvi_smooth"):
        np.testing.assert_array_equal(series(folder)[name], expected[name])
    assert set(item.assets) == {*lazy.data_vars, "season"} - {
        "ndvi",
        "clear_count",
        "ndvi_smooth",
    }
    assert item.properties["heitu:simulated"] is True
    assert item.properties["heitu:year"] == 2026
    scene = item.get_links("derived_from")[0].get_absolute_href()
    assert scene == str(data / "archive/fine/fine-20260505/fine-20260505.json")
    assert re.search(
        r"^6 scenes of fine, 42 x 50 pixels of 10 m, 100 % seen clear, simulated · ",
        result.stdout.splitlines()[1],
    )
    assert "this machine: " in result.stderr


def test_options_reach_the_season(data: Path, tmp_path: Path) -> None:
    result = run(
        data,
        *(*BOX, "--start", "2026-06-01", "--end", "2026-08-31", "--resolution", "20"),
        *("--variables", "ndvi, clear_count", "--step", "month", "--composite", "max"),
        *("--out", str(tmp_path), "--name", "three-months"),
    )

    folder, item = made(result)
    assert folder == tmp_path / "three-months"
    found = series(folder)
    assert set(found.data_vars) == {"ndvi", "clear_count"}
    assert found.ndvi.isel(y=9, x=9).to_numpy().tolist() == [6000, 8000, 8000]
    assert item.common_metadata.gsd == 20
    told = item.properties["heitu:lineage"]["parameters"]
    assert (told["step"], told["composite"]) == ("month", "max")


def test_a_field_is_the_rectangle_around_its_polygon(
    data: Path, tmp_path: Path
) -> None:
    path = tmp_path / "一号地.geojson"
    triangle = [[124.297, 43.302], [124.299, 43.302], [124.298, 43.304]]
    geometry = {"type": "Polygon", "coordinates": [[*triangle, triangle[0]]]}
    feature = {"type": "Feature", "properties": {}, "geometry": geometry}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))

    result = run(
        data, "--field", str(path), "--year", "2026", "--variables", "clear_count"
    )

    folder, item = made(result)
    assert re.fullmatch(
        r"season-field-[0-9a-f]{8}-2026-fine-dekad-[0-9a-f]{6}", folder.name
    )
    assert "一号地" in item.properties["heitu:title_zh"]
    assert item.bbox is not None
    # Ten metres are 0.00009 degrees of latitude and 0.00012 of longitude.
    np.testing.assert_allclose(
        item.bbox, [124.297, 43.302, 124.299, 43.304], rtol=0, atol=3e-4
    )


def test_the_product_says_what_its_run_is(data: Path, tmp_path: Path) -> None:
    arguments = ("--variables", "clear_count", "--block", "32", "--out", str(tmp_path))

    _, item = made(run(data, *BOX, "--year", "2026", *arguments))

    told = item.properties
    inputs, parameters = told["heitu:inputs"], told["heitu:parameters"]
    assert inputs == checksums(Archive(data / "archive").items("fine"))
    assert len(inputs) == 6
    assert parameters["options"] == {
        "variables": ["clear_count"],
        "step": "dekad",
        "chunk": 32,
    }
    assert parameters["window"] == ["2026-04-01", "2026-10-31"]
    assert told["heitu:run"] == run_id_of(
        kind="season",
        inputs=inputs,
        parameters=parameters,
        code_version=told["heitu:code_version"],
        model_version=None,
    )


def test_a_cluster_makes_the_same_product(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = (*BOX, "--year", "2026", "--block", "16", "--out")
    here, _ = made(run(data, *arguments, str(tmp_path / "threads")))
    with LocalCluster(
        n_workers=1, processes=False, protocol="tcp://", dashboard_address="127.0.0.1:0"
    ) as cluster:
        monkeypatch.setenv("HEITU_DASK", cluster.scheduler_address)
        result = run(data, *arguments, str(tmp_path / "cluster"))

    there, _ = made(result)
    assert f"cluster {cluster.scheduler_address}: 1 workers" in result.stderr
    xr.testing.assert_identical(series(there), series(here))
    for path in here.glob("*.tif"):
        assert (there / path.name).read_bytes() == path.read_bytes()


def test_ctrl_c_keeps_finished_blocks_and_the_next_run_goes_on(
    data: Path, tmp_path: Path
) -> None:
    arguments = ("--year", "2026", "--block", "16", "--out", str(tmp_path))
    stopped = _run_with_progress(data, *BOX, *arguments, stop_after=3)
    (left,) = tmp_path.iterdir()

    finished = _run_with_progress(data, *BOX, *arguments, stop_after=999)

    assert stopped.returncode == 130, stopped.stderr
    assert "run again to go on" in stopped.stderr
    assert "重新运行即可继续" in stopped.stderr
    assert stopped.stdout == ""
    assert left.name.startswith(".")
    assert finished.returncode == 0, finished.stderr
    first = re.search(r"progress (\d+) (\d+)", finished.stderr)
    assert first is not None
    # Three, and what was under way in the threads.
    assert 3 <= int(first[1]) < 12 == int(first[2])
    folder = Path(finished.stdout.splitlines()[0])
    expected = request(data).dataset().compute()
    np.testing.assert_array_equal(series(folder).ndvi, expected.ndvi)
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def _run_with_progress(
    data: Path, *arguments: str, stop_after: int
) -> subprocess.CompletedProcess[str]:
    """Run the command in a process that says how far it is, and interrupts itself."""
    script = f"""
import os, signal, sys
from api.cli import main
from api.progress import Stages

def counter(self, *names):
    def count(done, total):
        print("progress", done, total, file=sys.stderr)
        if done == {stop_after}:
            os.kill(os.getpid(), signal.SIGINT)
    return count

Stages.counter = counter
main()
"""
    return subprocess.run(
        [sys.executable, "-c", script, "season", "--data", str(data), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )


def test_no_clear_pixel_is_an_error_and_leaves_nothing(
    data: Path, tmp_path: Path
) -> None:
    corner = samples.lonlat(samples.FINE, samples.CLOUDED)
    lon, lat = corner["lon"], corner["lat"]
    box = (lon - 1e-6, lat - 1e-6, lon + 1e-6, lat + 1e-6)

    result = run(
        data, "--bbox", *map(str, box), "--year", "2026", "--out", str(tmp_path)
    )

    assert isinstance(result.exception, NoClearPixel)
    check_languages(result.exception)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_county_names_those_near(data: Path) -> None:
    result = run(data, "--county", "220199", "--year", "2026")

    assert isinstance(result.exception, PlaceInvalid)
    assert "220184 公主岭市" in str(result.exception)
    assert "220322" not in str(result.exception)
    check_languages(result.exception)


@pytest.mark.parametrize(
    "days",
    [
        ("--year", "2026", "--start", "2026-05-01", "--end", "2026-06-01"),
        ("--year", "2026", "--end", "2026-06-01"),
        ("--start", "2026-05-01"),
        (),
    ],
)
def test_a_year_or_two_days_are_wanted(data: Path, days: tuple[str, ...]) -> None:
    result = run(data, *BOX, *days)

    assert result.exit_code == 2
    words = " ".join(result.stderr.replace("│", " ").split())
    assert "Give either --year, or --start and --end" in words
    assert result.stdout == ""


@pytest.mark.parametrize("places", [(), (*BOX, "--county", "220322")])
def test_one_place_is_wanted(data: Path, places: tuple[str, ...]) -> None:
    result = run(data, *places, "--year", "2026")

    assert result.exit_code == 2
    assert "--county, --bbox" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--resolution", "inf"), "inf is no number of metres"),
        (("--cloud-buffer", "inf"), "inf is no number of metres"),
        (("--resolution", "nan"), "greater than or equal to 0.1"),
        (("--step", "date"), "--step date is not for this command"),
        (("--step", "date"), "本命令不能用"),
    ],
)
def test_options_that_cannot_be_are_wrong_usage(
    data: Path, arguments: tuple[str, ...], told: str
) -> None:
    ran = heitu("season", *BOX, "--year", "2026", *arguments, "--data", str(data))

    assert ran.returncode == 2
    # The words are wrapped in a frame.
    words = " ".join(ran.stderr.replace("│", " ").split())
    assert told in words
    assert "Traceback" not in ran.stderr


def test_a_name_is_refused_before_a_cluster_is_asked(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEITU_DASK", "localhost")

    result = run(data, *BOX, "--year", "2026", "--name", "一号地")

    assert isinstance(result.exception, SettingInvalid)
    assert "'一号地' cannot name a product" in str(result.exception)
    check_languages(result.exception)


def test_an_archive_that_is_not_there(tmp_path: Path) -> None:
    result = run(tmp_path, *BOX, "--year", "2026")

    assert isinstance(result.exception, ArchiveMissing)


def test_a_wrong_cluster_is_one_clear_line(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEITU_DASK", "localhost")
    ran = heitu("season", *BOX, "--year", "2026", "--data", str(data))

    assert ran.returncode == 1
    assert "give tcp://HOST:PORT" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_an_unknown_variable_is_told_which_there_are(data: Path) -> None:
    result = run(data, *BOX, "--year", "2026", "--variables", "ndvi,greenup")

    assert isinstance(result.exception, SettingInvalid)
    for words in ("'greenup'", "(green)", "INDEX_smooth", "clear_count, sos, pos, eos"):
        assert words in str(result.exception)
    check_languages(result.exception)
