"""Many devices in one process: a part of bench/readings.py, to be run by it.

Reads one JSON object from standard input: ``port``, ``devices`` (a list of id, farm,
secret), ``messages`` a device, ``window`` unacknowledged messages a device, ``start``
(POSIX seconds of the first reading). Every device keeps its connection, sends each
message with QoS 1 until its PUBACK has come, and after a lost connection sends what
was not acknowledged once more, marked DUP. Prints how many messages are acknowledged,
a line a quarter second, and at the end one JSON object.

The packets are made before the clock starts: what is measured is the receiver.
"""

import asyncio
import json
import random
import struct
import sys
import time
from collections import deque
from dataclasses import dataclass
from typing import cast

import uvloop

CONNECT, CONNACK, PUBACK = 0x10, 0x20, 0x40
DUP = 0x08
QUANTITIES = ("body_temperature", "activity", "rumination", "battery")
KEEP_ALIVE = 60


def values(device: int, message: int) -> tuple[float, float, float, float]:
    """Return what device number `device` measures in its message number `message`."""
    return (
        38.0 + (device * 7 + message) % 100 / 100,
        float((device + message * 3) % 90),
        float((device * 5 + message) % 55),
        3.5 + (device + message) % 40 / 100,
    )


def payload(device: int, message: int, start: int) -> bytes:
    """Return one message of four readings; messages are one second apart."""
    time_text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(start + message))
    readings = dict(zip(QUANTITIES, values(device, message), strict=True))
    document = {"seq": message, "ts": time_text, "readings": readings}
    return json.dumps(document, separators=(",", ":")).encode()


def publish_packet(topic: bytes, content: bytes, packet_id: int) -> bytes:
    """Return an MQTT 3.1.1 PUBLISH with QoS 1."""
    rest = (
        struct.pack(">H", len(topic)) + topic + struct.pack(">H", packet_id) + content
    )
    return b"\x32" + _length(len(rest)) + rest


def connect_packet(device_id: str, secret: str) -> bytes:
    """Return an MQTT 3.1.1 CONNECT with a clean session."""
    fields = b"".join(_text(text.encode()) for text in (device_id, device_id, secret))
    rest = _text(b"MQTT") + struct.pack(">BBH", 4, 0xC2, KEEP_ALIVE) + fields
    return bytes([CONNECT]) + _length(len(rest)) + rest


def _text(text: bytes) -> bytes:
    return struct.pack(">H", len(text)) + text


def _length(number: int) -> bytes:
    out = bytearray()
    while True:
        number, low = divmod(number, 128)
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


@dataclass(slots=True)
class Swarm:
    """What all devices share."""

    port: int
    window: int
    acknowledged: int = 0
    resent: int = 0
    reconnects: int = 0
    unexpected: int = 0
    waiting: int = 0
    finished: asyncio.Event | None = None


class Device(asyncio.Protocol):
    """One device: its packets, and which of them are on their way."""

    def __init__(self, swarm: Swarm, connect: bytes, packets: list[bytes]) -> None:
        self.swarm = swarm
        self.connect = connect
        self.packets = packets
        self.next = 0
        self.in_flight: deque[int] = deque()
        self.transport: asyncio.Transport | None = None
        self.buffer = b""
        self.welcome = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say who we are."""
        # uvloop's transports are no subclasses of asyncio's.
        self.transport = cast(asyncio.Transport, transport)
        self.buffer, self.welcome = b"", False
        transport.write(self.connect)

    def data_received(self, data: bytes) -> None:
        """Take CONNACK and PUBACKs, and send on."""
        if self.buffer:
            data = self.buffer + data
        whole = len(data) - len(data) % 4
        for at in range(0, whole, 4):
            self._packet(data[at], data[at + 2], data[at + 3])
        self.buffer = data[whole:]
        if self.welcome:
            self._fill()

    def _packet(self, kind: int, high: int, low: int) -> None:
        if kind == PUBACK and self.in_flight:
            index = self.in_flight.popleft()
            if index % 65_535 + 1 != high << 8 | low:
                self.swarm.unexpected += 1
            self.swarm.acknowledged += 1
            if not self.in_flight and self.next == len(self.packets):
                self._done()
        elif kind == CONNACK and low == 0:
            self.welcome = True
            self._resend()
        else:
            self.swarm.unexpected += kind != CONNACK
            assert self.transport is not None
            self.transport.abort()

    def _done(self) -> None:
        self.swarm.waiting -= 1
        if not self.swarm.waiting and self.swarm.finished:
            self.swarm.finished.set()

    def _resend(self) -> None:
        again = [self.packets[index] for index in self.in_flight]
        self.swarm.resent += len(again)
        assert self.transport is not None
        self.transport.write(b"".join(bytes([p[0] | DUP]) + p[1:] for p in again))

    def _fill(self) -> None:
        room = min(
            self.swarm.window - len(self.in_flight), len(self.packets) - self.next
        )
        # Half a window at a time, so that one write carries many messages.
        if room and (room * 2 >= self.swarm.window or not self.in_flight):
            first, self.next = self.next, self.next + room
            self.in_flight.extend(range(first, self.next))
            assert self.transport is not None
            self.transport.write(b"".join(self.packets[first : self.next]))

    def connection_lost(self, exc: Exception | None) -> None:
        """Come back a moment later."""
        if self.in_flight or self.next < len(self.packets):
            self.swarm.reconnects += 1
            pause = random.uniform(0.05, 0.4)
            loop = asyncio.get_running_loop()
            loop.call_later(pause, lambda: loop.create_task(connect(self)))


async def connect(device: Device) -> None:
    """Connect until it works."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            await loop.create_connection(lambda: device, "127.0.0.1", device.swarm.port)
        except OSError:
            await asyncio.sleep(random.uniform(0.1, 0.5))
        else:
            return


def make_devices(task: dict[str, object], swarm: Swarm) -> list[Device]:
    """Make all devices with all of their packets."""
    made = []
    listed = task["devices"]
    count, start = task["messages"], task["start"]
    assert isinstance(listed, list)
    assert isinstance(count, int)
    assert isinstance(start, int)
    for number, (device_id, farm, secret) in enumerate(listed):
        topic = f"farm/{farm}/{device_id}/up".encode()
        packets = [
            publish_packet(topic, payload(number, i, start), i % 65_535 + 1)
            for i in range(count)
        ]
        made.append(Device(swarm, connect_packet(device_id, secret), packets))
    return made


async def report(swarm: Swarm) -> None:
    """Print the progress for whoever started this."""
    while True:
        print(swarm.acknowledged, flush=True)
        await asyncio.sleep(0.25)


async def run(task: dict[str, object]) -> None:
    """Connect everybody, say so, wait for the word, publish, and report."""
    port, window = task["port"], task["window"]
    assert isinstance(port, int)
    assert isinstance(window, int)
    swarm = Swarm(port=port, window=window, finished=asyncio.Event())
    devices = make_devices(task, swarm)
    swarm.waiting = len(devices)
    started = time.monotonic()
    reporting = asyncio.create_task(report(swarm))
    await asyncio.gather(*(connect(device) for device in devices))
    assert swarm.finished is not None
    await swarm.finished.wait()
    seconds = time.monotonic() - started
    reporting.cancel()
    result = {
        "acknowledged": swarm.acknowledged,
        "resent": swarm.resent,
        "reconnects": swarm.reconnects,
        "unexpected": swarm.unexpected,
        "seconds": seconds,
    }
    print(json.dumps(result), flush=True)


def main() -> None:
    """Take the task from standard input."""
    uvloop.run(run(json.loads(sys.stdin.readline())))


if __name__ == "__main__":
    main()
