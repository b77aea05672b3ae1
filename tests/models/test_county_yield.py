import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import (
    ColumnMissing,
    CountyYieldModel,
    RowsDuplicated,
    ValueInvalid,
)
from tests.models.histories import linear_history, response_history
from tests.models.messages import refused

NAMES = ("f0", "f1", "f2")


def rows(county: str = "220322", **values: object) -> pd.DataFrame:
    row = {"county": county, "crop": "maize", "year": 2020} | values
    return pd.DataFrame([row])


def normal_rows(history: pd.DataFrame, year: int) -> pd.DataFrame:
    """Rows of a year in which every feature is the county's mean."""
    means = history.groupby(["county", "crop"])[list(NAMES)].mean().reset_index()
    return means.assign(year=year)


def test_a_straight_trend_is_continued_with_no_doubt() -> None:
    model = CountyYieldModel.fit(linear_history(), features=())
    result = model.predict(rows())
    # 6 t/ha in the middle of 2012..2019 (2015.5), 1 % of it a year, to 2020.
    assert result["value"].item() == pytest.approx(6.0 * 1.045)
    assert result["lower"].item() == pytest.approx(6.27)
    assert result["upper"].item() == pytest.approx(6.27)
    assert result["status"].item() == "forecast"
    assert result["reason"].item() is None


def test_the_interval_is_the_left_out_error_of_the_years() -> None:
    # A flat county at 10 t/ha with departures +-1 % .. : the median of the other
    # years stays 10, the slope of each fold stays near 0.
    departures = [0.0, 0.1, 0.0, -0.1, 0.0, 0.0, 0.1, 0.0, -0.1, 0.0, 0.0]
    history = pd.DataFrame(
        {
            "county": "220322",
            "crop": "maize",
            "year": range(2009, 2020),
            "yield_t_ha": [10.0 + d for d in departures],
        }
    )
    result = CountyYieldModel.fit(history, features=()).predict(rows())
    # Four of 11 years miss by 0.1, more than a fifth; few years widen it as Student
    # over normal at 0.9 with 10 degrees of freedom, 1.3722 / 1.2816.
    assert result["value"].item() == pytest.approx(10.0)
    assert result["upper"].item() - 10.0 == pytest.approx(0.10707, abs=1e-5)


def test_the_interval_grows_with_the_level_of_the_county() -> None:
    history = response_history(1)
    result = CountyYieldModel.fit(history, features=NAMES).predict(
        normal_rows(history, 2025)
    )
    level = history.groupby("county")["yield_t_ha"].median().to_numpy()
    share = (result["upper"] - result["value"]) / level
    assert np.ptp(share.to_numpy()) < 1e-12


def test_the_lower_limit_is_not_negative() -> None:
    history = linear_history().assign(yield_t_ha=[1.0, 9.0, 1.0, 9.0] * 6)
    result = CountyYieldModel.fit(history, features=()).predict(rows())
    assert result["lower"].item() == 0.0


def test_a_good_season_is_above_the_trend_and_a_normal_one_on_it() -> None:
    history = response_history(2, noise=0.005)
    model = CountyYieldModel.fit(history, features=NAMES)
    normal = normal_rows(history, 2025)
    trend = CountyYieldModel.fit(history, features=()).predict(normal)
    usual = model.predict(normal)
    good = model.predict(normal.assign(f0=normal["f0"] + 1.0))
    gain = (good["value"] - usual["value"]) / model.crops["maize"].trend.level
    assert usual["value"].to_numpy() == pytest.approx(trend["value"].to_numpy())
    assert gain.to_numpy() == pytest.approx(0.06, abs=0.01)


def test_features_that_say_nothing_leave_the_trend() -> None:
    history = response_history(3, response=(0.0, 0.0, 0.0))
    model = CountyYieldModel.fit(history, features=NAMES)
    assert model.crops["maize"].penalty is None
    assert model.crops["maize"].regression is None


@given(order=st.permutations(range(30)))
@settings(max_examples=15, deadline=None)
def test_the_order_of_rows_does_not_matter(order: list[int]) -> None:
    history = response_history(4, counties=3, years=10)
    target = normal_rows(history, 2025)
    expected = CountyYieldModel.fit(history, features=NAMES).predict(target)
    shuffled = CountyYieldModel.fit(history.iloc[order], features=NAMES)
    pd.testing.assert_frame_equal(shuffled.predict(target), expected, rtol=0, atol=0)


def test_predictions_keep_the_order_of_the_table() -> None:
    model = CountyYieldModel.fit(linear_history(), features=())
    table = pd.DataFrame(
        {
            "county": ["220382", "220322", "220322"],
            "crop": ["maize", "rice", "maize"],
            "year": 2020,
        },
        index=[7, 7, 3],
    )
    result = model.predict(table)
    assert result["county"].tolist() == ["220382", "220322", "220322"]
    assert result["crop"].tolist() == ["maize", "rice", "maize"]
    assert result["value"].round(2).tolist()[::2] == [10.45, 6.27]
    assert result.index.tolist() == [0, 1, 2]


@given(factor=st.floats(0.01, 100.0))
@settings(max_examples=15, deadline=None)
def test_the_unit_of_yield_is_free(factor: float) -> None:
    history = response_history(5, counties=4)
    target = normal_rows(history, 2025).assign(f0=1.0)
    columns = ["value", "lower", "upper"]
    expected = CountyYieldModel.fit(history, features=NAMES).predict(target)[columns]
    scaled = history.assign(yield_t_ha=history["yield_t_ha"] * factor)
    result = CountyYieldModel.fit(scaled, features=NAMES).predict(target)[columns]
    assert np.allclose(result, expected * factor, rtol=1e-6)


def test_a_steeper_trend_moves_the_forecast_by_as_much() -> None:
    # 3 % of 8 t/ha a year more, around 2019.5, five and a half years ahead.
    history = response_history(6, noise=0.0)
    extra = 0.24 * (history["year"] - 2019.5)
    target = normal_rows(history, 2025)
    before = CountyYieldModel.fit(history, features=NAMES).predict(target)
    steeper = history.assign(yield_t_ha=history["yield_t_ha"] + extra)
    after = CountyYieldModel.fit(steeper, features=NAMES).predict(target)
    moved = (after["value"] - before["value"]).mean()
    assert moved == pytest.approx(0.24 * 5.5, rel=0.15)


def test_a_season_beyond_the_history_is_said_to_be() -> None:
    history = response_history(7)
    model = CountyYieldModel.fit(history, features=NAMES)
    target = normal_rows(history, 2025).assign(f1=9.0)
    result = model.predict(target)
    assert set(result["status"]) == {"forecast"}
    assert set(result["reason"]) == {
        "extrapolated: f1 outside the range of the history · 外推：f1超出历史范围"
    }
    assert result["value"].notna().all()


def test_a_year_far_ahead_is_said_to_be() -> None:
    model = CountyYieldModel.fit(linear_history(), features=())
    assert model.predict(rows(year=2022))["reason"].item() is None
    assert model.predict(rows(year=2023))["reason"].item() == (
        "extrapolated: 4 years after the end of the history · 外推：距历史末年已有4年"
    )


def test_a_year_not_yet_harvested_is_no_history() -> None:
    current = linear_history(years=1, first=2023).assign(yield_t_ha=math.nan)
    history = pd.concat([linear_history(), current])
    model = CountyYieldModel.fit(history, features=())
    assert model.crops["maize"].crop_years.tolist() == list(range(2012, 2020))
    assert model.predict(rows(year=2023))["reason"].item() == (
        "extrapolated: 4 years after the end of the history · 外推：距历史末年已有4年"
    )


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (
            rows("220101", f0=0.0, f1=0.0),
            "this county has no yield history of the crop · 本县没有该作物的单产历史",
        ),
        (
            rows(crop="soybean", f0=0.0, f1=0.0),
            "no county has a yield history of the crop · 没有任何县有该作物的单产历史",
        ),
        (
            rows("220323", f0=0.0, f1=math.nan),
            "this county's yield history has 4 of the 5 years needed"
            " · 本县单产历史只有4年，至少需要5年",
        ),
        (
            rows("220402", f0=0.0, f1=0.0),
            "the median of this county's yield history is zero"
            " · 本县历年单产的中位数为零",
        ),
    ],
)
def test_no_number_without_a_ground(row: pd.DataFrame, reason: str) -> None:
    counties = ("220322", "220323", "220402")
    history = linear_history(counties=counties).assign(f0=1.0, f1=2.0)
    short = (history["county"] == "220323") & (history["year"] > 2015)
    history.loc[short, "yield_t_ha"] = math.nan
    history.loc[history["county"] == "220402", "yield_t_ha"] = 0.0
    result = CountyYieldModel.fit(history, features=("f0", "f1")).predict(row)
    assert result["status"].item() == "missing"
    assert result["reason"].item() == reason
    assert result[["value", "lower", "upper"]].isna().all(axis=None)


def test_an_interval_that_cannot_be_stated_is_no_number() -> None:
    # Without any one of the good years the median is 0 and nothing is left to
    # compare with: three years remain, and 80 % needs four.
    history = pd.DataFrame(
        {
            "county": "220322",
            "crop": "maize",
            "year": range(2014, 2020),
            "yield_t_ha": [0.0, 0.0, 0.0, 5.0, 5.0, 5.0],
        }
    )
    result = CountyYieldModel.fit(history, features=()).predict(rows())
    assert result["reason"].item() == (
        "too few years of the yield history can be compared to state an interval"
        " · 单产历史中可比的年份太少，给不出区间"
    )
    assert result["value"].isna().all()


def test_four_years_of_history_give_no_number() -> None:
    model = CountyYieldModel.fit(linear_history(years=4), features=())
    assert model.predict(rows())["reason"].item() == (
        "this county's yield history has 4 of the 5 years needed"
        " · 本县单产历史只有4年，至少需要5年"
    )


def test_an_empty_table_gives_an_empty_table() -> None:
    model = CountyYieldModel.fit(linear_history(), features=())
    result = model.predict(rows().iloc[:0])
    assert result.columns.tolist() == [
        *("county", "crop", "year", "value", "lower", "upper", "status", "reason")
    ]
    assert result.empty


def test_crops_do_not_mix() -> None:
    maize = linear_history()
    rice = maize.assign(crop="rice", yield_t_ha=maize["yield_t_ha"] * 0 + 3.0)
    model = CountyYieldModel.fit(pd.concat([maize, rice]), features=())
    assert model.predict(rows())["value"].item() == pytest.approx(6.27)
    assert model.predict(rows(crop="rice"))["value"].item() == pytest.approx(3.0)


def test_a_missing_column_is_named() -> None:
    with refused(ColumnMissing, match="history table has no column f9") as error:
        CountyYieldModel.fit(linear_history(), features=("f9",))
    assert error.value.columns == ("f9",)
    model = CountyYieldModel.fit(linear_history(), features=())
    with refused(ColumnMissing, match="feature table has no column year"):
        model.predict(rows().drop(columns="year"))


def test_the_same_county_twice_is_refused() -> None:
    history = linear_history()
    with refused(RowsDuplicated, match="county 220322, crop maize, year 2012"):
        CountyYieldModel.fit(pd.concat([history, history.iloc[:1]]), features=())


@pytest.mark.parametrize("wrong", [-0.1, math.inf])
def test_an_untrue_yield_is_refused(wrong: float) -> None:
    history = linear_history()
    history.loc[3, "yield_t_ha"] = wrong
    with refused(ValueInvalid, match=r"maize in county 220322, 2015"):
        CountyYieldModel.fit(history, features=())
