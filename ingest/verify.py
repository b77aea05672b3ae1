"""Compare an archive's files with what its items say, and items with their use."""

import os
import posixpath
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

import pystac
import rasterio
from rasterio.errors import RasterioIOError

from ingest.catalogue import (
    ItemDict,
    as_item,
    linked,
    listing_invalid,
    stored_item,
)
from ingest.errors import ItemInvalid
from ingest.storage import (
    CATALOG_FILE,
    Storage,
    collection_key,
    item_key,
)
from raster.errors import AssetMissing, RasterError
from raster.mission import mission_of
from raster.remote import gdal_path, s3_options
from raster.selection import scene_of

__all__ = ["Fault", "verify_archive"]

# Nothing beside a file belongs to its pixels, and a bucket is long to list.
NO_SIBLINGS = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in an archive.

    Attributes
    ----------
    collection : str or None
        The collection; None when the fault is in the archive's own listing.
    item_id : str or None
        The item; None when the fault is in a listing.
    asset : str or None
        Asset key; None when the fault is not in one asset.
    href : str
        Path or URL of the file.
    problem : str
        What is wrong, in English and Chinese.
    """

    collection: str | None
    item_id: str | None
    asset: str | None
    href: str
    problem: str


@dataclass(frozen=True, slots=True)
class _Item:
    """An item and where it lies."""

    storage: Storage
    collection: str
    item_id: str

    @property
    def key(self) -> str:
        return item_key(self.collection, self.item_id)

    @property
    def href(self) -> str:
        return self.storage.href(self.key)

    def content(self) -> ItemDict:
        return stored_item(self.storage, self.collection, self.item_id)

    def fault(self, problem: str, *, asset: str | None = None, href: str = "") -> Fault:
        href = href or self.href
        return Fault(self.collection, self.item_id, asset, href, problem)


@dataclass(frozen=True, slots=True)
class _Asset:
    """A file as its item describes it."""

    item: _Item
    name: str
    description: dict[str, Any]

    @property
    def key(self) -> str:
        return _beside(self.item.key, self.description["href"])

    @property
    def href(self) -> str:
        return self.item.storage.href(self.key)


def verify_archive(
    storage: Storage, progress: Callable[[int, int], None] | None = None
) -> list[Fault]:
    """Check listings, items and every file's size, checksum and raster header.

    Of a scene also that its time, its classes and the scaling of its reflectance are
    known, as `raster.season` needs them.

    Parameters
    ----------
    storage : Storage
        Of the archive.
    progress : callable, optional
        Called with (files done, files in all).

    Returns
    -------
    list of Fault
        Sorted by href.

    Raises
    ------
    ArchiveUnreachable, ArchiveDenied, BucketMissing
        Object storage does not answer: what could not be read is not called broken.
    """
    ids = {name: storage.item_ids(name) for name in storage.collections()}
    faults: list[Fault] = []
    assets: list[_Asset] = []
    items = [_Item(storage, name, item_id) for name in ids for item_id in ids[name]]
    for described, found in storage.each(_item_faults, items):
        assets += described
        faults += found
    broken = {fault.href for fault in faults if fault.asset is None}
    # What cannot be read cannot be listed either: that is one fault, not two.
    fit = {item.key for item in items if item.href not in broken}
    faults += _listing_faults(storage, ids, fit)
    faults += _file_faults(assets, progress)
    return sorted(faults, key=lambda fault: fault.href)


def _item_faults(item: _Item) -> tuple[list[_Asset], list[Fault]]:
    """Find an item's files, and what is wrong beside them."""
    try:
        content = item.content()
    except ItemInvalid as exc:
        return [], [item.fault(str(exc))]
    assets = [_Asset(item, name, each) for name, each in content["assets"].items()]
    known = {posixpath.basename(asset.key) for asset in assets}
    known.add(posixpath.basename(item.key))
    faults = [
        item.fault(
            "file belongs to no asset · 文件不属于任何数据项",
            href=item.storage.href(_beside(item.key, name)),
        )
        for name in item.storage.strays(item.collection, item.item_id, known)
    ]
    # Last: the item takes its content apart.
    faults += _scene_faults(item, as_item(item.href, content))
    return assets, faults


def _beside(key: str, href: str) -> str:
    """Key of what a file calls `href`."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(key), href))


def _listing_faults(
    storage: Storage, ids: dict[str, list[str]], fit: set[str]
) -> Iterator[Fault]:
    """Compare listings with what is there and, in `fit`, can be listed."""
    present = {name: {item_key(name, each) for each in ids[name]} for name in ids}
    # A listing can be the only witness of a collection whose items are all gone.
    filled = [n for n in ids if present[n] & fit or _is_there(storage, n)]
    children = {collection_key(name) for name in filled}
    yield from _compare_links(storage, CATALOG_FILE, "child", children, children)
    for name in filled:
        items = present[name]
        listing = collection_key(name)
        yield from _compare_links(storage, listing, "item", items, items & fit)


def _is_there(storage: Storage, collection: str) -> bool:
    try:
        storage.size(collection_key(collection))
    except FileNotFoundError:
        return False
    return True


def _compare_links(
    storage: Storage, listing: str, rel: str, present: set[str], fit: set[str]
) -> Iterator[Fault]:
    href = storage.href(listing)
    try:
        hrefs = linked(_listing(storage, listing), rel, href=href)
    except ItemInvalid as exc:
        yield _listing_fault(storage, listing, str(exc))
        return
    listed, name = {_beside(listing, each) for each in hrefs}, posixpath.basename(href)
    for key in listed - present:
        problem = f"listed in {name} but missing · 目录中有, 但文件缺失"
        yield _listing_fault(storage, key, problem)
    for key in fit - listed:
        problem = f"not listed in {name}: refresh the links · 未列入目录"
        yield _listing_fault(storage, key, problem)


def _listing(storage: Storage, key: str) -> bytes:
    try:
        return storage.read(key)
    except OSError as exc:
        raise listing_invalid(storage.href(key), str(exc)) from exc


def _listing_fault(storage: Storage, key: str, problem: str) -> Fault:
    """Name a file by its place: COLLECTION/collection.json, COLLECTION/ITEM/..."""
    collection, item_id, *_ = [*key.split("/")[:-1], None, None]
    return Fault(collection, item_id, None, storage.href(key), problem)


def _scene_faults(place: _Item, item: pystac.Item) -> Iterator[Fault]:
    """Find what keeps the season's own reader from taking a scene."""
    try:
        mission = mission_of(item)
    except AssetMissing as exc:
        # A product has none of these bands, so no classes are asked of it.
        if {"B04", "B08"} <= item.assets.keys():
            yield place.fault(str(exc), asset="SCL")
        return
    for letter, keys in mission.bands.items():
        for key in item.assets.keys() & set(keys):
            try:
                scene_of(item, (letter,))
            except RasterError as exc:
                yield place.fault(str(exc), asset=key)


def _file_faults(
    assets: list[_Asset], progress: Callable[[int, int], None] | None
) -> list[Fault]:
    faults = []
    # Hashing and reading release the interpreter lock, so threads use every core.
    pool = ThreadPoolExecutor()
    try:
        pending = [pool.submit(_file_fault, asset) for asset in assets]
        for done, future in enumerate(as_completed(pending), start=1):
            fault = future.result()
            if fault is not None:
                faults.append(fault)
            if progress is not None:
                progress(done, len(assets))
    finally:
        pool.shutdown(cancel_futures=True)
    return faults


def _file_fault(asset: _Asset) -> Fault | None:
    try:
        problem = _size_problem(asset) or _checksum_problem(asset)
    except FileNotFoundError:
        problem = "missing file · 文件缺失"
    except OSError as exc:
        problem = f"unreadable file: {exc} · 文件无法读取"
    problem = problem or _raster_problem(asset)
    if problem is None:
        return None
    return asset.item.fault(problem, asset=asset.name, href=asset.href)


def _size_problem(asset: _Asset) -> str | None:
    size = asset.item.storage.size(asset.key)
    expected = asset.description.get("file:size")
    if size == expected:
        return None
    return f"{size} bytes instead of {expected} · 文件大小不符"


def _checksum_problem(asset: _Asset) -> str | None:
    checksum = asset.item.storage.checksum(asset.key)
    if checksum == asset.description.get("file:checksum"):
        return None
    return "content differs from its checksum · 内容与校验和不符"


def _raster_problem(asset: _Asset) -> str | None:
    try:
        with (
            rasterio.Env(**NO_SIBLINGS, **s3_options(os.environ)),
            rasterio.open(gdal_path(asset.href)) as dataset,
        ):
            shape = [dataset.height, dataset.width]
    except RasterioIOError as exc:
        return f"not a readable raster: {exc} · 栅格无法打开"
    if shape == asset.description.get("proj:shape"):
        return None
    return f"raster of {shape} pixels, not as its item says · 栅格尺寸不符"
