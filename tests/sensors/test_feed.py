import threading
import time
from datetime import UTC, datetime, timedelta

from sensors.broker import Broker
from sensors.feed import Feed
from sensors.simulated import readings_at, village
from sensors.subscriber import Subscriber
from store import Store, readings

DEVICES = {device.device_id: device for device, _ in village()}


def test_feed_reports_the_present_and_stops_at_once(
    village_store: Store, broker: Broker, subscriber: Subscriber
) -> None:
    feed = Feed(
        list(DEVICES.values()),
        host=broker.host,
        port=broker.port,
        step=timedelta(hours=1),
    )
    with feed:
        counts = subscriber.wait_for(messages=35, timeout=30)
        began = time.monotonic()
    # The next round would be up to an hour away.
    assert time.monotonic() - began < 2
    assert counts.stored == feed.sent.messages == 35
    with village_store.connection() as conn:
        newest = readings.latest(conn, "sim-collar-07")
    now = datetime.now(UTC)
    assert all(now - timedelta(hours=2) < reading.time <= now for reading in newest)
    assert {reading.quantity: reading.value for reading in newest} == readings_at(
        DEVICES["sim-collar-07"], newest[0].time
    )


def test_feed_goes_on_with_the_clock(broker: Broker, subscriber: Subscriber) -> None:
    devices = [DEVICES["sim-bin-1"]]
    step = timedelta(milliseconds=50)
    with Feed(devices, host=broker.host, port=broker.port, step=step):
        assert subscriber.wait_for(messages=3, timeout=30).stored >= 3


def test_nothing_stays_behind(village_store: Store, broker: Broker) -> None:
    before = set(threading.enumerate())
    devices = [DEVICES["sim-bin-1"]]
    with (
        Subscriber(village_store, host=broker.host, port=broker.port),
        Feed(devices, host=broker.host, port=broker.port),
    ):
        pass
    assert set(threading.enumerate()) == before
