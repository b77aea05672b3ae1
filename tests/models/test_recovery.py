"""Histories made with a known response: does the model find it, and know its error?"""

import numpy as np
import pandas as pd
import pytest

from models import CountyYieldModel
from tests.models.histories import response_history

NAMES = ("f0", "f1", "f2")
YEARS = 13


@pytest.fixture(scope="module")
def forecasts() -> pd.DataFrame:
    """Forecasts of the last year of 40 worlds from the 12 years before it."""
    return pd.concat([forecast(seed) for seed in range(40)])


def forecast(seed: int) -> pd.DataFrame:
    world = response_history(seed, years=YEARS)
    last = world["year"] == world["year"].max()
    truth = world.loc[last].reset_index(drop=True)
    past = world.loc[~last]
    trend = CountyYieldModel.fit(past, features=()).predict(truth)
    model = CountyYieldModel.fit(past, features=NAMES).predict(truth)
    return model.assign(truth=truth["yield_t_ha"], trend=trend["value"])


def test_intervals_cover_as_often_as_they_say(forecasts: pd.DataFrame) -> None:
    inside = forecasts["truth"].between(forecasts["lower"], forecasts["upper"])
    assert 0.70 <= inside.mean() <= 0.90


def test_intervals_of_counties_not_seen_cover_as_often_as_they_say() -> None:
    results = pd.concat([half_seen(seed) for seed in range(40)])
    inside = results["truth"].between(results["lower"], results["upper"])
    assert set(results["status"]) == {"forecast"}
    assert results["reason"].str.startswith("from the trend alone").all()
    assert 0.70 <= inside.mean() <= 0.92


def half_seen(seed: int) -> pd.DataFrame:
    """Forecasts of the 20 counties of a world that were never seen."""
    world = response_history(seed, years=YEARS)
    unseen = world["county"] >= "220020"
    world.loc[unseen, list(NAMES)] = np.nan
    last = world["year"] == world["year"].max()
    truth = world.loc[last & unseen].reset_index(drop=True)
    model = CountyYieldModel.fit(world.loc[~last], features=NAMES)
    return model.predict(truth).assign(truth=truth["yield_t_ha"])


def test_estimates_come_near_the_truth(forecasts: pd.DataFrame) -> None:
    error = np.sqrt(np.square(forecasts["value"] - forecasts["truth"]).mean())
    trend = np.sqrt(np.square(forecasts["trend"] - forecasts["truth"]).mean())
    # Noise alone is hypot(3 %, 3 %) of 7.5 t/ha = 0.32; 12 years add some.
    assert error < 0.45
    assert error < 0.7 * trend


def test_the_response_is_found() -> None:
    history = response_history(100, years=20)
    model = CountyYieldModel.fit(history, features=NAMES).crops["maize"]
    assert model.regression is not None
    ridge, scaler = model.regression[-1], model.regression[0]
    found = ridge.coef_.ravel() / scaler.scale_
    assert found == pytest.approx([0.06, -0.04, 0.0], abs=0.015)
    assert model.trend.slope == pytest.approx(0.01 / 1.09, abs=0.004)
