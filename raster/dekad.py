"""Dekads (旬): the ten-day steps of agrometeorology, three a month."""

from dataclasses import dataclass
from datetime import date, timedelta

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
        next_month = (day.replace(day=1) + timedelta(days=31)).replace(day=1)
        return TimeStep(day.replace(day=21), next_month - _DAY)
    first = 1 if day.day <= 10 else 11
    return TimeStep(day.replace(day=first), day.replace(day=first + 9))


def dekads(start: date, end: date) -> tuple[TimeStep, ...]:
    """Dekads touching [start, end], whole, in order; empty when ``end < start``."""
    steps: list[TimeStep] = []
    while start <= end:
        steps.append(dekad_of(start))
        start = steps[-1].end + _DAY
    return tuple(steps)
