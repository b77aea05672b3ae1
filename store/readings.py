"""Readings: written once, flagged, never overwritten."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row

from store.copying import stage
from store.errors import RowRefused, StreamUnknown

_TYPES = (
    ("position", "int4"),
    ("stream_id", "int4"),
    ("time", "timestamptz"),
    ("value", "float8"),
    ("flag", "int2"),
    ("received_at", "timestamptz"),
)


@dataclass(frozen=True, slots=True)
class ReadingRow:
    """One reading to be written; times are aware, ``value`` is finite.

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


@dataclass(frozen=True, slots=True)
class StreamReading:
    """A stored reading with the stream it belongs to."""

    device_id: str
    quantity: str
    unit: str
    thing: str
    time: datetime
    value: float
    flag: int


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A message that could not be read, and how often it came."""

    topic: str
    payload: bytes
    reason: str
    first_received_at: datetime
    last_received_at: datetime
    count: int


def write(conn: psycopg.Connection, rows: Sequence[ReadingRow]) -> Written:
    """Store a batch of readings, each key (stream, time) once.

    A key that comes again with the same value is a duplicate. With another value it
    is a conflict: the first value stays, the other is kept in ``reading_conflict``.
    The whole batch is stored or, on an error, nothing of it.

    Raises
    ------
    StreamUnknown
        A stream does not exist.
    RowRefused
        A time is not aware.
    """
    if not rows:
        return Written(0, 0, 0)
    with conn.transaction():
        _stage(conn, rows)
        _check_streams(conn)
        stored = _insert(conn)
        # The usual batch is all new, and needs no second look.
        conflict = 0 if stored == len(rows) else _keep_conflicts(conn)
    return Written(stored, len(rows) - stored - conflict, conflict)


def latest(
    conn: psycopg.Connection, device_id: str | None = None
) -> list[StreamReading]:
    """Return the newest reading of each stream of a device, or of all, by stream id.

    Streams without readings are left out.
    """
    with conn.cursor(row_factory=class_row(StreamReading)) as cursor:
        cursor.execute(
            "SELECT device_id, quantity, unit, thing, newest.time, value, flag"
            " FROM stream CROSS JOIN LATERAL ("
            "  SELECT time, value, flag FROM reading"
            "  WHERE reading.stream_id = stream.stream_id"
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
            "SELECT device_id, quantity, unit, thing, time, value, flag"
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


def quarantine(
    conn: psycopg.Connection,
    *,
    topic: str,
    payload: bytes,
    reason: str,
    received_at: datetime,
) -> None:
    """Keep a message that could not be read; one that comes again is counted."""
    conn.execute(
        "INSERT INTO quarantine (topic, payload, sha256, reason, first_received_at,"
        " last_received_at) VALUES (%(topic)s, %(payload)s, %(sha256)s, %(reason)s,"
        " %(received_at)s, %(received_at)s)"
        " ON CONFLICT (sha256, topic) DO UPDATE SET count = quarantine.count + 1,"
        " reason = excluded.reason,"
        " last_received_at = greatest(quarantine.last_received_at,"
        " excluded.last_received_at)",
        {
            "topic": _storable(topic),
            "payload": payload,
            "sha256": hashlib.sha256(payload).digest(),
            "reason": _storable(reason),
            "received_at": received_at,
        },
    )


def quarantined(conn: psycopg.Connection, limit: int) -> list[Quarantined]:
    """Return the messages in quarantine, the latest received first."""
    with conn.cursor(row_factory=class_row(Quarantined)) as cursor:
        cursor.execute(
            "SELECT topic, payload, reason, first_received_at, last_received_at, count"
            " FROM quarantine ORDER BY last_received_at DESC, quarantine_id DESC"
            " LIMIT %s",
            [limit],
        )
        return cursor.fetchall()


def _stage(conn: psycopg.Connection, rows: Sequence[ReadingRow]) -> None:
    for row in rows:
        if row.time.tzinfo is None or row.received_at.tzinfo is None:
            raise RowRefused(
                f"the reading of stream {row.stream_id} at {row.time} has no time zone:"
                " pass aware datetimes"
            )
    stage(
        conn,
        table="reading_staging",
        columns=_TYPES,
        rows=(
            (position, row.stream_id, row.time, row.value, row.flag, row.received_at)
            for position, row in enumerate(rows)
        ),
    )


def _insert(conn: psycopg.Connection) -> int:
    # Sorted by key, so that two writers lock rows in one order and never deadlock.
    return conn.execute(
        "INSERT INTO reading (stream_id, time, value, flag, received_at)"
        " SELECT DISTINCT ON (stream_id, time)"
        " stream_id, time, value, flag, received_at FROM reading_staging"
        " ORDER BY stream_id, time, position"
        " ON CONFLICT (stream_id, time) DO NOTHING"
    ).rowcount


def _keep_conflicts(conn: psycopg.Connection) -> int:
    """Keep the staged values that differ from the stored ones; return how many."""
    row = conn.execute(
        "WITH other AS ("
        " SELECT staged.* FROM reading_staging AS staged"
        " JOIN reading USING (stream_id, time) WHERE staged.value <> reading.value"
        "), kept AS ("
        " INSERT INTO reading_conflict (stream_id, time, value, flag, received_at)"
        " SELECT stream_id, time, value, flag, received_at FROM other"
        " ORDER BY stream_id, time, value, position ON CONFLICT DO NOTHING"
        ") SELECT count(*) FROM other"
    ).fetchone()
    return int(row[0]) if row else 0


def _check_streams(conn: psycopg.Connection) -> None:
    rows = conn.execute(
        "SELECT DISTINCT stream_id FROM reading_staging WHERE NOT EXISTS"
        " (SELECT FROM stream WHERE stream.stream_id = reading_staging.stream_id)"
        " ORDER BY stream_id"
    )
    if ids := [stream_id for (stream_id,) in rows]:
        raise StreamUnknown(
            f"readings name streams that do not exist: {ids}. Register the device"
            " first (heitu devices add)",
            stream_ids=ids,
        )


def _storable(text: str) -> str:
    """Replace what PostgreSQL's text cannot hold: NUL and lone surrogates."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
