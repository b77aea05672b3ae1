"""An archive in a folder.

An item is written into a hidden folder (`ingest.storage_parts`) and renamed into place
as its last step, so a killed process leaves no item without its files.
"""

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import contextmanager, suppress
from pathlib import Path

from ingest import storage_parts
from ingest.catalogue import readable
from ingest.checksum import sha256_multihash
from ingest.errors import ArchiveFull
from ingest.storage import R, StoredFile, T, Versions, collection_key, item_key
from ingest.storage_errors import NO_SPACE, full, taken
from ingest.storage_parts import held, part_of
from raster.errors import DiskFull
from raster.files import sync

__all__ = ["LocalFolder"]

OCCUPIED = {errno.ENOTEMPTY, errno.EEXIST}


class LocalFolder:
    """Files below one folder; a `Storage`.

    Safe for threads and processes that add different items.
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
        part = part_of(path)
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
        """Whether there is an item file that can be read."""
        try:
            content = self.read(item_key(collection, item_id))
        except FileNotFoundError:
            return False
        except OSError:
            # It is there, if not for this user: its place is not free.
            return True
        return readable(content, item_id=item_id)

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

        def may_replace() -> bool:
            return replace or not self.has(collection, item_id)

        if not may_replace():
            raise taken(collection, item_id)
        try:
            with held(final) as part:
                yield _FolderPlace(part, final, may_replace)
        except DiskFull as exc:
            raise _full(final) from exc
        except OSError as exc:
            if exc.errno in NO_SPACE:
                raise _full(final) from exc
            raise

    def remove(self, collection: str, item_id: str) -> bool:
        """Remove an item's folder; hidden first, so that no half of it is seen."""
        folder = self.root / collection / item_id
        if not folder.is_dir():
            return False
        aside = part_of(folder)
        folder.rename(aside)
        # Nobody holds it: another process may sweep it away at the same time.
        shutil.rmtree(aside, ignore_errors=True)
        return True

    def sweep(self, used: Iterable[str]) -> None:
        """Remove hidden files and folders that no living process holds."""
        del used
        storage_parts.sweep(self.root)


class _FolderPlace:
    """A folder in a hidden one that becomes an item's folder."""

    def __init__(
        self, part: Path, final: Path, may_replace: Callable[[], bool]
    ) -> None:
        self.folder = part / "new"
        self.folder.mkdir()
        self._aside = part / "old"
        self._final = final
        self._may_replace = may_replace

    def take(self, files: Mapping[str, Path]) -> dict[str, StoredFile]:
        return {key: self._take(key, path) for key, path in files.items()}

    def _take(self, key: str, path: Path) -> StoredFile:
        target = self.folder / f"{key}.tif"
        if path != target:
            _link_or_copy(path, target)
        return StoredFile(target.name, target.stat().st_size, sha256_multihash(target))

    def commit(self, content: bytes) -> None:
        (self.folder / f"{self._final.name}.json").write_bytes(content)
        # Asked again: another writer may have mended meanwhile what could not be read.
        replace = self._final.exists() and self._may_replace()
        _move_into_place(
            self.folder, self._final, aside=self._aside if replace else None
        )


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


def _move_into_place(part: Path, final: Path, *, aside: Path | None) -> None:
    # No system call of Python swaps two folders: between these renames, for some
    # microseconds, a reader finds neither. What was moved aside is restored when
    # the second one fails.
    if aside is not None:
        final.rename(aside)
    try:
        part.rename(final)
    except OSError as exc:
        if aside is not None and not final.exists():
            aside.rename(final)
        if exc.errno in OCCUPIED:
            raise taken(final.parent.name, final.name) from exc
        raise


def _full(final: Path) -> ArchiveFull:
    return full(final.name, final, into=final.parent)
