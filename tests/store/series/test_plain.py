"""What native partitions and our own rollups have to see to themselves."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store import copying
from store.errors import StoreError
from store.migrate import migrate, migrations
from store.readings import Batch, Outcome, ReadingRow, between, hourly, recent, write
from store.series import (
    SeriesBusy,
    apply_retention,
    ensure_partitions,
    refresh,
    refresh_hints,
    retention,
    status,
    writing,
)
from store.series.batch import to_us
from tests.store.series.conftest import NOON, Engine

HOUR = timedelta(hours=1)
WEEK = timedelta(days=7)


def rows(stream: int, times: list[datetime], value: float = 1.0) -> Batch:
    return Batch.of([ReadingRow(stream, time, value, 1, NOON) for time in times])


def in_threads(*work: Callable[[], None]) -> None:
    """Run functions side by side and raise what they raise."""
    errors: list[BaseException] = []

    def run(function: Callable[[], None]) -> None:
        try:
            function()
        except (psycopg.Error, StoreError, AssertionError) as exc:
            errors.append(exc)

    threads = [threading.Thread(target=run, args=[function]) for function in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_two_make_the_same_partition(plain: Engine) -> None:
    assert plain.connect is not None
    together = threading.Barrier(2)
    made: list[datetime] = []

    def work() -> None:
        assert plain.connect is not None
        with plain.connect() as conn:
            together.wait()
            made.extend(ensure_partitions(conn, NOON, NOON + 3 * WEEK))

    in_threads(work, work)
    assert len(made) == len(set(made)) == 4


def test_partition_that_another_dropped_is_made_again(plain: Engine) -> None:
    conn, stream = plain.conn, plain.streams[0]
    with conn.transaction():
        write(conn, rows(stream, [NOON]))
    conn.execute("DROP TABLE reading_20260629")
    conn.commit()
    for way in (0, 9):
        writing._sessions[conn].careful = way
        with conn.transaction(force_rollback=True):
            assert write(conn, rows(stream, [NOON])).tolist() == [Outcome.STORED]


def test_clock_at_random_makes_few_partitions(plain: Engine) -> None:
    conn, stream = plain.conn, plain.streams[0]
    old = datetime(2000, 1, 1, tzinfo=UTC)
    times = [old + n * WEEK for n in range(27 * 52)]
    with conn.transaction():
        assert (write(conn, rows(stream, times)) == Outcome.STORED).all()
    assert len(recent(conn, [stream], count=2_000).value) == len(times)
    # 25 before 2024; after it, one a week.
    assert status(conn).weeks == 25 + sum(
        time >= datetime(2024, 1, 1, tzinfo=UTC) for time in times
    )


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Shanghai"])
def test_partitions_meet_without_a_gap(plain: Engine, zone: str) -> None:
    conn, stream = plain.conn, plain.streams[0]
    conn.execute(f"SET TIME ZONE '{zone}'")
    seams = [
        datetime(2023, 1, 2, tzinfo=UTC),
        datetime(2024, 1, 1, tzinfo=UTC),
        datetime(2024, 1, 8, tzinfo=UTC),
        # The clocks of New York change in this week.
        datetime(2024, 3, 11, tzinfo=UTC),
    ]
    moment = timedelta(microseconds=1)
    with conn.transaction():
        for seam in seams:
            for time in (seam, seam - moment):
                assert write(conn, rows(stream, [time])).tolist() == [Outcome.STORED]
    assert status(conn).weeks == 6


def test_hours_are_exact_while_writers_and_refresh_run(plain: Engine) -> None:
    """Each writer stores one reading an hour; a reader sees n of every hour agree."""
    hours = [NOON + n * HOUR for n in range(6)]
    rounds = 25
    writing_ends = threading.Event()

    def work(number: int) -> None:
        assert plain.connect is not None
        with plain.connect() as conn:
            for step in range(rounds):
                offset = timedelta(seconds=2 * step + number)
                with conn.transaction():
                    write(conn, rows(plain.streams[0], [h + offset for h in hours]))

    def write_all() -> None:
        in_threads(lambda: work(0), lambda: work(1))
        writing_ends.set()

    def keep_fresh() -> None:
        assert plain.connect is not None
        with plain.connect() as conn:
            while not writing_ends.is_set():
                refresh(conn)

    def look() -> None:
        seen = 0
        while not writing_ends.is_set():
            found = hourly(plain.conn, plain.streams[:1], NOON, NOON + 6 * HOUR)
            plain.conn.commit()
            # Every transaction adds one to each of the six hours.
            assert len(set(found.n.tolist())) <= 1
            assert found.n.sum() >= seen
            seen = int(found.n.sum())

    in_threads(write_all, keep_fresh, look)
    refresh(plain.conn)
    table = plain.conn.execute("SELECT n, sum FROM reading_hour ORDER BY hour")
    assert table.fetchall() == [(2 * rounds, 2.0 * rounds)] * 6


def test_retention_is_no_deadlock_for_who_reads_and_then_writes(plain: Engine) -> None:
    """The ingest reads the newest readings of a stream before it writes the next."""
    assert plain.connect is not None
    stream = plain.streams[0]
    with plain.conn.transaction():
        write(plain.conn, rows(stream, [NOON - 9 * WEEK, NOON]))
    has_read = threading.Event()

    def ingest() -> None:
        assert plain.connect is not None
        with plain.connect() as conn, plain.connect() as other:
            recent(conn, [stream], count=2)
            has_read.set()
            waiting = "SELECT FROM pg_locks WHERE NOT granted"
            while other.execute(waiting).fetchone() is None:
                other.rollback()
            write(conn, rows(stream, [NOON + HOUR]))

    def retain() -> None:
        assert plain.connect is not None
        has_read.wait()
        with plain.connect() as conn:
            assert apply_retention(conn, 4 * WEEK, now=NOON) == 1

    in_threads(ingest, retain)


def test_retention_gives_way_to_a_long_reader(
    plain: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert plain.connect is not None
    monkeypatch.setattr(retention, "LOCK_SECONDS", 0.05)
    with plain.conn.transaction():
        write(plain.conn, rows(plain.streams[0], [NOON - 9 * WEEK]))
    with plain.connect() as reader:
        reader.execute("SELECT count(*) FROM reading")
        with pytest.raises(SeriesBusy, match="0 weeks were dropped"):
            apply_retention(plain.conn, 4 * WEEK, now=NOON)
    assert apply_retention(plain.conn, 4 * WEEK, now=NOON) == 1


def test_retention_of_many_weeks_goes_in_steps(
    plain: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    conn, stream = plain.conn, plain.streams[0]
    times = [NOON - n * WEEK for n in range(7)]
    with conn.transaction():
        write(conn, rows(stream, times))
    assert apply_retention(conn, WEEK, now=NOON) == 5
    found = hourly(conn, [stream], times[-1], NOON + HOUR)
    assert found.n.tolist() == [1] * 7


def test_either_way_gives_the_same_outcomes(plain: Engine) -> None:
    conn = plain.conn
    times = [NOON + timedelta(minutes=n % 7) for n in range(20)]
    batch = rows(plain.streams[0], times)
    batch.value[7:] = np.arange(13) // 6 + 1.0
    found = []
    for careful in (0, 5):
        with conn.transaction(force_rollback=True):
            write(conn, rows(plain.streams[1], [NOON]))
            writing._sessions[conn].careful = careful
            found.append(write(conn, batch).tolist())
    assert found[0] == found[1]
    assert found[0] == [0] * 7 + [1] * 6 + [2] * 7


def test_refusal_makes_the_next_batches_careful(
    plain: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    conn, stream = plain.conn, plain.streams[0]
    tables: list[str] = []
    load = copying.load

    def seen(conn: psycopg.Connection, table: str, columns: copying.Columns) -> None:
        tables.append(table.removeprefix("pg_temp."))
        load(conn, table, columns)

    monkeypatch.setattr(copying, "load", seen)
    monkeypatch.setattr(writing, "CAREFUL_BATCHES", 2)
    for n in (0, 0, 1, 2):
        with conn.transaction():
            write(conn, rows(stream, [NOON + n * HOUR]))
    assert tables == ["reading", "reading", *["reading_staging"] * 2, "reading"]


def test_rows_of_one_batch_are_judged_in_order(plain: Engine) -> None:
    conn, stream = plain.conn, plain.streams[0]
    batch = rows(stream, [NOON] * 6)
    batch.value[:] = [1.0, 2.0, 2.0, 2.0, 1.0, 1.0]
    batch.correction[:] = [False, False, True, False, False, True]
    with conn.transaction():
        assert write(conn, batch).tolist() == [
            Outcome.STORED,
            Outcome.CONFLICT,
            Outcome.CORRECTED,
            Outcome.DUPLICATE,
            Outcome.CONFLICT,
            Outcome.CORRECTED,
        ]
    assert recent(conn, [stream], count=1).value.tolist() == [1.0]
    kept = conn.execute("SELECT value FROM reading_correction ORDER BY correction_id")
    assert kept.fetchall() == [(1.0,), (2.0,)]
    other = conn.execute("SELECT value FROM reading_conflict ORDER BY value")
    assert other.fetchall() == [(1.0,), (2.0,)]


def plan_of(conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the plans of what `recent` and `series` ask, as they ran."""
    plans: list[str] = []
    unload = copying.unload

    def explained(conn, query, kinds):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        text = b"EXPLAIN (ANALYZE, COSTS OFF) " + query.as_bytes(conn)
        plans.extend(line for (line,) in conn.execute(text))
        return unload(conn, query, kinds)

    monkeypatch.setattr(copying, "unload", explained)
    recent(conn, [1, 2], count=1)
    return "\n".join(plans)


def test_newest_is_looked_up_in_the_index_of_few_weeks(
    plain: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    conn = plain.conn
    a, b, _ = plain.streams
    with conn.transaction():
        for week in range(8):
            times = [NOON + week * WEEK + timedelta(seconds=n) for n in range(2_000)]
            write(conn, rows(a, times))
            if week < 2:
                write(conn, rows(b, times))
    refresh_hints(conn)
    conn.execute("ANALYZE reading")
    plan = plan_of(conn, monkeypatch)
    assert "Seq Scan on reading" not in plan
    # The first stream stops at the eighth week, the silent one at its hint: the first
    # week is never looked at.
    (first,) = [line for line in plan.splitlines() if "on reading_20260629" in line]
    assert "never executed" in first
    (last,) = [line for line in plan.splitlines() if "on reading_20260817" in line]
    assert "never executed" not in last


def test_partitions_of_other_weeks_are_not_read(plain: Engine) -> None:
    conn, stream = plain.conn, plain.streams[0]
    with conn.transaction():
        write(conn, rows(stream, [NOON + n * WEEK for n in range(4)]))
    plan = conn.execute(
        "EXPLAIN SELECT FROM reading WHERE stream_id = %s"
        " AND time >= '2026-07-06Z' AND time < '2026-07-07Z'",
        [stream],
    ).fetchall()
    assert {line.split(" on ")[1].split()[0] for (line,) in plan if " on " in line} == {
        "reading_20260706"
    }


def test_rows_from_before_the_partitions_are_kept(database_url: str) -> None:
    old = datetime(2019, 12, 30, 23, 59, tzinfo=UTC)
    known = migrations()
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("SET TIME ZONE 'Asia/Shanghai'")
        migrate(conn, known[:6])
        conn.execute(
            "INSERT INTO device (device_id, farm, name_zh, name_en, kind, lon, lat,"
            " simulated, created_at)"
            " VALUES ('d', 'f', '', '', 'k', 124, 43, true, now())"
        )
        conn.execute(
            "INSERT INTO stream (device_id, quantity, unit, thing)"
            " VALUES ('d', 'q', '1', 't')"
        )
        with conn.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO reading VALUES (1, %s, %s, 1, now())",
                [(old, 1.0), (NOON, 2.0), (NOON + HOUR / 2, 4.0), (NOON + HOUR, 5.0)],
            )
        migrate(conn, known)
        found = between(conn, "d", start=old, end=NOON + WEEK, limit=9)
        assert [(row.time, row.value) for row in found] == [
            (old, 1.0),
            (NOON, 2.0),
            (NOON + HOUR / 2, 4.0),
            (NOON + HOUR, 5.0),
        ]
        assert refresh(conn) == 3
        hours = hourly(conn, [1], NOON, NOON + 9 * HOUR)
        assert hours.mean.tolist() == [3.0, 5.0]
        with conn.transaction():
            again = write(conn, rows(1, [old, NOON + timedelta(minutes=1)]))
        assert again.tolist() == [Outcome.DUPLICATE, Outcome.STORED]
        assert recent(conn, [1], count=9).time_us[0] == to_us(old)


ROWS = st.lists(
    st.tuples(
        st.integers(0, 1), st.integers(0, 2), st.sampled_from([1.0, 2.0]), st.booleans()
    ),
    min_size=1,
    max_size=10,
)


@given(batches=st.lists(ROWS, min_size=1, max_size=4), careful=st.booleans())
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_outcomes_are_those_of_one_row_after_the_other(
    embedded: Engine,
    batches: list[list[tuple[int, int, float, bool]]],
    careful: bool,
) -> None:
    conn = embedded.conn
    known: dict[tuple[int, int], float] = {}

    def judged(stream: int, n: int, value: float, correction: bool) -> Outcome:
        key = stream, n
        if key not in known:
            known[key] = value
            return Outcome.STORED
        if known[key] == value:
            return Outcome.DUPLICATE
        if not correction:
            return Outcome.CONFLICT
        known[key] = value
        return Outcome.CORRECTED

    with conn.transaction(force_rollback=True):
        write(conn, rows(embedded.streams[2], [NOON]))
        writing._sessions[conn].careful = 9 if careful else 0
        for some in batches:
            stream, n, value, correction = (
                list(column) for column in zip(*some, strict=True)
            )
            batch = Batch(
                stream_id=np.array(embedded.streams, np.int32)[stream],
                time_us=to_us(NOON) + np.array(n, np.int64) * 1_000_000,
                value=np.array(value),
                flag=np.ones(len(some), np.int16),
                received_us=np.full(len(some), to_us(NOON)),
                correction=np.array(correction),
            )
            assert write(conn, batch).tolist() == [judged(*row) for row in some]
        found = conn.execute(
            "SELECT stream_id, time, value FROM reading WHERE stream_id <> %s",
            [embedded.streams[2]],
        )
        assert {(stream, time): value for stream, time, value in found} == {
            (embedded.streams[stream], NOON + timedelta(seconds=n)): value
            for (stream, n), value in known.items()
        }
