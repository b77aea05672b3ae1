"""The time-series store at 50 million readings: how fast it answers and inserts.

    python bench/series.py [--rows N] [--folder FOLDER]

Fills an embedded PostgreSQL of its own with readings of 10,000 streams every ten
minutes: 25 herds of 100 animals with activity, rumination and temperature, and 625
soil probes with four quantities. All rows go through `store.readings.write` in order of
time, in batches of 20,000 with a COMMIT each, as the writer does under load;
maintenance (rollups, partitions, hints) runs once for each day of readings, outside of
what is timed. The data are in a temporary folder that is removed in the end. The last
line is one JSON object:

``latest_p95_ms`` the newest reading of each of 1,000 random streams; ``month_p95_ms``
the hourly means of one random stream in 30 days; ``herd_day_p95_ms`` all readings of
one day of the activity of a herd of 100 animals: 95th percentiles of 200 queries, each
with other parameters. ``insert_ratio`` rows/s of the million rows written at the full
number over those written at one million (at a fiftieth of fewer ``--rows``). ``rows``
and ``seconds`` of the whole run.
"""

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import psycopg
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from store import Store, open_store, readings
from store.readings import Batch, Outcome
from store.series import ensure_partitions, refresh, refresh_hints

ROWS = 50_000_000
# What the writer commits at once under load: 5,000 messages of four readings.
BATCH = 20_000
WINDOW = 1_000_000
QUERIES = 200
HERDS, ANIMALS, PROBES = 25, 100, 625
COLLAR = ("activity", "rumination", "temperature")
PROBE = ("soil_moisture", "soil_temperature", "conductivity", "battery")
STREAMS = HERDS * ANIMALS * len(COLLAR) + PROBES * len(PROBE)
STEP_US = 600_000_000
# A Monday: at 50 million rows, in five weeks, the last partition is nearly full.
START = datetime(2026, 1, 5, tzinfo=UTC)
# Measured: about 110 bytes a reading with index and hours, and the log.
BYTES_A_ROW, BYTES_OF_LOG = 150, 6_000_000_000

console = Console()


def main() -> None:
    """Fill, measure, and print one JSON object."""
    arguments = _arguments()
    _check_disk(arguments.folder, arguments.rows)
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="heitu-bench-", dir=arguments.folder) as to,
        open_store(data=Path(to)) as store,
    ):
        _register(store)
        figures = _measure(store, arguments.rows)
    figures |= {"rows": arguments.rows, "seconds": round(time.monotonic() - began)}
    print(json.dumps(figures))


def _measure(store: Store, rows: int) -> dict[str, float]:
    early = min(1_000_000, rows // 50)
    window = min(WINDOW, early)
    with Progress(
        "{task.description}",
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
    ) as progress:
        task = progress.add_task("filling", total=rows + window)

        def fill(start: int, stop: int) -> float:
            return _fill(store, start, stop, lambda n: progress.advance(task, n))

        fill(0, early)
        first = window / fill(early, early + window)
        console.print(f"at {early:,} rows: {first:,.0f} rows/s")
        rest = rows - early - window
        console.print(
            f"fill: {rest / fill(early + window, rows):,.0f} rows/s without maintenance"
        )
        full = window / fill(rows, rows + window)
        console.print(f"at {rows:,} rows: {full:,.0f} rows/s")
    _maintain(store, rows + window)
    with store.connection() as conn:
        return _ask(conn, rows + window) | {"insert_ratio": round(full / first, 3)}


def _fill(store: Store, start: int, stop: int, done: Callable[[int], None]) -> float:
    """Write readings ``start`` to ``stop``; return the seconds without maintenance."""
    spent = 0.0
    with store.connection() as conn:
        for batch, number in _batches(start, stop):
            if number % (144 * STREAMS) < BATCH:
                _maintain_with(conn, number)
            began = time.perf_counter()
            outcome = readings.write(conn, batch)
            conn.commit()
            spent += time.perf_counter() - began
            if (outcome != Outcome.STORED).any():
                raise SystemExit(f"batch at row {number}: not all rows were stored")
            done(len(batch))
    return spent


def _batches(start: int, stop: int) -> Iterator[tuple[Batch, int]]:
    """Make the readings in order of time, and the number of the first of each batch."""
    rng = np.random.default_rng(start)
    # Devices send at moments of their own.
    delay = np.sort(np.random.default_rng(5).integers(0, STEP_US, STREAMS))
    sender = np.random.default_rng(6).permutation(STREAMS).astype(np.int32) + 1
    origin = int(START.timestamp()) * 1_000_000
    for number in range(start, stop, BATCH):
        index = np.arange(number, min(number + BATCH, stop))
        place = index % STREAMS
        time_us = origin + index // STREAMS * STEP_US + delay[place]
        count = len(index)
        yield (
            Batch(
                stream_id=sender[place],
                time_us=time_us,
                value=np.round(rng.normal(40.0, 10.0, count), 2),
                flag=np.ones(count, np.int16),
                received_us=time_us + 800_000,
                correction=np.zeros(count, np.bool_),
            ),
            number,
        )


def _maintain(store: Store, rows: int) -> None:
    with store.connection() as conn:
        _maintain_with(conn, rows)


def _maintain_with(conn: psycopg.Connection, rows: int) -> None:
    now = _time_of(rows)
    ensure_partitions(conn, now, now + timedelta(days=8))
    conn.commit()
    refresh(conn, before=now.replace(minute=0, second=0, microsecond=0))
    refresh_hints(conn)


def _ask(conn: psycopg.Connection, rows: int) -> dict[str, float]:
    """Measure the three questions; the parameters never repeat."""
    rng = np.random.default_rng(9)
    # Whole hours that every stream has readings of.
    hours = (_time_of(rows) - START) // timedelta(hours=1)
    month, day = min(720, hours), min(24, hours)

    def latest_of_1000() -> int:
        streams = rng.choice(STREAMS, 1_000, replace=False) + 1
        return len(readings.recent(conn, streams, count=1).value)

    def month_of_one() -> int:
        start = START + timedelta(hours=int(rng.integers(hours - month + 1)))
        stream = int(rng.integers(1, STREAMS + 1))
        end = start + timedelta(hours=month)
        return len(readings.hourly(conn, [stream], start, end))

    def day_of_herd() -> int:
        herd = int(rng.integers(HERDS))
        first = 1 + herd * ANIMALS * len(COLLAR)
        activity = first + np.arange(ANIMALS) * len(COLLAR)
        start = START + timedelta(hours=int(rng.integers(hours - day + 1)))
        end = start + timedelta(hours=day)
        return len(readings.series(conn, activity, start=start, end=end).value)

    return {
        "latest_p95_ms": _p95_ms(latest_of_1000, 1_000),
        "month_p95_ms": _p95_ms(month_of_one, month),
        "herd_day_p95_ms": _p95_ms(day_of_herd, ANIMALS * day * 6),
    }


def _p95_ms(question: Callable[[], int], answers: int) -> float:
    spent: NDArray[np.float64] = np.empty(QUERIES)
    for number in range(QUERIES):
        began = time.perf_counter()
        found = question()
        spent[number] = time.perf_counter() - began
        if found != answers:
            raise SystemExit(f"{question.__name__}: {found} answers, not {answers}")
    milliseconds = spent * 1_000
    console.print(
        f"{question.__name__}: median {np.median(milliseconds):.1f} ms,"
        f" maximum {milliseconds.max():.1f} ms"
    )
    return round(float(np.percentile(milliseconds, 95)), 2)


def _register(store: Store) -> None:
    """Make the devices and streams, past the functions that take one at a time."""
    devices: list[tuple[str, tuple[str, ...]]] = [
        (f"collar-{n:04d}", COLLAR) for n in range(HERDS * ANIMALS)
    ]
    devices += [(f"probe-{n:03d}", PROBE) for n in range(PROBES)]
    with store.connection() as conn, conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO device (device_id, farm, name_zh, name_en, kind, lon, lat,"
            " simulated, created_at)"
            " VALUES (%s, 'bench', '', '', 'bench', 125, 44, true, now())",
            [(device_id,) for device_id, _ in devices],
        )
        cursor.executemany(
            "INSERT INTO stream (device_id, quantity, unit, thing)"
            " VALUES (%s, %s, '1', %s)",
            [(name, quantity, name) for name, all_of in devices for quantity in all_of],
        )


def _time_of(row: int) -> datetime:
    return START + timedelta(microseconds=row // STREAMS * STEP_US)


def _check_disk(folder: Path, rows: int) -> None:
    needed = rows * BYTES_A_ROW + BYTES_OF_LOG
    free = shutil.disk_usage(folder).free
    console.print(f"disk: {needed / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free")
    if free < needed:
        raise SystemExit(
            f"{folder} has {free / 1e9:.1f} GB free, {needed / 1e9:.1f} GB are needed:"
            " choose another with --folder, or fewer rows with --rows"
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    arguments = parser.parse_args()
    if arguments.rows < 50 * BATCH:
        parser.error(f"--rows must be at least {50 * BATCH:,}")
    return arguments


if __name__ == "__main__":
    main()
