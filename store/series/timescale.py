"""Moving the readings of a database into TimescaleDB, in place."""

from dataclasses import dataclass

import psycopg
from psycopg import sql

from store.series.capabilities import Capabilities, capabilities
from store.series.errors import TimescaleMissing
from store.series.maintenance import alone, committing, one_at_a_time
from store.series.rollups import AGGREGATE, refresh

__all__ = ["Moved", "migrate"]

_COLUMNS = sql.SQL("stream_id, hour, n, bad_n, sum, min, max, last_time, last")
_MAKE_AGGREGATE = sql.SQL(
    "CREATE MATERIALIZED VIEW {name} WITH"
    " (timescaledb.continuous, timescaledb.materialized_only = false) AS"
    " SELECT stream_id, time_bucket('1 hour', time) AS hour,"
    " count(*) FILTER (WHERE flag <= 2) AS n,"
    " count(*) FILTER (WHERE flag > 2) AS bad_n,"
    " sum(value) FILTER (WHERE flag <= 2) AS sum,"
    " min(value) FILTER (WHERE flag <= 2) AS min,"
    " max(value) FILTER (WHERE flag <= 2) AS max,"
    " max(time) FILTER (WHERE flag <= 2) AS last_time,"
    " last(value, time) FILTER (WHERE flag <= 2) AS last"
    " FROM reading GROUP BY 1, 2 WITH NO DATA"
).format(name=sql.Identifier(AGGREGATE))
# Hours from before the aggregate begins, and those of weeks that were dropped, are in
# the table; no hour is in both.
_SHOW_BOTH = sql.SQL(
    "CREATE OR REPLACE VIEW reading_hourly AS SELECT {columns} FROM reading_hour"
    " UNION ALL SELECT stream_id, hour, n::integer, bad_n::integer, sum, min, max,"
    " last_time, last FROM {name} WHERE hour >= {start}::timestamptz"
)


@dataclass(frozen=True, slots=True)
class Moved:
    """What a migration did: readings moved by it, and what the database can do now."""

    readings: int
    capabilities: Capabilities


def migrate(conn: psycopg.Connection) -> Moved:
    """Make the readings a hypertable, with continuous aggregates where licensed.

    The readings move in one transaction: until it commits everything is as before, and
    after an interruption it can be run again. Writers and readers wait meanwhile, and
    the disk needs room for the readings once more. The aggregate is filled afterwards;
    reads are exact before it is full.

    Parameters
    ----------
    conn
        Connection outside a transaction, of a user that may create extensions.

    Raises
    ------
    TimescaleMissing
        The server has no TimescaleDB, or does not load it.
    """
    with committing(conn):
        _create_extension(conn)
        with one_at_a_time(conn):
            readings = 0
            if capabilities(conn).engine == "plain":
                readings = _move(conn)
            found = capabilities(conn)
            if found.continuous_aggregates:
                _aggregate(conn)
        if found.continuous_aggregates:
            with alone(conn):
                _fill_aggregate(conn)
    refresh(conn)
    return Moved(readings, found)


def _create_extension(conn: psycopg.Connection) -> None:
    row = conn.execute(
        "SELECT FROM pg_available_extensions WHERE name = 'timescaledb'"
    ).fetchone()
    if row is None:
        raise TimescaleMissing(
            "this PostgreSQL has no TimescaleDB: install it on the server and set"
            " HEITU_DATABASE_URL to it; the readings stay where they are"
            " · 该 PostgreSQL 未安装 TimescaleDB，请先在服务器上安装"
        )
    try:
        conn.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    except psycopg.OperationalError as exc:
        raise TimescaleMissing(
            f"TimescaleDB could not be loaded ({str(exc).strip()}): set"
            " shared_preload_libraries = 'timescaledb' in postgresql.conf and restart"
            " the server · 无法加载 TimescaleDB，请在 postgresql.conf 中预加载后重启"
        ) from exc


def _move(conn: psycopg.Connection) -> int:
    conn.execute("LOCK TABLE reading IN ACCESS EXCLUSIVE MODE")
    conn.execute("ALTER TABLE reading RENAME TO reading_plain")
    conn.execute("ALTER INDEX reading_pkey RENAME TO reading_plain_pkey")
    conn.execute("CREATE TABLE reading (LIKE reading_plain INCLUDING ALL)")
    conn.execute(
        "SELECT create_hypertable('reading', by_range('time', interval '7 days'),"
        " create_default_indexes => false)"
    )
    # Week by week, so that one chunk at a time is filled.
    weeks = conn.execute(
        "SELECT inhrelid::regclass::text FROM pg_inherits"
        " WHERE inhparent = 'reading_plain'::regclass ORDER BY 1"
    ).fetchall()
    moved = 0
    for (week,) in weeks:
        moved += conn.execute(
            "INSERT INTO reading (time, value, received_at, stream_id, flag)"
            " SELECT time, value, received_at, stream_id, flag"
            f" FROM {week} ORDER BY stream_id, time"
        ).rowcount
    conn.execute("DROP TABLE reading_plain")
    return moved


def _aggregate(conn: psycopg.Connection) -> None:
    """Let TimescaleDB aggregate from where the readings are whole."""
    row = conn.execute(
        "SELECT kept_from::text, aggregated_from IS NOT NULL FROM series_state"
    ).fetchone()
    start, done = row or ("-infinity", False)
    if done:
        return
    conn.execute(
        "ALTER TABLE reading SET (timescaledb.compress,"
        " timescaledb.compress_segmentby = 'stream_id',"
        " timescaledb.compress_orderby = 'time')"
    )
    conn.execute(_MAKE_AGGREGATE)
    conn.execute("DELETE FROM reading_hour WHERE hour >= %s::timestamptz", [start])
    conn.execute("UPDATE series_state SET aggregated_from = kept_from")
    conn.execute(
        _SHOW_BOTH.format(
            columns=_COLUMNS,
            name=sql.Identifier(AGGREGATE),
            start=sql.Literal(start),
        )
    )


def _fill_aggregate(conn: psycopg.Connection) -> None:
    row = conn.execute(
        "SELECT CASE WHEN isfinite(start) THEN start END,"
        " date_trunc('hour', now(), 'UTC') FROM (SELECT"
        " greatest(kept_from, aggregated_from) AS start FROM series_state) AS state"
    ).fetchone()
    conn.execute(
        f"CALL refresh_continuous_aggregate('{AGGREGATE}',"
        " %s::timestamptz, %s::timestamptz)",
        row,
    )
