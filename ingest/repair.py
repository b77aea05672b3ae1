"""Fetch again what a verification found broken, from where it came from.

Items name their source, and each asset where its pixels lay, without secrets; that is
enough to ask for them once more. What is whole stays as it is, and what comes has to be
what was there, byte for byte: else old and new pixels would stand in one scene.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pystac
import rasterio
import shapely
from odc.geo.geobox import GeoBox

from ingest.archive import Archive
from ingest.band import BandFile
from ingest.checksum import agrees
from ingest.errors import IngestError
from ingest.offer import BandOffer, Bounds, Fetcher, SceneOffer, split_origin
from ingest.plan import CLIP, SOURCE, Entry
from ingest.source_errors import OfferStale
from ingest.transfer import Failure, Outcome, add, claimed
from ingest.verify import Fault
from raster.calibration import raster_value
from raster.errors import RasterError

__all__ = ["entry_of", "repair"]

# What a repair decides anew; all else is the source's own description of the scene.
_OURS: Final = {CLIP, SOURCE, "datetime", "created", "updated"}


def repair(
    archive: Archive,
    faults: Iterable[Fault],
    open_source: Callable[[str, str], Fetcher],
    *,
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Fetch the broken bands of every item with a fault and put them in their place.

    Parameters
    ----------
    archive : Archive
        Its links are refreshed at the end.
    faults : iterable of Fault
        As `Archive.verify` gives them.
    open_source : callable
        Gives a source by its name and the item's collection.
    folder : Path
        Where bands wait, as for `carry_out`.
    progress : callable, optional
        Called with (items done, items in all), in this thread.

    Returns
    -------
    Outcome
        What was mended; items that are lost, that do not say where they came from, or
        whose source has something else by now are among the failures.
    """
    done: list[str] = []
    failures: list[Failure] = []
    broken = _broken(archive, faults)
    for count, ((collection, item_id), keys) in enumerate(sorted(broken.items())):
        if progress is not None:
            progress(count, len(broken))
        try:
            _mend(archive, collection, item_id, keys, open_source, folder)
        except (IngestError, RasterError) as exc:
            failures.append(Failure(item_id, str(exc)))
        else:
            done.append(item_id)
    if progress is not None:
        progress(len(broken), len(broken))
    # What is lost stays listed: nothing else tells that it was there.
    archive.refresh_links(keep_listed=True, on_invalid=lambda _: None)
    return Outcome(tuple(done), (), tuple(failures))


def _mend(
    archive: Archive,
    collection: str,
    item_id: str,
    keys: set[str],
    open_source: Callable[[str, str], Fetcher],
    folder: Path,
) -> None:
    item = archive.item(collection, item_id)
    entry = entry_of(item)
    if entry is None:
        raise OfferStale(_NO_SOURCE.format(name=item_id), href=item_id)
    source = open_source(entry.offer.source, collection)
    folder.mkdir(parents=True, exist_ok=True)
    # A folder of its own: nothing that an older run left takes part.
    with (
        claimed(folder, entry),
        TemporaryDirectory(dir=folder, prefix=f"repair-{item_id}-") as name,
    ):
        files = {
            key: _whole(archive, item, key)
            if key not in keys and "://" not in archive.location
            else _fetched(source, entry, key, item, Path(name))
            for key in entry.keys
        }
        add(archive, entry, files)


def _fetched(
    source: Fetcher, entry: Entry, key: str, item: pystac.Item, place: Path
) -> BandFile:
    """Fetch a band and see that it is the one that was there."""
    band = source.fetch(entry.needed, key, clip=entry.clip, folder=place)
    stated = item.assets[key].extra_fields.get("file:checksum")
    if stated is not None and agrees(band.path, stated) is False:
        raise OfferStale(
            f"{item.id}: {key} at its source is not what it was when it came; remove "
            "the scene and ingest it again, so that all its bands are of one make"
            f" · {item.id} 的 {key} 在数据源中已与入档时不同，请删除该影像后重新获取",
            href=entry.offer.bands[key].href,
        )
    return replace(band, source=entry.offer.bands[key].origin)


def _whole(archive: Archive, item: pystac.Item, key: str) -> BandFile:
    """Describe a band that is as it should be, in its own place."""
    asset = item.assets[key]
    with rasterio.open(asset.href) as file:
        grid = GeoBox(file.shape, file.transform, file.crs.to_wkt())
        dtype = str(file.dtypes[0])
    return BandFile(
        path=Path(asset.href),
        geobox=grid,
        dtype=dtype,
        nodata=raster_value(asset, "nodata"),
        scale=raster_value(asset, "scale"),
        offset=raster_value(asset, "offset"),
        source=asset.extra_fields.get(SOURCE),
    )


_NO_SOURCE: Final = (
    "{name} does not say where it came from: delete it and bring it in again"
    " · {name} 没有来源记录，请删除后重新导入"
)


def entry_of(item: pystac.Item) -> Entry | None:
    """Describe an item as a scene to come; None when it does not name its source."""
    source = item.properties.get(SOURCE)
    bands = dict(_bands(item))
    if not isinstance(source, str) or bands.keys() != item.assets.keys():
        return None
    moment = item.datetime or item.common_metadata.start_datetime
    if moment is None or item.geometry is None:
        return None
    properties = {k: v for k, v in item.properties.items() if k not in _OURS}
    offer = SceneOffer(
        source=source,
        collection=item.collection_id or "",
        item_id=item.id,
        acquired=moment if moment.tzinfo else moment.replace(tzinfo=UTC),
        footprint=shapely.geometry.shape(item.geometry),
        bands=bands,
        properties=properties,
    )
    return Entry(offer, tuple(bands), _clip(item), replaces=True, bytes=None)


def _broken(
    archive: Archive, faults: Iterable[Fault]
) -> dict[tuple[str, str], set[str]]:
    """Items that faults are about, with the keys of their broken bands.

    A fault of a listing alone is mended by listing anew.
    """
    found: dict[tuple[str, str], set[str]] = {}
    for fault in faults:
        if fault.collection is None or fault.item_id is None:
            continue
        keys = found.setdefault((fault.collection, fault.item_id), set())
        if fault.asset is not None:
            keys.add(fault.asset)
    return {
        item: keys for item, keys in found.items() if keys or not archive.has(*item)
    }


def _bands(item: pystac.Item) -> Iterator[tuple[str, BandOffer]]:
    for key, asset in item.assets.items():
        origin = asset.extra_fields.get(SOURCE)
        if isinstance(origin, str):
            href, index = split_origin(origin)
            yield (
                key,
                BandOffer(
                    key=key,
                    href=href,
                    index=index,
                    nodata=raster_value(asset, "nodata"),
                    scale=raster_value(asset, "scale"),
                    offset=raster_value(asset, "offset"),
                ),
            )


def _clip(item: pystac.Item) -> Bounds | None:
    clip = item.properties.get(CLIP)
    if clip is None:
        return None
    west, south, east, north = (float(edge) for edge in clip)
    return west, south, east, north
