"""The bytes of the packets that a server sends, in the client's version of MQTT."""

import struct
from collections.abc import Sequence

from sensors.mqtt.codes import ReasonCode, connect_return_code
from sensors.mqtt.properties import Property, number, text, written
from sensors.mqtt.wire import text_field, variable_field

__all__ = [
    "PINGRESP",
    "connack",
    "disconnect",
    "puback",
    "pubacks",
    "publish",
    "suback",
    "unsuback",
]

PINGRESP = b"\xd0\x00"

# What a server may say (tables 3-1 and 3-10); anything else becomes the code behind.
_CONNACK_REASONS = frozenset(
    {0x00, *range(0x80, 0x8B), 0x8C, 0x90, 0x95, 0x97, *range(0x99, 0x9E), 0x9F}
)
_DISCONNECT_REASONS = frozenset(
    {0x00, *range(0x80, 0x84), 0x87, 0x89, 0x8B, *range(0x8D, 0x91)}
    | set(range(0x93, 0xA3))
)


def connack(
    reason: ReasonCode,
    version: int,
    *,
    session_present: bool,
    receive_maximum: int,
    maximum_packet_size: int,
    assigned_client_id: str | None,
    server_keep_alive: int | None,
    reason_string: str | None,
) -> bytes:
    """Return a CONNACK (§3.2); empty where 3.1.1 has no code for `reason`."""
    # A refusal never tells of a session [MQTT-3.2.2-6].
    present = int(session_present and reason == ReasonCode.SUCCESS)
    if version == 4:
        code = connect_return_code(reason)
        return b"" if code is None else bytes([0x20, 2, present, code])
    properties = b""
    if reason == ReasonCode.SUCCESS:
        properties = _offered(receive_maximum, maximum_packet_size)
        if assigned_client_id is not None:
            properties += text(Property.ASSIGNED_CLIENT_IDENTIFIER, assigned_client_id)
        if server_keep_alive is not None:
            properties += number(Property.SERVER_KEEP_ALIVE, server_keep_alive, 2)
    properties += _explained(reason_string)
    said = reason if reason in _CONNACK_REASONS else ReasonCode.PROTOCOL_ERROR
    return _packet(0x20, bytes([present, said]) + written(properties))


def _offered(receive_maximum: int, maximum_packet_size: int) -> bytes:
    """Return what an ingest door has and has not (§3.2.2.3).

    Wildcards are left out, which means that there are: a device subscribes to all
    topics below its own. So are topic aliases, which means that there are none.
    """
    return (
        number(Property.SESSION_EXPIRY, 0, 4)
        + number(Property.RECEIVE_MAXIMUM, receive_maximum, 2)
        + number(Property.MAXIMUM_QOS, 1, 1)
        + number(Property.RETAIN_AVAILABLE, 0, 1)
        + number(Property.MAXIMUM_PACKET_SIZE, maximum_packet_size, 4)
        + number(Property.SUBSCRIPTION_IDENTIFIER_AVAILABLE, 0, 1)
        + number(Property.SHARED_SUBSCRIPTION_AVAILABLE, 0, 1)
    )


def _explained(reason_string: str | None) -> bytes:
    return b"" if not reason_string else text(Property.REASON_STRING, reason_string)


def puback(packet_id: int, reason: ReasonCode, version: int) -> bytes:
    """Return a PUBACK (§3.4), which in 3.1.1 knows no reason."""
    if version == 4 or reason == ReasonCode.SUCCESS:
        return pubacks([packet_id])
    return b"\x40\x03" + packet_id.to_bytes(2) + bytes([reason])


def pubacks(packet_ids: Sequence[int]) -> bytes:
    """Return the PUBACKs of success for `packet_ids`, in their order."""
    # Type, length and identifier of a PUBACK are one number of four bytes.
    numbers = [0x4002_0000 | packet_id for packet_id in packet_ids]
    return struct.pack(f">{len(numbers)}I", *numbers)


def suback(packet_id: int, reasons: Sequence[ReasonCode], version: int) -> bytes:
    """Return a SUBACK (§3.9); 3.1.1 has one code for every failure."""
    if version == 4:
        codes = bytes(min(reason, 0x80) for reason in reasons)
        return _packet(0x90, packet_id.to_bytes(2) + codes)
    return _packet(0x90, packet_id.to_bytes(2) + b"\0" + bytes(reasons))


def unsuback(packet_id: int, reasons: Sequence[ReasonCode], version: int) -> bytes:
    """Return an UNSUBACK (§3.11), which in 3.1.1 knows no reasons."""
    codes = b"\0" + bytes(reasons) if version == 5 else b""
    return _packet(0xB0, packet_id.to_bytes(2) + codes)


def publish(
    topic: str,
    payload: bytes,
    version: int,
    *,
    qos: int,
    packet_id: int | None,
    retain: bool,
) -> bytes:
    """Return a PUBLISH (§3.3)."""
    field = text_field(topic)
    if qos and packet_id is not None:
        field += packet_id.to_bytes(2)
    if version == 5:
        field += b"\0"
    return _packet(0x30 | qos << 1 | retain, field + payload)


def disconnect(reason: ReasonCode, version: int, reason_string: str | None) -> bytes:
    """Return a DISCONNECT (§3.14); empty in 3.1.1, whose servers only close."""
    if version == 4:
        return b""
    said = reason if reason in _DISCONNECT_REASONS else ReasonCode.PROTOCOL_ERROR
    explained = _explained(reason_string)
    return _packet(0xE0, bytes([said]) + (written(explained) if explained else b""))


def _packet(first: int, content: bytes) -> bytes:
    return bytes([first]) + variable_field(len(content)) + content
