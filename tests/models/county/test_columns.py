"""Names of columns that say when a value is known."""

import pytest

from models import ValueInvalid
from models.county import Moment, moment, series_columns


@pytest.mark.parametrize(
    ("column", "series", "day"),
    [
        ("ndvi_w26", "ndvi", 182),
        ("ndvi_w53", "ndvi", 366),
        ("rain_m02", "rain", 59),
        ("t_max_m12", "t_max", 365),
        ("tmax_d191", "tmax", 191),
        ("ndvi_w7", "ndvi", 49),
        ("rain_M4", "rain", 120),
        ("t_d19", "t", 19),
    ],
)
def test_a_name_tells_the_last_day_of_its_time(
    column: str, series: str, day: int
) -> None:
    assert moment(column) == Moment(series, day)


@pytest.mark.parametrize(
    "column",
    ["rain_m13", "rain_m00", "ndvi_w54", "tmax_d367", "tmax_d0191", "m07"],
)
def test_other_names_are_no_time(column: str) -> None:
    assert moment(column) is None


def test_series_and_days_ascend() -> None:
    found = series_columns(["b_m03", "a_w02", "b_m01", "a_w01", "c_d100"])
    assert list(found) == ["a", "b", "c"]
    assert found["a"] == {7: "a_w01", 14: "a_w02"}
    assert found["b"] == {31: "b_m01", 90: "b_m03"}


def test_two_columns_of_one_day_are_refused() -> None:
    with pytest.raises(ValueInvalid, match="rain_m4 and rain_m04 are both rain"):
        series_columns(["rain_m4", "rain_m04"])
