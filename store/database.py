"""Opening the database: embedded or by URL, checked and migrated."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool

from store.errors import (
    DatabaseFull,
    DatabaseTooOld,
    DatabaseUnavailable,
    RowRefused,
)
from store.migrate import migrate
from store.server import EmbeddedServer

# libpq's number of PostgreSQL 15.0.
OLDEST_VERSION = 150_000
CONNECT_SECONDS = 10
POOL_SIZE = 8
# The pool doubles its pauses between attempts to connect. After this time it begins
# anew, so that a server that comes back late is still found within seconds.
RECONNECT_SECONDS = 5
# A network that is cut without a word would else hold a query for two hours.
PATIENCE = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}


class Store:
    """A migrated database and a pool of connections to it; a context manager.

    Made by :func:`open_store`. Threads may share it.
    """

    def __init__(self, source: str | EmbeddedServer) -> None:
        self._source = source
        self._pool = ConnectionPool(
            source if isinstance(source, str) else source.ensure_running,
            kwargs=PATIENCE,
            min_size=1,
            max_size=POOL_SIZE,
            configure=_in_utc,
            check=self._check,
            reconnect_timeout=RECONNECT_SECONDS,
            open=True,
            name="store",
        )

    @property
    def url(self) -> str:
        """URL of the database as libpq takes it; holds the password, if any."""
        return self._source if isinstance(self._source, str) else self._source.url

    @contextmanager
    def connection(self, *, timeout: float = 5.0) -> Iterator[psycopg.Connection]:
        """Lend a connection: committed at the end, rolled back on an error.

        An embedded server that died is started again: asking once more gets through
        as soon as it has recovered.

        Parameters
        ----------
        timeout
            Seconds to wait for a connection.

        Raises
        ------
        DatabaseUnavailable
            No connection came in time, or the server stopped answering.
        DatabaseFull
            The server has no disk space left.
        RowRefused
            A row broke a rule of the database.
        """
        with _translated(self.url), self._pool.connection(timeout) as conn:
            yield conn

    def close(self) -> None:
        """Close the pool; the last user of an embedded server stops it."""
        self._pool.close()
        if isinstance(self._source, EmbeddedServer):
            self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Store {describe(self.url)}>"

    def _check(self, conn: psycopg.Connection) -> None:
        """Refuse a connection that a restarted server left behind."""
        try:
            ConnectionPool.check_connection(conn)
        except psycopg.OperationalError:
            # The others died with it, and the pool would try them ever more slowly.
            self._pool.drain()
            raise


def open_store(*, data: Path | None = None, url: str | None = None) -> Store:
    """Open a database and bring its schema up to date.

    Parameters
    ----------
    data
        Data folder; its ``postgres`` holds the embedded PostgreSQL, which is created,
        started or joined as needed. Not used when ``url`` is given.
    url
        ``postgresql://user:password@host:port/database`` of a PostgreSQL >= 15.

    Raises
    ------
    DatabaseUnavailable, DatabaseTooOld
        The server by URL cannot be used.
    DataFolderUnusable, ServerStartFailed
        The embedded server cannot be used.
    DatabaseNewer, MigrationChanged, MigrationFailed
        The schema does not fit this version of the platform.
    """
    with ExitStack() as stack:
        if url is not None:
            prepare(url)
            return Store(url)
        if data is None:
            raise DatabaseUnavailable("no database: give data= or url=")
        server = EmbeddedServer(data)
        stack.callback(server.close)
        prepare(server.url)
        store = Store(server)
        stack.pop_all()
        return store


def prepare(url: str) -> None:
    """Check the version of a server and migrate its database.

    Raises
    ------
    StoreError
        As :func:`open_store`.
    """
    with _connect(url) as conn:
        check_version(conn.info.server_version, where=describe(url))
        with _translated(url):
            migrate(conn)


def check_version(number: int, *, where: str) -> None:
    """Refuse a server older than PostgreSQL 15.

    Parameters
    ----------
    number
        Version as libpq gives it, e.g. 140012 for 14.12.
    where
        Name of the server for the message.

    Raises
    ------
    DatabaseTooOld
    """
    if number < OLDEST_VERSION:
        found = f"{number // 10_000}.{number % 10_000}"
        raise DatabaseTooOld(
            f"{where} is PostgreSQL {found}, Heitu needs 15 or newer: upgrade it, or"
            " unset HEITU_DATABASE_URL to use the embedded one"
            f" · 数据库为 PostgreSQL {found}，需要 15 或更新版本"
        )


def describe(url: str) -> str:
    """Name a database without its password, e.g. ``db at example.org:5432 as ann``."""
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        return "an address that is no PostgreSQL URL"
    host = parts.get("host") or parts.get("hostaddr") or "local socket"
    user = parts.get("user") or "the current user"
    name = parts.get("dbname") or user
    return f"database {name} at {host}:{parts.get('port') or 5432} as {user}"


def _connect(url: str) -> psycopg.Connection:
    where = describe(url)
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # libpq quotes parts of the address, which may be of the password.
        raise DatabaseUnavailable(
            "HEITU_DATABASE_URL is no PostgreSQL URL: write it as"
            " postgresql://user:password@host:5432/database, with special characters"
            " of the password percent-encoded · 数据库地址格式不正确"
        ) from None
    timeout = parts.get("connect_timeout") or CONNECT_SECONDS
    try:
        return psycopg.connect(url, autocommit=True, connect_timeout=timeout)
    except psycopg.OperationalError as exc:
        raise DatabaseUnavailable(
            f"cannot connect to {where}: {str(exc).strip()}. Check that the server runs"
            " and that host, port, user, password and database in HEITU_DATABASE_URL"
            " are right · 无法连接数据库，请检查服务器是否运行及地址、用户、密码"
        ) from exc


def _in_utc(conn: psycopg.Connection) -> None:
    conn.execute("SET TIME ZONE 'UTC'")
    conn.commit()


@contextmanager
def _translated(url: str) -> Iterator[None]:
    """Turn what the driver raises into errors of the store."""
    try:
        yield
    except psycopg.errors.DiskFull as exc:
        raise DatabaseFull(
            f"{describe(url)} has no disk space left ({exc}): free some"
            " · 数据库磁盘已满，请清理空间"
        ) from exc
    except psycopg.OperationalError as exc:
        raise DatabaseUnavailable(
            f"{describe(url)} stopped answering: {str(exc).strip()}. Check that it"
            " runs; what was not committed is to be sent again · 数据库没有响应"
        ) from exc
    except (psycopg.IntegrityError, psycopg.DataError) as exc:
        raise RowRefused(f"the database refused a row: {str(exc).strip()}") from exc
