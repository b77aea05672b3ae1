"""Tokens: got, kept, renewed in time, shown to nobody."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import count
from urllib.parse import parse_qs

import pytest

from ingest.http import Request, Signer, Unsigned, Web
from ingest.source_errors import SourceBusy, SourceDenied, SourceUnreachable
from ingest.stac_api import COPERNICUS, EARTH_SEARCH, PLANETARY_COMPUTER, Credentials
from ingest.stac_api.access import Token, TokenSigner, sas_token, signer_of
from ingest.stac_api.errors import ApiInvalid, ApiRefuses
from tests.ingest.stac_api.conftest import Waits
from tests.ingest.stac_api.server import StandIn
from tests.ingest.wording import english

HREF = "https://files.example/B04.tif"


class Steady:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def _numbered(life: float = 3600) -> Iterator[Token]:
    return (Token(f"sig=secret-{n}", life) for n in count())


def _signer(clock: Steady, *, life: float = 3600) -> TokenSigner:
    tokens = _numbered(life)
    return TokenSigner(
        lambda: next(tokens),
        lambda href, token: Request(f"{href}?{token}"),
        secured=("https://*.example",),
        clock=clock,
    )


def _sas(server: StandIn, web: Web) -> Signer:
    provider = replace(
        PLANETARY_COMPUTER, token_url=server.sas_url, secured=("http://127.0.0.1",)
    )
    return signer_of(provider, collection="hls2-s30", web=web, credentials=None)


def test_open_provider_needs_no_token(web: Web) -> None:
    found = signer_of(EARTH_SEARCH, collection="x", web=web, credentials=None)
    assert isinstance(found, Unsigned)


def test_token_is_kept_until_shortly_before_its_end() -> None:
    clock = Steady()
    signer = _signer(clock)
    assert signer.sign(HREF).url == f"{HREF}?sig=secret-0"
    clock.now += 3600 - 301
    assert signer.sign(HREF).url == f"{HREF}?sig=secret-0"
    clock.now += 2
    assert signer.sign(HREF).url == f"{HREF}?sig=secret-1"


def test_token_of_a_short_life_is_renewed_at_four_fifths_of_it() -> None:
    clock = Steady()
    signer = _signer(clock, life=100)
    signer.sign(HREF)
    clock.now += 79
    assert signer.sign(HREF).url.endswith("secret-0")
    clock.now += 2
    assert signer.sign(HREF).url.endswith("secret-1")


def test_refused_token_is_renewed() -> None:
    signer = _signer(Steady())
    signer.sign(HREF)
    assert signer.sign(HREF, renew=True).url.endswith("secret-1")


def test_threads_refused_together_renew_once() -> None:
    signer = _signer(Steady())
    refused = threading.Barrier(8)

    def read() -> str:
        signer.sign(HREF)
        refused.wait(timeout=10)
        return signer.sign(HREF, renew=True).url

    with ThreadPoolExecutor(8) as pool:
        urls = {job.result() for job in [pool.submit(read) for _ in range(8)]}
    assert urls == {f"{HREF}?sig=secret-1"}


@pytest.mark.parametrize(
    "href",
    [
        "http://files.example/B04.tif",
        "https://files.example.evil.org/B04.tif",
        "https://evil.org/files.example/B04.tif",
        "https://evil.org/?x=https://files.example",
        "https://files.example@evil.org/B04.tif",
    ],
)
def test_no_other_server_gets_the_token(href: str) -> None:
    assert _signer(Steady()).sign(href) == Request(href)


def test_signature_is_asked_of_the_collection(server: StandIn, web: Web) -> None:
    signed = _sas(server, web).sign(server.file_url("B04.tif"))
    assert server.paths() == ["/sas/token/hls2-s30"]
    assert signed.url == f"{server.file_url('B04.tif')}?{server.tokens[0]}"


@pytest.mark.parametrize("ahead", [timedelta(days=2), timedelta(days=-2)])
def test_life_is_counted_by_the_clock_of_the_server(
    server: StandIn, web: Web, ahead: timedelta
) -> None:
    server.clock_ahead = ahead
    server.token_life = timedelta(minutes=45)
    token = sas_token(web, f"{server.sas_url}/token/hls2-s30")
    assert 2690 <= token.life <= 2702


def test_file_is_read_again_with_a_new_signature(server: StandIn, web: Web) -> None:
    assert server.folder is not None
    (server.folder / "B04.tif").write_bytes(b"pixels")
    server.require_signature()
    signer = _sas(server, web)
    for _ in range(2):
        with web.get(server.file_url("B04.tif"), signer=signer) as response:
            assert response.read() == b"pixels"
        server.expire_tokens()
    assert len(server.tokens) == 2


def test_busy_token_server_is_asked_again(
    server: StandIn, web: Web, waits: Waits
) -> None:
    server.fail("/sas/token/*", status=504)
    server.fail("/sas/token/*", status=429, retry_after="3")
    server.fail("/sas/token/*", cut_after=10)
    assert sas_token(web, f"{server.sas_url}/token/x").text == server.tokens[-1]
    assert len(waits.seconds) == 3
    assert 3.0 in waits.seconds


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"status": 503}, SourceBusy),
        ({"status": 404}, ApiRefuses),
        ({"cut_after": 10}, SourceUnreachable),
        ({"body": b"<html>"}, ApiInvalid),
        ({"body": b"[]"}, ApiInvalid),
        ({"body": b'{"token": "sig=hush"}'}, ApiInvalid),
        ({"body": b'{"token": "sig=hush", "msft:expiry": "soon"}'}, ApiInvalid),
        (
            {"body": b'{"token": "sig=hush", "msft:expiry": "2020-01-01T00:00:00Z"}'},
            ApiInvalid,
        ),
    ],
)
def test_no_token_is_a_named_error_without_secrets(
    server: StandIn,
    web: Web,
    fault: dict[str, int | bytes],
    error: type[Exception],
) -> None:
    server.fail("/sas/token/*", times=None, **fault)  # type: ignore[arg-type]
    with pytest.raises(error) as caught:
        sas_token(web, f"{server.sas_url}/token/x")
    assert english(str(caught.value))
    assert "hush" not in f"{caught.value!r} {caught.value}"


def test_account_gets_a_token_for_a_header(server: StandIn, web: Web) -> None:
    provider = replace(
        COPERNICUS,
        token_url=f"{server.url}/oauth/token",
        secured=("http://127.0.0.1",),
    )
    account = Credentials("farmer@example.org", "hush & more")
    signer = signer_of(provider, collection="x", web=web, credentials=account)
    signed = signer.sign(server.file_url("B04.jp2"))
    assert signed.url == server.file_url("B04.jp2")
    assert signed.headers == {"Authorization": f"Bearer {server.tokens[0]}"}
    form = parse_qs(server.seen[0].body)
    assert form == {
        "grant_type": ["password"],
        "client_id": ["cdse-public"],
        "username": ["farmer@example.org"],
        "password": ["hush & more"],
    }
    assert "hush" not in repr(account) + repr(signed)


@pytest.mark.parametrize("status", [400, 401])
def test_wrong_password_is_named_without_showing_it(
    server: StandIn, web: Web, status: int
) -> None:
    server.fail("/oauth/token", status=status, body=b'{"you sent": "hush"}')
    provider = replace(
        COPERNICUS,
        token_url=f"{server.url}/oauth/token",
        secured=("http://127.0.0.1",),
    )
    signer = signer_of(
        provider, collection="x", web=web, credentials=Credentials("farmer", "hush")
    )
    with pytest.raises(SourceDenied) as caught:
        signer.sign(server.file_url("B04.jp2"))
    assert "user and password" in english(str(caught.value))
    assert "hush" not in str(caught.value)


def test_missing_account_is_named_when_a_file_is_asked_for(web: Web) -> None:
    signer = signer_of(COPERNICUS, collection="x", web=web, credentials=None)
    with pytest.raises(SourceDenied) as caught:
        signer.sign("https://zipper.dataspace.copernicus.eu/odata/v1/x")
    assert "no user and password are set" in english(str(caught.value))
