"""The demo's village: simulated devices that publish to the platform's own broker."""

from datetime import UTC, datetime, timedelta

from api.platform import Platform
from sensors.publisher import Sent, publish
from sensors.simulated import SLOT, messages, village
from store import devices, readings
from store.devices import Device

__all__ = ["catch_up", "register_village"]

HISTORY = timedelta(hours=24)
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
    outgoing = messages(fleet, start=_last_heard(platform, fleet, now), end=now)
    broker = platform.broker
    before = platform.subscriber.counts.settled
    sent = publish(outgoing, host=broker.host, port=broker.port)
    platform.subscriber.wait_for(messages=before + sent.messages, timeout=STORE_SECONDS)
    return sent


def _last_heard(platform: Platform, fleet: list[Device], now: datetime) -> datetime:
    """Return the first slot that is not stored yet, for the device furthest behind."""
    with platform.store.connection() as conn:
        newest = {r.device_id: r.time for r in readings.latest(conn)}
    oldest = min(newest.get(device.device_id, now - HISTORY) for device in fleet)
    return max(oldest + SLOT, now - HISTORY)
