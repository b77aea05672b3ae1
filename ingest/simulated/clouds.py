"""Clouds, their shadows, and the scene classification (SCL) that sees them."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ingest.simulated.noise import Float32, fractal_tile, generator, roll_to_shape

__all__ = ["SceneClass", "Sky", "SkyMaker", "classify", "sun_position"]

TILES = 3
TILE = 1024  # nodes; wider than any grid with its margin
CLOUD_SLOPE = 1.55  # of the amplitude spectrum, assumed
CLOUD_LONGEST = 110.0  # nodes
EDGE = 0.45  # noise spreads from the thin edge of a cloud to its thick middle
THIN, MEDIUM, THICK = 0.08, 0.35, 0.7  # opacity: seen at all, class 8, class 9
HAZY = 0.03  # opacity from which SCL stays unclassified
DARK = 0.3  # opacity of the cloud above that makes a shadow of class 3
COVER_LIMITS = (0.05, 0.80)  # of the scene
COVER_SHAPE = (0.9, 1.9)  # of the beta distribution between the limits, assumed
HEIGHT = (900.0, 2600.0)  # m, cloud base, assumed
SOLAR_TIME = 10.6  # hours; Sentinel-2 crosses at 10:30 mean local solar time (ESA)
LATITUDE = 43.6  # degrees
VEGETATED = 0.35  # NDVI above which SCL says vegetation, assumed


class SceneClass(IntEnum):
    """Scene classification of Sentinel-2 level 2A (ESA Sen2Cor)."""

    NO_DATA = 0
    SHADOW = 3
    VEGETATION = 4
    BARE = 5
    WATER = 6
    UNCLASSIFIED = 7
    CLOUD_MEDIUM = 8
    CLOUD_HIGH = 9
    CIRRUS = 10


CLOUDY = (SceneClass.CLOUD_MEDIUM, SceneClass.CLOUD_HIGH, SceneClass.CIRRUS)


@dataclass(frozen=True, slots=True)
class Sky:
    """Opacity of the cloud above a pixel, and of the one that shades it, 0..1."""

    opacity: Float32
    shade: Float32


class SkyMaker:
    """Makes the sky of every scene from a few noise tiles drawn once."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._tiles = [
            fractal_tile(
                generator(seed, "cloud tile", i),
                TILE,
                slope=CLOUD_SLOPE,
                longest=CLOUD_LONGEST,
            )
            for i in range(TILES)
        ]

    def __call__(
        self,
        name: str,
        acquired: datetime,
        shape: tuple[int, int],
        index: NDArray[np.int32],
        *,
        resolution: float,
        node: int,
    ) -> Sky:
        """Sky of one scene.

        Parameters
        ----------
        name
            Item id; the sky belongs to it.
        shape, index
            Rows and columns of the grid, and the positions in it that are wanted.
        resolution
            Pixel size in m.
        node
            Pixels between two nodes of the noise.
        """
        rng = generator(self._seed, "sky", name)
        low, high = COVER_LIMITS
        cover = low + (high - low) * rng.beta(*COVER_SHAPE)
        down, right = _shadow_step(acquired, rng.uniform(*HEIGHT), resolution)
        margin = max(abs(down), abs(right)) + node
        size = tuple(-(-(side + 2 * margin) // node) + 1 for side in shape)
        tile = self._tiles[rng.integers(TILES)]
        noise = roll_to_shape(tile, rng, (size[0], size[1]))
        noise = noise - np.quantile(noise[::3, ::3], 1.0 - cover)
        noise = _refine(noise, node)
        return Sky(
            opacity=_opacity(_cut(noise, margin, margin, shape), index),
            # The shadow lies `down, right` of its cloud: look back the same way.
            shade=_opacity(_cut(noise, margin - down, margin - right, shape), index),
        )


def sun_position(day_of_year: int) -> tuple[float, float]:
    """Zenith and azimuth of the sun at the overpass over Jilin, in degrees.

    Declination after FAO Irrigation and Drainage Paper 56, eq. 24; azimuth clockwise
    from north.
    """
    declination = 0.409 * np.sin(2 * np.pi * day_of_year / 365 - 1.39)
    hour = np.radians(15.0 * (SOLAR_TIME - 12.0))
    latitude = np.radians(LATITUDE)
    up = np.sin(latitude) * np.sin(declination)
    up += np.cos(latitude) * np.cos(declination) * np.cos(hour)
    east = -np.cos(declination) * np.sin(hour)
    north = np.cos(latitude) * np.sin(declination)
    north -= np.sin(latitude) * np.cos(declination) * np.cos(hour)
    azimuth = np.degrees(np.arctan2(east, north)) % 360.0
    return float(np.degrees(np.arccos(up))), float(azimuth)


def classify(
    *, opacity: Float32, shade: Float32, ndvi: Float32, water: Float32
) -> NDArray[np.uint8]:
    """SCL of pixels, uint8.

    Parameters
    ----------
    opacity, shade
        Of `Sky`, 0..1.
    ndvi
        Of the ground without clouds.
    water
        Share of the pixel under open water, 0..1.
    """
    classes = np.where(ndvi > VEGETATED, SceneClass.VEGETATION, SceneClass.BARE)
    scl = classes.astype(np.uint8)
    scl[water > 0.5] = SceneClass.WATER
    scl[opacity > HAZY] = SceneClass.UNCLASSIFIED
    scl[shade > DARK] = SceneClass.SHADOW
    scl[opacity > THIN] = SceneClass.CIRRUS
    scl[opacity > MEDIUM] = SceneClass.CLOUD_MEDIUM
    scl[opacity > THICK] = SceneClass.CLOUD_HIGH
    return scl


def _shadow_step(
    acquired: datetime, height: float, resolution: float
) -> tuple[int, int]:
    """Rows down and columns right from a cloud to its shadow."""
    zenith, azimuth = sun_position(acquired.timetuple().tm_yday)
    length = height * np.tan(np.radians(zenith)) / resolution
    away = np.radians(azimuth + 180.0)
    return round(-length * np.cos(away)), round(length * np.sin(away))


def _refine(noise: Float32, node: int) -> Float32:
    if node == 1:
        return noise
    return np.asarray(
        ndimage.zoom(noise, node, order=1, grid_mode=True, mode="nearest")
    )


def _cut(values: Float32, top: int, left: int, shape: tuple[int, int]) -> Float32:
    return values[top : top + shape[0], left : left + shape[1]]


def _opacity(noise: Float32, index: NDArray[np.int32]) -> Float32:
    values = np.ascontiguousarray(noise).reshape(-1).take(index)
    values *= np.float32(1.0 / EDGE)
    values += np.float32(THIN)
    return np.clip(values, 0.0, 1.0, out=values)
