"""How sure a pixel's or a field's yield is.

Two errors are joined. That of the county's estimate is one for all its pixels: it
scales them together. That of the model within the county is a pixel's own: of the field
it lies in, and of the pixel in its field. As the pixels add up to the county, the
latter do not change the county's interval.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from models.errors import ShapeMismatch, ValueInvalid

__all__ = ["ErrorStatus", "WithinError", "county_sd", "field_sd", "pixel_sd"]

Float = NDArray[np.float64]


class ErrorStatus(StrEnum):
    """What a standard deviation holds."""

    FULL = "full"
    COUNTY_ONLY = "county_only"


@dataclass(frozen=True, slots=True, kw_only=True)
class WithinError:
    """Error of the pixel model within a county, t/ha.

    Attributes
    ----------
    field
        Standard deviation of whole fields, for example `Calibration.error`.
    pixel
        Standard deviation of pixels around the mean of their field.
    """

    field: float
    pixel: float

    def __post_init__(self) -> None:
        if not (self.field >= 0 and self.pixel >= 0):
            raise ValueInvalid(
                f"errors of {self.field} and {self.pixel} t/ha: give numbers of 0 or "
                "more, or no WithinError at all · 误差须为非负数；未知时请勿提供"
            )


def county_sd(lower: ArrayLike, upper: ArrayLike, *, level: float) -> Float:
    """Tell the standard deviation behind intervals of normal errors, t/ha.

    Raises
    ------
    ValueInvalid
        The level is not between 0 and 1, or a lower bound is above its upper one.
    """
    low, high = np.asarray(lower, np.float64), np.asarray(upper, np.float64)
    if not 0 < level < 1 or (low > high).any():
        raise ValueInvalid(
            f"interval of level {level}: give a level between 0 and 1, and lower bounds"
            " not above the upper ones · 区间水平须在 0 与 1 之间，且下限不大于上限"
        )
    return np.asarray((high - low) / (2 * norm.ppf((1 + level) / 2)))


def pixel_sd(
    yields: NDArray[np.floating],
    zones: NDArray[np.int16],
    county_values: Float,
    county_sds: Float,
    *,
    within: WithinError | None,
) -> tuple[NDArray[np.float32], ErrorStatus]:
    """Tell the standard deviation of each pixel's yield.

    ``sqrt((yield / county * county_sd)^2 + field^2 + pixel^2)``.

    Parameters
    ----------
    yields
        (y, x), t/ha, of `county_map`; NaN where there is none.
    zones
        int16 (y, x), -1 outside.
    county_values, county_sds
        float64 (county,), t/ha.
    within
        None where nobody has measured it.

    Returns
    -------
    float32 (y, x), t/ha, NaN where there is no yield or no interval; and what it
    holds: without `within` it is a lower bound, "county_only", and to be told as such.

    Raises
    ------
    ShapeMismatch
        The arrays do not fit.
    """
    _check_counties(yields, zones, county_values, county_sds)
    relative = _relative(county_values, county_sds)
    inside = zones >= 0
    common = np.full(yields.shape, np.nan)
    common[inside] = yields[inside] * relative[zones[inside]]
    if within is None:
        return common.astype(np.float32), ErrorStatus.COUNTY_ONLY
    own = np.hypot(within.field, within.pixel)
    return np.hypot(common, own).astype(np.float32), ErrorStatus.FULL


def field_sd(
    yields: ArrayLike,
    counties: ArrayLike,
    pixels: ArrayLike,
    county_values: Float,
    county_sds: Float,
    *,
    within: WithinError | None,
) -> tuple[Float, ErrorStatus]:
    """Tell the standard deviation of the mean yields of fields.

    The errors of a field's pixels around the field's own error average out, the
    county's and the field's do not:
    ``sqrt((yield / county * county_sd)^2 + field^2 + pixel^2 / pixels)``.

    Parameters
    ----------
    yields
        (fields,), t/ha.
    counties
        (fields,), position in `county_values`, -1 where unknown.
    pixels
        (fields,), weight of the pixels behind each mean, in pixels.

    Returns
    -------
    float64 (fields,), t/ha, as `pixel_sd`.
    """
    mean, count = np.asarray(yields, np.float64), np.asarray(pixels, np.float64)
    position = np.asarray(counties, np.intp)
    relative = np.append(_relative(county_values, county_sds), np.nan)
    common = mean * relative[position]
    if within is None:
        return np.asarray(common), ErrorStatus.COUNTY_ONLY
    own = within.field**2 + within.pixel**2 / np.maximum(count, 1.0)
    return np.asarray(np.sqrt(common**2 + own)), ErrorStatus.FULL


def _relative(values: Float, sds: Float) -> Float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(values > 0, sds / values, np.nan))


def _check_counties(
    yields: NDArray[np.floating],
    zones: NDArray[np.int16],
    values: Float,
    sds: Float,
) -> None:
    if yields.shape != zones.shape or values.shape != sds.shape:
        raise ShapeMismatch(
            f"yields {yields.shape}, zones {zones.shape}, {values.shape} values, "
            f"{sds.shape} deviations: make them of one grid and one list of counties"
            " · 数组形状不一致"
        )
    if zones.max(initial=-1) >= values.size:
        raise ShapeMismatch(
            f"zone {zones.max()} has no county: only {values.size} values are given"
            f" · 分区 {zones.max()} 没有对应的县值"
        )
