"""Recorded readings of a file: long or wide tables, and SCR Heatime exports.

The header decides which:

- ``device, time, quantity, value`` (and ``unit``): long, one reading a row;
- ``device, time`` and further columns: wide, one quantity a column, whose header may
  end in a unit in brackets, ``soil_moisture@0.2 [%]``;
- ``Cow Number, Date, Time`` (German: ``Kuhnummer, Termin, Zeit``): an export of SCR
  Heatime collars, as the open tool BovHEAT reads them; Activity Change becomes
  ``activity_change`` and Raw Activity Data ``motion_index``.

Empty cells are no readings. Nothing else is skipped: a cell that cannot be read refuses
the file, and says its row.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from sensors.replay.errors import RecordingInvalid
from sensors.replay.tables import Cell, read_rows

__all__ = ["Reading", "Recording", "read_recording"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONG = {"device", "time", "quantity", "value"}
_UNIT = re.compile(r"\s*(.+?)\s*\[(.*)\]\s*")
# English and German headers of the exports, in lower case.
_HEATIME: Mapping[str, str] = MappingProxyType(
    {
        "cow number": "cow",
        "kuhnummer": "cow",
        "date": "date",
        "termin": "date",
        "time": "time",
        "zeit": "time",
        "activity change": "activity_change",
        "aktivität ändern": "activity_change",
        "raw activity data": "motion_index",
    }
)
_CLOCKS = ("%H:%M", "%I:%M %p", "%H:%M:%S", "%I:%M:%S %p")
_DATES = ("%Y-%m-%d", "%d.%m.%Y")


class Reading(NamedTuple):
    """One value of one device; ``time_us`` in microseconds since 1970 UTC."""

    device_id: str
    time_us: int
    name: str
    unit: str | None
    value: float


@dataclass(frozen=True, slots=True)
class Recording:
    """What a file holds.

    Attributes
    ----------
    readings
        In the order of the file.
    clock_changes
        How many times lie in an hour that the clocks of the zone skipped or repeated.
        They are read as if the clocks had not been changed yet.
    """

    readings: Sequence[Reading]
    clock_changes: int = 0


def read_recording(path: Path, *, zone: tzinfo, prefix: str = "") -> Recording:
    """Read a recorded file.

    Parameters
    ----------
    path
        CSV (UTF-8 or GB18030) or a workbook.
    zone
        Of times without an offset.
    prefix
        Put before the device names of the file: cow numbers are unique in a herd only.

    Raises
    ------
    RecordingInvalid
        Not such a file, a cell that cannot be read, or no reading at all.
    """
    rows = read_rows(path)
    header = [str(cell).strip() for cell in rows[0]]
    times = _Times(zone)
    found: list[Reading] = []
    parse = _parser(header, times, prefix)
    for number, row in enumerate(rows[1:], start=2):
        # A row may end early where its last cells are empty.
        cells = [*row, *[""] * (len(header) - len(row))]
        try:
            found.extend(parse(cells))
        # Years that no clock has overflow.
        except (ValueError, OverflowError) as error:
            raise RecordingInvalid(
                f"{path.name}, row {number}: {error} · 第 {number} 行无法读取"
            ) from error
    if not found:
        raise RecordingInvalid(f"{path.name} has no readings · 文件中没有读数")
    return Recording(found, times.clock_changes)


class _Parser:
    """Turns the rows under a header into readings; ValueError says what is wrong."""

    def __init__(self, header: Sequence[str], times: "_Times", prefix: str) -> None:
        self._header = header
        self._times = times
        self._prefix = prefix

    def __call__(self, row: Sequence[Cell]) -> Iterator[Reading]:
        raise NotImplementedError

    def _device(self, cell: Cell) -> str:
        # Excel has no whole numbers: 117 comes as 117.0.
        name = f"{cell:g}" if isinstance(cell, float) else str(cell).strip()
        device_id = f"{self._prefix}{name}"
        if not name or not device_id.isprintable() or set(device_id) & set("/+#"):
            raise ValueError(f"device {device_id!r} cannot stand in a topic")
        return device_id


class _Long(_Parser):
    def __init__(self, header: Sequence[str], times: "_Times", prefix: str) -> None:
        super().__init__(header, times, prefix)
        self._at = {name.lower(): index for index, name in enumerate(header)}

    def __call__(self, row: Sequence[Cell]) -> Iterator[Reading]:
        value = row[self._at["value"]]
        if value == "":
            return
        name = str(row[self._at["quantity"]]).strip()
        if not name:
            raise ValueError("quantity is empty")
        unit = str(row[self._at["unit"]]).strip() if "unit" in self._at else ""
        yield Reading(
            self._device(row[self._at["device"]]),
            self._times.of(row[self._at["time"]]),
            name,
            unit or None,
            _number(name, value),
        )


class _Wide(_Parser):
    def __init__(self, header: Sequence[str], times: "_Times", prefix: str) -> None:
        super().__init__(header, times, prefix)
        lower = [name.lower() for name in header]
        self._device_at, self._time_at = lower.index("device"), lower.index("time")
        self._columns = [
            (index, *_name_and_unit(name))
            for index, name in enumerate(header)
            # A nameless column is a running number or the end of a row.
            if name and index not in (self._device_at, self._time_at)
        ]

    def __call__(self, row: Sequence[Cell]) -> Iterator[Reading]:
        given = [column for column in self._columns if row[column[0]] != ""]
        if not given:
            return
        device_id = self._device(row[self._device_at])
        time_us = self._times.of(row[self._time_at])
        for index, name, unit in given:
            yield Reading(device_id, time_us, name, unit, _number(name, row[index]))


class _Heatime(_Parser):
    def __init__(self, header: Sequence[str], times: "_Times", prefix: str) -> None:
        super().__init__(header, times, prefix)
        self._at = {
            _HEATIME[name.lower()]: index
            for index, name in enumerate(header)
            if name.lower() in _HEATIME
        }

    def __call__(self, row: Sequence[Cell]) -> Iterator[Reading]:
        given = [
            (name, row[self._at[name]])
            for name in ("activity_change", "motion_index")
            # The last row of a cow is an empty midnight of the next day.
            if name in self._at and row[self._at[name]] != ""
        ]
        if not given:
            return
        device_id = self._device(row[self._at["cow"]])
        moment = datetime.combine(
            _date(row[self._at["date"]]), _clock(row[self._at["time"]])
        )
        time_us = self._times.of(moment)
        for name, value in given:
            yield Reading(device_id, time_us, name, None, _number(name, value))


def _parser(header: Sequence[str], times: "_Times", prefix: str) -> _Parser:
    names = [name.lower() for name in header]
    for name in set(names) - {""}:
        if names.count(name) > 1:
            raise RecordingInvalid(f"column {name!r} occurs twice · 列名重复")
    known = {_HEATIME.get(name) for name in names}
    if {"cow", "date", "time", "activity_change"} <= known:
        return _Heatime(header, times, prefix)
    if set(names) >= _LONG:
        return _Long(header, times, prefix)
    others = set(names) - {"device", "time", ""}
    if {"device", "time"} <= set(names) and others:
        return _Wide(header, times, prefix)
    raise RecordingInvalid(
        f"columns {', '.join(header)[:200]}: needed are device, time, quantity, value;"
        " or device, time and one column a quantity; or a Heatime export's Cow Number,"
        " Date, Time, Activity Change · 无法识别的表头"
    )


def _name_and_unit(header: str) -> tuple[str, str | None]:
    parts = _UNIT.fullmatch(header)
    return (parts[1], parts[2] or None) if parts else (header, None)


class _Times:
    """Reads times, those without an offset in one zone."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self.clock_changes = 0

    def of(self, cell: Cell) -> int:
        """Return microseconds since 1970 UTC."""
        moment = self._moment(cell)
        if moment.tzinfo is None:
            local = moment.replace(tzinfo=self._zone)
            # Where the clock jumps, the two readings of a local time differ (PEP 495).
            if local.utcoffset() != local.replace(fold=1).utcoffset():
                self.clock_changes += 1
            moment = local
        return (moment.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)

    @staticmethod
    def _moment(cell: Cell) -> datetime:
        if isinstance(cell, datetime):
            return cell
        if isinstance(cell, date):
            return datetime.combine(cell, time())
        try:
            return datetime.fromisoformat(str(cell).strip())
        except ValueError:
            raise ValueError(f"time {str(cell)[:80]!r} is not ISO 8601") from None


def _date(cell: Cell) -> date:
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    return _first_that_fits(str(cell), _DATES, "date").date()


def _clock(cell: Cell) -> time:
    if isinstance(cell, time):
        return cell
    return _first_that_fits(str(cell), _CLOCKS, "time").time()


def _first_that_fits(text: str, patterns: Sequence[str], what: str) -> datetime:
    for pattern in patterns:
        try:
            return datetime.strptime(text.strip(), pattern)  # noqa: DTZ007 - a part
        except ValueError:
            continue
    raise ValueError(f"{what} {text[:80]!r} is none of {', '.join(patterns)}")


def _number(name: str, cell: Cell) -> float:
    try:
        value = float(cell) if isinstance(cell, str | float | int) else math.nan
    except ValueError:
        value = math.nan
    if isinstance(cell, bool) or not math.isfinite(value):
        raise ValueError(f"{name}: {str(cell)[:80]!r} is not a number")
    return value
