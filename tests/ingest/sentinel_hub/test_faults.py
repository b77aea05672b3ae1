"""Every fault of the service has a name, says what to do, and keeps the secrets."""

import json
import logging
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import quote_plus

import pytest

from ingest.sentinel_hub import (
    HubAnswerInvalid,
    HubFailing,
    HubLoginRefused,
    HubPieceInvalid,
    HubQuotaUsedUp,
    HubRateLimited,
    HubRequestRefused,
    HubSource,
    Patience,
)
from ingest.source_errors import (
    SourceBusy,
    SourceCutOff,
    SourceDenied,
    SourceError,
    SourceStopped,
    SourceUnreachable,
)
from tests.ingest.sentinel_hub.scenes import (
    ITEM,
    FakeTime,
    settings_of,
    source_of,
    wanted,
)
from tests.ingest.sentinel_hub.server import CLIENT_SECRET, Fault, HubServer
from tests.ingest.wording import english

# What a gateway that repeats everything would say.
ECHO = "you sent {token}, {secret} and {form}"


def refusal(status: int, code: str, message: str) -> Fault:
    said = f"{message} {ECHO}"
    error = {"status": status, "reason": "x", "message": said, "code": code}
    return Fault(status=status, body=json.dumps({"error": error}))


QUOTA = refusal(
    403,
    "ACCESS_INSUFFICIENT_PROCESSING_UNITS",
    "Insufficient processing units or requests available in your account.",
)


@dataclass(frozen=True)
class Case:
    endpoint: str
    fault: Fault
    error: type[SourceError]
    told: str
    asked: int


CASES = {
    "500": Case("process", Fault(500, body=ECHO), HubFailing, "500", 3),
    "502 without a body": Case("process", Fault(502), HubFailing, "502", 3),
    "429 for ever": Case("process", Fault(429, body=ECHO), HubRateLimited, "429", 9),
    "403": Case(
        "process", refusal(403, "X", ECHO), HubLoginRefused, "client secret", 1
    ),
    "403 rate": Case(
        "process",
        refusal(403, "RATE_LIMIT_EXCEEDED", "slow down"),
        HubRateLimited,
        "slow down",
        9,
    ),
    "403 quota": Case("process", QUOTA, HubQuotaUsedUp, "processing units", 1),
    "429 quota": Case(
        "process", Fault(429, body=QUOTA.body), HubQuotaUsedUp, "processing units", 1
    ),
    "400": Case(
        "process", refusal(400, "COMMON_BAD", "bad"), HubRequestRefused, "bad", 1
    ),
    "cut body": Case("process", Fault(cut_after=900), SourceCutOff, "breaks off", 3),
    "cut at once": Case("process", Fault(cut_after=0), SourceCutOff, "breaks off", 3),
    "not a TAR": Case(
        "process", Fault(change=lambda _: b"<html>"), HubPieceInvalid, "no TAR", 1
    ),
    "search 500": Case("search", Fault(500, body=ECHO), HubFailing, "500", 3),
    "search no JSON": Case(
        "search", Fault(change=lambda _: b"<html>"), HubAnswerInvalid, "no page", 1
    ),
    "login 500": Case("token", Fault(500, body=ECHO), HubFailing, "500", 3),
    "login 429": Case("token", Fault(429, body=ECHO), HubRateLimited, "429", 9),
    "login cut": Case("token", Fault(cut_after=20), SourceCutOff, "breaks off", 3),
    "login no token": Case(
        "token", Fault(200, body="<html>" + ECHO), HubLoginRefused, "missing_token", 1
    ),
    "login refused": Case(
        "token",
        Fault(401, body='{"error": "invalid_client", "error_description": "{secret}"}'),
        HubLoginRefused,
        "invalid_client",
        1,
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_fault_is_named_and_keeps_the_secrets(
    hub: HubServer, tmp_path: Path, caplog: pytest.LogCaptureFixture, case: Case
) -> None:
    caplog.set_level(logging.DEBUG)
    time = FakeTime()
    (offer,) = source_of(hub).search(wanted()).offers
    hub.seen.clear()
    hub.fail(case.endpoint, case.fault, times=20)
    source = source_of(hub, time)
    deed: Callable[[], object] = partial(source.search, wanted())
    if case.endpoint == "process":
        deed = partial(source.fetch, offer, "B04", clip=None, folder=tmp_path)
    with pytest.raises(case.error) as caught:
        deed()
    message = english(str(caught.value))
    assert case.told in message
    assert len(hub.seen[case.endpoint]) == case.asked
    assert not (tmp_path / "B04.tif").exists()
    if case.endpoint == "process":
        assert f"{ITEM} 10 m [0:256, 0:256]" in message
    whole = "".join(traceback.format_exception(caught.value))
    shown = whole + repr(vars(caught.value)) + caplog.text + repr(source)
    for secret in (CLIENT_SECRET, quote_plus(CLIENT_SECRET), *hub.tokens):
        assert secret not in shown


@pytest.mark.parametrize("case", ["429 for ever", "500", "cut body"])
def test_passing_fault_is_waited_out(hub: HubServer, tmp_path: Path, case: str) -> None:
    hub.fail("process", CASES[case].fault, times=2)
    (offer,) = source_of(hub).search(wanted()).offers
    time = FakeTime()
    source_of(hub, time).fetch(offer, "B04", clip=None, folder=tmp_path)
    # One second, then twice as long.
    assert time.slept == [1.0, 2.0]


def test_classes_are_those_of_every_source() -> None:
    assert issubclass(HubLoginRefused, SourceDenied)
    assert issubclass(HubQuotaUsedUp, SourceDenied)
    assert issubclass(HubRateLimited, SourceBusy)
    assert issubclass(HubFailing, SourceBusy)


def test_retry_after_counts_milliseconds(hub: HubServer, tmp_path: Path) -> None:
    (offer,) = source_of(hub).search(wanted()).offers
    hub.fail("process", Fault(429, headers={"Retry-After": "42000"}))
    time = FakeTime()
    source_of(hub, time).fetch(offer, "B04", clip=None, folder=tmp_path)
    assert time.slept == [42.0]


def test_retry_after_may_be_a_date_of_the_server(hub: HubServer) -> None:
    # Years off this computer's date: only the difference counts.
    headers = {
        "Date": "Thu, 01 Jan 2099 00:00:00 GMT",
        "Retry-After": "Thu, 01 Jan 2099 00:00:25 GMT",
    }
    hub.fail("search", Fault(429, headers=headers))
    time = FakeTime()
    source_of(hub, time).search(wanted())
    assert time.slept == [25.0]


@pytest.mark.parametrize("value", ["", "soon", "-5", "1e9"])
def test_unreadable_retry_after_leaves_the_back_off(hub: HubServer, value: str) -> None:
    hub.fail("search", Fault(429, headers={"Retry-After": value}))
    time = FakeTime()
    source_of(hub, time).search(wanted())
    assert time.slept == [1.0]


def test_longer_wait_than_ours_is_an_error_at_once(hub: HubServer) -> None:
    hub.fail("search", Fault(429, headers={"Retry-After": "301000"}))
    time = FakeTime()
    with pytest.raises(HubRateLimited, match="Retry-After 301 s") as caught:
        source_of(hub, time).search(wanted())
    assert caught.value.retry_after == 301
    assert time.slept == []


class Waited(Event):
    """Tells when somebody waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.waited = Event()

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.set()
        return super().wait(timeout)


def test_run_that_is_ended_waits_no_more(hub: HubServer, tmp_path: Path) -> None:
    (offer,) = source_of(hub).search(wanted()).offers
    hub.fail("process", Fault(429, headers={"Retry-After": "20000"}), times=9)
    stop = Waited()
    source = HubSource(settings_of(hub), patience=Patience(stop=stop))
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(source.fetch, offer, "B04", clip=None, folder=tmp_path)
        stop.waited.wait(10)
        stop.set()
        # The wait that was asked for is 20 s.
        with pytest.raises(SourceStopped, match="run again to go on"):
            job.result(timeout=10)
    assert len(hub.seen["process"]) == 1


def test_run_that_has_ended_asks_nothing(hub: HubServer) -> None:
    time = FakeTime()
    time.set()
    with pytest.raises(SourceStopped):
        source_of(hub, time).search(wanted())
    assert not hub.seen
    assert time.slept == []


def test_limit_of_one_request_holds_back_the_next(hub: HubServer) -> None:
    time = FakeTime()
    source = source_of(hub, time)
    hub.fail("search", Fault(429, headers={"Retry-After": "400000"}), times=1)
    with pytest.raises(HubRateLimited):
        source.search(wanted())
    hub.fail("search", Fault(429, headers={"Retry-After": "20000"}), times=1)
    source.search(wanted())
    assert time.slept == [20.0]


@pytest.mark.usefixtures("hub")
def test_no_server_is_named() -> None:
    with HubServer() as gone:
        source = source_of(gone)
    with pytest.raises(SourceUnreachable, match="no answer") as caught:
        source.search(wanted())
    english(str(caught.value))
    assert gone.token_url in str(caught.value)


def test_wrong_secret_is_named(hub: HubServer) -> None:
    wrong = CLIENT_SECRET[::-1]
    with pytest.raises(HubLoginRefused, match="invalid_client") as caught:
        source_of(hub, secret=wrong).search(wanted())
    assert hub.token_url in str(caught.value)
    assert wrong not in "".join(traceback.format_exception(caught.value))


def test_representation_hides_the_secret(hub: HubServer) -> None:
    settings = settings_of(hub)
    shown: list[Any] = [settings, {"settings": settings}, source_of(hub)]
    assert CLIENT_SECRET not in "".join(map(repr, shown))
    assert CLIENT_SECRET[-4:] not in "".join(map(repr, shown))
