"""Reflectance of pure surfaces, mixed linearly into pixels.

The spectra are assumed: surface reflectance of typical level and shape for each
surface at the centres of Sentinel-2's bands, black soil (黑土) being dark.
"""

from collections.abc import Sequence

import numpy as np

from ingest.simulated.noise import Float32

__all__ = [
    "BANDS",
    "CLOUD",
    "ENDMEMBERS",
    "EXTINCTION",
    "REFLECTANCE",
    "SHADOW_LIGHT",
    "green_cover",
    "mix",
]

BANDS = ("B02", "B03", "B04", "B05", "B08", "B11", "B12")
EXTINCTION = 0.58  # of a leaf layer seen from above, assumed

_SPECTRA = {
    #              B02    B03    B04    B05    B08    B11    B12
    "maize":      (0.022, 0.048, 0.023, 0.085, 0.430, 0.190, 0.085),
    "rice":       (0.024, 0.050, 0.026, 0.085, 0.385, 0.135, 0.058),
    "soybean":    (0.024, 0.060, 0.025, 0.100, 0.500, 0.210, 0.095),
    "dead":       (0.062, 0.092, 0.130, 0.170, 0.230, 0.330, 0.220),
    "dry soil":   (0.068, 0.088, 0.108, 0.130, 0.157, 0.250, 0.215),
    "wet soil":   (0.040, 0.052, 0.064, 0.078, 0.093, 0.125, 0.100),
    "paddy water": (0.062, 0.078, 0.072, 0.066, 0.055, 0.020, 0.014),
    "forest":     (0.020, 0.040, 0.021, 0.072, 0.360, 0.165, 0.075),
    "bare forest": (0.040, 0.054, 0.066, 0.092, 0.150, 0.190, 0.130),
    "autumn forest": (0.038, 0.062, 0.095, 0.140, 0.265, 0.215, 0.125),
    "grass":      (0.034, 0.060, 0.046, 0.098, 0.310, 0.215, 0.120),
    "dry grass":  (0.075, 0.105, 0.138, 0.170, 0.225, 0.300, 0.240),
    "water":      (0.052, 0.058, 0.044, 0.034, 0.024, 0.010, 0.007),
    "built":      (0.098, 0.118, 0.132, 0.150, 0.190, 0.215, 0.195),
}  # fmt: skip
ENDMEMBERS = tuple(_SPECTRA)
REFLECTANCE: Float32 = np.array(list(_SPECTRA.values()), dtype=np.float32)
# A thick cloud is bright and nearly flat; ice and droplets absorb in the SWIR.
CLOUD: Float32 = np.array([0.60, 0.59, 0.60, 0.61, 0.63, 0.46, 0.36], dtype=np.float32)
# Share of light that reaches the ground under a thick cloud: the blue sky fills
# shadows more than the infrared one. Assumed.
SHADOW_LIGHT: Float32 = np.array(
    [0.50, 0.44, 0.40, 0.39, 0.36, 0.32, 0.31], dtype=np.float32
)


def green_cover(leaf_area_index: Float32) -> Float32:
    """Share of ground hidden by leaves, 0..1 (Beer's law; Monsi and Saeki 1953)."""
    cover = np.multiply(leaf_area_index, np.float32(-EXTINCTION))
    np.expm1(cover, out=cover)
    return np.negative(cover, out=cover)


def mix(weights: Float32, bands: Sequence[int]) -> Float32:
    """Reflectance of mixed pixels.

    Parameters
    ----------
    weights
        Share of each of `ENDMEMBERS` in each pixel, float32 (endmembers, pixels).
    bands
        Positions in `BANDS` of the wanted bands.

    Returns
    -------
    ndarray
        Reflectance, float32 (bands, pixels).
    """
    return np.asarray(REFLECTANCE[:, bands].T @ weights, dtype=np.float32)
