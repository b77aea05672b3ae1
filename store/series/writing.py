"""Writing readings: each key (stream, time) once, nothing overwritten unasked.

A batch is sorted by key, so that two writers lock rows in one order and never deadlock.
Its first rows of every key go in one of two ways. The optimistic one copies them
straight into the table, which is refused as a whole when a key is there already. The
careful one copies them into a temporary table and inserts what is missing. After a
refusal the careful way is taken for a while: repetitions come in floods.
"""

from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from store import copying
from store.errors import StreamUnknown
from store.series import dirty
from store.series.batch import Batch, Outcome
from store.series.keys import Keys
from store.series.partitions import ensure_weeks, forget, is_missing
from store.series.sql import moment

__all__ = ["write"]

# Batches that go the careful way after a refusal.
CAREFUL_BATCHES = 64
# Any constant serves; every version of the platform must use the same.
CORRECTIONS_LOCK = 7_310_472_217

_STAGING = (
    "CREATE TEMPORARY TABLE IF NOT EXISTS reading_staging (time timestamptz,"
    " value float8, received_at timestamptz, stream_id int4, flag int2, key_no int4)"
    " ON COMMIT DELETE ROWS;"
    # A second batch in one transaction would meet the rows of the first.
    "DELETE FROM pg_temp.reading_staging"
)
_INSERT = sql.SQL(
    "INSERT INTO reading (time, value, received_at, stream_id, flag)"
    " SELECT time, value, received_at, stream_id, flag FROM pg_temp.reading_staging"
    " ORDER BY stream_id, time ON CONFLICT (stream_id, time) DO NOTHING"
    " RETURNING stream_id, time"
).format()
# OFFSET 0 keeps the planner from any way but one look into the index for each key.
_STORED_BEFORE = sql.SQL(
    "SELECT key_no, old.value, old.flag, old.received_at"
    " FROM pg_temp.reading_staging AS staged CROSS JOIN LATERAL ("
    " SELECT value, flag, received_at FROM reading"
    " WHERE reading.stream_id = staged.stream_id AND reading.time = staged.time"
    " OFFSET 0) AS old"
).format()


@dataclass(slots=True)
class _Session:
    """What a connection remembers; all of it may be forgotten."""

    streams: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    careful: int = 0


_sessions: WeakKeyDictionary[psycopg.Connection, _Session] = WeakKeyDictionary()


@dataclass(slots=True)
class _Current:
    """Value, flag and receipt that every key of a batch has in the store by now."""

    value: NDArray[np.float64]
    flag: NDArray[np.int16]
    received_us: NDArray[np.int64]


def write(conn: psycopg.Connection, batch: Batch) -> NDArray[np.uint8]:
    """Store a batch and tell what became of each row; see `store.readings.write`."""
    outcome = np.empty(len(batch), np.uint8)
    if not len(batch):
        return outcome
    batch.check()
    session = _sessions.setdefault(conn, _Session())
    keys = Keys(batch.stream_id, batch.time_us)
    with conn.transaction():
        _check_streams(conn, session, keys.streams())
        if batch.correction.any():
            # A correction reads what it replaces and keeps it: of two at once, one
            # would keep what the other has replaced already.
            conn.execute("SELECT pg_advisory_xact_lock(%s)", [CORRECTIONS_LOCK])
        first = batch.take(keys.first)
        current = _Current(first.value, first.flag, first.received_us)
        new = _insert(conn, session, first)
        if not new.all():
            _look_up(conn, first, ~new, current)
        outcome[keys.first[new]] = Outcome.STORED
        rest = np.ones(len(batch), np.bool_)
        rest[keys.first[new]] = False
        if rest.any():
            _judge(conn, batch, keys, rest, current, outcome)
        changed = (outcome == Outcome.STORED) | (outcome == Outcome.CORRECTED)
        dirty.mark(conn, batch.stream_id[changed], batch.time_us[changed])
    return outcome


def _insert(
    conn: psycopg.Connection, session: _Session, first: Batch
) -> NDArray[np.bool_]:
    """Insert rows of distinct, sorted keys; return which were new."""
    try:
        ensure_weeks(conn, first.time_us)
        return _insert_either_way(conn, session, first)
    except psycopg.errors.CheckViolation as exc:
        if not is_missing(exc):
            raise
    # Somebody dropped the partition, or the transaction that made it was rolled back.
    forget(conn)
    ensure_weeks(conn, first.time_us)
    return _insert_either_way(conn, session, first)


def _insert_either_way(
    conn: psycopg.Connection, session: _Session, first: Batch
) -> NDArray[np.bool_]:
    if not session.careful:
        try:
            # A savepoint: a refused COPY must not take the transaction of the caller
            # along.
            with conn.transaction():
                copying.load(conn, "reading", _columns(first))
        except psycopg.errors.UniqueViolation:
            session.careful = CAREFUL_BATCHES
        else:
            return np.ones(len(first), np.bool_)
    session.careful -= 1
    with conn.transaction():
        return _insert_missing(conn, first)


def _insert_missing(conn: psycopg.Connection, first: Batch) -> NDArray[np.bool_]:
    _stage(conn, first)
    kinds = {"stream_id": "int4", "time": "timestamptz"}
    found = copying.unload(conn, _INSERT, kinds)
    if len(found["time"]) == len(first):
        return np.ones(len(first), np.bool_)
    return Keys(first.stream_id, first.time_us).contained_in(
        found["stream_id"], found["time"]
    )


def _stage(conn: psycopg.Connection, first: Batch) -> None:
    conn.execute(_STAGING)
    numbers = np.arange(len(first), dtype=np.int32)
    columns = {**_columns(first), "key_no": ("int4", numbers)}
    copying.load(conn, "pg_temp.reading_staging", columns)


def _columns(batch: Batch) -> copying.Columns:
    return {
        "time": ("timestamptz", batch.time_us),
        "value": ("float8", batch.value),
        "received_at": ("timestamptz", batch.received_us),
        "stream_id": ("int4", batch.stream_id),
        "flag": ("int2", batch.flag),
    }


def _look_up(
    conn: psycopg.Connection,
    first: Batch,
    old: NDArray[np.bool_],
    current: _Current,
) -> None:
    """Fill in what the store has under the keys that were there before."""
    # In READ COMMITTED a later statement sees what another writer committed meanwhile.
    kinds = {
        "key_no": "int4",
        "value": "float8",
        "flag": "int2",
        "received_us": "timestamptz",
    }
    found = copying.unload(conn, _STORED_BEFORE, kinds)
    number = found["key_no"]
    current.value[number] = found["value"]
    current.flag[number] = found["flag"]
    current.received_us[number] = found["received_us"]


def _judge(
    conn: psycopg.Connection,
    batch: Batch,
    keys: Keys,
    rest: NDArray[np.bool_],
    current: _Current,
    outcome: NDArray[np.uint8],
) -> None:
    """Judge the rows whose key is taken, and keep the values that differ."""
    of_key = keys.number
    # Only where a correction is among the rows of a key does their order matter; all
    # others, nearly always all, are judged at once.
    corrected_keys = np.zeros(len(keys), np.bool_)
    corrected_keys[of_key[batch.correction]] = True
    in_order = rest & corrected_keys[of_key]
    same = batch.value == current.value[of_key]
    outcome[rest] = np.where(same[rest], Outcome.DUPLICATE, Outcome.CONFLICT)
    if in_order.any():
        _correct(conn, batch, of_key, np.flatnonzero(in_order), current, outcome)
    conflicts = batch.take(rest & (outcome == Outcome.CONFLICT))
    if len(conflicts):
        _keep_conflicts(conn, conflicts)


def _correct(
    conn: psycopg.Connection,
    batch: Batch,
    of_key: NDArray[np.intp],
    rows: NDArray[np.intp],
    current: _Current,
    outcome: NDArray[np.uint8],
) -> None:
    """Take rows in order: a correction changes what the next row meets."""
    # Each value that stood for a while is kept, though only the last one is written.
    replaced: list[tuple[int, int, float, int, int, int]] = []
    last: dict[int, int] = {}
    for row in rows.tolist():
        key = of_key[row]
        if batch.value[row] == current.value[key]:
            outcome[row] = Outcome.DUPLICATE
            continue
        if not batch.correction[row]:
            outcome[row] = Outcome.CONFLICT
            continue
        outcome[row] = Outcome.CORRECTED
        replaced.append(
            (
                int(batch.stream_id[row]),
                int(batch.time_us[row]),
                float(current.value[key]),
                int(current.flag[key]),
                int(current.received_us[key]),
                int(batch.received_us[row]),
            )
        )
        current.value[key] = batch.value[row]
        current.flag[key] = batch.flag[row]
        current.received_us[key] = batch.received_us[row]
        last[int(key)] = row
    if replaced:
        _keep_replaced(conn, replaced)
        _replace(conn, batch.take(np.fromiter(last.values(), np.intp)))


def _keep_replaced(
    conn: psycopg.Connection,
    replaced: list[tuple[int, int, float, int, int, int]],
) -> None:
    conn.execute(
        "INSERT INTO reading_correction"
        " (stream_id, time, value, flag, received_at, corrected_at)"
        f" SELECT stream_id, {moment('time_us')}, value, flag, {moment('received_us')},"
        f" {moment('corrected_us')} FROM unnest(%b::int4[], %b::int8[], %b::float8[],"
        " %b::int2[], %b::int8[], %b::int8[]) AS old"
        " (stream_id, time_us, value, flag, received_us, corrected_us)",
        [list(column) for column in zip(*replaced, strict=True)],
    )


def _replace(conn: psycopg.Connection, batch: Batch) -> None:
    with conn.cursor() as cursor:
        cursor.executemany(
            f"UPDATE reading SET value = %s, flag = %s,"
            f" received_at = {moment('%s::int8')}"
            f" WHERE stream_id = %s AND time = {moment('%s::int8')}",
            zip(
                batch.value.tolist(),
                batch.flag.tolist(),
                batch.received_us.tolist(),
                batch.stream_id.tolist(),
                batch.time_us.tolist(),
                strict=True,
            ),
        )


def _keep_conflicts(conn: psycopg.Connection, batch: Batch) -> None:
    # A contradiction that is sent again is one and the same.
    conn.execute(
        "INSERT INTO reading_conflict (stream_id, time, value, flag, received_at)"
        f" SELECT stream_id, {moment('time_us')}, value, flag, {moment('received_us')}"
        " FROM unnest(%b::int4[], %b::int8[], %b::float8[], %b::int2[], %b::int8[])"
        " AS other (stream_id, time_us, value, flag, received_us)"
        " ORDER BY stream_id, time_us, value ON CONFLICT DO NOTHING",
        [
            batch.stream_id.tolist(),
            batch.time_us.tolist(),
            batch.value.tolist(),
            batch.flag.tolist(),
            batch.received_us.tolist(),
        ],
    )


def _check_streams(
    conn: psycopg.Connection, session: _Session, ids: NDArray[np.int32]
) -> None:
    """Refuse streams that do not exist; those seen once exist for ever."""
    unknown = np.setdiff1d(ids, session.streams, assume_unique=True)
    if not len(unknown):
        return
    rows = conn.execute(
        "SELECT stream_id FROM stream WHERE stream_id = ANY(%b::int4[])",
        [unknown.tolist()],
    ).fetchall()
    found = np.array([stream_id for (stream_id,) in rows], np.int32)
    session.streams = np.union1d(session.streams, found)
    if missing := np.setdiff1d(unknown, found).tolist():
        raise StreamUnknown(
            f"readings name streams that do not exist: {missing}. Register the device"
            f" first (heitu devices add) · 数据流 {missing} 不存在，请先注册设备",
            stream_ids=missing,
        )
