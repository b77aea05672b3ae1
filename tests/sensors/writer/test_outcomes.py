"""Each message ends in exactly one place, and its readings with it."""

from datetime import UTC, datetime

import pytest

from sensors.counts import Counts
from sensors.delivery import Delivery
from sensors.writer import Writer
from store import Store, commands, devices, ledger, quarantine, readings
from store.devices import StreamSpec
from tests.sensors.writer.conftest import (
    NOON_US,
    SECOND,
    Recorder,
    message,
    moist,
    probe,
)
from tests.stored import stored_readings

DAY = datetime(2026, 11, 23, tzinfo=UTC)


def settle(writer: Writer, recorder: Recorder, *batch: Delivery) -> Counts:
    """Put messages at once; returns the counters when all are settled."""
    before = writer.counts.received
    writer.put(batch)
    return writer.wait_for(messages=before + len(batch), timeout=30)


def outcome(counts: Counts) -> tuple[int, int, int, int]:
    assert counts.received == (
        counts.stored + counts.duplicate + counts.conflict + counts.quarantined
    )
    return counts.stored, counts.duplicate, counts.conflict, counts.quarantined


def ended(counts: Counts) -> tuple[int, int, int, int]:
    parts = (
        counts.readings_stored,
        counts.readings_duplicate,
        counts.readings_conflict,
        counts.readings_corrected,
    )
    assert counts.readings_received == sum(parts)
    return parts


def values(store: Store, device: str = "p1") -> list[float]:
    with store.connection() as conn:
        found = readings.between(
            conn, device, start=DAY, end=datetime(2026, 11, 24, tzinfo=UTC), limit=99
        )
    return [reading.value for reading in found]


def reasons(store: Store) -> list[str]:
    with store.connection() as conn:
        return [kept.reason for kept in quarantine.newest(conn, 99)]


def in_ledger(store: Store) -> tuple[int, int, int, int]:
    with store.connection() as conn:
        total = ledger.totals(conn)
        assert total.readings_stored == stored_readings(conn)
    return total.stored, total.duplicate, total.conflict, total.quarantined


def test_new_duplicate_conflict_and_bad(
    farm_store: Store, writer: Writer, recorder: Recorder
) -> None:
    counts = settle(
        writer,
        recorder,
        moist(recorder, 1, 0.2),
        moist(recorder, 1, 0.2),
        moist(recorder, 1, 0.3),
        moist(recorder, 2, 0.4),
        message(recorder, b"moisture=0.2"),
    )
    assert outcome(counts) == (2, 1, 1, 1)
    assert ended(counts) == (2, 1, 1, 0)
    assert values(farm_store) == [0.2, 0.4]
    assert in_ledger(farm_store) == (2, 1, 1, 1)


def test_outcomes_do_not_depend_on_the_batches(
    farm_store: Store, writer: Writer, recorder: Recorder
) -> None:
    for value in (0.2, 0.2, 0.3):
        settle(writer, recorder, moist(recorder, 1, value))
    assert outcome(writer.counts) == (1, 1, 1, 0)
    assert values(farm_store) == [0.2]
    assert writer.counts.batches == 3


def test_half_duplicate_is_stored(
    farm_store: Store, writer: Writer, recorder: Recorder
) -> None:
    both = {"soil_moisture": 0.2, "battery": 3.5}
    settle(writer, recorder, moist(recorder, 1, 0.2))
    counts = settle(writer, recorder, moist(recorder, 1, readings=both))
    assert outcome(counts) == (2, 0, 0, 0)
    assert ended(counts) == (2, 1, 0, 0)


def test_conflict_among_new_readings_is_a_conflict(
    farm_store: Store, writer: Writer, recorder: Recorder
) -> None:
    both = {"soil_moisture": 0.9, "battery": 3.5}
    settle(writer, recorder, moist(recorder, 1, 0.2))
    counts = settle(writer, recorder, moist(recorder, 1, readings=both))
    assert outcome(counts) == (1, 0, 1, 0)
    assert ended(counts) == (2, 0, 1, 0)


def test_correction_replaces_and_counts_as_stored(
    farm_store: Store, writer: Writer, recorder: Recorder
) -> None:
    settle(writer, recorder, moist(recorder, 1, 0.2))
    counts = settle(writer, recorder, moist(recorder, 1, 0.3, corr=True))
    assert outcome(counts) == (2, 0, 0, 0)
    assert ended(counts) == (1, 0, 0, 1)
    assert values(farm_store) == [0.3]
    assert in_ledger(farm_store) == (2, 0, 0, 0)


@pytest.mark.parametrize(
    ("name", "value", "units", "reason"),
    [
        ("co2", 410.0, {}, "no quantity 'co2'"),
        ("soil_moisture@0.9", 0.2, {}, "no quantity 'soil_moisture@0.9'"),
        ("battery", 3.5, {"battery": "furlong"}, "furlong"),
        ("battery", 3.5, {"battery": "Cel"}, "cannot become"),
    ],
)
def test_one_bad_reading_refuses_the_message(
    farm_store: Store,
    writer: Writer,
    recorder: Recorder,
    name: str,
    value: float,
    units: dict[str, str],
    reason: str,
) -> None:
    body = {
        "ts": "2026-11-23T05:09:00Z",
        "readings": {"soil_temperature": 3.5, name: value},
        "units": units,
    }
    counts = settle(
        writer,
        recorder,
        moist(recorder, 1),
        message(recorder, body),
        moist(recorder, 2),
    )
    assert outcome(counts) == (2, 0, 0, 1)
    assert values(farm_store) == [0.2, 0.2]
    (found,) = reasons(farm_store)
    assert reason in found


def test_value_too_large_for_its_unit_is_refused(
    farm_store: Store, writer: Writer, recorder: Recorder
) -> None:
    with farm_store.connection() as conn:
        devices.add(conn, probe("fine"), [StreamSpec("battery", "mV", "plot-1")])
    body = {"age_s": 0, "readings": {"battery": 1.7e308}, "units": {"battery": "V"}}
    counts = settle(writer, recorder, message(recorder, body, device="fine"))
    assert outcome(counts) == (0, 0, 0, 1)
    assert "too large in the unit 'mV'" in reasons(farm_store)[0]


def test_unknown_device_and_wrong_farm(
    farm_store: Store, writer: Writer, recorder: Recorder
) -> None:
    counts = settle(
        writer,
        recorder,
        moist(recorder, 1, device="stranger"),
        moist(recorder, 2, farm="dehui"),
        # By credential of another farm, though the topic is right.
        moist(recorder, 3, publisher=("p3", "dehui")),
    )
    assert outcome(counts) == (0, 0, 0, 3)
    found = reasons(farm_store)
    assert sum("'stranger' is unknown" in reason for reason in found) == 1
    assert sum("not of farm 'dehui'" in reason for reason in found) == 2


def test_disabled_device_is_refused(
    farm_store: Store, writer: Writer, recorder: Recorder
) -> None:
    with farm_store.connection() as conn:
        devices.disable(conn, "p1")
    assert outcome(settle(writer, recorder, moist(recorder, 1))) == (0, 0, 0, 1)
    assert "disabled" in reasons(farm_store)[0]


def test_gateway_speaks_for_devices_of_its_farm_only(
    farm_store: Store, writer: Writer, recorder: Recorder
) -> None:
    def values_at(minute: int) -> list[object]:
        ts = (NOON_US - minute * 60 * SECOND) // 1000
        return [{"ts": ts, "values": {"soil_moisture": 0.2}}]

    topic, publisher = "v1/gateway/telemetry", ("p1", "lishu")
    counts = settle(
        writer,
        recorder,
        message(
            recorder,
            {"p1": values_at(1), "p2": values_at(1)},
            topic=topic,
            publisher=publisher,
        ),
        message(
            recorder,
            {"p2": values_at(2), "p3": values_at(2)},
            topic=topic,
            publisher=publisher,
        ),
    )
    # The second is refused whole: p2 of it too.
    assert outcome(counts) == (1, 0, 0, 1)
    assert ended(counts) == (2, 0, 0, 0)
    assert "p3" in reasons(farm_store)[0]
    with farm_store.connection() as conn:
        ledger.fold(conn)
        seen = {count.device_id: count for count in ledger.device_counts(conn)}
    assert (seen["p1"].stored, seen["p2"].stored) == (1, 1)
    assert seen["p2"].quarantined == 1
    assert "p3" not in seen


def test_units_become_those_of_the_stream(
    farm_store: Store, writer: Writer, recorder: Recorder
) -> None:
    body = {
        "ts": "2026-11-23T05:00:00Z",
        "readings": {"battery": 3500, "soil_temperature": 50},
        "units": {"battery": "mV", "soil_temperature": "[degF]"},
    }
    settle(writer, recorder, message(recorder, body))
    assert sorted(values(farm_store)) == pytest.approx([3.5, 10.0])


def test_position_is_a_stream_of_its_own(
    farm_store: Store, writer: Writer, recorder: Recorder
) -> None:
    both = {"soil_temperature": 3.0, "soil_temperature@0.2": 5.0}
    counts = settle(writer, recorder, moist(recorder, 1, readings=both))
    assert outcome(counts) == (1, 0, 0, 0)
    assert sorted(values(farm_store)) == [3.0, 5.0]


def test_names_of_the_device_kind_are_understood(
    farm_store: Store, writer: Writer, recorder: Recorder
) -> None:
    settle(writer, recorder, moist(recorder, 1, readings={"BatV": 3.3}))
    assert values(farm_store) == [3.3]


def test_network_may_call_a_device_by_its_external_id(
    farm_store: Store, writer: Writer, recorder: Recorder
) -> None:
    settle(writer, recorder, moist(recorder, 1, device="70b3d57ed0000001"))
    assert values(farm_store, "p2") == [0.2]


def chirpstack(recorder: Recorder, decoded: dict[str, float]) -> Delivery:
    """Make a delivery as ChirpStack forwards what p2 sent a minute before noon."""
    event = {
        "deviceInfo": {"devEui": "70b3d57ed0000001"},
        "time": "2026-11-23T05:59:00Z",
        "object": decoded,
    }
    topic = "application/7/device/70b3d57ed0000001/event/up"
    return message(recorder, event, topic=topic)


def test_what_a_network_server_decodes_beside_the_readings_is_left_out(
    farm_store: Store,
    writer: Writer,
    recorder: Recorder,
    caplog: pytest.LogCaptureFixture,
) -> None:
    decoded = {"BatV": 3.3, "Work_mode": 1, "Hum_SHT": 40.5}
    counts = settle(writer, recorder, chirpstack(recorder, decoded))
    assert outcome(counts) == (1, 0, 0, 0)
    assert ended(counts) == (1, 0, 0, 0)
    assert values(farm_store, "p2") == [3.3]
    settle(writer, recorder, chirpstack(recorder, decoded))
    # Once, not with every message.
    assert caplog.text.count("device p2: 'Hum_SHT', 'Work_mode' left out") == 1


def test_stream_added_is_no_longer_left_out(
    farm_store: Store, writer: Writer, recorder: Recorder
) -> None:
    decoded = {"BatV": 3.3, "co2": 400.0}
    settle(writer, recorder, chirpstack(recorder, decoded))
    with farm_store.connection() as conn:
        devices.add_stream(conn, "p2", StreamSpec("co2", "[ppm]", "plot-1"))
    settle(writer, recorder, chirpstack(recorder, decoded))
    assert sorted(values(farm_store, "p2")) == [3.3, 400.0]


def test_network_server_without_any_known_name_is_quarantined(
    farm_store: Store, writer: Writer, recorder: Recorder
) -> None:
    counts = settle(writer, recorder, chirpstack(recorder, {"Work_mode": 1}))
    assert outcome(counts) == (0, 0, 0, 1)
    assert "'Work_mode'" in reasons(farm_store)[0]


def test_unknown_name_of_the_device_itself_refuses_the_message(
    farm_store: Store, writer: Writer, recorder: Recorder
) -> None:
    both = {"soil_moisture": 0.2, "soil_moisure": 0.3}
    counts = settle(writer, recorder, moist(recorder, 1, readings=both))
    assert outcome(counts) == (0, 0, 0, 1)


def test_device_that_moved_reports_on_the_thing_of_the_time(
    farm_store: Store, writer: Writer, recorder: Recorder
) -> None:
    with farm_store.connection() as conn:
        devices.move(
            conn,
            "p1",
            thing="plot-2",
            since=datetime(2026, 11, 23, 5, 30, tzinfo=UTC),
        )
    settle(writer, recorder, *(moist(recorder, minute) for minute in (29, 30, 31)))
    with farm_store.connection() as conn:
        found = readings.between(
            conn, "p1", start=DAY, end=datetime(2026, 11, 24, tzinfo=UTC), limit=9
        )
    assert [reading.thing for reading in found] == ["plot-1", "plot-2", "plot-2"]


def test_device_and_stream_added_while_running_are_known(
    farm_store: Store, writer: Writer, recorder: Recorder
) -> None:
    new = moist(recorder, 1, device="new")
    gassy = moist(recorder, 1, readings={"co2": 400.0})
    assert outcome(settle(writer, recorder, new, gassy)) == (0, 0, 0, 2)
    with farm_store.connection() as conn:
        devices.add(conn, probe("new"), [StreamSpec("soil_moisture", "m3/m3", "x")])
        devices.add_stream(conn, "p1", StreamSpec("co2", "[ppm]", "plot-1"))
    assert outcome(settle(writer, recorder, new, gassy)) == (2, 0, 0, 2)


def test_quarantined_message_of_a_known_publisher_counts_for_it(
    farm_store: Store, writer: Writer, recorder: Recorder
) -> None:
    settle(writer, recorder, message(recorder, b"?", publisher=("p1", "lishu")))
    with farm_store.connection() as conn:
        ledger.fold(conn)
        (seen,) = ledger.device_counts(conn, "p1")
    assert (seen.quarantined, seen.last_seen.timestamp()) == (1, NOON_US / SECOND)


def test_numbers_of_messages_tell_gaps(
    farm_store: Store, writer: Writer, recorder: Recorder
) -> None:
    batch = [moist(recorder, n, seq=n) for n in (1, 2, 5)]
    settle(writer, recorder, *batch)
    with farm_store.connection() as conn:
        ledger.fold(conn)
        assert ledger.gaps(conn, "p1") == [range(3, 5)]


def test_values_out_of_range_are_flagged_and_kept(
    farm_store: Store, writer: Writer, recorder: Recorder
) -> None:
    settle(writer, recorder, moist(recorder, 1, 7.5))
    with farm_store.connection() as conn:
        (reading,) = readings.latest(conn, "p1")
    assert (reading.value, reading.flag) == (7.5, 4)


def test_reported_state_is_stored_once(
    farm_store: Store, writer: Writer, recorder: Recorder
) -> None:
    body = {"ts": "2026-11-23T05:00:00Z", "state": {"valve": "open"}}
    topic = "farm/lishu/p1/state"
    first = message(recorder, body, topic=topic)
    counts = settle(writer, recorder, first, message(recorder, body, topic=topic))
    assert outcome(counts) == (1, 1, 0, 0)
    assert ended(counts) == (0, 0, 0, 0)
    with farm_store.connection() as conn:
        stated = commands.reported_state(conn, "p1")
    assert stated["valve"].value == "open"
