"""Bringing the hours up to date with their readings."""

from datetime import datetime, timedelta

import psycopg

from store.series.maintenance import (
    alone,
    committing,
    one_at_a_time,
    running_hour,
    state,
)
from store.series.sql import OF_READINGS

__all__ = ["AGGREGATE", "boundary", "recompute", "refresh", "refresh_hints"]

# TimescaleDB's continuous aggregate.
AGGREGATE = "reading_hour_aggregate"
# Hours of one transaction: a long backlog is worked off in steps.
STEP = timedelta(days=1)

_TAKE = (
    "WITH taken AS ("
    " DELETE FROM rollup_dirty WHERE hour >= %(start)s AND hour < %(end)s"
    " RETURNING hour, streams)"
    " INSERT INTO pg_temp.rollup_due (stream_id, hour)"
    " SELECT DISTINCT unnest(streams), hour FROM taken"
)
# A statement of its own: it sees the readings of every mark that was taken. Start and
# end once more, as constants, spare the planner the partitions of other weeks.
_RECOMPUTE = (
    "INSERT INTO reading_hour"
    " (stream_id, hour, n, bad_n, sum, min, max, last_time, last)"
    " SELECT due.stream_id, due.hour, n, bad_n, sum, min, max, last_time, last"
    " FROM (SELECT * FROM pg_temp.rollup_due ORDER BY stream_id, hour) AS due"
    " CROSS JOIN LATERAL (SELECT " + OF_READINGS + " FROM reading"
    " WHERE reading.stream_id = due.stream_id AND reading.time >= due.hour"
    " AND reading.time < due.hour + interval '1 hour'"
    " AND reading.time >= %(start)s AND reading.time < %(end)s"
    " HAVING count(*) > 0) AS raw"
    # Of hours whose readings were dropped only those unknown so far are added.
    " WHERE due.hour >= (SELECT kept_from FROM series_state) OR NOT EXISTS ("
    " SELECT FROM reading_hourly AS known"
    " WHERE known.stream_id = due.stream_id AND known.hour = due.hour)"
    " ON CONFLICT (stream_id, hour) DO UPDATE SET n = excluded.n,"
    " bad_n = excluded.bad_n, sum = excluded.sum, min = excluded.min,"
    " max = excluded.max, last_time = excluded.last_time, last = excluded.last"
)


def refresh(conn: psycopg.Connection, *, before: datetime | None = None) -> int:
    """Recompute the hours that are marked as behind their readings.

    Reads are exact without it, only slower. Several may run, and beside writers. Hours
    whose readings were dropped are left to retention: what comes late for one that is
    not known yet may come in pieces.

    Parameters
    ----------
    conn
        Connection outside a transaction; commits in steps of a day.
    before
        Hours that begin before this; default: those that are over.

    Returns
    -------
    int
        Number of hours, of whatever streams, that were brought up to date.
    """
    done = 0
    with committing(conn):
        end = before or running_hour(conn)
        while (start := _first_marked(conn, end)) is not None:
            stop = min(start + STEP, end)
            if boundary(conn) is None:
                done += _refresh_table(conn, start, stop)
            else:
                with alone(conn):
                    done += _refresh_aggregate(conn, start, stop)
    return done


def refresh_hints(conn: psycopg.Connection) -> int:
    """Move the hints where to look for the newest readings; returns how many moved.

    Hints that are behind cost time but never an answer. For streams that send, one a
    week is enough; without hints a silent stream is looked for in every partition.

    Parameters
    ----------
    conn
        Connection outside a transaction; commits.
    """
    with committing(conn), one_at_a_time(conn):
        return conn.execute(
            "INSERT INTO stream_hint AS hint (stream_id, since)"
            " SELECT stream.stream_id, newest.time"
            " FROM stream LEFT JOIN stream_hint AS old USING (stream_id)"
            " CROSS JOIN LATERAL (SELECT time FROM reading"
            " WHERE reading.stream_id = stream.stream_id"
            " AND time >= coalesce(old.since, '-infinity')"
            " ORDER BY time DESC LIMIT 1) AS newest ORDER BY stream.stream_id"
            " ON CONFLICT (stream_id) DO UPDATE SET since = excluded.since"
            " WHERE excluded.since > hint.since"
        ).rowcount


def recompute(conn: psycopg.Connection, start: datetime, end: datetime) -> int:
    """Recompute in our own table the marked hours in ``start <= hour < end``.

    Parameters
    ----------
    conn
        Connection inside a transaction of :func:`one_at_a_time`.
    start, end
        Whole hours.
    """
    span = {"start": start, "end": end}
    conn.execute(
        "CREATE TEMPORARY TABLE IF NOT EXISTS rollup_due"
        " (stream_id integer, hour timestamptz) ON COMMIT DELETE ROWS"
    )
    conn.execute("DELETE FROM pg_temp.rollup_due")
    conn.execute(_TAKE, span)
    conn.execute(_RECOMPUTE, span)
    row = conn.execute("SELECT count(DISTINCT hour) FROM pg_temp.rollup_due").fetchone()
    return int(row[0]) if row else 0


def _first_marked(conn: psycopg.Connection, end: datetime) -> datetime | None:
    row = conn.execute(
        "SELECT min(hour) FROM rollup_dirty WHERE hour < %s"
        " AND hour >= (SELECT kept_from FROM series_state)",
        [end],
    ).fetchone()
    return row[0] if row else None


def boundary(conn: psycopg.Connection) -> datetime | None:
    """Return from where on TimescaleDB aggregates; None: nowhere.

    Where readings were dropped it must not look again: it would find nothing and
    forget the hours.
    """
    found = state(conn)
    if found.aggregated_from is None:
        return None
    row = conn.execute(
        "SELECT greatest(kept_from, aggregated_from, '1900-01-01Z') FROM series_state"
    ).fetchone()
    return row[0] if row else None


def _refresh_table(conn: psycopg.Connection, start: datetime, end: datetime) -> int:
    with one_at_a_time(conn):
        return recompute(conn, start, end)


def _refresh_aggregate(conn: psycopg.Connection, start: datetime, end: datetime) -> int:
    """Let TimescaleDB look again; the marks go only after it has."""
    # Retention may have been faster than we.
    start = max(start, boundary(conn) or start)
    if start >= end:
        return 0
    rows = conn.execute(
        "SELECT mark_id, hour FROM rollup_dirty WHERE hour >= %s AND hour < %s",
        [start, end],
    ).fetchall()
    # What is committed later has another mark, and marked hours are read as they are.
    conn.execute(
        f"CALL refresh_continuous_aggregate('{AGGREGATE}',"
        " %s::timestamptz, %s::timestamptz)",
        [start, end],
    )
    conn.execute(
        "DELETE FROM rollup_dirty WHERE mark_id = ANY(%s)", [[r[0] for r in rows]]
    )
    return len({hour for _, hour in rows})
