import random
import socket
import struct
import threading
import time
from collections.abc import Sequence

import pytest

from sensors.endpoint import Endpoint, Limits, Login, Principal, Refusal
from sensors.mqtt.codes import ReasonCode
from tests.sensors.conftest import until
from tests.sensors.endpoint.conftest import Listen
from tests.sensors.endpoint.devices import (
    DISCONNECT,
    PINGREQ,
    PINGRESP,
    Device,
    HeldSink,
    connect_packet,
    connected,
    puback,
    publish_packet,
    subscribe_packet,
)

UP = "farm/f1/a/up"
WILL = ("farm/f1/a/state", b'{"online": false}')


class Diary:
    """Presence that writes down what it is told."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def connected(self, device_id: str, at_us: int, address: str) -> None:
        assert at_us > 1_700_000_000_000_000
        self.lines.append((device_id, address))

    def disconnected(self, device_id: str, at_us: int, reason: str) -> None:
        assert at_us > 1_700_000_000_000_000
        self.lines.append((device_id, reason))


def test_presence_is_told_of_each_session(listen: Listen, sink: HeldSink) -> None:
    diary = Diary()
    endpoint = listen(sink, presence=diary)
    with connected(endpoint.port) as device:
        device.send(DISCONNECT)
        assert device.closed
    assert diary.lines == [("a", "127.0.0.1"), ("a", "disconnected")]


@pytest.mark.parametrize(("version", "goodbye"), [(4, b""), (5, b"\xe0\x01\x8e")])
def test_a_second_connection_of_a_device_takes_over(
    listen: Listen, sink: HeldSink, version: int, goodbye: bytes
) -> None:
    diary = Diary()
    endpoint = listen(sink, presence=diary)
    with (
        connected(endpoint.port, version=version) as first,
        connected(endpoint.port) as second,
    ):
        assert first.read() == goodbye
        assert first.closed
        second.send(PINGREQ)
        assert second.read() == PINGRESP
        assert endpoint.connections == 1
    assert diary.lines[:3] == [
        ("a", "127.0.0.1"),
        ("a", "connected again elsewhere"),
        ("a", "127.0.0.1"),
    ]
    assert endpoint.counts.taken_over == 1


def test_the_end_of_the_first_session_leaves_the_second(endpoint: Endpoint) -> None:
    first = connected(endpoint.port)
    with connected(endpoint.port) as second:
        first.socket.close()
        second.send(PINGREQ)
        assert second.read() == PINGRESP
        assert endpoint.connections == 1


@pytest.mark.parametrize("version", [4, 5])
def test_the_will_of_a_device_that_vanished_is_delivered(
    endpoint: Endpoint, sink: HeldSink, version: int
) -> None:
    with connected(endpoint.port, version=version, will=WILL) as device:
        device.send(publish_packet(UP, version=version))
        until(sink.has(1))
    until(sink.has(2))
    will = sink.taken[1]
    assert (will.topic, will.payload) == WILL
    assert (will.device_id, will.farm, will.handle) == ("a", "f1", None)
    sink.settle()


def test_a_normal_disconnect_takes_the_will_back(
    endpoint: Endpoint, sink: HeldSink
) -> None:
    with connected(endpoint.port, will=WILL) as device:
        device.send(DISCONNECT)
        assert device.closed
    assert sink.taken == []


def test_a_disconnect_with_will_delivers_it(endpoint: Endpoint, sink: HeldSink) -> None:
    with connected(endpoint.port, version=5, will=WILL) as device:
        device.send(publish_packet(UP, version=5), b"\xe0\x01\x04")
        assert device.closed
    assert sink.topics == [UP, WILL[0]]


@pytest.mark.parametrize(("version", "code"), [(4, 5), (5, 0x87)])
def test_a_will_on_a_topic_without_right_is_refused(
    endpoint: Endpoint, sink: HeldSink, version: int, code: int
) -> None:
    with Device(endpoint.port) as device:
        will = ("farm/f1/b/state", b"x")
        device.send(connect_packet("a", version=version, will=will))
        assert device.read()[3] == code
        assert device.closed
    assert sink.taken == []
    assert endpoint.connections == 0


def test_silence_ends_a_connection(endpoint: Endpoint, sink: HeldSink) -> None:
    # The socket stays open and says nothing: half-open, for all the server can see.
    with connected(endpoint.port, version=5, keep_alive=1, will=WILL) as device:
        assert device.read() == b"\xe0\x01\x8d"
        assert device.closed
    assert sink.topics == [WILL[0]]
    assert endpoint.counts.timeouts == 1


def test_silence_may_last_one_and_a_half_keep_alives(endpoint: Endpoint) -> None:
    # MQTT 3.1.1, section 3.1.2.10.
    with connected(endpoint.port, keep_alive=1) as device:
        begun = time.monotonic()
        assert device.closed
    assert time.monotonic() - begun > 1.4


def test_silence_of_3_1_1_without_keep_alive_has_an_end(
    listen: Listen, sink: HeldSink
) -> None:
    endpoint = listen(sink, limits=Limits(idle_seconds=0.1))
    with connected(endpoint.port, keep_alive=0) as device:
        assert device.closed
    assert endpoint.counts.timeouts == 1


def test_mqtt_5_without_keep_alive_is_given_one(listen: Listen, sink: HeldSink) -> None:
    endpoint = listen(sink, limits=Limits(keep_alive_seconds=1_200))
    with Device(endpoint.port) as device:
        device.send(connect_packet("a", version=5, keep_alive=0))
        # Property 19, Server Keep Alive (§3.2.2.3.14).
        assert b"\x13\x04\xb0" in device.read()


def test_a_connection_that_is_held_is_not_closed_for_silence(
    listen: Listen, sink: HeldSink
) -> None:
    endpoint = listen(sink, limits=Limits(in_flight=1, connect_seconds=0.1))
    with (
        connected(endpoint.port, keep_alive=1) as device,
        connected(endpoint.port, "b", keep_alive=1) as silent,
    ):
        for number in (1, 2):
            device.send(publish_packet(UP, packet_id=number))
            until(sink.has(number))
        # Whoever spoke last is closed last.
        silent.send(PINGREQ)
        assert silent.read() == PINGRESP
        assert silent.closed
        sink.settle()
        assert [device.read(), device.read()] == [puback(1), puback(2)]
        # Nor right after: all connections are looked at before this one is closed.
        with Device(endpoint.port) as stranger:
            assert stranger.closed
        device.send(PINGREQ)
        assert device.read() == PINGRESP


@pytest.mark.parametrize(
    "limits",
    [
        Limits(slow_reader_seconds=0.1, unread_bytes=1_000_000_000),
        Limits(slow_reader_seconds=1_000.0),
    ],
    ids=["for too long", "too much"],
)
def test_a_slow_reader_is_closed(
    listen: Listen, sink: HeldSink, limits: Limits
) -> None:
    endpoint = listen(sink, limits=limits)
    with connected(endpoint.port) as device, connected(endpoint.port, "b") as other:
        device.send(subscribe_packet("farm/f1/a/down/#"))
        assert device.read()[0] == 0x90
        # Beyond what the system itself keeps for a reader.
        for number in range(90):
            endpoint.send("a", "farm/f1/a/down/x", bytes(200_000), token=number)
        until(lambda: endpoint.counts.slow_readers == 1)
        other.send(PINGREQ)
        assert other.read() == PINGRESP
        assert endpoint.connections == 1


@pytest.mark.parametrize(("version", "goodbye"), [(4, b""), (5, b"\xe0\x01\x98")])
def test_a_kicked_device_is_told_and_closed(
    endpoint: Endpoint, version: int, goodbye: bytes
) -> None:
    with (
        connected(endpoint.port, version=version) as device,
        connected(endpoint.port, "b") as other,
    ):
        endpoint.kick(["a", "unknown"], ReasonCode.ADMINISTRATIVE_ACTION)
        assert device.read() == goodbye
        assert device.closed
        other.send(PINGREQ)
        assert other.read() == PINGRESP


def test_a_login_under_way_is_kicked_too(listen: Listen, sink: HeldSink) -> None:
    class Slow:
        def __init__(self) -> None:
            self.asked, self.go = threading.Event(), threading.Event()

        def authenticate(self, logins: Sequence[Login]) -> list[Principal | Refusal]:
            self.asked.set()
            self.go.wait(20)
            return [Principal(login.device_id, "f1") for login in logins]

    slow = Slow()
    endpoint = listen(sink, authenticator=slow)
    with Device(endpoint.port) as device:
        device.send(connect_packet("a", version=5))
        assert slow.asked.wait(20)
        # Revoked after the authenticator looked and before it answered.
        endpoint.kick(["a"], ReasonCode.ADMINISTRATIVE_ACTION)
        assert device.read()[3] == 0x87
        slow.go.set()
        assert device.closed
    assert endpoint.counts.logins == 0


def test_garbage_closes_only_its_own_connection(endpoint: Endpoint) -> None:
    noise = random.Random(5)
    with connected(endpoint.port, "b") as other:
        for _ in range(100):
            with Device(endpoint.port) as device:
                # Sent after a CONNECT every other time; the rest of a packet may be
                # awaited, so the device leaves.
                device.send(connect_packet("a") if noise.random() < 0.5 else b"")
                device.send(noise.randbytes(noise.randrange(1, 2_000)))
        other.send(PINGREQ)
        assert other.read() == PINGRESP
    until(lambda: endpoint.connections == 0)


def test_stopping_acknowledges_what_is_settled_in_time(
    listen: Listen, sink: HeldSink
) -> None:
    endpoint = listen(sink)
    with connected(endpoint.port, version=5, will=WILL) as device:
        device.send(publish_packet(UP, packet_id=1, version=5))
        until(sink.has(1))
        stopping = threading.Thread(target=endpoint.stop)
        stopping.start()
        # The port is released first.
        until(lambda: _refused(endpoint.port))
        device.send(publish_packet(UP, b"too late", packet_id=2, version=5))
        sink.settle()
        assert device.read() == puback(1)
        assert device.read() == b"\xe0\x01\x8b"
        assert device.closed
        stopping.join()
    assert not endpoint.running
    # Wills are not for our own stop.
    assert sink.topics == [UP]


def _refused(port: int) -> bool:
    with socket.socket() as probe:
        # Reset when closed, so that nothing stays behind.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_stopping_does_not_wait_for_ever_and_a_late_settlement_is_harmless(
    listen: Listen, sink: HeldSink
) -> None:
    endpoint = listen(sink)
    with connected(endpoint.port) as device:
        device.send(publish_packet(UP, packet_id=1))
        until(sink.has(1))
        endpoint.stop(timeout=0.0)
        assert device.read() == b""
    sink.settle()


def test_a_client_that_does_not_read_does_not_hold_the_stop(
    listen: Listen, sink: HeldSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sensors.endpoint.service.FAREWELL_SECONDS", 0.1)
    endpoint = listen(sink, limits=Limits(unread_bytes=1_000_000_000))
    stranger = Device(endpoint.port)
    with stranger, connected(endpoint.port) as device:
        device.send(subscribe_packet("farm/f1/a/down/#"))
        assert device.read()[0] == 0x90
        for number in range(90):
            endpoint.send("a", "farm/f1/a/down/x", bytes(200_000), token=number)
        # Waits until all of them are written; what is unread is given up.
        endpoint.stop()
        assert not endpoint.running
        received = 0
        while chunk := _received(device.socket):
            received += len(chunk)
        assert received < 90 * 200_000


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1_000_000)
    except ConnectionResetError:
        return b""


def test_a_stopped_endpoint_starts_again(listen: Listen) -> None:
    sink = HeldSink(at_once=True)
    endpoint = listen(sink)
    endpoint.stop()
    endpoint.start()
    with connected(endpoint.port) as device:
        device.send(publish_packet(UP, packet_id=1))
        assert device.read() == puback(1)


def test_without_uvloop_it_works_the_same(
    listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    # None in sys.modules is Python's own way to say that a module cannot be imported.
    monkeypatch.setitem(__import__("sys").modules, "uvloop", None)
    sink = HeldSink(at_once=True)
    endpoint = listen(sink, limits=Limits(in_flight=10))
    with connected(endpoint.port) as device:
        device.send(*(publish_packet(UP, packet_id=n) for n in range(1, 2_001)))
        for number in range(1, 2_001):
            assert device.read() == puback(number)
