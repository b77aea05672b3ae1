"""County yields: a robust trend, the season's departure from it, an interval."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.features import FEATURES
from models.intervals import half_width
from models.panel import KEY, Panel, check_history, panels
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

MODEL_VERSION = "county-yield/1"
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
        (`models.intervals`).

        Parameters
        ----------
        history : DataFrame
            county, crop, year, yield_t_ha (t/ha) and the features, one row for each
            county, crop and year, in any order. Rows without a yield are not used;
            rows with a missing feature serve the trend only. Give past years only.
        features : names of the feature columns; empty for a trend by itself

        Raises
        ------
        ColumnMissing, RowsDuplicated, ValueInvalid
        """
        check_history(history, features=features)
        crops = panels(history, features=features)
        return cls(
            features=tuple(features),
            crops={name: _fit_crop(panel) for name, panel in crops.items()},
        )

    def ingredients(self) -> dict[str, Any]:
        """Return what made this model, ready for JSON and a run's parameters."""
        return {
            "model_version": self.model_version,
            "features": list(self.features),
            "interval": INTERVAL,
            "minimum_years": MINIMUM_YEARS,
            "crops": {
                name: {
                    "years": crop.crop_years.tolist(),
                    "counties": len(crop.counties),
                    "slope_per_year": crop.trend.slope,
                    "penalty": crop.penalty,
                }
                for name, crop in self.crops.items()
            },
        }

    def predict(self, table: pd.DataFrame) -> pd.DataFrame:
        """Estimate the yield of each row of `table`.

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
            numbers, and a reason only where the model had to extrapolate. Status
            "missing": three NaN, and the reason.

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


def _fit_crop(panel: Panel) -> CropModel:
    trend = fit_trend(panel)
    known = anomalies(panel, trend)
    penalty, half = _penalty_and_half_width(panel, known)
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
    )


def _penalty_and_half_width(
    panel: Panel, known: Anomalies
) -> tuple[float | None, float]:
    if panel.years.size < MINIMUM_YEARS:
        return None, np.inf
    enough = known.usable.any(axis=1).sum() >= MINIMUM_YEARS
    ridge = bool(enough) and known.values.shape[1] > 0
    residuals = left_out_residuals(panel, ridge=ridge)
    penalty = choose_penalty(residuals)
    # The interval must be that of the model used, not of the best one tried.
    chosen = 0 if penalty is None else 1 + PENALTIES.index(penalty)
    return penalty, half_width(residuals[chosen], interval=INTERVAL)


def _range(known: Anomalies) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if known.values.size == 0:
        nothing = np.full(known.values.shape[1], np.nan)
        return nothing, nothing
    return known.values.min(axis=0), known.values.max(axis=0)


def _unknown(rows: pd.DataFrame, reason: str | None = None) -> pd.DataFrame:
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
    missing: Sequence[str | None],
    notes: Sequence[str | None],
) -> pd.DataFrame:
    gap = np.array([reason is not None for reason in missing], dtype=bool)
    value = np.where(gap, np.nan, value)
    reasons = [reason or note for reason, note in zip(missing, notes, strict=True)]
    return pd.DataFrame(
        {
            "value": value,
            "lower": np.maximum(value - half, 0.0),
            "upper": value + half,
            "status": np.where(gap, "missing", "forecast"),
            # As objects, or pandas turns None into NaN.
            "reason": pd.Series(reasons, index=rows.index, dtype=object),
        },
        index=rows.index,
    )


def _predict_crop(
    crop: CropModel | None, rows: pd.DataFrame, *, features: Sequence[str]
) -> pd.DataFrame:
    if crop is None:
        return _unknown(rows, "no yield history of the crop to learn from")
    # An unknown county has position -1, the last one: its number is never given.
    county = pd.Index(crop.counties).get_indexer(pd.Index(rows["county"], dtype=str))
    change = rows[list(features)].to_numpy(np.float64) - crop.normal[county]
    years = rows["year"].to_numpy(np.int64)
    value = crop.trend.relative(years, county=county)
    if crop.regression is not None:
        value = value + correction(crop.regression, change, count=1)[:, 0]
    level = crop.trend.level[county]
    return _result(
        rows,
        value=np.maximum(value, 0.0) * level,
        half=crop.half_width * level,
        missing=_gaps(crop, rows, county=county, features=features),
        notes=_extrapolations(crop, years, change, features=features),
    )


def _gaps(
    crop: CropModel,
    rows: pd.DataFrame,
    *,
    county: NDArray[np.intp],
    features: Sequence[str],
) -> list[str | None]:
    """Return why a row gets no number, None where it gets one."""
    return [
        _history_gap(crop, place) or _feature_gap(row, features)
        for place, row in zip(county, rows.to_dict("records"), strict=True)
    ]


def _history_gap(crop: CropModel, place: np.intp) -> str | None:
    if place < 0:
        return "no yield history of the crop in this county"
    if crop.yield_years[place] < MINIMUM_YEARS:
        return (
            f"{crop.yield_years[place]} years of yield history; "
            f"at least {MINIMUM_YEARS} are needed"
        )
    if not math.isfinite(crop.half_width):
        return "too few comparable years in the history to state an interval"
    if not crop.trend.level[place] > 0:
        return "the median yield in the county's history is zero"
    if crop.feature_years[place] < MINIMUM_YEARS:
        return (
            f"{crop.feature_years[place]} years of history with every feature; "
            f"at least {MINIMUM_YEARS} are needed"
        )
    return None


def _feature_gap(row: Mapping[Any, Any], features: Sequence[str]) -> str | None:
    # Asked even where the trend won: a county nobody saw gets no estimate "from space".
    names = [name for name in features if not np.isfinite(row[name])]
    if not names:
        return None
    if row.get("pixels") == 0:
        seen = np.isfinite(row.get("clear_share", np.nan))
        return (
            "no pixel of the crop has a clear season in this county"
            if seen
            else "no pixel of this county holds enough of the crop"
        )
    return f"no value for {', '.join(names)}"


def _extrapolations(
    crop: CropModel,
    years: NDArray[np.int64],
    change: NDArray[np.float64],
    *,
    features: Sequence[str],
) -> list[str | None]:
    """Return what lies outside the history, None where nothing does."""
    # One range for all counties, as the response is one for all counties.
    outside = (change < crop.lowest) | (change > crop.highest)
    if crop.regression is None:
        outside = np.zeros_like(outside)
    lead = years - int(crop.crop_years[-1])
    return [
        _extrapolation(
            [name for name, far in zip(features, row, strict=True) if far], int(ahead)
        )
        for row, ahead in zip(outside, lead, strict=True)
    ]


def _extrapolation(names: Sequence[str], lead: int) -> str | None:
    parts = []
    if names:
        parts.append(f"{', '.join(names)} outside the range of the history")
    if lead > LONGEST_LEAD:
        parts.append(f"{lead} years after the end of the history")
    return f"extrapolated: {'; '.join(parts)}" if parts else None
