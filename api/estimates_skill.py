"""What a model has to beat, and how it and they did in years they had not seen."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas import DataFrame

from models.county_yield import CountyYieldModel
from models.production import shared_share
from store.estimates import Skill

__all__ = ["TESTED_YEARS", "backtest", "baselines", "skill_rows"]

TESTED_YEARS = 5
"""Last years of the history that a model is tested on, each fitted on those before."""

# A year with fewer before it has no trend worth the name.
FEWEST_BEFORE = 5

_KEY = ["county", "crop", "year"]


def baselines(history: DataFrame, rows: DataFrame) -> DataFrame:
    """Return county, crop, year, trend and mean5 (t/ha) of rows, NaN where unknown.

    The trend is the robust one of the model, by itself; the mean is that of the last
    five years known, and there is none of fewer.
    """
    keys = rows[_KEY].reset_index(drop=True)
    trend = CountyYieldModel.fit(history, features=()).predict(keys)["value"]
    return keys.assign(trend=trend).merge(
        _mean5(history), on=["county", "crop"], how="left"
    )


def _mean5(history: DataFrame) -> DataFrame:
    known = history.dropna(subset=["yield_t_ha"]).sort_values("year")
    groups = known.groupby(["county", "crop"]).tail(5).groupby(["county", "crop"])
    means = groups["yield_t_ha"].agg(["mean", "size"])
    enough = means.loc[means["size"] == 5, "mean"]
    return enough.rename("mean5").reset_index()


def backtest(history: DataFrame, *, features: Sequence[str]) -> DataFrame:
    """Estimate the last years of a history, each from the years before it.

    Returns
    -------
    DataFrame
        county, crop, year, value, lower, upper, status, reason, truth, trend, mean5
        (t/ha) of `TESTED_YEARS` years; empty with too short a history.
    """
    years = np.unique(history["year"])
    tested = years[FEWEST_BEFORE:][-TESTED_YEARS:]
    parts = [_year(history, int(year), features=features) for year in tested]
    return pd.concat(parts, ignore_index=True) if parts else DataFrame()


def _year(history: DataFrame, year: int, *, features: Sequence[str]) -> DataFrame:
    before = history[history["year"] < year]
    target = history[history["year"] == year].reset_index(drop=True)
    made = CountyYieldModel.fit(before, features=features).predict(target)
    beside = baselines(before, target)
    return made.assign(
        truth=target["yield_t_ha"], trend=beside["trend"], mean5=beside["mean5"]
    )


def skill_rows(tested: DataFrame, *, run_id: str) -> list[Skill]:
    """Summarise a backtest by crop; no row where nothing could be compared."""
    if tested.empty:
        return []
    return [
        _skill(str(crop), rows, run_id=run_id) for crop, rows in tested.groupby("crop")
    ]


def _skill(crop: str, rows: DataFrame, *, run_id: str) -> Skill:
    # Baselines are scored where the model dares a number, or it could win by silence.
    given = rows[(rows["status"] != "missing") & rows["truth"].notna()]
    inside = given["truth"].between(given["lower"], given["upper"])
    return Skill(
        run_id=run_id,
        crop=crop,
        measure="yield",
        years=[int(year) for year in np.unique(given["year"])],
        compared=len(given),
        rmse=_rmse(given["value"] - given["truth"]),
        rmse_trend=_rmse(given["trend"] - given["truth"]),
        rmse_mean5=_rmse(given["mean5"] - given["truth"]),
        coverage=round(float(inside.mean()), 3) if len(given) else None,
        shared=round(shared_share(_errors(given)), 3) if len(given) else None,
    )


def _errors(given: DataFrame) -> NDArray[np.float64]:
    """Return the errors by year and county, in units of the interval they had."""
    half = (given["upper"] - given["value"]).where(lambda width: width > 0)
    table = given.assign(error=(given["value"] - given["truth"]) / half)
    wide = table.pivot_table(index="year", columns="county", values="error")
    return wide.to_numpy(np.float64)


def _rmse(errors: pd.Series) -> float | None:
    known = errors.dropna()
    return round(float(np.sqrt(np.mean(known**2))), 4) if len(known) else None
