"""A platform that is open, and edge agents and devices that are stopped in the end."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sensors.edge import Edge, load
from tests.sensors.edge.farm import Device, Platform, write_config

StartEdge = Callable[..., Edge]
Connect = Callable[[str, Edge], Device]


@pytest.fixture
def platform() -> Iterator[Platform]:
    platform = Platform()
    platform.open()
    yield platform
    platform.close()


@pytest.fixture
def start_edge(platform: Platform, tmp_path: Path) -> Iterator[StartEdge]:
    """Start an agent; options are those of `write_config`."""
    with ExitStack() as stack:

        def start(**options: str) -> Edge:
            path = write_config(tmp_path, platform.port, **options)  # type: ignore[arg-type]
            edge = Edge(load(path), shortest_pause_s=0.05)
            edge.start()
            stack.callback(edge.stop)
            return edge

        yield start


@pytest.fixture
def connect() -> Iterator[Connect]:
    with ExitStack() as stack:

        def start(name: str, edge: Edge) -> Device:
            device = Device(name, edge.port)
            stack.callback(device.close)
            return device

        yield start
