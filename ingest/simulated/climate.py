"""The assumed climate of Jilin: monthly normals as functions of place.

Temperature and precipitation start from the 1981-2010 normals of Changchun (125.3 E,
43.8 N), rounded; the gradients over the province are assumed, so that the west
(白城) is warmer in summer and dry, the east cooler and wet.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "annual_precipitation",
    "daily",
    "extraterrestrial_radiation",
    "mean_temperature",
    "wet_day_share",
]

Float64 = NDArray[np.float64]

CHANGCHUN = (125.3, 43.8)  # lon, lat in degrees
# Monthly means of Changchun, degC.
TEMPERATURE = np.array(
    [-14.7, -10.0, -1.8, 8.1, 15.6, 20.9, 23.1, 21.8, 15.7, 7.3, -3.3, -11.8]
)
# Monthly totals of Changchun, mm.
PRECIPITATION = np.array(
    [4.0, 5.0, 11.0, 22.0, 52.0, 102.0, 162.0, 122.0, 51.0, 26.0, 13.0, 6.0]
)
# Share of days with at least 0.1 mm, assumed.
WET_DAYS = np.array(
    [0.16, 0.14, 0.18, 0.2, 0.31, 0.42, 0.46, 0.4, 0.27, 0.2, 0.18, 0.18]
)
# Difference of tmax and tmin on an average day, K, assumed.
RANGE = np.array([11.0, 11.5, 11.5, 12.5, 13.0, 11.0, 9.0, 9.0, 11.0, 11.5, 10.5, 10.5])

SUMMER_WEST = -0.42  # K per degree of longitude in July, assumed
WINTER_WEST = 0.05  # K per degree of longitude in January, assumed
SUMMER_NORTH = -0.2  # K per degree of latitude in July, assumed
WINTER_NORTH = -0.8  # K per degree of latitude in January, assumed
MOUNTAIN = (127.9, 42.0)  # Changbai range: lon, lat in degrees
MOUNTAIN_RADIUS = 0.9  # degrees of latitude, assumed
MOUNTAIN_COOLING = 2.5  # K, assumed
ANNUAL_CHANGCHUN = float(PRECIPITATION.sum())  # mm
RAIN_EAST = 42.0  # mm per degree of longitude, assumed
RAIN_SOUTH = 55.0  # mm per degree of latitude southward, assumed
RAIN_LIMITS = (395.0, 880.0)  # mm a year, assumed
SOLAR_CONSTANT = 0.0820  # MJ m-2 min-1 (FAO Irrigation and Drainage Paper 56, eq. 21)

_MONTH_MIDDLES = np.array([15, 45, 74, 105, 135, 166, 196, 227, 258, 288, 319, 349])


def daily(monthly: Float64, day_of_year: NDArray[np.int64]) -> Float64:
    """Monthly values as a smooth yearly course, read on given days of the year."""
    return np.asarray(np.interp(day_of_year, _MONTH_MIDDLES, monthly, period=365.25))


def mean_temperature(
    lon: Float64, lat: Float64, day_of_year: NDArray[np.int64]
) -> Float64:
    """Return the normal daily mean temperature in degC, shape (days, places)."""
    # 1 in mid July, 0 in mid January.
    summer = 0.5 - 0.5 * np.cos(2 * np.pi * (day_of_year - 15) / 365.25)
    eastward = WINTER_WEST + (SUMMER_WEST - WINTER_WEST) * summer
    northward = WINTER_NORTH + (SUMMER_NORTH - WINTER_NORTH) * summer
    plane = eastward[:, None] * (lon - CHANGCHUN[0])
    plane = plane + northward[:, None] * (lat - CHANGCHUN[1])
    base = daily(TEMPERATURE, day_of_year)[:, None]
    return np.asarray(base + plane - MOUNTAIN_COOLING * mountain(lon, lat))


def mountain(lon: Float64, lat: Float64) -> Float64:
    """Return how near the Changbai range a place is, 0..1."""
    # A degree of longitude is three quarters of a degree of latitude here.
    distance = np.hypot((lon - MOUNTAIN[0]) * 0.75, lat - MOUNTAIN[1])
    return np.asarray(np.exp(-0.5 * (distance / MOUNTAIN_RADIUS) ** 2))


def annual_precipitation(lon: Float64, lat: Float64) -> Float64:
    """Return the normal yearly precipitation in mm."""
    plane = (
        ANNUAL_CHANGCHUN
        + RAIN_EAST * (lon - CHANGCHUN[0])
        + RAIN_SOUTH * (CHANGCHUN[1] - lat)
    )
    return np.asarray(np.clip(plane, *RAIN_LIMITS))


def wet_day_share(annual: Float64, day_of_year: NDArray[np.int64]) -> Float64:
    """Share of wet days, shape (days, places); dry places have fewer."""
    dryness = np.sqrt(annual / ANNUAL_CHANGCHUN)
    return np.asarray(np.clip(daily(WET_DAYS, day_of_year)[:, None] * dryness, 0, 0.9))


def extraterrestrial_radiation(lat: Float64, day_of_year: NDArray[np.int64]) -> Float64:
    """Radiation at the top of the atmosphere, MJ m-2 d-1, shape (days, places).

    FAO Irrigation and Drainage Paper 56, equations 21 and 23-25.
    """
    angle = 2 * np.pi * day_of_year[:, None] / 365
    distance = 1 + 0.033 * np.cos(angle)
    declination = 0.409 * np.sin(angle - 1.39)
    latitude = np.radians(lat)[None, :]
    sunset = np.arccos(-np.tan(latitude) * np.tan(declination))
    daylight = sunset * np.sin(latitude) * np.sin(declination)
    daylight = daylight + np.cos(latitude) * np.cos(declination) * np.sin(sunset)
    return np.asarray(24 * 60 / np.pi * SOLAR_CONSTANT * distance * daylight)
