"""Small formulas of FAO-56: vapour pressure, humidity, wind at 2 m.

Allen, R. G., Pereira, L. S., Raes, D., Smith, M. (1998): Crop evapotranspiration.
FAO Irrigation and Drainage Paper 56, chapter 3. Numbers are equations of that paper.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "mean_saturation_pressure",
    "relative_humidity",
    "saturation_pressure",
    "vapour_at_dew_point",
    "wind_at_2m",
]

Float = NDArray[np.float64]


def saturation_pressure(temperature: ArrayLike) -> Float:
    """Saturation vapour pressure, kPa, at a temperature, degC (equation 11)."""
    t = np.asarray(temperature, np.float64)
    return np.asarray(0.6108 * np.exp(17.27 * t / (t + 237.3)), np.float64)


def vapour_at_dew_point(dew: ArrayLike) -> Float:
    """Actual vapour pressure, kPa, of a dew point, degC (equation 14).

    Infinite outside -80 to 40 degC, which the air of the earth does not have: so that
    it is refused as impossible, and not taken for very dry air.
    """
    t = np.asarray(dew, np.float64)
    possible = ((t >= -80) & (t <= 40)) | np.isnan(t)
    return np.where(possible, saturation_pressure(np.where(possible, t, 0.0)), np.inf)


def mean_saturation_pressure(tmin: ArrayLike, tmax: ArrayLike) -> Float:
    """Mean saturation vapour pressure of a day, kPa (equation 12); degC."""
    return (saturation_pressure(tmin) + saturation_pressure(tmax)) / 2


def relative_humidity(vapour: ArrayLike, *, tmin: ArrayLike, tmax: ArrayLike) -> Float:
    """Mean relative humidity of a day, %.

    Equation 19 turned round, so that whoever computes the vapour pressure from our
    humidity gets back the one that was measured.

    Parameters
    ----------
    vapour
        Mean actual vapour pressure, kPa.
    tmin, tmax
        degC.
    """
    saturated = mean_saturation_pressure(tmin, tmax)
    return np.asarray(100 * np.asarray(vapour, np.float64) / saturated)


def wind_at_2m(speed: ArrayLike, *, height: float) -> Float:
    """Wind speed 2 m above grass, m/s, from one at `height` metres (equation 47)."""
    factor = 4.87 / np.log(67.8 * height - 5.42)
    return np.asarray(np.asarray(speed, np.float64) * factor)
