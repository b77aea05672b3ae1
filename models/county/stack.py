"""What the season adds, as far as past seasons have shown that it can be told."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.county.evidence import FOLDS, blend, bolder, folds
from models.county.learners import FAMILIES, Learner, Sample
from models.county.table import Floats

LARGEST_COMMON = 1.0
LARGEST_LOCAL = 1.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """How much of a guess to believe, 0 for nothing.

    Attributes
    ----------
    common : of the mean of all regions, 0..1: each year shows it but once
    local : of what each region departs from that mean, 0..1.25: each year shows it
        as often as it has regions, so it is known much sooner
    """

    common: float
    local: float

    def __bool__(self) -> bool:
        return bool(self.common or self.local)

    def scale(self, guess: Floats, *, regions: NDArray[np.bool_]) -> Floats:
        """Return the believed part of `guess` (.., region).

        The mean is that of `regions`, bool (.., region).
        """
        mean = _mean_of(guess, regions)
        return np.asarray(self.common * mean + self.local * (guess - mean))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """The blend of the learners, scaled by what it earned on years left out.

    Attributes
    ----------
    added : float64 (region,), what the season adds
    left_out : float64 (year, region), the same for the training years, each
        learnt without it; NaN where a row was not for learning
    trust : Trust
    """

    added: Floats
    left_out: Floats
    trust: Trust


def stack(
    sample: Sample,
    season: Floats,
    *,
    families: Sequence[Sequence[Learner]] = FAMILIES,
) -> Stack:
    """Learn from `sample` and apply to the factors (region, feature) of one season.

    Of each family the most cautious learner is taken, and a bolder one only where
    it did clearly better on years left out (`bolder`); the families then count
    alike, or as years left out have weighed them (`blend`).
    """
    shape = sample.residuals.shape
    known = np.isfinite(sample.residuals)
    years = np.flatnonzero(known.any(axis=1))
    if sample.factors.shape[2] == 0 or years.size < FOLDS:
        return Stack(
            added=np.zeros(shape[1]),
            left_out=np.zeros(shape),
            trust=Trust(common=0, local=0),
        )
    chosen = [_choose(sample, family, folds(years)) for family in families]
    weights, guess = blend(
        sample.residuals, np.stack([left_out for _, left_out in chosen])
    )
    earned = trust(sample.residuals, guess)
    whole = np.zeros(shape[1])
    if earned:
        whole = weights @ np.stack([learner(sample)(season) for learner, _ in chosen])
    return Stack(
        added=earned.scale(whole, regions=np.asarray(known.any(axis=0))),
        left_out=earned.scale(guess, regions=known),
        trust=earned,
    )


def sharpest(samples: Sequence[Sample], *, learner: Learner = FAMILIES[0][0]) -> int:
    """Return which of several views of the same seasons, ever sharper, to use.

    A sharper one only where the learner, the quickest, did clearly better with it on
    years left out (`bolder`).
    """
    best = 0
    years = np.flatnonzero(np.isfinite(samples[0].residuals).any(axis=1))
    if samples[0].factors.shape[2] == 0 or years.size < FOLDS:
        return best
    guess = _left_out(samples[best], learner, folds(years))
    for place, sample in enumerate(samples[1:], start=1):
        other = _left_out(sample, learner, folds(years))
        if not bolder(samples[0].residuals, guess, other):
            break
        best, guess = place, other
    return best


def _without(sample: Sample, years: NDArray[np.intp]) -> Sample:
    residuals = sample.residuals.copy()
    residuals[years] = np.nan
    return Sample(factors=sample.factors, residuals=residuals, likeness=sample.likeness)


def _choose(
    sample: Sample, family: Sequence[Learner], groups: Sequence[NDArray[np.intp]]
) -> tuple[Learner, Floats]:
    """Return the learner of a family to use, and its guesses at years left out."""
    best, guess = family[0], _left_out(sample, family[0], groups)
    for learner in family[1:]:
        other = _left_out(sample, learner, groups)
        if not bolder(sample.residuals, guess, other):
            break
        best, guess = learner, other
    return best, guess


def _left_out(
    sample: Sample, learner: Learner, groups: Sequence[NDArray[np.intp]]
) -> Floats:
    guess = np.full(sample.residuals.shape, np.nan)
    for fold in groups:
        correction = learner(_without(sample, fold))
        for year in fold:
            guess[year] = correction(sample.factors[year])
    return np.where(np.isfinite(sample.residuals), guess, np.nan)


def trust(residuals: Floats, guess: Floats) -> Trust:
    """Return how much of a guess to believe, from years that it had not seen.

    For the mean of all regions and for the departures from it: the factor that would
    have served best over all years, less one standard error over the years
    (jackknife). Ten years can make a useless guess look useful.

    Parameters
    ----------
    residuals, guess : float64 (year, region), NaN where there is none
    """
    known = np.isfinite(residuals) & np.isfinite(guess)
    known &= (known.sum(axis=1) > 0)[:, None]
    truth, said = _mean_of(residuals, known), _mean_of(guess, known)
    return Trust(
        common=_earned(truth[:, 0], said[:, 0], most=LARGEST_COMMON),
        local=_earned(
            np.where(known, residuals - truth, 0.0),
            np.where(known, guess - said, 0.0),
            most=LARGEST_LOCAL,
        ),
    )


def _mean_of(values: Floats, regions: NDArray[np.bool_]) -> Floats:
    """Return the mean of the regions of each year, (.., 1); 0 without one."""
    count = regions.sum(axis=-1, keepdims=True)
    total = np.where(regions, values, 0.0).sum(axis=-1, keepdims=True)
    return np.asarray(total / np.maximum(count, 1))


def _earned(truth: Floats, guess: Floats, *, most: float) -> float:
    """Return the best factor of `guess` (year, ..) less its standard error."""
    guess, truth = guess.reshape(len(guess), -1), truth.reshape(len(truth), -1)
    product, square = (guess * truth).sum(axis=1), np.square(guess).sum(axis=1)
    product, square = product[square > 0], square[square > 0]
    if product.size < 3:
        return 0.0
    without = (product.sum() - product) / (square.sum() - square)
    error = np.sqrt((product.size - 1) * np.mean(np.square(without - without.mean())))
    best = product.sum() / square.sum()
    return float(np.clip(best - error, 0.0, most))
