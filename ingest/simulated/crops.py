"""Phenology and canopy of maize, rice and soybean, driven by growing degree days.

Every crop is described by an average calendar. The varieties a county grows are taken
to be adapted to it: their thermal needs are the degree days its own average weather
offers between the dates of the calendar. A warm year then brings a stage forward, a
cool year delays it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.simulated.land_cover import CROPS
from ingest.simulated.noise import Float32
from ingest.simulated.weather import DAYS, Weather

__all__ = [
    "CALENDARS",
    "Calendar",
    "Phenology",
    "all_phenology",
    "degree_days",
    "leaf_area",
    "phenology",
    "senescence",
]

Float64 = NDArray[np.float64]

UPPER = 30.0  # degC, no faster development above (notes of Jilin's agronomy)
RIPENING_BASE = 6.0  # degC; with base 10 late September would not count, assumed
# Day length holds the calendar: this share of the heat is the normal one, assumed.
PHOTOPERIOD = 0.5
RIPENING_PHOTOPERIOD = 0.7  # the same from flowering to maturity, assumed
# A crop that flowers early has warm days left; without this it would ripen in August.
CATCH_UP = 0.5  # share of a shift in flowering that is still seen at maturity, assumed
WARM_ENOUGH = 10.0  # degC mean of ten days that opens sowing, assumed
LAST_DAY = 283  # 10 October: frost ends what has not ripened, assumed


@dataclass(frozen=True, slots=True)
class Calendar:
    """Average calendar and canopy of a crop; days of the year.

    Attributes
    ----------
    base
        Base temperature in degC up to the peak of the canopy.
    start
        Earliest and latest day of sowing (rice: transplanting).
    delay
        Days between the opening of sowing and the crop's own start.
    emergence
        Degree days from start to the first green leaf (rice: to recovery).
    flowering
        Average day of silking (maize), heading (rice), full pod (soybean).
    maturity
        Average day of maturity.
    harvest_after
        Days from maturity to the harvest.
    leaf_area
        Largest leaf area index, m2 m-2, of an average crop.
    """

    base: float
    start: tuple[int, int]
    delay: int
    emergence: float
    flowering: int
    maturity: int
    harvest_after: int
    leaf_area: float


# Dates after notes of Jilin's agronomy: maize sown 20 Apr-15 May, silking 20 Jul-5 Aug,
# mature 20 Sep-5 Oct; rice transplanted 15-31 May, heading 25 Jul-10 Aug, harvested
# 20 Sep-10 Oct; soybean mature 15-30 Sep. Leaf areas are assumed.
CALENDARS = {
    "maize": Calendar(10.0, (115, 132), 2, 55.0, 209, 269, 12, 4.8),
    "rice": Calendar(10.0, (135, 150), 22, 30.0, 213, 264, 7, 4.6),
    "soybean": Calendar(9.0, (116, 135), 3, 80.0, 220, 265, 8, 4.4),
}


@dataclass(frozen=True, slots=True)
class Phenology:
    """Dates and development of one crop.

    Attributes
    ----------
    start, emergence, flowering, maturity, harvest
        Days of the year, int (years, counties).
    stage
        Development on every day, float32 (years, 366, counties): 0 at emergence,
        1 at flowering, 2 at maturity, negative before emergence.
    """

    start: NDArray[np.int64]
    emergence: NDArray[np.int64]
    flowering: NDArray[np.int64]
    maturity: NDArray[np.int64]
    harvest: NDArray[np.int64]
    stage: Float32


def degree_days(weather: Weather, base: float) -> Float64:
    """Daily growing degree days above `base`, tmin and tmax cut to base..30 degC.

    McMaster and Wilhelm 1997, Agric. For. Meteorol. 87:291, method 2.
    """
    upper = np.clip(weather.tmax, base, UPPER)
    lower = np.clip(weather.tmin, base, UPPER)
    return np.asarray(0.5 * (upper + lower) - base)


def phenology(weather: Weather, crop: str) -> Phenology:
    """Dates and development of a crop in every county and year."""
    calendar = CALENDARS[crop]
    opening = _sowing_opens(weather)
    start = np.clip(opening + calendar.delay, *calendar.start)
    heat = _damped(degree_days(weather, calendar.base), PHOTOPERIOD).cumsum(axis=1)
    heat = heat - _on_day(heat, start)
    need = _between(heat, start.mean(axis=0), calendar.flowering)
    flowering = _first_day(heat >= need)
    ripening, ripe = _ripening(weather, flowering, calendar.maturity)
    maturity = np.minimum(_first_day(ripening >= ripe), LAST_DAY)
    before = (heat - calendar.emergence) / (need - calendar.emergence)
    after = 1.0 + np.clip(ripening / ripe, 0.0, 2.0)
    flowered = np.arange(1, DAYS + 1)[:, None] >= flowering[:, None]
    return Phenology(
        start=start,
        emergence=_first_day(heat >= calendar.emergence),
        flowering=flowering,
        maturity=maturity,
        harvest=maturity + calendar.harvest_after,
        stage=np.where(flowered, after, np.minimum(before, 1.0)).astype(np.float32),
    )


def leaf_area(stage: Float32) -> Float32:
    """Leaf area as a share of its maximum, 0..1, from the development stage.

    A logistic rise centred half way to flowering and a logistic fall late in
    ripening (shape after Zhang et al. 2003, Remote Sens. Environ. 84:471; the
    constants are assumed).
    """
    rise = 1.0 / (1.0 + np.exp(-9.5 * (stage - 0.56)))
    fall = 1.0 / (1.0 + np.exp(9.5 * (stage - 1.8)))
    sown = np.clip(stage / 0.1, 0.0, 1.0)
    return np.asarray(rise * fall * sown, dtype=np.float32)


def senescence(crop_stage: Float32, harvested: Float32) -> Float32:
    """Share of the ground not under green leaves that dead crop covers, 0..1.

    Parameters
    ----------
    crop_stage
        Development stage.
    harvested
        0 before, 1 after the harvest; stubble and residue remain.
    """
    standing = 0.85 / (1.0 + np.exp(-7.0 * (crop_stage - 1.55)))
    return np.asarray(standing * (1.0 - 0.6 * harvested), dtype=np.float32)


def all_phenology(weather: Weather) -> dict[str, Phenology]:
    """Phenology of every crop of the world."""
    return {crop: phenology(weather, crop) for crop in CROPS}


def _ripening(
    weather: Weather, flowering: NDArray[np.int64], maturity: int
) -> tuple[Float64, Float64]:
    """Heat since flowering (years, 366, counties); need of it (years, 1, counties)."""
    heat = _damped(degree_days(weather, RIPENING_BASE), RIPENING_PHOTOPERIOD)
    normal = np.broadcast_to(heat.mean(axis=0), heat.shape).cumsum(axis=1)
    shift = CATCH_UP * (flowering - flowering.mean(axis=0))
    end = np.round(maturity + shift).astype(np.int64)
    need = _on_day(normal, end) - _on_day(normal, flowering)
    total = heat.cumsum(axis=1)
    return total - _on_day(total, flowering), need


def _damped(heat: Float64, share: float) -> Float64:
    return np.asarray(share * heat.mean(axis=0) + (1.0 - share) * heat)


def _sowing_opens(weather: Weather) -> NDArray[np.int64]:
    total = np.cumsum(weather.tmean, axis=1)
    ten_days = (total[:, 10:] - total[:, :-10]) / 10.0
    warm = ten_days >= WARM_ENOUGH
    # Index 0 of the running mean ends on day 11 of the year; a warm spell in March
    # opens nothing.
    first = 95
    return np.asarray(np.argmax(warm[:, first:], axis=1) + first + 11)


def _first_day(reached: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Day of the year on which a condition first holds; the last if it never does."""
    day = np.argmax(reached, axis=1) + 1
    return np.where(reached.any(axis=1), day, DAYS)


def _on_day(values: Float64, day: NDArray[np.int64]) -> Float64:
    return np.take_along_axis(values, day[:, None] - 1, axis=1)


def _between(cumulative: Float64, start: Float64, end: int) -> Float64:
    """Sum normal heat from a county's mean start to a day of the year, (counties,)."""
    normal = cumulative.mean(axis=0)
    first = np.round(start).astype(int) - 1
    return np.asarray(normal[end - 1] - normal[first, np.arange(normal.shape[1])])
