"""An archive in a folder.

An item is written into a hidden folder and renamed into place as its last step, so a
killed process leaves no item without its files.
"""

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from ingest.checksum import sha256_multihash
from ingest.errors import ArchiveFull
from ingest.storage import R, StoredFile, T, Versions, collection_key, item_key
from ingest.storage_errors import NO_SPACE, full, taken
from raster.errors import DiskFull
from raster.files import sync

__all__ = ["LocalFolder"]

PART_PREFIX = ".part-"
OCCUPIED = {errno.ENOTEMPTY, errno.EEXIST}


class LocalFolder:
    """Files below one folder; a `Storage`.

    Safe for threads that add different items; one process writes at a time.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    @property
    def location(self) -> str:
        """Absolute path of the folder."""
        return str(self.root)

    def href(self, key: str) -> str:
        """Absolute path of a file."""
        return str(self.root / key)

    def read(self, key: str) -> bytes:
        """Content of a file."""
        return (self.root / key).read_bytes()

    def write(self, key: str, content: bytes) -> None:
        """Write a small file whole or not at all."""
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        part = _part_of(path)
        try:
            part.write_bytes(content)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def create(self, key: str, content: bytes) -> None:
        """Write a small file if it is not there."""
        if not (self.root / key).exists():
            self.write(key, content)

    def forget(self, collection: str) -> None:
        """Remove the listing, and the folder if nothing else is in it."""
        (self.root / collection_key(collection)).unlink(missing_ok=True)
        with suppress(OSError):
            (self.root / collection).rmdir()

    def collections(self) -> list[str]:
        """Names of the folders in the root."""
        return _folders(self.root)

    def item_ids(self, collection: str) -> list[str]:
        """Names of the folders in a collection's folder."""
        folder = self.root / collection
        return _folders(folder) if folder.is_dir() else []

    def has(self, collection: str, item_id: str) -> bool:
        """Whether there is an item file."""
        return (self.root / item_key(collection, item_id)).exists()

    def versions(self, collection: str) -> Versions:
        """Names and change times in ns of the item files."""
        # Hidden folders are items being written: they change their name, not their
        # time, when they become visible.
        files = (self.root / collection).glob("[!.]*/*.json")
        return tuple(sorted((file.name, str(_changed(file))) for file in files))

    def strays(self, collection: str, item_id: str, known: Set[str]) -> list[str]:
        """Names of all in an item's folder that is not known."""
        return sorted(set(os.listdir(self.root / collection / item_id)) - known)

    def size(self, key: str) -> int:
        """Bytes of a file."""
        return (self.root / key).stat().st_size

    def checksum(self, key: str) -> str:
        """SHA-256 of a file as a multihash."""
        return sha256_multihash(self.root / key)

    def each(self, work: Callable[[T], R], over: Iterable[T]) -> Iterator[R]:
        """Do the work one by one: what a disk has at hand no thread makes faster."""
        return map(work, over)

    @contextmanager
    def placing(
        self, collection: str, item_id: str, *, replace: bool
    ) -> Iterator["_FolderPlace"]:
        """Give a hidden folder beside the final one, gone afterwards in any case."""
        final = self.root / collection / item_id
        if final.exists() and not replace:
            raise taken(collection, item_id)
        part = _part_of(final)
        try:
            part.mkdir(parents=True)
            yield _FolderPlace(part, final, replace=replace)
        except DiskFull as exc:
            raise _full(final) from exc
        except OSError as exc:
            if exc.errno in NO_SPACE:
                raise _full(final) from exc
            raise
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def remove(self, collection: str, item_id: str) -> bool:
        """Remove an item's folder; hidden first, so that no half of it is seen."""
        folder = self.root / collection / item_id
        if not folder.is_dir():
            return False
        aside = _part_of(folder)
        folder.rename(aside)
        shutil.rmtree(aside)
        return True

    def sweep(self, used: Iterable[str]) -> None:
        """Remove hidden files and folders; call it when no item is being added."""
        del used
        for pattern in (f"{PART_PREFIX}*", f"*/{PART_PREFIX}*"):
            for leftover in list(self.root.glob(pattern)):
                _remove(leftover)


class _FolderPlace:
    """A hidden folder that becomes an item's folder."""

    def __init__(self, folder: Path, final: Path, *, replace: bool) -> None:
        self.folder = folder
        self._final = final
        self._replace = replace

    def take(self, files: Mapping[str, Path]) -> dict[str, StoredFile]:
        return {key: self._take(key, path) for key, path in files.items()}

    def _take(self, key: str, path: Path) -> StoredFile:
        target = self.folder / f"{key}.tif"
        if path != target:
            _link_or_copy(path, target)
        return StoredFile(target.name, target.stat().st_size, sha256_multihash(target))

    def commit(self, content: bytes) -> None:
        (self.folder / f"{self._final.name}.json").write_bytes(content)
        _move_into_place(self.folder, self._final, replace=self._replace)


def _part_of(path: Path) -> Path:
    """Hidden, unique name beside `path` for what is not complete yet."""
    return path.with_name(f"{PART_PREFIX}{path.name}-{uuid4().hex[:12]}")


def _folders(parent: Path) -> list[str]:
    """Names of folders, without the hidden ones of half-done work."""
    with os.scandir(parent) as entries:
        return sorted(
            entry.name
            for entry in entries
            if entry.is_dir() and not entry.name.startswith(".")
        )


def _changed(file: Path) -> int:
    """Return the change time in ns; 0 for a file that was replaced meanwhile."""
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it to where it cannot have one."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
        sync(target)


def _move_into_place(part: Path, final: Path, *, replace: bool) -> None:
    # No system call of Python swaps two folders: between these renames, for some
    # microseconds, a reader finds neither. What was moved aside is restored when
    # the second one fails.
    aside = _part_of(final)
    replaced = replace and final.exists()
    if replaced:
        final.rename(aside)
    try:
        part.rename(final)
    except OSError as exc:
        if replaced and not final.exists():
            aside.rename(final)
        if exc.errno in OCCUPIED:
            raise taken(final.parent.name, final.name) from exc
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _full(final: Path) -> ArchiveFull:
    return full(final.name, final, into=final.parent)


def _remove(leftover: Path) -> None:
    if leftover.is_dir():
        shutil.rmtree(leftover)
    else:
        leftover.unlink(missing_ok=True)
