"""Hours and days of streams: exact at every moment.

Materialised hours are taken where no mark says that their readings changed since;
marked hours are computed from the readings in the same statement, so in one snapshot.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from store import copying
from store.errors import RowRefused
from store.series.sql import OF_READINGS

__all__ = ["Buckets", "daily", "hourly"]

# Jilin's clock, the whole year round.
LOCAL_HOURS = 8
_KINDS = {
    "stream_id": "int4",
    "start_us": "timestamptz",
    "n": "int8",
    "bad_n": "int8",
    "mean": "float8",
    "min": "float8",
    "max": "float8",
    "last": "float8",
}
_HOURS = sql.SQL(
    # Between the first and the last mark only; none where there is no mark.
    "WITH due AS MATERIALIZED ("
    " SELECT hour FROM (SELECT min(hour) AS low, max(hour) AS high FROM rollup_dirty)"
    " AS marks CROSS JOIN generate_series("
    " CASE WHEN low < {start} THEN {start} WHEN low >= {start} THEN low END,"
    " least(high, {end} - interval '1 microsecond'), interval '1 hour') AS span (hour)"
    " WHERE EXISTS (SELECT FROM rollup_dirty WHERE rollup_dirty.hour = span.hour)"
    "), kept AS MATERIALIZED (SELECT kept_from FROM series_state)"
    " SELECT stream_id, hour, n, bad_n, sum, min, max, last FROM reading_hourly"
    " WHERE stream_id = ANY({ids}::int4[])"
    " AND hour >= {start} AND hour < {end}"
    " AND (hour < (SELECT kept_from FROM kept) OR hour NOT IN (SELECT hour FROM due))"
    " UNION ALL"
    " SELECT wanted.stream_id, due.hour, n, bad_n, sum, min, max, last"
    " FROM unnest({ids}::int4[]) AS wanted (stream_id) CROSS JOIN due"
    " CROSS JOIN LATERAL (SELECT " + OF_READINGS + " FROM reading"
    " WHERE reading.stream_id = wanted.stream_id AND reading.time >= due.hour"
    " AND reading.time < due.hour + interval '1 hour' HAVING count(*) > 0) AS raw"
    " WHERE due.hour >= (SELECT kept_from FROM kept) OR NOT EXISTS ("
    " SELECT FROM reading_hourly AS known WHERE known.stream_id = wanted.stream_id"
    " AND known.hour = due.hour)"
)
_EACH_HOUR = sql.SQL(
    "SELECT stream_id, hour, n::int8, bad_n::int8,"
    " coalesce(sum / nullif(n, 0), 'NaN'), coalesce(min, 'NaN'),"
    " coalesce(max, 'NaN'), coalesce(last, 'NaN')"
    " FROM ({hours}) AS hours ORDER BY stream_id, hour"
)
# The mean of a day is that of its readings, not of its hours.
_EACH_DAY = sql.SQL(
    "SELECT stream_id, day, sum(n)::int8, sum(bad_n)::int8,"
    " coalesce(sum(sum) / nullif(sum(n), 0), 'NaN'), coalesce(min(min), 'NaN'),"
    " coalesce(max(max), 'NaN'), coalesce((array_agg(last ORDER BY hour DESC)"
    " FILTER (WHERE n > 0))[1], 'NaN')"
    " FROM (SELECT *, date_bin('24 hours', hour, {start}) AS day"
    " FROM ({hours}) AS hours) AS hours GROUP BY stream_id, day"
    " ORDER BY stream_id, day"
)


@dataclass(frozen=True, slots=True, eq=False)
class Buckets:
    """Hours or days of streams as columns, by stream, then by time.

    Buckets without readings are left out.

    Attributes
    ----------
    stream_id
        int32, shape (n,).
    start_us
        Start of the bucket, microseconds since 1970 UTC, int64.
    n
        Readings with flag 1 or 2, int64: those that the other columns are of.
    bad_n
        Readings with flag 3, 4 or 9, int64.
    mean, min, max, last
        float64 in the stream's unit; NaN where ``n`` is 0.
    """

    stream_id: NDArray[np.int32]
    start_us: NDArray[np.int64]
    n: NDArray[np.int64]
    bad_n: NDArray[np.int64]
    mean: NDArray[np.float64]
    min: NDArray[np.float64]
    max: NDArray[np.float64]
    last: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of buckets."""
        return len(self.stream_id)


def hourly(
    conn: psycopg.Connection,
    stream_ids: Sequence[int] | NDArray[Any],
    start: datetime,
    end: datetime,
) -> Buckets:
    """Return the hours of streams that begin in ``start <= hour < end``.

    Late readings, corrections and changed flags show at once. Hours whose readings
    were dropped by retention stay as they were.

    Parameters
    ----------
    conn
        Connection.
    stream_ids
        Streams, each once.
    start, end
        Aware times; a start within an hour means the next hour.

    Raises
    ------
    RowRefused
        A time is not aware.
    """
    begin = _whole_hour(start)
    hours = _hours(stream_ids, begin, max(begin, _whole_hour(end)))
    return Buckets(**copying.unload(conn, _EACH_HOUR.format(hours=hours), _KINDS))


def daily(
    conn: psycopg.Connection,
    stream_ids: Sequence[int] | NDArray[Any],
    start: date,
    end: date,
    *,
    utc_hours: int = LOCAL_HOURS,
) -> Buckets:
    """Return the local days of streams in ``start <= day < end``.

    Parameters
    ----------
    conn
        Connection.
    stream_ids
        Streams, each once.
    start, end
        Local days.
    utc_hours
        Hours the local clock is ahead of UTC, the whole year round.

    Returns
    -------
    Buckets
        ``start_us`` is local midnight.
    """
    ahead = timedelta(hours=utc_hours)
    first, last = (datetime.combine(d, time(), UTC) - ahead for d in (start, end))
    hours = _hours(stream_ids, first, max(first, last))
    query = _EACH_DAY.format(hours=hours, start=_constant(first))
    return Buckets(**copying.unload(conn, query, _KINDS))


def _hours(
    stream_ids: Sequence[int] | NDArray[Any], start: datetime, end: datetime
) -> sql.Composed:
    return _HOURS.format(
        ids=sql.Literal([int(stream_id) for stream_id in stream_ids]),
        start=_constant(start),
        end=_constant(end),
    )


def _constant(moment: datetime) -> sql.Composed:
    return sql.SQL("{}::timestamptz").format(sql.Literal(moment))


def _whole_hour(moment: datetime) -> datetime:
    """Return the first whole hour at or after a time."""
    if moment.tzinfo is None:
        raise RowRefused(
            f"{moment} has no time zone: pass aware datetimes · 时间缺少时区"
        )
    utc = moment.astimezone(UTC)
    whole = utc.replace(minute=0, second=0, microsecond=0)
    return whole if whole == utc else whole + timedelta(hours=1)
