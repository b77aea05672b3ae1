"""Intervals beside those of mapie, where rows may be exchanged and where not."""

import numpy as np
import pytest
from mapie.regression import (
    CrossConformalRegressor,
    SplitConformalRegressor,
)
from sklearn.dummy import DummyRegressor
from sklearn.model_selection import GroupKFold

from models.county.interval import half_width

INTERVAL = 0.9


def split_conformal(errors: np.ndarray) -> float:
    """Return the half-width of mapie about an estimate of 0."""
    rows = errors.reshape(-1, 1)
    nothing = DummyRegressor(strategy="constant", constant=0.0).fit(rows, rows.ravel())
    mapie = SplitConformalRegressor(nothing, confidence_level=INTERVAL, prefit=True)
    _, bounds = mapie.conformalize(rows, rows.ravel()).predict_interval(rows[:1])
    return float(bounds[0, 1, 0])


def cross_conformal(errors: np.ndarray) -> float:
    """Return the half-width of mapie's CV+ with whole years left out."""
    rows = errors.reshape(-1, 1)
    years = np.repeat(np.arange(len(errors)), errors.shape[1])
    mapie = CrossConformalRegressor(
        DummyRegressor(), confidence_level=INTERVAL, cv=GroupKFold(8)
    )
    mapie.fit_conformalize(rows, rows.ravel(), groups=years)
    _, bounds = mapie.predict_interval(rows[:1])
    return float(bounds[0, 1, 0] - bounds[0, 0, 0]) / 2


@pytest.mark.parametrize("regions", [1, 20])
def test_many_exchangeable_years_give_the_split_conformal_width(regions: int) -> None:
    errors = np.random.default_rng(3).normal(size=(400, regions))
    ours = half_width(errors, interval=INTERVAL)
    assert ours == pytest.approx(split_conformal(errors), rel=0.02)


def test_forty_years_of_unrelated_regions_give_the_cross_conformal_width() -> None:
    errors = np.random.default_rng(4).normal(size=(40, 100))
    ours = half_width(errors, interval=INTERVAL)
    # Wider by what forty years leave open: Student's 1.685 over the normal 1.645.
    assert ours / cross_conformal(errors) == pytest.approx(1.685 / 1.645, rel=0.02)


def test_where_a_year_is_shared_pooled_rows_promise_too_much() -> None:
    rng = np.random.default_rng(5)
    inside = np.zeros((200, 2))
    for k in range(len(inside)):
        errors = rng.normal(size=(13, 1)) + 0.3 * rng.normal(size=(13, 30))
        new = np.abs(errors[12])
        inside[k, 0] = np.mean(new <= half_width(errors[:12], interval=INTERVAL))
        inside[k, 1] = np.mean(new <= split_conformal(errors[:12]))
    ours, pooled = inside.mean(axis=0)
    assert pooled < ours - 0.01
    assert ours == pytest.approx(INTERVAL, abs=0.045)
