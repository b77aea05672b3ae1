"""Dropping and compressing readings that have become old."""

from datetime import UTC, datetime, timedelta

import psycopg

from store.series.capabilities import capabilities
from store.series.errors import SeriesBusy
from store.series.maintenance import committing, one_at_a_time
from store.series.rollups import boundary, recompute, refresh

__all__ = ["apply_retention", "compress"]

ATTEMPTS = 5
# Everybody else waits as long as we do for a reader that takes its time.
LOCK_SECONDS = 3
# Weeks of one transaction: each takes locks, of which a server has a few thousand.
AT_ONCE = 100
_ANCIENT = datetime(1900, 1, 1, tzinfo=UTC)


def apply_retention(
    conn: psycopg.Connection, keep: timedelta, *, now: datetime | None = None
) -> int:
    """Drop the weeks that lie wholly before ``now - keep``; their hours stay.

    The hours are brought up to date first, and from then on stay as they are: a
    reading that comes later still for such a week is stored, but changes no hour that
    is known already.

    Parameters
    ----------
    conn
        Connection outside a transaction; commits.
    keep
        How long readings are kept.
    now
        Time to count from; default: the clock.

    Returns
    -------
    int
        Number of partitions or chunks dropped.

    Raises
    ------
    SeriesBusy
        Readings for these weeks kept coming in, or somebody kept reading; what was not
        dropped is the next time.
    """
    cutoff = _monday((now or datetime.now(UTC)) - keep)
    dropped = attempts = 0
    while attempts < ATTEMPTS:
        refresh(conn, before=cutoff)
        some = _attempt(conn, cutoff)
        if some is None:
            attempts += 1
            continue
        dropped += some
        if some < AT_ONCE:
            return dropped
    raise SeriesBusy(
        f"readings from before {cutoff:%Y-%m-%d} kept coming in or being read:"
        f" {dropped} weeks were dropped, try again later for the others"
        f" · 旧数据仍在读写，已删除 {dropped} 个周分区，其余请稍后再试"
    )


def compress(conn: psycopg.Connection, older_than: timedelta) -> int:
    """Compress the chunks that lie wholly before now less ``older_than``.

    Late readings still find their way into compressed chunks.

    Parameters
    ----------
    conn
        Connection outside a transaction; commits chunk by chunk.
    older_than
        Age from which on readings hardly change any more.

    Returns
    -------
    int
        Chunks compressed now; 0 where the engine cannot compress.
    """
    with committing(conn):
        if not capabilities(conn).compression:
            return 0
        chunks = conn.execute(
            "SELECT format('%%I.%%I', chunk_schema, chunk_name)"
            " FROM timescaledb_information.chunks"
            " WHERE hypertable_name = 'reading' AND NOT is_compressed"
            " AND range_end <= now() - %s ORDER BY range_start",
            [older_than],
        ).fetchall()
        for (chunk,) in chunks:
            conn.execute("SELECT compress_chunk(%s::regclass)", [chunk])
    return len(chunks)


def _attempt(conn: psycopg.Connection, cutoff: datetime) -> int | None:
    """Drop some weeks; None when others wrote to them, or read for too long."""
    try:
        with committing(conn), one_at_a_time(conn):
            return _drop(conn, cutoff) if _stop_others(conn, cutoff) else None
    except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
        return None


def _stop_others(conn: psycopg.Connection, cutoff: datetime) -> bool:
    """Keep others out; false when somebody wrote since the hours were refreshed."""
    conn.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS * 1000:.0f}ms'")
    # What dropping takes, and at once: who took less first, and then this, would wait
    # for a transaction that has read and waits to write.
    conn.execute("LOCK TABLE ONLY reading IN ACCESS EXCLUSIVE MODE")
    # TimescaleDB's own hours are up to date, or else somebody wrote.
    recompute(conn, _ANCIENT, min(boundary(conn) or cutoff, cutoff))
    row = conn.execute("SELECT FROM rollup_dirty WHERE hour < %s LIMIT 1", [cutoff])
    return row.fetchone() is None


def _drop(conn: psycopg.Connection, cutoff: datetime) -> int:
    conn.execute(
        "UPDATE series_state SET kept_from = greatest(kept_from, %s)", [cutoff]
    )
    # A hint promises a reading, which may go now.
    conn.execute("DELETE FROM stream_hint WHERE since < %s", [cutoff])
    if capabilities(conn).engine == "timescale":
        return len(
            conn.execute(
                "SELECT drop_chunks('reading', older_than => %s)", [cutoff]
            ).fetchall()
        )
    weeks = conn.execute(
        "SELECT inhrelid::regclass::text FROM pg_inherits JOIN pg_class ON oid ="
        " inhrelid WHERE inhparent = 'reading'::regclass"
        " AND (regexp_match(pg_get_expr(relpartbound, oid), 'TO \\(''(.*)''\\)'))[1]"
        "::timestamptz <= %s ORDER BY 1 LIMIT %s",
        [cutoff, AT_ONCE],
    ).fetchall()
    for (week,) in weeks:
        conn.execute(f"DROP TABLE {week}")
    return len(weeks)


def _monday(moment: datetime) -> datetime:
    """Return the start of the week (UTC) that holds a time."""
    day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day - timedelta(days=day.weekday())
