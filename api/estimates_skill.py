"""What a model has to beat, and how it and they did in years they had not seen."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas import DataFrame

from models.evaluation import estimates_of_years
from models.production import shared_share
from store.estimates import Skill

__all__ = ["TESTED_YEARS", "backtest", "skill_rows", "tested_years"]

TESTED_YEARS = 5
"""Last years of the history that a model is tested on, each fitted on those before."""

# A year with fewer before it has no trend worth the name.
FEWEST_BEFORE = 5


def tested_years(history: DataFrame) -> list[int]:
    """Return the last years of a history, with enough before each to estimate it."""
    years = np.unique(history["year"])
    return [int(year) for year in years[FEWEST_BEFORE:][-TESTED_YEARS:]]


def backtest(
    history: DataFrame, *, features: Sequence[str], years: Sequence[int]
) -> DataFrame:
    """Estimate past years by the ridge model, each from the years before it.

    Returns
    -------
    DataFrame
        As `models.evaluation.estimates_of_years`; empty where there is no year.
    """
    return estimates_of_years(history, features=features, years=years)


def skill_rows(
    tested: DataFrame, *, run_id: str, models: Mapping[str, str]
) -> list[Skill]:
    """Summarise a backtest by crop; no row where nothing could be compared.

    Parameters
    ----------
    tested
        As `backtest` returns it, of the models used.
    run_id
        The run whose models were tested.
    models
        Crop -> version of the model used.
    """
    return [
        _skill(str(crop), rows, run_id=run_id, model=models[str(crop)])
        for crop, rows in tested.groupby("crop")
    ]


def _skill(crop: str, rows: DataFrame, *, run_id: str, model: str) -> Skill:
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
        model=model,
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
