"""Counties with a yield history whose season cannot be used."""

import math

import numpy as np
import pandas as pd
import pytest

from models import CountyYieldModel
from tests.models.histories import linear_history, response_history

NAMES = ("f0", "f1", "f2")
FORMS = ["value", "lower", "upper"]


def rows(county: str = "220322", **values: object) -> pd.DataFrame:
    row = {"county": county, "crop": "maize", "year": 2020} | values
    return pd.DataFrame([row])


def without_features(history: pd.DataFrame, *, prefix: str) -> pd.DataFrame:
    """The same yields in other counties, which nobody saw."""
    codes = prefix + history["county"].str[2:]
    return history.assign(county=codes, **dict.fromkeys(NAMES, math.nan))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (rows(f0=math.nan, f1=2.0), "no value for f0 · 仅据趋势估计：缺少f0"),
        (
            rows(f0=math.nan, f1=math.inf),
            "no value for f0, f1 · 仅据趋势估计：缺少f0、f1",
        ),
        (
            rows(f0=math.nan, f1=2.0, pixels=0, clear_share=math.nan),
            "no pixel with 20 % or more of the crop in this county"
            " · 仅据趋势估计：本县没有该作物占20%以上的像元",
        ),
        (
            rows(f0=math.nan, f1=2.0, pixels=0, clear_share=0.1),
            "no pixel of the crop with a clear season in this county"
            " · 仅据趋势估计：本县没有整季晴空观测足够的该作物像元",
        ),
        (
            rows(f0=math.nan, f1=2.0, year=2023),
            "no value for f0; extrapolated: 4 years after the end of the history"
            " · 仅据趋势估计：缺少f0；外推：距历史末年已有4年",
        ),
    ],
)
def test_a_season_not_seen_leaves_the_trend(row: pd.DataFrame, reason: str) -> None:
    history = linear_history().assign(f0=1.0, f1=2.0)
    model = CountyYieldModel.fit(history, features=("f0", "f1"))
    result = model.predict(row)
    # 6 t/ha in 2015.5 and 1 % of it a year, without a residual.
    ahead = row["year"].item() - 2015.5
    assert result["status"].item() == "forecast"
    assert result["reason"].item() == "from the trend alone: " + reason
    assert result[FORMS].to_numpy() == pytest.approx(6.0 * (1 + 0.01 * ahead))


def test_a_season_seen_in_too_few_years_leaves_the_trend() -> None:
    history = linear_history().assign(f0=1.0, pixels=50, clear_share=0.6)
    blind = (history["county"] == "220382") & (history["year"] > 2015)
    history.loc[blind, ["f0", "pixels", "clear_share"]] = math.nan, 0, math.nan
    # Years without a yield count neither as seen nor as not seen.
    early = linear_history(years=5, first=2007).assign(f0=math.nan, pixels=50)
    history = pd.concat([early.assign(yield_t_ha=math.nan), history])
    model = CountyYieldModel.fit(history, features=("f0",))
    result = model.predict(rows("220382", f0=1.0, pixels=50, clear_share=0.6))
    assert result["value"].item() == pytest.approx(10.0 * 1.045)
    assert result["status"].item() == "forecast"
    assert result["reason"].item() == (
        "from the trend alone: in past years no pixel with 20 % or more of the crop"
        " in this county (every feature known in 4 of 8 years, 5 needed)"
        " · 仅据趋势估计：往年本县没有该作物占20%以上的像元"
        "（8年中特征齐全的有4年，至少需要5年）"
    )


def test_a_season_model_that_would_serve_no_county_is_not_fitted() -> None:
    history = response_history(2, noise=0.005)
    assert CountyYieldModel.fit(history, features=NAMES).crops["maize"].penalty
    # Every year is seen somewhere, but no county in more than four of the ten.
    turn = history["county"].astype(int) + history["year"]
    seen = history.assign(f0=history["f0"].where(turn % 5 < 2))
    model = CountyYieldModel.fit(seen, features=NAMES).crops["maize"]
    assert set(model.feature_years) == {4}
    assert (model.penalty, model.regression) == (None, None)


def test_the_interval_counts_the_errors_of_the_counties_not_seen() -> None:
    # Both at 10 t/ha: one seen and flat, one not seen, +-1 % in six of 11 years.
    # The median of every fold stays 10, the slope 0.
    departures = [0.0, 0.1, -0.1, 0.0, 0.1, 0.0, -0.1, 0.1, 0.0, -0.1, 0.0]
    flat = pd.DataFrame({"crop": "maize", "year": range(2009, 2020)})
    seen = flat.assign(county="220322", yield_t_ha=10.0, f0=1.0)
    unseen = flat.assign(county="220323", f0=math.nan, yield_t_ha=departures)
    unseen["yield_t_ha"] += 10.0
    model = CountyYieldModel.fit(pd.concat([seen, unseen]), features=("f0",))
    result = model.predict(rows("220323", f0=math.nan))
    # Six of 22 rows miss by 0.1, more than a fifth; few years widen it as Student
    # over normal at 0.9 with 10 degrees of freedom, 1.3722 / 1.2816.
    assert result["value"].item() == pytest.approx(10.0)
    assert result["lower"].item() == pytest.approx(9.89293, abs=1e-5)
    assert result["upper"].item() == pytest.approx(10.10707, abs=1e-5)


def test_counties_not_seen_shape_the_trend() -> None:
    # Two of three counties gain 1 % a year and were never seen: so does the third.
    history = linear_history().assign(f0=math.nan)
    third = history["county"] == "220322"
    history.loc[third, ["yield_t_ha", "f0"]] = 6.0, 1.0
    result = CountyYieldModel.fit(history, features=("f0",)).predict(rows(f0=1.0))
    # The median departure of 2012..2019 from the slope lies in 2015.5.
    assert result["value"].item() == pytest.approx(6.0 * 1.045)
    assert result["reason"].item() is None


def test_counties_not_seen_leave_the_season_model_as_it_was() -> None:
    # Twins without features double every slope, so the trend stays where it was.
    history = response_history(2, noise=0.005)
    twins = without_features(history, prefix="99")
    last = history.loc[history["year"] == 2024].assign(year=2025)
    before = CountyYieldModel.fit(history, features=NAMES)
    after = CountyYieldModel.fit(pd.concat([history, twins]), features=NAMES)
    assert before.crops["maize"].penalty is not None
    assert after.crops["maize"].penalty == before.crops["maize"].penalty
    pd.testing.assert_frame_equal(after.predict(last), before.predict(last))


def test_a_county_not_seen_gets_what_a_trend_by_itself_gives() -> None:
    history = response_history(2, noise=0.005)
    both = pd.concat([history, without_features(history, prefix="99")])
    rest = both.loc[both["year"] == 2024].assign(year=2025, f0=math.nan, f1=9.0)
    model = CountyYieldModel.fit(both, features=NAMES)
    assert model.crops["maize"].penalty is not None
    result = model.predict(rest)
    trend = CountyYieldModel.fit(both, features=()).predict(rest)
    pd.testing.assert_frame_equal(result[FORMS], trend[FORMS])
    # f1 is far outside the history, but nothing was made of it.
    assert not result["reason"].str.contains("extrapolated").any()


def test_a_county_is_not_surer_for_want_of_its_season() -> None:
    # Ten counties that the season moves, among 60 that nothing moves.
    lively = response_history(8, counties=10)
    calm = linear_history(
        years=10, first=2015, counties=tuple(f"99{i:04d}" for i in range(60))
    )
    history = pd.concat([lively, calm])
    row = lively.loc[lively["year"] == 2024].iloc[:1].assign(year=2025)
    model = CountyYieldModel.fit(history, features=NAMES)
    seen = model.predict(row)
    unseen = model.predict(row.assign(f0=math.nan))
    trend = CountyYieldModel.fit(history, features=()).predict(row)
    width = [(table["upper"] - table["value"]).item() for table in (seen, unseen)]
    assert model.crops["maize"].penalty is not None
    assert (trend["upper"] - trend["value"]).item() < width[0]
    assert width[1] == pytest.approx(width[0])


def test_a_season_without_an_interval_takes_none_from_the_trend() -> None:
    # Without any one of the good years the level of the county seen is 0, which
    # leaves three years to compare; the other county has all six.
    seen = pd.DataFrame(
        {
            "county": "220322",
            "crop": "maize",
            "year": range(2014, 2020),
            "yield_t_ha": [0.0, 0.0, 0.0, 5.0, 5.0, 5.0],
            "f0": [0.0, 0.0, 0.0, 1.0, 1.0, 1.0],
        }
    )
    unseen = seen.assign(county="220323", yield_t_ha=5.0, f0=math.nan)
    model = CountyYieldModel.fit(pd.concat([seen, unseen]), features=("f0",))
    result = model.predict(rows("220323", f0=math.nan))
    assert result["status"].item() == "forecast"
    assert np.isfinite(result[FORMS]).all(axis=None)
