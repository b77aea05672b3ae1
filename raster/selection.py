"""From items to what a season reads: files, calibration, dates, and nothing twice.

A catalogue offers the same look at the ground several times: processed again with a
newer baseline, from several providers, or simply listed twice. Of each acquisition the
newest processing is taken, and what it replaces is listed for the lineage.
"""

import json
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby

import pystac
import shapely

from raster.calibration import calibration_of, raster_value
from raster.errors import AssetMissing, NoScenes
from raster.mask import MASK_NODATA, MaskKind
from raster.mission import (
    Calibration,
    Mission,
    Sensing,
    asset_of,
    mission_of,
    sensing_of,
)

Bounds = tuple[float, float, float, float]

# Of one acquisition, processings differ by less in the start of their datastrip (most
# by nothing), and pieces of one tile by more.
_SAME_STRIP = timedelta(seconds=10)
# Where no producer's name of the acquisition is given, the time has to do.
_SAME_TIME = timedelta(minutes=1)
# Providers date a scene by its own time or by the start of the datatake, which can be
# half an hour long.
_SAME_PASS = timedelta(hours=1)

# Share of a footprint that two pieces of a tile, cut apart, have in common at most.
_SLIVER = 0.1

# Rectangle in degrees that an item was fetched for; without it, the whole scene.
_CLIP = "heitu:clip"
_SAME_DEGREES = 1e-6

# A multihash: the code of sha2-256, a length of 32 bytes, and the bytes.
_SHA256 = re.compile(r"1220[0-9a-f]{64}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Band:
    """One single-band file of a scene.

    `calibration` is None for a mask; `nodata` and `saturated` are digital numbers that
    are no measurement. `size` is the file's length in bytes by the item's `file:size`
    (STAC file extension), None where the item does not say: a shorter file is cut off.
    `checksum` is its SHA-256 by `file:checksum`, a multihash in lower case; None where
    the item has none, or that of another function.
    """

    item_id: str
    href: str
    calibration: Calibration | None
    nodata: float = 0
    saturated: float | None = None
    size: int | None = None
    checksum: str | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """One STAC item, reduced to what the reader needs.

    `bounds` is (west, south, east, north) in degrees, None where the item has none;
    `bands` are by letter, as asked for.
    """

    item_id: str
    acquired: date
    bounds: Bounds | None
    simulated: bool
    mission: str
    mask_kind: MaskKind
    mask: Band
    bands: Mapping[str, Band]

    @property
    def key(self) -> str:
        """What tells two scenes apart: ids repeat between collections, files do not."""
        return self.mask.href


@dataclass(frozen=True, slots=True)
class Observation:
    """All scenes of one UTC date and mission: adjacent tiles and pieces look once.

    The scenes stand in the order in which a pixel takes its value from them.
    """

    acquired: date
    scenes: tuple[Scene, ...]


@dataclass(frozen=True, slots=True, order=True)
class Superseded:
    """An item that is not read, the item read in its place, and why."""

    item_id: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Selection:
    """What a season reads, in order of time, and what it leaves out."""

    observations: tuple[Observation, ...]
    superseded: tuple[Superseded, ...]

    @property
    def scenes(self) -> tuple[Scene, ...]:
        """All scenes that are read."""
        return tuple(scene for look in self.observations for scene in look.scenes)


def select(
    items: Iterable[pystac.Item], *, start: date, end: date, bands: Sequence[str]
) -> Selection:
    """Items acquired in [start, end] (UTC dates) as observations in order of time.

    Items of one tile and one acquisition count once: Sentinel-2 by tile, datatake and
    datastrip, Landsat by path, row and day, HLS by granule name; by tile, platform and
    minute where these are unknown; by mission, platform, second and grid where even
    the tile is. The newest processing baseline is taken, else the latest made, else the
    highest id. A simulated scene is never read in place of a real one: of one date and
    mission the real scenes come first. The two pieces into which a datastrip's end cuts
    a tile both stay.

    Parameters
    ----------
    items
        In any order; of Sentinel-2 L2A, Landsat Collection 2 L2 or HLS.
    bands
        Letters of the bands to read, "R", "N", "S1"; none = masks alone.

    Raises
    ------
    NoScenes
        No item was acquired in the window, or one has no time.
    AssetMissing
        An item of the window lacks its mask or one of `bands`.
    OffsetUnknown
        A band does not say how its numbers become reflectance, says it in a way that
        no product of its mission has, or contradicts itself.
    """
    found = [_read(item) for item in items if start <= acquired_on(item) <= end]
    if not found:
        raise NoScenes(
            f"no scene acquired from {start} to {end}: check the dates, or ingest "
            "scenes of that time first"
            f" · {start} 至 {end} 没有影像，请检查日期或先导入该时段的影像"
        )
    superseded: list[Superseded] = []
    kept = _best(_same_items(found), superseded)
    kept = _best(_acquisitions(kept), superseded)
    # Real before simulated and newest processing first, whatever the items' order.
    kept.sort(key=_rank, reverse=True)
    kept.sort(key=_look)
    days = groupby(kept, key=_look)
    return Selection(
        tuple(
            Observation(day, tuple(scene_of(one.item, bands) for one in group))
            for (day, _), group in days
        ),
        tuple(sorted(superseded)),
    )


def acquisitions(items: Iterable[pystac.Item]) -> list[tuple[pystac.Item, ...]]:
    """Group items by what they are processings of, as `select` tells them apart.

    Returns
    -------
    One tuple an acquisition and tile piece, the processing that counts first; the
    simulated are never of one group with the real.

    Raises
    ------
    AssetMissing
        An item lacks the mask by which its mission is known.
    NoScenes
        One has no time.
    """
    groups = _acquisitions(_read(item) for item in items)
    return [
        tuple(one.item for one in sorted(group, key=_rank, reverse=True))
        for group in groups
    ]


def acquired_on(item: pystac.Item) -> date:
    """UTC date of an item; of one with a time range, the date it starts.

    A time without zone counts as UTC, as in pystac.
    """
    return _moment_of(item).date()


def scene_of(item: pystac.Item, bands: Sequence[str]) -> Scene:
    """Read the mask and the bands of these letters; errors as in `select`."""
    mission = mission_of(item)
    return Scene(
        item_id=item.id,
        acquired=acquired_on(item),
        bounds=None if item.bbox is None else _flat_bounds(item.bbox),
        simulated=_is_simulated(item),
        mission=mission.name,
        mask_kind=mission.mask_kind,
        mask=_mask(item, mission),
        bands={letter: _band(item, mission, letter) for letter in bands},
    )


def _moment_of(item: pystac.Item) -> datetime:
    moment = item.datetime or item.common_metadata.start_datetime
    if moment is None:
        raise NoScenes(
            f"item {item.id} has no datetime: give it one"
            f" · 影像 {item.id} 没有 datetime，请补写"
        )
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC)


def _is_simulated(item: pystac.Item) -> bool:
    return item.properties.get("heitu:simulated") is True


def _flat_bounds(bbox: Sequence[float]) -> Bounds:
    # GeoJSON allows six numbers, with heights in the third and last place.
    half = len(bbox) // 2
    return bbox[0], bbox[1], bbox[half], bbox[half + 1]


def _href(asset: pystac.Asset) -> str:
    return asset.get_absolute_href() or asset.href


def _mask(item: pystac.Item, mission: Mission) -> Band:
    asset = asset_of(item, mission.mask_assets)
    nodata = MASK_NODATA[mission.mask_kind]
    return Band(
        item.id,
        _href(asset),
        None,
        nodata,
        size=_size(asset),
        checksum=_checksum(asset),
    )


def _size(asset: pystac.Asset) -> int | None:
    size = asset.extra_fields.get("file:size")
    return size if isinstance(size, int) and not isinstance(size, bool) else None


def _checksum(asset: pystac.Asset) -> str | None:
    told = asset.extra_fields.get("file:checksum")
    if isinstance(told, str) and _SHA256.fullmatch(told):
        return told.lower()
    return None


def _band(item: pystac.Item, mission: Mission, letter: str) -> Band:
    keys = mission.bands.get(letter)
    if keys is None:
        raise AssetMissing(
            f"item {item.id} is of {mission.name}, which has no band {letter} (it has "
            f"{', '.join(mission.bands)}): ask for other variables or leave it out"
            f" · 影像 {item.id}（{mission.name}）没有 {letter} 波段，请改选变量"
            "或去掉该影像",
            item_id=item.id,
        )
    asset = asset_of(item, keys, band=letter)
    nodata = raster_value(asset, "nodata")
    return Band(
        item.id,
        _href(asset),
        calibration_of(item, mission, letter),
        mission.nodata if nodata is None else nodata,
        mission.saturated,
        _size(asset),
        _checksum(asset),
    )


@dataclass(frozen=True, slots=True)
class _Candidate:
    """An item of the window, with what decides whether it is taken."""

    item: pystac.Item
    mission: Mission
    sensing: Sensing
    moment: datetime
    mask: pystac.Asset


def _read(item: pystac.Item) -> _Candidate:
    mission = mission_of(item)
    mask = asset_of(item, mission.mask_assets)
    return _Candidate(item, mission, sensing_of(item, mission), _moment_of(item), mask)


def _rank(one: _Candidate) -> tuple[bool, tuple[int, ...], datetime, str, str, str]:
    """Order in which processings of one acquisition get better, any real one best."""
    real = not _is_simulated(one.item)
    made = one.sensing.processed or datetime.min.replace(tzinfo=UTC)
    collection = one.item.collection_id or ""
    return real, one.sensing.version, made, one.item.id, _href(one.mask), collection


def _look(one: _Candidate) -> tuple[date, str]:
    return one.moment.date(), one.mission.name


def _best(
    groups: Iterable[list[_Candidate]], superseded: list[Superseded]
) -> list[_Candidate]:
    """Keep the best of each group and note what it supersedes."""
    kept = []
    for group in groups:
        best = max(group, key=_rank)
        kept.append(best)
        for one in sorted(group, key=_rank, reverse=True):
            if one is best:
                continue
            if _stands_for(best, one):
                why = _reason(one, best)
                superseded.append(Superseded(one.item.id, best.item.id, why))
            else:
                kept.append(one)
    return kept


def _stands_for(best: _Candidate, one: _Candidate) -> bool:
    """Whether all that was fetched of a scene was fetched of its better processing.

    Fetched for a field, the newest must not stand for an older whole scene: outside
    the field it has nothing. Then both are read, and a pixel takes the newer number.
    """
    held, wanted = (each.item.properties.get(_CLIP) for each in (best, one))
    if held is None:
        return True
    if wanted is None:
        return False
    place = shapely.box(*held).buffer(_SAME_DEGREES)
    return bool(place.covers(shapely.box(*wanted)))


def _same_items(found: Iterable[_Candidate]) -> Iterator[list[_Candidate]]:
    """Group what is one item of one collection; exact copies count once."""
    same: dict[Hashable, list[_Candidate]] = {}
    for one in found:
        same.setdefault((one.item.collection_id, one.item.id), []).append(one)
    for group in same.values():
        if len(group) > 1:
            versions = {_content(one): one for one in group}
            group = [versions[content] for content in sorted(versions)]
        yield group


def _content(one: _Candidate) -> str:
    assets = {key: asset.to_dict() for key, asset in one.item.assets.items()}
    return json.dumps([one.item.properties, assets], sort_keys=True, default=str)


def _acquisitions(found: Iterable[_Candidate]) -> Iterator[list[_Candidate]]:
    places: dict[Hashable, list[_Candidate]] = {}
    for one in found:
        places.setdefault(_place(one), []).append(one)
    for group in places.values():
        if group[0].sensing.tile is None:
            yield group
        else:
            yield from _passes(group)


def _place(one: _Candidate) -> Hashable:
    """Give what items of one acquisition share: the tile, or else all there is."""
    # A simulated scene never stands in for a real one, nor the other way round.
    kind = one.mission.name, _is_simulated(one.item)
    if one.sensing.tile:
        return *kind, one.sensing.tile
    grid = _grid(one)
    if grid is None:
        return one.item.collection_id, one.item.id
    return *kind, one.sensing.platform, one.moment.replace(microsecond=0), grid


def _grid(one: _Candidate) -> str | None:
    known = one.item.properties | one.mask.extra_fields
    shape, transform = known.get("proj:shape"), known.get("proj:transform")
    if shape and transform:
        crs = [known.get(f"proj:{name}") for name in ("code", "epsg", "wkt2")]
        return json.dumps([crs, shape, transform[:6]])
    return None if one.item.bbox is None else json.dumps(list(one.item.bbox))


def _passes(group: Iterable[_Candidate]) -> list[list[_Candidate]]:
    """Split the items of one tile by acquisition."""
    passes: list[list[_Candidate]] = []
    for one in sorted(group, key=lambda one: (one.moment, *_rank(one))):
        home = _home(one, passes)
        if home is None:
            passes.append([one])
        else:
            home.append(one)
    return passes


def _home(
    one: _Candidate, passes: Sequence[list[_Candidate]]
) -> list[_Candidate] | None:
    for group in reversed(passes):
        if one.moment - group[0].moment > _SAME_PASS:
            return None
        kin = [_kin(one, other) for other in group]
        # An item that does not name its piece must not join two pieces together.
        if True in kin and False not in kin:
            return group
    return None


def _kin(a: _Candidate, b: _Candidate) -> bool | None:
    """Whether two items of a tile are one acquisition; None = nothing speaks for it."""
    one, other = a.sensing, b.sensing
    if one.strip and other.strip:
        return abs(one.strip - other.strip) < _SAME_STRIP
    if one.take and other.take:
        # Not every catalogue names the strip: pieces of one take lie side by side.
        return one.take == other.take and not _side_by_side(a, b)
    # The platform counts: Sentinel-2A and 2C flew 30 s apart for months.
    near = abs(a.moment - b.moment) < _SAME_TIME
    return True if near and one.platform == other.platform else None


def _side_by_side(a: _Candidate, b: _Candidate) -> bool:
    """Whether two footprints share a tenth of the smaller or less."""
    shapes = [one.item.geometry for one in (a, b)]
    if not all(shapes):
        return False
    first, second = (shapely.geometry.shape(shape) for shape in shapes)
    common = shapely.intersection(first, second).area
    return bool(common <= _SLIVER * min(first.area, second.area))


def _reason(old: _Candidate, new: _Candidate) -> str:
    was, now = old.sensing, new.sensing
    where = new.item.collection_id
    if (old.item.id, old.item.collection_id) == (new.item.id, where):
        return "the same item with other content · 同一影像条目，内容不同"
    if was.label != now.label and was.label and now.label:
        return f"{was.label}, replaced by {now.label} · 旧处理版本，已被取代"
    if was.processed and now.processed and was.processed != now.processed:
        return (
            f"made {was.processed:%Y-%m-%d %H:%M}, again {now.processed:%Y-%m-%d %H:%M}"
            " · 同一次观测的较早处理结果"
        )
    return f"the same acquisition in collection {where} · 同一次观测的另一份数据"
