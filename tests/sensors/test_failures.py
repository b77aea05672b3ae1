"""Nothing is lost and nothing is stored twice, whatever dies."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from sensors.broker import Broker, free_port
from sensors.publisher import Sent, publish
from sensors.simulated import messages, village
from sensors.subscriber import Subscriber
from store import Store, open_store
from tests.sensors.conftest import until
from tests.stored import stored_readings

START = datetime(2026, 11, 20, tzinfo=UTC)
DEVICES = [device for device, _ in village()]
ROOT = Path(__file__).resolve().parents[2]

INGEST = """
import sys, threading
from sensors.subscriber import Subscriber
from store import open_store
with open_store(url=sys.argv[1]) as store:
    Subscriber(store, host="127.0.0.1", port=int(sys.argv[2])).start()
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
def held_back(store: Store) -> Iterator[psycopg.Connection]:
    """Let every writer wait inside its transaction; yields a free connection."""
    with psycopg.connect(store.url) as lock, psycopg.connect(store.url) as other:
        other.autocommit = True
        lock.execute("LOCK TABLE reading IN ACCESS EXCLUSIVE MODE")
        yield other
        lock.rollback()


def waiting(conn: psycopg.Connection) -> list[int]:
    """Process ids of the server's sessions that wait for the lock."""
    rows = conn.execute(
        "SELECT pid FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return [pid for (pid,) in rows]


def stored(store: Store) -> int:
    with store.connection() as conn:
        return stored_readings(conn)


def test_killed_between_delivery_and_acknowledgement(
    village_store: Store, broker: Broker
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", INGEST, village_store.url, str(broker.port)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    with held_back(village_store) as conn:
        first = publish_hours(broker, start=0, end=2)
        until(lambda: bool(waiting(conn)))
        process.kill()
        process.communicate(timeout=20)
    second = publish_hours(broker, start=2, end=3)
    with Subscriber(village_store, host=broker.host, port=broker.port) as subscriber:
        total = first.messages + second.messages
        counts = subscriber.wait_for(messages=total, timeout=30)
    assert counts.stored == counts.received == total
    assert stored(village_store) == first.readings + second.readings


def test_database_connection_cut_in_the_middle_of_a_batch(
    village_store: Store,
    broker: Broker,
    subscriber: Subscriber,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with held_back(village_store) as conn:
        sent = publish_hours(broker, start=0, end=4)
        for _ in range(2):
            until(lambda: bool(waiting(conn)))
            for pid in waiting(conn):
                conn.execute("SELECT pg_terminate_backend(%s)", [pid])
            until(lambda: "database is away" in caplog.text)
            caplog.clear()
    counts = subscriber.wait_for(messages=sent.messages, timeout=30)
    assert counts.stored == counts.received == sent.messages
    assert stored(village_store) == sent.readings


def test_stopped_without_a_database_leaves_all_to_the_next(
    village_store: Store, broker: Broker
) -> None:
    with open_store(url=village_store.url) as closed:
        subscriber = Subscriber(closed, host=broker.host, port=broker.port)
        subscriber.start()
    sent = publish_hours(broker, start=0, end=1)
    until(lambda: subscriber.counts.received > 0)
    subscriber.stop()
    assert subscriber.counts.settled == 0
    with Subscriber(village_store, host=broker.host, port=broker.port) as successor:
        successor.wait_for(messages=sent.messages, timeout=30)
    assert stored(village_store) == sent.readings


def test_stop_settles_what_has_arrived(village_store: Store, broker: Broker) -> None:
    with Subscriber(village_store, host=broker.host, port=broker.port) as first:
        sent = publish_hours(broker, start=0, end=4)
    with Subscriber(village_store, host=broker.host, port=broker.port) as second:
        left = sent.messages - first.counts.received
        second.wait_for(messages=left, timeout=30)
    assert first.counts.pending == 0
    # What the first acknowledged is not delivered a second time.
    assert second.counts.received == left
    assert stored(village_store) == sent.readings


def test_broker_restarted(village_store: Store) -> None:
    port = free_port()
    broker = Broker(port=port)
    broker.start()
    with Subscriber(village_store, host="127.0.0.1", port=port) as subscriber:
        first = publish_hours(broker, start=0, end=1)
        subscriber.wait_for(messages=first.messages, timeout=30)
        broker.stop()
        until(lambda: not subscriber.running)
        with Broker(port=port) as successor:
            until(lambda: subscriber.running)
            second = publish_hours(successor, start=1, end=2)
            total = first.messages + second.messages
            counts = subscriber.wait_for(messages=total, timeout=30)
    assert counts.stored == total
    assert stored(village_store) == first.readings + second.readings
