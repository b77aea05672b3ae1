"""Nothing is lost, stored twice or counted twice, whatever process dies."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from sensors.publisher import Sent, publish
from sensors.simulated import messages, village
from sensors.subscriber import Subscriber
from sensors.writer import Writer
from store import Store, ledger
from tests.sensors.broker import Broker
from tests.sensors.conftest import until
from tests.stored import stored_readings

START = datetime(2026, 11, 20, tzinfo=UTC)
DEVICES = [device for device, _ in village()]
ROOT = Path(__file__).resolve().parents[2]

INGEST = """
import sys, threading
from sensors.subscriber import Subscriber
from sensors.writer import Writer
from store import open_store
with open_store(url=sys.argv[1]) as store:
    writer = Writer(store, batch_messages=50)
    writer.start()
    Subscriber(writer, host="127.0.0.1", port=int(sys.argv[2])).start()
    print("ready", flush=True)
    threading.Event().wait()
"""


def publish_hours(broker: Broker, *, start: int, end: int) -> Sent:
    hours = messages(
        DEVICES,
        start=START + timedelta(hours=start),
        end=START + timedelta(hours=end),
    )
    return publish(hours, host=broker.host, port=broker.port)


@contextmanager
def ingest(store: Store, broker: Broker) -> Iterator["subprocess.Popen[str]"]:
    """Run an ingest in a process of its own; killed in the end."""
    with subprocess.Popen(
        [sys.executable, "-c", INGEST, store.url, str(broker.port)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def held_back(store: Store) -> Iterator[psycopg.Connection]:
    """Let every writer wait inside its transaction; yields a free connection."""
    with psycopg.connect(store.url) as lock, psycopg.connect(store.url) as other:
        other.autocommit = True
        lock.execute("LOCK TABLE ledger IN ACCESS EXCLUSIVE MODE")
        yield other
        lock.rollback()


def waiting(conn: psycopg.Connection) -> bool:
    """Whether a session of the server waits for the lock."""
    rows = conn.execute(
        "SELECT pid FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return bool(rows.fetchall())


def stored(store: Store) -> int:
    with store.connection() as conn:
        return stored_readings(conn)


def totals(store: Store) -> ledger.Total:
    with store.connection() as conn:
        return ledger.totals(conn)


def test_killed_between_delivery_and_acknowledgement(
    village_store: Store, broker: Broker
) -> None:
    with ingest(village_store, broker) as process, held_back(village_store) as conn:
        first = publish_hours(broker, start=0, end=2)
        until(lambda: waiting(conn))
        process.kill()
        process.wait(timeout=20)
    second = publish_hours(broker, start=2, end=3)
    total = first.messages + second.messages
    with (
        Writer(village_store) as writer,
        Subscriber(writer, host=broker.host, port=broker.port),
    ):
        counts = writer.wait_for(messages=total, timeout=30)
    assert counts.stored == counts.received == total
    assert stored(village_store) == first.readings + second.readings
    assert totals(village_store).stored == total


def test_killed_again_and_again_in_the_middle_of_the_work(
    village_store: Store, broker: Broker
) -> None:
    readings = 0
    for hour in range(4):
        before = stored(village_store)
        with ingest(village_store, broker):
            readings += publish_hours(broker, start=hour, end=hour + 1).readings
            # Killed as soon as something of this hour, and rarely all, is stored.
            until(lambda seen=before: stored(village_store) > seen)  # type: ignore[misc]
    with (
        Writer(village_store) as writer,
        Subscriber(writer, host=broker.host, port=broker.port),
    ):
        until(lambda: stored(village_store) == readings)
    found = totals(village_store)
    assert found.readings_stored == readings
    assert found.stored == 4 * 6 * len(DEVICES)
    assert (found.conflict, found.quarantined) == (0, 0)
    with village_store.connection() as conn:
        ledger.fold(conn)
        devices = ledger.device_counts(conn)
    assert sum(device.readings_stored for device in devices) == readings


def test_stop_settles_what_has_arrived(village_store: Store, broker: Broker) -> None:
    with (
        Writer(village_store) as first,
        Subscriber(first, host=broker.host, port=broker.port),
    ):
        sent = publish_hours(broker, start=0, end=4)
    assert first.counts.pending == 0
    left = sent.messages - first.counts.received
    with (
        Writer(village_store) as second,
        Subscriber(second, host=broker.host, port=broker.port),
    ):
        second.wait_for(messages=left, timeout=30)
    # What the first acknowledged is not delivered a second time.
    assert second.counts.received == left
    assert stored(village_store) == sent.readings
