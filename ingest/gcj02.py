"""GCJ-02, the shifted coordinates of Chinese map services, to and from WGS 84.

The shift has no official publication. The formula here is the one in general
use (Krasovsky 1940 ellipsoid, sine series in degrees from 105 E 35 N), e.g. in
https://github.com/googollee/eviltransform. Inside China it moves a point by
100 to 700 m; outside it is defined as no shift.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

SEMI_MAJOR_AXIS = 6_378_245.0
ECCENTRICITY_SQUARED = 0.00669342162296594323
# The shift's slope is below 0.005, so each round gains more than two digits and
# six end below the spacing of doubles.
INVERSE_ROUNDS = 6

Degrees = NDArray[np.float64]


def to_gcj02(lon: ArrayLike, lat: ArrayLike) -> tuple[Degrees, Degrees]:
    """Shift WGS 84 positions to GCJ-02.

    Parameters
    ----------
    lon, lat : array_like
        Degrees, WGS 84 (EPSG:4326), any equal shapes.

    Returns
    -------
    lon, lat : ndarray of float64
        Degrees, GCJ-02; unchanged outside China's rectangle.
    """
    x, y = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
    dx, dy = _shift(x, y)
    return x + dx, y + dy


def to_wgs84(lon: ArrayLike, lat: ArrayLike) -> tuple[Degrees, Degrees]:
    """Shift GCJ-02 positions back to WGS 84, by fixed-point iteration.

    Parameters
    ----------
    lon, lat : array_like
        Degrees, GCJ-02, any equal shapes.

    Returns
    -------
    lon, lat : ndarray of float64
        Degrees, WGS 84 (EPSG:4326); `to_gcj02` brings them back to within
        1e-7 degree (1 cm). Unchanged outside China's rectangle.
    """
    x, y = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
    west, south = x, y
    for _ in range(INVERSE_ROUNDS):
        dx, dy = _shift(west, south)
        west, south = x - dx, y - dy
    return west, south


def _shift(lon: Degrees, lat: Degrees) -> tuple[Degrees, Degrees]:
    """GCJ-02 minus WGS 84 in degrees at a WGS 84 position."""
    inside = (lon >= 72.004) & (lon <= 137.8347) & (lat >= 0.8293) & (lat <= 55.8271)
    x, y = lon - 105.0, lat - 35.0
    phi = np.radians(lat)
    w = 1 - ECCENTRICITY_SQUARED * np.sin(phi) ** 2
    meridian_radius = SEMI_MAJOR_AXIS * (1 - ECCENTRICITY_SQUARED) / w**1.5
    parallel_radius = SEMI_MAJOR_AXIS / np.sqrt(w) * np.cos(phi)
    dx = np.degrees(_metres_east(x, y) / parallel_radius)
    dy = np.degrees(_metres_north(x, y) / meridian_radius)
    return np.where(inside, dx, 0.0), np.where(inside, dy, 0.0)


def _metres_east(x: Degrees, y: Degrees) -> Degrees:
    polynomial = 300 + x + 2 * y + 0.1 * x**2 + 0.1 * x * y
    root = 0.1 * np.sqrt(np.abs(x))
    return polynomial + root + _short_waves(x) + _long_waves(x, 150.0)


def _metres_north(x: Degrees, y: Degrees) -> Degrees:
    polynomial = -100 + 2 * x + 3 * y + 0.2 * y**2 + 0.1 * x * y
    root = 0.2 * np.sqrt(np.abs(x))
    # Not a slip: the northward series too takes its short waves from longitude.
    return polynomial + root + _short_waves(x) + _long_waves(y, 160.0)


def _short_waves(x: Degrees) -> Degrees:
    waves: Degrees = np.sin(6 * np.pi * x) + np.sin(2 * np.pi * x)
    return 40 / 3 * waves


def _long_waves(u: Degrees, amplitude: float) -> Degrees:
    near = 20 * np.sin(np.pi * u) + 40 * np.sin(np.pi * u / 3)
    far = np.sin(np.pi * u / 12) + 2 * np.sin(np.pi * u / 30)
    metres: Degrees = 2 / 3 * (near + amplitude * far)
    return metres
