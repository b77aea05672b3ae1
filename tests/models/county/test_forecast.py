"""Estimates of a year from the others."""

import numpy as np
import pandas as pd
import pytest

from models.county.forecast import Forecast, forecast
from models.county.season import FAR
from tests.models.county.worlds import arrays, world

LAST = 2016


def frame(*, regions: int = 12, effect: float = 1.0) -> pd.DataFrame:
    """Return a table small enough to learn from again and again."""
    return world(regions=regions, years=17, effect=effect, seed=2)


@pytest.fixture(scope="module")
def plain() -> Forecast:
    return forecast(arrays(frame()), year=LAST)


def test_a_season_that_matters_beats_both_baselines(plain: Forecast) -> None:
    truth = arrays(frame()).target[-1]
    errors = {
        name: np.sqrt(np.mean(np.square(values - truth)))
        for name, values in [
            ("value", plain.value),
            ("trend", plain.trend),
            ("mean5", plain.mean5),
        ]
    }
    assert errors["value"] < 0.8 * min(errors["trend"], errors["mean5"])


def test_the_interval_holds_its_value(plain: Forecast) -> None:
    assert (plain.lower < plain.value).all()
    assert (plain.value < plain.upper).all()
    assert np.isfinite(plain.upper).all()


def test_the_targets_of_the_year_are_never_looked_at(plain: Forecast) -> None:
    rows = frame()
    rows.loc[rows["year"] == LAST, "yield"] = 999.0
    changed = forecast(arrays(rows), year=LAST)
    np.testing.assert_array_equal(changed.value, plain.value)
    np.testing.assert_array_equal(changed.upper, plain.upper)


def test_walking_forward_no_later_row_is_looked_at() -> None:
    rows = frame()
    cut = forecast(arrays(rows[rows["year"] <= 2013]), year=2013)
    later = rows.copy()
    later.loc[later["year"] > 2013, ["yield", "rain_m05", "heat_m07"]] = -50.0
    whole = forecast(arrays(later), year=2013)
    np.testing.assert_allclose(whole.value, cut.value, rtol=1e-9)
    np.testing.assert_allclose(whole.upper, cut.upper, rtol=1e-9)


def test_the_order_of_rows_does_not_matter(plain: Forecast) -> None:
    mixed = frame().sample(frac=1, random_state=3)
    np.testing.assert_array_equal(forecast(arrays(mixed), year=LAST).value, plain.value)


def test_adding_a_constant_to_the_target_shifts_the_estimates(plain: Forecast) -> None:
    rows = frame()
    rows["yield"] += 25.0
    moved = forecast(arrays(rows), year=LAST)
    np.testing.assert_allclose(moved.value, plain.value + 25.0, atol=1e-6)
    np.testing.assert_allclose(moved.lower, plain.lower + 25.0, atol=1e-6)


def test_the_unit_of_the_target_does_not_matter(plain: Forecast) -> None:
    rows = frame()
    rows["yield"] *= 67.25
    scaled = forecast(arrays(rows), year=LAST)
    np.testing.assert_allclose(scaled.value, plain.value * 67.25, rtol=1e-6)


def test_useless_features_leave_the_level() -> None:
    rows = frame(effect=0.0)
    bare = rows[["region", "year", "yield"]]
    found = forecast(arrays(rows), year=LAST)
    alone = forecast(arrays(bare), year=LAST)
    assert np.abs(found.value - alone.value).max() < 0.15  # the noise is 0.3


def test_two_years_of_history_give_no_number() -> None:
    rows = frame()
    short = (rows["region"] == "r004") & (rows["year"] < 2014)
    rows.loc[short, "yield"] = np.nan
    found = forecast(arrays(rows), year=LAST)
    assert found.years_known[4] == 2
    assert np.isnan(found.value[4])
    assert np.isnan(found.lower[4])
    assert np.isfinite(np.delete(found.value, 4)).all()


def test_an_unseen_season_leaves_the_level_and_a_wider_interval() -> None:
    rows = frame()
    gap = (rows["region"] == "r004") & (rows["year"] == LAST)
    rows.loc[gap, "rain_m06"] = np.nan
    found = forecast(arrays(rows), year=LAST)
    bare = forecast(arrays(rows[["region", "year", "yield"]]), year=LAST)
    assert not found.season_known[4]
    width = found.upper - found.lower
    assert width[4] > np.delete(width, 4).max() * 0.9
    assert abs(found.value[4] - bare.value[4]) < 0.5


def test_a_season_outside_all_others_widens_the_interval_to_hold_the_level() -> None:
    rows = frame()
    wrong = (rows["region"] == "r004") & (rows["year"] == LAST)
    rows.loc[wrong, "rain_m06"] *= 50
    found = forecast(arrays(rows), year=LAST)
    bare = forecast(arrays(rows[["region", "year", "yield"]]), year=LAST)
    assert found.beyond[4] > FAR
    assert found.lower[4] < bare.value[4] < found.upper[4]
    width = found.upper - found.lower
    assert width[4] > 1.5 * np.median(width)


def test_leaving_a_year_out_uses_the_years_after_it() -> None:
    rows = frame()
    found = forecast(arrays(rows), year=2003, protocol="leave-year-out")
    assert np.isfinite(found.value).all()
    early = forecast(arrays(rows[rows["year"] <= 2003]), year=2003)
    assert np.isnan(early.value).all()


def test_an_earlier_lead_knows_less() -> None:
    rows = frame()
    truth = arrays(rows).target[-1]

    def error(until: int) -> float:
        found = forecast(arrays(rows), year=LAST, until=until)
        return float(np.sqrt(np.mean(np.square(found.value - truth))))

    assert error(366) < error(120)


def test_one_region_is_forecast_by_its_level() -> None:
    rows = frame(regions=1)
    found = forecast(arrays(rows), year=LAST)
    assert np.isfinite(found.value).all()


def test_a_column_that_says_nothing_changes_nothing(plain: Forecast) -> None:
    rows = frame().assign(source="yearbook", constant=1.0)
    np.testing.assert_allclose(
        forecast(arrays(rows), year=LAST).value, plain.value, rtol=1e-9
    )
