"""Where an archive lies: a folder, or a bucket of S3-compatible object storage.

`Storage` is what `ingest.archive` needs of either. Files have keys, their paths below
the archive's root with "/" between the parts: ``scenes/one/one.json``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

__all__ = ["Place", "Storage", "StoredFile", "Versions", "collection_key", "item_key"]

CATALOG_FILE = "catalog.json"
COLLECTION_FILE = "collection.json"

T = TypeVar("T")
R = TypeVar("R")

# Item files and what changes when they are rewritten.
Versions = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as it was stored.

    Attributes
    ----------
    name : str
        Name beside the item file.
    size : int
        Bytes.
    checksum : str
        SHA-256 as a multihash, see `ingest.checksum`.
    """

    name: str
    size: int
    checksum: str


class Place(Protocol):
    """Room for the files of one item that nobody sees yet."""

    @property
    def folder(self) -> Path:
        """Folder on this machine to write files in; gone afterwards."""

    def take(self, files: Mapping[str, Path]) -> dict[str, StoredFile]:
        """Store files on this machine under their asset keys; they stay as they are."""

    def commit(self, content: bytes) -> None:
        """Store the item file, with which all becomes visible in one step.

        Raises
        ------
        SceneExists
            Another writer was faster.
        """


class Storage(Protocol):
    """The files of an archive.

    Besides what each method names, all raise `ArchiveUnreachable`, `ArchiveDenied` or
    `BucketMissing` when object storage does not do what it is asked.
    """

    @property
    def location(self) -> str:
        """Folder or URL, as people write it."""

    def href(self, key: str) -> str:
        """Absolute path or URL of a file."""

    def read(self, key: str) -> bytes:
        """Content of a file; OSError when it cannot be read."""

    def write(self, key: str, content: bytes) -> None:
        """Write a small file whole or not at all, in place of an older one."""

    def create(self, key: str, content: bytes) -> None:
        """Write a small file if it is not there."""

    def forget(self, collection: str) -> None:
        """Remove the listing of a collection that has no items any more."""

    def collections(self) -> list[str]:
        """Names of the collections, sorted."""

    def item_ids(self, collection: str) -> list[str]:
        """Ids of a collection's items, sorted, whether or not they can be read."""

    def has(self, collection: str, item_id: str) -> bool:
        """Whether there is an item file that can be read."""

    def versions(self, collection: str) -> Versions:
        """Give what differs after an item was added, replaced or removed."""

    def strays(self, collection: str, item_id: str, known: Set[str]) -> list[str]:
        """Names of what lies with an item and is neither known nor on its way."""

    def size(self, key: str) -> int:
        """Bytes of a file; OSError when it cannot be read."""

    def checksum(self, key: str) -> str:
        """SHA-256 of a file as a multihash, read in pieces; OSError as for `size`."""

    def each(self, work: Callable[[T], R], over: Iterable[T]) -> Iterator[R]:
        """Do small reads, as many at once as is good here; results in order."""

    def placing(
        self, collection: str, item_id: str, *, replace: bool
    ) -> AbstractContextManager[Place]:
        """Give room for an item; what is not committed inside leaves no trace.

        Raises
        ------
        SceneExists
            The id is taken and `replace` is false.
        ArchiveFull
            No space left on this machine.
        """

    def remove(self, collection: str, item_id: str) -> bool:
        """Remove an item and its files; false when there is none."""

    def sweep(self, used: Iterable[str]) -> None:
        """Remove what killed writers left; `used` are the keys that items name."""


def item_key(collection: str, item_id: str) -> str:
    """Key of an item file."""
    return f"{collection}/{item_id}/{item_id}.json"


def collection_key(collection: str) -> str:
    """Key of the file that lists a collection's items."""
    return f"{collection}/{COLLECTION_FILE}"
