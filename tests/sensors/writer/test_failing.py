"""Nothing is lost, nothing is stored or counted twice, whatever fails."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sensors.delivery import Delivery
from sensors.writer import Writer
from sensors.writer.committing import Committer
from sensors.writer.judging import judge
from sensors.writer.registry import Registry
from store import DatabaseUnavailable, Store, devices, ledger, open_store, quarantine
from store.database import Store as RealStore
from tests.sensors.conftest import until
from tests.sensors.writer.conftest import SOIL, Recorder, message, moist, probe
from tests.stored import stored_readings


@contextmanager
def held_back(store: Store) -> Iterator[psycopg.Connection]:
    """Let every writer wait inside its transaction; yields a free connection."""
    with psycopg.connect(store.url) as lock, psycopg.connect(store.url) as other:
        other.autocommit = True
        lock.execute("LOCK TABLE ledger IN ACCESS EXCLUSIVE MODE")
        yield other
        lock.rollback()


def waiting(conn: psycopg.Connection) -> list[int]:
    """Process ids of the server's sessions that wait for the lock."""
    rows = conn.execute(
        "SELECT pid FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return [pid for (pid,) in rows]


def totals(store: Store) -> ledger.Total:
    with store.connection() as conn:
        return ledger.totals(conn)


def stored(store: Store) -> int:
    with store.connection() as conn:
        return stored_readings(conn)


def test_settled_in_order_and_to_each_source_its_own(writer: Writer) -> None:
    one, other = Recorder(), Recorder()
    mixed = [moist((one, other)[n % 2], n) for n in range(60)]
    for start in range(0, 60, 7):
        assert writer.put(mixed[start : start + 7])
    writer.wait_for(messages=60, timeout=30)
    assert one.deliveries == mixed[::2]
    assert other.deliveries == mixed[1::2]


def test_full_queue_says_so_and_calls_when_there_is_room(
    farm_store: Store, recorder: Recorder
) -> None:
    writer = Writer(farm_store, queue_messages=4)
    room = threading.Event()
    writer.on_room(room.set)
    assert writer.put([moist(recorder, 1), moist(recorder, 2), moist(recorder, 3)])
    assert not writer.put([moist(recorder, 4)])
    assert not writer.put([moist(recorder, 5)])
    assert (writer.counts.queued, writer.counts.pending) == (5, 5)
    assert not room.is_set()
    with writer:
        assert room.wait(30)
        writer.wait_for(messages=5, timeout=30)
        assert writer.put([moist(recorder, 6)])
    assert len(recorder.deliveries) == 6


def test_stop_settles_what_has_arrived(farm_store: Store, recorder: Recorder) -> None:
    with Writer(farm_store, batch_messages=7) as writer:
        writer.put([moist(recorder, n) for n in range(60)])
    assert len(recorder.deliveries) == 60
    assert not writer.running
    assert stored(farm_store) == 60


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_writer_that_dies_says_so(
    farm_store: Store,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def faulty(*args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("sensors.writer.writer.judge", faulty)
    with Writer(farm_store) as writer:
        assert writer.running
        writer.put([moist(recorder, 1)])
        until(lambda: not writer.running)
    assert not recorder.deliveries
    assert "the writer has died" in caplog.text


def test_connection_cut_in_the_middle_of_a_batch(
    farm_store: Store,
    writer: Writer,
    recorder: Recorder,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with held_back(farm_store) as conn:
        writer.put([moist(recorder, n) for n in range(30)])
        for _ in range(2):
            until(lambda: bool(waiting(conn)))
            for pid in waiting(conn):
                conn.execute("SELECT pg_terminate_backend(%s)", [pid])
            until(lambda: "database is away" in caplog.text)
            caplog.clear()
        assert not recorder.deliveries
        assert writer.running
        assert not writer.storing
    counts = writer.wait_for(messages=30, timeout=30)
    until(lambda: writer.storing)
    assert counts.stored == counts.received == 30
    assert totals(farm_store).stored == stored(farm_store) == 30


def test_stopped_without_a_database_settles_nothing(
    farm_store: Store, recorder: Recorder
) -> None:
    with open_store(url=farm_store.url) as closed:
        pass
    with Writer(closed) as writer:
        writer.put([moist(recorder, 1)])
    assert (writer.counts.settled, writer.counts.pending) == (0, 1)
    assert not recorder.deliveries


def test_server_stopped_and_started_again(
    private_folder: Path, recorder: Recorder
) -> None:
    with open_store(data=private_folder) as store:
        with store.connection() as conn:
            devices.add(conn, probe("p1"), SOIL)
        with Writer(store) as writer:
            writer.put([moist(recorder, n) for n in range(20)])
            writer.wait_for(messages=20, timeout=30)
            # As a crash: sessions are cut, nothing is waited for.
            pid = int(
                (private_folder / "postgres" / "postmaster.pid").read_text().split()[0]
            )
            _kill(pid)
            writer.put([moist(recorder, n) for n in range(10, 40)])
            counts = writer.wait_for(messages=50, timeout=60)
        assert (counts.stored, counts.duplicate) == (40, 10)
        assert totals(store).stored == stored(store) == 40


def _kill(pid: int) -> None:
    import os
    import signal

    os.kill(pid, signal.SIGQUIT)


class _LosesAnswers(RealStore):
    """A store whose connection breaks while it waits for the answer to COMMIT.

    By `fates`, one for each COMMIT of a writer, the transaction went through all the
    same or did not.
    """

    def __init__(self, url: str, fates: Sequence[bool]) -> None:
        super().__init__(url)
        with psycopg.connect(url) as conn:
            conn.execute(_FAILING_COMMITS)
            refused = [n for n, fate in enumerate(fates, 1) if not fate]
            conn.execute("INSERT INTO refused SELECT unnest(%s::int8[])", [refused])
        self._lost = {n for n, fate in enumerate(fates, 1) if fate}

    @contextmanager
    def connection(self, *, timeout: float = 5.0) -> Iterator[psycopg.Connection]:
        with super().connection(timeout=timeout) as conn:
            before = self._commits(conn)
            yield conn
            after = self._commits(conn)
            if after > before and after in self._lost:
                raise DatabaseUnavailable("the answer to COMMIT was lost")

    def _commits(self, conn: psycopg.Connection) -> int:
        row = conn.execute("SELECT last_value - 1 FROM commits").fetchone()
        conn.commit()
        return int(row[0]) if row else 0


# The trigger runs at COMMIT; a sequence goes on whether that succeeds or not.
_FAILING_COMMITS = """
    DROP TABLE IF EXISTS refused;
    DROP SEQUENCE IF EXISTS commits CASCADE;
    CREATE TABLE refused (number bigint);
    CREATE SEQUENCE commits;
    SELECT nextval('commits');
    CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF nextval('commits') - 1 IN (SELECT number FROM refused) THEN
            RAISE 'cut at COMMIT' USING ERRCODE = 'admin_shutdown';
        END IF;
        RETURN NULL;
    END $$;
    DROP TRIGGER IF EXISTS fail ON ledger;
    CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON ledger
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail();
"""


@pytest.mark.parametrize("fates", [[True], [False], [False, True], [False, False]])
def test_commit_whose_answer_is_lost_counts_once(
    farm_store: Store, recorder: Recorder, fates: list[bool]
) -> None:
    with (
        _LosesAnswers(farm_store.url, fates) as store,
        Writer(store) as writer,
    ):
        writer.put([moist(recorder, 1), moist(recorder, 2), moist(recorder, 1)])
        counts = writer.wait_for(messages=3, timeout=30)
    assert (counts.stored, counts.duplicate) == (2, 1)
    found = totals(farm_store)
    assert (found.stored, found.duplicate, found.readings_stored) == (2, 1, 2)
    assert stored(farm_store) == 2
    assert len(recorder.deliveries) == 3


def test_message_the_store_refuses_stands_alone(
    farm_store: Store, writer: Writer, recorder: Recorder
) -> None:
    with farm_store.connection() as conn:
        conn.execute("ALTER TABLE reading ADD CHECK (value <> 13)")
    batch = [moist(recorder, n, 13 if n in (4, 37) else 0.2) for n in range(50)]
    writer.put(batch)
    counts = writer.wait_for(messages=50, timeout=30)
    assert (counts.stored, counts.quarantined) == (48, 2)
    assert recorder.deliveries == batch
    with farm_store.connection() as conn:
        kept = quarantine.newest(conn, 9)
    assert all("refused by the store" in message.reason for message in kept)
    assert Counter(b"13" in message.payload for message in kept) == {True: 2}
    assert totals(farm_store).quarantined == 2


def test_stream_removed_since_it_was_looked_up(
    farm_store: Store, recorder: Recorder
) -> None:
    registry = Registry(farm_store)
    committer = Committer(farm_store, registry)
    chunk = judge(registry, [moist(recorder, n) for n in range(3)])
    chunk.batch.stream_id[1] = 999_999
    registry._profiles[999_999] = registry.profile(int(chunk.batch.stream_id[0]))
    from collections import deque

    settled = list(committer.settle(deque([chunk])))
    assert sum(len(part.deliveries) for part in settled) == 3
    found = totals(farm_store)
    assert (found.stored, found.quarantined) == (2, 1)


def test_long_topic_and_large_payload_are_cut(
    farm_store: Store, writer: Writer, recorder: Recorder
) -> None:
    # Not compressible, as PostgreSQL would squeeze a repeated letter into the index.
    name = "".join(chr(0x4E00 + n * 7919 % 20_000) for n in range(15_000))
    writer.put(
        [
            message(recorder, b"x" * 100_000, device=name),
            message(recorder, b"x" * 65_536),
            message(recorder, b"\0", topic="nul\0"),
        ]
    )
    assert writer.wait_for(messages=3, timeout=30).quarantined == 3
    with farm_store.connection() as conn:
        kept = {len(m.payload): m for m in quarantine.newest(conn, 9) if m.truncated}
        assert len(quarantine.newest(conn, 9)) == 3
    assert list(kept) == [65_536]
    assert len(kept[65_536].topic) == 500


def test_same_bad_payload_is_kept_once_for_each_publisher(
    farm_store: Store, writer: Writer, recorder: Recorder
) -> None:
    topic = "v1/devices/me/telemetry"
    writer.put(
        [
            message(recorder, b"?", topic=topic, publisher=(device, "lishu"))
            for device in ("p1", "p1", "p2", "p1")
        ]
    )
    writer.wait_for(messages=4, timeout=30)
    with farm_store.connection() as conn:
        kept = {m.device_id: m.count for m in quarantine.newest(conn, 9)}
    assert kept == {"p1": 3, "p2": 1}


def test_flood_of_unknown_names_leaves_no_memory(
    farm_store: Store, recorder: Recorder
) -> None:
    registry = Registry(farm_store)
    for start in range(0, 20_000, 5_000):
        names = [f"stranger-{n}" for n in range(start, start + 5_000)]
        registry.read({*names, "p1"})
        assert registry.known.keys() == {"p1"}


def test_devices_remembered_are_bounded(
    farm_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sensors.writer.registry.MOST_DEVICES", 2)
    registry = Registry(farm_store)
    for name in ("p1", "p2", "p3"):
        registry.read([name])
        assert name in registry.known
        assert len(registry.known) <= 2


def test_spellings_of_units_are_bounded(
    farm_store: Store, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sensors.writer.registry.MOST_ROUTES", 1)
    registry = Registry(farm_store)
    registry.read(["p1"])
    known = registry.known["p1"]
    for unit in ("V", "mV", None):
        assert known.route("battery", unit)
    assert len(known.routes) == 1


_MESSAGE = st.tuples(
    st.integers(0, 3),  # minute
    st.sampled_from([0.2, 0.3]),
    st.sampled_from(["p1", "p2", "stranger"]),
    st.booleans(),  # correction
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    batches=st.lists(st.lists(_MESSAGE, min_size=1, max_size=8), max_size=6),
    fates=st.lists(st.booleans(), max_size=4),
)
def test_counters_add_up_whatever_is_cut(
    farm_store: Store,
    batches: list[list[tuple[int, float, str, bool]]],
    fates: list[bool],
) -> None:
    recorder = Recorder()
    before, rows = totals(farm_store), stored(farm_store)
    sent: list[Delivery] = []
    with (
        _LosesAnswers(farm_store.url, fates) as store,
        Writer(store, batch_messages=5) as writer,
    ):
        for batch in batches:
            deliveries = [
                moist(recorder, minute, value, device=device, corr=corr)
                for minute, value, device, corr in batch
            ]
            writer.put(deliveries)
            sent += deliveries
        counts = writer.wait_for(messages=len(sent), timeout=30)
    after = totals(farm_store)
    assert recorder.deliveries == sent
    assert after.received - before.received == counts.received == len(sent)
    for name in ("stored", "duplicate", "conflict", "quarantined"):
        assert getattr(after, name) - getattr(before, name) == getattr(counts, name)
    assert stored(farm_store) - rows == counts.readings_stored
    assert after.readings_stored == stored(farm_store)
    with farm_store.connection() as conn:
        ledger.fold(conn)
        per_device = (
            conn.execute(
                "SELECT sum(stored), sum(duplicate), sum(conflict), sum(quarantined)"
                " FROM device_count"
            ).fetchone()
            or ()
        )
    if after.received:
        assert per_device == (
            after.stored,
            after.duplicate,
            after.conflict,
            after.quarantined,
        )
