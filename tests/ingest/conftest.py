"""What several tests of this room need."""

import socket
from collections.abc import Iterator

import pytest

from tests.ingest.buckets import new_bucket, serving_s3


@pytest.fixture
def unused_port() -> int:
    """Give a port at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Address of a server that speaks S3."""
    with serving_s3() as address:
        yield address


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of an empty bucket; the variables lead to it."""
    return new_bucket(s3_server, monkeypatch)
