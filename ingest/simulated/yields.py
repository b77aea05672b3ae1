"""The known true yields: base x technology x weather x independent noise.

Weather acts through heat supply, heat stress, drought and waterlogging, each as the
departure from the county's own average, so the bases keep their level. All
sensitivities are assumed, and tuned to give year-to-year variations of 8-12 %.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.simulated.climate import extraterrestrial_radiation
from ingest.simulated.crops import CALENDARS, Phenology, degree_days
from ingest.simulated.land_cover import CROPS, cover_of
from ingest.simulated.noise import generator
from ingest.simulated.weather import DAYS, Weather

__all__ = ["SurveyError", "Yields", "make_yields", "water_balance"]

Float64 = NDArray[np.float64]

TREND = 0.01  # yield gain a year, assumed
SURPRISE = 0.03  # sd of what neither weather nor canopy shows, assumed
SEASON_END = 273  # 30 September
MONSOON = slice(181, 243)  # July and August, 0-based days
CAPACITY = 160.0  # mm of water the root zone holds, assumed
START_WATER = 0.75  # of capacity on 1 April, assumed
READILY = 0.55  # of capacity, below which the crop suffers (after FAO 56, table 22)
CROP_FACTOR = 1.05  # Kc of the closed canopy (after FAO 56, table 12: 1.15-1.20)
YIELD_LIMITS = (0.45, 1.3)  # of the weather factor, assumed
# From yield response to leaf area response: a canopy suffers less than the grain.
LEAF_RESPONSE = 0.8  # assumed
# Rice and soybean follow the county's maize level weakly. Assumed, t/ha.
RICE_LEVEL, SOYBEAN_LEVEL, REFERENCE_MAIZE = 8.05, 2.1, 7.3


@dataclass(frozen=True, slots=True)
class Response:
    """Change of the logarithm of yield per unit of departure from the average.

    Attributes
    ----------
    heat
        Per unit of relative change of the season's degree days.
    shortfall
        The same, in addition, when the season is too cool.
    hot
        Per degree-day above 30 degC in July and August.
    drought
        Per unit of mean water stress (0..1) in July and August.
    wet
        Per mm of water beyond what the soil holds, July and August.
    """

    heat: float
    shortfall: float
    hot: float
    drought: float
    wet: float


RESPONSES = {
    "maize": Response(heat=0.25, shortfall=1.1, hot=-0.0030, drought=-0.62, wet=-5e-4),
    "rice": Response(heat=0.35, shortfall=1.5, hot=-0.0030, drought=-0.08, wet=-2e-4),
    "soybean": Response(heat=0.2, shortfall=0.8, hot=-0.0025, drought=-0.7, wet=-5e-4),
}


@dataclass(frozen=True, slots=True)
class Yields:
    """Yields and the vigour behind them, float64 (years, counties) by crop.

    Attributes
    ----------
    value
        True county yield in t/ha.
    vigour
        Multiplier of the leaf area: county level and weather, without the trend
        and the independent noise, so the canopy tells much of the yield, not all.
    """

    value: dict[str, Float64]
    vigour: dict[str, Float64]


class SurveyError:
    """Relative errors of the statistics offices; 1 for no error."""

    SPREAD = 0.015  # of yields, assumed
    AREA_SPREAD = 0.01  # of areas, assumed

    def __init__(self, seed: int, shape: tuple[int, ...]) -> None:
        rng = generator(seed, "survey")
        self.of_yield = 1.0 + self.SPREAD * rng.standard_normal(shape)
        self.of_area = 1.0 + self.AREA_SPREAD * rng.standard_normal(shape)


def make_yields(
    seed: int,
    weather: Weather,
    phases: dict[str, Phenology],
    *,
    codes: Sequence[str],
    lat: Float64,
) -> Yields:
    """Make the true yields of all crops, counties and years."""
    stress, excess = water_balance(weather, lat)
    value, vigour = {}, {}
    for crop in CROPS:
        base = _base(seed, crop, codes)
        factor = _weather_factor(weather, crop, phases[crop], stress, excess)
        rng = generator(seed, "yield noise", crop)
        surprise = 1.0 + SURPRISE * rng.standard_normal(factor.shape)
        # The bases hold for the middle of the years.
        trend = (1.0 + TREND) ** (weather.years - weather.years.mean())
        value[crop] = base * trend[:, None] * factor * surprise
        vigour[crop] = (base / base.mean()) ** 0.4 * factor**LEAF_RESPONSE
    return Yields(value, vigour)


def water_balance(weather: Weather, lat: Float64) -> tuple[Float64, Float64]:
    """Daily bucket model of the root zone.

    Parameters
    ----------
    lat
        Latitude of the counties in degrees.

    Returns
    -------
    stress : ndarray
        Mean water stress of July and August, 0 none .. 1 no transpiration,
        (years, counties); FAO Irrigation and Drainage Paper 56, equation 84.
    excess : ndarray
        Water beyond the capacity in July and August, mm.
    """
    demand = CROP_FACTOR * _reference_evaporation(weather, lat)
    water = np.full(weather.tmin.shape[::2], START_WATER * CAPACITY)
    stress = np.zeros_like(weather.tmin)
    excess = np.zeros_like(weather.tmin)
    for day in range(90, SEASON_END):
        supply = np.minimum(1.0, water / ((1.0 - READILY) * CAPACITY))
        # A young crop leaves part of the soil bare and uses less.
        growth = np.interp(day, [130.0, 190.0], [0.35, 1.0])
        used = growth * supply * demand[:, day]
        water = np.maximum(water + weather.precipitation[:, day] - used, 0.0)
        excess[:, day] = np.maximum(water - CAPACITY, 0.0)
        water = np.minimum(water, CAPACITY)
        stress[:, day] = 1.0 - supply
    return stress[:, MONSOON].mean(axis=1), excess[:, MONSOON].sum(axis=1)


def _reference_evaporation(weather: Weather, lat: Float64) -> Float64:
    """Millimetres a day; Hargreaves and Samani (FAO 56, eq. 52)."""
    top = extraterrestrial_radiation(lat, np.arange(1, DAYS + 1)) * 0.408
    spread = np.sqrt(weather.tmax - weather.tmin)
    return np.asarray(np.maximum(0.0023 * (weather.tmean + 17.8) * spread * top, 0.0))


def _weather_factor(
    weather: Weather, crop: str, phase: Phenology, stress: Float64, excess: Float64
) -> Float64:
    response = RESPONSES[crop]
    day = np.arange(1, DAYS + 1)[:, None]
    grown = (day >= phase.start[:, None]) & (day <= SEASON_END)
    heat = (degree_days(weather, CALENDARS[crop].base) * grown).sum(axis=1)
    relative = heat / heat.mean(axis=0) - 1.0
    hot = np.maximum(weather.tmax[:, MONSOON] - 30.0, 0.0).sum(axis=1)
    effect = response.heat * relative
    effect += response.shortfall * _departure(np.minimum(relative, 0.0))
    effect += response.hot * _departure(hot)
    effect += response.drought * _departure(stress)
    effect += response.wet * _departure(excess)
    return np.asarray(np.clip(np.exp(effect), *YIELD_LIMITS))


def _departure(values: Float64) -> Float64:
    return np.asarray(values - values.mean(axis=0))


def _base(seed: int, crop: str, codes: Sequence[str]) -> Float64:
    maize: Float64 = np.array([cover_of(code).maize_yield for code in codes])
    if crop == "maize":
        return maize
    level = {"rice": RICE_LEVEL, "soybean": SOYBEAN_LEVEL}[crop]
    spread = generator(seed, "base", crop).standard_normal(len(codes))
    return np.asarray(
        level * (maize / REFERENCE_MAIZE) ** 0.15 * (1.0 + 0.025 * spread)
    )
