"""Skill of the county yield model beside the baselines it has to beat."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from models.county.evidence import bolder
from models.county_yield import CountyYieldModel
from models.features import FEATURES
from models.panel import KEY, YIELD, check_history

Scheme = Literal["walk-forward", "leave-one-year-out"]

_ESTIMATED = (
    *("value", "lower", "upper", "status", "reason"),
    *("truth", "trend", "mean5"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """Errors on years that the model had not seen.

    All numbers are over the same rows: those where the model gives a number.
    NaN where there is no such row.

    Attributes
    ----------
    crop : str
    scheme : "walk-forward" (earlier years only) or "leave-one-year-out"
    years : years tested, ascending
    rows : county-years compared
    missing : county-years with a known yield and no estimate
    rmse, rmse_trend, rmse_mean5 : root mean square error, t/ha: of the model, of
        the trend by itself, of the mean of the five nearest years known
    coverage : share of the yields inside the 80 % interval
    """

    crop: str
    scheme: Scheme
    years: tuple[int, ...]
    rows: int
    missing: int
    rmse: float
    rmse_trend: float
    rmse_mean5: float
    coverage: float


def skill(
    history: pd.DataFrame,
    *,
    features: Sequence[str] = FEATURES,
    scheme: Scheme = "walk-forward",
    years: Iterable[int] | None = None,
) -> list[Skill]:
    """Test the model on years of `history`, each fitted without that year.

    Parameters
    ----------
    history : DataFrame
        As for `CountyYieldModel.fit`.
    features : names of the feature columns
    scheme : "walk-forward" fits on the years before the one tested, as in real
        forecasting; "leave-one-year-out" on all others, for a short history
    years : years to test; all of the history where None

    Returns
    -------
    list of Skill
        One for each crop, by name.

    Raises
    ------
    ColumnMissing, RowsDuplicated, ValueInvalid
    """
    results = estimates_of_years(history, features=features, scheme=scheme, years=years)
    return [
        _summary(str(crop), rows, scheme=scheme)
        for crop, rows in results.groupby("crop")
    ]


def estimates_of_years(
    history: pd.DataFrame,
    *,
    features: Sequence[str] = FEATURES,
    scheme: Scheme = "walk-forward",
    years: Iterable[int] | None = None,
) -> pd.DataFrame:
    """Estimate years of `history`, each by a model fitted without it.

    Parameters
    ----------
    history, features, scheme, years : as for `skill`

    Returns
    -------
    DataFrame
        county, crop, year, value, lower, upper, status, reason of
        `CountyYieldModel.predict`, truth, and trend and mean5 of `baselines` (t/ha),
        a row for each known yield of the years.

    Raises
    ------
    ColumnMissing, RowsDuplicated, ValueInvalid
    """
    check_history(history, features=features)
    known = history.loc[history[YIELD].notna()]
    tested = sorted(set(known["year"] if years is None else years))
    parts = [
        _test(known, year, features=features, scheme=scheme)
        for year in tested
        if (known["year"] == year).any()
    ]
    if not parts:
        return pd.DataFrame(columns=[*KEY, *_ESTIMATED])
    return pd.concat(parts, ignore_index=True)


def _test(
    known: pd.DataFrame, year: int, *, features: Sequence[str], scheme: Scheme
) -> pd.DataFrame:
    target = known.loc[known["year"] == year].reset_index(drop=True)
    unseen = known["year"] < year if scheme == "walk-forward" else known["year"] != year
    train = known.loc[unseen]
    made = CountyYieldModel.fit(train, features=features).predict(target)
    beside = baselines(train, target)[["trend", "mean5"]]
    return made.assign(truth=target[YIELD]).join(beside)


def compared(made: pd.DataFrame, *, history: pd.DataFrame) -> pd.DataFrame:
    """Set estimates of past years, however made, beside what they were to be.

    Parameters
    ----------
    made : DataFrame
        county, crop, year and more, one row each.
    history : DataFrame
        As for `CountyYieldModel.fit`.

    Returns
    -------
    DataFrame
        The rows of `made` whose yield is known, with truth, and trend and mean5 of
        `baselines` from the years before (t/ha).
    """
    known = history.loc[history[YIELD].notna()]
    truth = known[[*KEY, YIELD]].rename(columns={YIELD: "truth"})
    rows = made.merge(truth, on=list(KEY))
    parts = [
        of_year.reset_index(drop=True).join(
            baselines(known.loc[known["year"] < year], of_year)[["trend", "mean5"]]
        )
        for year, of_year in rows.groupby("year")
    ]
    if not parts:
        return pd.DataFrame(columns=[*KEY, *_ESTIMATED])
    return pd.concat(parts, ignore_index=True)


def surpassed(rows: pd.DataFrame, *, by: pd.DataFrame) -> bool:
    """Tell whether others' estimates of the same years are better beyond chance.

    Their squared error has to be smaller by more than its standard error over the
    years (`models.county.evidence.bolder`): counties of a year share its luck.

    Parameters
    ----------
    rows, by : DataFrame
        Of one crop, as `compared` returns it. Only those that have a number in both
        count; of fewer than two years the answer is no.
    """
    pairs = rows.merge(by, on=list(KEY), suffixes=("", "_other"))
    names = ["truth", "value", "value_other"]
    pairs = pairs.dropna(subset=names)
    if pairs["year"].nunique() < 2:
        return False
    wide = pairs.pivot(index="year", columns="county", values=names)
    truth, value, other = (wide[name].to_numpy(np.float64) for name in names)
    return bolder(truth, value, other)


def baselines(history: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Return what `rows`, all of one year, would be without looking at their season.

    Parameters
    ----------
    history : DataFrame
        As for `CountyYieldModel.fit`, without that year.
    rows : DataFrame
        county, crop, year.

    Returns
    -------
    DataFrame
        county, crop, year in the order of `rows`; trend, that of the model by itself;
        mean5, the mean of the five known years nearest, of two equally near the
        earlier (t/ha). NaN where unknown; there is no mean of fewer than five.
    """
    keys = rows[list(KEY)].reset_index(drop=True)
    trend = CountyYieldModel.fit(history, features=()).predict(keys)["value"]
    # A left join: a county without a past keeps its row and shows as NaN.
    return keys.assign(trend=trend).merge(
        _mean5(history, keys), on=["county", "crop"], how="left"
    )


def _mean5(history: pd.DataFrame, keys: pd.DataFrame) -> pd.DataFrame:
    known = history.loc[history[YIELD].notna()]
    distance = (known["year"] - keys["year"].max()).abs()
    nearest = (
        known.assign(distance=distance)
        .sort_values(["distance", "year"])
        .groupby(["county", "crop"])
        .head(5)
    )
    means = nearest.groupby(["county", "crop"])[YIELD].agg(["mean", "size"])
    return means.loc[means["size"] == 5, "mean"].rename("mean5").reset_index()


def _summary(crop: str, rows: pd.DataFrame, *, scheme: Scheme) -> Skill:
    # Baselines are scored where the model dares a number, or it could win by silence.
    given = rows.loc[rows["status"] != "missing"]
    inside = given["truth"].between(given["lower"], given["upper"])
    return Skill(
        crop=crop,
        scheme=scheme,
        years=tuple(sorted(rows["year"].unique().tolist())),
        rows=len(given),
        missing=len(rows) - len(given),
        rmse=_rmse(given["value"] - given["truth"]),
        rmse_trend=_rmse(given["trend"] - given["truth"]),
        rmse_mean5=_rmse(given["mean5"] - given["truth"]),
        coverage=float(inside.mean()) if len(given) else np.nan,
    )


def _rmse(errors: pd.Series) -> float:
    return float(np.sqrt(np.square(errors).mean())) if len(errors) else np.nan
