"""Numbered SQL files, each applied once."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

import psycopg

from store.errors import DatabaseNewer, MigrationChanged, MigrationFailed

# Any constant serves; every version of the platform must use the same.
ADVISORY_LOCK = 7_310_472_215


@dataclass(frozen=True, slots=True)
class Migration:
    """One file ``NNNN_name.sql``: its number, name, text and checksum of the text."""

    number: int
    name: str
    text: bytes

    @property
    def sha256(self) -> str:
        """Checksum that does not depend on how a checkout ends its lines."""
        return hashlib.sha256(self.text.replace(b"\r\n", b"\n")).hexdigest()


def migrations(folder: Traversable | None = None) -> list[Migration]:
    """Read the migrations of a folder (default: the package's own), by number.

    Raises
    ------
    MigrationFailed
        A file name is not ``NNNN_name.sql``, or the numbers are not 1, 2, 3, ...
    """
    source = folder or files("store") / "migrations"
    found = sorted(
        (_read(file) for file in source.iterdir() if file.name.endswith(".sql")),
        key=lambda migration: migration.number,
    )
    numbers = [migration.number for migration in found]
    if numbers != list(range(1, len(found) + 1)):
        raise MigrationFailed(f"migrations must be numbered 1, 2, ...: got {numbers}")
    return found


def migrate(
    conn: psycopg.Connection, known: Iterable[Migration] | None = None
) -> list[int]:
    """Apply what the database lacks, each migration in its own transaction.

    Safe when several processes start together: one migrates, the others wait.

    Parameters
    ----------
    conn
        Connection in autocommit mode.
    known
        Migrations in the order of their numbers; default: the package's own.

    Returns
    -------
    list of int
        Numbers applied by this call.

    Raises
    ------
    MigrationChanged
        The text of an applied migration is not the text in the code.
    DatabaseNewer
        The database has migrations this code does not know.
    MigrationFailed
        The database refused a migration.
    """
    wanted = list(migrations() if known is None else known)
    conn.execute("SELECT pg_advisory_lock(%s)", [ADVISORY_LOCK])
    try:
        applied = _applied(conn)
        _check(applied, wanted)
        pending = [m for m in wanted if m.number not in applied]
        for migration in pending:
            _apply(conn, migration)
    finally:
        conn.execute("SELECT pg_advisory_unlock(%s)", [ADVISORY_LOCK])
    return [migration.number for migration in pending]


def _read(file: Traversable) -> Migration:
    match = re.fullmatch(r"(\d{4})_([a-z0-9_]+)\.sql", file.name)
    if match is None:
        raise MigrationFailed(f"{file.name} is not named NNNN_name.sql")
    return Migration(int(match[1]), match[2], file.read_bytes())


def _applied(conn: psycopg.Connection) -> dict[int, tuple[str, str]]:
    """Return name and checksum of every applied migration by its number."""
    try:
        conn.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations ("
            " number integer PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT now())"
        )
    except psycopg.errors.InsufficientPrivilege as exc:
        raise MigrationFailed(
            f"the user {conn.info.user} may not create tables in the database"
            f" {conn.info.dbname}: make it the owner"
            f" (ALTER DATABASE {conn.info.dbname} OWNER TO {conn.info.user})"
            " · 数据库用户没有建表权限"
        ) from exc
    rows = conn.execute("SELECT number, name, sha256 FROM schema_migrations")
    return {number: (name, sha256) for number, name, sha256 in rows}


def _check(applied: dict[int, tuple[str, str]], wanted: list[Migration]) -> None:
    latest = len(wanted)
    for number in sorted(applied):
        name, sha256 = applied[number]
        if number > latest:
            raise DatabaseNewer(
                f"the database has migration {number:04d}_{name}, this Heitu knows"
                f" only up to {latest:04d}: upgrade Heitu"
                " · 数据库版本比程序新，请升级 Heitu"
            )
        if wanted[number - 1].sha256 != sha256:
            raise MigrationChanged(
                f"migration {number:04d}_{name} was applied with another text than"
                " the one in this Heitu: restore the file and put the change into a"
                " new migration · 已执行的迁移文件被改动，请恢复原文件并新建迁移"
            )


def _apply(conn: psycopg.Connection, migration: Migration) -> None:
    try:
        with conn.transaction():
            conn.execute(migration.text)
            conn.execute(
                "INSERT INTO schema_migrations (number, name, sha256)"
                " VALUES (%s, %s, %s)",
                [migration.number, migration.name, migration.sha256],
            )
    except psycopg.Error as exc:
        raise MigrationFailed(
            f"migration {migration.number:04d}_{migration.name} was refused and rolled"
            f" back: {exc} · 迁移失败，已回滚"
        ) from exc
