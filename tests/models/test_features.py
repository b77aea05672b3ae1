import math
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from models import (
    ColumnMissing,
    RowsDuplicated,
    SeasonInvalid,
    ShapeMismatch,
    ValueInvalid,
    season_features,
    weather_features,
)
from models.features import extreme_degree_days, growing_degree_days
from tests.models.messages import refused

NODATA = -32768
CODES = ("220322", "220323")
# Two counties side by side, one pixel outside.
ZONES = np.array([[0, 0, 0], [1, 1, -1]], dtype=np.int16)


def season(**changed: list[list[int]]) -> xr.Dataset:
    """A season of 2 x 3 pixels and two steps; stored as raster.season stores it."""
    stored = {
        "peak": ([[8000, 6000, 7000], [9000, NODATA, 5000]], 1e-4),
        "integral": ([[6000, 5000, 4000], [7000, NODATA, 100]], 0.01),
        "sos": ([[30, 40, 50], [30, NODATA, 0]], 1.0),
        "pos": ([[90, 91, 92], [95, NODATA, 0]], 1.0),
        "eos": ([[150, 151, 152], [155, NODATA, 0]], 1.0),
    }
    data: dict[str, Any] = {}
    for name, (values, scale) in stored.items():
        raw = np.array(changed.get(name, values), dtype=np.int16)
        attrs = {"_FillValue": NODATA, "scale_factor": scale}
        data[name] = (("y", "x"), raw, attrs)
    clear = np.array([[[1, 1, 0], [2, 0, 1]], [[1, 0, 0], [1, 0, 1]]], np.uint8)
    return xr.Dataset(data | {"clear_count": (("time", "y", "x"), clear)})


def fractions(maize: list[list[int]]) -> np.ndarray:
    result = np.zeros((3, 2, 3), dtype=np.uint8)
    result[0] = maize
    return result


def features(
    cube: xr.Dataset, maize: list[list[int]], *, crop: str = "maize"
) -> pd.DataFrame:
    table = season_features(
        cube, zones=ZONES, fractions=fractions(maize), county_codes=CODES
    )
    return table.loc[table["crop"] == crop].set_index("county")


def test_means_are_weighted_by_crop_fraction() -> None:
    row = features(season(), [[75, 25, 0], [0, 0, 0]]).loc["220322"]
    assert row["peak"] == pytest.approx(0.75 * 0.8 + 0.25 * 0.6)
    assert row["integral"] == pytest.approx(0.75 * 60 + 0.25 * 50)
    assert row["sos"] == pytest.approx(32.5)
    assert row["pos"] == pytest.approx(90.25)
    assert row["eos"] == pytest.approx(150.25)
    assert row["pixels"] == 2
    # Clear in 2 of 2 steps with weight 75, in 1 of 2 with weight 25.
    assert row["clear_share"] == pytest.approx(0.875)


def test_a_pixel_with_less_than_a_fifth_of_the_crop_does_not_speak() -> None:
    row = features(season(), [[20, 19, 0], [0, 0, 0]]).loc["220322"]
    assert row["peak"] == pytest.approx(0.8)
    assert row["pixels"] == 1


def test_unknown_fractions_are_no_crop() -> None:
    row = features(season(), [[50, 255, 255], [0, 0, 0]]).loc["220322"]
    assert row["peak"] == pytest.approx(0.8)
    assert row["pixels"] == 1


def test_pixels_without_a_season_are_left_out() -> None:
    row = features(season(), [[0, 0, 0], [40, 40, 0]]).loc["220323"]
    assert row["peak"] == pytest.approx(0.9)
    assert row["pixels"] == 1
    assert row["clear_share"] == pytest.approx(0.5)


def test_all_features_describe_the_same_pixels() -> None:
    no_end = season(eos=[[NODATA, 151, 152], [155, NODATA, 0]])
    row = features(no_end, [[50, 50, 0], [0, 0, 0]]).loc["220322"]
    assert row["peak"] == pytest.approx(0.6)
    assert row["pixels"] == 1


def test_a_county_without_the_crop_has_no_features() -> None:
    row = features(season(), [[0, 0, 0], [40, 0, 0]]).loc["220322"]
    assert row[["peak", "integral", "sos", "pos", "eos", "clear_share"]].isna().all()
    assert row["pixels"] == 0


def test_a_county_without_a_clear_pixel_has_no_features() -> None:
    row = features(season(), [[0, 0, 0], [0, 90, 0]]).loc["220323"]
    assert row[["peak", "integral", "sos", "pos", "eos"]].isna().all()
    assert row["pixels"] == 0
    assert row["clear_share"] == 0.0


def test_every_county_and_crop_has_a_row() -> None:
    table = season_features(
        season(),
        zones=ZONES,
        fractions=fractions([[50, 0, 0], [0, 0, 90]]),
        county_codes=CODES,
    )
    assert table.columns.tolist() == [
        *("county", "crop", "peak", "integral", "sos", "pos", "eos"),
        *("pixels", "clear_share"),
    ]
    assert list(zip(table["county"], table["crop"], strict=True)) == [
        *(("220322", "maize"), ("220322", "rice"), ("220322", "soybean")),
        *(("220323", "maize"), ("220323", "rice"), ("220323", "soybean")),
    ]
    assert table["pixels"].tolist() == [1, 0, 0, 0, 0, 0]


def test_dask_is_computed_once_for_all_variables() -> None:
    reads = []

    def block(values: np.ndarray) -> np.ndarray:
        reads.append(values.shape)
        return values

    cube = season()
    lazy = cube.copy()
    for name in cube.data_vars:
        source = cube[name].chunk().data
        lazy[name] = cube[name].copy(
            data=source.map_blocks(block, dtype=source.dtype, meta=cube[name].data[:0])
        )
    maize = [[75, 25, 0], [40, 40, 0]]
    pd.testing.assert_frame_equal(features(lazy, maize), features(cube, maize))
    assert len(reads) == len(cube.data_vars)


def test_decoded_floats_are_taken_as_they_are() -> None:
    decoded = xr.decode_cf(season(), decode_times=False)
    row = features(decoded, [[75, 25, 0], [0, 0, 0]]).loc["220322"]
    assert row["peak"] == pytest.approx(0.75, abs=1e-6)


def test_integers_that_do_not_say_what_nodata_is_are_refused() -> None:
    cube = season()
    del cube["sos"].attrs["_FillValue"]
    with refused(SeasonInvalid, match="sos"):
        features(cube, [[75, 25, 0], [0, 0, 0]])


def test_an_absent_variable_is_named() -> None:
    with refused(SeasonInvalid, match="no variable eos, sos"):
        features(season().drop_vars(["sos", "eos"]), [[0] * 3] * 2)


def test_another_grid_is_refused() -> None:
    with refused(ShapeMismatch, match=r"zones \(1, 3\)"):
        season_features(
            season(),
            zones=ZONES[:1],
            fractions=fractions([[0] * 3] * 2),
            county_codes=CODES,
        )


def test_a_zone_without_a_county_is_refused() -> None:
    with refused(ShapeMismatch, match="zone 1 has no county"):
        season_features(
            season(),
            zones=ZONES,
            fractions=fractions([[0] * 3] * 2),
            county_codes=CODES[:1],
        )


@pytest.mark.parametrize(
    ("tmin", "tmax", "expected"),
    [
        (12.0, 24.0, 8.0),
        (4.0, 24.0, 7.0),  # the night counts as 10
        (16.0, 34.0, 13.0),  # the afternoon counts as 30
        (-5.0, 8.0, 0.0),
        (31.0, 40.0, 20.0),
    ],
)
def test_growing_degree_days(tmin: float, tmax: float, expected: float) -> None:
    value = growing_degree_days(tmin=np.array([tmin]), tmax=np.array([tmax]))
    assert value.tolist() == [expected]


@pytest.mark.parametrize(
    ("tmin", "tmax", "expected"),
    [
        (10.0, 30.0, 0.0),
        (24.0, 36.0, 6 / math.pi),  # mean 30: half a sine, swing / pi
        (32.0, 36.0, 4.0),  # all day above: the mean less 30
        (31.0, 31.0, 1.0),
        (29.0, 29.0, 0.0),
    ],
)
def test_extreme_degree_days(tmin: float, tmax: float, expected: float) -> None:
    value = extreme_degree_days(tmin=np.array([tmin]), tmax=np.array([tmax]))
    assert value.item() == pytest.approx(expected, abs=1e-12)


def test_extreme_degree_days_are_the_integral_of_the_sine() -> None:
    hours = np.linspace(0, 2 * np.pi, 200_001)
    sine = 28.0 + 8.0 * np.sin(hours)
    expected = np.trapezoid(np.maximum(sine - 30.0, 0), hours) / (2 * np.pi)
    value = extreme_degree_days(tmin=np.array([20.0]), tmax=np.array([36.0]))
    assert value.item() == pytest.approx(expected, rel=1e-6)


def weather(county: str = "220322") -> pd.DataFrame:
    """Every day of 2023: 12..24 deg C, 1 mm, 20 MJ/m2; July and August 24..36."""
    day = pd.date_range("2023-01-01", "2023-12-31")
    hot = day.month.isin([7, 8])
    return pd.DataFrame(
        {
            "county": county,
            "day": day,
            "tmin": np.where(hot, 24.0, 12.0),
            "tmax": np.where(hot, 36.0, 24.0),
            "precipitation": 1.0,
            "radiation": 20.0,
        }
    )


def season_of(frame: pd.DataFrame, *, year: int = 2023) -> pd.DataFrame:
    return weather_features(frame, until=date(year, 10, 31))


def test_a_season_of_weather() -> None:
    row = season_of(weather()).iloc[0]
    assert row["county"] == "220322"
    # 91 days of 8, 62 days of (24 + 30) / 2 - 10 = 17.
    assert row["gdd10"] == pytest.approx(91 * 8 + 62 * 17)
    assert row["edd30"] == pytest.approx(62 * 6 / math.pi)
    assert row["precipitation_may_jun"] == 61.0
    assert row["precipitation_jul_aug"] == 62.0
    assert row["precipitation_sep"] == 30.0
    assert row["radiation"] == 153 * 20.0


def test_other_years_and_the_order_of_days_do_not_matter() -> None:
    other = weather()
    other["day"] = other["day"] - pd.DateOffset(years=1)
    mixed = pd.concat([weather(), other.assign(precipitation=9.0)])
    expected = season_of(weather())
    shuffled = mixed.sample(frac=1.0, random_state=1)
    pd.testing.assert_frame_equal(season_of(shuffled), expected)


def test_days_may_be_dates() -> None:
    frame = weather()
    dates = frame.assign(day=[day.date() for day in frame["day"]])
    expected = season_of(frame)
    pd.testing.assert_frame_equal(season_of(dates), expected)


def test_part_of_a_season_is_not_a_small_season() -> None:
    frame = weather()
    frame = frame.loc[frame["day"] != pd.Timestamp("2023-07-10")]
    frame.loc[frame["day"] == pd.Timestamp("2023-09-10"), "radiation"] = np.nan
    row = season_of(frame).iloc[0]
    assert row[["gdd10", "edd30", "precipitation_jul_aug", "radiation"]].isna().all()
    assert row["precipitation_may_jun"] == 61.0
    assert row["precipitation_sep"] == 30.0


def test_a_county_without_the_year_is_visible() -> None:
    table = season_of(weather(), year=2024)
    assert table["county"].tolist() == ["220322"]
    assert table.drop(columns="county").isna().all(axis=None)


def test_untrue_weather_is_refused() -> None:
    frame = weather()
    frame.loc[frame["day"] == pd.Timestamp("2023-06-01"), "tmin"] = 25.0
    with refused(ValueInvalid, match=r"220322 on 2023-06-01: tmin 25.0"):
        season_of(frame)
    with refused(RowsDuplicated, match="county 220322, day 2023-05-01"):
        season_of(pd.concat([weather(), weather()]))
    with refused(ColumnMissing, match="no column radiation"):
        season_of(weather().drop(columns="radiation"))
