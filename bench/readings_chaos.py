"""Kill what there is to kill while devices publish, and hold the store to its word."""

import random
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from device_swarm import QUANTITIES, values
from readings_parts import (
    CONSOLE,
    Device,
    Place,
    Relay,
    fleet,
    free_port,
    kill_database,
    listen,
    outcome,
    swarm,
)

from store.ledger import totals


def chaos(place: Place, messages: int, *, devices: int) -> dict[str, int]:
    """Publish while things are killed; returns what was lost and how it adds up."""
    each = messages // devices
    start = int(time.time()) - each - 60
    known = fleet(place, "chaos", devices)
    before = _ledger(place)
    kills = 0
    port = free_port()
    with ExitStack() as stack:
        ingest = stack.enter_context(listen(place, port))
        relay = stack.enter_context(Relay(to=port))
        hits: list[Callable[[], None]] = []
        for _ in range(11):
            hits += [ingest.kill, relay.kill, lambda: kill_database(place)]
        random.shuffle(hits)
        total = each * devices
        marks = sorted(random.uniform(0.02, 0.95) * total for _ in hits)

        def strike(done: int) -> None:
            nonlocal kills
            if marks and done >= marks[0]:
                marks.pop(0)
                hits.pop()()
                kills += 1
                CONSOLE.print(f"{done:>9,} acknowledged, {kills} kills")

        running = swarm(known, port=relay.port, messages=each, window=20, start=start)
        with running as process:
            result = outcome(process, strike)
    CONSOLE.print(f"chaos: {result}")
    return {
        **_audit(place, devices=known, each=each, start=start),
        "unaccounted": _unaccounted(place, before),
        "kills": kills,
    }


def _audit(
    place: Place, *, devices: Sequence[Device], each: int, start: int
) -> dict[str, int]:
    """Hold every reading that was acknowledged against the table."""
    expected = {
        (device_id, start + message, quantity): value
        for number, (device_id, _, _) in enumerate(devices)
        for message in range(each)
        for quantity, value in zip(QUANTITIES, values(number, message), strict=True)
    }
    sought = len(expected)
    surplus = 0
    with place.store.connection(timeout=120) as conn:
        rows = conn.execute(
            "SELECT device_id, extract(epoch FROM time)::float8, quantity, value"
            " FROM reading JOIN stream USING (stream_id)"
            " WHERE device_id LIKE 'chaos-%'"
        )
        for device_id, second, quantity, value in rows:
            if expected.pop((device_id, second, quantity), None) != value:
                surplus += 1
        conflicts = conn.execute("SELECT count(*) FROM reading_conflict").fetchone()
    CONSOLE.print(f"{sought:,} readings sought, {len(expected)} not found")
    assert conflicts is not None
    return {"lost": len(expected), "duplicated": surplus + int(conflicts[0])}


def _ledger(place: Place) -> dict[str, int]:
    with place.store.connection(timeout=120) as conn:
        counted = totals(conn)
        rows = conn.execute(
            "SELECT (SELECT count(*) FROM reading),"
            " (SELECT coalesce(sum(count), 0)::bigint FROM quarantine)"
        ).fetchone()
    assert rows is not None
    return {
        "received": counted.received,
        "settled": counted.stored
        + counted.duplicate
        + counted.conflict
        + counted.quarantined,
        "readings_received": counted.readings_received,
        "readings_settled": counted.readings_stored
        + counted.readings_duplicate
        + counted.readings_conflict,
        "readings_stored": counted.readings_stored,
        "quarantined": counted.quarantined,
        "rows": rows[0],
        "quarantine": rows[1],
    }


def _unaccounted(place: Place, before: dict[str, int]) -> int:
    """By how much the counters and the tables disagree."""
    now = _ledger(place)
    gain = {name: now[name] - before[name] for name in now}
    CONSOLE.print(f"ledger: {gain}")
    pairs = (
        ("received", "settled"),
        ("readings_received", "readings_settled"),
        ("readings_stored", "rows"),
        ("quarantined", "quarantine"),
    )
    return sum(abs(gain[one] - gain[other]) for one, other in pairs)
