"""The lock that keeps two platforms from running in one data folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from store.errors import DataFolderLocked, DataFolderUnusable


@contextmanager
def lock_folder(data: Path) -> Iterator[Path]:
    """Hold ``data/heitu.lock`` for as long as the context lasts.

    The kernel frees the lock when the process ends, however it ends, so a lock
    file left behind by a killed process never stands in the way.

    Parameters
    ----------
    data
        Data folder; created when absent.

    Yields
    ------
    Path
        The lock file, holding the pid of this process.

    Raises
    ------
    DataFolderLocked
        Another process holds the lock; its ``pid`` is kept on the error.
    DataFolderUnusable
        The folder cannot be created or written.
    """
    path = data / "heitu.lock"
    with open_lock_file(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise _locked(data, file) from exc
        _write_pid(file)
        try:
            yield path
        finally:
            # Removing the file would let two processes hold locks on two files.
            file.truncate(0)


def open_lock_file(path: Path) -> TextIO:
    """Open a lock file for flock, making its folder when absent.

    Raises
    ------
    DataFolderUnusable
        The folder or the file cannot be created or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a+", encoding="ascii")
    except OSError as exc:
        raise unusable(path.parent, exc) from exc


def unusable(data: Path, exc: OSError) -> DataFolderUnusable:
    """Say which data folder cannot be used, why, and what to do."""
    return DataFolderUnusable(
        f"cannot use the data folder {data}: {exc.strerror} ({exc.filename}). It"
        " must be a folder this user can write, with free space: mend that, or"
        " choose another with --data DIR"
        f" · 无法使用数据目录 {data}，请检查权限或用 --data 另选目录"
    )


def _write_pid(file: TextIO) -> None:
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()


def _locked(data: Path, file: TextIO) -> DataFolderLocked:
    file.seek(0)
    text = file.read().strip()
    pid = int(text) if text.isdigit() else None
    who = f"process {pid}" if pid else "another process"
    return DataFolderLocked(
        f"{who} already runs Heitu in the data folder {data}. Stop it"
        f"{f' (kill {pid})' if pid else ''}, or choose another folder with --data DIR"
        f" · 数据目录 {data} 正被另一个进程（{pid or '未知'}）使用，请先停止它或用"
        " --data 另选目录",
        pid=pid,
    )
