"""Which pixel model a county's map follows."""

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from models.errors import ShapeMismatch
from models.pixel_yield.peak import PeakIndex

__all__ = ["METHOD_WORDING", "Method", "canopy_index"]

# Light use must know so much of what the peak knows of a county's crop.
_LEAST = 0.5

_NODATA = -32768


class Method(StrEnum):
    """Pixel model of a county."""

    LIGHT_USE = "light_use"
    PEAK_LINE = "peak_line"
    PEAK = "peak"
    NONE = "none"


METHOD_WORDING: dict[Method, tuple[str, str]] = {
    Method.LIGHT_USE: ("light use x harvest index", "光能利用率×收获指数"),
    Method.PEAK_LINE: ("line of the peak NDVI", "NDVI 峰值回归"),
    Method.PEAK: ("in proportion to the peak NDVI", "与 NDVI 峰值成比例"),
    Method.NONE: ("none", "无"),
}


def canopy_index(
    light: NDArray[np.float32],
    peak: NDArray[np.int16],
    weight: NDArray[np.floating],
    zones: NDArray[np.int16],
    *,
    count: int,
    line: PeakIndex | None,
) -> tuple[NDArray[np.float32], tuple[Method, ...]]:
    """Choose for each county the best index there is, and lay them on one grid.

    Light use where it is known for half or more of the crop that the peak is known of;
    else the peak, by its line if there is one. Two indices in one county would differ
    in level, so a county has one only; between counties `county_map` sets the level.

    Parameters
    ----------
    light
        float32 (y, x), of `LightUse`, NaN where there is none.
    peak
        int16 (y, x), NDVI * 10000, nodata -32768.
    weight, zones
        As `county_map` takes them.
    count
        Number of counties.
    line
        Of `fit_peak`; None where none could be fitted.

    Returns
    -------
    float32 (y, x), NaN where there is none; and the method of each county.

    Raises
    ------
    ShapeMismatch
        The arrays are not of one grid.
    """
    if not light.shape == peak.shape == weight.shape == zones.shape:
        raise ShapeMismatch(
            f"light {light.shape}, peak {peak.shape}, weight {weight.shape}, zones "
            f"{zones.shape}: make all on one grid · 网格不一致"
        )
    crop = (weight > 0) & (zones >= 0)
    by_light = _weighed(crop & np.isfinite(light), weight, zones, count)
    by_peak = _weighed(crop & (peak != _NODATA), weight, zones, count)
    lit = (by_light > 0) & (by_light >= _LEAST * by_peak)
    index = _by_peak(peak, line)
    takes_light = np.append(lit, False)[zones]
    index[takes_light] = light[takes_light]
    otherwise = Method.PEAK if line is None else Method.PEAK_LINE
    methods = tuple(
        Method.LIGHT_USE if yes else otherwise if known else Method.NONE
        for yes, known in zip(lit.tolist(), (by_peak > 0).tolist(), strict=True)
    )
    return index, methods


def _weighed(
    where: NDArray[np.bool_],
    weight: NDArray[np.floating],
    zones: NDArray[np.int16],
    count: int,
) -> NDArray[np.float64]:
    heavy = weight[where].astype(np.float64)
    return np.asarray(np.bincount(zones[where], heavy, count), np.float64)


def _by_peak(peak: NDArray[np.int16], line: PeakIndex | None) -> NDArray[np.float32]:
    if line is not None:
        return line({"peak": peak})
    ndvi = np.where(peak == _NODATA, np.float32(np.nan), peak.astype(np.float32) / 1e4)
    return np.asarray(ndvi, np.float32)
