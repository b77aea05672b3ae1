"""The ledger of the ingest: where every message ended, whatever was killed since.

A writer records the messages of a batch in the transaction of their readings, as one
packed row: it costs next to nothing, and the two cannot disagree. `fold` turns such
rows into counters per device and in total. Always, and after any crash::

    received == stored + duplicate + conflict + quarantined
    readings_received == readings_stored + readings_duplicate + readings_conflict
                         + readings_corrected
    readings_stored == rows ever inserted into reading
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, LiteralString
from uuid import UUID

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.range import Int8Range

from store.errors import DeviceUnknown
from store.sequence import Sequence

__all__ = [
    "CONFLICT",
    "CONTINUED",
    "DUPLICATE",
    "MESSAGE",
    "NO_SEQ",
    "NO_TIME",
    "QUARANTINED",
    "READINGS",
    "STORED",
    "UNKNOWN_DEVICE",
    "DeviceCount",
    "Total",
    "committed",
    "device_counts",
    "fold",
    "forget_writers",
    "gaps",
    "record",
    "skew",
    "totals",
]

# Values of ``outcome`` and ``message``, in the order of the counters.
STORED: Final = 0
DUPLICATE: Final = 1
CONFLICT: Final = 2
QUARANTINED: Final = 3
# Value of ``message`` in the second and further entries of a gateway's message.
CONTINUED: Final = 255
UNKNOWN_DEVICE: Final = 0
NO_SEQ: Final = -1
NO_TIME: Final = -1

# What one device said in one message. A message of a gateway has an entry for each of
# its devices: the first tells where the whole message ended, in ``message``.
MESSAGE: Final = np.dtype(
    [
        ("device", "<i4"),
        ("outcome", "u1"),
        ("message", "u1"),
        ("stored", "<u2"),
        ("duplicate", "<u2"),
        ("conflict", "<u2"),
        ("corrected", "<u2"),
        ("seq", "<i8"),
        ("time_us", "<i8"),
        ("received_us", "<i8"),
    ]
)

_OUTCOMES: Final = ("stored", "duplicate", "conflict", "quarantined")
# How the readings of an entry ended: its fields, in the order of the counters.
READINGS: Final = ("stored", "duplicate", "conflict", "corrected")
_COUNTERS: Final[tuple[LiteralString, ...]] = (
    *("stored", "duplicate", "conflict", "quarantined"),
    *("readings_stored", "readings_duplicate"),
    *("readings_conflict", "readings_corrected"),
)
# Delays from which the skew of a clock is estimated.
DELAYS: Final = 50
_LONGEST_DELAY_MS: Final = 2**31 - 1
# Key of the advisory lock under which one process folds ("ledger" in ASCII).
_FOLDING: Final = 0x6C6564676572
FOLD_ROWS: Final = 200

_Counters = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Total:
    """Messages and readings since the database was made, by where they ended."""

    stored: int
    duplicate: int
    conflict: int
    quarantined: int
    readings_stored: int
    readings_duplicate: int
    readings_conflict: int
    readings_corrected: int

    @property
    def received(self) -> int:
        """Messages of all outcomes."""
        return self.stored + self.duplicate + self.conflict + self.quarantined

    @property
    def readings_received(self) -> int:
        """Readings of the messages that could be read."""
        return (
            self.readings_stored
            + self.readings_duplicate
            + self.readings_conflict
            + self.readings_corrected
        )


@dataclass(frozen=True, slots=True)
class DeviceCount(Total):
    """As `Total`, of one device; a gateway's message counts for each device in it.

    ``last_time`` is the newest time by the device's own clock, None before its first
    reading.
    """

    device_id: str
    last_seen: datetime
    last_time: datetime | None


def record(
    conn: psycopg.Connection,
    messages: NDArray[np.void],
    *,
    writer_id: UUID,
    batch_id: UUID,
) -> bool:
    """Record the messages of a batch, in the transaction that stores their readings.

    Parameters
    ----------
    messages
        dtype `MESSAGE`, shape (n,).
    writer_id
        The same for all batches of a writer, which commits one after the other.
    batch_id
        Another for each batch, the same when it is tried again.

    Returns
    -------
    bool
        False when this batch is recorded already: an earlier COMMIT, whose answer was
        lost, did happen. The caller must roll back.
    """
    # A first COMMIT still under way holds the lock of the writer's row until it ends.
    return bool(
        conn.execute(
            "WITH writer AS (INSERT INTO ledger_writer AS w (writer_id, batch_id)"
            " VALUES (%(writer)s, %(batch)s) ON CONFLICT (writer_id) DO UPDATE"
            " SET batch_id = excluded.batch_id, recorded_at = now()"
            " WHERE w.batch_id <> excluded.batch_id RETURNING writer_id)"
            " INSERT INTO ledger (messages) SELECT %(messages)s FROM writer",
            {
                "writer": writer_id,
                "batch": batch_id,
                "messages": messages.tobytes(),
            },
        ).rowcount
    )


def committed(conn: psycopg.Connection, *, writer_id: UUID, batch_id: UUID) -> bool:
    """Whether the last batch that a writer committed is this one."""
    row = conn.execute(
        "SELECT 1 FROM ledger_writer WHERE writer_id = %s AND batch_id = %s",
        [writer_id, batch_id],
    ).fetchone()
    return row is not None


def forget_writers(conn: psycopg.Connection, *, before: datetime) -> int:
    """Delete the last batches of writers that committed none since; returns how many.

    Each start of the ingest is another writer. One that lives asks for its last batch
    only as long as it does not know whether that is in.
    """
    return conn.execute(
        "DELETE FROM ledger_writer WHERE recorded_at < %s", [before]
    ).rowcount


def totals(conn: psycopg.Connection) -> Total:
    """Return all counters, with what is not folded yet."""
    # One statement, as rows are folded while this runs.
    row = conn.execute(
        sql.SQL(
            "SELECT array(SELECT messages FROM ledger), {} FROM total_count"
        ).format(_columns()),
        binary=True,
    ).fetchone()
    assert row is not None, "the migration makes this row"
    waiting = _total(_unpacked(row[0]))
    return Total(*(int(n) for n in waiting + np.array(row[1:], dtype=np.int64)))


def device_counts(
    conn: psycopg.Connection, device_id: str | None = None
) -> list[DeviceCount]:
    """Return the folded counters of a device, or of all that were seen, by id."""
    with conn.cursor(row_factory=class_row(DeviceCount)) as cursor:
        cursor.execute(
            sql.SQL(
                "SELECT device_id, {}, last_seen, last_time FROM device_count AS c"
                " JOIN device ON device.number = c.device"
                " WHERE %(device)s::text IS NULL OR device_id = %(device)s"
                " ORDER BY device_id"
            ).format(_columns()),
            {"device": device_id},
        )
        return cursor.fetchall()


def gaps(conn: psycopg.Connection, device_id: str) -> list[range]:
    """Return the numbers of messages that a device sent and that did not come.

    Ascending; since its last start, and of those the newest `sequence.MOST_GAPS` gaps.
    Empty for a device that does not number its messages.

    Raises
    ------
    DeviceUnknown
    """
    row = conn.execute(
        "SELECT missing FROM device_sequence WHERE device = %s",
        [_number(conn, device_id)],
    ).fetchone()
    return [range(*part) for part in _parts(row[0])] if row else []


def skew(conn: psycopg.Connection, device_id: str) -> timedelta | None:
    """Return how far a device's clock is behind: median of receipt minus device time.

    Of its last 50 messages; None before the first. It contains the time that
    messages are under way, so that a device which stores and sends later seems late.

    Raises
    ------
    DeviceUnknown
    """
    row = conn.execute(
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY delay)"
        " FROM device_count, unnest(delays_ms) AS delay WHERE device = %s",
        [_number(conn, device_id)],
    ).fetchone()
    if row is None or row[0] is None:
        return None
    return timedelta(milliseconds=row[0])


def fold(conn: psycopg.Connection, *, limit: int = FOLD_ROWS) -> int:
    """Fold the oldest rows of the ledger into the counters; return how many.

    A transaction of its own. Safe in several processes: 0 also when another one is
    folding just now.

    Parameters
    ----------
    limit
        Most rows to fold at once; one row is one COMMIT of a writer.
    """
    with conn.transaction():
        if not _alone(conn):
            return 0
        rows = conn.execute(
            "DELETE FROM ledger WHERE ledger_id IN"
            " (SELECT ledger_id FROM ledger ORDER BY ledger_id LIMIT %s)"
            " RETURNING ledger_id, messages",
            [limit],
            binary=True,
        ).fetchall()
        messages = _unpacked(packed for _, packed in sorted(rows))
        if len(messages):
            _add_totals(conn, messages)
            # By device, each device's messages in their order of arrival.
            messages = messages[np.argsort(messages["device"], kind="stable")]
            _add_devices(conn, messages)
            _follow_sequences(conn, messages)
    return len(rows)


def _alone(conn: psycopg.Connection) -> bool:
    row = conn.execute("SELECT pg_try_advisory_xact_lock(%s)", [_FOLDING]).fetchone()
    return row is not None and bool(row[0])


def _unpacked(rows: Iterable[bytes]) -> NDArray[np.void]:
    return np.frombuffer(b"".join(rows), dtype=MESSAGE)


def _columns() -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, _COUNTERS))


def _number(conn: psycopg.Connection, device_id: str) -> int:
    row = conn.execute(
        "SELECT number FROM device WHERE device_id = %s", [device_id]
    ).fetchone()
    if row is None:
        raise DeviceUnknown(
            f"no device has the id {device_id!r}: `heitu devices list` shows those"
            f" there are · 没有编号为 {device_id} 的设备"
        )
    return int(row[0])


def _total(messages: NDArray[np.void]) -> _Counters:
    """Count messages and readings; in the order of `_COUNTERS`, shape (8,)."""
    whole = messages["message"]
    outcomes = np.bincount(whole[whole != CONTINUED], minlength=len(_OUTCOMES))
    readings = [messages[name].sum(dtype=np.int64) for name in READINGS]
    return np.concatenate([outcomes, readings])


def _add_totals(conn: psycopg.Connection, messages: NDArray[np.void]) -> None:
    conn.execute(
        sql.SQL("UPDATE total_count SET {}").format(
            sql.SQL(", ").join(
                sql.SQL("{0} = {0} + %s").format(sql.Identifier(name))
                for name in _COUNTERS
            )
        ),
        _total(messages).tolist(),
    )


def _by_device(
    messages: NDArray[np.void], starts: NDArray[np.intp]
) -> Mapping[str, NDArray[np.int64]]:
    """Sum up what `messages`, sorted by device, say of each device from `starts` on."""
    sums = {
        name: np.add.reduceat(messages["outcome"] == outcome, starts, dtype=np.int64)
        for outcome, name in enumerate(_OUTCOMES)
    }
    for name in READINGS:
        sums[f"readings_{name}"] = np.add.reduceat(
            messages[name], starts, dtype=np.int64
        )
    return sums


def _add_devices(conn: psycopg.Connection, messages: NDArray[np.void]) -> None:
    devices, starts = np.unique(messages["device"], return_index=True)
    sums = _by_device(messages, starts)
    conn.execute(
        sql.SQL(
            "INSERT INTO device_count AS c ({columns}, device, last_seen, last_time,"
            " delays_ms) SELECT {columns}, device, {seen}, {time}, delays::int4[]"
            " FROM unnest({numbers}, %s::int4[], %s::int8[], %s::int8[], %s::text[])"
            " AS new ({columns}, device, seen, time, delays)"
            " ON CONFLICT (device) DO UPDATE SET {added},"
            " last_seen = greatest(c.last_seen, excluded.last_seen),"
            " last_time = greatest(c.last_time, excluded.last_time),"
            " delays_ms = (c.delays_ms || excluded.delays_ms)"
            "[cardinality(c.delays_ms) + cardinality(excluded.delays_ms) - {older}:]"
        ).format(
            columns=_columns(),
            seen=_moment("seen"),
            time=_moment("nullif(time, -1)"),
            numbers=sql.SQL(", ").join([sql.SQL("%s::int8[]")] * len(_COUNTERS)),
            added=sql.SQL(", ").join(
                sql.SQL("{0} = c.{0} + excluded.{0}").format(sql.Identifier(name))
                for name in _COUNTERS
            ),
            older=DELAYS - 1,
        ),
        [
            *(sums[name].tolist() for name in _COUNTERS),
            devices.tolist(),
            np.maximum.reduceat(messages["received_us"], starts).tolist(),
            np.maximum.reduceat(messages["time_us"], starts).tolist(),
            _delays(messages, starts),
        ],
    )


def _moment(expression: LiteralString) -> sql.Composed:
    # Exact, which to_timestamp (float8 seconds) is not.
    return sql.SQL("'epoch'::timestamptz + {} * interval '1 microsecond'").format(
        sql.SQL(expression)
    )


def _delays(messages: NDArray[np.void], starts: NDArray[np.intp]) -> list[str]:
    """Write the newest delays of each device, milliseconds, as PostgreSQL arrays."""
    delays_ms = (messages["received_us"] - messages["time_us"]) // 1000
    delays_ms = np.clip(delays_ms, -_LONGEST_DELAY_MS, _LONGEST_DELAY_MS)
    known = (messages["time_us"] != NO_TIME) & (messages["outcome"] != QUARANTINED)
    return [
        "{" + ",".join(map(str, part[chosen][-DELAYS:].tolist())) + "}"
        for part, chosen in zip(
            np.split(delays_ms, starts[1:]), np.split(known, starts[1:]), strict=True
        )
    ]


def _follow_sequences(conn: psycopg.Connection, messages: NDArray[np.void]) -> None:
    numbered = messages[
        (messages["seq"] != NO_SEQ)
        & (messages["time_us"] != NO_TIME)
        & (messages["device"] != UNKNOWN_DEVICE)
    ]
    if not len(numbered):
        return
    devices, starts = np.unique(numbered["device"], return_index=True)
    known = _sequences(conn, devices.tolist())
    pairs = list(
        zip(numbered["seq"].tolist(), numbered["time_us"].tolist(), strict=True)
    )
    ends = [*starts[1:].tolist(), len(pairs)]
    for device, start, end in zip(devices.tolist(), starts.tolist(), ends, strict=True):
        if device not in known:
            known[device] = Sequence.begun(*pairs[start])
        known[device].see_all(pairs[start:end])
    _keep_sequences(conn, known)


def _sequences(conn: psycopg.Connection, devices: list[int]) -> dict[int, Sequence]:
    rows = conn.execute(
        "SELECT device, first, top, since_us, top_us, missing, lost, restarts"
        " FROM device_sequence WHERE device = ANY(%s)",
        [devices],
    )
    return {
        device: Sequence(first, top, since_us, top_us, _parts(missing), lost, restarts)
        for device, first, top, since_us, top_us, missing, lost, restarts in rows
    }


def _keep_sequences(
    conn: psycopg.Connection, sequences: Mapping[int, Sequence]
) -> None:
    rows = [
        (device, s.first, s.top, s.since_us, s.top_us, _written(s), s.lost, s.restarts)
        for device, s in sorted(sequences.items())
    ]
    conn.execute(
        "INSERT INTO device_sequence SELECT device, first, top, since_us, top_us,"
        " missing::int8multirange, lost, restarts FROM unnest(%s::int4[], %s::int8[],"
        " %s::int8[], %s::int8[], %s::int8[], %s::text[], %s::int8[], %s::int4[])"
        " AS new (device, first, top, since_us, top_us, missing, lost, restarts)"
        " ON CONFLICT (device) DO UPDATE SET first = excluded.first,"
        " top = excluded.top, since_us = excluded.since_us, top_us = excluded.top_us,"
        " missing = excluded.missing, lost = excluded.lost,"
        " restarts = excluded.restarts",
        [list(column) for column in zip(*rows, strict=True)],
    )


def _written(sequence: Sequence) -> str:
    return "{" + ",".join(f"[{a},{b})" for a, b in sequence.missing) + "}"


def _parts(missing: Iterable[Int8Range]) -> list[tuple[int, int]]:
    # Only finite ranges are ever written.
    return [(part.lower or 0, part.upper or 0) for part in missing]
