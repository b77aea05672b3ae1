"""`heitu growth`: from an archive to COGs and a table of counties."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from typer.testing import Result

from api.errors import CropUnknown, NoScenesThere, PeriodUnknown, PlaceInvalid
from api.growth_product import crop_share, finished_growth, make_growth
from api.growth_tables import counties_in, zone_table
from ingest.archive import Archive
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
    name = result.stdout.splitlines()[-1].removeprefix("products/")
    assert re.fullmatch("growth-220322-20260721-[0-9a-f]{6}-maize", name)
    item = Archive(data / "archive").item("products", name)
    about = item.properties
    assert (about["heitu:kind"], about["heitu:crop"]) == ("growth", "maize")
    assert about["heitu:simulated"] is True
    assert (about["heitu:unit"], about["heitu:colormap"]) == ("ΔNDVI", "rdylgn")


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
