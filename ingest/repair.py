"""Fetch again what a verification found broken, from where it came from.

Items name their source, and each asset where its pixels lay, without secrets; that is
enough to ask for them once more.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC
from pathlib import Path
from typing import Final

import pystac
import shapely

from ingest.archive import Archive
from ingest.errors import ItemInvalid, ItemUnknown
from ingest.offer import BandOffer, Bounds, Fetcher, SceneOffer, split_origin
from ingest.plan import CLIP, SOURCE, Entry, Plan
from ingest.transfer import Failure, Outcome, carry_out
from ingest.verify import Fault
from raster.calibration import raster_value

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
    """Fetch every item with a fault again and put it in the place of the broken one.

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
        As for `carry_out`, source by source.

    Returns
    -------
    Outcome
        What was added again; items that do not say where they came from, or that
        cannot be read, are among the failures.
    """
    failures: list[Failure] = []
    entries: dict[tuple[str, str], list[Entry]] = {}
    for collection, item_id in sorted(_broken(archive, faults)):
        try:
            entry = entry_of(archive.item(collection, item_id))
        except (ItemInvalid, ItemUnknown) as exc:
            failures.append(Failure(item_id, str(exc)))
            continue
        if entry is None:
            failures.append(Failure(item_id, _NO_SOURCE.format(name=item_id)))
        else:
            entries.setdefault((entry.offer.source, collection), []).append(entry)
    added: list[str] = []
    for (name, collection), wanted in entries.items():
        plan = Plan(name, tuple(wanted), (), (), (), ())
        source = open_source(name, collection)
        outcome = carry_out(plan, source, archive, folder=folder, progress=progress)
        added += outcome.added
        failures += outcome.failures
    archive.refresh_links()
    return Outcome(tuple(sorted(added)), tuple(failures))


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
    return Entry(offer, _clip(item), replaces=True, bytes=None)


def _broken(archive: Archive, faults: Iterable[Fault]) -> set[tuple[str, str]]:
    """Items that faults are about; a fault of a listing is mended by listing anew."""
    collections = set(archive.collections())
    return {
        (fault.collection, fault.item_id)
        for fault in faults
        if fault.collection in collections and fault.item_id is not None
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
