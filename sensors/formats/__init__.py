"""From the bytes of one message to what devices say in it: pure, and strict.

- ``farm/<farm>/<device>/up``: compact JSON; SenML (RFC 8428), JSON or CBOR, which is
  told by its first byte;
- ``farm/<farm>/<device>/state``: reports of state;
- ``v1/devices/me/telemetry``, ``v1/gateway/telemetry``: ThingsBoard;
- ``application/<id>/device/<devEUI>/event/up``: ChirpStack v4;
- ``v3/<application>/devices/<device>/up``: The Things Stack v3.

A message is taken whole or not at all: one bad value among several refuses it, so that
each message ends in exactly one place.
"""

from sensors.errors import PayloadInvalid
from sensors.formats import compact, lorawan, senml, thingsboard
from sensors.formats.checks import MAX_FORWARDED, MAX_PAYLOAD, shown
from sensors.uplink import Uplink

__all__ = ["MAX_FORWARDED", "MAX_PAYLOAD", "decode"]

_LEADING_SPACE = b" \t\r\n"


def decode(
    topic: str, payload: bytes, received_us: int, *, publisher: str | None
) -> list[Uplink]:
    """Decode one message.

    Parameters
    ----------
    topic
        Says the format, see above.
    payload
        The bytes as they came.
    received_us
        Time of receipt, microseconds since 1970 UTC.
    publisher
        Id of the device that published, by its credential; None where a broker vouches.

    Returns
    -------
    list
        One for each device that the message speaks for, at least one; each with at
        least one measurement or with a report.

    Raises
    ------
    PayloadInvalid
        For any other input; nothing else is raised, whatever topic and bytes.
    """
    parts = topic.split("/")
    # Some brokers let control characters through that no database can hold.
    if not (all(parts) and topic.isprintable()):
        raise _unknown(topic)
    if parts[0] == "farm" and len(parts) == 4:
        _, farm, device_id, kind = parts
        if kind == "up":
            return [_readings(farm, device_id, payload, received_us)]
        if kind == "state":
            return [compact.state(farm, device_id, payload, received_us)]
    match parts:
        case ["v1", "devices", "me", "telemetry"]:
            return [thingsboard.device(publisher, payload, received_us)]
        case ["v1", "gateway", "telemetry"]:
            return thingsboard.gateway(payload, received_us)
        case ["application", _, "device", dev_eui, "event", "up"]:
            return [lorawan.chirpstack(dev_eui, payload, received_us)]
        case ["v3", _, "devices", device_id, "up"]:
            return [lorawan.things_stack(device_id, payload, received_us)]
    raise _unknown(topic)


def _readings(farm: str, device_id: str, payload: bytes, received_us: int) -> Uplink:
    """Read what came on ``up``; JSON in UTF-8 begins with no byte from 0x80 to 0x9f."""
    if payload[:1] == b"{":
        return compact.readings(farm, device_id, payload, received_us)
    if b"\x80" <= payload[:1] <= b"\x9f":
        return senml.from_cbor(farm, device_id, payload, received_us)
    if payload.lstrip(_LEADING_SPACE)[:1] == b"[":
        return senml.from_json(farm, device_id, payload, received_us)
    return compact.readings(farm, device_id, payload, received_us)


def _unknown(topic: str) -> PayloadInvalid:
    return PayloadInvalid(
        f"topic {shown(topic)} is none that readings are taken from: publish to"
        " farm/<farm>/<device>/up · 未知的主题"
    )
