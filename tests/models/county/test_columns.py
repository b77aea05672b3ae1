"""Names of columns that say when a value is known."""

import pytest

from models.county import Moment, moment, series_columns


@pytest.mark.parametrize(
    ("column", "series", "day"),
    [
        ("ndvi_w26", "ndvi", 182),
        ("ndvi_w53", "ndvi", 366),
        ("rain_m02", "rain", 59),
        ("t_max_m12", "t_max", 365),
        ("tmax_d191", "tmax", 191),
    ],
)
def test_a_name_tells_the_last_day_of_its_time(
    column: str, series: str, day: int
) -> None:
    assert moment(column) == Moment(series, day)


@pytest.mark.parametrize(
    "column",
    ["rain_m13", "rain_m00", "ndvi_w7", "ndvi_w54", "tmax_d367", "t_d19", "m07"],
)
def test_other_names_are_no_time(column: str) -> None:
    assert moment(column) is None


def test_series_and_days_ascend_and_a_single_column_is_no_series() -> None:
    found = series_columns(["b_m03", "a_w02", "b_m01", "a_w01", "soil_d100"])
    assert list(found) == ["a", "b"]
    assert found["a"] == {7: "a_w01", 14: "a_w02"}
    assert found["b"] == {31: "b_m01", 90: "b_m03"}
