import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from store import (
    DatabaseUnavailable,
    DataFolderUnusable,
    ServerStartFailed,
    Store,
    open_store,
)
from store.server import EmbeddedServer

# Seconds that a crash recovery may take where many share a machine.
PATIENT = 60

OPEN = """
import os, sys
from pathlib import Path
from store import open_store
with open_store(data=Path(sys.argv[1])) as store:
    with store.connection() as conn:
        conn.execute("SELECT count(*) FROM reading")
    print("opened", flush=True)
    sys.stdin.readline()
    with store.connection() as conn:
        conn.execute("SELECT count(*) FROM reading")
print("closed", flush=True)
"""


def postgres_pid(data: Path) -> int:
    return int((data / "postgres" / "postmaster.pid").read_text().splitlines()[0])


def is_running(data: Path) -> bool:
    return (data / "postgres" / "postmaster.pid").exists()


@contextlib.contextmanager
def other_process(data: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-W", "error", "-c", OPEN, str(data)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        yield process


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline()


def let_close(process: subprocess.Popen[str]) -> str:
    assert process.stdin
    process.stdin.write("\n")
    process.stdin.flush()
    return line_of(process)


@pytest.fixture(scope="module")
def model() -> Iterator[Path]:
    """Give a data folder whose server was stopped, to be copied."""
    with tempfile.TemporaryDirectory(prefix="heitu-test-") as folder:
        open_store(data=Path(folder)).close()
        yield Path(folder)


@pytest.fixture
def place(private_folder: Path) -> Iterator[Path]:
    """Give a folder for data folders, in which no server is left running."""
    yield private_folder
    for data in private_folder.iterdir():
        if is_running(data):
            EmbeddedServer(data).close()


@pytest.fixture
def data(place: Path) -> Path:
    """Give a data folder that is not there yet."""
    return place / "data"


@pytest.fixture
def stopped(data: Path, model: Path) -> Path:
    """Give a data folder whose server was stopped."""
    copy(model, data)
    return data


def copy(model: Path, data: Path) -> None:
    # Unlike shutil, cp keeps the owner, which PostgreSQL asks for.
    subprocess.run(["cp", "-a", model, data], check=True)


def test_rows_survive_a_restart(stopped: Path) -> None:
    with open_store(data=stopped) as store, store.connection() as conn:
        conn.execute("CREATE TABLE kept AS SELECT 42 AS x")
    assert not is_running(stopped)
    with open_store(data=stopped) as store, store.connection() as conn:
        assert conn.execute("SELECT x FROM kept").fetchone() == (42,)


def test_second_process_shares_the_server(stopped: Path) -> None:
    with open_store(data=stopped) as store, other_process(stopped) as process:
        assert line_of(process) == "opened\n"
        assert let_close(process) == "closed\n"
        with store.connection() as conn:
            assert conn.execute("SELECT 1").fetchone() == (1,)
    assert not is_running(stopped)


def test_first_process_leaves_the_server_to_the_second(stopped: Path) -> None:
    store = open_store(data=stopped)
    with other_process(stopped) as process:
        assert line_of(process) == "opened\n"
        store.close()
        assert is_running(stopped)
        assert let_close(process) == "closed\n"
    assert not is_running(stopped)


def test_two_stores_in_one_process(stopped: Path) -> None:
    first, second = open_store(data=stopped), open_store(data=stopped)
    first.close()
    with second.connection() as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)
    second.close()
    assert not is_running(stopped)


def test_new_folder_opened_by_three_processes_at_once(data: Path) -> None:
    with (
        other_process(data) as one,
        other_process(data) as two,
        other_process(data) as three,
    ):
        processes = [one, two, three]
        assert [line_of(process) for process in processes] == ["opened\n"] * 3
        assert [let_close(process) for process in processes] == ["closed\n"] * 3
    assert not is_running(data)


def test_server_of_a_killed_process_is_taken_over(stopped: Path) -> None:
    with other_process(stopped) as process:
        assert line_of(process) == "opened\n"
        process.kill()
    pid = postgres_pid(stopped)
    with open_store(data=stopped):
        assert postgres_pid(stopped) == pid
    assert not is_running(stopped)


def test_killed_server_recovers(stopped: Path) -> None:
    with open_store(data=stopped) as store:
        with store.connection() as conn:
            conn.execute("CREATE TABLE kept AS SELECT 42 AS x")
        os.kill(postgres_pid(stopped), signal.SIGKILL)
    with open_store(data=stopped) as store, store.connection() as conn:
        assert conn.execute("SELECT x FROM kept").fetchone() == (42,)


def kill_server(store: Store, data: Path, *, idle: int) -> None:
    """Kill PostgreSQL under a store with so many idle connections."""
    with contextlib.ExitStack() as lent:
        conns = [
            lent.enter_context(store.connection(timeout=PATIENT)) for _ in range(idle)
        ]
    os.kill(postgres_pid(data), signal.SIGKILL)
    # Sessions answer for a moment more; the end of each makes its socket readable.
    for conn in conns:
        assert select.select([conn], [], [], PATIENT)[0]


def count_starts(data: Path) -> int:
    """Count starts, with those that gave way to another."""
    log = (data / "postgres" / "server.log").read_text()
    return log.count("starting PostgreSQL") + log.count("lock file")


def test_server_killed_under_a_store_is_started_again(stopped: Path) -> None:
    with open_store(data=stopped) as store:
        url, pid = store.url, postgres_pid(stopped)
        with store.connection() as conn:
            conn.execute("CREATE TABLE kept AS SELECT 42 AS x")
        kill_server(store, stopped, idle=8)
        with store.connection(timeout=PATIENT) as conn:
            assert conn.execute("SELECT x FROM kept").fetchone() == (42,)
        assert (store.url, postgres_pid(stopped) != pid) == (url, True)
    assert not is_running(stopped)


def test_store_follows_the_server_to_another_socket(place: Path, model: Path) -> None:
    data = place / ("x" * 120)
    copy(model, data)
    with open_store(data=data) as store:
        url = store.url
        kill_server(store, data, idle=1)
        with store.connection(timeout=PATIENT) as conn:
            assert conn.execute("SELECT 1").fetchone() == (1,)
        assert store.url != url
    shutil.rmtree(str(conninfo_to_dict(url)["host"]))


def test_threads_of_two_stores_start_a_killed_server_once(stopped: Path) -> None:
    answers: list[object] = []

    def ask(store: Store) -> None:
        with store.connection(timeout=PATIENT) as conn:
            answers.append(conn.execute("SELECT 1").fetchone())

    with open_store(data=stopped) as one, open_store(data=stopped) as two:
        before = count_starts(stopped)
        kill_server(one, stopped, idle=4)
        threads = [threading.Thread(target=ask, args=[s]) for s in [one, two] * 6]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [(1,)] * 12
        assert count_starts(stopped) == before + 1


def test_server_that_does_not_start_is_not_tried_in_a_tight_loop(stopped: Path) -> None:
    settings = stopped / "postgres" / "postgresql.conf"
    good = settings.read_text()
    log = stopped / "postgres" / "server.log"
    with open_store(data=stopped) as store:
        kill_server(store, stopped, idle=1)
        settings.write_text("shared_buffers = plenty\n")
        for _ in range(100):
            with (
                pytest.raises(DatabaseUnavailable, match="stopped answering"),
                store.connection(timeout=0.01),
            ):
                pass
        assert log.read_text().count("plenty") <= 20
        settings.write_text(good)
        with store.connection(timeout=PATIENT) as conn:
            assert conn.execute("SELECT 1").fetchone() == (1,)


def test_lost_folder_is_not_replaced_by_an_empty_database(stopped: Path) -> None:
    with open_store(data=stopped) as store:
        kill_server(store, stopped, idle=1)
        stopped.rename(stopped.with_name("moved"))
        with (
            pytest.raises(DatabaseUnavailable, match="stopped answering"),
            store.connection(timeout=1),
        ):
            pass
        assert not stopped.exists()
        stopped.with_name("moved").rename(stopped)


def test_closed_server_is_not_started_again(stopped: Path) -> None:
    server = EmbeddedServer(stopped)
    server.close()
    with pytest.raises(ServerStartFailed, match="it was closed"):
        server.ensure_running()
    assert not is_running(stopped)


def test_lock_files_naming_another_program(stopped: Path) -> None:
    cluster = stopped / "postgres"
    # PostgreSQL minds only the processes of its own user.
    other = subprocess.Popen(["sleep", "600"], user=cluster.stat().st_uid)
    try:
        text = f"{other.pid}\n/x\n0\n5432\n/x\n\n0 0\nready\n"
        for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            (cluster / name).write_text(text)
        with open_store(data=stopped):
            assert postgres_pid(stopped) != other.pid
    finally:
        other.kill()
        other.wait()


def test_interrupted_creation_is_begun_anew(data: Path) -> None:
    half = data / "postgres.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with open_store(data=data):
        assert not half.exists()


@pytest.mark.parametrize(
    "name", ["x" * 120, "two words", "黑土", "a,b", "it's", 'a"$HOME', "%41&b=1"]
)
def test_any_path_will_do(place: Path, model: Path, name: str) -> None:
    copy(model, place / name)
    with open_store(data=place / name) as store, store.connection() as conn:
        folder = conn.info.host
    assert not (Path(folder) / ".s.PGSQL.5432").exists()
    assert folder == str(place / name / "postgres") or not Path(folder).exists()


def test_environment_does_not_matter(
    data: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.GB18030")
    monkeypatch.setenv("PGPORT", "6000")
    monkeypatch.setenv("PGDATA", "/nowhere")
    monkeypatch.setenv("HOME", "/nowhere")
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.chdir(closed)
    with open_store(data=data) as store, store.connection() as conn:
        assert conn.info.encoding == "utf-8"
        assert conn.execute("SHOW lc_messages").fetchone() == ("C",)


@pytest.mark.parametrize("text", ["17\n", "\0\0", ""])
def test_folder_of_another_version(stopped: Path, text: str) -> None:
    (stopped / "postgres" / "PG_VERSION").write_text(text)
    with pytest.raises(DataFolderUnusable, match="this Heitu brings 18"):
        open_store(data=stopped)


def test_folder_with_something_else(data: Path) -> None:
    (data / "postgres").mkdir(parents=True)
    (data / "postgres" / "thesis.docx").write_text("")
    with pytest.raises(DataFolderUnusable, match="not empty"):
        open_store(data=data)
    assert (data / "postgres" / "thesis.docx").exists()


def test_file_in_place_of_the_folder(data: Path) -> None:
    data.write_text("")
    with pytest.raises(DataFolderUnusable, match="--data DIR"):
        open_store(data=data)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_that_may_not_be_written(data: Path) -> None:
    data.mkdir(mode=0o500)
    with pytest.raises(DataFolderUnusable, match="Permission denied"):
        open_store(data=data)


def damage_control(cluster: Path) -> None:
    (cluster / "global" / "pg_control").unlink()


def damage_settings(cluster: Path) -> None:
    (cluster / "postgresql.conf").write_text("shared_buffers = plenty\n")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [(damage_control, "pg_control"), (damage_settings, "plenty")],
)
def test_server_that_cannot_start_shows_its_log(
    stopped: Path, damage: Callable[[Path], None], reason: str
) -> None:
    damage(stopped / "postgres")
    with pytest.raises(ServerStartFailed, match=reason) as caught:
        open_store(data=stopped)
    assert "HEITU_DATABASE_URL" in str(caught.value)


def test_no_extension_is_needed(stopped: Path) -> None:
    server = EmbeddedServer(stopped)
    with psycopg.connect(server.url) as conn:
        rows = conn.execute("SELECT extname FROM pg_extension").fetchall()
    server.close()
    assert rows == [("plpgsql",)]


def test_socket_is_closed_to_other_users(stopped: Path) -> None:
    server = EmbeddedServer(stopped)
    with psycopg.connect(server.url) as conn:
        assert conn.execute("SHOW listen_addresses").fetchone() == ("",)
        assert Path(conn.info.host).stat().st_mode & 0o077 == 0
    server.close()
