"""What an ingest will do, before it does anything: there already, to come, left out.

Scenes are compared as acquisitions, not as ids: what the archive holds from another
provider, or in a newer processing, is not fetched a second time.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pystac
import shapely

from ingest.archive import PRODUCTS, Archive
from ingest.errors import IngestError
from ingest.offer import BandOffer, Bounds, Found, Refused, SceneOffer
from ingest.source_errors import OfferStale
from raster.errors import AssetMissing
from raster.mission import mission_of, sensing_of
from raster.selection import acquisitions

__all__ = [
    "CLIP",
    "SOURCE",
    "BandUnknown",
    "Entry",
    "Plan",
    "acquisitions_of",
    "carried",
    "joined",
    "make_plan",
    "offered_item",
    "serves",
]

CLIP: Final = "heitu:clip"
"""Property: the rectangle in degrees that an item was fetched for; none = whole."""
SOURCE: Final = "heitu:source"
"""Property of an item: name of its source. Of an asset: where its pixels lay."""

# Of a number of 16 bits, deflate and zstd leave about so many bytes.
_PACKED: Final = 1.3
_METRES: Final = 111_195.0
# A cut at a millimetre is no cut.
_TOLERANCE: Final = 1e-8


class BandUnknown(IngestError):
    """A band is asked for that no scene has."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One scene to come.

    Attributes
    ----------
    offer : SceneOffer
        With every band that the source has.
    keys : tuple of str
        Asset keys of the bands to fetch.
    clip : Bounds or None
        What to fetch of it; None = the whole scene.
    replaces : bool
        The archive holds this item, of fewer bands or another part of the scene.
    bytes : int or None
        About so many come over the line; None when nothing tells.
    """

    offer: SceneOffer
    keys: tuple[str, ...]
    clip: Bounds | None
    replaces: bool
    bytes: int | None

    @property
    def needed(self) -> SceneOffer:
        """The offer with the bands to fetch and no others."""
        bands = {key: self.offer.bands[key] for key in self.keys}
        return replace(self.offer, bands=bands)


@dataclass(frozen=True, slots=True)
class Plan:
    """Every scene that a source has of a place and time, in exactly one of five lists.

    Attributes
    ----------
    to_come : tuple of Entry
        To be fetched, by time.
    present : tuple of str
        Ids offered that the archive holds, be it as another processing.
    superseded : tuple of str
        Ids left out for a newer processing of the same acquisition in `to_come`.
    refused : tuple of Refused
        Scenes that cannot be used.
    cloudy : tuple of str
        Ids left out for their cloud.
    """

    source: str
    to_come: tuple[Entry, ...]
    present: tuple[str, ...]
    superseded: tuple[str, ...]
    refused: tuple[Refused, ...]
    cloudy: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """About so many bytes to come, of the scenes that tell."""
        return sum(entry.bytes or 0 for entry in self.to_come)


def make_plan(
    archive: Archive,
    source: str,
    found: Found,
    *,
    clip: Bounds | None,
    letters: Sequence[str],
) -> Plan:
    """Compare what a source has with what the archive holds.

    Parameters
    ----------
    archive : Archive
        Only read.
    source : str
        Name of the source.
    found : Found
        With every band that the source has of each scene.
    clip : (west, south, east, north) or None
        Degrees: what is wanted of each scene; None = all of it.
    letters : sequence of str
        Bands as `raster.mission` names them ("R"), or their asset keys ("B04"); the
        mask comes with them. None = all.

    Raises
    ------
    BandUnknown
        No mission here has such a band.
    """
    _check_bands(found.offers, letters)
    offers = {id(item): (item, offer) for offer, item in _items(found.offers)}
    held = list(_held(archive, found.offers))
    to_come: list[Entry] = []
    present: list[str] = []
    superseded: list[str] = []
    refused = list(found.refused)
    for group in acquisitions_of([item for item, _ in offers.values()], held):
        news = [offers[id(item)][1] for item in group if id(item) in offers]
        if not news:
            continue
        best = news[0]
        lacking = _lacking(best, letters)
        if lacking:
            refused.append(_without(best, lacking))
            continue
        wanted = _entry(best, _needed(best, letters), clip)
        olds = [item for item in group if id(item) not in offers]
        if any(serves(old, wanted) for old in olds):
            present += [offer.item_id for offer in news]
            continue
        try:
            to_come.append(_beside(wanted, olds, archive))
        except OfferStale as exc:
            refused.append(Refused(best.item_id, str(exc)))
        superseded += [offer.item_id for offer in news[1:]]
    to_come.sort(key=lambda entry: (entry.offer.acquired, entry.offer.item_id))
    return Plan(
        source=source,
        to_come=tuple(to_come),
        present=tuple(sorted(present)),
        superseded=tuple(sorted(superseded)),
        refused=tuple(refused),
        cloudy=tuple(offer.item_id for offer in found.cloudy),
    )


def offered_item(offer: SceneOffer) -> pystac.Item:
    """Describe an offer as a STAC item, as far as it can be told from others."""
    item = pystac.Item(
        id=offer.item_id,
        geometry=shapely.geometry.mapping(offer.footprint),
        bbox=list(offer.footprint.bounds),
        datetime=offer.acquired,
        properties=dict(offer.properties),
        collection=offer.collection,
    )
    for key, band in offer.bands.items():
        item.add_asset(key, pystac.Asset(band.href))
    return item


def _items(
    offers: Iterable[SceneOffer],
) -> Iterator[tuple[SceneOffer, pystac.Item]]:
    for offer in offers:
        yield offer, offered_item(offer)


def _held(archive: Archive, offers: Sequence[SceneOffer]) -> Iterator[pystac.Item]:
    """Scenes of the archive of the days of some offers, of any collection."""
    if not offers:
        return
    days = [offer.acquired.date() for offer in offers]
    for name in archive.collections():
        if name != PRODUCTS:
            # An item that cannot be read does not count: it is fetched again.
            yield from archive.items(
                name,
                start=min(days),
                end=max(days),
                on_invalid=lambda _: None,
            )


def acquisitions_of(
    offered: Sequence[pystac.Item], held: Sequence[pystac.Item]
) -> list[tuple[pystac.Item, ...]]:
    """Put items of one acquisition together, the best processing first."""
    known: list[pystac.Item] = []
    unknown: dict[tuple[str | None, str], list[pystac.Item]] = {}
    for item in (*offered, *held):
        try:
            mission_of(item)
        except AssetMissing:
            # Radar, composites and drones have no mask; their ids tell them apart.
            unknown.setdefault((item.collection_id, item.id), []).append(item)
        else:
            known.append(item)
    return acquisitions(known) + [tuple(group) for group in unknown.values()]


def _needed(offer: SceneOffer, letters: Sequence[str]) -> set[str]:
    """Keys of the bands of some letters, and of the mask."""
    try:
        mission = mission_of(offered_item(offer))
    except AssetMissing:
        return set(offer.bands)
    if not letters:
        return set(offer.bands)
    wanted = {*mission.mask_assets, *letters}
    for letter in letters:
        wanted |= set(mission.bands.get(letter, ()))
    return wanted & offer.bands.keys()


def _check_bands(offers: Iterable[SceneOffer], letters: Sequence[str]) -> None:
    """Refuse a name that means nothing: leaving it out would look like success."""
    known: set[str] = set()
    for offer in offers:
        # Radar and composites come with all they have, whatever is asked for.
        if of_mission := _letters_of(offer):
            known |= offer.bands.keys() | of_mission
    unknown = [name for name in letters if name not in known]
    if known and unknown:
        there = ", ".join(sorted(known, key=lambda name: (len(name), name)))
        raise BandUnknown(
            f"no scene here has a band {', '.join(unknown)}: take some of {there}"
            f" · 没有 {'、'.join(unknown)} 波段，可选 {there}"
        )


def _letters_of(offer: SceneOffer) -> set[str]:
    """Give the letters of an offer's mission, none where it has no mission."""
    try:
        return set(mission_of(offered_item(offer)).bands)
    except AssetMissing:
        return set()


def _lacking(offer: SceneOffer, letters: Sequence[str]) -> list[str]:
    """Give what is asked for, what its mission has, and what this scene has not."""
    try:
        mission = mission_of(offered_item(offer))
    except AssetMissing:
        return []
    return [
        letter
        for letter in letters
        if letter in mission.bands and not offer.bands.keys() & mission.bands[letter]
    ]


def _without(offer: SceneOffer, lacking: Sequence[str]) -> Refused:
    names = ", ".join(lacking)
    return Refused(
        offer.item_id,
        f"{offer.item_id} has no band {names} at its source: leave the band out, or "
        f"take the scene from another one · {offer.item_id} 在数据源中没有 {names} "
        "波段，请去掉该波段，或换用其他数据源",
    )


def serves(item: pystac.Item, entry: Entry) -> bool:
    """Whether an archived item makes an entry needless."""
    newer = _version(offered_item(entry.offer)) > _version(item)
    whole = set(entry.keys) <= item.assets.keys()
    held = item.properties.get(CLIP)
    return whole and not newer and _covers(held, entry.offer, entry.clip)


def _version(item: pystac.Item) -> tuple[int, ...]:
    try:
        return sensing_of(item, mission_of(item)).version
    except AssetMissing:
        return ()


def _covers(
    held: Sequence[float] | None, offer: SceneOffer, clip: Bounds | None
) -> bool:
    """Whether what was fetched of a scene holds what is wanted of it."""
    if held is None:
        return True
    if clip is None:
        return False
    # Outside the scene there is nothing to be had.
    wanted = shapely.box(*clip).intersection(shapely.box(*offer.footprint.bounds))
    return bool(shapely.box(*held).buffer(_TOLERANCE).covers(wanted))


def _entry(
    offer: SceneOffer,
    keys: Iterable[str],
    clip: Bounds | None,
    *,
    replaces: bool = False,
) -> Entry:
    ordered = tuple(key for key in offer.bands if key in set(keys))
    entry = Entry(offer, ordered, clip, replaces, None)
    return replace(entry, bytes=_bytes(entry.needed, clip))


def _beside(wanted: Entry, olds: Iterable[pystac.Item], archive: Archive) -> Entry:
    offer = wanted.offer
    for old in olds:
        if (old.collection_id, old.id) == (offer.collection, offer.item_id):
            return joined(wanted, old)
    # An item that cannot be read is replaced.
    there = archive.has(offer.collection, offer.item_id)
    return replace(wanted, replaces=there)


def joined(entry: Entry, held: pystac.Item) -> Entry:
    """Plan a scene that is there in part: it comes again with what it has and more.

    Raises
    ------
    OfferStale
        It has bands that its source no longer offers.
    """
    offer = entry.offer
    lost = held.assets.keys() - offer.bands.keys()
    if lost:
        names = ", ".join(sorted(lost))
        raise OfferStale(
            f"{held.id} in the archive has {names}, which {offer.source} no longer "
            f"offers: remove the scene first if they may go · 档案中的 {held.id} 有 "
            f"{names}，而数据源已不再提供；如可舍弃，请先删除该影像",
            href=offer.item_id,
        )
    clip = _both(entry.clip, held.properties.get(CLIP))
    return _entry(offer, {*entry.keys, *held.assets}, clip, replaces=True)


def _both(clip: Bounds | None, held: Sequence[float] | None) -> Bounds | None:
    if clip is None or held is None:
        return None
    west, south, east, north = shapely.union_all(
        [shapely.box(*clip), shapely.box(*held)]
    ).bounds
    return west, south, east, north


def _bytes(offer: SceneOffer, clip: Bounds | None) -> int | None:
    extent = shapely.box(*offer.footprint.bounds)
    wanted = extent if clip is None else extent.intersection(shapely.box(*clip))
    share = wanted.area / extent.area if extent.area else 1.0
    middle = (extent.bounds[1] + extent.bounds[3]) / 2
    square = _METRES**2 * float(shapely.area(wanted)) * _cosine(middle)
    sizes = [_band_bytes(band, share, square) for band in offer.bands.values()]
    known = [size for size in sizes if size is not None]
    return round(sum(known)) if known else None


def _band_bytes(band: BandOffer, share: float, square: float) -> float | None:
    if band.size is not None:
        return band.size * share
    if band.resolution is None:
        return None
    return square / band.resolution**2 * _PACKED


def _cosine(latitude: float) -> float:
    return math.cos(math.radians(latitude))


def carried(offer: SceneOffer, clip: Bounds | None) -> Mapping[str, Any]:
    """Give the properties with which an offer goes into the archive."""
    properties = {"heitu:simulated": False, **offer.properties, SOURCE: offer.source}
    return properties if clip is None else {**properties, CLIP: list(clip)}
