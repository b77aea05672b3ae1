"""A running stand-in, and patience that costs no time."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.http import Web
from tests.ingest.stac_api.server import StandIn


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StandIn]:
    folder = tmp_path / "served"
    folder.mkdir()
    with StandIn(folder) as stand_in:
        yield stand_in


class Waits(threading.Event):
    """Notes the seconds that would have been waited."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout or 0.0)
        return self.is_set()


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def web(waits: Waits) -> Iterator[Web]:
    web = Web(tries=4, longest_wait=60, stop=waits)
    yield web
    web.pool.clear()
