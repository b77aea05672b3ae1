"""Compare an archive's files with what its items say, and items with their use."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pystac
import rasterio
from rasterio.errors import RasterioIOError

from ingest.catalogue import (
    CATALOG_FILE,
    COLLECTION_FILE,
    ItemDict,
    as_item,
    folders,
    item_file,
    linked,
    read_item,
)
from ingest.checksum import sha256_multihash
from ingest.errors import ItemInvalid
from raster.errors import AssetMissing, RasterError
from raster.mission import mission_of
from raster.selection import scene_of


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in an archive.

    Attributes
    ----------
    item_id : str
        The item, or the collection when the fault is in its listing.
    asset : str or None
        Asset key; None when the fault is not in one asset.
    path : Path
        The file or folder.
    problem : str
        What is wrong, in English and Chinese.
    """

    item_id: str
    asset: str | None
    path: Path
    problem: str


@dataclass(frozen=True, slots=True)
class _Asset:
    """A file as its item describes it."""

    item_id: str
    key: str
    path: Path
    description: dict[str, Any]

    def fault(self, problem: str) -> Fault:
        return Fault(self.item_id, self.key, self.path, problem)


def verify_archive(
    root: Path, progress: Callable[[int, int], None] | None = None
) -> list[Fault]:
    """Check listings, items and every file's size, checksum and raster header.

    Of a scene also that its time, its classes and the scaling of its reflectance are
    known, as `raster.season` needs them.

    Parameters
    ----------
    root : Path
        Folder of the archive.
    progress : callable, optional
        Called with (files done, files in all).

    Returns
    -------
    list of Fault
        Sorted by path.
    """
    faults = list(_listing_faults(root))
    assets: list[_Asset] = []
    for collection in folders(root):
        for folder in folders(collection):
            try:
                item = read_item(folder)
            except ItemInvalid as exc:
                faults.append(Fault(folder.name, None, exc.path, str(exc)))
            else:
                described = _assets(folder, item)
                assets += described
                faults += _unlisted_files(folder, described)
                faults += _scene_faults(folder, as_item(folder, item))
    faults += _file_faults(assets, progress)
    return sorted(faults, key=lambda fault: fault.path)


def _listing_faults(root: Path) -> Iterator[Fault]:
    collections = {path / COLLECTION_FILE for path in folders(root) if folders(path)}
    yield from _compare_links(root / CATALOG_FILE, "child", collections)
    for path in sorted(collections):
        items = {item_file(folder) for folder in folders(path.parent)}
        yield from _compare_links(path, "item", items)


def _compare_links(listing: Path, rel: str, present: set[Path]) -> Iterator[Fault]:
    try:
        listed = set(linked(listing, rel))
    except ItemInvalid as exc:
        yield Fault(listing.parent.name, None, listing, str(exc))
        return
    for path in listed - present:
        problem = f"listed in {listing.name} but missing · 目录中有, 但文件缺失"
        yield Fault(path.parent.name, None, path, problem)
    for path in present - listed:
        problem = f"not listed in {listing.name}: refresh the links · 未列入目录"
        yield Fault(path.parent.name, None, path, problem)


def _assets(folder: Path, item: ItemDict) -> list[_Asset]:
    return [
        _Asset(item["id"], key, folder / description["href"], description)
        for key, description in item["assets"].items()
    ]


def _unlisted_files(folder: Path, assets: list[_Asset]) -> Iterator[Fault]:
    known = {asset.path for asset in assets} | {item_file(folder)}
    for path in sorted(set(folder.iterdir()) - known):
        problem = "file belongs to no asset · 文件不属于任何数据项"
        yield Fault(folder.name, None, path, problem)


def _scene_faults(folder: Path, item: pystac.Item) -> Iterator[Fault]:
    """Find what keeps the season's own reader from taking a scene."""
    try:
        mission = mission_of(item)
    except AssetMissing as exc:
        # A product has none of these bands, so no classes are asked of it.
        if {"B04", "B08"} <= item.assets.keys():
            yield Fault(item.id, "SCL", item_file(folder), str(exc))
        return
    for letter, keys in mission.bands.items():
        for key in item.assets.keys() & set(keys):
            try:
                scene_of(item, (letter,))
            except RasterError as exc:
                yield Fault(item.id, key, item_file(folder), str(exc))


def _file_faults(
    assets: list[_Asset], progress: Callable[[int, int], None] | None
) -> list[Fault]:
    faults = []
    # Hashing and reading release the interpreter lock, so threads use every core.
    with ThreadPoolExecutor() as pool:
        pending = [pool.submit(_file_fault, asset) for asset in assets]
        for done, future in enumerate(as_completed(pending), start=1):
            fault = future.result()
            if fault is not None:
                faults.append(fault)
            if progress is not None:
                progress(done, len(assets))
    return faults


def _file_fault(asset: _Asset) -> Fault | None:
    try:
        problem = _size_problem(asset) or _checksum_problem(asset)
    except FileNotFoundError:
        problem = "missing file · 文件缺失"
    except OSError as exc:
        problem = f"unreadable file: {exc} · 文件无法读取"
    problem = problem or _raster_problem(asset)
    return asset.fault(problem) if problem else None


def _size_problem(asset: _Asset) -> str | None:
    size, expected = asset.path.stat().st_size, asset.description.get("file:size")
    if size == expected:
        return None
    return f"{size} bytes instead of {expected} · 文件大小不符"


def _checksum_problem(asset: _Asset) -> str | None:
    if sha256_multihash(asset.path) == asset.description.get("file:checksum"):
        return None
    return "content differs from its checksum · 内容与校验和不符"


def _raster_problem(asset: _Asset) -> str | None:
    try:
        with rasterio.open(asset.path) as dataset:
            shape = [dataset.height, dataset.width]
    except RasterioIOError as exc:
        return f"not a readable raster: {exc} · 栅格无法打开"
    if shape == asset.description.get("proj:shape"):
        return None
    return f"raster of {shape} pixels, not as its item says · 栅格尺寸不符"
