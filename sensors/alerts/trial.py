"""What a rule would have raised on the readings that are stored."""

from dataclasses import dataclass
from datetime import datetime

import psycopg

from sensors.alerts.engine import Event, Reading, State, step
from sensors.alerts.recording import at_time
from sensors.alerts.rules import Rule
from sensors.alerts.targets import RuledStream, Target, targets
from sensors.alerts.texts import texts
from store import alerts, rules

__all__ = ["Trial", "stored_streams", "trial"]

# Readings of one stream that are read at a time.
CHUNK = 5000


@dataclass(frozen=True, slots=True)
class Trial:
    """One event of a rule on stored readings, with the texts that it would have had."""

    target: Target
    event: Event
    at: datetime
    text_zh: str
    text_en: str


def stored_streams(conn: psycopg.Connection) -> list[RuledStream]:
    """Return all streams of the store as rules look at them."""
    return [
        RuledStream(
            stream_id=row.stream_id,
            device_id=row.device_id,
            farm=row.farm,
            kind=row.kind,
            quantity=row.quantity,
            thing=row.thing,
            simulated=row.simulated,
        )
        for row in rules.streams(conn)
    ]


def trial(
    conn: psycopg.Connection, rule: Rule, *, start: datetime, end: datetime
) -> list[Trial]:
    """Evaluate a rule on stored readings in ``start < time <= end``.

    Nothing is written. Reminders and escalation by the clock do not occur: nobody was
    there to be told.

    Returns
    -------
    list
        Events by time.
    """
    found = []
    for target in targets(rule, stored_streams(conn)):
        for event in _events(conn, rule, target, _us(start), _us(end)):
            zh, en = texts(rule, target, event)
            found.append(Trial(target, event, at_time(event.at_us), zh, en))
    return sorted(found, key=lambda one: (one.event.at_us, one.target.key))


def _events(
    conn: psycopg.Connection, rule: Rule, target: Target, start_us: int, end_us: int
) -> list[Event]:
    quantities = {stream.stream_id: stream.quantity for stream in target.streams}
    state, events = step(rule, State(), [], start_us)
    after = start_us
    while after < end_us:
        rows = alerts.new_readings(
            conn, list(quantities), [after] * len(quantities), limit=CHUNK
        )
        # No stream may run ahead of one that has more than was read.
        full = [s for s in quantities if sum(r[0] == s for r in rows) == CHUNK]
        last = {row[0]: row[1] for row in rows}
        until = min([end_us, *(last[stream] for stream in full)])
        readings = [
            Reading(stream, time_us, value, flag, quantities[stream])
            for stream, time_us, value, flag in rows
            if time_us <= until
        ]
        state, new = step(rule, state, readings, until)
        events += new
        after = until
    return events


def _us(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000)
