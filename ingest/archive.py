"""The scene archive: a self-contained STAC catalogue of COGs on disk.

::

    catalog.json
    COLLECTION/collection.json
    COLLECTION/ITEM/ITEM.json
    COLLECTION/ITEM/B04.tif ...

An item is written into a hidden folder and renamed into place as its last step,
so a killed process leaves no item without its files. Every file carries the item's
``heitu:`` properties as tags, e.g. ``HEITU_SIMULATED=true``, for whoever copies it.
"""

import errno
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pystac
from odc.geo.geobox import GeoBox

from ingest.band import BandData
from ingest.catalogue import (
    CATALOG_FILE,
    PART_PREFIX,
    ItemDict,
    as_item,
    folders,
    interval,
    item_file,
    part_name,
    read_item,
    write_catalog,
    write_collection,
    write_json,
)
from ingest.checksum import sha256_multihash
from ingest.errors import (
    ArchiveFull,
    ArchiveMissing,
    ItemUnknown,
    NameInvalid,
    PropertyInvalid,
    SceneExists,
)
from ingest.stac_item import WrittenFile, build_item
from ingest.verify import Fault, verify_archive
from raster.cog import write_cog
from raster.errors import DiskFull

__all__ = ["PRODUCTS", "Archive", "BandData", "Fault"]

PRODUCTS = "products"
NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
OCCUPIED = {errno.ENOTEMPTY, errno.EEXIST}

Bounds = tuple[float, float, float, float]


class Archive:
    """Scenes and products on disk, by collection and item id.

    Safe for threads that add different items; one process writes at a time.

    Parameters
    ----------
    root : Path
        Folder of the archive.
    create : bool
        Make an empty archive when there is none; else that is an error.

    Raises
    ------
    ArchiveMissing
        No archive at `root`, and `create` is false.
    """

    def __init__(self, root: Path, *, create: bool = True) -> None:
        self.root = root.absolute()
        if (self.root / CATALOG_FILE).exists():
            return
        if not create:
            raise ArchiveMissing(
                f"no archive at {root}: {CATALOG_FILE} is not there; check the folder"
                f" · {root} 中没有影像档案，请检查目录"
            )
        self.root.mkdir(parents=True, exist_ok=True)
        write_catalog(self.root, [])

    def add_scene(
        self,
        *,
        collection: str,
        item_id: str,
        acquired: datetime,
        geobox: GeoBox,
        bands: Mapping[str, BandData],
        properties: Mapping[str, Any],
        replace: bool = False,
    ) -> pystac.Item:
        """Write one scene: a COG a band, checksums, and the item.

        `refresh_links` lists new items in the catalogue; call it after a batch.

        Parameters
        ----------
        collection, item_id : str
            Letters, digits, ``.``, ``_`` and ``-``.
        acquired : datetime
            Timezone-aware acquisition time.
        geobox : GeoBox
            Grid of the item, usually that of its finest band.
        bands : mapping of str to BandData
            Pixels by asset key, e.g. ``B04``, ``SCL``.
        properties : mapping
            Item properties as STAC names them, e.g. ``eo:cloud_cover`` (percent);
            simulated scenes carry ``heitu:simulated: true``.
        replace : bool
            Put the scene in the place of one of the same id.

        Returns
        -------
        pystac.Item
            As `item` returns it.

        Raises
        ------
        SceneExists
            The id is taken and `replace` is false.
        ArchiveFull
            No space left; nothing of this scene remains, the archive is whole.
        NameInvalid, BandInvalid, PropertyInvalid
            The scene cannot be stored as given.
        """
        return self._add(
            collection=collection,
            item_id=item_id,
            acquired=acquired,
            geobox=geobox,
            bands=bands,
            properties=properties,
            replace=replace,
        )

    def add_product(
        self,
        *,
        product_id: str,
        kind: str,
        geobox: GeoBox,
        asset: BandData,
        properties: Mapping[str, Any],
        replace: bool = True,
    ) -> pystac.Item:
        """Write a model's raster as an item of collection "products".

        Parameters
        ----------
        product_id : str
            Item id; the same id takes the place of the product before it.
        kind : str
            What it is, e.g. ``yield-map``; stored as ``heitu:kind``.
        geobox : GeoBox
            Grid of the product.
        asset : BandData
            The pixels, stored under the asset key ``data``.
        properties : mapping
            Must hold ``heitu:year`` (int): the product's time is that calendar
            year. ``heitu:crop``, ``heitu:run``, ``heitu:simulated`` as they apply.
        replace : bool
            False makes a taken id an error.

        Returns
        -------
        pystac.Item
            As `item` returns it.

        Raises
        ------
        PropertyInvalid
            ``heitu:year`` is missing or is not a year.
        SceneExists, ArchiveFull, NameInvalid, BandInvalid
            As for `add_scene`.
        """
        return self._add(
            collection=PRODUCTS,
            item_id=product_id,
            acquired=None,
            geobox=geobox,
            bands={"data": asset},
            properties={
                **properties,
                "heitu:kind": kind,
                **_calendar_year(product_id, properties.get("heitu:year")),
            },
            replace=replace,
        )

    def has(self, collection: str, item_id: str) -> bool:
        """Whether the archive holds an item of this id."""
        return item_file(self._folder(collection, item_id)).exists()

    def item(self, collection: str, item_id: str) -> pystac.Item:
        """One item, with absolute asset hrefs.

        Raises
        ------
        ItemUnknown
            No such item.
        ItemInvalid
            Its file cannot be read.
        """
        folder = self._folder(collection, item_id)
        if not folder.is_dir():
            raise ItemUnknown(
                f"no item {item_id!r} in collection {collection!r} of {self.root}; "
                f"collections here: {', '.join(self.collections()) or 'none'}"
                f" · 影像集 {collection} 中没有 {item_id}，请检查名称"
            )
        return as_item(folder, read_item(folder))

    def items(
        self,
        collection: str,
        *,
        start: date | None = None,
        end: date | None = None,
        bbox: Bounds | None = None,
    ) -> list[pystac.Item]:
        """Items of a collection by time, then id, with absolute asset hrefs.

        Parameters
        ----------
        collection : str
            An unknown collection has no items.
        start, end : date, optional
            First and last UTC day, both included.
        bbox : (west, south, east, north), optional
            Degrees, EPSG:4326; items whose bbox touches it.

        Raises
        ------
        ItemInvalid
            An item file is missing or broken: it is not silently left out.
        """
        folder = self.root / _checked_name(collection)
        if not folder.is_dir():
            return []
        read = [(path, read_item(path)) for path in folders(folder)]
        found = [
            (path, item)
            for path, item in read
            if _within_days(item, start, end) and _touches(item, bbox)
        ]
        found.sort(key=lambda pair: interval(pair[1]))
        return [as_item(path, item) for path, item in found]

    def collections(self) -> list[str]:
        """Names of the collections, sorted."""
        return [path.name for path in folders(self.root)]

    def verify(self, progress: Callable[[int, int], None] | None = None) -> list[Fault]:
        """Read every file, compare it with its item, and see that items serve.

        Parameters
        ----------
        progress : callable, optional
            Called with (files done, files in all), in this thread.

        Returns
        -------
        list of Fault
            Missing, truncated, corrupt and unlisted files, and scenes that no season
            can be made of; empty when all is well.
        """
        return verify_archive(self.root, progress)

    def refresh_links(self) -> None:
        """Rewrite catalog.json and every collection.json from what is there.

        Also removes what killed processes left half-written, so call it when no
        item is being added.

        Raises
        ------
        ItemInvalid
            An item file is missing or broken.
        """
        for pattern in (f"{PART_PREFIX}*", f"*/{PART_PREFIX}*"):
            for leftover in list(self.root.glob(pattern)):
                _remove(leftover)
        filled = [path for path in folders(self.root) if folders(path)]
        for path in filled:
            write_collection(path)
        write_catalog(self.root, [path.name for path in filled])

    def _folder(self, collection: str, item_id: str) -> Path:
        return self.root / _checked_name(collection) / _checked_name(item_id)

    def _add(
        self,
        *,
        collection: str,
        item_id: str,
        acquired: datetime | None,
        geobox: GeoBox,
        bands: Mapping[str, BandData],
        properties: Mapping[str, Any],
        replace: bool,
    ) -> pystac.Item:
        final = self._folder(collection, item_id)
        if final.exists() and not replace:
            raise _taken(final)
        _check_properties(item_id, properties)
        tags = _tags(properties)
        with _whole_or_nothing(final) as part:
            item = build_item(
                collection=collection,
                item_id=item_id,
                acquired=acquired,
                geobox=geobox,
                bands=bands,
                files={key: _write_band(part, key, bands[key], tags) for key in bands},
                properties=properties,
            )
            content = item.to_dict(include_self_link=False, transform_hrefs=False)
            write_json(part / item_file(final).name, content)
            _move_into_place(part, final, replace=replace)
        return self.item(collection, item_id)


def _checked_name(name: str) -> str:
    if not NAME_PATTERN.fullmatch(name):
        raise NameInvalid(
            f"{name!r} cannot name a collection, item or band: use letters, digits, "
            "'.', '_' and '-', beginning with a letter or digit"
            f" · 名称 {name!r} 不可用，请用字母、数字和 . _ -，以字母或数字开头"
        )
    return name


def _check_properties(item_id: str, properties: Mapping[str, Any]) -> None:
    try:
        json.dumps(dict(properties), allow_nan=False)
    except (TypeError, ValueError) as exc:
        raise PropertyInvalid(
            f"{item_id}: its properties cannot be written as JSON ({exc}); give plain "
            "numbers, and leave unknown ones out"
        ) from exc


def _calendar_year(product_id: str, year: object) -> dict[str, str | None]:
    if not isinstance(year, int) or not 1900 <= year <= 2999:
        raise PropertyInvalid(
            f"{product_id}: property 'heitu:year' is {year!r}; give the product's year"
        )
    return {
        "datetime": None,
        "start_datetime": f"{year}-01-01T00:00:00Z",
        "end_datetime": f"{year}-12-31T23:59:59Z",
    }


def _tags(properties: Mapping[str, Any]) -> dict[str, str]:
    """Our own properties as tags of a file: ``heitu:run`` is HEITU_RUN."""
    return {
        name.upper().replace(":", "_"): str(value).lower()
        if isinstance(value, bool)
        else str(value)
        for name, value in properties.items()
        if name.startswith("heitu:") and isinstance(value, str | bool | int)
    }


def _write_band(
    folder: Path, key: str, band: BandData, tags: Mapping[str, str]
) -> WrittenFile:
    path = folder / f"{_checked_name(key)}.tif"
    # Averaging the codes of a class layer would invent classes.
    codes = band.scale is None and band.array.dtype.kind in "iu"
    write_cog(
        path,
        band.array,
        band.geobox,
        nodata=band.nodata,
        scale=band.scale,
        offset=band.offset,
        overview_resampling="nearest" if codes else "average",
        tags=tags,
    )
    return WrittenFile(path.name, path.stat().st_size, sha256_multihash(path))


@contextmanager
def _whole_or_nothing(final: Path) -> Iterator[Path]:
    """Give a hidden folder beside `final`, gone afterwards whatever happened."""
    part = final.with_name(part_name(final.name))
    try:
        part.mkdir(parents=True)
        yield part
    except DiskFull as exc:
        raise _full(final) from exc
    except OSError as exc:
        if exc.errno in NO_SPACE:
            raise _full(final) from exc
        raise
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _full(final: Path) -> ArchiveFull:
    return ArchiveFull(
        f"no space left to write {final.name} into {final.parent}; nothing of it was "
        "kept. Free some space there and start again: what is stored is reused"
        f" · 磁盘已满，{final.name} 未写入，请清理空间后重新运行，已存内容会继续使用",
        item_id=final.name,
        path=final,
    )


def _taken(final: Path) -> SceneExists:
    return SceneExists(
        f"{final.name} is already in collection {final.parent.name}; pass "
        "replace=True to put this one in its place"
        f" · 影像集 {final.parent.name} 中已有 {final.name}，替换请用 replace=True"
    )


def _move_into_place(part: Path, final: Path, *, replace: bool) -> None:
    # No system call of Python swaps two folders: between these renames, for some
    # microseconds, a reader finds neither. What was moved aside is restored when
    # the second one fails.
    aside = final.with_name(part_name(final.name))
    replaced = replace and final.exists()
    if replaced:
        final.rename(aside)
    try:
        part.rename(final)
    except OSError as exc:
        if replaced and not final.exists():
            aside.rename(final)
        if exc.errno in OCCUPIED:
            raise _taken(final) from exc
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _remove(leftover: Path) -> None:
    if leftover.is_dir():
        shutil.rmtree(leftover)
    else:
        leftover.unlink(missing_ok=True)


def _within_days(item: ItemDict, start: date | None, end: date | None) -> bool:
    first, last = (moment.date() for moment in interval(item))
    return (start is None or last >= start) and (end is None or first <= end)


def _touches(item: ItemDict, bbox: Bounds | None) -> bool:
    if bbox is None:
        return True
    west, south, east, north = item["bbox"]
    return bool(
        west <= bbox[2] and east >= bbox[0] and south <= bbox[3] and north >= bbox[1]
    )
