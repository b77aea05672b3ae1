"""A signal: a number of this season against the same of past years, and its level."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal

import numpy as np

from models.reasons import Reason

__all__ = [
    "ALARMS",
    "LEVELS",
    "Alarm",
    "Level",
    "Signal",
    "SignalStatus",
    "compared",
    "counted",
    "missing",
]


_ROUNDING: Final = 1e-9


class Level(StrEnum):
    """How much a signal asks for attention."""

    NONE = "none"
    WATCH = "watch"
    WARNING = "warning"


class SignalStatus(StrEnum):
    """Whether a signal has its number, and its comparison."""

    OK = "ok"
    NO_NORMAL = "no-normal"
    SHORT = "short-record"
    MISSING = "missing"


LEVELS: Final[Mapping[Level, Reason]] = MappingProxyType(
    {
        Level.NONE: Reason("usual", "正常"),
        Level.WATCH: Reason("watch", "关注"),
        Level.WARNING: Reason("warning", "警示"),
    }
)

Alarm = Literal["high", "low", "both"]
"""Which side of the normal asks for attention."""

ALARMS: Final = (1.0, 1.5)
"""Standard deviations from the normal to watch and to warn: chosen, of no standard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One number of a season, compared.

    Attributes
    ----------
    key
        Name for programs.
    name
        For people.
    unit
    value
        This season, None where it is not known.
    normal, spread
        Mean and standard deviation (n - 1) of the past years; None where fewer than
        asked are known, and for limits that are absolute.
    years
        Past years behind them.
    level
        None where nothing can be said; `Level.NONE` says that all is usual.
    status, reason
        Why there is no number, no comparison, or a doubtful one.
    """

    key: str
    name: Reason
    unit: str
    value: float | None = None
    normal: float | None = None
    spread: float | None = None
    years: int = 0
    level: Level | None = None
    status: SignalStatus = SignalStatus.OK
    reason: Reason | None = None

    @property
    def departure(self) -> float | None:
        """Value less normal."""
        if self.value is None or self.normal is None:
            return None
        return self.value - self.normal


def missing(signal: Signal, reason: Reason) -> Signal:
    """Return a signal without a number, and why."""
    return replace(
        signal, value=None, level=None, status=SignalStatus.MISSING, reason=reason
    )


def compared(
    signal: Signal,
    value: float,
    past: Sequence[float],
    *,
    alarm: Alarm,
    min_years: int,
    cuts: tuple[float, float] = ALARMS,
    least: float = -math.inf,
) -> Signal:
    """Compare a number with past years by their standard deviation.

    Parameters
    ----------
    signal
        Key, name and unit.
    value
        This season; NaN gives a missing signal.
    past
        Past years; NaN for those not known.
    alarm
        Side that asks for attention.
    min_years
        Past years a normal needs.
    cuts
        Standard deviations to watch and to warn.
    least
        A value below it asks for no attention, however rare it is.
    """
    if not math.isfinite(value):
        return missing(signal, Reason("days are missing this year", "今年资料有缺测日"))
    known = np.sort([one for one in past if math.isfinite(one)])
    signal = replace(signal, value=float(value), years=len(known))
    if len(known) < max(min_years, 2):
        few = Reason(
            f"{len(known)} of the {min_years} past years needed are known",
            f"往年资料仅{len(known)}年，至少需要{min_years}年",
        )
        return replace(signal, status=SignalStatus.NO_NORMAL, reason=few)
    normal, spread = float(known.mean()), float(known.std(ddof=1))
    level = _level(value - normal, spread, alarm=alarm, cuts=cuts)
    if value < least:
        level = Level.NONE
    return replace(signal, normal=normal, spread=spread, level=level)


def _level(
    departure: float, spread: float, *, alarm: Alarm, cuts: tuple[float, float]
) -> Level:
    signed = {"high": departure, "low": -departure, "both": abs(departure)}[alarm]
    # Sums of floats differ in their last digits though the weather did not.
    if signed <= _ROUNDING:
        return Level.NONE
    # Where past years never differed any departure is out of the ordinary.
    return _step(signed / spread if spread > _ROUNDING else math.inf, cuts)


def _step(value: float, cuts: tuple[float, float]) -> Level:
    if value >= cuts[1]:
        return Level.WARNING
    return Level.WATCH if value >= cuts[0] else Level.NONE


def counted(signal: Signal, value: float, *, cuts: tuple[float, float]) -> Signal:
    """Set value and level of a signal with absolute limits; NaN gives a missing one."""
    if not math.isfinite(value):
        return missing(signal, Reason("days are missing this year", "今年资料有缺测日"))
    return replace(signal, value=float(value), level=_step(value, cuts))
