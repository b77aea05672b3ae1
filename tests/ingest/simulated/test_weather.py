import numpy as np
import pytest

from ingest.simulated.weather import Weather, make_weather, weather_table

# 长春, 白城, 延吉, 通化: lon, lat.
LON = np.array([125.3, 122.8, 129.5, 125.9])
LAT = np.array([43.8, 45.6, 42.9, 41.7])
CHANGCHUN, BAICHENG, YANJI, TONGHUA = range(4)
YEARS = range(1990, 2020)  # thirty years, as climate normals use
JULY, JANUARY = slice(181, 212), slice(0, 31)


@pytest.fixture(scope="module")
def weather() -> Weather:
    return make_weather(5, YEARS, LON, LAT)


def test_changchun_has_its_january_and_july(weather: Weather) -> None:
    mean = weather.tmean[:, :, CHANGCHUN]
    assert mean[:, JANUARY].mean() == pytest.approx(-15, abs=1.5)
    assert mean[:, JULY].mean() == pytest.approx(23, abs=1.0)


def test_the_west_is_warmer_in_summer_and_the_east_cooler(weather: Weather) -> None:
    july = weather.tmean[:, JULY].mean(axis=(0, 1))
    assert july[BAICHENG] > july[CHANGCHUN] > july[YANJI]


def test_rain_rises_from_400_mm_in_the_west_to_700_in_the_east(
    weather: Weather,
) -> None:
    rain = weather.precipitation[:, :365].sum(axis=1).mean(axis=0)
    assert 360 < rain[BAICHENG] < 440
    assert 520 < rain[CHANGCHUN] < 640
    assert 650 < rain[YANJI] < 900
    assert 650 < rain[TONGHUA] < 900


def test_july_and_august_bring_about_half_of_the_rain(weather: Weather) -> None:
    rain = weather.precipitation.mean(axis=(0, 2))
    assert 0.42 < rain[181:243].sum() / rain.sum() < 0.58


def test_yearly_rain_varies_by_about_a_fifth(weather: Weather) -> None:
    rain = weather.precipitation.sum(axis=1)
    variation = rain.std(axis=0) / rain.mean(axis=0)
    assert np.all((variation > 0.12) & (variation < 0.32))


def test_days_remember_yesterday_and_neighbours_feel_the_same(weather: Weather) -> None:
    mean = weather.tmean[:, :365]
    anomaly = mean - mean.mean(axis=0)
    july = anomaly[:, JULY, CHANGCHUN]
    assert np.corrcoef(july[:, 1:].ravel(), july[:, :-1].ravel())[0, 1] > 0.5
    east = anomaly[:, JULY, YANJI].ravel()
    south = anomaly[:, JULY, TONGHUA].ravel()
    near = np.corrcoef(july.ravel(), south)[0, 1]
    assert near > np.corrcoef(july.ravel(), east)[0, 1] > 0.1


def test_a_drought_year_is_drier_than_the_others(weather: Weather) -> None:
    dry = np.isin(weather.years, list(weather.drought))
    summer = weather.precipitation[:, 151:243].sum(axis=1)
    assert 0 < dry.sum() < 10
    assert np.all(summer[dry].mean(axis=0) < 0.85 * summer[~dry].mean(axis=0))


def test_physical_limits_hold(weather: Weather) -> None:
    assert np.all(weather.tmin < weather.tmax)
    assert weather.precipitation.min() == 0.0
    assert weather.radiation.min() > 0.5
    assert weather.radiation.max() < 32.0


def test_the_table_has_a_row_for_every_real_day(weather: Weather) -> None:
    table = weather_table(weather, ["a", "b", "c", "d"])
    # 30 years from 1990 with 7 leap days.
    assert len(table) == 4 * (30 * 365 + 7)
    assert not table.duplicated(["county", "day"]).any()
    assert table["simulated"].all()
    leap_day = table[
        (table["county"] == "b") & (table["day"].astype(str) == "1992-02-29")
    ]
    assert leap_day["tmax"].item() == weather.tmax[2, 59, BAICHENG]


def test_a_seed_is_a_weather() -> None:
    one = make_weather(5, range(2000, 2002), LON, LAT)
    again = make_weather(5, range(2000, 2002), LON, LAT)
    other = make_weather(6, range(2000, 2002), LON, LAT)
    np.testing.assert_array_equal(one.tmax, again.tmax)
    np.testing.assert_array_equal(one.precipitation, again.precipitation)
    assert not np.array_equal(one.tmax, other.tmax)
