"""Vegetation health, water index and the dates of a season."""

import numpy as np
import pytest

from models.growth import (
    Level,
    SignalStatus,
    phenology_signals,
    temperature_condition,
    vegetation_health,
    vhi_signal,
    water_index_signal,
)
from models.reasons import Reason

PAST_DATES = np.array([[50.0, 110, 170], [52, 112, 172], [54, 114, 174]] * 2)


def test_the_hottest_surface_of_the_past_has_a_tci_of_zero() -> None:
    past = np.array([[290.0], [300.0], [310.0]])
    for kelvin, tci in ((310.0, 0.0), (290.0, 100.0), (305.0, 25.0), (312.0, -10.0)):
        found = temperature_condition(np.array([kelvin]), past)
        assert found == pytest.approx([tci])


def test_tci_of_one_past_year_is_not_a_number() -> None:
    assert np.isnan(temperature_condition(np.array([300.0]), np.array([[299.0]])))[0]


def test_vhi_is_the_half_of_both_conditions() -> None:
    assert vegetation_health(30.0, 50.0) == pytest.approx(40.0)
    assert vegetation_health(30.0, 50.0, weight=0.8) == pytest.approx(34.0)


@pytest.mark.parametrize(
    ("vci", "level"), [(60, Level.NONE), (30, Level.WATCH), (10, Level.WARNING)]
)
def test_vhi_is_graded_by_kogans_steps(vci: float, level: Level) -> None:
    assert vhi_signal(vci, 40.0).level is level


def test_air_temperature_is_not_taken_for_that_of_the_surface() -> None:
    found = vhi_signal(50.0, float("nan"))
    assert (found.value, found.status) == (None, SignalStatus.MISSING)


def test_water_index_without_the_band_says_why() -> None:
    gap = Reason("no band", "没有波段")
    assert water_index_signal(np.nan, [], min_years=5, gap=gap).reason == gap


def test_a_season_begins_days_later_than_usual() -> None:
    found = phenology_signals(
        ("sos",), np.array([62.0]), PAST_DATES[:, :1], last=100, min_years=5
    )
    # Mean 52, standard deviation sqrt(2 * 2 * 2**2 / 5) = 1.79.
    assert found[0].departure == pytest.approx(10.0)
    assert found[0].spread == pytest.approx(1.7889, abs=1e-4)
    assert found[0].level is Level.WARNING


def test_a_peak_at_the_end_of_the_series_is_not_settled() -> None:
    found = phenology_signals(
        ("sos", "pos", "eos"),
        np.array([52.0, 111.0, 113.0]),
        PAST_DATES,
        last=113.0,
        min_years=5,
    )
    assert [one.status for one in found] == [
        SignalStatus.OK,
        SignalStatus.MISSING,
        SignalStatus.MISSING,
    ]


def test_a_season_that_was_not_found_is_missing() -> None:
    found = phenology_signals(
        ("sos",), np.array([np.nan]), PAST_DATES[:, :1], last=100, min_years=5
    )
    assert found[0].status is SignalStatus.MISSING
