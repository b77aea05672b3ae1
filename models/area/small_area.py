"""Fay-Herriot: thin counties borrow strength from the map and from each other."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from models.area.errors import SampleInvalid

__all__ = ["FayHerriot", "fay_herriot"]

Float = NDArray[np.float64]

# Points at which the likelihood is looked at before its peak is sought.
_TRIED = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class FayHerriot:
    """Best predictions of areas and their mean squared errors.

    Attributes
    ----------
    values, mse
        float64 (areas,), in the unit of the direct estimates and its square.
    weight
        float64 (areas,): how much the direct estimate counts, in 0..1; 0 without one.
    beta, beta_se
        float64 (covariates,).
    variance
        Between areas, beyond what the covariates explain; 0 at the edge.
    areas
        Areas with a direct estimate.
    """

    values: Float
    mse: Float
    weight: Float
    beta: Float
    beta_se: Float
    variance: float
    areas: int


def fay_herriot(direct: Float, variances: Float, covariates: Float) -> FayHerriot:
    """Fit the model of Fay & Herriot 1979 (JASA 74:269) by REML and predict.

    direct = X beta + u + e, u of one variance, e of the given variances. The mean
    squared error is g1 + g2 + 2 g3 (Prasad & Rao 1990, JASA 85:163; with REML, as
    Datta & Lahiri 2000, Statistica Sinica 10:613, by the expected information).

    Parameters
    ----------
    direct
        float64 (areas,), NaN for an area without sample: it gets X beta, with the
        variance between areas and that of beta as mean squared error.
    variances
        float64 (areas,): sampling variances, above 0 where `direct` is known.
    covariates
        float64 (areas, columns), the intercept among them; known for every area.

    Returns
    -------
    FayHerriot

    Raises
    ------
    SampleInvalid
        A covariate is no number, a variance is not above 0, the columns depend on
        each other, or there are not at least two more areas with a direct estimate
        than columns.
    """
    known = np.isfinite(direct)
    _check(known, variances, covariates)
    y, noise, x = direct[known], variances[known], covariates[known]
    between = _reml(y, noise, x)
    weights = 1 / (between + noise)
    spread = np.linalg.inv(x.T @ (weights[:, None] * x))
    beta = spread @ (x.T @ (weights * y))
    line = covariates @ beta
    of_line = np.einsum("ac,cd,ad->a", covariates, spread, covariates)
    share = np.zeros(len(direct))
    # How much of a direct estimate's distance from the line is believed.
    share[known] = between * weights
    values = line + share * np.where(known, np.nan_to_num(direct) - line, 0)
    error = np.full(len(direct), np.nan)
    information = float((weights**2).sum()) / 2
    # g3, what estimating the variance between areas costs, by its information.
    third = noise**2 * weights**3 / information
    error[known] = (
        share[known] * noise + (1 - share[known]) ** 2 * of_line[known] + 2 * third
    )
    # Nothing measured there: all that counties differ beyond the line is error.
    error[~known] = between + of_line[~known]
    return FayHerriot(
        values=values,
        mse=error,
        weight=share,
        beta=beta,
        beta_se=np.sqrt(np.diag(spread)),
        variance=between,
        areas=int(known.sum()),
    )


def _check(known: NDArray[np.bool_], variances: Float, covariates: Float) -> None:
    columns = covariates.shape[1]
    if not np.isfinite(covariates).all():
        problem = ("a covariate is no number", "协变量中有缺失值")
    elif not (variances[known] > 0).all() or not np.isfinite(variances[known]).all():
        problem = ("a sampling variance is not above 0", "抽样方差应大于 0")
    elif known.sum() < columns + 2:
        problem = (
            f"{known.sum()} areas with a direct estimate for {columns} columns",
            f"有直接估计的区域只有 {known.sum()} 个，列数为 {columns}",
        )
    elif np.linalg.matrix_rank(covariates[known]) < columns:
        problem = ("the covariates depend on each other", "协变量线性相关")
    else:
        return
    raise SampleInvalid(
        f"no small-area model: {problem[0]}; use the direct estimates, or other "
        f"covariates · 无法建立小区域模型：{problem[1]}"
    )


def _reml(y: Float, noise: Float, x: Float) -> float:
    """Variance between areas at the peak of the restricted likelihood, 0 or more."""
    residual = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    # Even with no sampling error at all the counties do not differ by more.
    most = 10 * float((residual @ residual) / (len(y) - x.shape[1])) + noise.max()
    # The restricted likelihood can have more than one peak, and its score roots that
    # are none: look first, then refine beside the highest.
    tried = np.concatenate([[0.0], np.geomspace(1e-6 * most, most, _TRIED)])
    best = int(np.argmax([_likelihood(v, y, noise, x) for v in tried]))
    low, high = tried[max(best - 1, 0)], tried[min(best + 1, _TRIED)]
    slopes = _score(low, y, noise, x), _score(high, y, noise, x)
    if slopes[0] <= 0:
        # It falls from the edge on.
        return float(low)
    found = brentq(_score, low, high, args=(y, noise, x), xtol=1e-12 * most)
    return float(found)


def _projection(between: float, noise: Float, x: Float) -> tuple[Float, Float]:
    weights = 1 / (between + noise)
    weighted = weights[:, None] * x
    inner = x.T @ weighted
    return np.diag(weights) - weighted @ np.linalg.solve(inner, weighted.T), inner


def _likelihood(between: float, y: Float, noise: Float, x: Float) -> float:
    project, inner = _projection(between, noise, x)
    _, determinant = np.linalg.slogdet(inner)
    return -0.5 * float(np.log(between + noise).sum() + determinant + y @ project @ y)


def _score(between: float, y: Float, noise: Float, x: Float) -> float:
    project, _ = _projection(between, noise, x)
    along = project @ y
    return 0.5 * float(along @ along - np.trace(project))
