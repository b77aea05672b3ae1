"""The stack on statistics and daily weather, as the platform has them."""

from collections.abc import Hashable
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.county.platform import (
    FEWEST_YEARS,
    CountyStack,
    county_stacks,
    weather_read,
)
from tests.models.county.provinces import FIRST, Province, province

AUGUST = date(2021, 8, 31)


def stacks(made: Province, *, as_of: date = AUGUST) -> dict[str, CountyStack]:
    return county_stacks(made.history, made.current, made.weather, as_of=as_of)


def row(made: Province, *, county: str = "220001") -> dict[Hashable, Any]:
    rows = stacks(made)["maize"].predict(2021, interval=0.8)
    (found,) = rows[rows["county"] == county].to_dict("records")
    return found


@pytest.fixture(scope="module")
def plain() -> Province:
    return province(counties=6, years=16)


def test_weather_up_to_the_day_makes_an_estimate(plain: Province) -> None:
    rows = stacks(plain)["maize"].predict(2021, interval=0.8)
    assert rows["county"].tolist() == [f"22000{i}" for i in range(6)]
    assert set(rows["status"]) == {"forecast"}
    assert (rows["lower"] < rows["value"]).all()
    assert (rows["value"] < rows["upper"]).all()


def test_fourteen_years_have_no_stack() -> None:
    assert FEWEST_YEARS == 15
    assert stacks(province(counties=3, years=14)) == {}
    assert set(stacks(province(counties=3, years=15))) == {"maize"}


def test_years_without_weather_do_not_count(plain: Province) -> None:
    late = plain.weather["day"] >= pd.Timestamp(FIRST + 2, 1, 1)
    made = plain.with_weather(plain.weather[late])
    assert stacks(made) == {}


def test_order_of_rows_changes_nothing(plain: Province) -> None:
    def shuffled(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.sample(frac=1, random_state=3)

    made = Province(*(shuffled(frame) for frame in plain))
    pd.testing.assert_frame_equal(
        stacks(made)["maize"].predict(2021, interval=0.8),
        stacks(plain)["maize"].predict(2021, interval=0.8),
        check_exact=True,
    )


def test_county_with_two_years_is_missing_with_a_reason(plain: Province) -> None:
    history = plain.history
    gone = (history["county"] == "220001") & (history["year"] < 2019)
    told = row(plain.with_history(history[~gone]))
    assert (told["status"], np.isnan(told["value"])) == ("missing", True)
    assert told["reason"].startswith("the history has 2 of the 5 years needed · ")


def test_year_without_weather_is_of_the_level_alone(plain: Province) -> None:
    weather = plain.weather
    told = row(plain.with_weather(weather[weather["day"].dt.year < 2021]))
    assert told["status"] == "forecast"
    assert told["reason"].startswith("from the level alone: ")
    assert "仅据常年水平估计" in told["reason"]


def test_county_without_weather_is_of_the_level_alone(plain: Province) -> None:
    weather = plain.weather
    gone = (weather["county"] == "220001") & (weather["day"].dt.year == 2021)
    made = stacks(plain.with_weather(weather[~gone]))["maize"]
    told = made.predict(2021, interval=0.8)["reason"].tolist()
    assert told[1].startswith("from the level alone: ")
    assert told[2] is None


def test_history_that_ended_long_ago_is_told(plain: Province) -> None:
    made = province(counties=3, years=20)
    made = made.with_history(made.history[made.history["year"] < 2021])
    found = stacks(made, as_of=date(2025, 8, 31))
    rows = found["maize"].predict(2025, interval=0.8)
    assert rows["reason"].str.contains("5 years after the end of the history").all()


def test_days_after_the_day_are_not_read_of_any_year() -> None:
    days = pd.to_datetime(
        ["2020-06-30", "2020-07-02", "2020-12-31", "2021-06-30", "2021-07-01"]
    )
    read = weather_read(pd.DataFrame({"day": days}), as_of=date(2021, 6, 30))
    # December of the year before counts: what it left in the soil.
    assert read.tolist() == [True, False, True, True, False]


def test_summer_of_past_years_is_unknown_in_spring(plain: Province) -> None:
    weather, june = plain.weather, date(2021, 5, 31)
    summer = weather["day"].dt.month.isin([7, 8])
    hotter = weather.assign(tmax=weather["tmax"] + 9.0 * summer)
    first, second = (
        stacks(plain.with_weather(frame), as_of=june)["maize"].predict(
            2021, interval=0.8
        )
        for frame in (weather, hotter)
    )
    pd.testing.assert_frame_equal(first, second, check_exact=True)
