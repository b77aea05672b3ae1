"""Which columns of a table are series, and when each of their values is known.

A series is spread over columns named after the time of the year: ``ndvi_w26`` (ISO
week), ``rain_m07`` (month) or ``tmax_d191`` (day of the year). ``rain_m7`` and
``rain_M07`` say the same: a column taken for one known all year would be a leak.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from models.errors import ValueInvalid

# The last day of each month in a common year; a day more or less moves no window.
_MONTH_ENDS = (31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365)
_NAME = re.compile(r"(?P<series>.+)_(?P<unit>[wmd])(?P<number>\d{1,3})", re.IGNORECASE)
_LARGEST = {"w": 53, "m": 12, "d": 366}


@dataclass(frozen=True, slots=True)
class Moment:
    """Value of a series at a time of the year; ``day`` (1..366) is when it is known."""

    series: str
    day: int


def moment(column: str) -> Moment | None:
    """Return what a column name says, None where it names no time of the year.

    Weeks count as their last day (7, 14, ..), months too.

    >>> moment("rain_m07")
    Moment(series='rain', day=212)
    """
    found = _NAME.fullmatch(column)
    if found is None:
        return None
    unit, number = found["unit"].lower(), int(found["number"])
    if not 1 <= number <= _LARGEST[unit]:
        return None
    return Moment(found["series"], _day(unit, number))


def _day(unit: str, number: int) -> int:
    if unit == "m":
        return _MONTH_ENDS[number - 1]
    return min(7 * number, 366) if unit == "w" else number


def series_columns(columns: Iterable[str]) -> Mapping[str, dict[int, str]]:
    """Return the columns of each series by day of the year, both in ascending order.

    Raises
    ------
    ValueInvalid
        Two columns are of one series and day.
    """
    found: dict[str, dict[int, str]] = {}
    for column in columns:
        if known := moment(column):
            days = found.setdefault(known.series, {})
            if known.day in days:
                raise ValueInvalid(
                    f"the columns {days[known.day]} and {column} are both"
                    f" {known.series} of day {known.day}: take one out"
                    f" · 列 {days[known.day]} 与 {column} 时间相同，请删去其一"
                )
            days[known.day] = column
    return {name: dict(sorted(days.items())) for name, days in sorted(found.items())}
