"""One series, three engines: the same tests run on each."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from store import Store, copying
from store.database import prepare
from store.devices import Device, StreamSpec, add
from store.migrate import migrate
from store.series.rollups import AGGREGATE
from store.series.timescale import migrate as to_timescale
from tests.store.series.postgres15 import postgres15
from tests.store.series.timescale import insert, timescale_server

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Engine:
    """A migrated database: a connection, and how to get more where there can be any."""

    name: str
    conn: psycopg.Connection
    streams: list[int]
    connect: Callable[[], psycopg.Connection] | None


@pytest.fixture(scope="session")
def postgres15_url() -> Iterator[str]:
    """URL of a migrated database on PostgreSQL 15, to be copied."""
    with postgres15() as url:
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("CREATE DATABASE migrated")
        prepare(make_conninfo(url, dbname="migrated"))
        yield url


@pytest.fixture(scope="session")
def timescale_connection() -> Iterator[psycopg.Connection]:
    """Return the one connection to a TimescaleDB that holds the readings."""
    with timescale_server() as url, psycopg.connect(url, autocommit=True) as conn:
        conn.execute("SET TIME ZONE 'UTC'")
        migrate(conn)
        conn.autocommit = False
        to_timescale(conn)
        yield conn


@pytest.fixture
def fresh_timescale(
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[psycopg.Connection]:
    """Connection to a TimescaleDB whose readings are still in plain partitions."""
    monkeypatch.setattr(copying, "load", insert)
    with timescale_server() as url, psycopg.connect(url, autocommit=True) as conn:
        conn.execute("SET TIME ZONE 'UTC'")
        migrate(conn)
        conn.autocommit = False
        yield conn


@pytest.fixture
def embedded(store: Store) -> Iterator[Engine]:
    """Embedded PostgreSQL."""
    with _engine("embedded", store.url) as made:
        yield made


@pytest.fixture
def debian(postgres15_url: str) -> Iterator[Engine]:
    """PostgreSQL 15."""
    with psycopg.connect(postgres15_url, autocommit=True) as conn:
        conn.execute("DROP DATABASE IF EXISTS one WITH (FORCE)")
        conn.execute("CREATE DATABASE one TEMPLATE migrated")
    with _engine("debian", make_conninfo(postgres15_url, dbname="one")) as made:
        yield made


@pytest.fixture
def timescale(
    timescale_connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Engine]:
    """TimescaleDB, emptied of what the test before left."""
    monkeypatch.setattr(copying, "load", insert)
    conn = timescale_connection
    conn.rollback()
    conn.autocommit = True
    conn.execute("TRUNCATE reading, rollup_dirty, reading_hour, stream_hint")
    conn.execute("TRUNCATE device, stream CASCADE")
    conn.execute("UPDATE series_state SET kept_from = '-infinity'")
    conn.execute(f"CALL refresh_continuous_aggregate('{AGGREGATE}', NULL, NULL)")
    conn.autocommit = False
    yield Engine("timescale", conn, streams_of(conn), None)
    conn.rollback()


@pytest.fixture(params=["embedded", "debian", "timescale"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Engine with three streams and no readings."""
    found: Engine = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=["embedded", "debian"])
def plain(request: pytest.FixtureRequest) -> Engine:
    """Engine with native partitions, which serves several connections."""
    found: Engine = request.getfixturevalue(request.param)
    return found


@contextmanager
def _engine(name: str, url: str) -> Iterator[Engine]:
    def connect() -> psycopg.Connection:
        conn = psycopg.connect(url, autocommit=True)
        conn.execute("SET TIME ZONE 'UTC'")
        conn.autocommit = False
        return conn

    with connect() as conn:
        yield Engine(name, conn, streams_of(conn), connect)


def streams_of(conn: psycopg.Connection) -> list[int]:
    """Register a collar with three streams."""
    collar = Device("c1", "f1", "项圈", "Collar", "collar", 124, 43, None, True, NOON)
    specs = [StreamSpec(q, "1", "cow 1") for q in ("activity", "steps", "rumination")]
    streams = [stream.stream_id for stream in add(conn, collar, specs)]
    conn.commit()
    return streams
