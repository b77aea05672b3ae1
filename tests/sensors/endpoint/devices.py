"""Devices that speak MQTT by hand, and a sink that settles when it is told."""

import socket
import struct
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from sensors.delivery import Delivery
from sensors.endpoint import Principal, StaticAuthenticator

FARM = "f1"
PASSWORD = b"right"
UP = "farm/f1/{}/up"


def principals() -> StaticAuthenticator:
    """Devices a, b and c, and the gateway g, all of farm f1."""
    return StaticAuthenticator(
        {
            name: (PASSWORD, Principal(name, FARM, gateway=name == "g"))
            for name in ("a", "b", "c", "g")
        }
    )


class HeldSink:
    """Keeps what it is given; settles at once, or when it is told.

    ``capacity``: unsettled messages with which it is full.
    """

    def __init__(self, *, at_once: bool = False, capacity: int = 1_000_000) -> None:
        self.taken: list[Delivery] = []
        self.at_once = at_once
        self.capacity = capacity
        self._settled = 0
        self._rooms: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def put(self, deliveries: Sequence[Delivery]) -> bool:
        with self._lock:
            self.taken.extend(deliveries)
            full = len(self.taken) - self._settled >= self.capacity
        if self.at_once:
            self.settle()
        return not full

    def on_room(self, callback: Callable[[], None]) -> None:
        self._rooms.append(callback)

    def settle(self, count: int | None = None) -> None:
        """Settle the oldest `count` messages that are not settled; None for all."""
        with self._lock:
            end = len(self.taken) if count is None else self._settled + count
            settled = self.taken[self._settled : end]
            self._settled = end
        if settled:
            settled[0].source.settled(settled)
        for room in self._rooms:
            room()

    def has(self, count: int) -> Callable[[], bool]:
        """Return the condition that `count` messages were taken."""
        return lambda: len(self.taken) == count

    @property
    def topics(self) -> list[str]:
        return [delivery.topic for delivery in self.taken]

    @property
    def payloads(self) -> list[bytes]:
        return [delivery.payload for delivery in self.taken]

    def count(self, device_id: str) -> int:
        return sum(delivery.device_id == device_id for delivery in self.taken)


def field(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack(">H", len(data)) + data


def packet(first: int, body: bytes) -> bytes:
    length, encoded = len(body), b""
    while True:
        length, digit = divmod(length, 128)
        encoded += bytes([digit | (0x80 if length else 0)])
        if not length:
            return bytes([first]) + encoded + body


def connect_packet(
    name: str | None = "a",
    *,
    password: bytes | None = PASSWORD,
    version: int = 4,
    keep_alive: int = 60,
    client_id: str = "",
    will: tuple[str, bytes] | None = None,
    properties: bytes = b"",
) -> bytes:
    flags = 0x02 | (0x80 if name is not None else 0) | (0x40 if password else 0)
    flags |= 0x04 if will else 0
    body = field("MQTT") + bytes([version, flags]) + struct.pack(">H", keep_alive)
    if version == 5:
        body += bytes([len(properties)]) + properties
    body += field(client_id)
    if will:
        body += (b"\0" if version == 5 else b"") + field(will[0]) + field(will[1])
    if name is not None:
        body += field(name)
    if password:
        body += field(password)
    return packet(0x10, body)


def publish_packet(
    topic: str,
    payload: bytes = b"x",
    *,
    packet_id: int | None = None,
    version: int = 4,
    dup: bool = False,
) -> bytes:
    qos = packet_id is not None
    body = field(topic) + (struct.pack(">H", packet_id) if packet_id else b"")
    body += b"\0" if version == 5 else b""
    return packet(0x30 | qos << 1 | dup << 3, body + payload)


def subscribe_packet(*filters: str, version: int = 4, packet_id: int = 1) -> bytes:
    body = struct.pack(">H", packet_id) + (b"\0" if version == 5 else b"")
    return packet(0x82, body + b"".join(field(name) + b"\x01" for name in filters))


PINGREQ = b"\xc0\x00"
PINGRESP = b"\xd0\x00"
DISCONNECT = b"\xe0\x00"
# 3.1.1: accepted.
WELCOME = b"\x20\x02\x00\x00"


class Device:
    """A client without any rules of its own."""

    def __init__(self, port: int, *, host: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection((host, port), timeout=20)
        self._read = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.socket.close()

    def send(self, *packets: bytes) -> None:
        self.socket.sendall(b"".join(packets))

    def read(self) -> bytes:
        """Next packet (of less than 128 bytes of content); empty when closed."""
        while len(self._read) < 2 or len(self._read) < 2 + self._read[1]:
            try:
                more = self.socket.recv(65_536)
            except ConnectionResetError:
                more = b""
            if not more:
                return b""
            self._read += more
        end = 2 + self._read[1]
        found, self._read = self._read[:end], self._read[end:]
        return found

    @property
    def closed(self) -> bool:
        """Whether the server has closed, whatever it said before."""
        while self.read():
            pass
        return True

    def fill(self, data: bytes) -> int:
        """Send until the other side takes no more; returns the bytes sent."""
        sent = 0
        self.socket.settimeout(0.3)
        try:
            while True:
                sent += self.socket.send(data[sent % len(data) :])
        except TimeoutError:
            return sent
        finally:
            self.socket.settimeout(20)


def puback(packet_id: int) -> bytes:
    return b"\x40\x02" + struct.pack(">H", packet_id)


def connected(port: int, name: str = "a", **options: object) -> Device:
    """Return a device of 3.1.1 (or ``version=5``) that was let in."""
    device = Device(port)
    device.send(connect_packet(name, **options))  # type: ignore[arg-type]
    answer = device.read()
    assert answer[0] == 0x20
    assert answer[3] == 0, answer
    return device
