"""What a day of the year looks like in every county: small tables for the renderer."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.simulated.crops import (
    CALENDARS,
    Phenology,
    degree_days,
    leaf_area,
    senescence,
)
from ingest.simulated.land_cover import CROPS
from ingest.simulated.noise import Float32
from ingest.simulated.weather import DAYS, Weather

__all__ = ["Canopy", "make_canopy"]

Float64 = NDArray[np.float64]

HARVEST_WEEK = 3.0  # days, logistic width of a county's harvest, assumed
FLOODING_LEAD = 9  # days between flooding a paddy and transplanting, assumed
DRAINING = 1.45  # development stage at which paddies are drained, assumed
FLOODED_SHARE = 0.92  # of a flooded paddy that is open water, assumed
RAIN_MEMORY_DAYS = 3.0  # the soil surface dries with this time scale, assumed
WETTING_RAIN = 8.0  # mm that turns the surface dark, assumed
LEAF_OUT = (210.0, 30.0)  # degree days above 5 degC: middle and width, assumed
GREEN_UP = (240.0, 65.0)  # the same of grass, assumed
LEAF_FALL = (268.0, 5.0)  # day of the year the leaves colour: middle, width, assumed
BARE_AGAIN = (285.0, 4.0)  # day the leaves are down, assumed
GRASS_DRIES = (262.0, 8.0)  # assumed
EVERGREEN = 0.12  # share of needle trees, assumed
LEAF_BASE = 5.0  # degC


@dataclass(frozen=True, slots=True)
class Canopy:
    """Tables float32 (years, counties, 366), read at (year, county, day - 1).

    Attributes
    ----------
    leaf_area
        Leaf area index of each crop for a pixel of vigour 1, m2 m-2.
    dead
        Share of the crop's ground without green leaves that dead crop covers.
    flooded
        Share of the paddy's open ground under water.
    wet
        Share of bare soil that is dark from rain.
    forest, autumn, grass
        Share of trees in leaf, of trees in autumn colours, of green grass.
    """

    leaf_area: dict[str, Float32]
    dead: dict[str, Float32]
    flooded: Float32
    wet: Float32
    forest: Float32
    autumn: Float32
    grass: Float32


def make_canopy(
    weather: Weather, phases: dict[str, Phenology], vigour: dict[str, Float64]
) -> Canopy:
    """Fill the tables.

    Parameters
    ----------
    vigour
        Multiplier of each crop's leaf area, (years, counties): what soil and
        weather made of the season.
    """
    forest, autumn = _forest(weather)
    return Canopy(
        leaf_area={c: _leaf_area(c, phases[c], vigour[c]) for c in CROPS},
        dead={c: _dead(phases[c]) for c in CROPS},
        flooded=_flooded(phases["rice"]),
        wet=_wet(weather),
        forest=forest,
        autumn=autumn,
        grass=_grass(weather, vigour["maize"]),
    )


def _by_county(values: NDArray[np.floating]) -> Float32:
    """From (years, 366, counties) to contiguous (years, counties, 366)."""
    return np.ascontiguousarray(values.transpose(0, 2, 1), dtype=np.float32)


def _days() -> Float64:
    return np.arange(1.0, DAYS + 1)[:, None]


def _logistic(value: NDArray[np.floating], middle: float, width: float) -> Float64:
    return np.asarray(1.0 / (1.0 + np.exp(-(value - middle) / width)))


def _leaf_area(crop: str, phase: Phenology, vigour: Float64) -> Float32:
    # Stress builds up: young plants differ less than the canopy at flowering.
    ramp = np.clip((phase.stage - 0.2) / 0.8, 0.0, 1.0)
    scale = 1.0 + (vigour[:, None] - 1.0) * ramp
    standing = 1.0 - _harvested(phase)
    curve = leaf_area(phase.stage) * scale * standing
    return _by_county(CALENDARS[crop].leaf_area * curve)


def _harvested(phase: Phenology) -> Float64:
    since = _days() - phase.harvest[:, None]
    return _logistic(since, 0.0, HARVEST_WEEK)


def _dead(phase: Phenology) -> Float32:
    return _by_county(senescence(phase.stage, _harvested(phase).astype(np.float32)))


def _flooded(rice: Phenology) -> Float32:
    since = _days() - (rice.start[:, None] - FLOODING_LEAD)
    filled = _logistic(since, 0.0, 2.0)
    drained = _logistic(rice.stage, DRAINING, 0.05)
    return _by_county(FLOODED_SHARE * filled * (1.0 - drained))


def _wet(weather: Weather) -> Float32:
    """Exponentially fading memory of the rain, turned into a share of dark soil."""
    memory = np.zeros_like(weather.precipitation)
    keep = np.exp(-1.0 / RAIN_MEMORY_DAYS)
    for day in range(1, DAYS):
        memory[:, day] = memory[:, day - 1] * keep + weather.precipitation[:, day]
    return _by_county(0.9 * (1.0 - np.exp(-memory / WETTING_RAIN)))


def _forest(weather: Weather) -> tuple[Float32, Float32]:
    heat = np.cumsum(degree_days(weather, LEAF_BASE), axis=1)
    # Trees of a cold place need less heat: half of the difference is adapted away.
    normal = heat[:, 150].mean(axis=0)
    heat = heat / (normal / normal.mean()) ** 0.5
    out = _logistic(heat, *LEAF_OUT)
    coloured = _logistic(_days(), *LEAF_FALL)
    down = _logistic(_days(), *BARE_AGAIN)
    green = EVERGREEN + (1.0 - EVERGREEN) * out * (1.0 - coloured)
    autumn = (1.0 - EVERGREEN) * out * coloured * (1.0 - down)
    return _by_county(green), _by_county(autumn)


def _grass(weather: Weather, vigour: Float64) -> Float32:
    heat = np.cumsum(degree_days(weather, LEAF_BASE), axis=1)
    season = _logistic(heat, *GREEN_UP) * (1.0 - _logistic(_days(), *GRASS_DRIES))
    growing = 0.6 + 0.25 * np.clip((_days() - 150.0) / 50.0, 0.0, 1.0)
    return _by_county(np.clip(season * growing * vigour[:, None], 0.0, 0.97))
