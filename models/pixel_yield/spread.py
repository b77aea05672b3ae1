"""Ratio benchmarking: a county's yield spread over its pixels."""

import numpy as np
from numpy.typing import NDArray

from models.errors import ShapeMismatch, ValueInvalid

__all__ = ["spread", "used_pixels"]


def spread(
    index: NDArray[np.floating],
    fraction: NDArray[np.floating],
    zones: NDArray[np.int16],
    county_values: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Spread each county's yield over its pixels in proportion to a canopy index.

    Within a county, pixel = value * index / (fraction-weighted mean index), the
    multiplicative form of ratio benchmarking, so that the fraction-weighted mean of
    its pixels is the county's value to 1e-6. An index below 0 counts as 0: no
    pixel is negative.

    Parameters
    ----------
    index : floating (y, x)
        Season integral or peak NDVI; NaN where there is none. Its unit is free.
    fraction : floating (y, x)
        Share of the pixel under the crop, 0..1; NaN or 0 where there is none.
    zones : int16 (y, x)
        Position of the pixel's county in `county_values`, -1 outside all.
    county_values : float64 (county,)
        t/ha; NaN where there is no estimate.

    Returns
    -------
    float32 (y, x)
        t/ha. NaN where the pixel has no crop, no index or no county; in every
        pixel of a county without an estimate; and in every pixel of a county with
        an estimate but no index above 0 in its crop: a flat map would be made up.

    Raises
    ------
    ShapeMismatch
        The arrays are not of one shape, or a zone has no value.
    ValueInvalid
        A fraction is outside 0..1, or a county's value is negative or infinite.
    """
    _check(index, fraction, zones, county_values)
    used = used_pixels(index, fraction, zones)
    # Sums in float64: a million float32 terms would lose the sixth digit.
    zone, weight = zones[used], fraction[used].astype(np.float64)
    canopy = np.maximum(index[used], 0.0).astype(np.float64)
    count = county_values.size
    total = np.bincount(zone, weight, minlength=count)
    product = np.bincount(zone, weight * canopy, minlength=count)
    factor = np.full(count, np.nan)
    np.divide(county_values * total, product, out=factor, where=product > 0)
    result = np.full(index.shape, np.nan, dtype=np.float32)
    result[used] = canopy * factor[zone]
    return result


def used_pixels(
    index: NDArray[np.floating],
    fraction: NDArray[np.floating],
    zones: NDArray[np.int16],
) -> NDArray[np.bool_]:
    """Which pixels can carry a yield: with an index, a share and a county."""
    used: NDArray[np.bool_] = np.isfinite(index) & (fraction > 0) & (zones >= 0)
    return used


def _check(
    index: NDArray[np.floating],
    fraction: NDArray[np.floating],
    zones: NDArray[np.int16],
    county_values: NDArray[np.float64],
) -> None:
    if not index.shape == fraction.shape == zones.shape:
        raise ShapeMismatch(
            f"index {index.shape}, fraction {fraction.shape}, zones {zones.shape}: "
            "make all on one grid · 网格不一致"
        )
    if zones.size and zones.max() >= county_values.size:
        raise ShapeMismatch(
            f"zone {zones.max()} has no county: "
            f"only {county_values.size} county values are given"
            f" · 分区 {zones.max()} 没有对应的县值"
        )
    if (fraction < 0).any() or (fraction > 1).any():
        raise ValueInvalid(
            "crop fractions must be 0..1: divide per cent by 100, put NaN for unknown"
            " · 作物占比须在 0 到 1 之间"
        )
    if (county_values < 0).any() or np.isinf(county_values).any():
        raise ValueInvalid(
            "county yields must be finite and 0 or more: see the model"
            " · 县级单产须为非负有限数"
        )
