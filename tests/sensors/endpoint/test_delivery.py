import threading
import time
from collections.abc import Sequence

import pytest

from sensors.delivery import Delivery
from sensors.endpoint import Endpoint, Limits
from tests.sensors.conftest import until
from tests.sensors.endpoint.conftest import Listen
from tests.sensors.endpoint.devices import (
    DISCONNECT,
    PINGREQ,
    PINGRESP,
    WELCOME,
    Device,
    HeldSink,
    connect_packet,
    connected,
    puback,
    publish_packet,
)

UP = "farm/f1/a/up"


def test_a_message_becomes_a_delivery(endpoint: Endpoint, sink: HeldSink) -> None:
    before = time.time_ns() // 1000
    with connected(endpoint.port) as device:
        device.send(publish_packet(UP, b"21.5", packet_id=7))
        until(sink.has(1))
    (delivery,) = sink.taken
    assert (delivery.topic, delivery.payload) == (UP, b"21.5")
    assert (delivery.device_id, delivery.farm) == ("a", "f1")
    assert before <= delivery.received_us <= time.time_ns() // 1000


@pytest.mark.parametrize("version", [4, 5])
def test_a_message_is_acknowledged_only_when_it_is_settled(
    endpoint: Endpoint, sink: HeldSink, version: int
) -> None:
    with connected(endpoint.port, version=version) as device:
        device.send(publish_packet(UP, packet_id=7, version=version))
        until(sink.has(1))
        # Had there been a PUBACK it would have come first.
        device.send(PINGREQ)
        assert device.read() == PINGRESP
        sink.settle()
        assert device.read() == puback(7)


def test_messages_of_a_chunk_come_together_and_are_acknowledged_in_order(
    endpoint: Endpoint, sink: HeldSink
) -> None:
    order = [3, 1, 2, 65_535]
    with connected(endpoint.port) as device:
        device.send(*(publish_packet(UP, b"%d" % n, packet_id=n) for n in order))
        until(sink.has(4))
        assert sink.payloads == [b"3", b"1", b"2", b"65535"]
        sink.settle(2)
        assert [device.read(), device.read()] == [puback(3), puback(1)]
        sink.settle()
        assert [device.read(), device.read()] == [puback(2), puback(65_535)]


def test_qos_0_is_delivered_and_not_acknowledged(
    endpoint: Endpoint, sink: HeldSink
) -> None:
    with connected(endpoint.port) as device:
        device.send(publish_packet(UP))
        until(sink.has(1))
        sink.settle()
        device.send(PINGREQ)
        assert device.read() == PINGRESP


def test_what_came_before_a_disconnect_is_delivered(
    endpoint: Endpoint, sink: HeldSink
) -> None:
    with connected(endpoint.port) as device:
        device.send(publish_packet(UP), publish_packet(UP), DISCONNECT)
        assert device.closed
    until(sink.has(2))


def test_a_repeated_message_in_flight_is_delivered_and_acknowledged_once(
    endpoint: Endpoint, sink: HeldSink
) -> None:
    with connected(endpoint.port) as device:
        device.send(publish_packet(UP, packet_id=7))
        device.send(publish_packet(UP, packet_id=7, dup=True), PINGREQ)
        assert device.read() == PINGRESP
        assert len(sink.taken) == 1
        sink.settle()
        assert device.read() == puback(7)
        device.send(PINGREQ)
        assert device.read() == PINGRESP
        # Settled: the identifier now stands for another message.
        device.send(publish_packet(UP, packet_id=7, dup=True))
        until(sink.has(2))


def test_repeated_messages_do_not_use_up_the_receive_maximum(
    listen: Listen, sink: HeldSink
) -> None:
    endpoint = listen(sink, limits=Limits(in_flight=2))
    with connected(endpoint.port, version=5) as device:
        device.send(publish_packet(UP, packet_id=7, version=5))
        for _ in range(3):
            again = publish_packet(UP, packet_id=7, version=5, dup=True)
            device.send(again, PINGREQ)
            assert device.read() == PINGRESP
        device.send(publish_packet(UP, packet_id=8, version=5), PINGREQ)
        assert device.read() == PINGRESP
    assert len(sink.taken) == 2


def test_an_identifier_in_flight_for_another_message_closes(
    endpoint: Endpoint, sink: HeldSink
) -> None:
    with connected(endpoint.port, version=5) as device:
        device.send(publish_packet(UP, b"1", packet_id=7, version=5))
        device.send(publish_packet(UP, b"2", packet_id=7, version=5))
        assert device.read() == b"\xe0\x01\x82"
        assert device.closed
    assert sink.payloads == [b"1"]


def test_what_was_not_acknowledged_is_delivered_again_on_the_next_connection(
    endpoint: Endpoint, sink: HeldSink
) -> None:
    with connected(endpoint.port) as device:
        device.send(publish_packet(UP, packet_id=7))
        until(sink.has(1))
    with connected(endpoint.port) as device:
        device.send(publish_packet(UP, packet_id=7, dup=True))
        until(sink.has(2))
        # The first is nobody's now; the second is acknowledged.
        sink.settle(1)
        device.send(PINGREQ)
        assert device.read() == PINGRESP
        sink.settle()
        assert device.read() == puback(7)


def test_a_topic_without_right_is_refused_by_its_puback_in_mqtt_5(
    endpoint: Endpoint, sink: HeldSink
) -> None:
    with connected(endpoint.port, version=5) as device:
        device.send(publish_packet("farm/f1/b/up", packet_id=1, version=5))
        assert device.read() == b"\x40\x03\x00\x01\x87"
        device.send(publish_packet(UP, packet_id=1, version=5))
        until(lambda: sink.topics == [UP])
        sink.settle()
        assert device.read() == puback(1)
    assert endpoint.counts.publishes_refused == 1


def test_faults_of_a_device_are_told_but_do_not_fill_the_log(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a", "a", "b"):
        with connected(endpoint.port, name) as device:
            device.send(publish_packet("farm/f1/c/up"))
            assert device.closed
    told = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert told == [
        "device a may not publish on 'farm/f1/c/up'",
        "device b may not publish on 'farm/f1/c/up'",
    ]


def test_a_topic_without_right_closes_in_3_1_1(
    endpoint: Endpoint, sink: HeldSink
) -> None:
    with connected(endpoint.port) as device:
        device.send(publish_packet("farm/f1/b/up", packet_id=1), publish_packet(UP))
        assert device.read() == b""
    assert sink.taken == []


def test_a_gateway_publishes_for_its_farm(endpoint: Endpoint, sink: HeldSink) -> None:
    with connected(endpoint.port, "g") as gateway:
        gateway.send(publish_packet(UP, packet_id=1))
        until(lambda: sink.topics == [UP])
    assert sink.taken[0].device_id == "g"


@pytest.mark.parametrize("version", [4, 5])
def test_a_packet_beyond_the_limit_is_refused(
    listen: Listen, sink: HeldSink, version: int
) -> None:
    endpoint = listen(sink, limits=Limits(packet_bytes=1_000))
    with connected(endpoint.port, version=version) as device:
        device.send(publish_packet(UP, bytes(1_000), packet_id=1, version=version))
        answer = device.read()
        assert answer == b"" if version == 4 else answer[0::2][:2] == b"\xe0\x95"
    assert sink.taken == []


def test_reading_pauses_beyond_the_window_and_goes_on_at_half(
    listen: Listen, sink: HeldSink
) -> None:
    endpoint = listen(sink, limits=Limits(in_flight=10, keep_alive_seconds=1))
    with connected(endpoint.port) as device, connected(endpoint.port, "b") as other:
        # Each in a chunk of its own: a chunk that was read is delivered whole.
        for number in range(1, 12):
            device.send(publish_packet(UP, packet_id=number))
            until(sink.has(number))
        device.send(publish_packet(UP, packet_id=12), PINGREQ)
        other.send(publish_packet("farm/f1/b/up", packet_id=1), PINGREQ)
        assert other.read() == PINGRESP
        assert sink.count("a") == 11
        sink.settle(5)
        for number in range(1, 6):
            assert device.read() == puback(number)
        other.send(PINGREQ)
        assert other.read() == PINGRESP
        assert sink.count("a") == 11
        sink.settle(1)
        assert [device.read(), device.read()] == [puback(6), PINGRESP]
        assert sink.count("a") == 12


def test_a_client_that_keeps_to_the_window_is_heard(
    listen: Listen, sink: HeldSink
) -> None:
    endpoint = listen(sink, limits=Limits(in_flight=3))
    with connected(endpoint.port, version=5) as device:
        for number in range(1, 4):
            device.send(publish_packet(UP, packet_id=number, version=5))
        device.send(PINGREQ)
        assert device.read() == PINGRESP


def test_more_than_the_announced_receive_maximum_ends_the_connection(
    listen: Listen, sink: HeldSink
) -> None:
    endpoint = listen(sink, limits=Limits(in_flight=3))
    with connected(endpoint.port, version=5) as device:
        for number in range(1, 5):
            device.send(publish_packet(UP, packet_id=number, version=5))
        assert device.read()[::2][:2] == b"\xe0\x93"
    assert len(sink.taken) == 3


def test_a_full_sink_holds_who_publishes_until_there_is_room(listen: Listen) -> None:
    sink = HeldSink(capacity=2)
    endpoint = listen(sink)
    with connected(endpoint.port) as a, connected(endpoint.port, "b") as b:
        a.send(publish_packet(UP, packet_id=1))
        until(sink.has(1))
        a.send(publish_packet(UP, packet_id=2), PINGREQ)
        assert a.read() == PINGRESP
        # Full from here on: what was read is kept, what comes is not read.
        a.send(publish_packet(UP, packet_id=3))
        b.send(publish_packet("farm/f1/b/up", packet_id=1))
        with connected(endpoint.port, "c") as c:
            c.send(PINGREQ)
            assert c.read() == PINGRESP
        assert len(sink.taken) == 2
        sink.settle(1)
        assert a.read() == puback(1)
        until(sink.has(3))
        sink.settle(2)
        until(sink.has(4))
        sink.settle()
        assert [a.read(), a.read(), b.read()] == [puback(2), puback(3), puback(1)]
        # Both are read again.
        a.send(publish_packet(UP, packet_id=4))
        b.send(publish_packet("farm/f1/b/up", packet_id=2))
        until(sink.has(6))


def test_a_device_whose_messages_find_no_place_is_sent_away(
    listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sensors.endpoint.intake.HELD_BYTES", 2_000)
    sink = HeldSink(capacity=1)
    endpoint = listen(sink)
    with connected(endpoint.port, "b") as b, connected(endpoint.port, version=5) as a:
        b.send(publish_packet("farm/f1/b/up", packet_id=1), PINGREQ)
        assert b.read() == PINGRESP
        b.send(publish_packet("farm/f1/b/up", bytes(1_600), packet_id=2))
        until(lambda: endpoint._service.intake._held > 0)  # type: ignore[union-attr]
        a.send(publish_packet(UP, bytes(1_600), packet_id=1, version=5))
        assert a.read() == b"\xe0\x01\x89"
        sink.settle()
        until(sink.has(2))
        sink.settle()
        assert [b.read(), b.read()] == [puback(1), puback(2)]
    # It sends again what was not acknowledged.
    assert sink.count("a") == 0


def test_a_full_sink_keeps_qos_0_of_devices_that_have_gone(listen: Listen) -> None:
    sink = HeldSink(capacity=1)
    endpoint = listen(sink)
    with connected(endpoint.port) as device:
        device.send(publish_packet(UP, b"1"), PINGREQ)
        assert device.read() == PINGRESP
        last = publish_packet(UP, b"2"), publish_packet(UP, b"3", packet_id=1)
        device.send(*last, DISCONNECT)
        assert device.closed
    sink.settle()
    until(sink.has(2))
    assert sink.payloads == [b"1", b"2"]


def test_a_full_sink_keeps_wills(listen: Listen) -> None:
    sink = HeldSink(capacity=1)
    endpoint = listen(sink)
    with connected(endpoint.port, will=("farm/f1/a/state", b"gone")) as device:
        device.send(publish_packet(UP, b"1"))
        until(sink.has(1))
    until(lambda: endpoint.connections == 0)
    sink.settle()
    until(sink.has(2))
    assert sink.payloads == [b"1", b"gone"]


def test_a_device_beyond_its_allowance_goes_on_when_time_has_passed(
    listen: Listen,
) -> None:
    sink = HeldSink(at_once=True)
    endpoint = listen(sink, limits=Limits(messages_per_minute=6_000))
    with connected(endpoint.port) as device:
        device.send(publish_packet(UP) * 6_000)
        until(sink.has(6_000))
        device.send(publish_packet(UP))
        until(sink.has(6_001))


def test_the_allowance_survives_a_new_connection(listen: Listen) -> None:
    sink = HeldSink(at_once=True)
    endpoint = listen(sink, limits=Limits(messages_per_minute=1))
    with connected(endpoint.port) as device:
        device.send(publish_packet(UP, packet_id=1))
        assert device.read() == puback(1)
    with Device(endpoint.port) as device, connected(endpoint.port, "b") as other:
        device.send(connect_packet("a"), publish_packet(UP, packet_id=1))
        assert device.read() == WELCOME
        device.send(publish_packet(UP, packet_id=2))
        other.send(publish_packet("farm/f1/b/up", packet_id=1))
        assert other.read() == puback(1)
        assert sink.count("a") == 1


def test_what_came_behind_a_connect_is_taken_when_there_is_allowance_again(
    listen: Listen,
) -> None:
    sink = HeldSink(at_once=True)
    endpoint = listen(sink, limits=Limits(messages_per_minute=6_000, in_flight=9_999))
    with connected(endpoint.port) as device:
        # In debt for 0.2 s.
        device.send(publish_packet(UP) * 6_020)
        until(sink.has(6_020))
    with Device(endpoint.port) as device:
        device.send(connect_packet("a"), publish_packet(UP, packet_id=1))
        assert device.read() == WELCOME
        device.send(publish_packet(UP, packet_id=2))
        assert [device.read(), device.read()] == [puback(1), puback(2)]


class GatedSink(HeldSink):
    """Holds the loop at the first message until `gate` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()

    def put(self, deliveries: Sequence[Delivery]) -> bool:
        room = super().put(deliveries)
        self.gate.wait(20)
        return room


def test_a_flood_of_one_device_does_not_starve_another(listen: Listen) -> None:
    sink = GatedSink()
    endpoint = listen(sink, limits=Limits(in_flight=1_000_000))
    message = publish_packet(UP)
    with connected(endpoint.port) as flooding, connected(endpoint.port, "b") as quiet:
        sending = threading.Thread(target=flooding.send, args=(message * 100_000,))
        sending.start()
        until(lambda: len(sink.taken) > 0)
        quiet.send(publish_packet("farm/f1/b/up", packet_id=1))
        sink.gate.set()
        until(lambda: sink.count("b") == 1)
        before = [delivery.device_id for delivery in sink.taken].index("b")
        # A slice of 16 KiB in each pass of the loop, and what uvloop had read before.
        assert before <= 4 * 16_384 // len(message)
        until(sink.has(100_001))
        sending.join()
