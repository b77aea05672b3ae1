"""Messages that could not become readings: kept with the reason, and counted."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, LiteralString

import psycopg
from psycopg.rows import class_row

__all__ = [
    "MAX_PAYLOAD",
    "MAX_TOPIC",
    "Quarantined",
    "Refused",
    "add",
    "get",
    "locked",
    "newest",
    "remove",
    "trim",
]

# Characters; PostgreSQL indexes at most 2,700 bytes. MQTT allows topics of 64 KB.
MAX_TOPIC: Final = 500
# Bytes kept of a payload; MQTT allows 256 MB.
MAX_PAYLOAD: Final = 65_536
_COLUMNS: Final[LiteralString] = (
    "quarantine_id, topic, payload, truncated, reason, first_received_at,"
    " last_received_at, count, device_id, farm"
)


@dataclass(frozen=True, slots=True)
class Refused:
    """A message to be kept.

    Attributes
    ----------
    topic, payload
        As they came.
    reason
        What is wrong with it.
    received_us
        Time of receipt, microseconds since 1970 UTC.
    device_id, farm
        Of the publisher, by its credential; None where a broker vouched for it.
    """

    topic: str
    payload: bytes
    reason: str
    received_us: int
    device_id: str | None = None
    farm: str | None = None


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A message in quarantine, and how often it came.

    ``payload`` holds the first `MAX_PAYLOAD` bytes when ``truncated``; otherwise all.
    """

    quarantine_id: int
    topic: str
    payload: bytes
    truncated: bool
    reason: str
    first_received_at: datetime
    last_received_at: datetime
    count: int
    device_id: str | None
    farm: str | None


@dataclass(slots=True)
class _Kept:
    """One row to be: a message of a batch, and how often the batch has it."""

    message: Refused
    first_us: int
    last_us: int
    count: int = 1


def add(conn: psycopg.Connection, messages: Iterable[Refused]) -> None:
    """Keep messages; one that is there already is counted, with its newest reason."""
    kept = _merged(messages)
    if not kept:
        return
    rows = [
        (key, row.message, row.first_us, row.last_us, row.count)
        # Sorted, so that two writers lock rows in one order and never deadlock.
        for key, row in sorted(kept.items())
    ]
    conn.execute(
        "INSERT INTO quarantine (sha256, topic, payload, truncated, reason, device_id,"
        " farm, first_received_at, last_received_at, count)"
        " SELECT sha256, topic, payload, truncated, reason, device_id, farm,"
        " 'epoch'::timestamptz + first_us * interval '1 microsecond',"
        " 'epoch'::timestamptz + last_us * interval '1 microsecond', count"
        " FROM unnest(%s::bytea[], %s::text[], %s::bytea[], %s::bool[], %s::text[],"
        " %s::text[], %s::text[], %s::int8[], %s::int8[], %s::int8[]) AS new (sha256,"
        " topic, payload, truncated, reason, device_id, farm, first_us, last_us, count)"
        " ON CONFLICT (sha256, topic) DO UPDATE"
        " SET count = quarantine.count + excluded.count, reason = excluded.reason,"
        " last_received_at = greatest(quarantine.last_received_at,"
        " excluded.last_received_at)",
        [
            [sha256 for (sha256, _), *_ in rows],
            [topic for (_, topic), *_ in rows],
            [message.payload[:MAX_PAYLOAD] for _, message, *_ in rows],
            [len(message.payload) > MAX_PAYLOAD for _, message, *_ in rows],
            [_storable(message.reason) for _, message, *_ in rows],
            [message.device_id for _, message, *_ in rows],
            [message.farm for _, message, *_ in rows],
            [first_us for _, _, first_us, _, _ in rows],
            [last_us for _, _, _, last_us, _ in rows],
            [count for *_, count in rows],
        ],
    )


def newest(conn: psycopg.Connection, limit: int) -> list[Quarantined]:
    """Return the messages in quarantine, the latest received first."""
    with conn.cursor(row_factory=class_row(Quarantined)) as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM quarantine"
            " ORDER BY last_received_at DESC, quarantine_id DESC LIMIT %s",
            [limit],
        )
        return cursor.fetchall()


def get(conn: psycopg.Connection, ids: Sequence[int]) -> list[Quarantined]:
    """Return the messages with these ids that are in quarantine, by id."""
    with conn.cursor(row_factory=class_row(Quarantined)) as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM quarantine WHERE quarantine_id = ANY(%s)"
            " ORDER BY quarantine_id",
            [list(ids)],
        )
        return cursor.fetchall()


def locked(
    conn: psycopg.Connection,
    *,
    after: int,
    limit: int,
    ids: Sequence[int] | None = None,
) -> list[Quarantined]:
    """Return the next messages in quarantine for a replay, by id.

    They stay locked until the end of the transaction: what comes again meanwhile is
    counted after it. Those that another replay holds are left out.

    Parameters
    ----------
    after
        Only ids above this one.
    limit
        Most messages to return.
    ids
        Only these; None for all.
    """
    with conn.cursor(row_factory=class_row(Quarantined)) as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM quarantine WHERE quarantine_id > %(after)s"
            " AND (%(ids)s::int8[] IS NULL OR quarantine_id = ANY(%(ids)s))"
            " ORDER BY quarantine_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED",
            {
                "after": after,
                "ids": None if ids is None else list(ids),
                "limit": limit,
            },
        )
        return cursor.fetchall()


def remove(conn: psycopg.Connection, ids: Sequence[int]) -> None:
    """Take messages out of quarantine."""
    conn.execute("DELETE FROM quarantine WHERE quarantine_id = ANY(%s)", [list(ids)])


def trim(
    conn: psycopg.Connection, *, before: datetime, messages: int, octets: int
) -> int:
    """Delete the oldest messages, so that bad input cannot fill the disk.

    Parameters
    ----------
    before
        What was not received since, is deleted.
    messages
        So many are kept, those received last.
    octets
        So many bytes of payload are kept.

    Returns
    -------
    int
        How many were deleted; the counters in the ledger stay as they are.
    """
    return conn.execute(
        "DELETE FROM quarantine USING (SELECT quarantine_id, row_number() OVER newest,"
        " sum(octet_length(payload)) OVER newest AS octets FROM quarantine WINDOW"
        " newest AS (ORDER BY last_received_at DESC, quarantine_id DESC"
        " ROWS UNBOUNDED PRECEDING)) AS kept"
        " WHERE quarantine.quarantine_id = kept.quarantine_id"
        " AND (last_received_at < %(before)s OR row_number > %(messages)s"
        " OR kept.octets > %(octets)s)",
        {"before": before, "messages": messages, "octets": octets},
    ).rowcount


def _merged(messages: Iterable[Refused]) -> dict[tuple[bytes, str], _Kept]:
    """Count equal messages: one statement must not touch a row twice."""
    kept: dict[tuple[bytes, str], _Kept] = {}
    for message in messages:
        key = (_sha256(message), _storable(message.topic[:MAX_TOPIC]))
        row = kept.get(key)
        if row is None:
            kept[key] = _Kept(message, message.received_us, message.received_us)
            continue
        row.count += 1
        row.first_us = min(row.first_us, message.received_us)
        row.last_us = max(row.last_us, message.received_us)
        row.message = replace(row.message, reason=message.reason)
    return kept


def _sha256(message: Refused) -> bytes:
    publisher = b"" if message.device_id is None else message.device_id.encode() + b"\0"
    return hashlib.sha256(publisher + message.payload).digest()


def _storable(text: str) -> str:
    """Replace what PostgreSQL's text cannot hold: NUL and lone surrogates."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
