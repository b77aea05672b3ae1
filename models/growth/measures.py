"""A value against those of the same dekad in past years: four measures.

=========== ============================================================ =====
difference  value - mean of the past years                               index
vci         100 (value - min) / (max - min), vegetation condition index  %
            (Kogan 1995, Adv. Space Res. 15(11):91,
            doi:10.1016/0273-1177(95)00079-T), extremes of the past
            years alone: below 0 or above 100 the value is beyond them
anomaly     (value - mean) / standard deviation (n - 1)                  1
percentile  past years below the value, those equal to it counted half   %
=========== ============================================================ =====

Where there are fewer past years than asked none of them is given, and where past years
do not differ neither vci nor anomaly.
"""

from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.errors import ShapeMismatch
from models.growth.grading import Grading, grade_of
from models.reasons import Reason

__all__ = ["STATUS_REASONS", "GrowthStatus", "Measures", "measures"]

Float = NDArray[np.float64]

FLAT: Final = 1e-9
"""Past years that differ by less are equal: what is left is rounding."""


class GrowthStatus(IntEnum):
    """Why there is a grade, or none; as stored in a product's pixels."""

    OK = 0
    BELOW = 1
    ABOVE = 2
    NO_VALUE = 3
    FEW_YEARS = 4
    FLAT = 5


STATUS_REASONS: Final = MappingProxyType(
    {
        GrowthStatus.OK: Reason("graded", "已评级"),
        GrowthStatus.BELOW: Reason(
            "below every past year: beyond the range of comparison",
            "低于所有往年，超出可比范围",
        ),
        GrowthStatus.ABOVE: Reason(
            "above every past year: beyond the range of comparison",
            "高于所有往年，超出可比范围",
        ),
        GrowthStatus.NO_VALUE: Reason(
            "too few clear observations this year", "今年晴空观测不足"
        ),
        GrowthStatus.FEW_YEARS: Reason(
            "too few past years with a value", "有数值的往年太少"
        ),
        GrowthStatus.FLAT: Reason(
            "the past years do not differ: the measure is undefined",
            "往年数值相同，指标无定义",
        ),
    }
)
"""What a status means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """Measures of the module's table, float64 of one shape, NaN where there is none.

    Attributes
    ----------
    value, normal
        This year, and the mean of the past years, in index units.
    low, high
        Least and greatest of the past years.
    years
        int64, past years with a value.
    grade
        uint8, 1 to 5; 0 where there is none.
    status
        uint8, a `GrowthStatus`.
    """

    value: Float
    normal: Float
    low: Float
    high: Float
    difference: Float
    vci: Float
    anomaly: Float
    percentile: Float
    years: NDArray[np.int64]
    grade: NDArray[np.uint8]
    status: NDArray[np.uint8]


def measures(current: Float, past: Float, grading: Grading) -> Measures:
    """Compare values with those of past years.

    Parameters
    ----------
    current : float64 (...)
        This year, in index units; NaN where there is no value.
    past : float64 (year, ...)
        Past years, in any order; NaN where there is none.
    grading : Grading

    Returns
    -------
    Measures
        Normal and extremes are given also where this year has no value.

    Raises
    ------
    ShapeMismatch
        `past` is not years of `current`.
    """
    if past.shape[1:] != current.shape:
        raise ShapeMismatch(
            f"this year is {current.shape}, past years are {past.shape}: give past "
            f"years as (year, ...) of the same zones · 今年 {current.shape} 与往年 "
            f"{past.shape} 的形状不一致"
        )
    years = np.isfinite(past).sum(axis=0)
    enough = years >= grading.min_years
    # Sorted, so that a sum of floats cannot depend on the order of the years.
    known = np.where(enough, np.sort(past, axis=0), np.nan)
    normal, low, high, spread = _normals(known, years, enough)
    known_now = np.where(enough, current, np.nan)
    difference = known_now - normal
    found = {
        "difference": difference,
        "vci": 100 * _over(known_now - low, high - low),
        "anomaly": _over(difference, spread),
        # Extremes and ranks are of past years alone, so that a record can be told.
        "percentile": 100 * _rank(known_now, known, years),
    }
    grade = grade_of(found[grading.basis], grading)
    return Measures(
        value=current,
        normal=normal,
        low=low,
        high=high,
        **found,
        years=years,
        grade=grade,
        status=_status(current, low, high, enough, grade),
    )


def _normals(
    known: Float, years: NDArray[np.int64], enough: NDArray[np.bool_]
) -> tuple[Float, Float, Float, Float]:
    """Mean, least, greatest and standard deviation over years; NaN where too few."""
    count = np.where(enough, years, np.nan)
    mean = np.nansum(known, axis=0) / count
    # Counts differ from pixel to pixel, which numpy's own functions do not take.
    square = np.nansum((known - mean) ** 2, axis=0) / (count - 1)
    # fmin and fmax pass NaN over, and say nothing where all are NaN.
    low = np.fmin.reduce(known, axis=0, initial=np.nan)
    high = np.fmax.reduce(known, axis=0, initial=np.nan)
    return mean, low, high, np.sqrt(square)


def _over(above: Float, below: Float) -> Float:
    quotient = np.full(np.shape(above), np.nan)
    np.divide(above, below, out=quotient, where=below > FLAT)
    return quotient


def _rank(current: Float, known: Float, years: NDArray[np.int64]) -> Float:
    below = (known < current - FLAT).sum(axis=0)
    equal = (np.abs(known - current) <= FLAT).sum(axis=0)
    return np.where(
        np.isnan(current), np.nan, (below + equal / 2) / np.maximum(years, 1)
    )


def _status(
    current: Float,
    low: Float,
    high: Float,
    enough: NDArray[np.bool_],
    grade: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    return np.select(
        # The first that holds is told: what explains the most comes first.
        [~np.isfinite(current), ~enough, grade == 0, current < low, current > high],
        [
            GrowthStatus.NO_VALUE,
            GrowthStatus.FEW_YEARS,
            GrowthStatus.FLAT,
            GrowthStatus.BELOW,
            GrowthStatus.ABOVE,
        ],
        GrowthStatus.OK,
    ).astype(np.uint8)
