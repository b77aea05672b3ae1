"""Dropping and compressing readings that have become old."""

from datetime import UTC, datetime, timedelta

import psycopg

from store.series.capabilities import capabilities
from store.series.errors import SeriesBusy
from store.series.maintenance import committing, one_at_a_time
from store.series.rollups import recompute, refresh

__all__ = ["apply_retention", "compress"]

ATTEMPTS = 5
# A reader that takes longer than this makes the writers wait no longer for us.
LOCK_SECONDS = 10
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
        Readings for these weeks kept coming in.
    """
    cutoff = _monday((now or datetime.now(UTC)) - keep)
    for _ in range(ATTEMPTS):
        refresh(conn, before=cutoff)
        with committing(conn), one_at_a_time(conn):
            if _stop_writers(conn, cutoff):
                return _drop(conn, cutoff)
    raise SeriesBusy(
        f"readings from before {cutoff:%Y-%m-%d} kept coming in: nothing was dropped,"
        " try again later · 旧数据仍在写入，未删除，请稍后再试"
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


def _stop_writers(conn: psycopg.Connection, cutoff: datetime) -> bool:
    """Let nobody write; false when somebody wrote since the hours were refreshed."""
    conn.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
    conn.execute("LOCK TABLE reading IN SHARE ROW EXCLUSIVE MODE")
    if capabilities(conn).engine == "plain":
        recompute(conn, _ANCIENT, cutoff)
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
        "::timestamptz <= %s ORDER BY 1",
        [cutoff],
    ).fetchall()
    for (week,) in weeks:
        conn.execute(f"DROP TABLE {week}")
    return len(weeks)


def _monday(moment: datetime) -> datetime:
    """Return the start of the week (UTC) that holds a time."""
    day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day - timedelta(days=day.weekday())
