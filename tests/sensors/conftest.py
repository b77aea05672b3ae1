"""A broker for each test, and a village in the store."""

import time
from collections.abc import Callable, Iterator

import pytest

from sensors.simulated import village
from store import Store, devices
from tests.sensors.broker import Broker, free_port


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker(port=free_port()) as running:
        yield running


@pytest.fixture
def village_store(store: Store) -> Store:
    """Store that knows the devices of the simulated village."""
    with store.connection() as conn:
        for device, streams in village():
            devices.add(conn, device, streams)
    return store


def until(condition: Callable[[], bool], *, timeout: float = 20.0) -> None:
    """Look again and again whether a condition holds, for states nobody reports."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "the awaited state did not come"
        time.sleep(0.005)
