"""Ratios of totals over a stratified sample: the one estimator behind accuracies."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.area.quantiles import degrees_of_freedom, satterthwaite

__all__ = ["Drawn", "Ratios", "ratios"]

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Which stratum each sample was drawn from, and how much each stratum stands for.

    Attributes
    ----------
    member
        float64 (strata, samples), 1 where the sample is of the stratum.
    sizes
        float64 (strata,): area or number of units of each stratum, in any one unit.
    left
        float64 (strata,): 1 - n / N, the part of the stratum that was not sampled; 1
        where the units cannot be counted.
    """

    member: Float
    sizes: Float
    left: Float

    @property
    def counts(self) -> Float:
        """Samples of each stratum, float64 (strata,)."""
        return np.asarray(self.member.sum(axis=1))

    def means(self, values: Float) -> Float:
        """Mean of each stratum of (samples, columns); 0 without a sample."""
        counts = np.maximum(self.counts, 1)[:, None]
        return np.asarray(self.member @ values / counts)


@dataclass(frozen=True, slots=True)
class Ratios:
    """Ratios of two totals, their standard errors and degrees of freedom, (columns,).

    ``spread`` and ``df`` are what the interval is made of: as the standard error,
    with every stratum of shares that did not vary given the variance of one sample
    more. That a class was not seen in 300 samples of a large stratum is no proof
    that it has none of it.
    """

    value: Float
    se: Float
    spread: Float
    df: Float


def ratios(drawn: Drawn, y: Float, x: Float, *, whole: bool = False) -> Ratios:
    """Estimate sum(y) / sum(x) over the population, column by column.

    Stehman 2014, Int. J. Remote Sensing 35:4923, equations 23 to 28; with map classes
    as strata these are equations 3 to 10 of Olofsson et al. 2014, Remote Sensing of
    Environment 148:42, with n - 1 below each variance as there.

    Parameters
    ----------
    drawn
        Strata with 2 samples or more each.
    y, x
        float64 (samples, columns).
    whole
        x is 1 everywhere, so that the ratios are shares of the whole population and
        y is 0 or 1.

    Returns
    -------
    Ratios
        NaN where the total of x is 0.
    """
    share = drawn.sizes / drawn.sizes.sum()
    above, below = share @ drawn.means(y), share @ drawn.means(x)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.where(below > 0, above / below, np.nan)
    residual = y - np.where(np.isfinite(value), value, 0) * x
    # Strata differ by design; only what differs within one is error.
    residual = residual - drawn.member.T @ drawn.means(residual)
    # A stratum with one sample has no variance; callers say so instead of using it.
    counts = np.maximum(drawn.counts, 2)[:, None]
    second = drawn.means(residual**2)
    scale = (share**2 * drawn.left)[:, None] / np.where(below > 0, below, 1) ** 2
    variances = scale * second / (counts - 1)
    kurtosis = _kurtosis(drawn.means(residual**4), second)
    widened = variances
    if whole:
        # As if one more sample had been drawn, of the class with its overall share.
        seen = (drawn.means(y) * counts + value) / (counts + 1)
        still, second = second <= 0, seen * (1 - seen)
        widened = np.where(still, scale * second / (counts - 1), variances)
        # The fourth central moment of a 0-1 variable, p q (1 - 3 p q).
        fourth = second * (1 - 3 * second)
        kurtosis = np.where(still, _kurtosis(fourth, second), kurtosis)
    df = satterthwaite(widened, degrees_of_freedom(kurtosis, counts))
    return Ratios(
        value, np.sqrt(variances.sum(axis=0)), np.sqrt(widened.sum(axis=0)), df
    )


def _kurtosis(fourth: Float, second: Float) -> Float:
    varies = second > 0
    return np.where(varies, fourth / np.where(varies, second, 1) ** 2, np.nan)
