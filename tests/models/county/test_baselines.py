"""Trend, five-year mean and level without a season."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.county.baselines import level, mean5, trend

YEARS = np.arange(2000, 2010)
STRAIGHT = 50.0 + 2.0 * (YEARS - 2000)[:, None] + np.array([0.0, 10.0])
BEFORE_2009 = YEARS < 2009


def test_the_level_of_a_straight_line_is_the_line() -> None:
    found = level(STRAIGHT, years=YEARS, training=BEFORE_2009, year=2009)
    assert found.slope == pytest.approx(2.0)
    np.testing.assert_allclose(found.expected, [68.0, 78.0])
    np.testing.assert_allclose(found.residuals[BEFORE_2009], 0.0, atol=1e-9)


def test_a_level_never_looks_at_other_years() -> None:
    changed = STRAIGHT.copy()
    changed[-1] = 1e6
    found = level(changed, years=YEARS, training=BEFORE_2009, year=2009)
    np.testing.assert_allclose(found.expected, [68.0, 78.0])
    assert np.isnan(found.residuals[-1]).all()


def test_recent_years_count_more() -> None:
    # A region that lost 10 four years ago, among many that keep their level.
    target = np.full((10, 9), 50.0)
    target[6:, 0] = 40.0
    found = level(target, years=YEARS, training=YEARS < 2010, year=2010)
    assert found.expected[1] == pytest.approx(50.0)
    assert 40.0 < found.expected[0] < 46.0  # the plain mean is 46


def test_weather_is_taken_off_before_levels_are_formed() -> None:
    target = STRAIGHT.copy()
    target[8] -= 30.0
    drought = np.zeros_like(target)
    drought[8] = -30.0
    found = level(target, years=YEARS, training=BEFORE_2009, year=2009, weather=drought)
    np.testing.assert_allclose(found.expected, [68.0, 78.0])


def test_the_five_nearest_known_years_are_averaged() -> None:
    target = STRAIGHT.copy()
    target[8, 0] = np.nan
    found = mean5(target, years=YEARS, training=BEFORE_2009, year=2009)
    # 2003 to 2007 of the first region, 2004 to 2008 of the second.
    np.testing.assert_allclose(found, [60.0, 72.0])


def test_of_two_equally_near_years_the_earlier_goes_first() -> None:
    target = np.array([[1.0], [2.0], [4.0], [8.0], [16.0], [32.0], [64.0]])
    years = np.arange(2000, 2007)
    found = mean5(target, years=years, training=years != 2003, year=2003)
    np.testing.assert_allclose(found, [(4 + 16 + 2 + 32 + 1) / 5])


def test_a_region_without_a_past_has_no_baseline() -> None:
    target = STRAIGHT.copy()
    target[:, 1] = np.nan
    assert np.isnan(mean5(target, years=YEARS, training=BEFORE_2009, year=2009)[1])
    assert np.isnan(trend(target, years=YEARS, training=BEFORE_2009)[-1, 1])
    assert np.isnan(
        level(target, years=YEARS, training=BEFORE_2009, year=2009).expected[1]
    )


@given(st.floats(-1e3, 1e3))
def test_adding_a_constant_shifts_the_level_by_it(constant: float) -> None:
    rng = np.random.default_rng(1)
    target = rng.normal(50, 5, size=(10, 4))
    plain = level(target, years=YEARS, training=BEFORE_2009, year=2009)
    moved = level(target + constant, years=YEARS, training=BEFORE_2009, year=2009)
    np.testing.assert_allclose(
        moved.expected, plain.expected + constant, rtol=0, atol=1e-6
    )


@given(st.floats(-100.0, 100.0))
def test_adding_a_constant_shifts_the_trend_by_it(constant: float) -> None:
    target = np.random.default_rng(3).normal(6, 1, size=(8, 5))
    years, training = np.arange(2000, 2008), np.arange(8) < 7
    before = trend(target, years=years, training=training)
    after = trend(target + constant, years=years, training=training)
    np.testing.assert_allclose(after, before + constant, atol=1e-9)


def test_four_years_have_no_mean_of_five() -> None:
    target = np.ones((6, 2))
    target[1, 0] = np.nan
    years, training = np.arange(2000, 2006), np.arange(6) < 5
    found = mean5(target, years=years, training=training, year=2005)
    np.testing.assert_array_equal(found, [np.nan, 1.0])
