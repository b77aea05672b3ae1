"""The demo's village: simulated devices that publish to the platform's own broker."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import chain

from api.platform import Platform
from sensors.publisher import Sent, publish
from sensors.simulated import messages, village
from store import Store, devices, readings
from store.devices import Device

__all__ = ["catch_up", "first_missing", "register_village"]

HISTORY = timedelta(hours=24)
# Live readings lie between the slots: the next slot follows at once, not one later.
JUST_AFTER = timedelta(milliseconds=1)
STORE_SECONDS = 60.0


def register_village(platform: Platform) -> list[Device]:
    """Register the simulated devices that are not there yet; returns all of them."""
    fleet = village()
    with platform.store.connection() as conn:
        known = {device.device_id for device in devices.all_devices(conn)}
        for device, streams in fleet:
            if device.device_id not in known:
                devices.add(conn, device, streams)
    return [device for device, _ in fleet]


def catch_up(platform: Platform, fleet: list[Device]) -> Sent:
    """Publish what the village measured since it was last heard, a day at most.

    Returns when everything that the broker took is settled in the store.
    """
    now = datetime.now(UTC)
    starts = first_missing(platform.store, now)
    outgoing = chain.from_iterable(
        messages([device], start=starts[device.device_id], end=now) for device in fleet
    )
    broker = platform.broker
    before = platform.subscriber.counts.settled
    sent = publish(outgoing, host=broker.host, port=broker.port)
    platform.subscriber.wait_for(messages=before + sent.messages, timeout=STORE_SECONDS)
    return sent


def first_missing(store: Store, now: datetime) -> defaultdict[str, datetime]:
    """Return device -> the first slot of the last day that is not stored yet."""
    with store.connection() as conn:
        latest = readings.latest(conn)
    starts: defaultdict[str, datetime] = defaultdict(lambda: now - HISTORY)
    for reading in latest:
        heard = starts[reading.device_id]
        starts[reading.device_id] = max(heard, reading.time + JUST_AFTER)
    return starts
