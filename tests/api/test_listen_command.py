"""An ingest that has died ends its process, so that somebody starts it again."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from rich.console import Console
from typer.testing import CliRunner

from api.cli import app
from api.waiting import until_stopped
from store import Store


def run(
    monkeypatch: pytest.MonkeyPatch, store: Store, command: str, opening: str
) -> tuple[int, str]:
    """Run a command whose ingest is dead; returns its exit code and its output."""
    dead = SimpleNamespace(running=False, port=1883, tls_port=0)

    @contextmanager
    def opened(*args: object) -> Iterator[tuple[object, object]]:
        yield dead, dead

    monkeypatch.setattr(f"api.sensing.{opening}", opened)
    environment = {"HEITU_DATABASE_URL": store.url}
    result = CliRunner().invoke(app, [command], env=environment)
    return result.exit_code, result.output


def test_listen_ends_when_its_ingest_has_died(
    monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    code, output = run(monkeypatch, store, "listen", "open_listening")
    assert code == 1
    assert "stopped by a fault of its own" in output


def test_subscribe_ends_when_its_writer_has_died(
    monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    code, output = run(monkeypatch, store, "subscribe", "open_subscribing")
    assert code == 1
    assert "stopped by a fault of its own" in output


def test_waits_as_long_as_all_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.waiting.LOOK", 0.0)
    well = iter([True, True, False])
    console = Console(file=io.StringIO())
    assert not until_stopped(console, alive=lambda: next(well))
    assert next(well, None) is None
