"""Which engine keeps the readings, and what it can do."""

from dataclasses import dataclass
from typing import Literal

import psycopg

__all__ = ["Capabilities", "capabilities"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What there is to work with, as found in the database.

    Attributes
    ----------
    engine
        ``timescale`` where the readings are a hypertable, else ``plain``.
    version
        Of TimescaleDB, or of PostgreSQL where the engine is plain.
    licence
        ``timescale`` (TSL, with compression and continuous aggregates), ``apache``
        (without), None without TimescaleDB.
    compression, continuous_aggregates
        Whether TimescaleDB has them; what it lacks we do ourselves or leave.
    retention
        Whether old readings can be dropped by partitions or chunks.
    """

    engine: Literal["plain", "timescale"]
    version: str
    licence: Literal["timescale", "apache"] | None
    compression: bool
    continuous_aggregates: bool
    retention: bool


def capabilities(conn: psycopg.Connection) -> Capabilities:
    """Look at the database: its engine, and the licence mode of TimescaleDB.

    Builds under the Apache licence, and servers that are set to it, have no
    compression and no continuous aggregates (timescale/timescaledb#6145).
    """
    row = conn.execute(
        "SELECT relkind <> 'p', current_setting('timescaledb.license', true),"
        " (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb')"
        " FROM pg_class WHERE oid = 'reading'::regclass"
    ).fetchone()
    hypertable, licence, version = row or (False, None, None)
    if not hypertable:
        return Capabilities("plain", _server(conn), None, False, False, True)
    full = licence == "timescale"
    return Capabilities(
        "timescale", str(version), "timescale" if full else "apache", full, full, True
    )


def _server(conn: psycopg.Connection) -> str:
    number = conn.info.server_version
    return f"{number // 10_000}.{number % 10_000}"
