"""County yields: a robust trend, the season's departure from it, an interval."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.county.interval import half_width
from models.features import FEATURES
from models.panel import KEY, YIELD, Panel, check_history, panels
from models.reasons import (
    NO_COUNTY,
    NO_CROP,
    NO_INTERVAL,
    NO_LEVEL,
    Reason,
    both,
    commonest_gaps,
    extrapolation,
    feature_gap,
    few_seasons,
    few_years,
    trend_alone,
)
from models.residuals import (
    PENALTIES,
    Anomalies,
    anomalies,
    choose_penalty,
    correction,
    fit_ridge,
    left_out_residuals,
)
from models.tables import require_columns, require_unique
from models.trend import Trend, fit_trend

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

MODEL_VERSION = "county-yield/3"
INTERVAL = 0.8
# Four left-out years are the fewest from which 80 % can be read off; one is spare.
MINIMUM_YEARS = 5
# Statistics come out a year or two late; beyond that the trend is a guess.
LONGEST_LEAD = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CropModel:
    """The fitted model of one crop; arrays follow `counties`.

    Attributes
    ----------
    counties : codes (county,), ascending
    crop_years : int64 (crop_year,), the years of history, ascending
    trend : Trend
    yield_years : int (county,), years with a yield
    feature_years : int (county,), years with a yield and every feature
    normal : float64 (county, feature), mean features
    lowest, highest : float64 (feature,), range of the anomalies in the history
    penalty : ridge penalty per row; None where the trend did better by itself
    regression : the fitted ridge; None with the penalty
    half_width : half of the interval, in units of a county's level
    trend_half_width : the same where the estimate is the trend's; never below it
    feature_gaps : why features are missing in the history, by county code
    """

    counties: tuple[str, ...]
    crop_years: NDArray[np.int64]
    trend: Trend
    yield_years: NDArray[np.int64]
    feature_years: NDArray[np.int64]
    normal: NDArray[np.float64]
    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]
    penalty: float | None
    regression: "Pipeline | None"
    half_width: float
    trend_half_width: float
    feature_gaps: Mapping[str, Reason]


@dataclass(frozen=True, slots=True, kw_only=True)
class CountyYieldModel:
    """County yields of several crops, fitted on their history.

    Attributes
    ----------
    features : columns read from the history and from the table to predict
    crops : fitted model of each crop
    """

    features: tuple[str, ...]
    crops: Mapping[str, CropModel]
    model_version: str = MODEL_VERSION

    @classmethod
    def fit(
        cls, history: pd.DataFrame, *, features: Sequence[str] = FEATURES
    ) -> "CountyYieldModel":
        """Fit the yield model of every crop in `history`.

        For each crop: a robust trend (`models.trend`); the residuals, in units of the
        county's level, on standardised within-county feature anomalies by ridge
        regression pooled over the counties; no ridge where it does not predict years
        left out clearly better than the trend (`models.residuals.choose_penalty`);
        and an interval of 80 % from the residuals of years left out
        (`models.county.interval`).

        Parameters
        ----------
        history : DataFrame
            county, crop, year, yield_t_ha (t/ha) and the features, one row for each
            county, crop and year, in any order. Rows without a yield are not used;
            rows with a missing feature serve the trend and its interval only.
            `pixels` and `clear_share` of `season_features`, where present, explain
            the gap. Give past years only.
        features : names of the feature columns; empty for a trend by itself

        Raises
        ------
        ColumnMissing, RowsDuplicated, ValueInvalid
        """
        check_history(history, features=features)
        gaps = _gaps_of_history(history, features=features)
        crops = panels(history, features=features)
        return cls(
            features=tuple(features),
            crops={
                name: _fit_crop(panel, gaps=gaps.get(name, {}))
                for name, panel in crops.items()
            },
        )

    def predict(self, table: pd.DataFrame) -> pd.DataFrame:
        """Estimate the yield of each row of `table`.

        A county with `MINIMUM_YEARS` of yields gets an estimate. Without a feature
        this year, or with fewer than `MINIMUM_YEARS` of them in the history, it is
        the trend's, with an interval from the left-out residuals of the trend in
        all counties, never narrower than that of the season model.

        Parameters
        ----------
        table : DataFrame
            county, crop, year and the model's features, one row each; `pixels`
            and `clear_share` of `season_features`, where present, explain a gap.

        Returns
        -------
        DataFrame
            county, crop, year, value, lower, upper (t/ha), status, reason; in the
            order of `table`, with an index from 0. Status "forecast": three
            numbers, and a reason only where the estimate is from the trend alone
            or extrapolated. Status "missing": three NaN, and the reason. A reason
            reads "English · 中文".

        Raises
        ------
        ColumnMissing, RowsDuplicated
        """
        require_columns(table, (*KEY, *self.features), table="feature")
        require_unique(table, KEY, table="feature")
        rows = table.reset_index(drop=True)
        parts = [
            _predict_crop(self.crops.get(str(crop)), part, features=self.features)
            for crop, part in rows.groupby("crop", dropna=False)
        ]
        numbers = pd.concat(parts) if parts else _unknown(rows)
        return rows[list(KEY)].join(numbers)


def _fit_crop(panel: Panel, *, gaps: Mapping[str, Reason]) -> CropModel:
    trend = fit_trend(panel)
    known = anomalies(panel, trend)
    penalty, half, trend_half = _penalty_and_half_widths(panel, known)
    lowest, highest = _range(known)
    return CropModel(
        counties=panel.counties,
        crop_years=panel.years,
        trend=trend,
        yield_years=np.isfinite(panel.yields).sum(axis=0),
        feature_years=known.usable.sum(axis=0),
        normal=known.normal,
        lowest=lowest,
        highest=highest,
        penalty=penalty,
        regression=None if penalty is None else fit_ridge(known, penalties=(penalty,)),
        half_width=half,
        trend_half_width=trend_half,
        feature_gaps=gaps,
    )


def _penalty_and_half_widths(
    panel: Panel, known: Anomalies
) -> tuple[float | None, float, float]:
    """Return the penalty and the half-widths of the model and of its trend alone."""
    if panel.years.size < MINIMUM_YEARS:
        return None, math.inf, math.inf
    seen = bool((known.usable.sum(axis=0) >= MINIMUM_YEARS).any())
    residuals = left_out_residuals(panel, ridge=seen and known.values.shape[1] > 0)
    # Of all counties: the trend serves just those that the season cannot.
    trend = half_width(residuals[0], interval=INTERVAL)
    penalty = choose_penalty(residuals)
    if penalty is None:
        return None, trend, trend
    # The interval must be that of the model used, not of the best one tried.
    chosen = residuals[1 + PENALTIES.index(penalty)]
    season = half_width(chosen, interval=INTERVAL)
    if math.isinf(season):
        return None, trend, trend
    # A county must not look surer for want of its season.
    return penalty, season, max(season, trend)


def _gaps_of_history(
    history: pd.DataFrame, *, features: Sequence[str]
) -> dict[str, dict[str, Reason]]:
    """Return why features are missing in years with a yield, by crop and county."""
    values = history[list(features)].to_numpy(np.float64)
    gap = history[YIELD].notna() & ~np.isfinite(values).all(axis=1)
    return {
        str(crop): commonest_gaps(rows.to_dict("records"), features)
        for crop, rows in history.loc[gap].groupby("crop")
    }


def _range(known: Anomalies) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if known.values.size == 0:
        nothing = np.full(known.values.shape[1], np.nan)
        return nothing, nothing
    return known.values.min(axis=0), known.values.max(axis=0)


def _unknown(rows: pd.DataFrame, reason: Reason | None = None) -> pd.DataFrame:
    return _result(
        rows,
        value=np.full(len(rows), np.nan),
        half=np.full(len(rows), np.nan),
        missing=[reason] * len(rows),
        notes=[None] * len(rows),
    )


def _result(
    rows: pd.DataFrame,
    *,
    value: NDArray[np.float64],
    half: NDArray[np.float64],
    missing: Sequence[Reason | None],
    notes: Sequence[Reason | None],
) -> pd.DataFrame:
    gap = _given(missing)
    value = np.where(gap, np.nan, value)
    reasons = [lack or note for lack, note in zip(missing, notes, strict=True)]
    texts = [None if reason is None else str(reason) for reason in reasons]
    return pd.DataFrame(
        {
            "value": value,
            "lower": np.maximum(value - half, 0.0),
            "upper": value + half,
            "status": np.where(gap, "missing", "forecast"),
            # As objects, or pandas turns None into NaN.
            "reason": pd.Series(texts, index=rows.index, dtype=object),
        },
        index=rows.index,
    )


def _given(reasons: Sequence[Reason | None]) -> NDArray[np.bool_]:
    return np.array([reason is not None for reason in reasons], dtype=bool)


def _predict_crop(
    crop: CropModel | None, rows: pd.DataFrame, *, features: Sequence[str]
) -> pd.DataFrame:
    if crop is None:
        return _unknown(rows, NO_CROP)
    # An unknown county has position -1, the last one: its number is never given.
    county = pd.Index(crop.counties).get_indexer(pd.Index(rows["county"], dtype=str))
    change = rows[list(features)].to_numpy(np.float64) - crop.normal[county]
    years = rows["year"].to_numpy(np.int64)
    unseen = _season_gaps(crop, rows, county=county, features=features)
    alone = _given(unseen)
    value = crop.trend.relative(years, county=county)
    if crop.regression is not None:
        season = correction(crop.regression, change, count=1)[:, 0]
        value = value + np.where(alone, 0.0, season)
    level = crop.trend.level[county]
    # A season that is not used cannot be extrapolated either.
    change[alone] = np.nan
    beyond = _extrapolations(crop, years, change, features=features)
    return _result(
        rows,
        value=np.maximum(value, 0.0) * level,
        half=np.where(alone, crop.trend_half_width, crop.half_width) * level,
        missing=[_history_gap(crop, place) for place in county],
        notes=[
            both(cause and trend_alone(cause), note)
            for cause, note in zip(unseen, beyond, strict=True)
        ],
    )


def _history_gap(crop: CropModel, place: np.intp) -> Reason | None:
    """Return why a county gets no number, None where it gets one."""
    if place < 0:
        return NO_COUNTY
    if crop.yield_years[place] < MINIMUM_YEARS:
        return few_years(int(crop.yield_years[place]), needed=MINIMUM_YEARS)
    if not crop.trend.level[place] > 0:
        return NO_LEVEL
    if not math.isfinite(crop.trend_half_width):
        return NO_INTERVAL
    return None


def _season_gaps(
    crop: CropModel,
    rows: pd.DataFrame,
    *,
    county: NDArray[np.intp],
    features: Sequence[str],
) -> list[Reason | None]:
    """Return why a row's season cannot be used, None where it can."""
    # Asked even where the trend won: a county nobody saw is not estimated from space.
    return [
        feature_gap(row, features) or _short_season_history(crop, place)
        for place, row in zip(county, rows.to_dict("records"), strict=True)
    ]


def _short_season_history(crop: CropModel, place: np.intp) -> Reason | None:
    known = int(crop.feature_years[place])
    # No gap: the yields themselves are too few, or zero.
    cause = crop.feature_gaps.get(crop.counties[place])
    if known >= MINIMUM_YEARS or cause is None:
        return None
    years = int(crop.yield_years[place])
    return few_seasons(cause, known=known, years=years, needed=MINIMUM_YEARS)


def _extrapolations(
    crop: CropModel,
    years: NDArray[np.int64],
    change: NDArray[np.float64],
    *,
    features: Sequence[str],
) -> list[Reason | None]:
    """Return what lies outside the history, None where nothing does."""
    # One range for all counties, as the response is one for all counties.
    outside = (change < crop.lowest) | (change > crop.highest)
    if crop.regression is None:
        outside = np.zeros_like(outside)
    lead = years - int(crop.crop_years[-1])
    return [
        extrapolation(
            [name for name, far in zip(features, row, strict=True) if far],
            lead=int(ahead) if ahead > LONGEST_LEAD else None,
        )
        for row, ahead in zip(outside, lead, strict=True)
    ]
