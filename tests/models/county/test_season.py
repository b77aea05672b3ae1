"""Seasons as factors of smooth windows."""

import numpy as np
import pytest

from models.county.season import known_moments, season, window_weights
from tests.models.county.worlds import arrays, world

TRAINING = np.arange(20) < 15
DEKADS = np.arange(10, 366, 10)


def test_windows_stand_sixty_days_apart() -> None:
    centres, weights = window_weights(DEKADS, until=366)
    np.testing.assert_allclose(np.diff(centres), 60, atol=3)
    np.testing.assert_allclose(weights.sum(axis=0), 1.0)


def test_nothing_after_the_day_asked_for_is_looked_at() -> None:
    assert known_moments(DEKADS, until=100).max() == 100
    rows = world()
    later = rows.copy()
    later[["rain_m08", "rain_m09", "heat_m08", "heat_m09"]] = 99.0
    # 99 in the year before would be seen: the autumn counts for the next season.
    days = season(arrays(rows), training=TRAINING, until=212).factors.shape
    assert days == season(arrays(later), training=TRAINING, until=212).factors.shape
    one = season(arrays(rows), training=TRAINING, until=120)
    other = season(arrays(rows.assign(rain_m06=7.0)), training=TRAINING, until=120)
    np.testing.assert_array_equal(one.factors, other.factors)


def test_normals_come_from_the_training_years_alone() -> None:
    rows = world()
    changed = rows.copy()
    changed.loc[changed["year"] >= 2015, "rain_m05"] += 50.0
    one = season(arrays(rows), training=TRAINING)
    other = season(arrays(changed), training=TRAINING)
    np.testing.assert_array_equal(one.factors[TRAINING], other.factors[TRAINING])
    np.testing.assert_array_equal(one.normals, other.normals)


def test_factors_have_unit_variance_in_training() -> None:
    found = season(arrays(world()), training=TRAINING)
    np.testing.assert_allclose(
        np.square(found.factors[TRAINING]).mean(axis=(0, 1)).mean(), 1.0, rtol=0.1
    )


def test_a_season_with_a_gap_is_unknown() -> None:
    rows = world()
    rows.loc[(rows["region"] == "r003") & (rows["year"] == 2018), "rain_m06"] = np.nan
    found = season(arrays(rows), training=TRAINING)
    assert not found.known[18, 3]
    assert found.known[18].sum() == 29


def test_a_season_outside_the_range_of_training_is_told() -> None:
    rows = world()
    rows.loc[(rows["region"] == "r003") & (rows["year"] == 2018), "rain_m06"] += 100.0
    found = season(arrays(rows), training=TRAINING)
    assert found.beyond[18, 3] > 1
    assert np.median(found.beyond[18]) == pytest.approx(0.0, abs=0.2)


def test_a_table_without_features_has_no_season() -> None:
    rows = world()[["region", "year", "yield"]]
    found = season(arrays(rows), training=TRAINING)
    assert found.factors.shape == (20, 30, 0)
    assert not found.known.any()


def test_an_absent_year_before_leaves_the_season_known() -> None:
    rows = world()
    # Weather of autumn reaches into the next season; the row of 2017 is not there.
    autumn = {f"rain_m{month}": rows["rain_m09"] for month in (10, 11, 12)}
    rows = rows.assign(**autumn)
    gone = (rows["region"] == "r003") & (rows["year"] == 2017)
    found = season(arrays(rows[~gone]), training=TRAINING)
    assert found.known[18, 3]


def test_a_series_that_has_not_begun_is_no_season() -> None:
    rows = world().drop(columns=["rain_m09", "heat_m09"])
    found = season(arrays(rows), training=TRAINING, until=20)
    assert found.factors.shape[2] == 0
