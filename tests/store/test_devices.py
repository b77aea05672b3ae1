from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store import DeviceExists, DeviceUnknown, RowRefused, Store, devices, readings
from store.devices import Conflict, Device, StreamSpec
from store.migrate import migrate, migrations
from store.readings import ReadingRow

MAY = datetime(2026, 5, 1, tzinfo=UTC)
JULY = datetime(2026, 7, 1, tzinfo=UTC)

PROBE = Device(
    "p1", "f1", "探头", "Probe", "soil-probe", 124, 43, None, False, MAY, "70b3d57ed005"
)
LORA = replace(PROBE, device_id="p2", external_id="0004A30B001C0530", gateway=True)
DEPTHS = [StreamSpec("soil_moisture", "m3/m3", "plot-1", p) for p in ("0.1", "0.3")]


def add_reading(
    conn: psycopg.Connection, stream_id: int, time: datetime, value: float = 1.0
) -> None:
    readings.write(conn, [ReadingRow(stream_id, time, value, 1, time)])


def test_streams_of_one_quantity_at_two_depths(store: Store) -> None:
    with store.connection() as conn:
        streams = devices.add(conn, PROBE, DEPTHS)
    assert [(s.position, s.thing, s.since) for s in streams] == [
        ("0.1", "plot-1", MAY),
        ("0.3", "plot-1", MAY),
    ]


def test_registered_by_id_and_by_external_id(store: Store) -> None:
    with store.connection() as conn:
        streams = devices.add(conn, PROBE, DEPTHS)
        devices.add(conn, LORA, [])
        names = ["p1", "70b3d57ed005", "p2", "0004a30b001c0530", "nobody"]
        found = devices.registered(conn, names)
    assert {name: device.device_id for name, device in found.items()} == {
        "p1": "p1",
        "70b3d57ed005": "p1",
        "p2": "p2",
        "0004a30b001c0530": "p2",
    }
    assert found["p1"].streams == tuple(streams)
    assert found["p2"].streams == ()
    assert found["p1"].number != found["p2"].number
    assert (found["p1"].farm, found["p1"].kind) == ("f1", "soil-probe")


def test_registered_asks_once_for_many_names(store: Store) -> None:
    with store.connection() as conn:
        for n in range(20):
            devices.add(conn, replace(PROBE, device_id=f"d{n}", external_id=None), [])
        found = devices.registered(conn, [f"d{n}" for n in range(1000)])
    assert len(found) == 20


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(st.text()))
def test_any_name_may_be_asked_for(store: Store, names: list[str]) -> None:
    with store.connection() as conn:
        assert devices.registered(conn, [*names, "\ud800", "a\0b"]) == {}


def test_eui_is_found_in_either_case(store: Store) -> None:
    with store.connection() as conn:
        devices.add(conn, LORA, [])
        assert devices.get(conn, "p2").external_id == "0004a30b001c0530"
        assert "0004A30B001C0530" in devices.registered(conn, ["0004A30B001C0530"])


@pytest.mark.parametrize(
    "other",
    [
        replace(PROBE, device_id="p3"),
        replace(PROBE, device_id="70b3d57ed005", external_id=None),
        replace(PROBE, device_id="p3", external_id="p1"),
    ],
)
def test_a_name_means_one_device(store: Store, other: Device) -> None:
    with store.connection() as conn:
        devices.add(conn, PROBE, [])
        with pytest.raises(DeviceExists, match="已存在"):
            devices.add(conn, other, [])
        assert len(devices.all_devices(conn)) == 1


def test_moved_device_keeps_its_history(store: Store) -> None:
    with store.connection() as conn:
        old = devices.add(conn, PROBE, DEPTHS)
        new = devices.move(conn, "p1", thing="plot-2", since=JULY)
        every = devices.registered(conn, ["p1"])["p1"].streams
    assert [(s.position, s.thing, s.since) for s in new] == [
        ("0.1", "plot-2", JULY),
        ("0.3", "plot-2", JULY),
    ]
    assert every == (old[0], new[0], old[1], new[1])


def test_device_moves_back(store: Store) -> None:
    with store.connection() as conn:
        devices.add(conn, PROBE, DEPTHS[:1])
        devices.move(conn, "p1", thing="plot-2", since=JULY)
        devices.move(conn, "p1", thing="plot-1", since=JULY + timedelta(days=1))
        things = [s.thing for s in devices.registered(conn, ["p1"])["p1"].streams]
    assert things == ["plot-1", "plot-2", "plot-1"]


def test_move_before_the_last_reading_is_refused(store: Store) -> None:
    with store.connection() as conn:
        stream = devices.add(conn, PROBE, DEPTHS[:1])[0]
        add_reading(conn, stream.stream_id, JULY)
        with pytest.raises(RowRefused, match="2026-07-01"):
            devices.move(conn, "p1", thing="plot-2", since=JULY)
        assert devices.streams(conn, "p1") == [stream]
        after = JULY + timedelta(microseconds=1)
        assert len(devices.move(conn, "p1", thing="plot-2", since=after)) == 1


def test_stream_is_added_once(store: Store) -> None:
    with store.connection() as conn:
        devices.add(conn, PROBE, DEPTHS[:1])
        added = devices.add_stream(conn, "p1", DEPTHS[1], since=JULY)
        assert (added.position, added.since) == ("0.3", JULY)
        with pytest.raises(RowRefused, match=r"soil_moisture at 0\.3"):
            devices.add_stream(conn, "p1", DEPTHS[1])


def test_disabled_device_is_known_and_can_return(store: Store) -> None:
    with store.connection() as conn:
        devices.add(conn, PROBE, [])
        devices.disable(conn, "p1")
        first = devices.get(conn, "p1").disabled_at
        devices.disable(conn, "p1")
        assert devices.get(conn, "p1").disabled_at == first is not None
        assert devices.registered(conn, ["p1"])["p1"].disabled
        devices.enable(conn, "p1")
        assert not devices.registered(conn, ["p1"])["p1"].disabled


def test_unknown_devices_are_not_changed(store: Store) -> None:
    with store.connection() as conn:
        with pytest.raises(DeviceUnknown):
            devices.disable(conn, "p9")
        with pytest.raises(DeviceUnknown):
            devices.enable(conn, "p9")
        with pytest.raises(DeviceUnknown):
            devices.move(conn, "p9", thing="x", since=JULY)
        with pytest.raises(DeviceUnknown):
            devices.add_stream(conn, "p9", DEPTHS[0])


def test_pages_follow_each_other(store: Store) -> None:
    with store.connection() as conn:
        for n in range(5):
            devices.add(conn, replace(PROBE, device_id=f"d{n}", external_id=None), [])
        first = devices.page(conn, limit=3)
        rest = devices.page(conn, limit=3, after=first[-1].device_id)
    assert [d.device_id for d in first + rest] == ["d0", "d1", "d2", "d3", "d4"]


def test_simulated_devices_are_noticed(store: Store) -> None:
    with store.connection() as conn:
        devices.add(conn, PROBE, [])
        assert not devices.any_simulated(conn)
        devices.add(conn, replace(LORA, simulated=True), [])
        assert devices.any_simulated(conn)


def test_conflicts_show_both_values(store: Store) -> None:
    with store.connection() as conn:
        stream, other = devices.add(conn, PROBE, DEPTHS)
        for value in (0.25, 0.5):
            add_reading(conn, stream.stream_id, JULY, value)
        add_reading(conn, other.stream_id, JULY, 0.75)
        expected = Conflict(
            *("p1", "soil_moisture", "m3/m3", "plot-1", "0.1", JULY, 0.25, 0.5, JULY)
        )
        assert devices.conflicts(conn, limit=9) == [expected]
        assert devices.conflicts(conn, "p1", limit=9) == [expected]
        assert devices.conflicts(conn, "p2", limit=9) == []


def test_older_streams_begin_with_their_device(database_url: str) -> None:
    before = [m for m in migrations() if m.number < 9]
    with psycopg.connect(database_url, autocommit=True) as conn:
        migrate(conn, before)
        conn.execute("SET TIME ZONE 'UTC'")
        conn.execute(
            "INSERT INTO device (device_id, farm, name_zh, name_en, kind, lon, lat,"
            " simulated, created_at)"
            " VALUES ('old', 'f', '', '', 'soil-probe', 0, 0, false, %s)",
            [MAY],
        )
        conn.execute(
            "INSERT INTO stream (device_id, quantity, unit, thing)"
            " VALUES ('old', 'battery', 'V', 'old')"
        )
        migrate(conn)
        (stream,) = devices.streams(conn, "old")
        assert devices.registered(conn, ["old"])["old"].number == 1
    assert (stream.position, stream.since) == ("", MAY)
