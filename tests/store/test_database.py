import threading
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from store import DatabaseTooOld, DatabaseUnavailable, RowRefused, Store, open_store
from store.database import POOL_SIZE, check_version, describe
from store.server import EmbeddedServer


def count_quarantine(store: Store) -> int:
    with store.connection() as conn:
        return len(conn.execute("SELECT FROM quarantine").fetchall())


def add_quarantine(conn: psycopg.Connection) -> None:
    conn.execute(
        "INSERT INTO quarantine (topic, payload, sha256, reason, first_received_at,"
        " last_received_at) VALUES ('t', '', '', 'r', now(), now())"
    )


def test_connection_commits(store: Store) -> None:
    with store.connection() as conn:
        add_quarantine(conn)
    assert count_quarantine(store) == 1


def test_error_rolls_back(store: Store) -> None:
    def fail() -> None:
        with store.connection() as conn:
            add_quarantine(conn)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert count_quarantine(store) == 0


def test_rule_of_the_database_is_a_refused_row(store: Store) -> None:
    def repeat() -> None:
        with store.connection() as conn:
            add_quarantine(conn)
            add_quarantine(conn)

    with pytest.raises(RowRefused, match="quarantine_sha256_topic_key"):
        repeat()
    assert count_quarantine(store) == 0


def test_lost_connection_is_reported_and_replaced(store: Store) -> None:
    with (
        pytest.raises(DatabaseUnavailable, match="stopped answering"),
        store.connection() as conn,
    ):
        conn.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    assert count_quarantine(store) == 0


def test_threads_share_a_store(store: Store) -> None:
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(5):
                count_quarantine(store)
        except DatabaseUnavailable as exc:
            errors.append(exc)

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_connection_is_not_waited_for_longer_than_asked(store: Store) -> None:
    with ExitStack() as lent:
        for _ in range(POOL_SIZE):
            lent.enter_context(store.connection())
        with (
            pytest.raises(DatabaseUnavailable, match=r"after 0\.05 sec"),
            store.connection(timeout=0.05),
        ):
            pass


def test_closed_store_says_so(database_url: str) -> None:
    store = open_store(url=database_url)
    store.close()
    store.close()
    with pytest.raises(DatabaseUnavailable, match="closed"), store.connection():
        pass


def test_times_come_back_in_utc(database_url: str) -> None:
    zoned = make_conninfo(database_url, options="-c timezone=Asia/Shanghai")
    with open_store(url=zoned) as store, store.connection() as conn:
        assert conn.execute("SHOW timezone").fetchone() == ("UTC",)


@pytest.mark.parametrize(
    ("number", "found"), [(140_012, "14.12"), (96_024, "9.6024"), (149_999, "14.9999")]
)
def test_old_server_is_refused(number: int, found: str) -> None:
    with pytest.raises(DatabaseTooOld, match=f"db is PostgreSQL {found}, Heitu needs"):
        check_version(number, where="db")


def test_server_15_is_taken() -> None:
    check_version(150_000, where="db")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:s3cret@127.0.0.1:1/heitu",
        "host=127.0.0.1 port=1 user=ann password=s3cret",
        "postgresql://ann:s3cret@no-such-host.invalid/heitu",
        "postgresql+psycopg://ann:s3cret@127.0.0.1:1/heitu",
        "postgresql://ann:s3cret%zz@127.0.0.1:1/heitu",
        "s3cret",
        "",
    ],
)
def test_unusable_url_never_shows_the_password(url: str, tmp_path: Path) -> None:
    if not url:
        url = make_conninfo(host=str(tmp_path), user="ann", password="s3cret")
    with pytest.raises(DatabaseUnavailable, match="HEITU_DATABASE_URL") as caught:
        open_store(url=url)
    shown = str(caught.value) + repr(caught.value.__cause__)
    assert "s3cret" not in shown


def test_wrong_password(private_folder: Path) -> None:
    server = EmbeddedServer(private_folder)
    try:
        with psycopg.connect(server.url, autocommit=True) as conn:
            conn.execute("CREATE ROLE ann LOGIN PASSWORD 'right'")
            conn.execute(
                "COPY (SELECT 'local all ann scram-sha-256') TO PROGRAM"
                " 'cat > pg_hba.conf'"
            )
            conn.execute("SELECT pg_reload_conf()")
        url = make_conninfo(server.url, user="ann", password="s3cret")
        with pytest.raises(DatabaseUnavailable, match="password authentication") as got:
            open_store(url=url)
        assert "s3cret" not in str(got.value)
        assert "user, password" in str(got.value)
    finally:
        server.close()


def test_neither_folder_nor_url() -> None:
    with pytest.raises(DatabaseUnavailable, match="data= or url="):
        open_store()


def test_description_leaves_the_password_out() -> None:
    url = "postgresql://ann:s3cret@example.org:6000/heitu?sslmode=require"
    assert describe(url) == "database heitu at example.org:6000 as ann"
