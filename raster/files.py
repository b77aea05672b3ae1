"""Files that are whole or absent: fsync, rename, checksum, errors said plainly."""

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident

from raster.errors import DiskFull, WriteFailed

FULL = {errno.ENOSPC, errno.EDQUOT}

# Large enough to fail where GDAL's buffered last tiles failed to fit.
_PROBE_BYTES = 1 << 24


def replace_file(path: Path, content: bytes | memoryview) -> None:
    """Put a file in place in one step, surviving a power cut right after it.

    Raises
    ------
    DiskFull, WriteFailed
        Nothing was written; an older file at `path` is untouched.
    """
    part = part_name(path)
    with reported(path):
        try:
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                # Before the rename, else a power cut may leave the new name on
                # empty content.
                os.fsync(file.fileno())
            part.replace(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise


def part_name(path: Path) -> Path:
    """Hidden name beside `path`, unique to this thread, for what is not whole yet."""
    return path.with_name(f".{path.name}.{os.getpid()}-{get_ident()}.part")


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, on disk before going on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(top: Path) -> None:
    """Have every file and every name below `top` on disk before going on."""
    for folder, _, names in os.walk(top):
        for name in names:
            sync(Path(folder, name))
        sync(Path(folder))


def remove(path: Path) -> None:
    """Remove a file or a folder with all in it; absent is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """SHA-256 of a file in lower-case hexadecimal, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def multihash(digest: str) -> str:
    """Write a SHA-256 digest as ``file:checksum`` of the STAC file extension 2.1 does.

    ``"1220"`` (0x12 for sha2-256, 0x20 = 32 bytes) stands before the digits; source:
    https://multiformats.io/multihash/
    """
    return f"1220{digest}"


@contextmanager
def reported(path: Path, *, kept: bool = False) -> Iterator[None]:
    """Turn an OSError met while `path` is written into DiskFull or WriteFailed.

    `kept` is for a folder whose finished blocks the next run goes on from.
    """
    try:
        yield
    except OSError as exc:
        raise write_failed(path, exc, kept=kept) from exc


def write_failed(path: Path, exc: OSError, *, kept: bool = False) -> WriteFailed:
    """Say which file could not be written, why, and what to do."""
    if exc.errno in FULL:
        rest = "finished blocks are kept" if kept else "nothing was kept of this file"
        return DiskFull(
            f"no space left to write {path}: free some space or choose another data "
            f"folder, then run again; {rest}"
            f" · 磁盘已满，无法写入 {path}，请清理空间或另选数据目录后重试"
            f"{'，已完成的分块会保留' if kept else ''}",
            path=path,
        )
    return WriteFailed(
        f"cannot write {path}: {exc.strerror or exc}. Check its folder and permissions"
        f" · 无法写入 {path}，请检查目录和权限",
        path=path,
    )


def probe(folder: Path) -> OSError | None:
    """Find out why a write in `folder` failed when the writer did not say: GDAL.

    Returns
    -------
    What a write of 16 MiB runs into; None when there is room.
    """
    path = part_name(folder / "probe")
    try:
        with path.open("wb") as file:
            file.write(bytes(_PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as exc:
        return exc
    finally:
        path.unlink(missing_ok=True)
    return None
