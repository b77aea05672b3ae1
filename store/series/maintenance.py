"""What all maintenance shares: one at a time, in transactions of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import psycopg

__all__ = ["State", "alone", "committing", "one_at_a_time", "running_hour", "state"]

# Any constant serves; every version of the platform must use the same.
MAINTENANCE_LOCK = 7_310_472_218


@dataclass(frozen=True, slots=True)
class State:
    """How far the series were kept and aggregated.

    The times are text as PostgreSQL writes them: either may be ``-infinity``, which
    datetime cannot hold.

    Attributes
    ----------
    kept_from
        Readings before it may have been dropped.
    aggregated_from
        Hours from here on are in TimescaleDB's aggregate; None without one.
    """

    kept_from: str
    aggregated_from: str | None


def state(conn: psycopg.Connection) -> State:
    """Return the one row of ``series_state``."""
    row = conn.execute(
        "SELECT kept_from::text, aggregated_from::text FROM series_state"
    ).fetchone()
    kept_from, aggregated_from = row or ("-infinity", None)
    return State(kept_from, aggregated_from)


@contextmanager
def committing(conn: psycopg.Connection) -> Iterator[None]:
    """Commit every statement, or every `Connection.transaction`, within.

    TimescaleDB refreshes its aggregates only outside of a transaction.

    Raises
    ------
    psycopg.ProgrammingError
        The connection is inside a transaction.
    """
    before = conn.autocommit
    conn.autocommit = True
    try:
        yield
    finally:
        if not conn.closed:
            conn.autocommit = before


@contextmanager
def one_at_a_time(conn: psycopg.Connection) -> Iterator[None]:
    """Run a transaction that waits for other maintenance to finish."""
    with conn.transaction():
        conn.execute("SELECT pg_advisory_xact_lock(%s)", [MAINTENANCE_LOCK])
        yield


@contextmanager
def alone(conn: psycopg.Connection) -> Iterator[None]:
    """Keep other maintenance waiting over several transactions."""
    conn.execute("SELECT pg_advisory_lock(%s)", [MAINTENANCE_LOCK])
    try:
        yield
    finally:
        # One that is lost has let go of it.
        if not conn.broken:
            conn.execute("SELECT pg_advisory_unlock(%s)", [MAINTENANCE_LOCK])


def running_hour(conn: psycopg.Connection) -> datetime:
    """Return the start of the running hour."""
    row = conn.execute("SELECT date_trunc('hour', now(), 'UTC')").fetchone()
    assert row is not None
    hour: datetime = row[0]
    return hour
