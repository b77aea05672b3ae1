"""From delivered messages to committed rows, in arrival order.

A chunk of messages is one transaction. `store.readings.write` counts rows, not
messages, so a chunk whose rows did not all end alike is rolled back and halved until
each part is uniform or a single message: every message gets its own outcome, and the
usual chunk (all new, or all seen before) costs one transaction.
"""

import logging
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import psycopg

from sensors.counts import Outcome
from sensors.errors import PayloadInvalid
from sensors.payload import MAX_PAYLOAD, parse
from sensors.streams import Streams
from store import (
    DatabaseUnavailable,
    RowRefused,
    Store,
    StoreError,
    StreamUnknown,
    readings,
)
from store.readings import ReadingRow, Written

logger = logging.getLogger(__name__)

# The database is away or busy: the same rows may succeed later.
TRANSIENT = (DatabaseUnavailable, psycopg.InterfaceError)
# The database refuses the rows themselves: they would fail for ever.
REFUSED = (RowRefused, StreamUnknown)
# Characters; PostgreSQL indexes at most 2,700 bytes.
LONGEST_TOPIC = 500


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as the broker delivered it.

    ``connection`` numbers the connection it came by: an acknowledgement is valid only
    there.
    """

    topic: str
    payload: bytes
    received_at: datetime
    mid: int
    qos: int
    connection: int


@dataclass(frozen=True, slots=True)
class Judged:
    """A delivery with its rows, or with the reason why it has none."""

    delivery: Delivery
    rows: tuple[ReadingRow, ...] = ()
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """Committed messages: they may be acknowledged."""

    deliveries: tuple[Delivery, ...]
    messages: Counter[Outcome]
    readings: Counter[Outcome]


def judge(streams: Streams, batch: Sequence[Delivery]) -> list[Judged]:
    """Parse each delivery and find its streams; order and number stay.

    Raises
    ------
    DatabaseUnavailable
        The database is away.
    """
    streams.start_batch()
    return [_judged(streams, delivery) for delivery in batch]


def _judged(streams: Streams, delivery: Delivery) -> Judged:
    try:
        message = parse(delivery.topic, delivery.payload, delivery.received_at)
        rows = streams.rows(message, delivery.received_at)
    except PayloadInvalid as error:
        return Judged(delivery, fault=error.reason)
    return Judged(delivery, rows=rows)


def chunked(batch: Sequence[Judged], *, rows: int) -> deque[list[Judged]]:
    """Cut a batch into runs of at most `rows` rows, or of a single message."""
    chunks: deque[list[Judged]] = deque()
    room = 0
    for judged in batch:
        if not chunks or len(judged.rows) > room:
            chunks.append([])
            room = rows
        chunks[-1].append(judged)
        room -= len(judged.rows)
    return chunks


def settle(
    store: Store, streams: Streams, work: deque[list[Judged]]
) -> Iterator[Settled]:
    """Commit the chunks of `work`, first to last, and yield each after its COMMIT.

    A chunk leaves `work` only when it is committed: after an error, calling again with
    the same `work` goes on where it stopped.

    Raises
    ------
    DatabaseUnavailable, psycopg.InterfaceError
        The database is away; nothing of the first chunk in `work` is committed, as far
        as is known. (If it was, its rows are duplicates next time.)
    """
    while work:
        chunk = work[0]
        try:
            settled = _commit(store, chunk)
        except REFUSED as error:
            # Most likely a stream was removed since it was looked up.
            streams.forget()
            logger.warning("%d messages refused by the store: %s", len(chunk), error)
            parts = _halves(chunk) if len(chunk) > 1 else [[_refused(chunk[0], error)]]
        else:
            parts = _halves(chunk) if settled is None else []
        # Only now: what an error above left undone must stay for the next call.
        work.popleft()
        work.extendleft(reversed(parts))
        if not parts and settled is not None:
            yield settled


def _halves(chunk: list[Judged]) -> list[list[Judged]]:
    middle = len(chunk) // 2
    return [chunk[:middle], chunk[middle:]]


def _refused(judged: Judged, error: StoreError) -> Judged:
    return replace(judged, rows=(), fault=f"refused by the store: {error}")


def _commit(store: Store, chunk: Sequence[Judged]) -> Settled | None:
    """Write one chunk in one transaction; None when its messages did not end alike."""
    rows = [row for judged in chunk for row in judged.rows]
    with store.connection() as conn, conn.transaction():
        for judged in chunk:
            if judged.fault is not None:
                _quarantine(conn, judged.delivery, judged.fault)
        written = readings.write(conn, rows) if rows else Written(0, 0, 0)
        settled = _settled(chunk, written)
        if settled is None:
            raise psycopg.Rollback
    return settled


def _quarantine(conn: psycopg.Connection, delivery: Delivery, fault: str) -> None:
    readings.quarantine(
        conn,
        # Enough to see what it was: MQTT allows topics of 64 KB and payloads of 256 MB.
        topic=delivery.topic[:LONGEST_TOPIC],
        payload=delivery.payload[:MAX_PAYLOAD],
        reason=fault,
        received_at=delivery.received_at,
    )


def _settled(chunk: Sequence[Judged], written: Written) -> Settled | None:
    good = sum(judged.fault is None for judged in chunk)
    outcome = _outcome(written, single=good == 1)
    if good and outcome is None:
        return None
    messages = Counter({Outcome.QUARANTINED: len(chunk) - good})
    if outcome is not None:
        messages[outcome] += good
    return Settled(
        deliveries=tuple(judged.delivery for judged in chunk),
        messages=messages,
        readings=Counter(
            {
                Outcome.STORED: written.stored,
                Outcome.DUPLICATE: written.duplicate,
                Outcome.CONFLICT: written.conflict,
            }
        ),
    )


def _outcome(written: Written, *, single: bool) -> Outcome | None:
    """Outcome that all messages of a chunk share; None when the counts cannot tell."""
    total = written.stored + written.duplicate + written.conflict
    if total and written.stored == total:
        return Outcome.STORED
    if total and written.duplicate == total:
        return Outcome.DUPLICATE
    # Rows are counted together: of several messages nobody knows whose they were.
    if not single:
        return None
    if written.conflict:
        return Outcome.CONFLICT
    return Outcome.STORED if written.stored else Outcome.DUPLICATE
