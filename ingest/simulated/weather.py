"""Daily weather of the counties: correlated in time and space, with bad years in it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import gammaincinv, ndtr

from ingest.simulated.climate import (
    PRECIPITATION,
    RANGE,
    annual_precipitation,
    daily,
    extraterrestrial_radiation,
    mean_temperature,
    wet_day_share,
)
from ingest.simulated.noise import generator

__all__ = ["DAYS", "Weather", "make_weather", "weather_table"]

Float64 = NDArray[np.float64]

DAYS = 366  # length of the day axis of every year; day 366 repeats 365 when missing
CORRELATION_KM = 350.0  # 1/e distance of daily anomalies, assumed
DAILY_MEMORY = 0.72  # day-to-day autocorrelation of temperature, assumed
RAIN_MEMORY = 0.2  # of the wet-day chain, assumed
SPELL_MEMORY = 0.97  # of wet and warm spells lasting weeks, assumed
WINTER_SPREAD, SUMMER_SPREAD = 4.2, 2.2  # K, sd of daily anomalies, assumed
WARM_SPELL = 0.6  # K, sd of the slow part, assumed
WET_SPELL = 0.12  # sd of the logarithm of the slow rain factor, assumed
WET_DAY_COOLING = 1.6  # K between wet and dry summer days, assumed
RAIN_SHAPE = 1.0  # of the gamma distribution of wet-day amounts, assumed
STEADYING = 0.4  # exponent that brings the yearly totals' sd near 20 %, assumed
MIN_RAIN = 0.1  # mm, the smallest amount a gauge reports
RADIATION_FACTOR = 0.16  # K-0.5, Hargreaves, interior (FAO 56, eq. 50)
WET_DAY_DIMMING = 0.75  # of radiation, assumed
DROUGHT_RAIN = (0.48, 0.78)  # summer rain factor at 122 E and 131 E, assumed
COOL_SUMMER = -1.1  # K from May to September, assumed
HOT_SUMMER = 0.8  # K in drought years, assumed
WET_SUMMER = 1.5  # rain factor of July and August in a flood year, assumed


@dataclass(frozen=True, slots=True)
class Weather:
    """Weather on a regular (year, day, county) axis.

    Attributes
    ----------
    years : ndarray of int
    tmin, tmax : ndarray
        degC, float64 (years, 366, counties).
    precipitation : ndarray
        mm a day.
    radiation : ndarray
        MJ m-2 a day.
    drought, cool, flood : frozenset of int
        Years that were made bad on purpose.
    """

    years: NDArray[np.int64]
    tmin: Float64
    tmax: Float64
    precipitation: Float64
    radiation: Float64
    drought: frozenset[int]
    cool: frozenset[int]
    flood: frozenset[int]

    @property
    def tmean(self) -> Float64:
        """Mean of tmin and tmax, degC."""
        return np.asarray(0.5 * (self.tmin + self.tmax))


def make_weather(
    seed: int, years: Sequence[int], lon: Float64, lat: Float64
) -> Weather:
    """Weather of whole years at the county centres.

    Parameters
    ----------
    years
        Consecutive years, ascending.
    lon, lat
        County centres in degrees, shape (counties,).
    """
    days = pd.date_range(f"{years[0]}-01-01", f"{years[-1]}-12-31", freq="D")
    day = days.day_of_year.to_numpy().astype(np.int64)
    year = days.year.to_numpy().astype(np.int64)
    drought, cool, flood = _bad_years(seed, years)
    noise = _Noise(seed, len(days), lon, lat)
    rain = _steadier(_rain(noise, day, lon, lat), year)
    rain = rain * _rain_factor(year, day, lon, drought, flood)
    wet = rain >= MIN_RAIN
    rain = np.where(wet, rain, 0.0)
    mean = mean_temperature(lon, lat, day) + _anomaly(noise, day)
    mean += _summer_shift(year, day, drought, cool)[:, None]
    half = _half_range(noise, day, wet)
    mean -= WET_DAY_COOLING * (wet - wet.mean(axis=0)) * _warm_half(day)[:, None]
    radiation = _radiation(lat, day, 2 * half, wet)
    cube = _Cube(year, day, np.asarray(years))
    return Weather(
        years=np.asarray(years),
        tmin=cube(np.round(mean - half, 1)),
        tmax=cube(np.round(mean + half, 1)),
        precipitation=cube(np.round(rain, 1)),
        radiation=cube(np.round(radiation, 2)),
        drought=drought,
        cool=cool,
        flood=flood,
    )


def weather_table(weather: Weather, codes: Sequence[str]) -> pd.DataFrame:
    """Long table of the weather.

    Returns
    -------
    DataFrame
        Columns county, day (date), tmin, tmax (degC), precipitation (mm), radiation
        (MJ m-2), simulated (always True); one row per county and calendar day.
    """
    years = range(int(weather.years[0]), int(weather.years[-1]) + 1)
    parts = [pd.date_range(f"{y}-01-01", f"{y}-12-31", freq="D") for y in years]
    lengths = [len(part) for part in parts]
    dates = np.concatenate([part.date for part in parts])
    table: dict[str, object] = {
        "county": np.repeat(np.array(codes, dtype=object), len(dates)),
        "day": np.tile(dates, len(codes)),
    }
    for name in ("tmin", "tmax", "precipitation", "radiation"):
        values = getattr(weather, name)
        rows = [values[i, :n] for i, n in enumerate(lengths)]
        table[name] = np.concatenate(rows).T.ravel()
    return pd.DataFrame({**table, "simulated": True})


@dataclass(frozen=True, slots=True)
class _Cube:
    """Puts (all days, counties) on the (year, 366, county) axis."""

    year: NDArray[np.int64]
    day: NDArray[np.int64]
    years: NDArray[np.int64]

    def __call__(self, values: Float64) -> Float64:
        cube = np.empty((len(self.years), DAYS, values.shape[1]))
        rows = self.year - self.years[0]
        cube[:, DAYS - 1] = values[self.day == DAYS - 1]
        cube[rows, self.day - 1] = values
        return cube


class _Noise:
    """Standard normal series of all counties, correlated by distance."""

    def __init__(self, seed: int, days: int, lon: Float64, lat: Float64) -> None:
        east = np.radians(lon) * 6371.0 * np.cos(np.radians(lat.mean()))
        north = np.radians(lat) * 6371.0
        distance = np.hypot(east[:, None] - east, north[:, None] - north)
        correlation = np.exp(-distance / CORRELATION_KM) + 1e-9 * np.eye(len(lon))
        self._root = np.linalg.cholesky(correlation)
        self._seed, self._days = seed, days

    def __call__(self, name: str, memory: float) -> Float64:
        rng = generator(self._seed, "weather", name)
        # Seconds of import that a world already laid should not cost.
        from scipy.signal import lfilter

        white = rng.standard_normal((self._days, len(self._root))) @ self._root.T
        # The first day is drawn from the stationary distribution.
        white[1:] *= np.sqrt(1 - memory**2)
        return np.asarray(lfilter([1.0], [1.0, -memory], white, axis=0))


def _bad_years(
    seed: int, years: Sequence[int]
) -> tuple[frozenset[int], frozenset[int], frozenset[int]]:
    """Two drought years, one cool and one flood year of every eleven, disjoint."""
    order = generator(seed, "weather", "bad years").permutation(np.asarray(years))
    count = max(1, round(len(years) / 11))
    cut = np.cumsum([2 * count, count, count])
    drought, cool, flood = np.split(order, cut)[:3]
    return (
        frozenset(map(int, drought)),
        frozenset(map(int, cool)),
        frozenset(map(int, flood)),
    )


def _warm_half(day: NDArray[np.int64]) -> Float64:
    """0 in winter, 1 in summer."""
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * (day - 15) / 365.25))


def _rain(noise: _Noise, day: NDArray[np.int64], lon: Float64, lat: Float64) -> Float64:
    annual = annual_precipitation(lon, lat)
    share = wet_day_share(annual, day)
    rank = ndtr(noise("rain", RAIN_MEMORY))
    spell = np.exp(WET_SPELL * noise("wet spells", SPELL_MEMORY) - WET_SPELL**2 / 2)
    # The top `share` of the ranks are wet, and their ranks give the amounts too.
    wet_rank = np.clip((rank - (1 - share)) / share, 0.0, 1 - 1e-6)
    per_day = daily(PRECIPITATION, day)[:, None] / 30.4 * annual / PRECIPITATION.sum()
    amount = gammaincinv(RAIN_SHAPE, wet_rank) / RAIN_SHAPE * per_day / share
    return np.asarray(np.where(rank > 1 - share, amount * spell, 0.0))


def _steadier(rain: Float64, year: NDArray[np.int64]) -> Float64:
    """Draw yearly totals towards their mean: a plain wet-day chain varies too much."""
    steps = year - year[0]
    totals = np.stack([rain[steps == i].sum(axis=0) for i in range(steps[-1] + 1)])
    factor = (totals / totals.mean(axis=0)) ** -STEADYING
    return np.asarray(rain * factor[steps])


def _rain_factor(
    year: NDArray[np.int64],
    day: NDArray[np.int64],
    lon: Float64,
    drought: frozenset[int],
    flood: frozenset[int],
) -> Float64:
    dry = np.interp(lon, [122.0, 131.0], DROUGHT_RAIN)
    summer = (day >= 152) & (day <= 243)
    monsoon = (day >= 182) & (day <= 243)
    factor = np.ones((len(day), len(lon)))
    factor[np.isin(year, list(drought)) & summer] = dry
    factor[np.isin(year, list(flood)) & monsoon] = WET_SUMMER
    return factor


def _summer_shift(
    year: NDArray[np.int64],
    day: NDArray[np.int64],
    drought: frozenset[int],
    cool: frozenset[int],
) -> Float64:
    growing = np.clip((day - 110) / 20.0, 0, 1) * np.clip((275 - day) / 20.0, 0, 1)
    shift = np.isin(year, list(cool)) * COOL_SUMMER
    return np.asarray((shift + np.isin(year, list(drought)) * HOT_SUMMER) * growing)


def _anomaly(noise: _Noise, day: NDArray[np.int64]) -> Float64:
    spread = WINTER_SPREAD + (SUMMER_SPREAD - WINTER_SPREAD) * _warm_half(day)
    fast = noise("temperature", DAILY_MEMORY) * spread[:, None]
    return fast + WARM_SPELL * noise("warm spells", SPELL_MEMORY)


def _half_range(
    noise: _Noise, day: NDArray[np.int64], wet: NDArray[np.bool_]
) -> Float64:
    typical = daily(RANGE, day)[:, None] * np.where(wet, 0.78, 1.12)
    return np.asarray(0.5 * typical * np.exp(0.16 * noise("range", RAIN_MEMORY)))


def _radiation(
    lat: Float64, day: NDArray[np.int64], spread: Float64, wet: NDArray[np.bool_]
) -> Float64:
    top = extraterrestrial_radiation(lat, day)
    estimate = RADIATION_FACTOR * np.sqrt(spread) * top
    # Never above the clear-sky limit of 0.75 of the top (FAO 56, eq. 37).
    return np.minimum(np.where(wet, WET_DAY_DIMMING, 1.0) * estimate, 0.75 * top)
