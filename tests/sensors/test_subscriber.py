import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from sensors.delivery import Delivery
from sensors.errors import BrokerUnreachable, IngestStalled, PayloadInvalid
from sensors.formats import decode
from sensors.passwords import hash_secret
from sensors.publisher import Outgoing, Publisher, publish
from sensors.simulated import messages, village
from sensors.subscriber import Subscriber, topic_of
from sensors.writer import Writer
from store import Store, quarantine, readings
from tests.sensors.broker import Broker, free_port
from tests.sensors.conftest import until
from tests.sensors.mosquitto import Mosquitto, needs_mosquitto
from tests.stored import stored_readings

START = datetime(2026, 11, 20, tzinfo=UTC)
DEVICES = [device for device, _ in village()]
# A broker with a host and a port, and the version of MQTT to speak with it.
Place = tuple[Any, Literal[4, 5]]


class Held:
    """A sink that settles when it is told to."""

    def __init__(self, *, most: int = 1_000_000) -> None:
        self._most = most
        self._callbacks: list[Callable[[], None]] = []
        self.deliveries: list[Delivery] = []

    def put(self, deliveries: Sequence[Delivery]) -> bool:
        self.deliveries += deliveries
        return len(self.deliveries) < self._most

    def on_room(self, callback: Callable[[], None]) -> None:
        self._callbacks.append(callback)

    def settle(self, count: int) -> None:
        """Settle the oldest."""
        taken = self.deliveries[:count]
        del self.deliveries[:count]
        for delivery in taken:
            delivery.source.settled([delivery])
        for callback in self._callbacks:
            callback()

    @property
    def payloads(self) -> list[bytes]:
        return [delivery.payload for delivery in self.deliveries]


@pytest.fixture(
    params=[
        "iotcore",
        pytest.param("mosquitto 3.1.1", marks=needs_mosquitto),
        pytest.param("mosquitto 5", marks=needs_mosquitto),
    ]
)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "iotcore":
        with Broker(port=free_port()) as broker:
            yield broker, 4
    else:
        with Mosquitto(tmp_path) as mosquitto:
            yield mosquitto, 4 if request.param.endswith("3.1.1") else 5


def subscribed(sink: Any, place: Place, **options: Any) -> Subscriber:
    broker, version = place
    return Subscriber(
        sink, host=broker.host, port=broker.port, version=version, **options
    )


@contextmanager
def ingest(store: Store, place: Place, **options: Any) -> Iterator[Writer]:
    with Writer(store) as writer, subscribed(writer, place, **options):
        yield writer


def numbered(count: int, *, start: int = 0) -> list[Outgoing]:
    return [
        Outgoing("farm/sim-lishu/sim-soil-1/up", b"%d" % n, 1)
        for n in range(start, start + count)
    ]


def soil(body: bytes, *, device: str = "sim-soil-1") -> Outgoing:
    return Outgoing(topic=f"farm/sim-lishu/{device}/up", payload=body, readings=1)


def moisture(value: object, *, minute: int = 0, device: str = "sim-soil-1") -> Outgoing:
    document = {
        "ts": f"2026-11-20T05:{minute:02}:00Z",
        "readings": {"soil_moisture": value},
    }
    return soil(json.dumps(document).encode(), device=device)


def send(place: Place, outgoing: Sequence[Outgoing]) -> None:
    publish(outgoing, host=place[0].host, port=place[0].port)


def stored(store: Store) -> int:
    with store.connection() as conn:
        return stored_readings(conn)


def cut(subscriber: Subscriber) -> None:
    """Break the connection under a subscriber."""
    connected = subscriber._client.socket()
    assert isinstance(connected, socket.socket)
    connected.shutdown(socket.SHUT_RDWR)


def test_village_hour_is_stored(village_store: Store, place: Place) -> None:
    hour = list(messages(DEVICES, start=START, end=START + timedelta(hours=1)))
    expected = sum(message.readings for message in hour)
    with ingest(village_store, place) as writer:
        send(place, hour)
        counts = writer.wait_for(messages=len(hour), timeout=30)
    assert counts.received == counts.stored == len(hour) == 35 * 6
    assert counts.readings_received == counts.readings_stored == expected
    assert stored(village_store) == expected


def test_bad_messages_are_kept_apart_and_the_rest_goes_on(
    village_store: Store, place: Place
) -> None:
    bad = [
        soil(b"moisture=0.2"),
        soil(b"\xff\xfe\x00"),
        soil(b'{"age_s": 0, "readings": {"soil_moisture": NaN}}'),
        moisture("wet"),
        moisture(0.2, device="stranger"),
    ]
    mixed = [
        message
        for minute, refused in enumerate(bad)
        for message in (moisture(0.25, minute=minute), refused)
    ]
    with ingest(village_store, place) as writer:
        send(place, mixed)
        counts = writer.wait_for(messages=len(mixed), timeout=30)
    assert (counts.stored, counts.quarantined, counts.pending) == (5, 5, 0)
    with village_store.connection() as conn:
        assert len(quarantine.newest(conn, 100)) == 5


def test_unacknowledged_messages_come_again_and_settled_ones_do_not(
    place: Place,
) -> None:
    first = Held()
    with subscribed(first, place):
        send(place, numbered(60))
        until(lambda: len(first.deliveries) == 60)
        first.settle(40)
        # The rest is never settled: as if the process had died.
        first.deliveries[0].source._unsettled = 0  # type: ignore[attr-defined]
    send(place, numbered(10, start=60))
    second = Held()
    with subscribed(second, place):
        until(lambda: len(second.deliveries) >= 30)
        assert second.payloads == [b"%d" % n for n in range(40, 70)]
        second.settle(30)
    third = Held()
    with subscribed(third, place):
        send(place, [soil(b"last")])
        until(lambda: bool(third.deliveries))
        assert third.payloads == [b"last"]
        third.settle(1)


def test_acknowledgements_are_not_sent_on_another_connection(place: Place) -> None:
    sink = Held()
    with subscribed(sink, place) as subscriber:
        send(place, numbered(20))
        until(lambda: len(sink.deliveries) == 20)
        cut(subscriber)
        until(lambda: len(sink.deliveries) == 40)
        # These have numbers that mean other messages now, or none.
        sink.settle(20)
        cut(subscriber)
        until(lambda: len(sink.deliveries) == 40)
        assert sink.payloads == [b"%d" % n for n in range(20)] * 2
        sink.settle(40)
    send(place, [soil(b"last")])
    with subscribed(sink, place):
        until(lambda: bool(sink.deliveries))
        assert sink.payloads == [b"last"]
        sink.settle(1)


def test_full_sink_holds_the_broker(place: Place) -> None:
    sink = Held(most=10)
    with subscribed(sink, place) as subscriber:
        send(place, numbered(50))
        until(lambda: len(sink.deliveries) == 10)
        until(lambda: not subscriber._room.is_set())
        seen: list[bytes] = []
        for _ in range(5):
            until(lambda: len(sink.deliveries) == 10)
            seen += sink.payloads
            sink.settle(10)
    assert seen == [b"%d" % n for n in range(50)]


def test_workers_of_a_group_share_the_messages_and_lose_none(
    village_store: Store, place: Place
) -> None:
    hours = list(messages(DEVICES, start=START, end=START + timedelta(hours=2)))
    with ExitStack() as stack:
        names = ("worker-1", "worker-2")
        writers = [
            stack.enter_context(
                ingest(village_store, place, client_id=name, group="ingest")
            )
            for name in names
        ]
        send(place, hours)
        expected = sum(message.readings for message in hours)
        until(lambda: stored(village_store) == expected)
        received = [writer.counts.received for writer in writers]
    assert sum(received) == len(hours)
    assert all(received)


@needs_mosquitto
def test_messages_of_a_worker_that_died_go_to_the_other(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        place: Place = (broker, 5)
        dead, alive = Held(), Held()
        group = {"group": "ingest"}
        with subscribed(alive, place, client_id="alive", **group):
            dying = subscribed(dead, place, client_id="dead", **group)
            dying.start()
            send(place, numbered(40))
            until(lambda: len(dead.deliveries) + len(alive.deliveries) == 40)
            assert dead.deliveries
            dying.stop(timeout=0)
            # The broker keeps them for the session; the same name takes them up again.
            reborn = Held()
            with subscribed(reborn, place, client_id="dead", **group):
                until(lambda: len(reborn.deliveries) >= len(dead.deliveries))
                came = {*alive.payloads, *reborn.payloads}
                reborn.settle(len(reborn.deliveries))
                alive.settle(len(alive.deliveries))
    assert came == {b"%d" % n for n in range(40)}


@needs_mosquitto
def test_restarted_broker_keeps_what_it_was_given(
    village_store: Store, tmp_path: Path
) -> None:
    with Mosquitto(tmp_path) as broker:
        place: Place = (broker, 4)
        with subscribed(Held(), place):
            pass
        send(place, [moisture(0.2, minute=n) for n in range(20)])
        broker.stop()
        broker.start()
        with ingest(village_store, place) as writer:
            assert writer.wait_for(messages=20, timeout=30).stored == 20


def test_broker_restarted_under_a_subscriber(
    village_store: Store, place: Place
) -> None:
    broker = place[0]
    with Writer(village_store) as writer, subscribed(writer, place) as subscriber:
        send(place, [moisture(0.2, minute=1)])
        writer.wait_for(messages=1, timeout=30)
        broker.stop()
        until(lambda: not subscriber.running)
        broker.start()
        until(lambda: subscriber.running)
        # It may have forgotten the subscription, which is made again after connecting.
        until(lambda: _comes_through(place, writer))
    assert stored(village_store) == 2


def _comes_through(place: Place, writer: Writer) -> bool:
    send(place, [moisture(0.2, minute=2)])
    return writer.counts.received > 1


def test_message_for_a_device_is_handed_to_the_broker(place: Place) -> None:
    came: list[MQTTMessage] = []
    ready, delivered = threading.Event(), threading.Event()
    device = Client(CallbackAPIVersion.VERSION2, client_id="device")
    device.on_message = lambda client, data, message: came.append(message)
    device.on_subscribe = lambda *_: ready.set()
    device.connect(place[0].host, place[0].port)
    device.subscribe("farm/a/d1/down/#", qos=1)
    device.loop_start()
    assert ready.wait(20)
    tokens: list[object] = []
    subscriber = subscribed(Held(), place)

    def note(token: object) -> None:
        tokens.append(token)
        delivered.set()

    subscriber.on_delivered = note
    topic = "farm/a/d1/down/command"
    assert not subscriber.send("d1", topic, b"early", token=1)
    with subscriber:
        assert subscriber.send("d1", topic, b"open", token=("c", 7))
        assert delivered.wait(20)
        until(lambda: bool(came))
    assert not subscriber.send("d1", topic, b"late", token=2)
    device.disconnect()
    device.loop_stop()
    assert [(m.topic, m.payload, m.retain) for m in came] == [(topic, b"open", False)]
    assert tokens == [("c", 7)]


@needs_mosquitto
def test_broker_asks_for_a_password(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text(f"heitu:{hash_secret('correct')}\n")
    with Mosquitto(tmp_path, f"password_file {passwords}") as broker:
        sink = Held()
        with subscribed(sink, (broker, 4), username="heitu", password="correct") as s:
            assert s.running
        wrong = subscribed(sink, (broker, 5), username="heitu", password="wr0ng")
        with pytest.raises(BrokerUnreachable, match="connection refused") as caught:
            wrong.start()
        assert "wr0ng" not in f"{caught.value} {wrong!r}"
        said = str(caught.value)
        assert "user name or the password is wrong" in said
        assert "HEITU_BROKER_USERNAME" in said
        assert "HEITU_BROKER_PASSWORD_FILE" in said
        assert "check that it runs" not in said


@needs_mosquitto
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_broker_with_tls(tmp_path: Path) -> None:
    certificate, key = tmp_path / "broker.crt", tmp_path / "broker.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    with Mosquitto(tmp_path, f"certfile {certificate}", f"keyfile {key}") as broker:
        with subscribed(Held(), (broker, 5), tls=certificate) as subscriber:
            assert subscriber.running
        with pytest.raises(BrokerUnreachable):
            subscribed(Held(), (broker, 4)).start(timeout=2)


def test_message_without_acknowledgement_is_stored_too(
    village_store: Store, place: Place
) -> None:
    client = Client(CallbackAPIVersion.VERSION2)
    client.connect(place[0].host, place[0].port)
    client.loop_start()
    message = moisture(0.25)
    with ingest(village_store, place) as writer:
        client.publish(message.topic, message.payload, qos=0).wait_for_publish(20)
        assert writer.wait_for(messages=1, timeout=30).stored == 1
    client.disconnect()
    client.loop_stop()


@pytest.mark.skipif(
    shutil.which("mosquitto_pub") is None,
    reason="mosquitto_pub is not installed (Debian package mosquitto-clients)",
)
def test_mosquitto_pub_reading_is_stored(village_store: Store, place: Place) -> None:
    broker, message = place[0], moisture(0.27)
    with ingest(village_store, place) as writer:
        subprocess.run(
            [
                *("mosquitto_pub", "-h", broker.host, "-p", str(broker.port)),
                *("-q", "1", "-t", message.topic, "-m", message.payload.decode()),
            ],
            check=True,
            timeout=30,
        )
        writer.wait_for(messages=1, timeout=30)
    with village_store.connection() as conn:
        (reading,) = readings.latest(conn, "sim-soil-1")
    assert reading.value == 0.27
    assert reading.time == datetime(2026, 11, 20, 5, 0, tzinfo=UTC)


def test_topic_that_is_not_utf8_names_no_device() -> None:
    topic = topic_of(MQTTMessage(topic=b"farm/\xff/a/up"))
    with pytest.raises(PayloadInvalid, match="topic"):
        decode(topic, b"{}", 0, publisher=None)


def test_nothing_listening_is_a_clear_error() -> None:
    port = free_port()
    subscriber = Subscriber(Held(), host="127.0.0.1", port=port)
    with pytest.raises(BrokerUnreachable, match=f"127.0.0.1:{port}"):
        subscriber.start()
    with pytest.raises(BrokerUnreachable, match=f"127.0.0.1:{port}"):
        Publisher(host="127.0.0.1", port=port).start()


def test_waiting_in_vain_says_how_many_came(store: Store) -> None:
    with Writer(store) as writer, pytest.raises(IngestStalled, match="0 of 1 messages"):
        writer.wait_for(messages=1, timeout=0)
