import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from sensors.feed import Feed
from sensors.formats import decode
from sensors.publisher import Login
from sensors.simulated import FARM, readings_at, village
from tests.sensors.conftest import until
from tests.sensors.replay.collector import PASSWORD, USERNAME, Collector, listening

DEVICES = {device.device_id: device for device, _ in village()}
LOGIN = Login(username=USERNAME, password=PASSWORD)


@pytest.fixture
def collector() -> Collector:
    return Collector()


@pytest.fixture
def port(collector: Collector) -> Iterator[int]:
    with listening(collector, farm=FARM) as port:
        yield port


def test_feed_reports_the_present_and_stops_at_once(
    collector: Collector, port: int
) -> None:
    feed = Feed(
        list(DEVICES.values()),
        host="127.0.0.1",
        port=port,
        login=LOGIN,
        step=timedelta(hours=1),
    )
    with feed:
        until(lambda: len(collector.deliveries) == 35)
        assert feed.running
        began = time.monotonic()
    # The next round would be up to an hour away.
    assert time.monotonic() - began < 2
    assert not feed.running
    assert feed.sent.messages == 35
    newest = {}
    for one in collector.deliveries:
        (uplink,) = decode(one.topic, one.payload, one.received_us, publisher=USERNAME)
        newest[uplink.device_id] = uplink
    assert newest.keys() == DEVICES.keys()
    measured = newest["sim-collar-07"].measurements
    now = datetime.now(UTC)
    when = datetime.fromtimestamp(measured[0].time_us / 1e6, UTC)
    assert now - timedelta(hours=2) < when <= now
    assert {one.name: one.value for one in measured} == readings_at(
        DEVICES["sim-collar-07"], when
    )


def test_feed_goes_on_with_the_clock(collector: Collector, port: int) -> None:
    with Feed(
        [DEVICES["sim-bin-1"]],
        host="127.0.0.1",
        port=port,
        login=LOGIN,
        step=timedelta(milliseconds=50),
    ):
        until(lambda: len(collector.deliveries) >= 3)
    assert len({one.payload for one in collector.deliveries}) >= 3


def test_nothing_stays_behind(port: int) -> None:
    before = set(threading.enumerate())
    devices = [DEVICES["sim-bin-1"]]
    with Feed(devices, host="127.0.0.1", port=port, login=LOGIN):
        pass
    assert set(threading.enumerate()) == before
