from datetime import UTC, datetime

from api.demo_sensors import first_missing
from sensors.simulated import messages, village
from store import Store, devices, readings
from store.readings import ReadingRow

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_slot_after_a_live_reading_is_not_skipped(store: Store) -> None:
    device, specs = village()[0]
    live = datetime(2026, 11, 23, 11, 25, 40, tzinfo=UTC)
    with store.connection() as conn:
        stream = devices.add(conn, device, specs)[0]
        readings.write(conn, [ReadingRow(stream.stream_id, live, 1.0, 2, live)])
    start = first_missing(store, NOON)[device.device_id]
    outgoing = list(messages([device], start=start, end=NOON))
    # 11:30, 11:40 and 11:50.
    assert len(outgoing) == 3
    assert b"2026-11-23T11:30:00Z" in outgoing[0].payload


def test_device_never_heard_tells_its_last_day(store: Store) -> None:
    start = first_missing(store, NOON)["sim-soil-1"]
    assert start == datetime(2026, 11, 22, 12, tzinfo=UTC)
