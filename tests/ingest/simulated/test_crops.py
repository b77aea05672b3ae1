from datetime import date

import numpy as np
import pytest

from ingest.simulated.crops import Phenology, degree_days, leaf_area, phenology
from ingest.simulated.weather import Weather, make_weather

LON = np.array([125.3, 122.8, 129.5, 125.9])
LAT = np.array([43.8, 45.6, 42.9, 41.7])


@pytest.fixture(scope="module")
def weather() -> Weather:
    return make_weather(5, range(2000, 2022), LON, LAT)


def day(month: int, number: int) -> int:
    return date(2025, month, number).timetuple().tm_yday


def within(days: np.ndarray, first: int, last: int) -> bool:
    """Nine years of ten lie in the band, and the mean of every county does."""
    inside = (days >= first) & (days <= last)
    mean = days.mean(axis=0)
    return bool(inside.mean() >= 0.9 and np.all((mean >= first) & (mean <= last)))


def test_degree_days_cut_both_temperatures() -> None:
    def days(tmin: float, tmax: float) -> float:
        zeros = np.zeros((1, 1, 1))
        weather = Weather(
            np.array([2000]), zeros + tmin, zeros + tmax, zeros, zeros,
            frozenset(), frozenset(), frozenset(),
        )  # fmt: skip
        return float(degree_days(weather, 10.0)[0, 0, 0])

    assert days(15, 25) == pytest.approx(10.0)
    assert days(5, 25) == pytest.approx(7.5)
    assert days(20, 36) == pytest.approx(15.0)
    assert days(-5, 8) == 0.0


@pytest.mark.parametrize(
    ("crop", "stage", "first", "last"),
    [
        ("maize", "start", day(4, 20), day(5, 15)),
        ("maize", "flowering", day(7, 20), day(8, 5)),
        ("maize", "maturity", day(9, 20), day(10, 5)),
        ("rice", "start", day(5, 15), day(5, 31)),
        ("rice", "flowering", day(7, 25), day(8, 10)),
        ("rice", "harvest", day(9, 20), day(10, 10)),
        ("soybean", "start", day(4, 25), day(5, 15)),
        ("soybean", "maturity", day(9, 15), day(9, 30)),
    ],
)
def test_dates_of_jilin(
    weather: Weather, crop: str, stage: str, first: int, last: int
) -> None:
    assert within(getattr(phenology(weather, crop), stage), first, last)


def test_sowing_opens_around_the_first_of_may(weather: Weather) -> None:
    assert phenology(weather, "maize").start.mean() == pytest.approx(day(5, 1), abs=3)


def test_a_warmer_season_flowers_earlier(weather: Weather) -> None:
    maize = phenology(weather, "maize")
    heat = degree_days(weather, 10.0)[:, 120:210].sum(axis=1)
    for county in range(len(LON)):
        assert np.corrcoef(heat[:, county], maize.flowering[:, county])[0, 1] < -0.5


def test_stages_follow_each_other(weather: Weather) -> None:
    for crop in ("maize", "rice", "soybean"):
        dates: Phenology = phenology(weather, crop)
        order = (dates.start, dates.emergence, dates.flowering, dates.maturity)
        for earlier, later in zip(order, (*order[1:], dates.harvest), strict=True):
            assert np.all(earlier < later)


def test_the_canopy_is_full_at_flowering_and_gone_at_maturity() -> None:
    curve = leaf_area(np.array([-0.2, 0.0, 0.56, 1.0, 2.0, 2.4], dtype=np.float32))
    assert curve[0] == curve[1] == 0.0
    assert 0.45 < curve[2] < 0.55
    assert curve[3] > 0.97
    assert curve[4] < 0.15
    assert curve[5] < 0.01
