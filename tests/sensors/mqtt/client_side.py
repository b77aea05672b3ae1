"""What a client sends, written field by field and independent of the server's code."""

import struct
from collections.abc import Sequence

from sensors.mqtt import Event, Publish, ReasonCode, ServerConnection


def length(value: int) -> bytes:
    """Variable Byte Integer by the standard's own pseudo code (§1.5.5)."""
    encoded = b""
    while True:
        value, digit = divmod(value, 128)
        encoded += bytes([digit | (128 if value else 0)])
        if not value:
            return encoded


def field(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack(">H", len(data)) + data


def packet(first: int, *content: bytes) -> bytes:
    whole = b"".join(content)
    return bytes([first]) + length(len(whole)) + whole


def properties(version: int, content: bytes = b"") -> bytes:
    return length(len(content)) + content if version == 5 else b""


def connect(
    version: int,
    *,
    flags: int = 0x02,
    keep_alive: int = 60,
    having: bytes = b"",
    payload: bytes = field("collar-7"),
    name: str = "MQTT",
) -> bytes:
    """CONNECT whose flags, properties and payload fields are given as bytes."""
    head = field(name) + bytes([version, flags]) + struct.pack(">H", keep_alive)
    return packet(0x10, head, properties(version, having), payload)


def publish(
    version: int,
    topic: str | bytes = "farm/a/collar-7/up",
    payload: bytes = b"{}",
    *,
    packet_id: int | None = 1,
    flags: int | None = None,
    having: bytes = b"",
) -> bytes:
    if flags is None:
        flags = 0 if packet_id is None else 2
    identifier = b"" if packet_id is None else struct.pack(">H", packet_id)
    return packet(
        0x30 | flags, field(topic), identifier, properties(version, having), payload
    )


def connected(version: int, **limits: int) -> ServerConnection:
    """A connection whose client was let in."""
    connection = ServerConnection(**limits)
    connection.receive(connect(version))
    connection.connack(ReasonCode.SUCCESS)
    return connection


def heard(version: int, *packets: bytes) -> list[Event]:
    """Events of packets that come after a CONNECT."""
    return connected(version).receive(b"".join(packets))


def topics(events: Sequence[Event]) -> list[str]:
    return [event.topic for event in events if isinstance(event, Publish)]
