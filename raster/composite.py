"""From digital numbers to NDVI, from several observations to one composite."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]

NODATA_DN = 0
SATURATED_DN = 65535  # Sentinel-2 products user handbook: "SATURATED"


@dataclass(frozen=True, slots=True)
class Calibration:
    """Reflectance = digital number * scale + offset."""

    scale: float
    offset: float


def reflectance(numbers: NDArray[np.generic], calibration: Calibration) -> Float:
    """Reflectance as float32 (1 = all light reflected), not yet masked."""
    result = numbers.astype(np.float32)
    result *= np.float32(calibration.scale)
    result += np.float32(calibration.offset)
    return result


def is_measured(numbers: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Where a digital number is a measurement: neither nodata nor saturated."""
    measured: NDArray[np.bool_] = (numbers != NODATA_DN) & (numbers != SATURATED_DN)
    return measured


def ndvi(red: Float, nir: Float) -> Float:
    """Normalised difference vegetation index (Rouse et al. 1974), in [-1, 1].

    NaN where ``red + nir`` is not positive: after the offset a dark pixel can have
    negative reflectance, and the ratio then means nothing.
    """
    total = nir + red
    total[~(total > 0)] = np.nan
    index: Float = (nir - red) / total
    index.clip(-1, 1, out=index)
    return index


def median(observations: Float) -> Float:
    """Median over the first axis, NaN left out; NaN where nothing is left.

    Parameters
    ----------
    observations
        (n, pixels); n is the few observations of one step.

    Returns
    -------
    (pixels,); of an even number the mean of the middle two.
    """
    if len(observations) == 1:
        only: Float = observations[0]
        return only
    layers = _sorted_layers(observations)
    count = np.isfinite(layers).sum(axis=0)
    # Missing values sit above the others, so the middle counts from the bottom.
    low = np.maximum(count - 1, 0) // 2
    pair = np.stack([low, np.minimum(count // 2, len(layers) - 1)])
    middle = np.take_along_axis(layers, pair, axis=0)
    result: Float = (middle[0] + middle[1]) * np.float32(0.5)
    result[count == 0] = np.nan
    return result


def _sorted_layers(observations: Float) -> Float:
    # Exchanging whole layers beats sorting pixel by pixel: every comparison is one
    # vector operation, and a step holds few layers.
    layers = np.where(np.isnan(observations), np.float32(np.inf), observations)
    for last in range(len(layers) - 1, 0, -1):
        for i in range(last):
            lower = np.minimum(layers[i], layers[i + 1])
            np.maximum(layers[i], layers[i + 1], out=layers[i + 1])
            layers[i] = lower
    return layers
