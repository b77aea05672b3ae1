from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner, Result

from api.series_command import series_app
from store import Store
from store.devices import Device, StreamSpec, add
from store.readings import ReadingRow, write

NOON = datetime(2026, 1, 7, 12, tzinfo=UTC)

Run = Callable[..., Result]


@pytest.fixture
def run(store: Store, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs `heitu series` on a store with one reading."""
    monkeypatch.setenv("HEITU_DATABASE_URL", store.url)
    probe = Device("p1", "f1", "探头", "Probe", "soil-probe", 124, 43, None, True, NOON)
    with store.connection() as conn:
        (stream,) = add(conn, probe, [StreamSpec("soil_moisture", "m3/m3", "10 cm")])
        write(conn, [ReadingRow(stream.stream_id, NOON, 0.25, 1, NOON)])

    def invoke(*arguments: str, answer: str | None = None) -> Result:
        return CliRunner().invoke(series_app, arguments, input=answer)

    return invoke


def test_status_shows_engine_and_what_is_to_be_done(run: Run) -> None:
    result = run("status")
    assert result.exit_code == 0
    assert "plain" in result.output
    (marked,) = [line for line in result.output.splitlines() if "to refresh" in line]
    assert "1" in marked


def test_refresh_does_what_is_to_be_done(run: Run) -> None:
    assert "1 hours brought up to date" in run("refresh").output
    assert "0 hours brought up to date" in run("refresh").output


def test_retain_asks_and_drops(run: Run, store: Store) -> None:
    days = str((datetime.now(UTC) - NOON - timedelta(days=14)).days)
    assert run("retain", "--days", days, answer="n\n").exit_code == 1
    with store.connection() as conn:
        assert conn.execute("SELECT count(*) FROM reading").fetchone() == (1,)
    result = run("retain", "--days", days, "--yes")
    assert "weeks dropped: 1 · 已删除周分区：1" in result.output
    with store.connection() as conn:
        assert conn.execute("SELECT count(*) FROM reading").fetchone() == (0,)
        assert conn.execute("SELECT sum FROM reading_hour").fetchall() == [(0.25,)]


def test_compress_says_why_it_does_not(run: Run) -> None:
    result = run("compress", "--days", "1")
    assert result.exit_code == 0
    assert "TSL" in result.output


def test_migrate_without_timescale_says_what_to_do(run: Run) -> None:
    result = run("migrate")
    assert result.exit_code == 1
    assert "install it on the server" in str(result.exception)
