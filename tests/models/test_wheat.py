"""US county winter wheat, 2000-2021 (bu/ac): figures of an independent source."""

from pathlib import Path

import pandas as pd
import pytest

from models import CountyYieldModel, Skill, skill

VALIDATION = (2019, 2020, 2021)


@pytest.fixture(scope="module")
def wheat(shared_data: Path) -> pd.DataFrame:
    panel = pd.read_csv(
        shared_data / "wheat_county" / "county_winter_wheat_weather_panel.csv",
        dtype={"county_fips": str},
    )
    return panel.rename(
        columns={"county_fips": "county", "yield_bu_acre": "yield_t_ha"}
    )


@pytest.fixture(scope="module")
def seasons(shared_data: Path) -> pd.DataFrame:
    """Monthly weather from sowing in September to June, by harvest year."""
    pytest.importorskip("pyarrow", reason="the dekad weather is a parquet file")
    dekads = pd.read_parquet(
        shared_data / "wheat_county" / "county_dekad_weather_2000_2021.parquet"
    )
    dekads = dekads.loc[~dekads["month"].isin([7, 8])]
    by_month = (
        dekads.assign(year=dekads["year"] + (dekads["month"] >= 9))
        .groupby(["county_fips", "year", "month"])
        .agg(
            tmax=("t2m_max_mean_c", "mean"),
            tmin=("t2m_min_mean_c", "mean"),
            precipitation=("precip_mm", "sum"),
        )
        .reset_index()
    )
    months = by_month.pivot(index=["county_fips", "year"], columns="month")
    months.columns = pd.Index(["_".join(map(str, pair)) for pair in months.columns])
    return months.reset_index().rename(columns={"county_fips": "county"})


def test_the_five_year_mean_is_the_published_one(wheat: pd.DataFrame) -> None:
    (result,) = skill(wheat, features=(), years=VALIDATION)
    assert result.rows == 1152
    assert result.rmse_mean5 == pytest.approx(10.70, abs=0.005)


def test_the_trend_beats_the_published_baselines(wheat: pd.DataFrame) -> None:
    (result,) = skill(wheat, features=(), years=VALIDATION)
    # Own line of each county 11.53, five-year mean 10.70, best published 11.40.
    assert result.rmse_trend < 10.70
    assert 0.70 <= result.coverage <= 0.90


def test_annual_weather_says_nothing_and_the_trend_stands(wheat: pd.DataFrame) -> None:
    names = ("t2m_mean_c", "t2m_max_c", "t2m_min_c", "precip_total_mm")
    past = wheat.loc[wheat["year"] < 2019]
    assert CountyYieldModel.fit(past, features=names).crops["WHEAT"].penalty is None


def test_the_season_is_not_worse_than_the_baselines(
    wheat: pd.DataFrame, seasons: pd.DataFrame
) -> None:
    names = tuple(seasons.columns.drop(["county", "year"]))
    history = wheat.merge(seasons, on=["county", "year"], how="left")
    results = [
        skill(history, features=names, years=years)[0]
        for years in (range(2009, 2014), range(2014, 2019), VALIDATION)
    ]
    assert [not_worse(result) for result in results] == [True] * 3
    assert [0.70 <= result.coverage <= 0.92 for result in results] == [True] * 3


def not_worse(result: Skill) -> bool:
    return result.rmse <= 1.1 * min(result.rmse_trend, result.rmse_mean5)
