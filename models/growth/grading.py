"""Five grades of growth against past years: which measure, and where it is cut.

No limit here is a standard: the standards of growth monitoring that were looked for
(NY/T, QX/T) leave them to the user, or could not be read. They are choices, written
into every product, and `Grading` takes others.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from models.errors import ValueInvalid
from models.reasons import Reason

__all__ = ["GRADES", "LIMITS", "ROUNDING", "Basis", "Grading", "grade_of"]

Basis = Literal["difference", "vci", "anomaly", "percentile"]
"""Measure that the grade is cut from, see `models.growth.measures`."""

GRADES: Final = (
    Reason("much worse", "差"),
    Reason("worse", "较差"),
    Reason("as usual", "持平"),
    Reason("better", "较好"),
    Reason("much better", "好"),
)
"""Words of the grades 1 to 5."""

LIMITS: Final = MappingProxyType(
    {
        "difference": (-0.08, -0.03, 0.03, 0.08),
        "vci": (20.0, 40.0, 60.0, 80.0),
        "anomaly": (-1.5, -0.5, 0.5, 1.5),
        "percentile": (10.0, 30.0, 70.0, 90.0),
    }
)
"""Limits between the grades where none are given: chosen, not of any standard."""

ROUNDING: Final = 1e-9
"""0.61 - 0.58 is less than 0.03 by rounding alone: so much below a limit is on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grading:
    """How growth is graded.

    Attributes
    ----------
    basis
        Measure that the grade is cut from.
    limits
        Four ascending limits, in the unit of the basis: a value on a limit has the
        better grade. None for those of `LIMITS`.
    min_years
        Past years with a value that a grade needs, 2 or more.
    min_clear
        Clear observations that a year needs in the dekad and the two before it; 0
        takes what the smoother makes of any season.
    min_share
        Share of a zone, by crop, that must have a value in a year for its mean to
        count.

    Raises
    ------
    ValueInvalid
    """

    basis: Basis = "difference"
    limits: tuple[float, float, float, float] | None = None
    min_years: int = 5
    min_clear: int = 1
    min_share: float = 0.5

    def __post_init__(self) -> None:
        if self.basis not in get_args(Basis):
            raise ValueInvalid(
                f"unknown measure {self.basis!r}: choose one of {', '.join(LIMITS)}"
                f" · 未知的长势指标 {self.basis!r}，可选：{'、'.join(LIMITS)}"
            )
        if not _rising(self.cuts):
            raise ValueInvalid(
                f"limits {self.cuts} between the grades: give four finite numbers, "
                f"rising · 分级界限 {self.cuts} 应为四个由小到大的数"
            )
        if self.min_years < 2 or self.min_clear < 0 or not 0 < self.min_share <= 1:
            raise ValueInvalid(
                f"min_years {self.min_years}, min_clear {self.min_clear}, min_share "
                f"{self.min_share}: give at least 2 years, 0 or more observations, and "
                "a share above 0 up to 1 · 最少年数须不小于 2，最少晴空观测不小于 0，"
                "最低有效比例在 0 到 1 之间"
            )

    @property
    def cuts(self) -> tuple[float, ...]:
        """The limits that hold."""
        return tuple(LIMITS[self.basis] if self.limits is None else self.limits)


def _rising(cuts: tuple[float, ...]) -> bool:
    finite = len(cuts) == 4 and all(map(math.isfinite, cuts))
    return finite and all(a < b for a, b in pairwise(cuts))


def grade_of(values: NDArray[np.float64], grading: Grading) -> NDArray[np.uint8]:
    """Cut a measure into grades.

    Parameters
    ----------
    values : float64, any shape
        In the unit of the basis; NaN where there is none.

    Returns
    -------
    uint8 of the same shape: 1 to 5, `GRADES`; 0 for NaN.
    """
    cuts = np.asarray(grading.cuts) - ROUNDING
    # "right": a value on a limit has the better grade.
    grade = np.searchsorted(cuts, values, side="right") + 1
    return np.where(np.isnan(values), 0, grade).astype(np.uint8)
