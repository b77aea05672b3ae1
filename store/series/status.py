"""How large the series are and how far maintenance is behind."""

from dataclasses import dataclass
from datetime import datetime

import psycopg

from store.series.capabilities import Capabilities, capabilities

__all__ = ["Status", "status"]


@dataclass(frozen=True, slots=True)
class Status:
    """The series at a glance.

    Attributes
    ----------
    capabilities
        The engine and what it can do.
    readings
        Number of readings as the planner estimates it.
    size_bytes
        Readings with their indexes, those in compressed chunks left out.
    weeks
        Partitions or chunks.
    marked_hours
        Hours to be refreshed.
    kept_from
        Readings before it were dropped; None: none were.
    """

    capabilities: Capabilities
    readings: int
    size_bytes: int
    weeks: int
    marked_hours: int
    kept_from: datetime | None


def status(conn: psycopg.Connection) -> Status:
    """Look at the series without reading them."""
    found = capabilities(conn)
    row = conn.execute(
        "SELECT coalesce(sum(greatest(reltuples, 0)), 0)::int8,"
        " coalesce(sum(pg_total_relation_size(oid)), 0)::int8, count(*)"
        " FROM pg_inherits JOIN pg_class ON oid = inhrelid"
        " WHERE inhparent = 'reading'::regclass"
    ).fetchone()
    readings, size_bytes, weeks = row or (0, 0, 0)
    row = conn.execute(
        "SELECT (SELECT count(DISTINCT hour) FROM rollup_dirty"
        " WHERE hour >= kept_from),"
        " CASE WHEN isfinite(kept_from) THEN kept_from END FROM series_state"
    ).fetchone()
    marked_hours, kept_from = row or (0, None)
    return Status(found, readings, size_bytes, weeks, marked_hours, kept_from)
