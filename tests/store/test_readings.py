import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store import RowRefused, Store, StreamUnknown
from store.devices import Device, StreamSpec, add
from store.readings import (
    ReadingRow,
    Written,
    between,
    latest,
    write,
)
from tests.stored import stored_readings

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def second(n: int) -> datetime:
    return NOON + timedelta(seconds=n)


def row(stream: int, n: int, value: float, flag: int = 1) -> ReadingRow:
    return ReadingRow(stream, second(n), value, flag, NOON)


@pytest.fixture
def stream_ids(store: Store) -> list[int]:
    """Register a probe with two streams and a station with one."""
    probe = Device("p1", "f1", "探头", "Probe", "soil-probe", 124, 43, None, True, NOON)
    station = Device("w1", "f1", "站", "Station", "w", 124, 43, "220322", True, NOON)
    moisture = [StreamSpec("soil_moisture", "m3/m3", f"{d} cm") for d in (10, 20)]
    with store.connection() as conn:
        streams = add(conn, probe, moisture)
        streams += add(conn, station, [StreamSpec("air_temperature", "Cel", "air")])
    return [stream.stream_id for stream in streams]


def stored(conn: psycopg.Connection) -> list[tuple[int, datetime, float]]:
    rows = conn.execute("SELECT stream_id, time, value FROM reading ORDER BY 1, 2")
    return rows.fetchall()


def conflicts(conn: psycopg.Connection) -> list[tuple[int, float]]:
    rows = conn.execute("SELECT stream_id, value FROM reading_conflict ORDER BY 1, 2")
    return rows.fetchall()


def test_new_readings_are_stored(store: Store, stream_ids: list[int]) -> None:
    a, b, _ = stream_ids
    with store.connection() as conn:
        written = write(conn, [row(a, 0, 0.25), row(b, 0, 0.5), row(a, 1, 0.75)])
        assert written == Written(stored=3, duplicate=0, conflict=0)
        assert stored(conn) == [
            (a, second(0), 0.25),
            (a, second(1), 0.75),
            (b, second(0), 0.5),
        ]
        assert stored_readings(conn) == 3


def test_no_readings(store: Store) -> None:
    with store.connection() as conn:
        assert write(conn, []) == Written(0, 0, 0)


def test_replay_is_all_duplicates(store: Store, stream_ids: list[int]) -> None:
    rows = [row(stream_ids[0], n, n / 10) for n in range(5)]
    with store.connection() as conn:
        write(conn, rows)
    with store.connection() as conn:
        assert write(conn, rows) == Written(stored=0, duplicate=5, conflict=0)
        assert stored_readings(conn) == 5


def test_other_value_is_a_conflict_and_kept_aside(
    store: Store, stream_ids: list[int]
) -> None:
    a = stream_ids[0]
    with store.connection() as conn:
        write(conn, [row(a, 0, 0.25)])
        batch = [row(a, 0, 0.5), row(a, 0, 0.25), row(a, 1, 1.0), row(a, 1, 2.0)]
        assert write(conn, batch) == Written(stored=1, duplicate=1, conflict=2)
        assert stored(conn) == [(a, second(0), 0.25), (a, second(1), 1.0)]
        assert conflicts(conn) == [(a, 0.5), (a, 2.0)]


def test_conflict_that_comes_again_is_kept_once(
    store: Store, stream_ids: list[int]
) -> None:
    a = stream_ids[0]
    with store.connection() as conn:
        write(conn, [row(a, 0, 0.25)])
        for _ in range(2):
            assert write(conn, [row(a, 0, 0.5)]) == Written(0, 0, 1)
        assert conflicts(conn) == [(a, 0.5)]


def test_first_of_a_batch_wins(store: Store, stream_ids: list[int]) -> None:
    a = stream_ids[0]
    with store.connection() as conn:
        batch = [row(a, 0, 3.0), row(a, 0, 1.0), row(a, 0, 3.0)]
        assert write(conn, batch) == Written(stored=1, duplicate=1, conflict=1)
        assert stored(conn) == [(a, second(0), 3.0)]


def test_two_batches_in_one_transaction(store: Store, stream_ids: list[int]) -> None:
    a = stream_ids[0]
    with store.connection() as conn, conn.transaction():
        assert write(conn, [row(a, 0, 1.0), row(a, 0, 2.0)]) == Written(1, 0, 1)
        assert write(conn, [row(a, 0, 1.0)]) == Written(0, 1, 0)


def test_unknown_stream_stores_nothing(store: Store, stream_ids: list[int]) -> None:
    with store.connection() as conn:
        with pytest.raises(StreamUnknown, match="777") as caught:
            write(conn, [row(stream_ids[0], 0, 1.0), row(777, 0, 1.0)])
        assert stored_readings(conn) == 0
    assert caught.value.stream_ids == (777,)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_value_must_be_finite(
    store: Store, stream_ids: list[int], value: float
) -> None:
    def attempt() -> None:
        with store.connection() as conn:
            write(conn, [row(stream_ids[0], 0, 1.0), row(stream_ids[0], 1, value)])

    with pytest.raises(RowRefused, match="finite"):
        attempt()
    with store.connection() as conn:
        assert stored_readings(conn) == 0


def test_flag_must_be_of_qartod(store: Store, stream_ids: list[int]) -> None:
    def attempt() -> None:
        with store.connection() as conn:
            write(conn, [row(stream_ids[0], 0, 1.0, flag=5)])

    with pytest.raises(RowRefused, match="flag 5 is none of"):
        attempt()


def test_time_must_be_aware(store: Store, stream_ids: list[int]) -> None:
    naive = ReadingRow(stream_ids[0], NOON.replace(tzinfo=None), 1.0, 1, NOON)
    with store.connection() as conn, pytest.raises(RowRefused, match="time zone"):
        write(conn, [naive])


@given(
    batches=st.lists(
        st.lists(
            st.tuples(st.integers(0, 1), st.integers(0, 3), st.sampled_from([1.0, 2])),
            max_size=12,
        ),
        min_size=1,
        max_size=4,
    )
)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_counts_add_up_and_the_first_value_stays(
    store: Store,
    stream_ids: list[int],
    batches: Sequence[Sequence[tuple[int, int, float]]],
) -> None:
    first: dict[tuple[int, int], float] = {}
    with store.connection() as conn, conn.transaction(force_rollback=True):
        for batch in batches:
            expected = {"new": 0, "same": 0, "other": 0}
            for stream, n, value in batch:
                known = first.setdefault((stream, n), value)
                expected["same" if known == value else "other"] += 1
            expected["new"] = len(first) - stored_readings(conn)
            written = write(conn, [row(stream_ids[s], n, v) for s, n, v in batch])
            assert written.stored == expected["new"]
            assert written.duplicate == expected["same"] - expected["new"]
            assert written.conflict == expected["other"]
        assert stored(conn) == sorted(
            (stream_ids[s], second(n), value) for (s, n), value in first.items()
        )


def test_two_writers_of_the_same_readings(store: Store, stream_ids: list[int]) -> None:
    rows = [row(stream_ids[n % 2], n, 1.0) for n in range(400)]
    together = threading.Barrier(2)
    results: list[Written] = []

    def work(batch: list[ReadingRow]) -> None:
        with store.connection() as conn:
            together.wait()
            results.append(write(conn, batch))

    threads = [threading.Thread(target=work, args=[b]) for b in (rows, rows[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(written.stored for written in results) == 400
    assert sum(written.duplicate for written in results) == 400


def test_latest_is_the_newest_of_each_stream(
    store: Store, stream_ids: list[int]
) -> None:
    a, b, c = stream_ids
    with store.connection() as conn:
        write(conn, [row(a, 5, 0.5), row(a, 1, 0.1), row(c, 2, 20.0, flag=3)])
        assert [
            (r.device_id, r.thing, r.time, r.value, r.flag) for r in latest(conn)
        ] == [
            ("p1", "10 cm", second(5), 0.5, 1),
            ("w1", "air", second(2), 20.0, 3),
        ]
        assert [r.value for r in latest(conn, "p1")] == [0.5]
        assert latest(conn, "nobody") == []
    assert b not in (a, c)


def test_latest_reads_no_more_than_it_needs(
    store: Store, stream_ids: list[int]
) -> None:
    with store.connection() as conn:
        for start in range(0, 20_000, 5_000):
            rows = [row(stream_ids[0], n, 1.0) for n in range(start, start + 5_000)]
            write(conn, rows)
        conn.execute("ANALYZE reading")
        plan = conn.execute(
            "EXPLAIN (FORMAT TEXT) SELECT newest.time FROM stream CROSS JOIN LATERAL"
            " (SELECT time FROM reading WHERE reading.stream_id = stream.stream_id"
            " ORDER BY time DESC LIMIT 1) AS newest"
        ).fetchall()
    text = "\n".join(line for (line,) in plan)
    assert "Seq Scan on reading" not in text
    assert "Index Scan using reading_20260629_pkey" in text or "Index Only Scan" in text


def test_between_is_half_open_and_in_order(store: Store, stream_ids: list[int]) -> None:
    a, b, c = stream_ids
    with store.connection() as conn:
        write(conn, [row(s, n, float(n)) for s in (c, b, a) for n in range(4)])
        found = between(conn, "p1", start=second(1), end=second(3), limit=10)
        assert [(r.time, r.thing) for r in found] == [
            (second(1), "10 cm"),
            (second(1), "20 cm"),
            (second(2), "10 cm"),
            (second(2), "20 cm"),
        ]
        assert len(between(conn, "p1", start=NOON, end=second(9), limit=3)) == 3


@pytest.mark.parametrize(
    ("quantity", "values"), [("air_temperature", []), ("soil_moisture", [1.0])]
)
def test_between_of_one_quantity(
    store: Store, stream_ids: list[int], quantity: str, values: list[float]
) -> None:
    end = second(9)
    with store.connection() as conn:
        write(conn, [row(stream_ids[0], 0, 1.0), row(stream_ids[2], 0, 2.0)])
        found = between(conn, "p1", start=NOON, end=end, quantity=quantity, limit=10)
    assert [reading.value for reading in found] == values
