"""Fixtures for every room: real data, and databases on one embedded PostgreSQL."""

import itertools
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from hypothesis import settings
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from store.database import Store, open_store, prepare
from store.server import EmbeddedServer

# How long an example takes says more of the machine than of the code.
settings.register_profile("heitu", deadline=None)
settings.load_profile("heitu")

_numbers = itertools.count(1)

# Parallel test processes are deaf to Ctrl-C, and so would be the programs they start.
if "PYTEST_XDIST_WORKER" in os.environ:
    # They share the cores; OpenMP's threads, waiting for each other, would burn them.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file in one process, and those that share something."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item.nodeid.partition("::")[0])))


def _group(file: str) -> str:
    return "demo" if file.startswith("tests/demo/") else file


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real data beside the checkout."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real data are not here: {folder}")
    return folder


@pytest.fixture
def private_folder() -> Iterator[Path]:
    """Empty folder that, unlike tmp_path, another pytest run does not close again.

    Under root a PostgreSQL in it runs as another user, who needs the way to it.
    """
    with tempfile.TemporaryDirectory(prefix="heitu-test-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def database_server() -> Iterator[str]:
    """URL of a server that may be filled: HEITU_TEST_DATABASE_URL, else embedded."""
    if url := os.environ.get("HEITU_TEST_DATABASE_URL"):
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="heitu-test-") as folder:
        server = EmbeddedServer(Path(folder))
        # Nothing here has to survive a power cut.
        with psycopg.connect(server.url, autocommit=True) as conn:
            conn.execute("ALTER SYSTEM SET fsync = off")
            conn.execute("SELECT pg_reload_conf()")
        yield server.url
        server.close()


@pytest.fixture(scope="session")
def migrated_database(database_server: str) -> Iterator[str]:
    """Name of a migrated database to copy."""
    with _database(database_server, template="template1") as url:
        prepare(url)
        yield str(conninfo_to_dict(url)["dbname"])


@pytest.fixture
def database_url(database_server: str) -> Iterator[str]:
    """URL of a fresh database without tables."""
    with _database(database_server, template="template1") as url:
        yield url


@pytest.fixture
def store(database_server: str, migrated_database: str) -> Iterator[Store]:
    """Opened store on a fresh, migrated database."""
    with (
        _database(database_server, template=migrated_database) as url,
        open_store(url=url) as opened,
    ):
        yield opened


@contextmanager
def _database(server: str, *, template: str) -> Iterator[str]:
    """Make a database and drop it in the end."""
    name = f"heitu_test_{os.getpid()}_{next(_numbers)}"
    _execute(server, "CREATE DATABASE {} TEMPLATE {}", name, template)
    try:
        yield make_conninfo(server, dbname=name)
    finally:
        _execute(server, "DROP DATABASE {} WITH (FORCE)", name)


def _execute(server: str, statement: LiteralString, *names: str) -> None:
    with psycopg.connect(server, autocommit=True) as conn:
        identifiers = [sql.Identifier(name) for name in names]
        conn.execute(sql.SQL(statement).format(*identifiers))
