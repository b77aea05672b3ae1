"""Steps of a season's time axis: dekads (旬), months, or every so many days."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from raster.errors import SettingInvalid

Step = Literal["dekad", "month", "date"] | int
"""Name of a step, or its length in days."""

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class TimeStep:
    """One step of a season's time axis; both ends belong to it."""

    start: date
    end: date

    @property
    def centre(self) -> date:
        """The middle day; of an even number of days the later one."""
        return self.start + ((self.end - self.start + _DAY) // 2 // _DAY) * _DAY


def dekad_of(day: date) -> TimeStep:
    """Dekad holding a day: days 1-10, 11-20, or 21 to the end of the month (WMO)."""
    if day.day > 20:
        return TimeStep(day.replace(day=21), month_of(day).end)
    first = 1 if day.day <= 10 else 11
    return TimeStep(day.replace(day=first), day.replace(day=first + 9))


def month_of(day: date) -> TimeStep:
    """Calendar month holding a day."""
    first = day.replace(day=1)
    next_month = (first + timedelta(days=31)).replace(day=1)
    return TimeStep(first, next_month - _DAY)


def dekads(start: date, end: date) -> tuple[TimeStep, ...]:
    """Dekads touching [start, end], whole, in order; empty when ``end < start``."""
    steps: list[TimeStep] = []
    while start <= end:
        steps.append(dekad_of(start))
        start = steps[-1].end + _DAY
    return tuple(steps)


def months(start: date, end: date) -> tuple[TimeStep, ...]:
    """Months touching [start, end], whole, in order; empty when ``end < start``."""
    steps: list[TimeStep] = []
    while start <= end:
        steps.append(month_of(start))
        start = steps[-1].end + _DAY
    return tuple(steps)


def spans(start: date, end: date, *, days: int) -> tuple[TimeStep, ...]:
    """Spans of `days` days from `start` on; the last may reach past `end`.

    Raises
    ------
    SettingInvalid
        `days` is not positive.
    """
    if days < 1:
        raise SettingInvalid(
            f"steps of {days} days: choose at least 1 · 步长 {days} 天无效，至少为 1 天"
        )
    length = timedelta(days=days)
    count = max(((end - start) // _DAY + days) // days, 0)
    firsts = (start + i * length for i in range(count))
    return tuple(TimeStep(first, first + length - _DAY) for first in firsts)
