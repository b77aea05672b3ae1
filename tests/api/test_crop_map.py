"""`heitu crop-map`: from points and scenes to a published map."""

import csv
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
import rasterio
import shapely
from numpy.typing import NDArray
from typer.testing import CliRunner

from api.cli import app
from api.crop_map_samples import Site, sites_of_store
from api.crop_map_table import Sampler
from api.errors import NoScenesThere
from ingest.archive import Archive
from models.crop_map import AccuracyMissing, FeaturePlan, load_model, save_model
from store import Store, fields, ground
from store.fields import Field
from store.ground import CropPoint, Segment
from tests.api.crop_map_cases import BOX, HOW, add_year, run, write_points
from tests.api.samples import FINE, lonlat
from tests.api.season_cases import check_languages

PLAN = FeaturePlan(series=("ndvi_smooth",), metrics=("peak",), step="month")


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with scenes of 2025 and 2026, and a model of 2026 in it."""
    data = tmp_path_factory.mktemp("country")
    add_year(data, 2025, shift=-0.3)
    add_year(data, 2026)
    points = write_points(data / "points.csv", beside=True)
    trained = run(
        data,
        *("train", "--samples", str(points), "--year", "2026", *HOW),
        *("--out", str(data / "model.npz"), "--report", str(data / "report.csv")),
    )
    assert trained.exception is None, trained.output
    (data / "trained.txt").write_text(trained.output)
    return data


@pytest.fixture(scope="module")
def published(country: Path) -> pystac.Item:
    made = run(country, "apply", str(country / "model.npz"), "--year", "2026", *BOX)
    assert made.exception is None, made.output
    return Archive(country / "archive").item("products", made.output.split()[-1])


def pixels(item: pystac.Item, key: str = "data") -> NDArray[np.uint8]:
    with rasterio.open(item.assets[key].href) as source:
        found: NDArray[np.uint8] = source.read(1)
        return found


def grid_columns(item: pystac.Item) -> NDArray[np.int64]:
    """Column of the scenes' grid of each column of the map."""
    left: float = item.properties["proj:transform"][2]
    count = pixels(item).shape[1]
    first = round((left - 605_000) / 10)
    return np.arange(first, first + count, dtype=np.int64)


def test_training_tells_accuracy_and_what_is_left_out(country: Path) -> None:
    told = (country / "trained.txt").read_text()
    assert "cross-validated" in told
    assert "按 0.1 公里区块交叉验证" in told
    assert "left out 未包括: rice" in told
    assert "simulated 模拟数据" in told


def test_a_point_without_scenes_is_listed_with_its_place(country: Path) -> None:
    with (country / "report.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    outside = [row for row in rows if row["kind"] == "outside"]
    assert [(row["lon"], row["lat"]) for row in outside] == [
        ("125.900000", "43.900000")
    ]
    assert "no scene of 2026" in outside[0]["reason"]


def test_the_map_has_maize_in_the_west_and_none_in_the_east(
    published: pystac.Item,
) -> None:
    found, columns = pixels(published), grid_columns(published)
    inside = (columns >= 0) & (columns < 64)
    west, east = found[8:-8, inside & (columns < 31)], found[8:-8, columns[:] > 32]
    assert (west == 1).mean() > 0.98
    assert set(np.unique(east)) <= {0, 255}
    assert set(np.unique(pixels(published, "probability"))) <= {*range(20, 101), 255}


def test_a_map_is_published_with_accuracy_model_and_run(
    published: pystac.Item,
) -> None:
    said = published.properties
    assert said["heitu:kind"] == "crop-classes"
    assert said["heitu:accuracy"]["n"] == 256
    assert said["heitu:accuracy"]["overall"]["value"] > 0.95
    assert said["heitu:model"]["id"] == said["heitu:inputs"]["model"]
    assert [one["name"] for one in said["heitu:classes"]] == ["non-crop", "maize"]
    assert said["heitu:simulated"] is True
    assert said["start_datetime"].startswith("2026-04-01")
    with rasterio.open(published.assets["data"].href) as source:
        assert source.tags()["HEITU_RUN"] == said["heitu:run"]
        assert source.tags()["HEITU_SIMULATED"] == "true"


def test_the_very_same_map_is_not_computed_again(
    country: Path, published: pystac.Item
) -> None:
    again = run(country, "apply", str(country / "model.npz"), "--year", "2026", *BOX)
    assert "nothing to do" in again.output
    assert again.output.split()[-1] == published.id


def test_a_run_can_be_repeated_to_the_same_bytes(
    country: Path, published: pystac.Item
) -> None:
    before = {
        key: one.extra_fields["file:checksum"] for key, one in published.assets.items()
    }
    archive = Archive(country / "archive")
    archive.remove("products", published.id)
    run(country, "apply", str(country / "model.npz"), "--year", "2026", *BOX)
    again = archive.item("products", published.id)
    assert before == {
        key: one.extra_fields["file:checksum"] for key, one in again.assets.items()
    }
    assert again.properties["heitu:run"] == published.properties["heitu:run"]
    assert not [*(country / "crop-maps").iterdir()]


def test_the_archive_finds_the_published_map_whole(
    country: Path, published: pystac.Item
) -> None:
    assert Archive(country / "archive").verify() == []


def test_a_season_without_samples_is_mapped_with_a_warning(country: Path) -> None:
    made = run(country, "apply", str(country / "model.npz"), "--year", "2025", *BOX)
    item = Archive(country / "archive").item("products", made.output.split()[-1])
    assert "no sample is of 2025" in made.output
    assert "2025 年没有样本" in made.output
    assert item.properties["heitu:extrapolation"]["season_without_samples"] is True
    # All of that year's NDVI is 0.3 lower than anything in the samples.
    assert item.properties["heitu:extrapolation"]["pixels_outside"] > 0.9
    assert "unlike any sample" in made.output


def test_a_year_without_scenes_is_an_error(country: Path) -> None:
    made = run(country, "apply", str(country / "model.npz"), "--year", "2019", *BOX)
    assert isinstance(made.exception, NoScenesThere)
    assert "2025, 2026" in str(made.exception)
    check_languages(made.exception)


def test_a_map_is_not_published_without_its_accuracy(country: Path) -> None:
    bare = replace(load_model(country / "model.npz"), accuracy={})
    save_model(bare, country / "bare.npz")
    made = run(country, "apply", str(country / "bare.npz"), "--year", "2026", *BOX)
    assert isinstance(made.exception, AccuracyMissing)
    check_languages(made.exception)


def test_an_independent_accuracy_goes_before_that_of_the_model(country: Path) -> None:
    path = country / "accuracy.json"
    said = {
        "method": "50 points of our own",
        "n": 50,
        "classes": ["non-crop", "maize"],
        "confusion": [[24, 1], [2, 23]],
    }
    path.write_text(json.dumps(said))
    made = run(
        country,
        *("apply", str(country / "model.npz"), "--year", "2026", *BOX),
        *("--accuracy", str(path), "--name", "own-accuracy"),
    )
    item = Archive(country / "archive").item("products", "own-accuracy")
    assert item.properties["heitu:accuracy"]["n"] == 50
    assert item.properties["heitu:accuracy"]["independent"] is True
    assert "50 points of our own" in made.output


def test_a_wrong_label_is_first_in_the_review(country: Path) -> None:
    path = write_points(country / "wrong.csv")
    text = path.read_text().replace("maize", "noncrop", 1)
    path.write_text(text)
    shown = run(
        country,
        *("review", "--samples", str(path), "--year", "2026", *HOW, "--show", "1"),
    )
    place = lonlat(FINE, (2, 2))
    assert f"point {place['lon']:.6f} {place['lat']:.6f}" in shown.output
    assert "look again 需复核" in shown.output


def test_samples_of_other_years_are_counted_not_dropped(country: Path) -> None:
    path = write_points(country / "other.csv", year=2024)
    shown = run(country, "review", "--samples", str(path), "--year", "2026", *HOW)
    assert "row 1: of 2024, not of 2026" in shown.output
    assert "and 251 more rows that were not taken" in shown.output
    assert isinstance(shown.exception, NoScenesThere)
    check_languages(shown.exception)


def test_samples_of_years_that_are_not_asked_for_are_counted(country: Path) -> None:
    path = write_points(country / "third.csv", year=2024)
    years = ("--year", "2026", "--year", "2025")
    shown = run(country, "review", "--samples", str(path), *years, *HOW)
    assert "256 samples are of seasons that --year does not name" in shown.output


def test_a_model_can_be_looked_at(country: Path) -> None:
    path = str(country / "model.npz")
    shown = CliRunner().invoke(app, ["crop-map", "show", path])
    assert "classes 类别: non-crop 非耕地, maize 玉米" in shown.output


# Where samples come from.


def site(geometry: shapely.Geometry, *, year: int = 2026) -> Site:
    return Site("one", year, "maize", geometry, simulated=True)


def box(west: float, south: float, east: float, north: float) -> shapely.Geometry:
    """A polygon by rows and columns of the fine grid, in degrees."""
    corners = [(south, west), (south, east), (north, east), (north, west)]
    places = [lonlat(FINE, (row - 0.5, column - 0.5)) for row, column in corners]  # type: ignore[arg-type]
    return shapely.Polygon([(place["lon"], place["lat"]) for place in places])


def sampler(country: Path) -> Sampler:
    return Sampler(archive=Archive(country / "archive"), plan=PLAN, per_place=4)


def test_a_field_gives_some_of_its_whole_pixels(country: Path) -> None:
    # From pixel 10.5 to 14.5: of five pixels a side only 11, 12, 13 are whole.
    found = sampler(country).table([site(box(10.5, 20.5, 14.5, 24.5))])
    assert len(found.rows) == 4
    assert found.rows["place"].unique().tolist() == ["one"]
    ends = {"one 605115 4795425", "one 605135 4795405"}
    assert ends <= set(found.rows["sample"])
    assert found.simulated


def test_a_field_without_a_whole_pixel_is_listed(country: Path) -> None:
    small = site(box(10.2, 20.2, 10.9, 20.9))
    with pytest.raises(NoScenesThere, match="smaller than a pixel") as error:
        sampler(country).table([small])
    check_languages(error.value)
    both = sampler(country).table([small, replace(site(box(4, 4, 8, 8)), name="two")])
    assert [(one.sample, one.kind) for one in both.remarks] == [("one", "small")]


def test_a_year_without_scenes_lists_its_samples(country: Path) -> None:
    point = shapely.Point(*lonlat(FINE, (5, 5)).values())
    found = sampler(country).table([site(point), site(point, year=2019)])
    assert [(one.year, one.kind) for one in found.remarks] == [(2019, "outside")]
    assert len(found.rows) == 1


def test_features_of_a_point_are_those_of_its_pixel(country: Path) -> None:
    points = [
        shapely.Point(*lonlat(FINE, place).values()) for place in ((5, 5), (5, 50))
    ]
    rows = sampler(country).table([site(point) for point in points]).rows
    assert rows["ndvi_smooth_0701"].tolist() == pytest.approx([0.85, 0.15], abs=0.15)
    assert rows["clear"].all()


COMMON: dict[str, Any] = {"year": 2026, "county": "220322", "simulated": True}
SHAPE = shapely.box(124.29, 43.30, 124.30, 43.31)


def segment(row: int, maize: float | None, rice: float) -> Segment:
    return Segment(
        row=row,
        segment_id=f"s{row}",
        stratum="1",
        geometry=SHAPE,
        area_ha=100.0,
        maize_ha=maize,
        rice_ha=rice,
        soybean_ha=0.0,
        other_ha=0.0,
        **COMMON,
    )


def point(row: int, crop: str | None, *, is_crop: bool = True) -> CropPoint:
    lon = 124.29 + row / 1000
    return CropPoint(row=row, lon=lon, lat=43.305, is_crop=is_crop, crop=crop, **COMMON)


def data_set(kind: str) -> ground.Dataset:
    return ground.Dataset(
        dataset_id=kind,
        kind=kind,
        source="x.csv",
        layer="",
        checksum="00",
        parameters={},
        licence=None,
        attribution=None,
        converted_from=None,
        simulated=True,
        imported_at=datetime(2026, 11, 1, tzinfo=UTC),
    )


def test_the_store_gives_points_fields_and_pure_segments(store: Store) -> None:
    points = [point(1, None, is_crop=False), point(2, None), point(3, "soybean")]
    areas = [(97.0, 1.0), (0.0, 0.5), (60.0, 30.0), (None, 0.0)]
    segments = [segment(row, *area) for row, area in enumerate(areas, start=1)]
    field = Field("f1", "220322", "一", "one", "rice", 2026, SHAPE, 90.0, True)
    with store.connection() as conn:
        for kind in ("points", "segments"):
            ground.put_dataset(conn, data_set(kind))
        ground.put(conn, ground.POINTS, points, dataset_id="points")
        ground.put(conn, ground.SEGMENTS, segments, dataset_id="segments")
        fields.put(conn, [field])
        found = sites_of_store(conn, years=[2026], bounds=(124, 43, 125, 44))
    labels = {one.name: one.label for one in found.sites}
    assert labels == {
        "point 124.291000 43.305000": "non-crop",
        "point 124.292000 43.305000": "crop",
        "point 124.293000 43.305000": "soybean",
        "field f1": "rice",
        "segment s1": "maize",
        "segment s2": "non-crop",
    }
    assert found.notes[0].startswith("2 segments hold several crops")
