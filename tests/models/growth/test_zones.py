"""Fields and counties: means by crop, and a status where there is none."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox

from models.growth import Grading, grade_block, growth_table, zone_years
from models.reasons import Reason
from raster.coverage import coverage

# Four pixels of 0.1 degrees; the left zone holds two columns, the right one as many.
GRID = GeoBox((2, 4), Affine(0.1, 0, 124.0, 0, -0.1, 43.2), "EPSG:4326")
LEFT = shapely.box(124.0, 43.0, 124.2, 43.2)
RIGHT = shapely.box(124.2, 43.0, 124.4, 43.2)
NODATA = -32768


def table(
    values: np.ndarray[Any, Any],
    *,
    weights: np.ndarray[Any, Any] | None = None,
    zones: tuple[Any, ...] = (LEFT, RIGHT),
    absent: dict[int, Reason] | None = None,
    **settings: Any,
) -> pd.DataFrame:
    grading = Grading(**settings)
    days = pd.to_datetime(
        [f"{2027 - len(values) + i}-07-21" for i in range(len(values))]
    )
    stack = xr.DataArray(
        values.astype(np.int16),
        dims=("time", "y", "x"),
        coords={"time": days},
        attrs={"_FillValue": np.int16(NODATA), "scale_factor": 1e-4},
    )
    block = grade_block(stack.to_numpy()[-1], stack.to_numpy()[:-1], grading)
    grade = xr.DataArray(
        block[4].astype(np.uint8), dims=("y", "x"), attrs={"_FillValue": np.uint8(0)}
    )
    found = zone_years(
        stack,
        grade,
        coverage(GRID, list(zones)),
        weights=weights,
        min_share=grading.min_share,
        zones=[f"zone {i}" for i in range(len(zones))],
    )
    return growth_table(found, grading, absent=absent)


def flat(*levels: int) -> np.ndarray[Any, Any]:
    """One even picture a year."""
    return np.repeat(np.array(levels), 8).reshape(-1, 2, 4)


def test_a_zone_is_graded_by_the_mean_of_its_years() -> None:
    row = table(flat(5000, 6000, 7000, 8000, 9000, 8000)).iloc[0]
    assert row["value"] == pytest.approx(0.8)
    assert row["normal"] == pytest.approx(0.7)
    assert row["vci"] == pytest.approx(75.0)
    assert (row["grade"], row["grade_zh"], row["status"]) == (5, "好", "ok")
    assert row["share_5"] == pytest.approx(1.0)


def test_crop_shares_weigh_the_pixels() -> None:
    values = flat(*[5000] * 5, 5000)
    values[:, :, 0] = 8000
    weights = np.array([[0.9, 0.3, 0, 0], [0.9, 0.3, 0, 0]])
    # (0.9 * 0.8 + 0.3 * 0.5) / 1.2
    assert table(values, weights=weights).iloc[0]["value"] == pytest.approx(0.725)


def test_a_zone_without_the_crop_says_so() -> None:
    weights = np.array([[1.0, 1.0, 0, 0], [1.0, 1.0, 0, 0]])
    row = table(flat(*[5000] * 6), weights=weights).iloc[1]
    assert (row["status"], pd.isna(row["grade"])) == ("empty", True)


def test_a_field_smaller_than_a_pixel_has_no_grade() -> None:
    field = shapely.box(124.01, 43.01, 124.02, 43.02)
    row = table(flat(*[5000] * 6), zones=(field,)).iloc[0]
    assert (row["status"], pd.isna(row["value"])) == ("too_small", True)


def test_without_a_clear_pixel_this_year_there_is_no_grade() -> None:
    row = table(flat(*[5000] * 5, NODATA)).iloc[0]
    assert (row["status"], pd.isna(row["grade"]), row["seen"]) == ("no_value", True, 0)
    assert "0% of the crop was seen" in row["reason_en"]


def test_a_year_of_which_too_little_was_seen_does_not_count() -> None:
    values = flat(*[5000, 6000, 7000, 8000, 9000], 7000)
    values[0, :, 0] = NODATA
    values[0, 0, 1] = NODATA
    left, right = table(values).to_dict("records")
    assert (left["years"], left["status"]) == (4, "few_years")
    assert (right["years"], right["status"]) == (5, "ok")


def test_two_years_of_history_name_the_years_without_imagery() -> None:
    absent = {2022: Reason("no imagery", "没有影像")}
    row = table(flat(5000, 6000, 7000), absent=absent).iloc[0]
    assert row["status"] == "few_years"
    assert row["reason_en"] == (
        "2 of the 5 past years needed have a value; no imagery in 2022"
    )
    assert "2022年没有影像" in row["reason_zh"]


def test_shares_of_grades_are_by_crop_area() -> None:
    values = flat(*[5000] * 5, 5000)
    values[-1, :, 0] = 4000  # 0.1 below: much worse
    weights = np.array([[1.0, 0.5, 0, 0], [1.0, 0.5, 0, 0]])
    row = table(values, weights=weights).iloc[0]
    assert [row[f"share_{i}"] for i in range(1, 6)] == pytest.approx(
        [2 / 3, 0, 1 / 3, 0, 0], abs=1e-6
    )
