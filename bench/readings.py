"""How fast, how safe and how large the way from a device to the store is.

Devices (bench/device_swarm.py), `heitu listen` and the embedded PostgreSQL share the
machine. The last line is one JSON object:

``lost``, ``duplicated``, ``unaccounted``, ``kills``
    After 200,000 messages of four readings during which the ingest, the database and
    the network were each killed at random (``kills`` in all): readings that were
    acknowledged and are not stored with their value; rows beyond them; messages and
    readings by which the counters differ from what the tables hold.
``messages_per_s``, ``rows_per_s``
    Through the endpoint, from the first CONNECT to the last PUBACK after COMMIT.
``endpoint_over_chain``
    Against Mosquitto with the configuration of `heitu broker-config`, `heitu subscribe`
    and the same writer, to the last COMMIT; null where Mosquitto is not installed.
``rows_over_raw_copy``
    Against one psycopg connection that copies the same rows, 5,000 a COMMIT, into a
    staging table and inserts them ON CONFLICT DO NOTHING.
``kib_per_connection``
    Growth of the resident set of `heitu listen` by 5,000 idle devices.

Rates are medians of interleaved rounds.
"""

import argparse
import getpass
import json
import os
import resource
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from device_swarm import connect_packet
from readings_chaos import chaos
from readings_parts import (
    CONSOLE,
    HEITU,
    Device,
    Ingest,
    Place,
    fleet,
    free_port,
    listen,
    outcome,
    swarm,
)

from store import open_store
from store.ledger import totals

COMMIT_ROWS = 5_000


def main() -> None:
    """Run all parts and print the object."""
    options = _options()
    _raise_file_limit()
    with tempfile.TemporaryDirectory(prefix="heitu-bench-") as folder:
        Path(folder).chmod(0o755)
        data = Path(folder) / "data"
        with open_store(data=data) as store:
            place = Place(data, store)
            result = {
                **chaos(place, options.messages, devices=200),
                **rates(place, rounds=options.rounds, messages=options.rate_messages),
                "kib_per_connection": memory(place, options.connections),
            }
    print(json.dumps(result))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--rate-messages", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=5_000)
    return parser.parse_args()


def _raise_file_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def rates(place: Place, *, rounds: int, messages: int) -> dict[str, float | None]:
    """Measure raw copies, the endpoint and the chain in turns."""
    found: dict[str, list[float]] = {"raw": [], "endpoint": [], "chain": []}
    chained = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
    devices = fleet(place, "rate", 500)
    for turn in range(rounds):
        found["raw"].append(raw_copy(place, turn, rows=4 * messages))
        found["endpoint"].append(through_endpoint(place, devices, turn, messages))
        if chained:
            found["chain"].append(
                through_chain(place, devices, turn, messages, chained)
            )
        CONSOLE.print(
            {name: f"{rate[-1]:,.0f}" for name, rate in found.items() if rate}
        )
    middle = {name: statistics.median(rate) for name, rate in found.items() if rate}
    chain = middle.get("chain")
    return {
        "messages_per_s": round(middle["endpoint"]),
        "rows_per_s": round(4 * middle["endpoint"]),
        "endpoint_over_chain": round(middle["endpoint"] / chain, 2) if chain else None,
        "rows_over_raw_copy": round(4 * middle["endpoint"] / middle["raw"], 2),
    }


def _window_start(turn: int, kind: int) -> int:
    """Give each round hours of its own, so that its readings are new."""
    return int(time.time()) - 86_400 * (2 + 2 * turn + kind)


def through_endpoint(
    place: Place, devices: list[Device], turn: int, messages: int
) -> float:
    """Return messages a second, acknowledged after COMMIT."""
    port = free_port()
    each = messages // len(devices)
    with listen(place, port):
        start = _window_start(turn, 0)
        running = swarm(devices, port=port, messages=each, window=50, start=start)
        with running as process:
            result = outcome(process, lambda _: None)
    return result["acknowledged"] / result["seconds"]


def through_chain(
    place: Place, devices: list[Device], turn: int, messages: int, mosquitto: str
) -> float:
    """Return messages a second through Mosquitto and paho, until the last COMMIT."""
    port, each = free_port(), messages // len(devices)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environment = broker(stack, place, folder, mosquitto=mosquitto, port=port)
        stack.enter_context(Ingest(place, "subscribe", environment=environment))
        before = _received(place)
        start = _window_start(turn, 1)
        running = swarm(devices, port=port, messages=each, window=50, start=start)
        with running as process:
            began = time.monotonic()
            result = outcome(process, lambda _: None)
            while _received(place) - before < result["acknowledged"]:
                time.sleep(0.1)
            return result["acknowledged"] / (time.monotonic() - began)


def broker(
    stack: ExitStack, place: Place, folder: Path, *, mosquitto: str, port: int
) -> dict[str, str]:
    """Start Mosquitto as `heitu broker-config` sets it up; returns our settings."""
    options = ("--out", str(folder), "--port", str(port), "--user", getpass.getuser())
    command = [*HEITU, "broker-config", *options]
    subprocess.run(command, check=True, env=place.environment, capture_output=True)
    process = subprocess.Popen(
        [mosquitto, "-c", str(folder / "mosquitto.conf")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
    )
    stack.callback(process.wait)
    stack.callback(process.kill)
    return {
        "HEITU_BROKER_PORT": str(port),
        "HEITU_BROKER_PASSWORD_FILE": str(folder / "heitu-ingest.secret"),
    }


def _received(place: Place) -> int:
    with place.store.connection(timeout=120) as conn:
        return totals(conn).received


def raw_copy(place: Place, turn: int, *, rows: int) -> float:
    """Return rows a second of binary COPY with deduplication by one connection."""
    start = _window_start(turn, 0) - 86_400 * 100
    streams = 2_000
    with psycopg.connect(place.store.url) as conn:
        _raw_tables(conn, start)
        batches = [
            [_raw_row(number, start, streams) for number in range(at, at + COMMIT_ROWS)]
            for at in range(0, rows, COMMIT_ROWS)
        ]
        began = time.monotonic()
        for batch in batches:
            _raw_batch(conn, batch)
        return rows / (time.monotonic() - began)


def _raw_tables(conn: psycopg.Connection, start: int) -> None:
    conn.execute("DROP TABLE IF EXISTS bench_raw")
    # The same columns, checks and key as the table of readings.
    conn.execute(
        "CREATE TABLE bench_raw (LIKE reading INCLUDING ALL) PARTITION BY RANGE (time)"
    )
    conn.execute(
        "CREATE TABLE bench_raw_1 PARTITION OF bench_raw FOR VALUES FROM"
        f" (to_timestamp({start - 86_400})) TO (to_timestamp({start + 86_400}))"
    )
    conn.execute(
        "CREATE TEMPORARY TABLE raw_staging (stream_id int4, time timestamptz,"
        " value float8, flag int2, received_at timestamptz) ON COMMIT DELETE ROWS"
    )
    conn.commit()


def _raw_row(number: int, start: int, streams: int) -> tuple[object, ...]:
    moment = datetime.fromtimestamp(start + number // streams, UTC)
    return (1_000_000 + number % streams, moment, number % 97 / 7, 1, moment)


def _raw_batch(conn: psycopg.Connection, batch: list[tuple[object, ...]]) -> None:
    with conn.cursor() as cursor:
        copying = cursor.copy("COPY raw_staging FROM STDIN (FORMAT BINARY)")
        with copying as copy:
            copy.set_types(["int4", "timestamptz", "float8", "int2", "timestamptz"])
            for row in batch:
                copy.write_row(row)
        cursor.execute(
            "INSERT INTO bench_raw (stream_id, time, value, flag, received_at)"
            " SELECT DISTINCT ON (stream_id, time) * FROM raw_staging"
            " ORDER BY stream_id, time ON CONFLICT DO NOTHING"
        )
    conn.commit()


def memory(place: Place, connections: int) -> float:
    """Return KiB of the endpoint's resident set for each idle device."""
    known = fleet(place, "idle", connections)
    port = free_port()
    with listen(place, port) as ingest, ExitStack() as stack:
        # The first ones pay for what every later one shares.
        _connect_all(stack, known[:50], port)
        before = _resident_kib(ingest.process.pid)
        _connect_all(stack, known[50:], port)
        grown = _resident_kib(ingest.process.pid) - before
    return round(grown / (connections - 50), 1)


def _connect_all(stack: ExitStack, devices: Sequence[Device], port: int) -> None:
    for at in range(0, len(devices), 100):
        opened = []
        for device_id, _, secret in devices[at : at + 100]:
            connection = socket.create_connection(("127.0.0.1", port))
            stack.callback(connection.close)
            connection.sendall(connect_packet(device_id, secret))
            opened.append(connection)
        for connection in opened:
            if connection.recv(4) != b"\x20\x02\x00\x00":
                raise SystemExit("a device was refused")


def _resident_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


if __name__ == "__main__":
    main()
