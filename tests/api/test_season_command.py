"""`heitu season`: from an archive to a product, as a user runs it."""

# distributed says that it is typed and leaves most of its functions without types.
# mypy: disable-error-code="no-untyped-call"

import json
import os
import re
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
import shapely
import xarray as xr
from affine import Affine
from distributed import LocalCluster
from odc.geo.geobox import GeoBox
from typer.testing import CliRunner, Result

from api.cli import app
from api.errors import NoScenesThere, PeriodUnknown, PlaceInvalid
from api.lineage import checksums
from api.place import place_in_box, place_of_county, place_of_field
from api.season_product import SeasonRequest, window_of
from ingest.archive import Archive, BandData
from ingest.errors import ArchiveMissing
from raster.errors import GridInvalid, NoClearPixel, SettingInvalid
from raster.grid import ALBERS_CHINA
from raster.season import SEASON_VARIABLES as DEFAULT
from store.runs import run_id_of
from tests.api import samples
from tests.demo.conftest import heitu

# Inside the fine scenes, and a pixel beyond their eastern edge.
INSIDE = (124.2955, 43.3012, 124.3005, 43.3055)
ACROSS = (124.2955, 43.3012, 124.3035, 43.3055)
BOX = ("--bbox", *map(str, INSIDE))
SUMMER: dict[str, Any] = {"start": date(2026, 4, 1), "end": date(2026, 10, 31)}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data folder with scenes at 10 m of 2026 and at 250 m of 2025 and 2026."""
    folder = tmp_path_factory.mktemp("data")
    archive = Archive(folder / "archive")
    samples.add_scenes(archive, "fine", samples.FINE, samples.FINE_2026)
    samples.add_scenes(archive, "coarse", samples.COARSE, samples.COARSE_YEARS)
    archive.refresh_links()
    return folder


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEITU_DASK", raising=False)


def run(data: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["season", "--data", str(data), *arguments])


def made(result: Result) -> tuple[Path, pystac.Item]:
    """Folder and item of the product that a command says it made."""
    assert result.exception is None, result.output
    folder = Path(result.stdout.splitlines()[0])
    return folder, pystac.Item.from_file(str(folder / f"{folder.name}.json"))


def series(folder: Path) -> xr.Dataset:
    cube: xr.Dataset = xr.open_zarr(folder / "season.zarr", mask_and_scale=False)
    return cube.load()


def request(data: Path, **settings: Any) -> SeasonRequest:
    given = {"place": place_in_box(INSIDE), **SUMMER, "options": {}, **settings}
    return SeasonRequest(archive=Archive(data / "archive"), **given)


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


def test_a_county_by_code_or_name(data: Path) -> None:
    by_code, by_name = place_of_county("220322"), place_of_county("梨树县")

    assert by_code == by_name
    assert (by_code.key, by_code.name_en) == ("220322", "Lishu County")
    west, south, east, north = by_code.bounds
    # The county's town.
    assert shapely.box(west, south, east, north).contains(shapely.Point(124.34, 43.31))

    lishu = request(data, place=by_code, resolution=500)
    assert lishu.product_id == "season-220322-2026-fine-500m-dekad"
    assert lishu.properties()["heitu:title_zh"].startswith("梨树县")


@pytest.mark.parametrize(
    ("settings", "collection"),
    [
        ({}, "fine"),
        ({"start": date(2025, 4, 1)}, "fine"),
        ({"collection": "coarse"}, "coarse"),
    ],
)
def test_the_finest_scenes_are_taken_unless_others_are_asked(
    data: Path, settings: dict[str, Any], collection: str
) -> None:
    wanted = request(data, **settings)

    assert wanted.scenes[0] == collection
    assert wanted.geobox.resolution.x == {"fine": 10, "coarse": 250}[collection]
    assert wanted.geobox.crs == "EPSG:32651"


def test_fine_scenes_of_a_corner_do_not_stand_for_a_place(data: Path) -> None:
    # The fine scenes cover 640 m of some 4 km, the coarse ones all of it.
    wide = place_in_box((124.275, 43.285, 124.325, 43.325))

    assert request(data, place=wide).scenes[0] == "coarse"


def test_coarse_scenes_serve_where_fine_ones_are_missing(data: Path) -> None:
    past = request(data, start=date(2025, 4, 1), end=date(2025, 10, 31))

    assert past.scenes[0] == "coarse"
    assert [item.id for item in past.scenes[1]] == ["coarse-20250715"]


def add_july_scene(
    archive: Archive, grid: GeoBox, item_id: str, *, nir: int, replace: bool = False
) -> None:
    """Add a cloudless scene to collection "fine"."""

    def band(number: int) -> BandData:
        values = np.full(grid.shape, number, np.uint16)
        return BandData(values, grid, nodata=0, scale=0.0001, offset=-0.1)

    archive.add_scene(
        collection="fine",
        item_id=item_id,
        acquired=datetime(2026, 7, 15, 2, 40, tzinfo=UTC),
        geobox=grid,
        bands={
            "B04": band(samples.RED_DN),
            "B08": band(nir),
            "SCL": BandData(np.full(grid.shape, 4, np.uint8), grid, nodata=0),
        },
        properties={"heitu:simulated": True},
        replace=replace,
    )


def test_scenes_of_two_zones_meet_in_equal_area(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    # Either side of 126 degrees east, where zone 52 begins.
    for crs, east in {"EPSG:32651": 735_000, "EPSG:32652": 254_000}.items():
        grid = GeoBox((9, 9), Affine(1000, 0, east, 0, -1000, 4_800_000), crs)
        add_july_scene(archive, grid, f"zone-{crs[-2:]}", nir=5500)

    wanted = request(tmp_path, place=place_in_box((125.9, 43.25, 126.1, 43.35)))

    assert len(wanted.scenes[1]) == 2
    assert wanted.geobox.crs == ALBERS_CHINA
    assert wanted.geobox.resolution.x == 1000


def test_scenes_in_degrees_make_a_grid_in_metres(tmp_path: Path) -> None:
    grid = GeoBox((9, 9), Affine(0.001, 0, 124, 0, -0.001, 44), "EPSG:4326")
    add_july_scene(Archive(tmp_path / "archive"), grid, "one", nir=5500)

    wanted = request(tmp_path, place=place_in_box((124, 43.995, 124.005, 44)))

    assert wanted.geobox.crs == ALBERS_CHINA
    # A thousandth of a degree along a meridian.
    assert wanted.geobox.resolution.x == pytest.approx(111.3, abs=0.5)


def test_what_is_not_the_default_is_in_the_name(data: Path) -> None:
    def name(**options: Any) -> str:
        return request(data, options=options).product_id.partition("fine-")[2]

    plain = {"composite": "median", "index": "ndvi", "seasons": 1, "cloud_buffer": 0.0}

    assert name(**plain, chunk=16, variables=("peak", *DEFAULT)) == "dekad"
    assert name(composite="max") == "dekad-max"
    assert name(index="evi2", seasons=2) == "dekad-evi2-2seasons"
    assert name(step=16, cloud_buffer=40.0) == "16d-40mcloud"


def test_other_variables_are_another_product(data: Path) -> None:
    wanted = [
        request(data, options={"variables": names})
        for names in (("ndvi",), ("ndvi", "clear_count"))
    ]

    ends = [each.product_id.rpartition("-")[2] for each in wanted]
    assert [len(end) for end in ends] == [6, 6]
    assert ends[0] != ends[1]


def test_the_name_does_not_change_with_the_block_size(data: Path) -> None:
    names = {
        request(data, options={"variables": ("ndvi",), "chunk": side}).product_id
        for side in (16, 32)
    }

    assert len(names) == 1


def test_blocks_of_another_size_are_another_run(data: Path) -> None:
    runs = {
        request(data, options=options).recipe.run_id
        for options in ({}, {"chunk": 16}, {"chunk": 32})
    }

    assert len(runs) == 3


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


def test_another_window_or_step_is_another_product(data: Path) -> None:
    names = {
        request(data, **settings).product_id.partition("43.3055-")[2]
        for settings in (
            {},
            {"start": date(2026, 5, 1)},
            {"options": {"step": 16}},
            {"options": {"step": "month"}},
            {"resolution": 20.0},
            {"collection": "coarse"},
        )
    }

    assert names == {
        "2026-fine-dekad",
        "20260501-20261031-fine-dekad",
        "2026-fine-16d",
        "2026-fine-month",
        "2026-fine-20m-dekad",
        "2026-coarse-dekad",
    }


def test_a_replaced_scene_makes_another_run(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    add_july_scene(archive, samples.FINE, "one", nir=5500)
    first = request(tmp_path).dataset().attrs["run"]
    again = request(tmp_path).dataset().attrs["run"]
    add_july_scene(archive, samples.FINE, "one", nir=3000, replace=True)

    assert again == first
    assert request(tmp_path).dataset().attrs["run"] != first


def test_a_cluster_makes_the_same_product(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = (*BOX, "--year", "2026", "--block", "16", "--out")
    here, _ = made(run(data, *arguments, str(tmp_path / "threads")))
    with LocalCluster(
        n_workers=1, processes=False, protocol="tcp://", dashboard_address=None
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


def _both_languages(error: BaseException) -> None:
    english, chinese = str(error).split(" · ")
    assert re.search("[a-z]{3}", english)
    assert re.search("[\u4e00-\u9fff]", chinese)


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
    _both_languages(result.exception)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"start": date(2020, 4, 1), "end": date(2020, 9, 1)}, "there: 2025, 2026."),
        ({"place": place_in_box((1, 2, 3, 4))}, "years it has there: none"),
        ({"collection": "medium"}, "'medium', only coarse, fine"),
    ],
)
def test_no_scenes_there_says_what_there_is(
    data: Path, settings: dict[str, Any], told: str
) -> None:
    with pytest.raises(NoScenesThere, match=re.escape(told)) as caught:
        request(data, **settings).dataset()

    _both_languages(caught.value)


def test_an_unknown_county_names_those_near(data: Path) -> None:
    result = run(data, "--county", "220199", "--year", "2026")

    assert isinstance(result.exception, PlaceInvalid)
    assert "220184 公主岭市" in str(result.exception)
    assert "220322" not in str(result.exception)
    _both_languages(result.exception)


@pytest.mark.parametrize(
    "bounds",
    [(43, 124, 44, 125), (124, 43, 124, 44), (124, 44, 125, 43), (181, 1, 182, 2)],
)
def test_a_rectangle_must_be_degrees_in_order(
    bounds: tuple[float, float, float, float],
) -> None:
    with pytest.raises(PlaceInvalid, match="give degrees of WGS 84") as caught:
        place_in_box(bounds)

    _both_languages(caught.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "No such file"),
        (b"{", "parse error"),
        ('{"name": "一号地"}'.encode("gbk"), "can't decode byte 0xba in position 12"),
        (b'{"type": "Point", "coordinates": [124, 43]}', "no polygon in it"),
        (
            b'{"type": "Polygon", "coordinates": [[[5e5, 4e6], [6e5, 4e6], [5e5, 5e6], '
            b"[5e5, 4e6]]]}",
            "are no degrees",
        ),
    ],
)
def test_a_field_file_that_says_no_place(
    tmp_path: Path, content: bytes | None, told: str
) -> None:
    path = tmp_path / "field.geojson"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(PlaceInvalid, match=told) as caught:
        place_of_field(path)

    assert str(path) in str(caught.value)
    _both_languages(caught.value)


def test_the_window_is_the_year_s_unless_days_are_given() -> None:
    first, last = date(2025, 9, 1), date(2026, 6, 30)

    assert window_of(2026) == (date(2026, 4, 1), date(2026, 10, 31))
    assert window_of(None, start=first, end=last) == (first, last)
    assert window_of(2026, start=first) == (first, date(2026, 10, 31))
    for year, start, end in ((None, first, None), (None, last, first)):
        with pytest.raises(PeriodUnknown) as caught:
            window_of(year, start=start, end=end)
        _both_languages(caught.value)


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
    _both_languages(result.exception)


@pytest.mark.parametrize("extension", [True, False])
def test_scenes_without_a_pixel_size_need_one_given(
    tmp_path: Path, *, extension: bool
) -> None:
    add_july_scene(Archive(tmp_path / "archive"), samples.FINE, "one", nir=5500)
    path = tmp_path / "archive" / "fine" / "one" / "one.json"
    content = json.loads(path.read_text())
    for name in ("proj:transform", "gsd"):
        content["properties"].pop(name, None)
    if not extension:
        others = [uri for uri in content["stac_extensions"] if "projection" not in uri]
        content["stac_extensions"] = others
    path.write_text(json.dumps(content))

    with pytest.raises(GridInvalid, match="as one, tell no pixel size") as caught:
        request(tmp_path).dataset()

    _both_languages(caught.value)
    assert request(tmp_path, resolution=20).geobox.resolution.x == 20


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
