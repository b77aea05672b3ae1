import threading
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import numpy as np
import psycopg
import pytest
from numpy.typing import NDArray

from store import DeviceUnknown, Store, devices, ledger
from store.devices import Device, StreamSpec
from store.ledger import (
    CONFLICT,
    CONTINUED,
    DUPLICATE,
    MESSAGE,
    NO_SEQ,
    NO_TIME,
    QUARANTINED,
    STORED,
)

SECOND = 1_000_000
# 2026-11-23T06:00:00Z
NOON_US = 1_795_413_600 * SECOND
NOON = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)


def entry(
    device: int,
    outcome: int = STORED,
    *,
    message: int | None = None,
    readings: tuple[int, int, int, int] = (0, 0, 0, 0),
    seq: int = NO_SEQ,
    second: float | None = 0,
    delay: float = 0,
) -> tuple[int, ...]:
    """Make one entry; device time and delay in seconds, after noon."""
    time_us = NO_TIME if second is None else NOON_US + round(second * SECOND)
    received_us = NOON_US + round(((second or 0) + delay) * SECOND)
    whole = outcome if message is None else message
    return (device, outcome, whole, *readings, seq, time_us, received_us)


def packed(*entries: tuple[int, ...]) -> NDArray[np.void]:
    return np.array(list(entries), MESSAGE)


def record(store: Store, *entries: tuple[int, ...], writer: UUID | None = None) -> bool:
    with store.connection() as conn:
        return ledger.record(
            conn, packed(*entries), writer_id=writer or uuid4(), batch_id=uuid4()
        )


def fold(store: Store) -> int:
    with store.connection() as conn:
        return ledger.fold(conn)


def totals(store: Store) -> ledger.Total:
    with store.connection() as conn:
        return ledger.totals(conn)


def device(store: Store, device_id: str) -> int:
    """Register a device; returns its number."""
    with store.connection() as conn:
        devices.add(
            conn,
            Device(
                device_id=device_id,
                farm="a",
                name_zh="",
                name_en="",
                kind="soil-probe",
                lon=125.0,
                lat=44.0,
                county=None,
                simulated=True,
                created_at=NOON,
            ),
            [StreamSpec("soil_moisture", "m3/m3", "plot")],
        )
        return devices.registered(conn, [device_id])[device_id].number


def seen(store: Store, device_id: str) -> ledger.DeviceCount:
    with store.connection() as conn:
        (count,) = ledger.device_counts(conn, device_id)
    return count


def gaps(store: Store, device_id: str) -> list[range]:
    with store.connection() as conn:
        return ledger.gaps(conn, device_id)


def test_noon_is_noon() -> None:
    assert NOON.timestamp() * SECOND == NOON_US


def test_empty_ledger_counts_nothing(store: Store) -> None:
    assert totals(store) == ledger.Total(0, 0, 0, 0, 0, 0, 0, 0)
    assert fold(store) == 0


def test_counters_are_the_same_before_and_after_folding(store: Store) -> None:
    record(
        store,
        entry(1, STORED, readings=(4, 0, 0, 0)),
        entry(1, STORED, readings=(1, 2, 0, 1)),
        entry(2, DUPLICATE, readings=(0, 4, 0, 0)),
    )
    record(
        store,
        entry(2, CONFLICT, readings=(1, 0, 3, 0)),
        entry(0, QUARANTINED, second=None),
    )
    expected = ledger.Total(2, 1, 1, 1, 6, 6, 3, 1)
    assert (expected.received, expected.readings_received) == (5, 16)
    assert totals(store) == expected
    assert fold(store) == 2
    assert totals(store) == expected
    record(store, entry(1, STORED, readings=(4, 0, 0, 0)))
    assert totals(store) == ledger.Total(3, 1, 1, 1, 10, 6, 3, 1)


def test_gateway_message_is_one_message_of_several_devices(store: Store) -> None:
    first, second = device(store, "first"), device(store, "second")
    record(
        store,
        entry(first, STORED, message=CONFLICT, readings=(2, 0, 0, 0)),
        entry(second, CONFLICT, message=CONTINUED, readings=(0, 0, 1, 0)),
    )
    fold(store)
    assert totals(store) == ledger.Total(0, 0, 1, 0, 2, 0, 1, 0)
    assert (seen(store, "first").stored, seen(store, "first").conflict) == (1, 0)
    assert (seen(store, "second").stored, seen(store, "second").conflict) == (0, 1)


def test_device_is_counted_with_when_it_was_seen(store: Store) -> None:
    number = device(store, "probe")
    record(store, entry(number, readings=(1, 0, 0, 0), second=10, delay=2))
    fold(store)
    record(
        store,
        entry(number, readings=(3, 0, 0, 0), second=4, delay=9),
        entry(number, QUARANTINED, second=None, delay=20),
    )
    fold(store)
    assert seen(store, "probe") == ledger.DeviceCount(
        stored=2,
        duplicate=0,
        conflict=0,
        quarantined=1,
        readings_stored=4,
        readings_duplicate=0,
        readings_conflict=0,
        readings_corrected=0,
        device_id="probe",
        last_seen=NOON + timedelta(seconds=20),
        last_time=NOON + timedelta(seconds=10),
    )


def test_batch_recorded_before_is_not_recorded_again(store: Store) -> None:
    writer, batch = uuid4(), uuid4()
    messages = packed(entry(1))
    with store.connection() as conn:
        assert not ledger.committed(conn, writer_id=writer, batch_id=batch)
        assert ledger.record(conn, messages, writer_id=writer, batch_id=batch)
    with store.connection() as conn:
        assert ledger.committed(conn, writer_id=writer, batch_id=batch)
        assert not ledger.record(conn, messages, writer_id=writer, batch_id=batch)
    assert totals(store).stored == 1
    # Also when it has been folded since.
    fold(store)
    with store.connection() as conn:
        assert ledger.committed(conn, writer_id=writer, batch_id=batch)
        assert ledger.record(conn, messages, writer_id=writer, batch_id=uuid4())
    assert totals(store).stored == 2


def test_commit_under_way_is_waited_for(store: Store) -> None:
    writer, batch = uuid4(), uuid4()
    answers: list[bool] = []

    def again() -> None:
        with store.connection() as conn:
            answers.append(
                ledger.record(conn, packed(entry(1)), writer_id=writer, batch_id=batch)
            )

    with psycopg.connect(store.url) as first:
        ledger.record(first, packed(entry(1)), writer_id=writer, batch_id=batch)
        thread = threading.Thread(target=again)
        thread.start()
        with psycopg.connect(store.url, autocommit=True) as look:
            while not look.execute(
                "SELECT FROM pg_locks WHERE NOT granted AND pid IN"
                " (SELECT pid FROM pg_stat_activity WHERE datname = current_database())"
            ).fetchall():
                pass
        first.commit()
        thread.join()
    assert answers == [False]
    assert totals(store).stored == 1


def test_nothing_is_folded_twice_by_many(store: Store) -> None:
    for _ in range(40):
        record(store, entry(1, readings=(4, 0, 0, 0)))
    folded: list[int] = []

    def some() -> None:
        with store.connection() as conn:
            while (
                ledger.totals(conn)
                and conn.execute("SELECT FROM ledger LIMIT 1").fetchall()
            ):
                folded.append(ledger.fold(conn, limit=3))

    threads = [threading.Thread(target=some) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(folded) == 40
    assert totals(store).stored == 40
    assert totals(store).readings_stored == 160


def test_fold_that_fails_leaves_all_as_it_was(store: Store) -> None:
    record(store, entry(1, readings=(4, 0, 0, 0)))
    with store.connection() as conn:
        conn.execute("ALTER TABLE device_count ADD CHECK (stored < 0)")
    with pytest.raises(Exception, match="refused a row"):
        fold(store)
    with store.connection() as conn:
        assert conn.execute("SELECT count(*) FROM ledger").fetchone() == (1,)
    assert totals(store).stored == 1


def test_missing_numbers_are_gaps_until_they_come(store: Store) -> None:
    number = device(store, "probe")
    record(store, *(entry(number, seq=n, second=n) for n in (7, 8, 12, 13, 20)))
    fold(store)
    assert gaps(store, "probe") == [range(9, 12), range(14, 20)]
    record(store, *(entry(number, seq=n, second=n) for n in (10, 21, 16)))
    fold(store)
    assert gaps(store, "probe") == [
        range(9, 10),
        range(11, 12),
        range(14, 16),
        range(17, 20),
    ]


def test_devices_do_not_share_numbers(store: Store) -> None:
    one, other = device(store, "one"), device(store, "other")
    record(
        store,
        entry(one, seq=1, second=1),
        entry(other, seq=1, second=1),
        entry(one, seq=3, second=2),
        entry(other, seq=2, second=2),
        entry(0, seq=9, second=3),
    )
    fold(store)
    assert gaps(store, "one") == [range(2, 3)]
    assert gaps(store, "other") == []


def test_quarantined_message_is_no_gap(store: Store) -> None:
    number = device(store, "probe")
    record(
        store,
        entry(number, seq=1, second=1),
        entry(number, QUARANTINED, seq=2, second=2),
        entry(number, seq=3, second=3),
    )
    fold(store)
    assert gaps(store, "probe") == []


def test_unknown_device_has_no_gaps_to_ask_for(store: Store) -> None:
    with store.connection() as conn:
        with pytest.raises(DeviceUnknown, match="stranger"):
            ledger.gaps(conn, "stranger")
        with pytest.raises(DeviceUnknown, match="stranger"):
            ledger.skew(conn, "stranger")


def test_skew_is_the_median_of_the_last_delays(store: Store) -> None:
    number = device(store, "probe")
    with store.connection() as conn:
        assert ledger.skew(conn, "probe") is None
    # 30 old ones of an hour give way to 50 newer ones: 24 of 2 s, 1 of 3 s, 25 of 4 s.
    record(store, *(entry(number, second=n, delay=3600) for n in range(30)))
    fold(store)
    delays = [2.0] * 24 + [3.0] + [4.0] * 25
    for part in (delays[:20], delays[20:]):
        record(store, *(entry(number, second=60, delay=delay) for delay in part))
        fold(store)
    with store.connection() as conn:
        assert ledger.skew(conn, "probe") == timedelta(seconds=3.5)
        kept = conn.execute("SELECT cardinality(delays_ms) FROM device_count")
        assert kept.fetchone() == (50,)


def test_clock_that_is_ahead_has_a_negative_skew(store: Store) -> None:
    number = device(store, "probe")
    record(
        store,
        entry(number, delay=-90),
        entry(number, QUARANTINED, delay=5),
        entry(number, delay=-60),
        entry(number, delay=-70),
    )
    fold(store)
    with store.connection() as conn:
        assert ledger.skew(conn, "probe") == timedelta(seconds=-70)


def test_writers_of_long_ago_are_forgotten(store: Store) -> None:
    old, new = uuid4(), uuid4()
    record(store, entry(1), writer=old)
    record(store, entry(1), writer=new)
    with store.connection() as conn:
        conn.execute(
            "UPDATE ledger_writer SET recorded_at = %s WHERE writer_id = %s",
            [NOON, old],
        )
        assert ledger.forget_writers(conn, before=NOON) == 0
        assert ledger.forget_writers(conn, before=NOON + timedelta(seconds=1)) == 1
        left = conn.execute("SELECT writer_id FROM ledger_writer").fetchall()
    assert left == [(new,)]
