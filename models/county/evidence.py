"""What years left out say: is one guess better than another, and by how much?"""

import numpy as np
from numpy.typing import NDArray

from models.county.table import Floats

__all__ = ["FOLDS", "blend", "bolder", "folds"]

FOLDS = 6
"""Groups of years left out in turn."""
ENOUGH_TO_WEIGH = 20
"""Years below which guesses count alike: so few rank learners by luck."""
SAMENESS = 0.05
"""Penalty on weights that differ, over the variance of the guesses: two learners that
say nearly the same would else share one weight in any way chance has it."""


def folds(years: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Return every sixth year each: a run of bad years is not left out as one."""
    return [years[start::FOLDS] for start in range(FOLDS)]


def bolder(
    residuals: Floats, cautious: Floats, bold: Floats, *, errors: float = 1.0
) -> bool:
    """Tell whether a bold guess (year, region) beats a cautious one beyond chance.

    Its squared error has to be smaller by so many standard errors of the difference,
    with the year as the unit; one, unless told otherwise (Breiman, Friedman, Olshen &
    Stone 1984, section 3.4.3).
    """
    gain = np.square(residuals - cautious) - np.square(residuals - bold)
    years = np.where(np.isfinite(gain), gain, 0.0).sum(axis=1)
    years = years[np.isfinite(gain).any(axis=1)]
    return bool(years.mean() > errors * years.std(ddof=1) / np.sqrt(years.size))


def blend(residuals: Floats, guesses: Floats) -> tuple[Floats, Floats]:
    """Weigh several guesses at years left out as far as they have earned it.

    Stacking by weights that are not negative (Breiman 1996, Machine Learning 24:49).
    The mean stays with fewer years than `ENOUGH_TO_WEIGH`, and where weights, each
    learnt without the years they serve, are not better by two standard errors.

    Parameters
    ----------
    residuals : float64 (year, region), NaN where a row was not for learning
    guesses : float64 (learner, year, region), NaN where `residuals` are

    Returns
    -------
    weights : float64 (learner,), not negative, of sum 1
    guess : float64 (year, region), the blend of each year by weights learnt without it
    """
    equal = np.full(len(guesses), 1 / len(guesses))
    mean = np.tensordot(equal, guesses, axes=1)
    years = np.flatnonzero(np.isfinite(residuals).any(axis=1))
    if years.size < ENOUGH_TO_WEIGH:
        return equal, mean
    unseen = np.full(residuals.shape, np.nan)
    for fold in folds(years):
        others = np.setdiff1d(years, fold)
        weights = _weights(residuals[others], guesses[:, others])
        unseen[fold] = np.tensordot(weights, guesses[:, fold], axes=1)
    if bolder(residuals, mean, unseen, errors=2.0):
        return _weights(residuals[years], guesses[:, years]), unseen
    return equal, mean


def _weights(residuals: Floats, guesses: Floats) -> Floats:
    """Return the weights of least squares, drawn to equal ones."""
    # Half a second of import that only a fit should cost.
    from scipy.optimize import nnls

    known = np.isfinite(residuals)
    columns = guesses[:, known].T
    count = columns.shape[1]
    pull = np.sqrt(SAMENESS * columns.var() * len(columns))
    weights, _ = nnls(
        np.vstack([columns, pull * np.eye(count)]),
        np.concatenate([residuals[known], np.full(count, pull / count)]),
    )
    total = weights.sum()
    return np.asarray(weights / total if total > 0 else np.full(count, 1 / count))
