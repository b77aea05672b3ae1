"""Three ways to learn what a season adds to a region's level.

They err differently: ridge regression extrapolates and is blind to curves, trees see
thresholds and never leave what they saw, the Gaussian process leans on alike regions
and returns to the normal where a season is new. The stack blends them.

Regions of one year share what no column tells, a common good or bad year. All three
therefore look mostly at differences between regions within a year, as a regression
with a random year effect does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from models.county.table import Floats

YEAR_EFFECT = 0.9
"""Share of a year's mean that ridge takes off: random year effects of many regions."""
TREE_YEAR_EFFECT = 0.5
LONGEST_ROWS = 2_000
"""Rows of the Gaussian process, whose cost grows with their cube."""

Correction = Callable[[Floats], Floats]
"""Factors (region, feature) of one season -> what it adds (region,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What a learner learns from.

    Attributes
    ----------
    factors : float64 (year, region, feature), from `models.county.season`
    residuals : float64 (year, region), NaN where a row is not for learning
    likeness : float64 (region, coordinate), from `models.county.likeness`
    """

    factors: Floats
    residuals: Floats
    likeness: Floats

    @property
    def rows(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Years and regions of the rows for learning."""
        year, region = np.nonzero(np.isfinite(self.residuals))
        return year, region


Learner = Callable[[Sample], Correction]


def learn_ridge(sample: Sample, *, penalty: float = 1.0) -> Correction:
    """Fit a ridge regression whose coefficients vary with the likeness of regions.

    The penalty is in units of the rows; factors have unit variance.
    """
    local = np.hstack([np.ones((len(sample.likeness), 1)), sample.likeness[:, :4]])

    def design(factors: Floats, region: NDArray[np.intp]) -> Floats:
        return (factors[:, :, None] * local[region][:, None]).reshape(len(factors), -1)

    year, region = sample.rows
    values = design(sample.factors[year, region], region)
    residuals = sample.residuals[year, region]
    if YEAR_EFFECT:
        values = values - YEAR_EFFECT * _year_means(values, year)
        residuals = residuals - YEAR_EFFECT * _year_means(residuals, year)
    gram = values.T @ values + penalty * len(values) * np.eye(values.shape[1])
    weights = np.linalg.solve(gram, values.T @ residuals)
    everywhere = np.arange(len(local))
    return lambda factors: design(factors, everywhere) @ weights


def _year_means(values: Floats, year: NDArray[np.intp]) -> Floats:
    """Return the mean of each row's year."""
    _, place, count = np.unique(year, return_inverse=True, return_counts=True)
    total = np.zeros((count.size, *values.shape[1:]))
    np.add.at(total, place, values)
    return (total / count.reshape(-1, *(1,) * (values.ndim - 1)))[place]


def learn_trees(sample: Sample, *, rounds: int = 75) -> Correction:
    """Fit histogram gradient boosting: few leaves, many rows in each, some columns."""
    # Seconds of import that only a fit should cost.
    from sklearn.ensemble import HistGradientBoostingRegressor

    year, region = sample.rows

    def design(factors: Floats, region: NDArray[np.intp]) -> Floats:
        return np.hstack([factors, sample.likeness[region]])

    residuals = sample.residuals[year, region]
    residuals = residuals - TREE_YEAR_EFFECT * _year_means(residuals, year)
    values = design(sample.factors[year, region], region)
    model = HistGradientBoostingRegressor(
        max_iter=rounds,
        learning_rate=0.06,
        max_leaf_nodes=8,
        min_samples_leaf=max(5, min(200, len(values) // 40)),
        max_features=0.3,
        l2_regularization=50.0,
        early_stopping=False,
        random_state=0,
    ).fit(values, residuals)
    everywhere = np.arange(len(sample.likeness))
    return lambda factors: np.asarray(model.predict(design(factors, everywhere)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """Covariance of the Gaussian process, in units of the variance of the residuals.

    Attributes
    ----------
    season : of the effect of seasons that are alike, in all regions
    local : of the same where the regions are alike too
    year, local_year : of what all, and alike, regions of a year share unseen
    noise : of a region and year by itself
    reach : distance of seasons at which their effects differ, in units of their
        spread
    """

    season: float = 0.25
    local: float = 0.25
    year: float = 0.2
    local_year: float = 0.2
    noise: float = 0.4
    reach: float = 1.5


def learn_process(sample: Sample, *, kernel: Kernel = Kernel()) -> Correction:
    """Fit a Gaussian process over seasons and regions (Rasmussen & Williams 2006).

    Years and alike regions of a year are correlated in the noise as well, so that
    400 regions of one drought are not taken for 400 droughts.
    """
    from scipy.linalg import cho_factor, cho_solve

    year, region = _thinned(sample)
    residuals = sample.residuals[year, region]
    values = _scaled(sample.factors, year, region)
    alike = _gaussian(sample.likeness, sample.likeness, reach=1.0)

    def seasonal(
        left: Floats, right: Floats, regions: tuple[NDArray[np.intp], NDArray[np.intp]]
    ) -> Floats:
        near = alike[np.ix_(*regions)]
        return _gaussian(left, right, reach=kernel.reach) * (
            kernel.season + kernel.local * near
        )

    known = values(sample.factors[year, region])
    covariance = seasonal(known, known, (region, region))
    together = year[:, None] == year
    shared = kernel.year + kernel.local_year * alike[np.ix_(region, region)]
    covariance += np.where(together, shared, 0.0)
    covariance[np.diag_indices_from(covariance)] += kernel.noise
    weights = cho_solve(cho_factor(covariance, lower=True, overwrite_a=True), residuals)
    everywhere = np.arange(len(alike))
    return lambda factors: (
        seasonal(values(factors), known, (everywhere, region)) @ weights
    )


def _thinned(sample: Sample) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return all rows of so many regions that the process stays affordable.

    Whole regions, evenly over their first coordinate: the rest borrow from alike
    ones.
    """
    year, region = sample.rows
    share = LONGEST_ROWS / max(len(year), 1)
    if share >= 1:
        return year, region
    order = np.argsort(sample.likeness[:, 0], kind="stable")
    wanted = max(2, int(share * len(order)))
    kept = order[np.linspace(0, len(order) - 1, wanted).round().astype(np.intp)]
    keep = np.isin(region, kept)
    return year[keep], region[keep]


def _scaled(
    factors: Floats, year: NDArray[np.intp], region: NDArray[np.intp]
) -> Callable[[Floats], Floats]:
    """Return the function that brings the mean squared size of a season to 1."""
    size = np.sqrt(np.mean(np.square(factors[year, region]).sum(axis=1)))
    return lambda values: values / max(float(size), 1e-12)


def _gaussian(left: Floats, right: Floats, *, reach: float) -> Floats:
    squares = np.square(left).sum(axis=1)[:, None] + np.square(right).sum(axis=1)
    distance = np.maximum(squares - 2 * left @ right.T, 0.0)
    return np.asarray(np.exp(-0.5 * distance / reach**2))


FAMILIES: tuple[tuple[Learner, ...], ...] = (
    tuple(partial(learn_ridge, penalty=penalty) for penalty in (1.0, 0.3, 0.1)),
    tuple(partial(learn_trees, rounds=rounds) for rounds in (75, 250)),
    tuple(
        partial(learn_process, kernel=Kernel(noise=noise, year=year, local_year=year))
        for noise, year in ((0.4, 0.2), (0.1, 0.1))
    ),
)
"""Each way of learning, from the most cautious to the boldest."""
