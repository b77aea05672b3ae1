import math

import numpy as np
import pytest

from models.intervals import half_width


@pytest.mark.parametrize(
    ("years", "expected"),
    [
        (3, math.inf),  # ceil(4 * 0.8) = 4: a fourth year would be needed
        (4, 4.0),  # ceil(5 * 0.8) = 4
        (9, 8.0),  # ceil(10 * 0.8) = 8
        (10, 9.0),  # ceil(11 * 0.8) = 9
    ],
)
def test_rank_of_the_years(years: int, expected: float) -> None:
    residuals = np.arange(1.0, years + 1)[:, None]
    assert half_width(residuals, interval=0.8) == expected


def test_the_sign_does_not_matter() -> None:
    residuals = np.array([[-4.0], [3.0], [-2.0], [1.0]])
    assert half_width(residuals, interval=0.8) == 4.0


def test_a_year_counts_once_however_many_counties_it_has() -> None:
    residuals = np.full((5, 1000), np.nan)
    residuals[:4, 0] = 1.0
    residuals[4] = 5.0
    # ceil(6 * 0.8) = 5 of the per-year values 1 1 1 1 5; pooled rows would say 5
    # at any coverage above 0.4 %.
    assert half_width(residuals, interval=0.8) == 5.0
    assert half_width(residuals, interval=0.6) == 1.0


def test_the_quantile_of_a_year() -> None:
    # 0.8 of the way along 0 1 2 3 4 5 is 4.
    residuals = np.tile(np.arange(6.0), (4, 1))
    assert half_width(residuals, interval=0.8) == pytest.approx(4.0)


def test_an_empty_year_is_no_year() -> None:
    residuals = np.array([[1.0], [2.0], [3.0], [np.nan]])
    assert half_width(residuals, interval=0.8) == math.inf
