"""`heitu listen` as a process of its own, killed in the middle of the readings."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sensors.publisher import Outgoing, Publisher
from store import Store, ledger, open_store
from tests.api.probe import probe_login
from tests.sensors.broker import free_port
from tests.sensors.conftest import until

MESSAGES = 3_000
START = datetime(2026, 11, 1, tzinfo=UTC).timestamp()


@contextmanager
def listening(data: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    command = "from api.cli import main; main()"
    options = ("listen", "--data", str(data), "--mqtt-port", str(port))
    process = subprocess.Popen(
        [sys.executable, "-c", command, *options],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "HEITU_DEVICE_MESSAGES_PER_MINUTE": "0"},
    )
    assert process.stderr is not None
    try:
        head = next(line for line in process.stderr if "MQTT" in line)
        assert re.search(rf":{port}$", head.rstrip()), head
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def data(private_folder: Path) -> Path:
    return private_folder / "data"


@pytest.fixture
def store(data: Path) -> Iterator[Store]:
    with open_store(data=data) as opened:
        yield opened


def message(number: int) -> Outgoing:
    time_text = datetime.fromtimestamp(START + number, UTC).isoformat()
    readings = f'{{"soil_moisture": {number / 10_000}, "battery": 3.5}}'
    payload = f'{{"seq": {number}, "ts": "{time_text}", "readings": {readings}}}'
    return Outgoing("farm/home/probe/up", payload.encode(), 2)


def test_nothing_is_lost_or_doubled_when_it_is_killed(data: Path, store: Store) -> None:
    port, login = free_port(), probe_login(store)
    with listening(data, port) as first:
        publisher = Publisher(host="127.0.0.1", port=port, login=login)
        publisher.start()
        sending = threading.Thread(target=_send_all, args=(publisher,))
        sending.start()
        until(lambda: publisher.acknowledged > MESSAGES // 3, timeout=60)
        first.kill()
        first.wait()
    with listening(data, port):
        sending.join()
        publisher.wait(timeout=60)
        publisher.stop()
    with store.connection() as conn:
        rows = conn.execute(
            "SELECT extract(epoch FROM time)::float8, value FROM reading"
            " JOIN stream USING (stream_id) WHERE quantity = 'soil_moisture'"
            " ORDER BY time"
        ).fetchall()
        total = ledger.totals(conn)
        # What the process itself has not folded yet.
        ledger.fold(conn)
        gaps = ledger.gaps(conn, "probe")
    assert rows == [(START + n, n / 10_000) for n in range(MESSAGES)]
    assert total.readings_stored == 2 * MESSAGES
    assert total.received == total.stored + total.duplicate
    assert total.stored == MESSAGES
    assert gaps == []


def _send_all(publisher: Publisher) -> None:
    for number in range(MESSAGES):
        publisher.send(message(number), timeout=60)
