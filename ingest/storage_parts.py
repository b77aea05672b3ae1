"""Hidden files and folders of half-done work, and whether their writer still lives.

A writer locks the file ``lock`` in its folder while it works; the kernel frees the lock
when the process ends, however it ends.
"""

import fcntl
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

__all__ = ["held", "part_of", "sweep"]

PART_PREFIX = ".part-"
LOCK = "lock"

# Longer than any small file takes, and any folder until it has its lock.
ABANDONED = timedelta(days=1)


def part_of(path: Path) -> Path:
    """Hidden, unique name beside `path` for what is not complete yet."""
    return path.with_name(f"{PART_PREFIX}{path.name}-{uuid4().hex[:12]}")


@contextmanager
def held(path: Path) -> Iterator[Path]:
    """Make a hidden folder beside `path` that no `sweep` takes; gone afterwards."""
    part = part_of(path)
    try:
        part.mkdir(parents=True)
        with (part / f"{LOCK}.new").open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Under its name only once it is locked: nobody finds it free before.
            (part / f"{LOCK}.new").rename(part / LOCK)
            yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def sweep(root: Path) -> None:
    """Remove what killed writers left in a folder and the folders in it.

    What no living process holds goes at once; what has no lock, after a day.
    """
    for pattern in (f"{PART_PREFIX}*", f"*/{PART_PREFIX}*"):
        for leftover in list(root.glob(pattern)):
            _sweep_one(leftover)


def _sweep_one(leftover: Path) -> None:
    try:
        file = (leftover / LOCK).open("r+b")
    except (FileNotFoundError, NotADirectoryError):
        if _age(leftover) > ABANDONED:
            _remove(leftover)
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        _remove(leftover)


def _age(path: Path) -> timedelta:
    """Time since the last change; none for what is gone meanwhile."""
    try:
        return timedelta(seconds=time.time() - path.stat().st_mtime)
    except FileNotFoundError:
        return timedelta(0)


def _remove(leftover: Path) -> None:
    if leftover.is_dir():
        # Another process may be at the same.
        shutil.rmtree(leftover, ignore_errors=True)
    else:
        leftover.unlink(missing_ok=True)
