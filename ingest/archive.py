"""The scene archive: a self-contained STAC catalogue of COGs.

::

    catalog.json
    COLLECTION/collection.json
    COLLECTION/ITEM/ITEM.json
    COLLECTION/ITEM/B04.tif ...

It lies in a folder or on object storage (`ingest.storage`); either way an item is seen
whole or not at all. Files written here from arrays (`Archive.add_scene`,
`Archive.add_product`) carry the item's ``heitu:`` properties as tags, e.g.
``HEITU_SIMULATED=true``, for whoever copies them; finished files (`Archive.add_files`)
stay as they are, bit by bit.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pystac
import shapely
from odc.geo.geobox import GeoBox

from ingest.band import BandData, BandFile
from ingest.catalogue import (
    Bounds,
    as_item,
    catalog_content,
    encoded,
    interval,
    stored_item,
    touches,
    within_days,
)
from ingest.errors import (
    ArchiveMissing,
    ItemInvalid,
    ItemUnknown,
    LocationInvalid,
)
from ingest.links import OnInvalid, contents, refresh
from ingest.naming import calendar_year, check_properties, checked_name
from ingest.stac_item import Interval, ItemFile, build_item, check_grids
from ingest.storage import (
    CATALOG_FILE,
    Storage,
    Versions,
    item_key,
)
from ingest.storage_folder import LocalFolder
from ingest.verify import Fault, verify_archive
from ingest.writing import count_of, on_disk, tags_of

__all__ = ["PRODUCTS", "Archive", "BandData", "BandFile", "Fault"]

PRODUCTS = "products"


class Archive:
    """Scenes and products, by collection and item id.

    In a folder: safe for threads and processes that add different items. On object
    storage: safe for whoever writes.

    Parameters
    ----------
    location : Path or str
        Folder, or ``s3://BUCKET/PREFIX``: see `ingest.storage_objects.open_bucket`.
    create : bool
        Make an empty archive when there is none; else that is an error.

    Raises
    ------
    ArchiveMissing
        No archive at `location`, and `create` is false.
    LocationInvalid
        No archive can lie there.
    ArchiveUnreachable, ArchiveDenied, BucketMissing
        Object storage does not let it be used; so any method may end.
    """

    def __init__(self, location: Path | str, *, create: bool = True) -> None:
        self._storage = _storage(location)
        with suppress(FileNotFoundError):
            self._storage.read(CATALOG_FILE)
            return
        if not create:
            raise ArchiveMissing(
                f"no archive at {location}: {CATALOG_FILE} is not there; check "
                f"the place · {location} 中没有影像档案，请检查位置"
            )
        self._storage.create(CATALOG_FILE, encoded(catalog_content([])))

    @property
    def location(self) -> str:
        """Folder or URL, as people write it."""
        return self._storage.location

    @property
    def root(self) -> Path:
        """Folder of an archive on disk.

        Raises
        ------
        LocationInvalid
            It lies on object storage.
        """
        if isinstance(self._storage, LocalFolder):
            return self._storage.root
        raise LocationInvalid(
            f"{self.location} is object storage, and this needs an archive in a folder"
            f" · {self.location} 是对象存储，此处需要本地目录中的档案"
        )

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

    def add_files(
        self,
        *,
        collection: str,
        item_id: str,
        acquired: datetime | None,
        geobox: GeoBox,
        files: Mapping[str, BandFile],
        properties: Mapping[str, Any],
        footprint: shapely.Geometry | None = None,
        replace: bool = False,
        interval: Interval | None = None,
    ) -> pystac.Item:
        """Take the finished COGs of one scene into the archive, as they are.

        Parameters
        ----------
        collection, item_id, geobox, properties, replace
            As for `add_scene`.
        acquired : datetime or None
            Timezone-aware acquisition time; None for a composite of `interval`.
        files : mapping of str to BandFile
            By asset key. They are moved: gone from where they were once the scene is
            in the archive, untouched when it could not be added.
        footprint : Geometry, optional
            Where the scene has pixels, EPSG:4326; the whole grid if left out.
        interval : (datetime, datetime), optional
            First and last moment, timezone-aware.

        Returns
        -------
        pystac.Item
            As `item` returns it; each asset's ``heitu:source`` is the file's `source`.

        Raises
        ------
        SceneExists, ArchiveFull, NameInvalid, BandInvalid, PropertyInvalid
            As for `add_scene`.
        """
        item = self._add(
            collection=collection,
            item_id=item_id,
            acquired=acquired,
            geobox=geobox,
            bands=files,
            properties=properties,
            replace=replace,
            outline=footprint,
            interval=interval,
        )
        kept = {Path(asset.href).resolve() for asset in item.assets.values()}
        for file in files.values():
            # A file that was given from its own place in the archive is there again.
            if file.path.resolve() not in kept:
                file.path.unlink(missing_ok=True)
        return item

    def add_product(
        self,
        *,
        product_id: str,
        kind: str,
        geobox: GeoBox,
        asset: BandData,
        properties: Mapping[str, Any],
        layers: Mapping[str, BandData] | None = None,
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
        layers : mapping of str to BandData, optional
            Further pixels by asset key, such as how sure the first are.
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
            bands={**(layers or {}), "data": asset},
            properties={**properties, "heitu:kind": kind},
            replace=replace,
            interval=calendar_year(product_id, properties.get("heitu:year")),
        )

    def remove(self, collection: str, item_id: str) -> None:
        """Take an item and its files out of the archive.

        `refresh_links` takes it out of the catalogue; call it after a batch.

        Raises
        ------
        ItemUnknown
            No such item.
        """
        names = checked_name(collection), checked_name(item_id)
        if not self._storage.remove(*names):
            raise self._unknown(collection, item_id)

    def has(self, collection: str, item_id: str) -> bool:
        """Whether the archive holds an item of this id whose file can be read.

        Where it cannot, the id is free: a scene may be added in its place.
        """
        return self._storage.has(checked_name(collection), checked_name(item_id))

    def item(self, collection: str, item_id: str) -> pystac.Item:
        """One item, with absolute asset hrefs.

        Raises
        ------
        ItemUnknown
            No such item.
        ItemInvalid
            Its file cannot be read.
        """
        names = checked_name(collection), checked_name(item_id)
        try:
            content = stored_item(self._storage, *names)
        except ItemInvalid:
            if item_id in self._storage.item_ids(collection):
                raise
            raise self._unknown(collection, item_id) from None
        return as_item(self._href(*names), content)

    def items(
        self,
        collection: str,
        *,
        start: date | None = None,
        end: date | None = None,
        bbox: Bounds | None = None,
        on_invalid: OnInvalid | None = None,
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
        on_invalid : callable, optional
            Called for each item that cannot be read, which is then left out.

        Raises
        ------
        ItemInvalid
            An item file is missing or broken, and there is no `on_invalid`: it is
            not silently left out.
        """
        found = [
            item
            for item in contents(self._storage, checked_name(collection), on_invalid)
            if within_days(item, start, end) and touches(item, bbox)
        ]
        found.sort(key=interval)
        return [as_item(self._href(collection, item["id"]), item) for item in found]

    def versions(self, collection: str) -> Versions:
        """Give what differs after an item was added, replaced or removed.

        Quicker than `items`: no item is read.
        """
        return self._storage.versions(checked_name(collection))

    def collections(self) -> list[str]:
        """Names of the collections, sorted."""
        return self._storage.collections()

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
        return verify_archive(self._storage, progress)

    def refresh_links(
        self, *, on_invalid: OnInvalid | None = None, keep_listed: bool = False
    ) -> None:
        """Rewrite catalog.json and every collection.json from what is there.

        Also removes what killed writers left half-written, if every item can be read:
        in a folder what no living process holds, on object storage what is a day old.

        Parameters
        ----------
        on_invalid : callable, optional
            Called for each item that cannot be read, once the others are listed.
        keep_listed : bool
            What was listed before and is not there stays listed, so that `verify` goes
            on to miss it.

        Raises
        ------
        ItemInvalid
            An item file is missing or broken, and there is no `on_invalid`; the others
            are listed all the same.
        """
        refresh(self._storage, on_invalid=on_invalid, keep_listed=keep_listed)

    def _href(self, collection: str, item_id: str) -> str:
        return self._storage.href(item_key(collection, item_id))

    def _unknown(self, collection: str, item_id: str) -> ItemUnknown:
        return ItemUnknown(
            f"no item {item_id!r} in collection {collection!r} of {self.location}; "
            f"collections here: {', '.join(self.collections()) or 'none'}"
            f" · 影像集 {collection} 中没有 {item_id}，请检查名称"
        )

    def _add(
        self,
        *,
        collection: str,
        item_id: str,
        acquired: datetime | None,
        geobox: GeoBox,
        bands: Mapping[str, BandData | BandFile],
        properties: Mapping[str, Any],
        replace: bool,
        outline: shapely.Geometry | None = None,
        interval: Interval | None = None,
    ) -> pystac.Item:
        for name in (collection, item_id, *bands):
            checked_name(name)
        check_properties(item_id, properties)
        check_grids(item_id, geobox, {key: band.geobox for key, band in bands.items()})
        tags = tags_of(properties)
        with self._storage.placing(collection, item_id, replace=replace) as place:
            files = {
                key: on_disk(place.folder / f"{key}.tif", band, tags)
                for key, band in bands.items()
            }
            stored = place.take({key: file.path for key, file in files.items()})
            item = build_item(
                collection=collection,
                item_id=item_id,
                acquired=acquired,
                geobox=geobox,
                files={
                    key: ItemFile(file, stored[key], count_of(bands[key]))
                    for key, file in files.items()
                },
                properties=properties,
                outline=outline,
                interval=interval,
            )
            content = item.to_dict(include_self_link=False, transform_hrefs=False)
            place.commit(encoded(content))
        return self.item(collection, item_id)


def _storage(location: Path | str) -> Storage:
    if isinstance(location, str) and "://" in location:
        # Its library takes a while to load, and most archives are folders.
        from ingest.storage_objects import open_bucket

        return open_bucket(location)
    return LocalFolder(Path(location))
