import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from sensors.broker import Broker, free_port
from sensors.errors import BrokerUnreachable, IngestStalled, PayloadInvalid
from sensors.payload import parse
from sensors.publisher import Outgoing, Publisher, publish
from sensors.quantities import stream_specs
from sensors.simulated import INSTALLED_AT, messages, village
from sensors.subscriber import Subscriber, topic_of
from store import Store, devices, readings
from store.devices import Device
from store.readings import StreamReading
from tests.stored import stored_readings

START = datetime(2026, 11, 20, tzinfo=UTC)
DEVICES = [device for device, _ in village()]


def soil(body: bytes, *, device: str = "sim-soil-1") -> Outgoing:
    return Outgoing(topic=f"farm/sim-lishu/{device}/up", payload=body, readings=1)


def moisture(value: object, *, minute: int = 0, device: str = "sim-soil-1") -> Outgoing:
    document = {
        "ts": f"2026-11-20T05:{minute:02}:00Z",
        "readings": {"soil_moisture": value},
    }
    return soil(json.dumps(document).encode(), device=device)


def stored(store: Store, device_id: str) -> list[StreamReading]:
    with store.connection() as conn:
        return readings.between(
            conn,
            device_id,
            start=START - timedelta(days=1),
            end=datetime.now(UTC) + timedelta(days=1),
            limit=100,
        )


def test_village_hour_is_stored(
    village_store: Store, broker: Broker, subscriber: Subscriber
) -> None:
    hour = list(messages(DEVICES, start=START, end=START + timedelta(hours=1)))
    sent = publish(hour, host=broker.host, port=broker.port)
    assert sent.messages == 35 * 6
    assert sent.readings == 6 * (2 * 5 + 6 * 3 + 3 * 3 + 24 * 4)
    counts = subscriber.wait_for(messages=sent.messages, timeout=30)
    assert counts.received == counts.stored == sent.messages
    assert counts.readings_received == counts.readings_stored == sent.readings
    assert (counts.duplicate, counts.conflict, counts.quarantined) == (0, 0, 0)
    with village_store.connection() as conn:
        assert stored_readings(conn) == sent.readings
        newest = readings.latest(conn, "sim-soil-3")
    assert [(reading.quantity, reading.flag) for reading in newest] == [
        ("soil_moisture", 2),
        ("soil_temperature", 2),
        ("battery", 2),
    ]


def test_bad_messages_are_kept_apart_and_the_rest_goes_on(
    village_store: Store, broker: Broker, subscriber: Subscriber
) -> None:
    future = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    bad = {
        "not JSON": soil(b"moisture=0.2"),
        "not UTF-8": soil(b"\xff\xfe\x00"),
        "NaN is not": soil(b'{"age_s": 0, "readings": {"soil_moisture": NaN}}'),
        "too large": soil(b'{"age_s": 0, "readings": {"soil_moisture": 1e999}}'),
        "'wet' is not a number": moisture("wet"),
        "no quantity": soil(b'{"age_s": 0, "readings": {"co2": 410}}'),
        "is unknown": moisture(0.2, device="stranger"),
        "in the future": soil(
            b'{"ts": "%s", "readings": {"soil_moisture": 0.2}}' % future.encode()
        ),
        "before 2000": soil(
            b'{"ts": "1970-01-01T00:00:00Z", "readings": {"soil_moisture": 0.2}}'
        ),
        "larger than": soil(b'{"age_s": 0, "x": "' + b"x" * 17_000 + b'"}'),
    }
    mixed = [
        message
        for minute, refused in enumerate(bad.values())
        for message in (moisture(0.25, minute=minute), refused)
    ]
    publish(mixed, host=broker.host, port=broker.port)
    counts = subscriber.wait_for(messages=len(mixed), timeout=30)
    assert (counts.stored, counts.quarantined, counts.pending) == (10, 10, 0)
    assert [reading.value for reading in stored(village_store, "sim-soil-1")] == [
        0.25
    ] * 10
    with village_store.connection() as conn:
        reasons = [kept.reason for kept in readings.quarantined(conn, 100)]
    assert len(reasons) == len(bad)
    for expected in bad:
        assert sum(expected in reason for reason in reasons) == 1, expected


def test_history_sent_again_is_duplicate(
    village_store: Store, broker: Broker, subscriber: Subscriber
) -> None:
    first = messages(DEVICES, start=START, end=START + timedelta(minutes=20))
    publish(first, host=broker.host, port=broker.port)
    longer = messages(DEVICES, start=START, end=START + timedelta(minutes=30))
    publish(longer, host=broker.host, port=broker.port)
    counts = subscriber.wait_for(messages=5 * 35, timeout=30)
    assert (counts.stored, counts.duplicate, counts.conflict) == (3 * 35, 2 * 35, 0)
    with village_store.connection() as conn:
        assert stored_readings(conn) == counts.readings_stored


def test_another_value_for_the_same_time_is_a_conflict(
    village_store: Store, broker: Broker, subscriber: Subscriber
) -> None:
    publish([moisture(0.25), moisture(0.31)], host=broker.host, port=broker.port)
    counts = subscriber.wait_for(messages=2, timeout=30)
    assert (counts.stored, counts.conflict) == (1, 1)
    assert [reading.value for reading in stored(village_store, "sim-soil-1")] == [0.25]


def test_device_added_while_running_is_known(
    village_store: Store, broker: Broker, subscriber: Subscriber
) -> None:
    publish([moisture(0.2, device="new")], host=broker.host, port=broker.port)
    assert subscriber.wait_for(messages=1, timeout=30).quarantined == 1
    device = Device(
        device_id="new",
        farm="sim-lishu",
        name_zh="新墒情仪",
        name_en="New probe",
        kind="soil-probe",
        lon=124.34,
        lat=43.31,
        county="220322",
        simulated=True,
        created_at=INSTALLED_AT,
    )
    with village_store.connection() as conn:
        devices.add(conn, device, stream_specs("soil-probe", thing="plot-9"))
    publish([moisture(0.2, device="new")], host=broker.host, port=broker.port)
    assert subscriber.wait_for(messages=2, timeout=30).stored == 1


def test_message_without_acknowledgement_is_stored_too(
    village_store: Store, broker: Broker, subscriber: Subscriber
) -> None:
    client = Client(CallbackAPIVersion.VERSION2)
    client.connect(broker.host, broker.port)
    client.loop_start()
    message = moisture(0.25)
    client.publish(message.topic, message.payload, qos=0).wait_for_publish(20)
    assert subscriber.wait_for(messages=1, timeout=30).stored == 1
    client.disconnect()
    client.loop_stop()


@pytest.mark.skipif(
    shutil.which("mosquitto_pub") is None,
    reason="mosquitto_pub is not installed (Debian package mosquitto-clients)",
)
def test_mosquitto_pub_reading_is_stored(
    village_store: Store, broker: Broker, subscriber: Subscriber
) -> None:
    message = moisture(0.27)
    subprocess.run(
        [
            *("mosquitto_pub", "-h", broker.host, "-p", str(broker.port)),
            *("-q", "1", "-t", message.topic, "-m", message.payload.decode()),
        ],
        check=True,
        timeout=30,
    )
    subscriber.wait_for(messages=1, timeout=30)
    (reading,) = stored(village_store, "sim-soil-1")
    assert reading.value == 0.27
    assert reading.time == datetime(2026, 11, 20, 5, 0, tzinfo=UTC)


def test_topic_that_is_not_utf8_names_no_device() -> None:
    with pytest.raises(PayloadInvalid, match="topic"):
        parse(topic_of(MQTTMessage(topic=b"farm/\xff/a/up")), b"{}", START)


def test_nothing_listening_is_a_clear_error(village_store: Store) -> None:
    port = free_port()
    subscriber = Subscriber(village_store, host="127.0.0.1", port=port)
    with pytest.raises(BrokerUnreachable, match=f"127.0.0.1:{port}"):
        subscriber.start()
    with pytest.raises(BrokerUnreachable, match=f"127.0.0.1:{port}"):
        Publisher(host="127.0.0.1", port=port).start()


def test_waiting_in_vain_says_how_many_came(subscriber: Subscriber) -> None:
    with pytest.raises(IngestStalled, match="0 of 1 messages"):
        subscriber.wait_for(messages=1, timeout=0)
