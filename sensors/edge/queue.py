"""The messages that wait for the platform, in one SQLite file.

What `Queue.write` has returned from is on the disk (WAL, synchronous=FULL), and stays
there until the platform has acknowledged it. One process has the queue open.

Counters are kept in the same transactions: ``made`` messages are always the sum of
those forwarded, refused, dropped and still queued.
"""

import fcntl
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

from sensors.edge.errors import QueueUnusable
from sensors.edge.reserve import Reserve
from sensors.edge.rewriting import Outgoing

__all__ = ["COUNTERS", "Queue", "QueueFull", "Queued", "read_counts"]

logger = logging.getLogger(__name__)

FILE = "queue.sqlite"
VERSION = 1
COUNTERS = (
    "received",
    "rewritten",
    "undecodable",
    "made",
    "forwarded",
    "refused",
    "dropped",
)
# Of the size given: the rest is for what is not messages, and for the log (WAL).
FULL_SHARE = 0.9
WAL_BYTES = 4_194_304
# Room for the log when the disk is full: what waits in it, and what deleting writes.
RESERVE_BYTES = 2 * WAL_BYTES
RESERVE_SHARE = 8
# Pages given back to a full disk at once.
VACUUMED_AT_ONCE = 256
# Rows dropped at once when the oldest must go.
DROPPED_AT_ONCE = 100
# Of SQLite's errors those that pass: no space, no answer of the disk, another reader.
PASSING = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY)

SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    received_us INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS refused (
    id INTEGER PRIMARY KEY,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    received_us INTEGER NOT NULL,
    reason TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS stream (
    id INTEGER PRIMARY KEY,
    device_id TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (device_id, name)
);
CREATE TABLE IF NOT EXISTS rule_state (
    rule TEXT NOT NULL,
    target TEXT NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (rule, target)
);
CREATE TABLE IF NOT EXISTS acted (
    rule TEXT NOT NULL,
    target TEXT NOT NULL,
    PRIMARY KEY (rule, target)
);
"""


class Queued(NamedTuple):
    """A message that waits."""

    id: int
    topic: str
    payload: bytes


class QueueFull(Exception):
    """There is no room: nothing was written, and it may be tried again."""


@dataclass(slots=True)
class Entry:
    """What one transaction writes."""

    messages: Sequence[tuple[Outgoing, int]]  # with the time of receipt, us
    counts: Mapping[str, int]
    rule_states: Mapping[tuple[str, str], str]
    streams: Mapping[tuple[str, str], int]


class Queue:
    """First in, first out, bounded; callable from any thread.

    Parameters
    ----------
    folder
        Where the file is; made if it is not there.
    max_bytes
        What the file may take, its log (about 4 MiB) and its reserve (at most 8) not
        counted.
    drop_oldest
        When full, drop the oldest messages and count them, instead of refusing.

    Raises
    ------
    QueueUnusable
        The file is damaged or of a newer version, its folder cannot be written, or
        another process has it open.
    """

    def __init__(
        self, folder: Path, *, max_bytes: int, drop_oldest: bool = False
    ) -> None:
        self._path = folder / FILE
        self._max_bytes = max_bytes
        self._drop_oldest = drop_oldest
        self._lock = threading.RLock()
        self._held = _hold(folder)
        try:
            self._db = _opened(self._path, max_bytes)
        except QueueUnusable:
            self._held.close()
            raise
        size = min(RESERVE_BYTES, max_bytes // RESERVE_SHARE)
        self._reserve = Reserve(folder / "reserve", size)
        self._counts = dict.fromkeys(COUNTERS, 0) | dict(
            self._db.execute("SELECT name, value FROM counter")
        )

    def close(self) -> None:
        """Close the file; harmless when it is closed."""
        with self._lock:
            self._db.close()
            self._held.close()

    def write(self, entry: Entry) -> None:
        """Write in one transaction; when this returns, it is on the disk.

        Raises
        ------
        QueueFull
            No room in the file or on the disk; nothing was written.
        QueueUnusable
            The file is damaged.
        """
        with self._lock:
            while True:
                try:
                    self._write(entry)
                except QueueFull:
                    # Where the disk itself is full, dropping more would not help.
                    if not (self._drop_oldest and self._reserve.held and self._drop()):
                        raise
                else:
                    return

    def after(self, last_id: int, *, limit: int) -> list[Queued]:
        """Return the first messages behind `last_id`, in order."""
        with self._lock:
            rows = self._db.execute(
                "SELECT id, topic, payload FROM message WHERE id > ?"
                " ORDER BY id LIMIT ?",
                (last_id, limit),
            )
            return [Queued(*row) for row in rows]

    def forwarded(self, ids: Iterable[int]) -> None:
        """Delete messages that the platform has acknowledged.

        Raises
        ------
        QueueFull
            The disk does not answer; they stay, and may be sent again.
        """
        rows = [(each,) for each in ids]

        def delete() -> dict[str, int]:
            # One that was dropped meanwhile is counted as dropped.
            gone = self._db.executemany("DELETE FROM message WHERE id = ?", rows)
            return {"forwarded": gone.rowcount}

        if rows:
            self._free(delete)

    def refuse(self, message_id: int, reason: str) -> None:
        """Put a message aside that the platform will never take.

        Raises
        ------
        QueueFull
            The disk does not answer; it stays.
        """

        def move() -> dict[str, int]:
            moved = self._db.execute(
                "INSERT INTO refused SELECT id, topic, payload, received_us, ?"
                " FROM message WHERE id = ?",
                (reason, message_id),
            )
            self._db.execute("DELETE FROM message WHERE id = ?", (message_id,))
            return {"refused": moved.rowcount}

        self._free(move)

    @property
    def counts(self) -> dict[str, int]:
        """The `COUNTERS` since the file was made, and ``queued``."""
        with self._lock:
            counts = dict(self._counts)
        gone = counts["forwarded"] + counts["refused"] + counts["dropped"]
        return counts | {"queued": counts["made"] - gone}

    @property
    def used_bytes(self) -> int:
        """Bytes of the file that hold something."""
        with self._lock:
            return sum(
                sign * int(self._pragma(name)) * int(self._pragma("page_size"))
                for sign, name in ((1, "page_count"), (-1, "freelist_count"))
            )

    @property
    def full(self) -> bool:
        """Whether nothing more is taken."""
        return self.used_bytes >= FULL_SHARE * self._max_bytes

    @property
    def oldest_us(self) -> int | None:
        """Time of receipt of the oldest message that waits."""
        with self._lock:
            row = self._db.execute(
                "SELECT received_us FROM message ORDER BY id LIMIT 1"
            ).fetchone()
        return None if row is None else int(row[0])

    def streams(self) -> dict[tuple[str, str], int]:
        """Return the number of each (device, name) that rules have seen."""
        with self._lock:
            rows = self._db.execute("SELECT device_id, name, id FROM stream")
            return {(device_id, name): number for device_id, name, number in rows}

    def rule_states(self) -> dict[tuple[str, str], str]:
        """Return the state of each (rule, target)."""
        with self._lock:
            rows = self._db.execute("SELECT rule, target, state FROM rule_state")
            return {(rule, target): state for rule, target, state in rows}

    def acted(self) -> set[tuple[str, str]]:
        """Return each (rule, target) whose action was begun and not ended yet."""
        with self._lock:
            return set(self._db.execute("SELECT rule, target FROM acted"))

    def note_acted(self, key: tuple[str, str], *, begun: bool) -> None:
        """Note that the action of a (rule, target) begins, or that it has ended.

        Raises
        ------
        QueueFull
            The disk does not answer; nothing was noted.
        """

        def note() -> dict[str, int]:
            self._db.execute("DELETE FROM acted WHERE (rule, target) = (?, ?)", key)
            if begun:
                self._db.execute("INSERT INTO acted VALUES (?, ?)", key)
            return {}

        self._free(note)

    def _write(self, entry: Entry) -> None:
        if self.full:
            raise QueueFull(f"{self._path} holds its {self._max_bytes} bytes")
        if not self._reserve.take():
            raise QueueFull(f"no room on the disk of {self._path}")

        def insert() -> dict[str, int]:
            self._db.executemany(
                "INSERT INTO message (topic, payload, received_us) VALUES (?, ?, ?)",
                ((*message, at_us) for message, at_us in entry.messages),
            )
            self._db.executemany(
                "INSERT INTO rule_state VALUES (?, ?, ?)"
                " ON CONFLICT DO UPDATE SET state = excluded.state",
                ((*key, state) for key, state in entry.rule_states.items()),
            )
            self._db.executemany(
                "INSERT INTO stream (device_id, name, id) VALUES (?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                ((*key, number) for key, number in entry.streams.items()),
            )
            return {**entry.counts, "made": len(entry.messages)}

        self._transact(insert)

    def _drop(self) -> bool:
        """Drop the oldest messages; False when there is none."""

        def delete() -> dict[str, int]:
            gone = self._db.execute(
                "DELETE FROM message WHERE id IN"
                " (SELECT id FROM message ORDER BY id LIMIT ?)",
                (DROPPED_AT_ONCE,),
            )
            return {"dropped": gone.rowcount}

        dropped = self._free(delete)["dropped"]
        if dropped:
            logger.warning(
                "the queue is full: the %d oldest messages were dropped"
                " · 队列已满，已丢弃最旧的 %d 条消息",
                dropped,
                dropped,
            )
        return dropped > 0

    def _free(self, work: Callable[[], dict[str, int]]) -> dict[str, int]:
        """Delete something, if need be with the room of the reserve."""
        with self._lock:
            try:
                counts = self._transact(work)
            except QueueFull:
                if not self._reserve.held:
                    raise
                self._reserve.release()
                counts = self._transact(work)
            if not self._reserve.held:
                self._give_back()
            return counts

    def _give_back(self) -> None:
        """Give freed pages back to the full disk, until the reserve can be refilled."""
        try:
            self._db.execute(
                f"PRAGMA incremental_vacuum({VACUUMED_AT_ONCE})"
            ).fetchall()
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            if not isinstance(_explained(self._path, error), QueueFull):
                raise _broken(self._path, error) from error
        self._reserve.take()

    def _transact(self, work: Callable[[], dict[str, int]]) -> dict[str, int]:
        """Do `work` in a transaction and add to the counters what it returns."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            counts = work()
            self._db.executemany(
                "INSERT INTO counter VALUES (?, ?)"
                " ON CONFLICT DO UPDATE SET value = value + excluded.value",
                counts.items(),
            )
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise _explained(self._path, error) from error
        for name, change in counts.items():
            self._counts[name] += change
        return counts

    def _pragma(self, name: str) -> Any:  # noqa: ANN401
        return self._db.execute(f"PRAGMA {name}").fetchone()[0]


def read_counts(folder: Path) -> dict[str, int] | None:
    """Read the counters of a queue that another process may have open.

    None where there is no queue.

    Raises
    ------
    QueueUnusable
        The file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True)
        try:
            known = dict(db.execute("SELECT name, value FROM counter"))
            (queued,) = db.execute("SELECT count(*) FROM message").fetchone()
        finally:
            db.close()
    except sqlite3.Error as error:
        raise _broken(path, error) from error
    return {**dict.fromkeys(COUNTERS, 0), **known, "queued": queued}


def _hold(folder: Path) -> IO[bytes]:
    """Take the folder for this process; the lock goes with the process."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = (folder / "lock").open("wb")
    except OSError as error:
        raise QueueUnusable(
            f"folder {folder} cannot be written ({error.strerror}): choose another"
            f" · 目录 {folder} 不可写"
        ) from error
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        held.close()
        raise QueueUnusable(
            f"another edge agent uses {folder}: stop it, or choose another folder"
            f" · 目录 {folder} 正被另一个边缘代理使用"
        ) from error
    return held


def _opened(path: Path, max_bytes: int) -> sqlite3.Connection:
    try:
        # Who else may read this machine's files need not read the farm's.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            _prepare(db, path, max_bytes)
        except (sqlite3.Error, QueueUnusable):
            db.close()
            raise
    except (sqlite3.Error, OSError) as error:
        raise _broken(path, error) from error
    return db


def _prepare(db: sqlite3.Connection, path: Path, max_bytes: int) -> None:
    # Before the first table: freed pages can be given back to the disk.
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    db.execute("PRAGMA journal_mode = WAL")
    # A message is acknowledged after COMMIT: then it must be on the disk.
    db.execute("PRAGMA synchronous = FULL")
    db.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
    (page_size,) = db.execute("PRAGMA page_size").fetchone()
    db.execute(f"PRAGMA max_page_count = {max_bytes // page_size}")
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version not in (0, VERSION):
        raise QueueUnusable(
            f"{path} has version {version}, this program knows {VERSION}: update it"
            f" · {path} 的版本为 {version}，请升级程序"
        )
    if problems := _problems(db):
        raise QueueUnusable(_damaged(path, problems))
    db.executescript(SCHEMA)
    db.execute(f"PRAGMA user_version = {VERSION}")


def _problems(db: sqlite3.Connection) -> str:
    (first, *_) = db.execute("PRAGMA quick_check(1)").fetchone()
    return "" if first == "ok" else str(first)


def _explained(path: Path, error: sqlite3.Error) -> Exception:
    """Tell what passes (no room) from what does not."""
    # Extended codes carry the plain one in their lowest byte.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in PASSING:
        return QueueFull(f"{path}: {error}")
    return _broken(path, error)


def _broken(path: Path, error: Exception) -> QueueUnusable:
    return QueueUnusable(_damaged(path, str(error)))


def _damaged(path: Path, problem: str) -> str:
    return (
        f"{path} cannot be used as a queue ({problem}): move it away and start again;"
        f" keep it if messages may be in it · {path} 无法作为队列使用，请移走后重新启动"
    )
