"""The queue's file: order, counters, bounds, and a disk that says no."""

import errno
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from sensors.edge.errors import QueueUnusable
from sensors.edge.queue import Entry, Queue, QueueFull, read_counts

MIB = 1_048_576


def entry(*payloads: bytes) -> Entry:
    messages = [(("t", payload), 1) for payload in payloads]
    return Entry(messages, {"received": len(payloads)}, {}, {})


def filled(queue: Queue, *payloads: bytes) -> int:
    """Write the same until there is no room; returns how often."""
    for count in range(10_000):
        try:
            queue.write(entry(*payloads))
        except QueueFull:
            return count
    raise AssertionError("the queue has no bound")


def opened(folder: Path, *, drop_oldest: bool = False) -> Queue:
    return Queue(folder, max_bytes=MIB, drop_oldest=drop_oldest)


def test_messages_come_out_in_order_and_stay_until_they_are_forwarded(
    tmp_path: Path,
) -> None:
    queue = opened(tmp_path)
    queue.write(entry(b"1", b"2", b"3"))

    first = queue.after(0, limit=2)
    queue.forwarded([first[0].id])
    queue.close()
    again = opened(tmp_path)

    assert [row.payload for row in first] == [b"1", b"2"]
    assert [row.payload for row in again.after(0, limit=9)] == [b"2", b"3"]
    assert again.counts == {
        "received": 3,
        "rewritten": 0,
        "undecodable": 0,
        "made": 3,
        "forwarded": 1,
        "refused": 0,
        "dropped": 0,
        "queued": 2,
    }
    again.close()


def test_a_commit_is_on_the_disk(tmp_path: Path) -> None:
    queue = opened(tmp_path)

    # https://sqlite.org/pragma.html#pragma_synchronous: 2 is FULL, durable with WAL.
    assert queue._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert queue._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    queue.close()


def test_numbers_are_never_used_again(tmp_path: Path) -> None:
    queue = opened(tmp_path)
    queue.write(entry(b"1"))
    (row,) = queue.after(0, limit=1)
    queue.forwarded([row.id])
    queue.close()

    again = opened(tmp_path)
    again.write(entry(b"2"))

    # Otherwise a late acknowledgement would delete another message.
    assert [each.payload for each in again.after(row.id, limit=1)] == [b"2"]
    again.close()


def test_forwarding_twice_counts_once(tmp_path: Path) -> None:
    queue = opened(tmp_path)
    queue.write(entry(b"1", b"2"))

    queue.forwarded([1])
    queue.forwarded([1, 2])

    assert queue.counts["forwarded"] == 2
    assert queue.counts["queued"] == 0
    queue.close()


def test_a_full_queue_takes_nothing_until_something_went(tmp_path: Path) -> None:
    queue = opened(tmp_path)
    written = filled(queue, bytes(20_000))

    assert 0.8 * MIB < 20_000 * written < MIB
    assert queue.used_bytes <= MIB
    queue.forwarded(range(1, 11))
    queue.write(entry(b"x"))
    assert queue.counts["received"] == written + 1
    assert queue.counts["dropped"] == 0
    queue.close()


def test_the_oldest_are_dropped_by_choice_and_counted(tmp_path: Path) -> None:
    queue = opened(tmp_path, drop_oldest=True)
    for number in range(200):
        queue.write(entry(b"%d:" % number + bytes(20_000)))

    counts = queue.counts
    first = queue.after(0, limit=1)[0]
    assert counts["dropped"] > 0
    assert counts["made"] == 200
    assert first.payload.startswith(b"%d:" % counts["dropped"])
    assert counts["queued"] == 200 - counts["dropped"]
    assert queue.used_bytes <= MIB
    queue.close()


def test_the_file_stays_within_its_bound(tmp_path: Path) -> None:
    queue = opened(tmp_path)
    for _ in range(30):
        assert filled(queue, *[bytes(5_000)] * 10)
        queue.forwarded([row.id for row in queue.after(0, limit=1_000)])

    assert (tmp_path / "queue.sqlite").stat().st_size <= MIB
    assert (tmp_path / "queue.sqlite-wal").stat().st_size <= 5 * MIB
    queue.close()


def test_a_batch_that_does_not_fit_leaves_nothing_behind(tmp_path: Path) -> None:
    queue = opened(tmp_path)

    with pytest.raises(QueueFull):
        queue.write(entry(*[bytes(60_000)] * 40))

    assert queue.counts["made"] == 0
    assert queue.after(0, limit=1) == []
    queue.write(entry(b"small"))
    assert queue.counts["queued"] == 1
    queue.close()


class FullDisk:
    """SQLite's connection on a disk with no room but that of the reserve."""

    def __init__(self, real: Any, reserve: Path) -> None:
        self._real = real
        self._reserve = reserve

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def executemany(self, statement: str, rows: Any) -> Any:
        if self._reserve.exists():
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        return self._real.executemany(statement, rows)


def test_on_a_full_disk_messages_go_with_the_room_of_the_reserve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = opened(tmp_path)
    queue.write(entry(b"1", b"2"))
    reserve = tmp_path / "reserve"
    assert reserve.stat().st_size == MIB // 8
    disk: Any = FullDisk(queue._db, reserve)
    monkeypatch.setattr(queue, "_db", disk)

    with pytest.raises(QueueFull):
        queue.write(entry(b"3"))
    queue.forwarded([1])

    assert queue.counts["forwarded"] == 1
    assert [row.payload for row in queue.after(0, limit=9)] == [b"2"]
    queue.close()


def test_nothing_is_taken_while_the_disk_has_no_room_for_the_reserve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    queue = opened(tmp_path)
    with monkeypatch.context() as full:
        full.setattr("os.posix_fallocate", no_room)
        with pytest.raises(QueueFull, match="no room on the disk"):
            queue.write(entry(b"1"))
    assert queue.counts["made"] == 0

    queue.write(entry(b"1"))

    assert queue.counts["made"] == 1
    queue.close()


def test_a_refused_message_is_kept_aside(tmp_path: Path) -> None:
    queue = opened(tmp_path)
    queue.write(entry(b"1", b"2"))

    queue.refuse(1, "0x87")

    assert [row.payload for row in queue.after(0, limit=9)] == [b"2"]
    counts = queue.counts
    assert (counts["refused"], counts["queued"]) == (1, 1)
    queue.close()
    with sqlite3.connect(tmp_path / "queue.sqlite") as db:
        kept = db.execute("SELECT payload, reason FROM refused").fetchall()
    db.close()
    assert kept == [(b"1", "0x87")]


def test_one_process_has_the_queue(tmp_path: Path) -> None:
    queue = opened(tmp_path)

    with pytest.raises(QueueUnusable, match=r"another edge agent.*另一个边缘代理"):
        opened(tmp_path)
    queue.close()

    opened(tmp_path).close()


def test_a_damaged_file_is_said_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite"
    path.write_bytes(b"no database at all" * 1_000)

    with pytest.raises(QueueUnusable, match=r"queue\.sqlite.*移走"):
        opened(tmp_path)
    with pytest.raises(QueueUnusable, match="not a database"):
        read_counts(tmp_path)

    assert path.read_bytes().startswith(b"no database")


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    opened(tmp_path).close()
    with sqlite3.connect(tmp_path / "queue.sqlite") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()

    with pytest.raises(QueueUnusable, match="version 99"):
        opened(tmp_path)


def test_the_counters_can_be_read_beside_the_agent(tmp_path: Path) -> None:
    queue = opened(tmp_path)
    queue.write(entry(b"1"))

    counts = read_counts(tmp_path)

    assert counts is not None
    assert (counts["received"], counts["queued"]) == (1, 1)
    queue.close()


def test_without_a_queue_there_are_no_counters(tmp_path: Path) -> None:
    assert read_counts(tmp_path) is None
    assert not (tmp_path / "queue.sqlite").exists()
