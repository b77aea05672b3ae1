"""`heitu growth`: from an archive to COGs and a table of counties."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from typer.testing import Result

from api.catalogue import Catalogue
from api.errors import CropUnknown, NoScenesThere, PeriodUnknown, PlaceInvalid
from api.growth_product import finished_growth, make_growth
from api.growth_share import crop_share
from api.growth_tables import counties_in, zone_table
from ingest.archive import Archive, BandData
from models.growth import Grading
from raster.errors import NoClearPixel
from tests.api import growth_cases as cases


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with five past years of one county, and a crop map."""
    folder = tmp_path_factory.mktemp("growth")
    archive = Archive(folder / "archive")
    cases.add_years(archive, cases.LEVELS)
    cases.add_crop_map(archive)
    return folder


def asked(data: Path, *more: str) -> tuple[str, ...]:
    county = ("--county", "梨树县", "--date", "2026-07-25", "--past", "6")
    return ("growth", *county, *more)


def table_of(result: Result) -> pd.DataFrame:
    """Read the table that a command says it wrote."""
    (path,) = (line for line in result.stdout.splitlines() if line.endswith(".csv"))
    return pd.read_csv(path, encoding="utf-8-sig", dtype={"zone": str})


def test_a_county_is_graded_against_its_past_years(data: Path) -> None:
    result = cases.run(data, *asked(data))
    assert result.exit_code == 0, result.output
    assert "较差 worse" in result.stdout
    row = table_of(result).iloc[0]
    assert (row["zone"], row["name_zh"], row["grade"]) == ("220322", "梨树县", 2)
    assert row["value"] == pytest.approx(0.58, abs=2e-4)
    assert row["normal"] == pytest.approx(0.64, abs=2e-4)
    assert row["vci"] == pytest.approx(-25, abs=0.5)
    # Half the deviations of 0.04 and 0.02 squared: sqrt(0.004 / 4) = 0.0316.
    assert row["anomaly"] == pytest.approx(-0.06 / 0.031623, abs=0.02)
    assert (row["years"], row["status"], row["simulated"]) == (5, "below", True)


def test_the_product_holds_cogs_and_says_what_it_is_made_of(data: Path) -> None:
    request = cases.request(Archive(data / "archive"))
    product = make_growth(request, data / "own")
    about = product.item.properties
    assert about["heitu:simulated"] is True
    assert about["heitu:past_years"] == [2021, 2022, 2023, 2024, 2025]
    assert about["heitu:absent_years"] == [2020]
    assert about["start_datetime"] == "2026-07-21T00:00:00Z"
    assert "of no standard" in about["heitu:limits_source"]
    assert len(about["heitu:lineage"]["scenes"]) == 24
    with rasterio.open(product.folder / "difference.tif") as source:
        assert (source.nodata, source.scales[0]) == (-32768, 1e-4)
        assert np.ptp(source.read(1)) == 0
        assert source.read(1)[0, 0] == pytest.approx(-600, abs=2)
    with rasterio.open(product.folder / "grade.tif") as source:
        assert (source.read(1) == 2).all()
    with rasterio.open(product.folder / "status.tif") as source:
        assert (source.read(1) == 1).all()


def test_the_same_growth_is_not_made_twice(data: Path) -> None:
    request = cases.request(Archive(data / "archive"))
    made = make_growth(request, data / "twice")
    again = finished_growth(request, data / "twice")
    assert again is not None
    assert again.item.properties["heitu:run"] == made.item.properties["heitu:run"]
    assert finished_growth(cases.request(request.archive, past=5), data) is None


def test_other_limits_are_another_product_and_another_grade(data: Path) -> None:
    limits = ("--limits", "-0.05", "-0.01", "0.01", "0.05")
    result = cases.run(data, *asked(data, *limits))
    assert "差 much worse" in result.stdout
    usual = cases.request(Archive(data / "archive"))
    assert usual.product_id not in result.stdout


def test_a_history_of_two_years_has_a_reason_and_no_grade(data: Path) -> None:
    result = cases.run(
        data, "growth", "--county", "220322", "--date", "2026-07-25", "--past", "2"
    )
    assert result.exit_code == 0, result.output
    assert "2 of the 5 past years needed have a value" in result.stdout
    assert "评级" not in result.stdout.splitlines()[-1]


def test_a_year_without_one_clear_pixel_does_not_count(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    cases.add_years(archive, cases.LEVELS, clouded=(2023,))
    request = cases.request(archive)
    product = make_growth(request, tmp_path / "out")
    row = zone_table(product, counties_in(request.place), share=None).iloc[0]
    assert (row["status"], row["years"], pd.isna(row["grade"])) == (
        "few_years",
        4,
        True,
    )


def test_clouds_over_this_year_leave_no_grade(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    cases.add_years(archive, cases.LEVELS, clouded=(2026,))
    request = cases.request(archive)
    product = make_growth(request, tmp_path / "out")
    row = zone_table(product, counties_in(request.place), share=None).iloc[0]
    assert (row["status"], pd.isna(row["value"])) == ("no_value", True)
    assert row["normal"] == pytest.approx(0.64, abs=2e-4)


def test_clouds_over_every_year_make_no_product(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    cases.add_years(archive, {2025: 0.5, 2026: 0.5}, clouded=(2025, 2026))
    with pytest.raises(NoClearPixel):
        make_growth(cases.request(archive), tmp_path / "out")
    assert not (tmp_path / "out" / "growth-220322-20260721").exists()


def test_a_year_without_scenes_this_year_is_refused(data: Path) -> None:
    result = cases.run(data, "growth", "--county", "220322", "--date", "2027-07-25")
    assert isinstance(result.exception, NoScenesThere)


@pytest.mark.parametrize("day", ["2026-01-15", "2026-04-20", "2026-11-01"])
def test_a_day_outside_the_season_is_refused(data: Path, day: str) -> None:
    result = cases.run(data, "growth", "--county", "220322", "--date", day)
    assert isinstance(result.exception, PeriodUnknown)
    assert "from 2026-04-21 to 2026-10-31" in str(result.exception)


@pytest.mark.parametrize("name", ["公主岭县", "999999", "lishu"])
def test_a_county_of_another_name_is_refused_with_what_may_be_meant(
    data: Path, name: str
) -> None:
    result = cases.run(data, "growth", "--county", name, "--date", "2026-07-25")
    assert isinstance(result.exception, PlaceInvalid)
    assert "GB/T 2260" in str(result.exception)


@pytest.mark.parametrize(
    "wrong",
    [
        ("--basis", "ndvi"),
        ("--limits", "1", "0", "2", "3"),
        ("--date", "July"),
    ],
)
def test_options_that_grade_nothing_are_wrong_usage(
    data: Path, wrong: tuple[str, ...]
) -> None:
    assert cases.run(data, *asked(data, *wrong)).exit_code == 2


def test_crop_shares_are_laid_over_the_grid(data: Path) -> None:
    archive = Archive(data / "archive")
    maize = crop_share(archive, "maize", cases.GRID)
    assert maize is not None
    assert np.unique(maize.share).tolist() == [0.5]
    # A tenth speaks for its neighbours: below the purity.
    soybean = crop_share(archive, "soybean", cases.GRID)
    assert soybean is not None
    assert not soybean.share.any()


def add_classes(archive: Archive, *, year: int, maize: tuple[slice, slice]) -> None:
    """A class map of pixels ten times as fine: maize somewhere, the rest unknown."""
    grid = cases.GRID.zoom_to(shape=(10 * cases.GRID.height, 10 * cases.GRID.width))
    code = np.full(grid.shape, 255, np.uint8)
    code[:30] = 0
    code[maize] = 1
    names = ({"name": "non-crop", "value": 0}, {"name": "maize", "value": 1})
    archive.add_product(
        product_id=f"crops-even-{year}",
        kind="crop-classes",
        geobox=grid,
        asset=BandData(code, grid, nodata=255),
        properties={
            "title": "Crops",
            "heitu:classes": list(names),
            "heitu:year": year,
            "heitu:run": "0123456789abcdef",
            "heitu:simulated": False,
        },
    )


def test_crop_classes_become_shares_of_the_known_pixels(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    # Of the first row of coarse pixels four of ten rows; then three rows of ten known.
    add_classes(archive, year=2026, maize=(slice(0, 4), slice(None)))
    found = crop_share(archive, "maize", cases.GRID)
    assert found is not None
    assert np.unique(found.share[0]).tolist() == [pytest.approx(0.4)]
    assert not found.share[1:].any()
    add_classes(archive, year=2025, maize=(slice(30, 33), slice(None)))
    past = crop_share(archive, "maize", cases.GRID, year=2025)
    assert past is not None
    assert past.item.id == "crops-even-2025"
    # Nothing else is known of that row: all that is known there is maize.
    assert np.unique(past.share[3]).tolist() == [1.0]
    with pytest.raises(CropUnknown, match="maize"):
        crop_share(archive, "non-crop", cases.GRID)


def test_a_crop_that_is_not_mapped_is_refused(data: Path) -> None:
    with pytest.raises(CropUnknown, match="maize, soybean"):
        crop_share(Archive(data / "archive"), "sorghum", cases.GRID)


def test_without_a_crop_map_all_land_is_graded_and_it_is_said(tmp_path: Path) -> None:
    cases.add_years(Archive(tmp_path / "archive"), cases.LEVELS)
    result = cases.run(tmp_path, *asked(tmp_path))
    assert result.exit_code == 0, result.output
    assert "all land is graded" in result.stderr


def test_a_published_growth_is_a_product_of_the_archive(data: Path) -> None:
    result = cases.run(data, *asked(data, "--publish"))
    names = [line.removeprefix("products/") for line in result.stdout.splitlines()[-2:]]
    stem = "growth-220322-20260721-[0-9a-f]{6}-maize"
    for name, kind in zip(names, ("grade", "difference"), strict=True):
        assert re.fullmatch(f"{stem}-{kind}", name)
    archive = Archive(data / "archive")
    grade, difference = (archive.item("products", name).properties for name in names)
    assert (grade["heitu:kind"], grade["heitu:crop"]) == ("growth-grade", "maize")
    assert (grade["heitu:simulated"], difference["heitu:simulated"]) == (True, True)
    assert [one["name_zh"] for one in grade["heitu:classes"]] == [
        *("差", "较差", "持平", "较好", "好")
    ]
    assert grade["heitu:period"] == ["2026-07-21", "2026-07-31"]
    assert "of no standard" in grade["heitu:warnings"][0]["en"]
    assert (difference["heitu:unit"], difference["heitu:colormap"]) == (
        "ΔNDVI",
        "rdylgn",
    )


def test_a_published_grade_is_drawn_in_its_colours(data: Path) -> None:
    cases.run(data, *asked(data, "--publish"))
    archive = Archive(data / "archive")
    products = Catalogue(archive).products()
    (grade,) = (one for one in products if one.kind == "growth-grade")
    assert (grade.colormap, grade.range, grade.scale) == ("classes", (1, 5), 1.0)
    with rasterio.open(archive.item("products", grade.id).assets["data"].href) as cog:
        assert (cog.nodata, np.unique(cog.read(1)).tolist()) == (0, [2])


def test_a_field_is_graded_from_its_file(data: Path, tmp_path: Path) -> None:
    ring = [[124.2, 43.2], [124.5, 43.2], [124.5, 43.5], [124.2, 43.5], [124.2, 43.2]]
    field = tmp_path / "一号地.geojson"
    field.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    result = cases.run(
        *(data, "growth", "--field", str(field), "--date", "2026-07-25"),
        *("--crop", "all", "--past", "6"),
    )
    assert result.exit_code == 0, result.output
    assert "一号地" in result.stdout
    assert "较差 worse" in result.stdout


def test_anomalies_grade_otherwise_than_differences(data: Path) -> None:
    request = cases.request(Archive(data / "archive"), grading=Grading(basis="anomaly"))
    product = make_growth(request, data / "anomaly")
    row = zone_table(product, counties_in(request.place), share=None).iloc[0]
    assert row["grade"] == 1  # -1.9 deviations
