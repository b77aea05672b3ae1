"""Alert rules as they were written, and what they remember of their targets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from store.errors import StoreError

__all__ = [
    "RuleRow",
    "RuleUnknown",
    "StreamRow",
    "all_rules",
    "committed",
    "forget_states",
    "next_turn",
    "planned_from",
    "put",
    "remove",
    "save_states",
    "states",
    "streams",
    "take_turn",
]

# Any number that nothing else in this database locks.
_EVALUATION = 7310472230


class RuleUnknown(StoreError):
    """No rule has this name."""


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A stored rule; ``body`` is its JSON, ``rule_id`` new with every change."""

    rule_id: int
    name: str
    body: dict[str, Any]
    changed_at: datetime
    changed_by: str


@dataclass(frozen=True, slots=True)
class StreamRow:
    """A stream with its device's farm and kind."""

    stream_id: int
    device_id: str
    farm: str
    kind: str
    quantity: str
    thing: str
    simulated: bool


def put(
    conn: psycopg.Connection,
    *,
    name: str,
    body: Mapping[str, Any],
    at: datetime,
    by: str,
) -> bool:
    """Store a rule, in place of the one of that name; False when it is the same.

    A rule that changed begins anew: what the old one remembered is dropped, and its
    alerts are cleared by the next evaluation.
    """
    with conn.transaction():
        _wait_for_turn(conn)
        same = conn.execute(
            "SELECT body = %s FROM alert_rule WHERE name = %s",
            [Jsonb(dict(body)), name],
        ).fetchone()
        if same and same[0]:
            return False
        # Not an update: the new id is what tells that its states and alerts are of old.
        conn.execute("DELETE FROM alert_rule WHERE name = %s", [name])
        conn.execute(
            "INSERT INTO alert_rule (name, body, changed_at, changed_by)"
            " VALUES (%s, %s, %s, %s)",
            [name, Jsonb(dict(body)), at, by],
        )
        return True


def remove(conn: psycopg.Connection, name: str) -> None:
    """Remove a rule; the next evaluation clears its alerts.

    Raises
    ------
    RuleUnknown
        There is none of that name.
    """
    with conn.transaction():
        _wait_for_turn(conn)
        removed = conn.execute("DELETE FROM alert_rule WHERE name = %s", [name])
    if not removed.rowcount:
        raise RuleUnknown(
            f"no rule has the name {name!r}: `heitu rules list` shows those there are"
            f" · 没有名为 {name} 的规则"
        )


def all_rules(conn: psycopg.Connection) -> list[RuleRow]:
    """Return all rules by name."""
    with conn.cursor(row_factory=class_row(RuleRow)) as cursor:
        cursor.execute(
            "SELECT rule_id, name, body, changed_at, changed_by FROM alert_rule"
            " ORDER BY name"
        )
        return cursor.fetchall()


def streams(conn: psycopg.Connection) -> list[StreamRow]:
    """Return what rules look at, by id: of a device that moved, the present streams.

    The ones before get no new readings: an alert on them would stay open for ever.
    """
    with conn.cursor(row_factory=class_row(StreamRow)) as cursor:
        cursor.execute(
            "SELECT stream_id, device_id, farm, kind, quantity, thing, simulated"
            " FROM (SELECT DISTINCT ON (device_id, quantity, position)"
            "   stream_id, device_id, quantity, thing FROM stream"
            "  ORDER BY device_id, quantity, position, since <= now() DESC,"
            "   CASE WHEN since <= now() THEN since END DESC, since) AS present"
            " JOIN device USING (device_id) ORDER BY stream_id"
        )
        return cursor.fetchall()


def planned_from(conn: psycopg.Connection) -> tuple[list[int] | None, int, int | None]:
    """Return what changes whenever a rule or a stream comes, goes or is replaced."""
    row = conn.execute(
        "SELECT (SELECT array_agg(rule_id ORDER BY rule_id) FROM alert_rule),"
        " count(*), max(stream_id) FROM stream"
    ).fetchone()
    assert row is not None
    return row


def committed(conn: psycopg.Connection) -> list[UUID]:
    """Return the last batch of each writer: the same ones, and nothing was stored.

    Unlike a rising number, it does not matter in which order writers commit.
    """
    rows = conn.execute("SELECT batch_id FROM ledger_writer ORDER BY writer_id")
    return [batch_id for (batch_id,) in rows]


def take_turn(conn: psycopg.Connection) -> int | None:
    """Let this transaction alone evaluate rules; None while another one does.

    Returns the number of the last evaluation that changed something.
    """
    locked = conn.execute(
        "SELECT pg_try_advisory_xact_lock(%s)", [_EVALUATION]
    ).fetchone()
    if locked is None or not locked[0]:
        return None
    # Only now: a statement sees what was committed before it began, and the lock may
    # have been let go of while the one above ran.
    row = conn.execute("SELECT turn FROM alert_turn").fetchone()
    assert row is not None
    return int(row[0])


def next_turn(conn: psycopg.Connection) -> int:
    """Count an evaluation that changes something; return its number."""
    row = conn.execute(
        "UPDATE alert_turn SET turn = turn + 1 RETURNING turn"
    ).fetchone()
    assert row is not None
    return int(row[0])


def states(conn: psycopg.Connection) -> dict[tuple[int, str], dict[str, Any]]:
    """Return every remembered state by rule and key."""
    rows = conn.execute("SELECT rule_id, key, state FROM alert_state")
    return {(rule_id, key): state for rule_id, key, state in rows}


def save_states(
    conn: psycopg.Connection, changed: Mapping[tuple[int, str], Mapping[str, Any]]
) -> None:
    """Keep states by rule and key, in place of those there were."""
    conn.execute(
        "INSERT INTO alert_state (rule_id, key, state)"
        " SELECT * FROM unnest(%s::int[], %s::text[], %s::jsonb[])"
        " ON CONFLICT (rule_id, key) DO UPDATE SET state = excluded.state",
        [
            [rule_id for rule_id, _ in changed],
            [key for _, key in changed],
            [Jsonb(dict(state)) for state in changed.values()],
        ],
    )


def forget_states(conn: psycopg.Connection, gone: Sequence[tuple[int, str]]) -> None:
    """Drop states whose target is no longer in the scope of the rule."""
    conn.execute(
        "DELETE FROM alert_state USING unnest(%s::int[], %s::text[]) AS gone (id, key)"
        " WHERE rule_id = gone.id AND alert_state.key = gone.key",
        [[rule_id for rule_id, _ in gone], [key for _, key in gone]],
    )


def _wait_for_turn(conn: psycopg.Connection) -> None:
    """Let no evaluation run until this transaction ends: rules change between two."""
    conn.execute("SELECT pg_advisory_xact_lock(%s)", [_EVALUATION])
