"""An area or a share with its standard error, its interval and what it lacks."""

from dataclasses import dataclass
from enum import StrEnum

from models.reasons import Reason

__all__ = ["AreaEstimate", "Share", "Status"]


class Status(StrEnum):
    """How far a number can be trusted."""

    # Value, standard error and interval hold.
    ESTIMATED = "estimated"
    # There is a value; the reason says what it lacks or leans on.
    LIMITED = "limited"
    # There is none, and the reason says why.
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A proportion, 0 to 1: an accuracy, or the part of the land that is of a class.

    What cannot be told is None, never NaN. ``df`` are the degrees of freedom behind
    the interval, ``samples`` how many units speak for it.
    """

    value: float | None
    se: float | None
    lower: float | None
    upper: float | None
    df: float | None
    samples: int
    status: Status
    reason: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaEstimate:
    """The area of a class or crop, ha, in a domain ("" is the whole frame).

    What cannot be told is None, never NaN. ``interval`` is the nominal coverage of
    ``lower`` to ``upper``; ``efficiency`` the variance of direct expansion over that
    of this estimate.
    """

    name: str
    domain: str = ""
    value: float | None
    se: float | None
    lower: float | None
    upper: float | None
    interval: float
    df: float | None
    samples: int
    method: str
    status: Status
    reason: Reason | None = None
    efficiency: float | None = None

    @classmethod
    def missing(
        cls,
        name: str,
        *,
        domain: str = "",
        samples: int = 0,
        interval: float,
        reason: Reason | None,
    ) -> "AreaEstimate":
        """Return that there is no number, and why."""
        return cls(
            name=name,
            domain=domain,
            value=None,
            se=None,
            lower=None,
            upper=None,
            interval=interval,
            df=None,
            samples=samples,
            method="none",
            status=Status.MISSING,
            reason=reason,
        )

    @property
    def cv(self) -> float | None:
        """Coefficient of variation, se / value; None without either, or at 0."""
        # At 0 it would be infinite, which no table shows and no JSON holds.
        if self.se is None or not self.value:
            return None
        return self.se / self.value
