"""What seasons have earned to be believed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.county.learners import FAMILIES, Learner, Sample
from models.county.stack import stack, trust

RNG = np.random.default_rng(2)
COMMON = RNG.normal(size=(12, 1))
LOCAL = RNG.normal(size=(12, 40))


def test_a_perfect_guess_is_believed_whole() -> None:
    earned = trust(COMMON + LOCAL, COMMON + LOCAL)
    assert earned.common == pytest.approx(1.0)
    assert earned.local == pytest.approx(1.0)


def test_a_guess_of_noise_is_not_believed() -> None:
    noise = np.random.default_rng(3).normal(size=(12, 40))
    earned = trust(COMMON + LOCAL, noise)
    assert earned.local < 0.05
    assert earned.common < 0.5


def test_the_local_part_is_believed_without_the_common_one() -> None:
    wrong = np.random.default_rng(4).permutation(COMMON) * -1.0
    earned = trust(COMMON + LOCAL, wrong + LOCAL)
    assert earned.local == pytest.approx(1.0, abs=0.05)
    assert earned.common == 0.0


def test_half_of_a_guess_twice_too_large_is_believed() -> None:
    assert trust(LOCAL, 2 * LOCAL).local == pytest.approx(0.5)


@given(st.floats(0.01, 100.0))
def test_the_unit_does_not_matter(unit: float) -> None:
    guess = LOCAL + np.random.default_rng(6).normal(size=LOCAL.shape)
    assert trust(unit * LOCAL, unit * guess).local == pytest.approx(
        trust(LOCAL, guess).local
    )


def sample(effect: float) -> tuple[Sample, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    factors = rng.normal(size=(18, 1, 3)) + 0.8 * rng.normal(size=(18, 40, 3))
    truth = effect * factors[..., 0]
    residuals = truth + 0.5 * rng.normal(size=truth.shape)
    residuals[-1] = np.nan
    likeness = np.linspace(-1.7, 1.7, 40)[:, None]
    known = Sample(factors=factors, residuals=residuals, likeness=likeness)
    return known, factors[-1], truth[-1]


@pytest.mark.parametrize("learner", [family[0] for family in FAMILIES])
def test_every_learner_finds_a_straight_effect(learner: Learner) -> None:
    known, season, truth = sample(1.0)
    assert np.corrcoef(learner(known)(season), truth)[0, 1] > 0.85


def test_the_stack_finds_what_is_there() -> None:
    known, season, truth = sample(1.0)
    found = stack(known, season)
    assert np.corrcoef(found.added, truth)[0, 1] > 0.9
    assert found.trust.local > 0.8


def test_the_stack_adds_nothing_where_seasons_do_nothing() -> None:
    known, season, _ = sample(0.0)
    found = stack(known, season)
    assert np.abs(found.added).max() < 0.1  # the noise is 0.5


def test_five_years_are_too_few_to_learn_from() -> None:
    known, season, _ = sample(1.0)
    short = known.residuals.copy()
    short[:13] = np.nan
    found = stack(
        Sample(factors=known.factors, residuals=short, likeness=known.likeness), season
    )
    assert not found.trust
    np.testing.assert_array_equal(found.added, 0.0)
