"""The lock that keeps two processes from writing one product."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from raster.errors import ProductBusy
from raster.files import reported


@contextmanager
def only_one(final: Path) -> Iterator[None]:
    """Hold the lock of the product at `final` for as long as the context lasts.

    The kernel frees it when the process ends, however it ends.

    Raises
    ------
    ProductBusy
        Another process holds it; its ``pid`` is kept on the error.
    WriteFailed
        The lock file beside `final` cannot be made.
    """
    path = final.with_name(f".{final.name}.lock")
    file = _locked(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        file.close()


def _locked(path: Path) -> TextIO:
    while True:
        with reported(path):
            file = path.open("a+", encoding="ascii")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as exc:
                raise _busy(path, file) from exc
            # Between open and lock the holder may have removed the file: then the
            # lock is on a file that nobody else will find.
            if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                file.truncate(0)
                file.write(f"{os.getpid()}\n")
                file.flush()
                return file
        file.close()


def _busy(path: Path, file: TextIO) -> ProductBusy:
    file.seek(0)
    text = file.read().strip()
    file.close()
    name = path.name.removeprefix(".").removesuffix(".lock")
    return ProductBusy(
        f"process {text or 'unknown'} is writing product {name} in {path.parent}: wait "
        "until it has ended, or stop it; its finished blocks are kept"
        f" · 产品 {name} 正由进程 {text or '未知'} 写入，请等待其结束或先停止它",
        pid=int(text) if text.isdigit() else None,
    )
