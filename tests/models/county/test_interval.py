"""Intervals from the errors of years left out."""

import math

import numpy as np
import pytest
from scipy.stats import norm
from scipy.stats import t as student

from models.county.interval import half_width, spread


def test_a_year_weighs_the_same_whatever_its_rows() -> None:
    errors = np.full((10, 100), np.nan)
    errors[:9, 0] = 1.0
    errors[9] = 5.0
    # 90 % of the years, though 9 of 109 rows, have an error of 1.
    widened = student.ppf(0.95, 9) / norm.ppf(0.95)
    assert half_width(errors, interval=0.9) == pytest.approx(widened)


def test_the_tenth_year_counts_at_a_higher_level() -> None:
    errors = np.full((10, 100), np.nan)
    errors[:9, 0] = 1.0
    errors[9] = 5.0
    widened = student.ppf(0.96, 9) / norm.ppf(0.96)
    assert half_width(errors, interval=0.92) == pytest.approx(5 * widened)


def test_three_years_say_nothing() -> None:
    errors = np.ones((3, 50))
    assert half_width(errors, interval=0.8) == math.inf


def test_a_calm_region_is_drawn_to_the_others() -> None:
    errors = np.array([[0.0, 2.0], [0.0, 2.0]])
    # Mean square 2; ten years of it beside two of the region's own.
    np.testing.assert_allclose(spread(errors), np.sqrt([20 / 12, 28 / 12]))


@pytest.mark.parametrize("interval", [0.5, 0.8, 0.9])
def test_a_new_year_is_covered_as_often_as_said(interval: float) -> None:
    rng = np.random.default_rng(5)
    inside = []
    for _ in range(400):
        common = rng.normal(size=(16, 1))
        errors = common + 0.7 * rng.normal(size=(16, 60))
        width = half_width(errors[:15], interval=interval)
        inside.append(np.mean(np.abs(errors[15]) <= width))
    # The standard error of the mean coverage is about 0.015.
    assert abs(np.mean(inside) - interval) < 0.045
