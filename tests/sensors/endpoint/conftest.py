"""Endpoints for each test, that look at their connections more often."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from sensors.endpoint import Endpoint
from tests.sensors.endpoint.devices import HeldSink, principals

Listen = Callable[..., Endpoint]


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sensors.endpoint.service.TICK", 0.02)


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Start an endpoint on a free port; it is stopped after the test."""
    with ExitStack() as stack:

        def start(sink: HeldSink, **options: Any) -> Endpoint:
            endpoint = Endpoint(
                sink, **{"authenticator": principals(), "port": 0, **options}
            )
            endpoint.start()
            # What a test leaves unsettled is not waited for.
            stack.callback(lambda: endpoint.stop(timeout=0.0))
            return endpoint

        yield start


@pytest.fixture
def sink() -> HeldSink:
    """Sink that settles when it is told."""
    return HeldSink()


@pytest.fixture
def endpoint(listen: Listen, sink: HeldSink) -> Endpoint:
    """Endpoint that delivers to `sink`."""
    return listen(sink)
