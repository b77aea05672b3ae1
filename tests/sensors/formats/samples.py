"""A moment, a device's topic, and a short way to decode."""

from datetime import UTC, datetime

from sensors.errors import PayloadInvalid
from sensors.formats import decode
from sensors.uplink import Uplink

NOW = datetime(2026, 11, 23, 5, 35, tzinfo=UTC)
# By `date -u -d 2026-11-23T05:35:00Z +%s`.
NOW_US = 1_795_412_100_000_000
MINUTE_US = 60_000_000
TOPIC = "farm/lishu/ws-1/up"


def one(payload: bytes, *, topic: str = TOPIC, publisher: str | None = None) -> Uplink:
    """Decode a message of one device, received at `NOW_US`."""
    (uplink,) = decode(topic, payload, NOW_US, publisher=publisher)
    return uplink


def attempt(
    topic: str, payload: bytes, *, publisher: str | None = None
) -> list[Uplink] | str:
    """Decode, or give the reason why not."""
    try:
        return decode(topic, payload, NOW_US, publisher=publisher)
    except PayloadInvalid as error:
        return error.reason
