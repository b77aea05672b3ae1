import json
from datetime import UTC, datetime, timedelta

import pytest

from sensors.writer import Replayed, Writer, replay_quarantine
from store import Store, devices, ledger, quarantine, readings
from store.devices import StreamSpec
from tests.sensors.writer.conftest import (
    NOON_US,
    SECOND,
    SOIL,
    Recorder,
    message,
    moist,
    probe,
)
from tests.stored import stored_readings


def quarantined(store: Store) -> int:
    with store.connection() as conn:
        return len(quarantine.newest(conn, 10_000))


def test_messages_leave_the_quarantine_when_they_can_be_stored(
    farm_store: Store, writer: Writer, recorder: Recorder
) -> None:
    batch = [
        moist(recorder, 1, device="late"),
        moist(recorder, 1, 0.9, device="late"),
        moist(recorder, 2, device="late"),
        moist(recorder, 2, device="late", more=1),
        message(recorder, b"hopeless"),
    ]
    writer.put(batch)
    assert writer.wait_for(messages=5, timeout=30).quarantined == 5
    assert replay_quarantine(farm_store) == Replayed(still=5)
    with farm_store.connection() as conn:
        devices.add(conn, probe("late"), SOIL)
    assert replay_quarantine(farm_store) == Replayed(
        stored=2, duplicate=1, conflict=1, still=1
    )
    assert quarantined(farm_store) == 1
    with farm_store.connection() as conn:
        total = ledger.totals(conn)
        assert total.readings_stored == stored_readings(conn) == 2
    # Each counts as received once when it came, and once more when it was replayed.
    assert (total.received, total.quarantined) == (9, 5)


def test_time_of_a_device_without_a_clock_is_that_of_its_first_receipt(
    farm_store: Store, writer: Writer, recorder: Recorder
) -> None:
    body = {"age_s": 60, "readings": {"co2": 400.0}}
    for seconds in (0, 3600):
        writer.put([message(recorder, body, received_us=NOON_US + seconds * SECOND)])
    writer.wait_for(messages=2, timeout=30)
    with farm_store.connection() as conn:
        devices.add_stream(conn, "p1", StreamSpec("co2", "[ppm]", "plot-1"))
    assert replay_quarantine(farm_store) == Replayed(stored=1)
    with farm_store.connection() as conn:
        (reading,) = readings.latest(conn, "p1")
    noon = datetime.fromtimestamp(NOON_US / SECOND, UTC)
    assert reading.time == noon - timedelta(seconds=60)


def test_only_chosen_messages_are_replayed(
    farm_store: Store, writer: Writer, recorder: Recorder
) -> None:
    writer.put([moist(recorder, n, device="late") for n in range(3)])
    writer.wait_for(messages=3, timeout=30)
    with farm_store.connection() as conn:
        devices.add(conn, probe("late"), SOIL)
        ids = sorted(m.quarantine_id for m in quarantine.newest(conn, 9))
    assert replay_quarantine(farm_store, ids=ids[1:2]) == Replayed(stored=1)
    assert replay_quarantine(farm_store, ids=ids[1:2]) == Replayed()
    assert quarantined(farm_store) == 2


def test_message_the_store_refuses_stays_and_the_others_leave(
    farm_store: Store,
    writer: Writer,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sensors.writer.replaying._PAGE", 4)
    batch = [
        moist(recorder, n, 13 if n == 5 else 0.2, device="late") for n in range(10)
    ]
    writer.put(batch)
    writer.wait_for(messages=10, timeout=30)
    with farm_store.connection() as conn:
        devices.add(conn, probe("late"), SOIL)
        conn.execute("ALTER TABLE reading ADD CHECK (value <> 13)")
    assert replay_quarantine(farm_store) == Replayed(stored=9, still=1)
    assert quarantined(farm_store) == 1


def test_message_is_replayed_as_of_its_publisher(
    farm_store: Store, writer: Writer, recorder: Recorder
) -> None:
    own, foreign = ("p1", "lishu"), ("p3", "dehui")
    me = "v1/devices/me/telemetry"
    writer.put([message(recorder, {"co2": 400.0}, topic=me, publisher=own)])
    # By its topic alone it would be p1's own.
    body = {"age_s": 0, "readings": {"soil_moisture": 0.2}}
    writer.put([message(recorder, body, publisher=foreign)])
    writer.wait_for(messages=2, timeout=30)
    with farm_store.connection() as conn:
        devices.add_stream(conn, "p1", StreamSpec("co2", "[ppm]", "plot-1"))
    assert replay_quarantine(farm_store) == Replayed(stored=1, still=1)
    with farm_store.connection() as conn:
        (reading,) = readings.latest(conn, "p1")
    assert reading.quantity == "co2"


def test_truncated_message_stays(
    farm_store: Store, writer: Writer, recorder: Recorder
) -> None:
    uplink = {
        "deviceInfo": {"devEui": "70b3d57ed0000001"},
        "time": "2026-11-23T05:30:00Z",
        "fCnt": 1,
        "object": {"soil_moisture": 0.2},
    }
    # What is kept of it could be read: the blanks behind are too many by one.
    payload = json.dumps(uplink).encode().ljust(65_537)
    topic = "application/1/device/70b3d57ed0000001/event/up"
    writer.put([message(recorder, payload, topic=topic)])
    writer.wait_for(messages=1, timeout=30)
    assert replay_quarantine(farm_store) == Replayed(still=1)
