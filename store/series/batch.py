"""What is handed to the store in one go, and what becomes of it."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from store.errors import RowRefused

__all__ = ["FLAGS", "Batch", "Outcome", "ReadingRow", "Written", "to_us"]

FLAGS = (1, 2, 3, 4, 9)
# Clocks are judged before; this only keeps partitions from being made for ever.
FIRST = datetime(1970, 1, 1, tzinfo=UTC)
LAST = datetime(2200, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# Sums of a bucket stay finite; PostgreSQL refuses one that would not, and with it the
# hours of everybody.
LARGEST = 1e300


class Outcome(IntEnum):
    """What became of one row of a batch."""

    STORED = 0
    # The key and the value were stored before.
    DUPLICATE = 1
    # The key was stored with another value, which stays; this one is kept aside.
    CONFLICT = 2
    # The value took the place of the stored one, which is kept aside.
    CORRECTED = 3


@dataclass(frozen=True, slots=True)
class ReadingRow:
    """One reading to be written; times are aware, ``value`` is within ±1e300.

    ``flag`` is a QARTOD flag: 1 good, 2 not evaluated, 3 suspect, 4 fail, 9 missing.
    """

    stream_id: int
    time: datetime
    value: float
    flag: int
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a batch; the three numbers add up to its length."""

    stored: int
    duplicate: int
    conflict: int


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Readings as columns of one length, in order of arrival.

    Attributes
    ----------
    stream_id
        int32, shape (n,).
    time_us, received_us
        Device time and time of receipt, microseconds since 1970 UTC, int64.
    value
        float64 in the stream's unit, finite and within ±1e300.
    flag
        QARTOD flag, int16: 1 good, 2 not evaluated, 3 suspect, 4 fail, 9 missing.
    correction
        bool: whether the value may take the place of a stored one.
    """

    stream_id: NDArray[np.int32]
    time_us: NDArray[np.int64]
    value: NDArray[np.float64]
    flag: NDArray[np.int16]
    received_us: NDArray[np.int64]
    correction: NDArray[np.bool_]

    @classmethod
    def of(cls, rows: Sequence[ReadingRow]) -> Self:
        """Make a batch of rows, none of them a correction.

        Raises
        ------
        RowRefused
            A time is not aware.
        """
        return cls(
            stream_id=np.array([row.stream_id for row in rows], np.int32),
            time_us=np.array([_aware_us(row, row.time) for row in rows], np.int64),
            value=np.array([row.value for row in rows], np.float64),
            flag=np.array([row.flag for row in rows], np.int16),
            received_us=np.array(
                [_aware_us(row, row.received_at) for row in rows], np.int64
            ),
            correction=np.zeros(len(rows), np.bool_),
        )

    def __len__(self) -> int:
        """Return the number of readings."""
        return len(self.stream_id)

    def take(self, index: NDArray[Any]) -> "Batch":
        """Return the rows that ``index`` (positions or a mask) selects."""
        return Batch(*(getattr(self, field.name)[index] for field in fields(self)))

    def check(self) -> None:
        """Refuse a batch that the table would refuse.

        Raises
        ------
        RowRefused
            A value is not a number from -1e300 to 1e300, a flag is none of QARTOD's, a
            time is outside the years 1970 to 2199, or the columns differ in length.
        """
        if len({len(getattr(self, field.name)) for field in fields(self)}) != 1:
            raise RowRefused(
                "the columns of the batch differ in length · 批次各列长度不一致"
            )
        usable = np.abs(self.value) <= LARGEST
        self._refuse(
            ~usable, "value", f"is not finite or beyond {LARGEST:g}", "过大或不是有限数"
        )
        self._refuse(
            ~np.isin(self.flag, FLAGS), "flag", f"is none of {FLAGS}", "不是有效标志"
        )
        outside = (self.time_us < to_us(FIRST)) | (self.time_us >= to_us(LAST))
        self._refuse(outside, "time_us", "is not in 1970 to 2199", "超出 1970–2199 年")

    def _refuse(self, bad: NDArray[np.bool_], name: str, what: str, zh: str) -> None:
        if bad.any():
            row = int(bad.argmax())
            value = getattr(self, name)[row]
            raise RowRefused(
                f"reading {row} of the batch (stream {self.stream_id[row]}): {name}"
                f" {value} {what}; nothing was stored"
                f" · 第 {row} 条读数的 {name} {value} {zh}，本批均未写入"
            )


def to_us(time: datetime) -> int:
    """Return microseconds since 1970 UTC of an aware time."""
    return (time - FIRST) // _MICROSECOND


def _aware_us(row: ReadingRow, time: datetime) -> int:
    if time.tzinfo is None:
        raise RowRefused(
            f"the reading of stream {row.stream_id} at {row.time} has no time zone:"
            " pass aware datetimes · 读数时间缺少时区"
        )
    return to_us(time)
