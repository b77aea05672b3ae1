"""What the season explains beyond the trend: ridge on within-county anomalies."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.panel import Panel
from models.trend import Trend, fit_trend

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

# Penalties per row of history, so that the choice does not depend on its length.
PENALTIES = tuple(10.0**power for power in np.arange(-3.0, 1.5, 0.5))


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomalies:
    """Feature anomalies of the rows of history that are complete.

    Attributes
    ----------
    usable : bool (year, county), where the rows are in the panel
    normal : float64 (county, feature), county means, NaN where no row is usable
    values : float64 (row, feature), feature - normal
    residuals : float64 (row,), yield / level - trend
    """

    usable: NDArray[np.bool_]
    normal: NDArray[np.float64]
    values: NDArray[np.float64]
    residuals: NDArray[np.float64]


def anomalies(panel: Panel, trend: Trend) -> Anomalies:
    """Return features less the county's own mean, beside the trend's residuals.

    Only differences between years within a county are kept: between counties,
    soil and management move yield and greenness together without one causing the
    other (the within transformation of panel regression).
    """
    residuals = panel.yields / trend.level - trend.table(panel.years)
    usable = panel.complete & np.isfinite(residuals)
    rows = usable.sum(axis=0)
    total = np.where(usable[..., None], panel.features, 0.0).sum(axis=0)
    normal = np.full(total.shape, np.nan)
    np.divide(total, rows[:, None], out=normal, where=rows[:, None] > 0)
    return Anomalies(
        usable=usable,
        normal=normal,
        values=(panel.features - normal)[usable],
        residuals=residuals[usable],
    )


def fit_ridge(known: Anomalies, *, penalties: tuple[float, ...]) -> "Pipeline | None":
    """Fit one ridge regression for each penalty, all in one pass; None without rows.

    No intercept: a season like the county's mean is given the trend itself, and
    an infinite penalty ends at the trend.
    """
    if known.residuals.size == 0:
        return None
    # Seconds of import that only a fit should cost.
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    # Cholesky solves every penalty on one and the same Gram matrix.
    ridge = Ridge(
        alpha=np.array(penalties) * known.residuals.size,
        fit_intercept=False,
        solver="cholesky",
    )
    targets = np.repeat(known.residuals[:, None], len(penalties), axis=1)
    pipeline = make_pipeline(StandardScaler(), ridge)
    pipeline.fit(known.values, targets)
    return pipeline


def correction(
    pipeline: "Pipeline | None", values: NDArray[np.float64], *, count: int
) -> NDArray[np.float64]:
    """Return the correction to the trend for anomalies (row, feature).

    Returns
    -------
    float64 (row, count)
        In units of the county's level, one column for each penalty; NaN in rows
        with a missing anomaly, and everywhere without a pipeline.
    """
    result = np.full((values.shape[0], count), np.nan)
    whole = np.isfinite(values).all(axis=1)
    if pipeline is not None and whole.any():
        result[whole] = pipeline.predict(values[whole]).reshape(-1, count)
    return result


def left_out_residuals(panel: Panel, *, ridge: bool) -> NDArray[np.float64]:
    """Predict each year from all the others and return what remains.

    Trend, county means, scaling and coefficients are all fitted without the year,
    else the residuals would be too small for an interval.

    Returns
    -------
    float64 (1 + penalty, year, county)
        Residuals in units of the county's level: of the trend first, then, where
        `ridge`, of each of `PENALTIES`. NaN where nothing can be compared.
    """
    return np.stack(
        [_residuals_of(panel, year, ridge=ridge) for year in panel.years], axis=1
    )


def _residuals_of(panel: Panel, year: np.int64, *, ridge: bool) -> NDArray[np.float64]:
    others = panel.select(panel.years != year)
    left_out = panel.select(panel.years == year)
    trend = fit_trend(others)
    residual = left_out.yields[0] / trend.level - trend.table(left_out.years)[0]
    if not ridge:
        return np.asarray(residual[None])
    # The year's own features must not shift what counts as normal either.
    known = anomalies(others, trend)
    count = len(PENALTIES)
    corrected = correction(
        fit_ridge(known, penalties=PENALTIES),
        left_out.features[0] - known.normal,
        count=count,
    )
    return np.vstack([residual, residual - corrected.T])


def choose_penalty(residuals: NDArray[np.float64]) -> float | None:
    """Return the ridge penalty to use, None for the trend by itself.

    The simplest model whose squared error is within one standard error of the
    least (Breiman, Friedman, Olshen & Stone 1984, section 3.4.3), with the year as
    the unit and the trend as the simplest of all: ten years can make a useless
    feature look useful.

    Parameters
    ----------
    residuals : float64 (1 + penalty, year, county)
        From `left_out_residuals`; compared on the rows that all of them have.
    """
    shared = np.asarray(np.isfinite(residuals).all(axis=0))
    errors = np.where(shared, np.square(residuals), 0.0).sum(axis=2)
    errors = errors[:, shared.any(axis=1)]
    if errors.shape[1] < 2 or len(errors) == 1:
        return None
    excess = errors - errors[np.argmin(errors.sum(axis=1))]
    standard_error = excess.std(axis=1, ddof=1) / math.sqrt(errors.shape[1])
    good = excess.mean(axis=1) <= standard_error
    # A heavier penalty is a simpler model, so the list of penalties turns around.
    by_simplicity: tuple[float | None, ...] = (None, *reversed(PENALTIES))
    return by_simplicity[int(np.argmax(np.r_[good[0], good[:0:-1]]))]
