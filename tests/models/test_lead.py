from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.typing import NDArray

from models import ColumnMissing, SeasonInvalid, ShapeMismatch, ValueInvalid
from models.features import weather_features, weather_names
from models.lead import (
    lead_days,
    lead_name,
    same_day,
    season_to_date,
)

NODATA = -32768


@pytest.mark.parametrize(
    ("day", "days", "name"),
    [
        (date(2026, 6, 30), 92, "june"),
        (date(2026, 8, 31), 30, "august"),
        (date(2026, 9, 30), 0, "september"),
        (date(2026, 10, 1), 0, "harvest"),
        (date(2026, 10, 31), 0, "harvest"),
    ],
)
def test_lead_is_counted_back_from_the_end_of_september(
    day: date, days: int, name: str
) -> None:
    assert lead_days(day, year=2026) == days
    assert lead_name(day, year=2026) == name


def test_leap_day_is_the_last_of_february_in_other_years() -> None:
    assert same_day(date(2024, 2, 29), 2023) == date(2023, 2, 28)
    assert same_day(date(2026, 6, 30), 2019) == date(2019, 6, 30)


def weather(year: int = 2026, **changes: float) -> pd.DataFrame:
    """Each day of May to October: 20..30 deg C, 2 mm, 15 MJ."""
    days = pd.date_range(f"{year}-05-01", f"{year}-10-31")
    plain = {"tmin": 20.0, "tmax": 30.0, "precipitation": 2.0, "radiation": 15.0}
    return pd.DataFrame({"county": "220322", "day": days, **plain, **changes})


def test_weather_up_to_a_day_sums_the_days_that_have_been() -> None:
    found = weather_features(weather(), until=date(2026, 7, 15))
    # 31 + 30 + 15 days of 15 degree days and 15 MJ; 61 and 15 days of 2 mm.
    assert found.to_dict("records") == [
        {
            "county": "220322",
            "gdd10": 76 * 15.0,
            "edd30": pytest.approx(0.0, abs=1e-9),
            "precipitation_may_jun": 122.0,
            "precipitation_jul_aug": 30.0,
            "radiation": 76 * 15.0,
        }
    ]


def test_weather_to_the_end_is_that_of_the_whole_season() -> None:
    daily = weather(tmax=36.0)
    pd.testing.assert_frame_equal(
        weather_features(daily, until=date(2026, 10, 31)),
        weather_features(daily, until=date(2026, 9, 30)),
        check_like=True,
    )


def test_later_days_change_nothing() -> None:
    daily = weather()
    until = date(2026, 6, 30)
    wet = daily.assign(
        precipitation=np.where(daily["day"] > pd.Timestamp(until), 99.0, 2.0)
    )
    pd.testing.assert_frame_equal(
        weather_features(wet, until=until), weather_features(daily, until=until)
    )


def test_single_missing_day_leaves_no_sum() -> None:
    daily = weather()
    gap = daily[daily["day"] != pd.Timestamp(2026, 5, 20)]
    found = weather_features(gap, until=date(2026, 7, 31)).iloc[0]
    assert np.isnan(found["gdd10"])
    assert np.isnan(found["precipitation_may_jun"])
    assert found["precipitation_jul_aug"] == 62.0


@pytest.mark.parametrize(
    ("until", "names"),
    [
        (date(2026, 5, 5), ()),
        (
            date(2026, 7, 9),
            ("gdd10", "edd30", "precipitation_may_jun", "radiation"),
        ),
    ],
)
def test_sum_of_few_days_is_no_feature(until: date, names: tuple[str, ...]) -> None:
    assert weather_names(until) == names


def test_weather_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueInvalid, match=r"220322 on 2026-05-01.*最低气温"):
        weather_features(weather(tmin=31.0), until=date(2026, 6, 30))
    with pytest.raises(ColumnMissing, match="radiation"):
        weather_features(weather().drop(columns="radiation"), until=date(2026, 6, 30))


def season(curve: NDArray[Any]) -> xr.Dataset:
    """An open season of (time, y, x) integers, in dekads from 21 April."""
    first = pd.Timestamp(2026, 4, 21)
    starts = [first + timedelta(days=10 * i) for i in range(len(curve))]
    bounds = np.array([[s, s + timedelta(days=10)] for s in starts], "M8[ns]")
    counts = (curve != NODATA).astype(np.uint8)
    attributes = {"_FillValue": np.int16(NODATA), "scale_factor": 0.0001}
    return xr.Dataset(
        {
            "ndvi_smooth": (("time", "y", "x"), curve.astype(np.int16), attributes),
            "clear_count": (("time", "y", "x"), counts),
        },
        coords={
            "time": bounds[:, 0],
            "time_bnds": (("time", "bnds"), bounds),
        },
    )


def to_date(cube: xr.Dataset, *, maize: list[int]) -> dict[Any, Any]:
    fractions = np.zeros((3, 1, len(maize)), np.uint8)
    fractions[0, 0] = maize
    found = season_to_date(
        cube,
        zones=np.zeros((1, len(maize)), np.int16),
        fractions=fractions,
        county_codes=["220322"],
    )
    return found[found["crop"] == "maize"].to_dict("records")[0]


def test_straight_rise_is_measured_as_it_is() -> None:
    # From 0.2 up by 0.1 a dekad: smoothing leaves a straight line alone.
    rise = np.array([2000, 3000, 4000, 5000])[:, None, None] * np.ones((1, 1, 2))
    found = to_date(season(rise), maize=[100, 50])
    assert found["peak"] == pytest.approx(0.5, abs=1e-4)
    assert found["latest"] == pytest.approx(0.5, abs=1e-4)
    # The dekad of April is not of the season: 10 days of 0.3, 0.4 and 0.5.
    assert found["integral"] == pytest.approx(12.0, abs=1e-2)
    assert found["pixels"] == 2
    assert found["clear_share"] == 1.0
    assert np.isnan([found["sos"], found["pos"], found["eos"]]).all()


def test_clouded_end_runs_on() -> None:
    rise = np.array([2000, 3000, 4000, 5000, NODATA])[:, None, None]
    found = to_date(season(rise), maize=[100])
    assert found["latest"] == pytest.approx(0.6, abs=1e-3)


def test_pixels_weigh_by_their_crop() -> None:
    flat = np.array([[[8000, 4000]]] * 4)
    assert to_date(season(flat), maize=[75, 25])["peak"] == pytest.approx(0.7)


def test_pixel_with_little_of_the_crop_does_not_speak() -> None:
    flat = np.array([[[8000, 4000]]] * 4)
    assert to_date(season(flat), maize=[75, 19])["peak"] == pytest.approx(0.8)


def test_crop_never_seen_clear_has_no_features() -> None:
    dark = np.full((4, 1, 1), NODATA)
    found = to_date(season(dark), maize=[100])
    assert np.isnan([found["peak"], found["integral"], found["latest"]]).all()
    assert found["pixels"] == 0
    assert found["clear_share"] == 0.0


def test_season_of_other_variables_is_refused() -> None:
    cube = season(np.full((3, 1, 1), 5000)).drop_vars("ndvi_smooth")
    with pytest.raises(SeasonInvalid, match="ndvi_smooth"):
        to_date(cube, maize=[100])


def test_grids_that_differ_are_refused() -> None:
    with pytest.raises(ShapeMismatch, match="网格不一致"):
        to_date(season(np.full((3, 1, 1), 5000)), maize=[100, 100])


def test_zone_without_a_county_is_refused() -> None:
    with pytest.raises(ShapeMismatch, match="zone 1 has no county"):
        season_to_date(
            season(np.full((3, 1, 1), 5000)),
            zones=np.ones((1, 1), np.int16),
            fractions=np.zeros((3, 1, 1), np.uint8),
            county_codes=["220322"],
        )
