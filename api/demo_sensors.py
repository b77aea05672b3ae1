"""The demo's village: simulated devices that publish through one gateway."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import chain

from api.platform import Platform
from sensors.access import new_secret
from sensors.publisher import Login, Sent, publish
from sensors.simulated import COUNTY, FARM, INSTALLED_AT, messages, village
from store import DeviceUnknown, Store, devices, readings
from store.devices import Device

__all__ = ["catch_up", "first_missing", "gateway_login", "register_village"]

GATEWAY = Device(
    device_id="sim-gateway",
    farm=FARM,
    name_zh="村网关",
    name_en="Village gateway",
    kind="gateway",
    lon=124.34,
    lat=43.31,
    county=COUNTY,
    simulated=True,
    created_at=INSTALLED_AT,
    gateway=True,
)
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


def gateway_login(platform: Platform) -> Login:
    """Return how the village's gateway comes in: with a new secret at each start."""
    with platform.store.connection() as conn:
        try:
            devices.get(conn, GATEWAY.device_id)
        except DeviceUnknown:
            devices.add(conn, GATEWAY, [])
        secret = new_secret(conn, GATEWAY.device_id, overlap=timedelta(0)).secret
    return Login(username=GATEWAY.device_id, password=secret)


def catch_up(platform: Platform, fleet: list[Device], login: Login) -> Sent:
    """Publish what the village measured since it was last heard, a day at most.

    Returns when every message is settled in the store.
    """
    now = datetime.now(UTC)
    starts = first_missing(platform.store, now)
    outgoing = chain.from_iterable(
        messages([device], start=starts[device.device_id], end=now) for device in fleet
    )
    before = platform.writer.counts.settled
    port = platform.endpoint.port
    sent = publish(outgoing, host=platform.host, port=port, login=login)
    platform.writer.wait_for(messages=before + sent.messages, timeout=STORE_SECONDS)
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
