"""Daily weather as dekads."""

import numpy as np
import pandas as pd
import pytest

from models.county.dekads import dekads


def of_days(first: str, last: str) -> pd.DataFrame:
    """A county whose days have tmin 20, tmax 36 and 2 mm of rain."""
    days = pd.date_range(first, last)
    return pd.DataFrame(
        {
            "county": "220322",
            "day": days,
            "tmin": 20.0,
            "tmax": 36.0,
            "precipitation": 2.0,
            "radiation": 1.0 * days.day,
        }
    )


def test_dekads_end_on_the_10th_the_20th_and_the_last_day() -> None:
    (row,) = dekads(of_days("2021-07-01", "2021-07-31")).to_dict("records")
    assert (row["county"], row["year"]) == ("220322", 2021)
    # 10, 20 and 31 July are days 191, 201 and 212 of a common year.
    assert [row[f"radiation_d{d}"] for d in (191, 201, 212)] == [5.5, 15.5, 26.0]
    assert [row[f"precipitation_d{d}"] for d in (191, 201, 212)] == [20.0, 20.0, 22.0]


def test_leap_years_have_the_columns_of_others() -> None:
    leap, common = (dekads(of_days(f"{y}-02-21", f"{y}-03-10")) for y in (2024, 2023))
    assert leap.columns.tolist() == common.columns.tolist()
    assert leap["precipitation_d059"].tolist() == [18.0]
    assert common["precipitation_d059"].tolist() == [16.0]


@pytest.mark.parametrize("lost", ["absent", "unknown"])
def test_dekad_that_lacks_a_day_is_unknown(lost: str) -> None:
    weather = of_days("2021-07-01", "2021-07-20")
    if lost == "absent":
        weather = weather.drop(index=3)
    else:
        weather.loc[3, "tmax"] = np.nan
    row = dekads(weather).iloc[0]
    assert np.isnan(row["tmax_d191"])
    assert row["tmax_d201"] == 36.0
