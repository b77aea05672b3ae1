"""A server is asked patiently, and what it refuses is said without its secrets."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import pytest

from ingest.http import Request, Unsigned, Web, retry_after, shown
from ingest.source_errors import (
    SourceBusy,
    SourceDenied,
    SourceError,
    SourceMissing,
    SourceStopped,
    SourceUnreachable,
)
from tests.ingest.stac_api.server import StandIn
from tests.ingest.wording import english


class Clock(Event):
    """Counts the seconds it was asked to wait, and does not wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0)
        return self.is_set()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StandIn]:
    (tmp_path / "data").write_bytes(b"0123456789")
    with StandIn(tmp_path) as running:
        yield running


def _read(web: Web, href: str) -> bytes:
    with web.get(href, signer=Unsigned()) as response:
        return response.read()


def test_retry_after_is_waited_for_and_then_it_works(server: StandIn) -> None:
    server.fail("/files/data", status=429, retry_after="7")
    clock = Clock()
    assert _read(Web(stop=clock), server.file_url("data")) == b"0123456789"
    assert clock.waits == [7.0]


def test_without_retry_after_the_waits_double(server: StandIn) -> None:
    server.fail("/files/data", status=500, times=3)
    clock = Clock()
    _read(Web(stop=clock, first_wait=1), server.file_url("data"))
    first, second, third = clock.waits
    assert 0.5 <= first <= 1 <= second <= 2 <= third <= 4


def test_a_server_that_wants_an_hour_is_busy_at_once(server: StandIn) -> None:
    server.fail("/files/data", status=503, retry_after="3600", times=None)
    clock = Clock()
    with pytest.raises(SourceBusy) as caught:
        _read(Web(stop=clock), server.file_url("data"))
    assert clock.waits == []
    assert "wants to be left alone for 3600 s" in english(str(caught.value))


@pytest.mark.parametrize(
    ("status", "kind", "asked"),
    [
        (404, SourceMissing, 1),
        (410, SourceMissing, 1),
        (401, SourceDenied, 2),
        (403, SourceDenied, 2),
        (418, SourceError, 1),
        (500, SourceBusy, 3),
        (429, SourceBusy, 3),
    ],
)
def test_each_refusal_has_its_error_and_its_number_of_tries(
    server: StandIn, status: int, kind: type[SourceError], asked: int
) -> None:
    server.fail("/files/data", status=status, times=None)
    with pytest.raises(kind) as caught:
        _read(Web(stop=Clock(), tries=3), server.file_url("data"))
    assert type(caught.value) is kind
    assert str(status) in english(str(caught.value))
    assert len(server.seen) == asked


def test_nobody_listening_is_said(unused_port: int) -> None:
    web = Web(stop=Clock(), tries=2)
    with pytest.raises(SourceUnreachable) as caught:
        _read(web, f"http://127.0.0.1:{unused_port}/x?sig=secret")
    assert "no answer from http://127.0.0.1" in english(str(caught.value))
    assert "secret" not in str(caught.value) + repr(caught.value.__cause__)


def test_an_expired_signature_is_renewed_once(server: StandIn) -> None:
    server.require_signature()

    class Sas:
        def sign(self, href: str, *, renew: bool = False) -> Request:
            if renew:
                return Request(f"{href}?{server._token()['token']}")
            return Request(f"{href}?sig=old")

    with Web(stop=Clock()).get(server.file_url("data"), signer=Sas()) as response:
        assert response.read() == b"0123456789"
    assert [seen.status for seen in server.seen] == [403, 200]


def test_no_message_shows_what_signs_a_request(server: StandIn) -> None:
    server.fail("/files/data", status=403, times=None)

    class Secret:
        def sign(self, href: str, *, renew: bool = False) -> Request:
            return Request(f"{href}?sig=hush", {"Authorization": "Bearer hush"})

    web = Web(stop=Clock())
    with (
        pytest.raises(SourceDenied) as caught,
        web.get(server.file_url("data"), signer=Secret()),
    ):
        pass
    assert "hush" not in f"{caught.value}{caught.value!r}{Secret().sign('x')!r}"


def test_a_run_that_is_ended_asks_nobody(server: StandIn) -> None:
    clock = Clock()
    clock.set()
    with pytest.raises(SourceStopped):
        _read(Web(stop=clock), server.file_url("data"))
    assert server.seen == []


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "120"}, 120.0),
        ({"Retry-After": "Mon, 23 Nov 2026 12:00:30 GMT"}, 30.0),
        # The server's clock counts, not ours.
        (
            {
                "Retry-After": "Mon, 23 Nov 2026 15:00:30 GMT",
                "Date": "Mon, 23 Nov 2026 15:00:10 GMT",
            },
            20.0,
        ),
        ({"Retry-After": "Mon, 23 Nov 2020 12:00:30 GMT"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(
    headers: dict[str, str], seconds: float | None
) -> None:
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert retry_after(headers, now=now) == seconds


@pytest.mark.parametrize(
    ("href", "plain"),
    [
        ("https://u:p@x.org/a.tif?sig=1#f", "https://x.org/a.tif"),
        ("s3://bucket/a.tif", "s3://bucket/a.tif"),
        ("/data/a b.tif", "/data/a b.tif"),
    ],
)
def test_what_is_shown_of_an_address_holds_no_secret(href: str, plain: str) -> None:
    assert shown(href) == plain
