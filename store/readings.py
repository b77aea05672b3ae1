"""Readings: written once, flagged, never overwritten unasked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, overload

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql
from psycopg.rows import class_row

from store import copying
from store.series import dirty, writing
from store.series.batch import Batch, Outcome, ReadingRow, Written
from store.series.buckets import Buckets, daily, hourly
from store.series.sql import moment

__all__ = [
    "Batch",
    "Buckets",
    "Columns",
    "Outcome",
    "ReadingRow",
    "StreamReading",
    "Written",
    "between",
    "daily",
    "hourly",
    "latest",
    "recent",
    "reflag",
    "series",
    "write",
]

_COLUMNS = {
    "stream_id": "int4",
    "time_us": "timestamptz",
    "value": "float8",
    "flag": "int2",
}
# The search for the newest reading ends here at the latest, so that a stream that fell
# silent is not looked for in every partition.
_SINCE_HINT = "AND time >= coalesce(hint.since, '-infinity')"


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Stored readings as columns, by stream, then by time.

    Attributes
    ----------
    stream_id
        int32, shape (n,).
    time_us
        Microseconds since 1970 UTC, int64.
    value
        float64 in the stream's unit.
    flag
        QARTOD flag, int16.
    """

    stream_id: NDArray[np.int32]
    time_us: NDArray[np.int64]
    value: NDArray[np.float64]
    flag: NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class StreamReading:
    """A stored reading with the stream it belongs to."""

    device_id: str
    quantity: str
    unit: str
    thing: str
    position: str
    time: datetime
    value: float
    flag: int


@overload
def write(conn: psycopg.Connection, batch: Batch) -> NDArray[np.uint8]: ...
@overload
def write(conn: psycopg.Connection, batch: Sequence[ReadingRow]) -> Written: ...
def write(
    conn: psycopg.Connection, batch: Batch | Sequence[ReadingRow]
) -> NDArray[np.uint8] | Written:
    """Store a batch of readings, each key (stream, time) once.

    A key that comes again with the same value is a duplicate, whatever its flag. With
    another value it is a conflict: the first value stays, the other is kept in
    ``reading_conflict``; unless it is a correction, which takes the place of the stored
    value, kept in ``reading_correction``. Rows of one batch are judged in their order.

    Partitions are made as needed and the hours marked for the rollups, all in the
    transaction of the caller, which must be READ COMMITTED. The whole batch is stored
    or, on an error, nothing of it.

    Parameters
    ----------
    conn
        Connection.
    batch
        Readings as columns, or as rows without corrections.

    Returns
    -------
    ndarray of uint8, shape (n,), or Written
        The :class:`Outcome` of each row of a batch; of rows, how many had which.

    Raises
    ------
    StreamUnknown
        A stream does not exist.
    RowRefused
        A value is not finite or beyond ±1e300, a flag is none of QARTOD's, or a time is
        not aware or not in the years 1970 to 2199.
    """
    if isinstance(batch, Batch):
        return writing.write(conn, batch)
    outcome = writing.write(conn, Batch.of(batch))
    # Rows carry no corrections: the fourth outcome cannot be.
    counts = np.bincount(outcome, minlength=3).tolist()
    return Written(counts[0], counts[1], counts[2])


def reflag(
    conn: psycopg.Connection,
    stream_id: NDArray[np.int32],
    time_us: NDArray[np.int64],
    flag: NDArray[np.int16],
) -> int:
    """Give stored readings other flags; keys that are not stored are passed over.

    Parameters
    ----------
    conn
        Connection inside a transaction.
    stream_id, time_us
        Keys, shape (n,); microseconds since 1970 UTC.
    flag
        The new QARTOD flags.

    Returns
    -------
    int
        Number of readings whose flag changed.
    """
    # In the order of the writers: two that change the same rows never deadlock.
    order = np.lexsort((time_us, stream_id))
    with conn.cursor() as cursor:
        cursor.executemany(
            f"UPDATE reading SET flag = %s WHERE stream_id = %s"
            f" AND time = {moment('%s::int8')} AND flag <> %s",
            [
                (new, stream, time, new)
                for stream, time, new in zip(
                    stream_id[order].tolist(),
                    time_us[order].tolist(),
                    flag[order].tolist(),
                    strict=True,
                )
            ],
        )
        changed = cursor.rowcount
    if changed:
        dirty.mark(conn, stream_id, time_us)
    return max(changed, 0)


def recent(
    conn: psycopg.Connection,
    stream_ids: Sequence[int] | NDArray[Any],
    *,
    count: int,
    before_us: int | None = None,
) -> Columns:
    """Return the newest ``count`` readings of each stream, by stream, then by time.

    Parameters
    ----------
    conn
        Connection.
    stream_ids
        Streams, each once; those without readings are left out.
    count
        How many of a stream at most.
    before_us
        Only readings before this time, microseconds since 1970 UTC.
    """
    # The hint bounds the newest reading, not those before it.
    if before_us is not None:
        bound = sql.SQL("AND time < " + moment("{}")).format(sql.Literal(before_us))
    else:
        bound = sql.SQL(_SINCE_HINT if count == 1 else "").format()
    query = sql.SQL(
        "SELECT wanted.stream_id, newest.time, newest.value, newest.flag"
        " FROM unnest({ids}::int4[]) AS wanted (stream_id)"
        " LEFT JOIN stream_hint AS hint USING (stream_id) CROSS JOIN LATERAL ("
        " SELECT time, value, flag FROM reading"
        " WHERE reading.stream_id = wanted.stream_id {bound}"
        " ORDER BY time DESC LIMIT {count}) AS newest ORDER BY 1, 2"
    ).format(
        ids=sql.Literal([int(stream_id) for stream_id in stream_ids]),
        bound=bound,
        count=sql.Literal(count),
    )
    return Columns(**copying.unload(conn, query, _COLUMNS))


def latest(
    conn: psycopg.Connection, device_id: str | None = None
) -> list[StreamReading]:
    """Return the newest reading of each stream of a device, or of all, by stream id.

    Streams without readings are left out.
    """
    with conn.cursor(row_factory=class_row(StreamReading)) as cursor:
        cursor.execute(
            "SELECT device_id, quantity, unit, thing, position, newest.time, value,"
            " flag"
            " FROM stream LEFT JOIN stream_hint AS hint USING (stream_id)"
            " CROSS JOIN LATERAL ("
            "  SELECT time, value, flag FROM reading"
            "  WHERE reading.stream_id = stream.stream_id"
            f"  {_SINCE_HINT}"
            "  ORDER BY time DESC LIMIT 1) AS newest"
            " WHERE %(device)s::text IS NULL OR device_id = %(device)s"
            " ORDER BY stream_id",
            {"device": device_id},
        )
        return cursor.fetchall()


def between(
    conn: psycopg.Connection,
    device_id: str,
    *,
    start: datetime,
    end: datetime,
    quantity: str | None = None,
    limit: int,
) -> list[StreamReading]:
    """Return the first ``limit`` readings of a device in ``start <= time < end``.

    By time, then by stream. Ask for one more than needed to see whether there are
    more.
    """
    with conn.cursor(row_factory=class_row(StreamReading)) as cursor:
        cursor.execute(
            "SELECT device_id, quantity, unit, thing, position, time, value, flag"
            " FROM stream JOIN reading USING (stream_id)"
            " WHERE device_id = %(device)s AND time >= %(start)s AND time < %(end)s"
            " AND (%(quantity)s::text IS NULL OR quantity = %(quantity)s)"
            " ORDER BY time, stream_id LIMIT %(limit)s",
            {
                "device": device_id,
                "start": start,
                "end": end,
                "quantity": quantity,
                "limit": limit,
            },
        )
        return cursor.fetchall()


def series(
    conn: psycopg.Connection,
    stream_ids: Sequence[int] | NDArray[Any],
    *,
    start: datetime,
    end: datetime,
) -> Columns:
    """Return all readings of streams in ``start <= time < end``, whatever their flag.

    Parameters
    ----------
    conn
        Connection.
    stream_ids
        Streams, each once.
    start, end
        Aware times.
    """
    query = sql.SQL(
        "SELECT stream_id, time, value, flag FROM reading"
        " WHERE stream_id = ANY({ids}::int4[])"
        " AND time >= {start}::timestamptz AND time < {end}::timestamptz"
    ).format(
        ids=sql.Literal([int(stream_id) for stream_id in stream_ids]),
        start=sql.Literal(start),
        end=sql.Literal(end),
    )
    found = copying.unload(conn, query, _COLUMNS)
    # Sorting here takes a tenth of what it takes the server.
    order = np.lexsort((found["time_us"], found["stream_id"]))
    return Columns(**{name: column[order] for name, column in found.items()})
