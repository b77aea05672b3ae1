import hashlib
import threading
from pathlib import Path

import psycopg
import pytest

from store import DatabaseNewer, MigrationChanged, MigrationFailed, estimates
from store.migrate import Migration, migrate, migrations

FIRST = Migration(1, "first", b"CREATE TABLE a (x int); INSERT INTO a VALUES (1);")
SECOND = Migration(2, "second", b"ALTER TABLE a ADD COLUMN y int;")
BROKEN = Migration(2, "broken", b"CREATE TABLE b (); INSERT INTO nowhere VALUES (1);")


def connect(url: str) -> psycopg.Connection:
    return psycopg.connect(url, autocommit=True)


def test_each_migration_is_applied_once_and_recorded(database_url: str) -> None:
    with connect(database_url) as conn:
        assert migrate(conn, [FIRST]) == [1]
        assert migrate(conn, [FIRST, SECOND]) == [2]
        assert migrate(conn, [FIRST, SECOND]) == []
        rows = conn.execute(
            "SELECT number, name, sha256 FROM schema_migrations ORDER BY number"
        ).fetchall()
        assert rows == [
            (1, "first", hashlib.sha256(FIRST.text).hexdigest()),
            (2, "second", hashlib.sha256(SECOND.text).hexdigest()),
        ]
        assert conn.execute("SELECT x, y FROM a").fetchall() == [(1, None)]


def test_the_package_migrates_an_empty_database(database_url: str) -> None:
    with connect(database_url) as conn:
        assert migrate(conn) == [migration.number for migration in migrations()]
        assert migrate(conn) == []


def test_estimates_of_before_keep_their_order(database_url: str) -> None:
    with connect(database_url) as conn:
        migrate(conn, migrations()[:2])
        conn.execute(
            "INSERT INTO run SELECT id, 'k', '{}', '{}', '1', NULL, true, now(), now()"
            " FROM unnest(ARRAY['a', 'b', 'c']) AS id"
        )
        conn.execute(
            "INSERT INTO estimate (run_id, county, crop, year, measure, unit,"
            ' "interval", status, reason, simulated, issued_at)'
            " SELECT id, '220322', crop, 2026, 'yield', 't/ha', 0.8, 'missing', 'x',"
            " true, time::timestamptz FROM (VALUES"
            " ('c', 'maize', '2026-07-02Z'), ('b', 'maize', '2026-07-01Z'),"
            " ('b', 'rice', '2026-07-01Z'), ('a', 'maize', '2026-07-02Z')"
            ") AS row (id, crop, time)"
        )
        migrate(conn)
        rows = conn.execute("SELECT run_id FROM estimate_issue ORDER BY issue")
        assert rows.fetchall() == [("b",), ("c",), ("a",)]
        shown = estimates.find(conn, crop="maize")
    assert [(row.run_id, row.issued_at.day) for row in shown] == [("a", 2)]


def test_refused_migration_leaves_nothing(database_url: str) -> None:
    with connect(database_url) as conn:
        with pytest.raises(MigrationFailed, match=r"0002_broken.*nowhere"):
            migrate(conn, [FIRST, BROKEN])
        assert conn.execute("SELECT to_regclass('b')").fetchall() == [(None,)]
        assert migrate(conn, [FIRST, SECOND]) == [2]


def test_changed_migration_is_refused(database_url: str) -> None:
    changed = Migration(1, "first", FIRST.text + b" -- better")
    with connect(database_url) as conn:
        migrate(conn, [FIRST])
        with pytest.raises(MigrationChanged, match="0001_first"):
            migrate(conn, [changed, SECOND])
        assert migrate(conn, [FIRST]) == []


def test_database_of_a_newer_platform_is_refused(database_url: str) -> None:
    with connect(database_url) as conn:
        migrate(conn, [FIRST, SECOND])
        with pytest.raises(DatabaseNewer, match="0002_second"):
            migrate(conn, [FIRST])


def test_checksum_does_not_see_line_ends() -> None:
    unix, windows = Migration(1, "a", b"x\ny\n"), Migration(1, "a", b"x\r\ny\r\n")
    assert unix.sha256 == windows.sha256
    assert unix.sha256 != Migration(1, "a", b"x y\n").sha256


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["0001_a.sql", "0003_c.sql"], r"\[1, 3\]"),
        (["0001_a.sql", "0001_b.sql"], r"\[1, 1\]"),
        (["0001_a.sql", "later.sql"], "later.sql is not named"),
    ],
)
def test_misnamed_files(tmp_path: Path, names: list[str], message: str) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1")
    with pytest.raises(MigrationFailed, match=message):
        migrations(tmp_path)


def test_eight_at_once_apply_each_migration_once(database_url: str) -> None:
    together = threading.Barrier(8)
    applied: list[int] = []

    def start() -> None:
        with connect(database_url) as conn:
            together.wait()
            applied.extend(migrate(conn))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert applied == [migration.number for migration in migrations()]


def test_user_without_rights_is_told_what_to_grant(database_url: str) -> None:
    with connect(database_url) as conn:
        conn.execute("CREATE ROLE guest")
        try:
            conn.execute("SET ROLE guest")
            with pytest.raises(MigrationFailed, match="make it the owner"):
                migrate(conn, [FIRST])
        finally:
            conn.execute("RESET ROLE")
            conn.execute("DROP ROLE guest")
