import socket

import pytest

from api.errors import PortTaken
from api.server import bind, port_or_free


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def test_taken_port_is_named_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortTaken, match=rf"127\.0\.0\.1:{port} .* --port"):
            bind("127.0.0.1", port)


def test_bound_port_is_taken_before_it_is_served() -> None:
    with (
        bind("127.0.0.1", 0) as first,
        pytest.raises(PortTaken),
    ):
        bind("127.0.0.1", first.getsockname()[1])


def test_demo_steps_aside_from_a_taken_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert port_or_free("127.0.0.1", server.getsockname()[1]) == 0


def test_free_port_is_kept(free_port: int) -> None:
    assert port_or_free("127.0.0.1", free_port) == free_port
