"""Tokens: renewed in time, once, and whatever this computer's date is."""

import time as clock_of_day
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ingest.sentinel_hub import HubLoginRefused
from tests.ingest.sentinel_hub.scenes import FakeTime, source_of, wanted
from tests.ingest.sentinel_hub.server import Fault, HubServer


def test_one_token_serves_many_requests(hub: HubServer, tmp_path: Path) -> None:
    source = source_of(hub)
    (offer,) = source.search(wanted()).offers
    source.fetch(offer, "B04", clip=None, folder=tmp_path)
    assert len(hub.seen["process"]) == 6
    assert len(hub.tokens) == 1


@pytest.mark.parametrize(("life", "used"), [(3600, 3539), (100, 74)])
def test_token_is_renewed_shortly_before_its_end(
    hub: HubServer, life: int, used: int
) -> None:
    hub.token_life = life
    time = FakeTime()
    source = source_of(hub, time)
    source.search(wanted())
    time.now += used
    source.search(wanted())
    assert len(hub.tokens) == 1
    time.now += 2
    source.search(wanted())
    assert len(hub.tokens) == 2


@pytest.mark.parametrize("years", [-30, 30])
def test_date_of_this_computer_does_not_matter(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch, years: int
) -> None:
    wrong = clock_of_day.time() + years * 365 * 86400
    monkeypatch.setattr(clock_of_day, "time", lambda: wrong)
    source = source_of(hub)
    source.search(wanted())
    source.search(wanted())
    assert len(hub.tokens) == 1
    assert len(hub.seen["search"]) == 2


@pytest.mark.parametrize("expires_at", [0, 4102444800])
def test_date_of_the_service_does_not_matter(hub: HubServer, expires_at: int) -> None:
    hub.token_extra = {"expires_at": expires_at}
    source = source_of(hub)
    source.search(wanted())
    source.search(wanted())
    assert len(hub.tokens) == 1


def test_token_without_a_life_is_used_until_refused(hub: HubServer) -> None:
    hub.token_life = None
    time = FakeTime()
    source = source_of(hub, time)
    source.search(wanted())
    time.now += 1e6
    source.search(wanted())
    assert len(hub.tokens) == 1
    hub.expire_tokens()
    source.search(wanted())
    assert len(hub.tokens) == 2


def test_token_that_expires_mid_way_is_renewed_once(
    hub: HubServer, tmp_path: Path
) -> None:
    source = source_of(hub)
    (offer,) = source.search(wanted()).offers
    hub.expire_tokens()
    time = FakeTime()
    source.fetch(offer, "B04", clip=None, folder=tmp_path)
    assert len(hub.tokens) == 2
    # The refused request and its repetition.
    assert len(hub.seen["process"]) == 7
    assert time.slept == []


def test_fresh_token_that_is_refused_is_an_error(hub: HubServer) -> None:
    hub.fail("search", Fault(401, body="no"), times=9)
    with pytest.raises(HubLoginRefused, match="401 no"):
        source_of(hub).search(wanted())
    assert len(hub.seen["search"]) == 2
    assert len(hub.tokens) == 2


def test_threads_log_in_once(hub: HubServer) -> None:
    source = source_of(hub)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: source.search(wanted()), range(8)))
    hub.expire_tokens()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: source.search(wanted()), range(8)))
    assert len(hub.tokens) == 2


def test_source_is_made_without_a_request(hub: HubServer) -> None:
    source_of(hub)
    assert not hub.seen
