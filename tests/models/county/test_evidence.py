"""What years left out say of guesses."""

import numpy as np
import pytest

from models.county.evidence import blend, bolder

LOCAL = np.random.default_rng(2).normal(size=(12, 40))
LONG = np.random.default_rng(3).normal(size=(40, 30))


def test_a_bolder_guess_is_taken_where_it_is_clearly_better() -> None:
    assert bolder(LOCAL, 0.2 * LOCAL, 0.8 * LOCAL)
    assert not bolder(LOCAL, 0.8 * LOCAL, 0.2 * LOCAL)


def test_a_bolder_guess_that_is_better_by_one_lucky_year_is_not_taken() -> None:
    bold = 0.1 * np.random.default_rng(8).normal(size=LOCAL.shape)
    bold[3] = LOCAL[3]
    assert not bolder(LOCAL, np.zeros_like(LOCAL), bold)


def test_a_bolder_guess_better_by_one_error_is_not_better_by_two() -> None:
    # Gains of 0 and 1 in turn: mean 0.5, standard error 0.51 / sqrt(30) = 0.09.
    truth = np.tile([[0.0], [1.0]], (15, 1))
    assert bolder(truth, np.zeros_like(truth), truth, errors=5.0)
    assert not bolder(truth, np.zeros_like(truth), truth, errors=6.0)


def test_a_useless_guess_is_left_out_of_the_blend() -> None:
    noise = np.random.default_rng(4).normal(size=LONG.shape)
    weights, _ = blend(LONG, np.stack([LONG, noise]))
    # Drawn to a half each by a twentieth of the variance.
    assert weights == pytest.approx([1.0, 0.0], abs=0.05)


def test_a_dozen_years_weigh_nothing() -> None:
    weights, _ = blend(LOCAL, np.stack([LOCAL, np.zeros_like(LOCAL)]))
    np.testing.assert_array_equal(weights, [0.5, 0.5])


@pytest.mark.parametrize(("noise", "equal"), [(1.05, True), (1.2, False)])
def test_weights_that_are_hardly_better_are_not_taken(
    noise: float, equal: bool
) -> None:
    drawn = np.random.default_rng(5).normal(size=(2, *LONG.shape))
    guesses = LONG + np.array([1.0, noise])[:, None, None] * drawn
    weights, _ = blend(LONG, guesses)
    assert bool(weights[0] == weights[1]) == equal


def test_guesses_alike_share_the_blend() -> None:
    rng = np.random.default_rng(5)
    guesses = LONG + rng.normal(size=(3, *LONG.shape))
    weights, guess = blend(LONG, guesses)
    np.testing.assert_array_equal(weights, [1 / 3, 1 / 3, 1 / 3])
    np.testing.assert_allclose(guess, guesses.mean(axis=0))


def test_a_guess_at_a_year_does_not_know_that_year() -> None:
    noise = np.random.default_rng(4).normal(size=LONG.shape)
    other = LONG.copy()
    other[7] = -9.0
    guesses = np.stack([0.9 * LONG, noise])
    seen = blend(LONG, guesses)[1]
    np.testing.assert_array_equal(blend(other, guesses)[1][7], seen[7])


def test_years_without_rows_are_no_years() -> None:
    guesses = np.stack([LONG, np.zeros_like(LONG)])
    gap = np.full((1, 30), np.nan)
    weights, guess = blend(
        np.vstack([LONG, gap]),
        np.concatenate([guesses, gap[None].repeat(2, 0)], axis=1),
    )
    np.testing.assert_array_equal(weights, blend(LONG, guesses)[0])
    assert np.isnan(guess[-1]).all()


def test_guesses_of_nothing_count_alike() -> None:
    weights, _ = blend(LONG, np.zeros((2, *LONG.shape)))
    np.testing.assert_array_equal(weights, [0.5, 0.5])
