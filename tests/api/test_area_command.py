"""`heitu area`: from a map to phones, from answers to areas, as a user runs it."""

import csv
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Geod
from rasterio.features import geometry_mask
from rasterio.transform import from_origin
from typer.testing import CliRunner, Result

from api.area_command import area_app
from api.area_errors import (
    AreaInputInvalid,
    DesignInvalid,
    FrameFileInvalid,
    MapInvalid,
)
from ingest.archive import Archive, BandData
from ingest.boundaries import jilin_counties
from ingest.errors import IngestError
from ingest.ground.places import Places
from ingest.ground.points import take_points
from ingest.ground.segments import take_segments
from ingest.ground.vector import read_layer
from models.area import DesignImpossible, SampleInvalid
from models.crop_map.accuracy import Accuracy

Run = Callable[..., Result]

NAMES = {0: "non-crop", 1: "maize", 2: "rice", 3: "soybean"}
CLASSES = "0=non-crop,1=玉米,2=rice,3=大豆"
# West of Gongzhuling, UTM zone 51 north.
PLACE = from_origin(640_000, 4_850_000, 50, 50)
SIDE = 400
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def truth() -> NDArray[np.uint8]:
    """Return patches of 1.5 km; a corner is off the map."""
    random = np.random.default_rng(1)
    patches = random.choice([0, 1, 1, 2, 3], size=(14, 14)).astype(np.uint8)
    codes = np.kron(patches, np.ones((30, 30), np.uint8))[:SIDE, :SIDE]
    codes[:20, :20] = 255
    return codes


def mapped() -> NDArray[np.uint8]:
    random = np.random.default_rng(2)
    said = truth()
    wrong = (random.random(said.shape) < 0.15) & (said != 255)
    said[wrong] = random.integers(0, 4, np.count_nonzero(wrong))
    return said


def write_map(path: Path, codes: NDArray[Any], **more: Any) -> Path:
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "height": codes.shape[-2],
        "width": codes.shape[-1],
        "count": 1 if codes.ndim == 2 else len(codes),
        "dtype": codes.dtype.name,
        "crs": "EPSG:32651",
        "transform": PLACE,
        "nodata": 255,
        **more,
    }
    with rasterio.open(path, "w", **profile) as target:
        target.write(codes if codes.ndim == 3 else codes[None])
    return path


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_map(tmp_path_factory.mktemp("map") / "crops.tif", mapped())


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("HEITU_DATA", str(tmp_path / "data"))

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(area_app, [str(one) for one in arguments])

    return invoke


def last_json(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout.strip().splitlines()[-1])
    return found


def points_of(run: Run, crops: Path, folder: Path, *more: object) -> pd.DataFrame:
    result = run(
        *("design", crops, "--year", 2026, "--points", 240, "--out", folder),
        *("--classes", CLASSES, *more),
    )
    assert result.exit_code == 0, result.output
    return pd.read_csv(folder / "points.csv")


def on_the_ground(table: pd.DataFrame) -> list[int]:
    places = geopandas.points_from_xy(table["lon"], table["lat"], crs="EPSG:4326")
    columns, rows = ~PLACE * np.array([places.to_crs(32651).x, places.to_crs(32651).y])
    return [int(truth()[int(r), int(c)]) for r, c in zip(rows, columns, strict=True)]


def answered(table: pd.DataFrame, path: Path) -> Path:
    labels = [NAMES[code] for code in on_the_ground(table)]
    table.assign(crop=labels).to_csv(path, index=False)
    return path


def test_design_of_points_is_written_for_phones(
    run: Run, crops: Path, tmp_path: Path
) -> None:
    table = points_of(run, crops, tmp_path / "out")
    assert len(table) == 240
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("points.csv", "points.geojson", "points.kml", "points.html", "design.json")
    }
    marks = geopandas.read_file(tmp_path / "out" / "points.kml")
    assert marks["Name"].tolist() == table["id"].tolist()
    assert marks.geometry.x.tolist() == pytest.approx(table["lon"].tolist())
    assert 255 not in on_the_ground(table)


def test_phones_are_not_told_what_the_map_says(
    run: Run, crops: Path, tmp_path: Path
) -> None:
    table = points_of(run, crops, tmp_path)
    assert list(table.columns) == ["id", "lon", "lat", "datum", "year", "crop", "note"]
    assert table["crop"].isna().all()
    feature = json.loads((tmp_path / "points.geojson").read_text("utf-8"))["features"]
    assert {*feature[0]["properties"]} == {"id", "year"}


def test_design_states_strata_and_is_repeatable(
    run: Run, crops: Path, tmp_path: Path
) -> None:
    first = points_of(run, crops, tmp_path / "a")
    assert points_of(run, crops, tmp_path / "b").equals(first)
    assert not points_of(run, crops, tmp_path / "c", "--seed", 2).equals(first)
    design = json.loads((tmp_path / "a" / "design.json").read_text("utf-8"))
    # 160,000 pixels of a quarter of a hectare, less a square kilometre.
    land = sum(one["area_ha"] for one in design["strata"])
    assert land == pytest.approx(39_900, rel=2e-3)
    assert [one["samples"] >= 50 for one in design["strata"]] == [True] * 4


def test_points_keep_their_distance(run: Run, crops: Path, tmp_path: Path) -> None:
    table = points_of(run, crops, tmp_path, "--distance", 500)
    line = Geod(ellps="WGS84")
    lon, lat = table["lon"].to_numpy(), table["lat"].to_numpy()
    for place in range(1, len(table)):
        _, _, away = line.inv(
            lon[:place],
            lat[:place],
            np.full(place, lon[place]),
            np.full(place, lat[place]),
        )
        assert min(away) > 499


def test_answers_are_ground_truth_as_they_are(
    run: Run, crops: Path, tmp_path: Path
) -> None:
    answers = answered(points_of(run, crops, tmp_path), tmp_path / "answers.csv")
    taken = take_points(read_layer(answers), Places(jilin_counties()))
    assert len(taken.stored) == 240
    assert taken.problems == ()
    assert {point.crop for point in taken.records} == {"maize", "rice", "soybean", None}


def test_areas_of_the_answers_hold_the_truth(
    run: Run, crops: Path, tmp_path: Path
) -> None:
    answers = answered(points_of(run, crops, tmp_path), tmp_path / "answers.csv")
    said = last_json(
        run("assess", crops, answers, "--classes", CLASSES, "--json", "--simulated")
    )
    assert said["n"] == 240
    assert said["simulated"] is True
    assert said["overall"]["value"] == pytest.approx(0.89, abs=0.06)
    counts = np.bincount(truth().ravel(), minlength=4)
    for one in said["areas"]:
        code = next(code for code, name in NAMES.items() if name == one["name"])
        assert one["lower"] < counts[code] * 0.25 < one["upper"]
        assert (one["unit"], one["status"]) == ("ha", "estimated")
        assert one["mapped_ha"] != one["value"]


def test_assessment_is_what_a_crop_map_is_published_with(
    run: Run, crops: Path, tmp_path: Path
) -> None:
    answers = answered(points_of(run, crops, tmp_path), tmp_path / "answers.csv")
    target = tmp_path / "accuracy.json"
    last = run("assess", crops, answers, "--classes", CLASSES, "--out", target)
    assert last.exit_code == 0, last.output
    said = json.loads(target.read_text("utf-8"))
    read = Accuracy.from_dict(said)
    assert read.n == 240
    assert read.overall.value == pytest.approx(said["overall"]["value"])


def test_table_is_in_both_languages_and_marks_simulated_data(
    run: Run, crops: Path, tmp_path: Path
) -> None:
    answers = answered(points_of(run, crops, tmp_path), tmp_path / "answers.csv")
    result = run("assess", crops, answers, "--classes", CLASSES, "--simulated")
    for word in ("玉米 maize", "producer's 制图精度", "模拟 simulated", "像元计数"):
        assert word in result.stdout


def test_design_keeps_the_strata_of_an_older_map(
    run: Run, crops: Path, tmp_path: Path
) -> None:
    answers = answered(points_of(run, crops, tmp_path), tmp_path / "answers.csv")
    newer = write_map(tmp_path / "newer.tif", truth())
    said = last_json(
        run(
            *("assess", newer, answers, "--classes", CLASSES, "--json"),
            *("--design", tmp_path / "design.json"),
        )
    )
    # All right now, and the areas are the same, by the strata of the older map.
    assert said["overall"]["value"] == 1
    older = last_json(run("assess", crops, answers, "--classes", CLASSES, "--json"))
    assert [one["value"] for one in said["areas"]] == pytest.approx(
        [one["value"] for one in older["areas"]]
    )


def test_samples_off_the_map_unanswered_or_contradicting_are_told(
    run: Run, crops: Path, tmp_path: Path
) -> None:
    table = points_of(run, crops, tmp_path)
    path = answered(table, tmp_path / "answers.csv")
    good = pd.read_csv(path)
    far = good.iloc[:1].assign(lon=126.0)
    corner = shapely.transform(shapely.Point(640_300, 4_849_700), _to_lonlat)
    off = good.iloc[:1].assign(lon=corner.x, lat=corner.y)
    twice = good.iloc[5:6].assign(crop="other")
    blank = good.iloc[10:11].assign(lat=good["lat"].iloc[10] + 0.001, crop="")
    pd.concat([good, far, off, twice, blank, good.iloc[20:21]]).to_csv(path)
    result = run("assess", crops, path, "--classes", CLASSES, "--json")
    notes = " ".join(last_json(result)["notes"])
    assert "2 of 242 samples lie outside the map" in notes
    assert "1 of 242 samples have no answer" in notes
    assert "2 samples contradict another of the same place" in notes
    assert "1 个样本与同一位置的其他样本重复" in notes


def _to_lonlat(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    places = geopandas.points_from_xy(*xy.T, crs=32651).to_crs(4326)
    return np.column_stack([places.x, places.y])


def segments_of(run: Run, crops: Path, folder: Path, *more: object) -> pd.DataFrame:
    result = run(
        *("design", crops, "--year", 2026, "--segments", 60, "--out", folder),
        *("--classes", CLASSES, *more),
    )
    assert result.exit_code == 0, result.output
    return pd.read_csv(folder / "frame.csv", dtype={"county": str, "stratum": str})


def surveyed(folder: Path) -> Path:
    """Measure the true crops of the drawn segments, ha."""
    path = folder / "segments.geojson"
    said = json.loads(path.read_text("utf-8"))
    outlines = geopandas.read_file(path).to_crs(32651).geometry
    for feature, outline in zip(said["features"], outlines, strict=True):
        inside = geometry_mask([outline], (SIDE, SIDE), PLACE, invert=True)
        counts = np.bincount(truth()[inside], minlength=4) * 0.25
        for code in (1, 2, 3):
            feature["properties"][f"{NAMES[code]}_ha"] = float(counts[code])
    target = folder / "answers.geojson"
    target.write_text(json.dumps(said), encoding="utf-8")
    return target


def test_frame_covers_the_map_with_squares_of_a_kilometre(
    run: Run, crops: Path, tmp_path: Path
) -> None:
    frame = segments_of(run, crops, tmp_path)
    assert frame["area_ha"].tolist() == [100.0] * len(frame)
    assert frame["sampled"].sum() == 60
    assert frame["area_ha"].sum() == pytest.approx(39_900, rel=0.05)
    mapped_ha = frame[[f"{name}_map_ha" for name in NAMES.values()]]
    assert mapped_ha.sum(axis=1).tolist() == pytest.approx([100.0] * len(frame))
    taken = take_segments(
        read_layer(tmp_path / "segments.geojson"), Places(jilin_counties())
    ).segments
    # As large on the ground as the standard wants them.
    assert len(taken.stored) == 60
    areas = [segment.area_ha for segment in taken.records]
    assert areas == pytest.approx([100.0] * 60, rel=1e-4)


def test_segments_give_the_area_of_the_truth(
    run: Run, crops: Path, tmp_path: Path
) -> None:
    segments_of(run, crops, tmp_path)
    answers = surveyed(tmp_path)
    said = last_json(
        run("estimate", tmp_path / "frame.csv", answers, "--json", "--simulated")
    )
    whole = {one["name"]: one for one in said["areas"] if not one["domain"]}
    counts = np.bincount(truth().ravel(), minlength=4) * 0.25
    for code in (1, 2, 3):
        one = whole[NAMES[code]]
        # One survey: 3.5 standard errors are exceeded once in 2,000.
        assert abs(one["value"] - counts[code]) < 3.5 * one["se"]
        assert (one["method"], one["simulated"]) == ("regression", True)
        assert one["efficiency"] > 3
    assert "other" not in whole


def test_segments_that_never_came_back_are_counted(
    run: Run, crops: Path, tmp_path: Path
) -> None:
    segments_of(run, crops, tmp_path)
    answers = surveyed(tmp_path)
    kept = json.loads(answers.read_text("utf-8"))
    kept["features"] = kept["features"][5:]
    answers.write_text(json.dumps(kept), "utf-8")
    said = last_json(run("estimate", tmp_path / "frame.csv", answers, "--json"))
    for one in said["areas"]:
        assert one["status"] == "limited"
        assert "5 of" in one["reason"]


def test_estimate_is_written_as_a_table(run: Run, crops: Path, tmp_path: Path) -> None:
    segments_of(run, crops, tmp_path)
    target = tmp_path / "areas.csv"
    result = run(
        *("estimate", tmp_path / "frame.csv", surveyed(tmp_path), "--out", target),
        *("--method", "direct"),
    )
    assert result.exit_code == 0, result.output
    with target.open(encoding="utf-8-sig", newline="") as file:
        first = next(csv.DictReader(file))
    assert (first["name"], first["domain"], first["unit"]) == ("maize", "", "ha")
    assert (first["method"], first["status"]) == ("direct", "estimated")


def test_wanted_precision_decides_the_number(
    run: Run, crops: Path, tmp_path: Path
) -> None:
    shared = ("--year", 2026, "--classes", CLASSES, "--json", "--out", tmp_path)
    # 0.9 x 0.1 / 0.02^2.
    points = last_json(run("design", crops, "--se", 0.02, *shared))
    assert points["samples"] == 225
    few = last_json(
        run("design", crops, "--cv", 0.2, "--crop", "玉米", "--minimum", 4, *shared)
    )
    many = last_json(
        run("design", crops, "--cv", 0.05, "--crop", "玉米", "--minimum", 4, *shared)
    )
    assert few["samples"] < many["samples"] < 400


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--points", 240, "--se", 0.1), SystemExit),
        ((), SystemExit),
        (("--points", 100), DesignImpossible),
        (("--points", 240, "--distance", 9000), DesignImpossible),
        (("--segments", 60, "--crop", "other"), DesignImpossible),
        (("--segments", 60, "--side", 90_000), DesignImpossible),
        (("--segments", 60, "--edges", "0.5,0.2"), SystemExit),
        (("--segments", 60, "--allocation", "fair"), SystemExit),
    ],
)
def test_impossible_design_is_refused_in_both_languages(
    run: Run,
    crops: Path,
    tmp_path: Path,
    arguments: tuple[object, ...],
    error: type[BaseException],
) -> None:
    result = run(
        *("design", crops, "--year", 2026, "--out", tmp_path, "--classes", CLASSES),
        *arguments,
    )
    assert result.exit_code != 0
    assert isinstance(result.exception, error)
    said = result.output if error is SystemExit else str(result.exception)
    assert "·" in said


def test_map_that_is_none_is_refused(run: Run, tmp_path: Path) -> None:
    whole = np.ones((9, 9), np.uint8)
    for name, codes, more in (
        ("bands", np.ones((3, 9, 9), np.uint8), {}),
        ("decimals", whole.astype(np.float32), {}),
        ("no-crs", whole, {"crs": None}),
    ):
        path = write_map(tmp_path / f"{name}.tif", codes, **more)
        result = run("assess", path, path)
        assert isinstance(result.exception, MapInvalid), name
    assert isinstance(run("assess", tmp_path / "no.tif", "x").exception, MapInvalid)
    assert isinstance(run("assess", "no-product", "x").exception, IngestError)


def test_files_of_another_kind_are_refused(
    run: Run, crops: Path, tmp_path: Path
) -> None:
    answers = answered(points_of(run, crops, tmp_path), tmp_path / "answers.csv")
    other = tmp_path / "other.json"
    other.write_text("{}", encoding="utf-8")
    given = ("--classes", CLASSES)
    asked = run("assess", crops, answers, *given, "--design", other)
    assert isinstance(asked.exception, DesignInvalid)
    asked = run("estimate", answers, answers)
    assert isinstance(asked.exception, FrameFileInvalid)
    asked = run("assess", crops, answers, *given, "--out", tmp_path / "no" / "a.json")
    assert isinstance(asked.exception, AreaInputInvalid)


def test_labels_in_other_words_than_the_map_are_told(
    run: Run, crops: Path, tmp_path: Path
) -> None:
    answers = answered(points_of(run, crops, tmp_path), tmp_path / "answers.csv")
    # Codes without names are called by their numbers, and no sample is of them.
    said = last_json(run("assess", crops, answers, "--json"))
    assert "not on the map: maize, non-crop, rice, soybean" in " ".join(said["notes"])
    asked = run("assess", crops, answers, "--classes", "maize=1")
    assert asked.exit_code == 2


def test_no_answer_at_all_is_refused(run: Run, crops: Path, tmp_path: Path) -> None:
    points_of(run, crops, tmp_path)
    asked = run("assess", crops, tmp_path / "points.csv", "--classes", CLASSES)
    assert isinstance(asked.exception, SampleInvalid)


def pressed(page: Path, script: str, profile: Path) -> str:
    """Open a page in a browser, press there, and return the text that it saves."""
    text = page.read_text("utf-8")
    copy = page.with_name("pressed.html")
    copy.write_text(
        text.replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8"
    )
    done = subprocess.run(
        [
            str(CHROMIUM),
            *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update"),
            *("--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={profile}"),
            *("--virtual-time-budget=2000", "--dump-dom", copy.as_uri()),
        ],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    start = done.stdout.index('<pre id="saved">') + len('<pre id="saved">')
    return done.stdout[start : done.stdout.index("</pre>", start)]


SAVED = (
    "document.getElementById('show').click();"
    "const saved = document.createElement('pre'); saved.id = 'saved';"
    "saved.textContent = document.getElementById('text').value;"
    "document.body.append(saved);"
)


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")
def test_page_on_a_phone_saves_points_that_can_be_read(
    run: Run, crops: Path, tmp_path: Path
) -> None:
    points_of(run, crops, tmp_path)
    script = (
        "const cards = document.querySelectorAll('article');"
        "cards[0].querySelector('button[value=maize]').click();"
        "cards[2].querySelector('button[value=non-crop]').click();"
    )
    saved = tmp_path / "saved.csv"
    text = pressed(tmp_path / "points.html", script + SAVED, tmp_path / "profile")
    saved.write_text(text, encoding="utf-8")
    taken = take_points(read_layer(saved), Places(jilin_counties()))
    assert [(one.crop, one.is_crop, one.year) for one in taken.records] == [
        ("maize", True, 2026),
        (None, False, 2026),
    ]


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")
def test_page_on_a_phone_saves_segments_that_can_be_read(
    run: Run, crops: Path, tmp_path: Path
) -> None:
    segments_of(run, crops, tmp_path)
    script = (
        "const inputs = document.querySelector('article').querySelectorAll('input');"
        "inputs[0].value = '31.5'; inputs[0].oninput();"
        "inputs[4].checked = true; inputs[4].onchange();"
    )
    saved = tmp_path / "saved.geojson"
    text = pressed(tmp_path / "segments.html", script + SAVED, tmp_path / "profile")
    saved.write_text(text, encoding="utf-8")
    (one,) = take_segments(read_layer(saved), Places(jilin_counties())).segments.records
    assert (one.maize_ha, one.rice_ha, one.other_ha) == (31.5, 0, 0)
    assert one.year == 2026


def test_crop_map_of_the_archive_knows_its_classes(run: Run, tmp_path: Path) -> None:
    archive = Archive(tmp_path / "data" / "archive")
    grid = GeoBox((SIDE, SIDE), PLACE, "EPSG:32651")
    archive.add_product(
        product_id="crops-2026",
        kind="crop-classes",
        geobox=grid,
        asset=BandData(mapped(), grid, nodata=255),
        properties={
            "title": "Crops",
            "heitu:year": 2026,
            "heitu:run": "0" * 16,
            "heitu:simulated": True,
            "heitu:classes": [
                {"value": code, "name": name} for code, name in NAMES.items()
            ],
        },
    )
    said = last_json(
        run(
            *("design", "crops-2026", "--year", 2026, "--points", 240, "--json"),
            *("--out", tmp_path / "out"),
        )
    )
    assert said["simulated"] is True
    assert {one["stratum"] for one in said["strata"]} == {*NAMES.values()}


def test_map_in_degrees_without_nodata_has_true_areas(run: Run, tmp_path: Path) -> None:
    codes = np.ones((1000, 500), np.uint8)
    codes[:500] = 2
    # 43 to 44 degrees north, 0.001 degrees a pixel.
    place = from_origin(125, 44, 0.001, 0.001)
    path = write_map(
        tmp_path / "degrees.tif", codes, crs="EPSG:4326", transform=place, nodata=None
    )
    said = last_json(
        run(
            *("design", path, "--year", 2026, "--points", 120, "--json"),
            *("--out", tmp_path / "out"),
        )
    )
    line = Geod(ellps="WGS84")
    south, north = (
        abs(line.geometry_area_perimeter(shapely.segmentize(box, 0.01))[0]) / 1e4
        for box in (
            shapely.box(125, 43, 125.5, 43.5),
            shapely.box(125, 43.5, 125.5, 44),
        )
    )
    areas = [one["area_ha"] for one in said["strata"]]
    assert areas == pytest.approx([south, north], rel=1e-3)
