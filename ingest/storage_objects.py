"""An archive on S3-compatible object storage.

The files of an item go up first, under names that no other upload ever has
(``B04-1a2b3c4d5e6f-0f3a9c21.tif``: checksum, then chance); then the item file, by a
conditional PUT. So writers on many machines cannot both add one scene, a killed upload
is never seen, and no file changes under a reader. Source: Amazon S3 User Guide,
"Prevent object overwrites with conditional writes".
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from uuid import uuid4

from obstore.exceptions import AlreadyExistsError, PreconditionError
from obstore.store import ObjectStore, S3Store

from ingest.catalogue import readable
from ingest.errors import ArchiveError, ArchiveUnreachable, LocationInvalid
from ingest.storage import (
    CATALOG_FILE,
    R,
    StoredFile,
    T,
    Versions,
    collection_key,
    item_key,
)
from ingest.storage_answers import told
from ingest.storage_errors import NO_SPACE, full, taken
from raster.errors import DiskFull, SettingInvalid
from raster.files import multihash, sha256
from raster.remote import s3_options

if TYPE_CHECKING:
    # Not importable at run time.
    from obstore import PutMode
    from obstore.store import S3Config

__all__ = ["ObjectStorage", "open_bucket"]

# Content and ETag of an item file; twice None where there is none.
Present = tuple[bytes | None, str | None]

LOCATION = re.compile(r"s3://(?P<bucket>[^/?#@:]+)(?P<prefix>(/[^/?#]+)*)/?")

UPLOADED = re.compile(r".+-[0-9a-f]{12}-[0-9a-f]{8}\.tif")

# Small reads wait for answers, not for this machine.
READERS = 32

# Each holds some parts of 5 MiB in memory.
UPLOADERS = 4
PARTS = 4

CHUNK = 8 << 20

# Longer than any upload: what is older and in no item has no writer any more.
ABANDONED = timedelta(days=1)

JSON_TYPE = {"Content-Type": "application/json"}
ITEM_TYPE = {"Content-Type": "application/geo+json"}
COG_TYPE = {"Content-Type": "image/tiff; application=geotiff; profile=cloud-optimized"}


def open_bucket(location: str) -> "ObjectStorage":
    """Open ``s3://BUCKET/PREFIX`` as the AWS variables of the environment say.

    ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``, ``AWS_SESSION_TOKEN``,
    ``AWS_REGION`` and, for stores other than AWS, ``AWS_ENDPOINT_URL``; buckets are
    then sought in the path. Nothing is asked yet.

    Raises
    ------
    LocationInvalid
        `location` is no such URL, or the address of the store is none.
    ArchiveDenied
        Half of the credentials is missing.
    """
    found = LOCATION.fullmatch(location)
    if found is None:
        raise LocationInvalid(
            f"{location} is no place for an archive: give a folder or s3://BUCKET/PREFIX"
            f" · {location} 不能用作影像档案，请给出目录或 s3://存储桶/前缀"
        )
    with told(location):
        store = S3Store(
            found["bucket"],
            prefix=found["prefix"].strip("/") or None,
            config=_endpoint(),
            client_options={
                # Who sets an http:// endpoint means it.
                "allow_http": True,
                "connect_timeout": timedelta(seconds=5),
                # Of a whole answer: a band of a tile through a slow line.
                "timeout": timedelta(minutes=10),
            },
            retry_config={"max_retries": 3, "retry_timeout": timedelta(minutes=1)},
        )
    return ObjectStorage(store, location.rstrip("/"))


def _endpoint() -> "S3Config":
    """Read the address as GDAL is told it, so that both ask the same store."""
    try:
        options = s3_options(os.environ)
    except SettingInvalid as exc:
        raise LocationInvalid(str(exc)) from exc
    if not options:
        return {}
    scheme = "https" if options["AWS_HTTPS"] == "YES" else "http"
    return {
        "endpoint": f"{scheme}://{options['AWS_S3_ENDPOINT']}",
        "virtual_hosted_style_request": False,
    }


class ObjectStorage:
    """Files below one prefix of a bucket; a `Storage`.

    Safe for threads, processes and machines that write at once.

    Parameters
    ----------
    store : ObjectStore
        Rooted at the archive; with conditional PUT.
    location : str
        Its URL, without a slash at the end.
    """

    def __init__(self, store: ObjectStore, location: str) -> None:
        self._store = store
        self._location = location

    @property
    def location(self) -> str:
        """URL of the archive."""
        return self._location

    def href(self, key: str) -> str:
        """URL of a file."""
        return f"{self._location}/{key}"

    def read(self, key: str) -> bytes:
        """Content of a file."""
        content, _ = self._read(key)
        return content

    def write(self, key: str, content: bytes) -> None:
        """Write a small file; whoever reads it meanwhile has the older one."""
        with told(self._location):
            self._store.put(key, content, attributes=JSON_TYPE)

    def create(self, key: str, content: bytes) -> None:
        """Write a small file if it is not there."""
        with told(self._location), suppress(AlreadyExistsError):
            self._store.put(key, content, attributes=JSON_TYPE, mode="create")

    def forget(self, collection: str) -> None:
        """Remove the listing of a collection that has no items any more."""
        self.delete([collection_key(collection)])

    def collections(self) -> list[str]:
        """Names of the prefixes below the root."""
        with told(self._location):
            found = self._store.list_with_delimiter()
        return sorted(found["common_prefixes"])

    def item_ids(self, collection: str) -> list[str]:
        """Ids of the items that are committed."""
        return [name.removesuffix(".json") for name, _ in self.versions(collection)]

    def has(self, collection: str, item_id: str) -> bool:
        """Whether there is an item file that can be read."""
        content, _ = self.present(item_key(collection, item_id))
        return readable(content, item_id=item_id)

    def versions(self, collection: str) -> Versions:
        """Names and ETags of the item files."""
        found = []
        for key, tag in self._listed(collection):
            folder, _, name = key.removeprefix(f"{collection}/").partition("/")
            if name == f"{folder}.json":
                found.append((name, tag))
        return tuple(sorted(found))

    def strays(self, collection: str, item_id: str, known: Set[str]) -> list[str]:
        """Names of what lies with an item, is not known, and is no upload either."""
        folder = f"{collection}/{item_id}"
        names = {key.removeprefix(f"{folder}/") for key, _ in self._listed(folder)}
        return sorted(name for name in names - known if not UPLOADED.fullmatch(name))

    def size(self, key: str) -> int:
        """Bytes of a file, without reading it."""
        with told(self._location):
            return self._store.head(key)["size"]

    def checksum(self, key: str) -> str:
        """SHA-256 of a file as a multihash."""
        digest = hashlib.sha256()
        with told(self._location):
            for chunk in self._store.get(key).stream(min_chunk_size=CHUNK):
                digest.update(chunk)
        return multihash(digest.hexdigest())

    def each(self, work: Callable[[T], R], over: Iterable[T]) -> Iterator[R]:
        """Do the work in many threads, which wait together."""
        with ThreadPoolExecutor(READERS) as pool:
            yield from pool.map(work, over)

    @contextmanager
    def placing(
        self, collection: str, item_id: str, *, replace: bool
    ) -> Iterator["_Upload"]:
        """Give a temporary folder; what was uploaded and not committed is removed."""
        key = item_key(collection, item_id)
        present = self.present(key)
        if not replace and readable(present[0], item_id=item_id):
            raise taken(collection, item_id)
        with _temporary(item_id) as folder:
            upload = _Upload(self, folder, key, present)
            try:
                yield upload
            finally:
                upload.tidy()

    def remove(self, collection: str, item_id: str) -> bool:
        """Remove the item file, then the files it names."""
        key = item_key(collection, item_id)
        content, _ = self.present(key)
        if content is None:
            return False
        self.delete([key])
        self.delete(_asset_keys(key, content))
        return True

    def sweep(self, used: Iterable[str]) -> None:
        """Remove uploads that no item names and that began more than a day ago."""
        known = set(used)
        with told(self._location):
            # The storage's own clock: this machine's may be wrong.
            now = self._store.head(CATALOG_FILE)["last_modified"]
            left = [
                entry["path"]
                for chunk in self._store.list()
                for entry in chunk
                if UPLOADED.fullmatch(entry["path"])
                and entry["path"] not in known
                and now - entry["last_modified"] > ABANDONED
            ]
        self.delete(left)

    def upload(self, key: str, path: Path) -> None:
        """Store a COG of this machine."""
        with told(self._location):
            self._store.put(key, path, attributes=COG_TYPE, max_concurrency=PARTS)

    def put_item(self, key: str, content: bytes, *, instead_of: Present) -> None:
        """Store an item file, if still none, or the same, is there.

        Raises
        ------
        AlreadyExistsError, PreconditionError
            Another one is.
        """
        present, tag = instead_of
        mode: PutMode = "create" if present is None else {"e_tag": tag}
        with told(self._location):
            self._store.put(key, content, attributes=ITEM_TYPE, mode=mode)

    def present(self, key: str) -> Present:
        """Content and ETag of a file, or twice None."""
        try:
            return self._read(key)
        except FileNotFoundError:
            return None, None

    def delete(self, keys: list[str]) -> None:
        """Remove files; those that are gone already do not matter."""
        if keys:
            with told(self._location), suppress(FileNotFoundError):
                self._store.delete(keys)

    def _listed(self, folder: str) -> Iterator[tuple[str, str]]:
        """Key and ETag of every file below a folder."""
        with told(self._location):
            for chunk in self._store.list(folder):
                for entry in chunk:
                    yield entry["path"], entry["e_tag"] or str(entry["last_modified"])

    def _read(self, key: str) -> tuple[bytes, str | None]:
        """Content and ETag of a file."""
        with told(self._location):
            answer = self._store.get(key)
            return bytes(answer.bytes()), answer.meta["e_tag"]


class _Upload:
    """The files of one item on their way into a bucket."""

    def __init__(
        self, storage: ObjectStorage, folder: Path, key: str, present: Present
    ) -> None:
        self.folder = folder
        self._storage = storage
        self._key = key
        self._present = present
        self._uploaded: list[str] = []
        self._superfluous = self._uploaded

    def take(self, files: Mapping[str, Path]) -> dict[str, StoredFile]:
        with ThreadPoolExecutor(UPLOADERS) as pool:
            stored = pool.map(self._take, files.keys(), files.values())
            return dict(zip(files, stored, strict=True))

    def _take(self, asset: str, path: Path) -> StoredFile:
        digest = sha256(path)
        name = f"{asset}-{digest[:12]}-{uuid4().hex[:8]}.tif"
        self._uploaded.append(_beside(self._key, name))
        self._storage.upload(self._uploaded[-1], path)
        return StoredFile(name, path.stat().st_size, multihash(digest))

    def commit(self, content: bytes) -> None:
        # A PUT can do its work and its answer be lost, and a second try then finds
        # what the first has written. Until it is known which, no file may go.
        self._superfluous = []
        try:
            self._storage.put_item(self._key, content, instead_of=self._present)
        except (AlreadyExistsError, PreconditionError):
            if self._storage.present(self._key)[0] != content:
                self._superfluous = self._uploaded
                collection, item_id, _ = self._key.split("/")
                raise taken(collection, item_id) from None
        except ArchiveUnreachable:
            if self._storage.present(self._key)[0] != content:
                raise
        self._superfluous = _asset_keys(self._key, self._present[0])

    def tidy(self) -> None:
        """Remove files that no item names; what stays is swept a day later."""
        with suppress(ArchiveError):
            self._storage.delete(self._superfluous)


def _beside(key: str, name: str) -> str:
    return f"{key.rpartition('/')[0]}/{name}"


def _asset_keys(key: str, content: bytes | None) -> list[str]:
    """Keys of the files that an item file names; none when it cannot be read."""
    try:
        assets = json.loads(content or b"{}").get("assets", {}).values()
        names = [asset["href"].removeprefix("./") for asset in assets]
    except (ValueError, AttributeError, KeyError, TypeError):
        return []
    return [_beside(key, name) for name in names if UPLOADED.fullmatch(name)]


@contextmanager
def _temporary(item_id: str) -> Iterator[Path]:
    with TemporaryDirectory(prefix="heitu-") as name:
        folder = Path(name)
        try:
            yield folder
        except (DiskFull, OSError) as exc:
            if isinstance(exc, OSError) and exc.errno not in NO_SPACE:
                raise
            raise full(item_id, folder, into=folder) from exc
