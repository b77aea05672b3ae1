"""Weekly partitions of the readings, made before the rows that need them."""

from datetime import UTC, datetime, timedelta
from weakref import WeakKeyDictionary

import numpy as np
import psycopg
from numpy.typing import NDArray

__all__ = ["WEEK_US", "ensure_partitions", "ensure_weeks", "forget", "is_missing"]

WEEK_US = 7 * 86_400_000_000
# 1970-01-05 was the first Monday.
_MONDAY_US = 4 * 86_400_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Weeks a connection has seen. A week that was dropped since, or whose making was rolled
# back, is missed when a row for it is refused (is_missing).
_seen: WeakKeyDictionary[psycopg.Connection, set[int]] = WeakKeyDictionary()


def ensure_partitions(
    conn: psycopg.Connection, start: datetime, end: datetime
) -> list[datetime]:
    """Make the missing weekly partitions that hold ``start <= time <= end``.

    Weeks begin on Monday 00:00 UTC; before 2024, 52 of them share one. Safe beside
    others that read, write and make partitions. With TimescaleDB nothing is made:
    chunks come by themselves.

    Parameters
    ----------
    conn
        Connection; the partitions are part of its transaction.
    start, end
        Aware times.

    Returns
    -------
    list of datetime
        Mondays of the weeks, or of the first week, that partitions were made for.
    """
    first, last = (
        int((time - _EPOCH) / timedelta(microseconds=1)) for time in (start, end)
    )
    weeks = range(_week(first), _week(last) + 1)
    return [_monday(week) for week in weeks if _make(conn, week)]


def ensure_weeks(conn: psycopg.Connection, time_us: NDArray[np.int64]) -> None:
    """Make the missing partitions of these times; the usual batch costs no query.

    Parameters
    ----------
    conn
        Connection inside a transaction.
    time_us
        Microseconds since 1970 UTC, shape (n,) with n > 0.
    """
    seen = _seen.setdefault(conn, set())
    low, high = _week(int(time_us.min())), _week(int(time_us.max()))
    if low == high and low in seen:
        return
    weeks = {int(week) for week in np.unique((time_us - _MONDAY_US) // WEEK_US)}
    for week in sorted(weeks - seen):
        _make(conn, week)
    seen |= weeks


def forget(conn: psycopg.Connection) -> None:
    """Ask the database again which weeks there are."""
    _seen.pop(conn, None)


def is_missing(error: psycopg.errors.CheckViolation) -> bool:
    """Tell a row without partition from one that broke a rule, which has a name."""
    return error.diag.constraint_name is None


def _make(conn: psycopg.Connection, week: int) -> bool:
    row = conn.execute("SELECT make_reading_week(%s)", [_monday(week)]).fetchone()
    return bool(row and row[0])


def _week(time_us: int) -> int:
    return (time_us - _MONDAY_US) // WEEK_US


def _monday(week: int) -> datetime:
    return _EPOCH + timedelta(microseconds=_MONDAY_US + week * WEEK_US)
