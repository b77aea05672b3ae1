"""Intervals that stay honest when few units carry the variance."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import brentq

__all__ = [
    "bounds_of_share",
    "degrees_of_freedom",
    "satterthwaite",
    "symmetric_bounds",
    "unseen_bound",
]

Float = NDArray[np.float64]


def satterthwaite(variances: Float, dfs: Float) -> Float:
    """Degrees of freedom of a sum of independent variance estimates.

    Satterthwaite 1946, Biometrics Bulletin 2:110: (sum v)^2 / sum(v^2 / df).

    Parameters
    ----------
    variances, dfs
        float64 (strata,) or (strata, columns).

    Returns
    -------
    float64 of the columns; infinite where there is no variance.
    """
    below = (variances**2 / dfs).sum(axis=0)
    total = variances.sum(axis=0) ** 2
    return np.asarray(
        np.divide(total, below, out=np.full_like(below, np.inf), where=below > 0)
    )


def degrees_of_freedom(kurtosis: Float, counts: Float) -> Float:
    """Degrees of freedom that the sample variance of a stratum is worth.

    The variance of s^2 is sigma^4 (kurtosis - (n - 3) / (n - 1)) / n, and that of a
    chi-square on d degrees of freedom, scaled to its mean, 2 sigma^4 / d. Of normal
    values d is n - 1; of a rare class it is little more than the number of times it
    was seen, whatever the number of samples.

    Parameters
    ----------
    kurtosis
        m4 / m2^2 of the residuals of each stratum; NaN where they do not vary.
    counts
        Units of each stratum, 2 or more, of a shape that fits.

    Returns
    -------
    float64, at least 1 and at most counts - 1.
    """
    excess = kurtosis - (counts - 3) / (counts - 1)
    df = np.divide(2 * counts, excess, out=counts - 1 + 0 * excess, where=excess > 0)
    return np.asarray(np.clip(np.nan_to_num(df, nan=1.0), 1, counts - 1))


def bounds_of_share(
    value: float, se: float, df: float, *, interval: float
) -> tuple[float, float]:
    """Interval of a share between 0 and 1, by t on the scale of its logit.

    It stays within 0 and 1 and leans to the side on which the share can err further
    (as ``svyciprop(method = "logit")`` of the R package survey).
    """
    # The standard error on the logit scale by the delta method: se / (p (1 - p)).
    quantile = float(stats.t.ppf((1 + interval) / 2, df))
    centre = math.log(value / (1 - value))
    reach = quantile * se / (value * (1 - value))
    return _expit(centre - reach), _expit(centre + reach)


def symmetric_bounds(
    value: float, se: float, df: float, *, interval: float, most: float = math.inf
) -> tuple[float, float]:
    """Interval of an area by t, cut at 0 and at what there is of land."""
    reach = float(stats.t.ppf((1 + interval) / 2, df)) * se
    return min(max(value - reach, 0.0), most), max(min(value + reach, most), 0.0)


def unseen_bound(weights: Float, counts: Float, *, interval: float) -> float:
    """Largest share of a class that would still go unseen in every stratum.

    Maximises sum(W p) under prod((1 - p)^n) = 1 - `interval`; for one stratum this
    is 1 - (1 - interval)^(1/n), near the rule of three. By Lagrange, each 1 - p is
    lambda n / W, and 1 at most.

    Parameters
    ----------
    weights, counts
        float64 (strata,): shares of the land, adding up to 1, and samples.
    """
    if (counts == 0).any():
        return 1.0
    ratio, alpha = counts / weights, math.log(1 - interval)

    def surplus(log_lambda: float) -> float:
        return float((counts * np.minimum(0, log_lambda + np.log(ratio))).sum() - alpha)

    # All strata bind at the lower end of the bracket, none at the upper.
    top = -math.log(ratio.min())
    bottom = top + alpha / counts.min() - math.log(ratio.max() / ratio.min()) - 1
    root = brentq(surplus, bottom, top)
    kept = np.minimum(1, math.exp(root) * ratio)
    return float((weights * (1 - kept)).sum())


def _expit(x: float) -> float:
    # exp(710) is more than a double holds.
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0
