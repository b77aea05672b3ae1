"""What a STAC item says about a scene: files, calibration, date, footprint."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date
from itertools import groupby
from typing import Any

import pystac

from raster.composite import Calibration
from raster.errors import AssetMissing, NoScenes, OffsetUnknown

Bounds = tuple[float, float, float, float]

SCENE_CLASS = "SCL"


@dataclass(frozen=True, slots=True)
class Band:
    """One single-band file of a scene."""

    item_id: str
    href: str
    calibration: Calibration | None


@dataclass(frozen=True, slots=True)
class Scene:
    """One STAC item, reduced to what the reader needs.

    `bounds` is (west, south, east, north) in degrees, None where the item has none.
    """

    item_id: str
    acquired: date
    bounds: Bounds | None
    simulated: bool
    bands: Mapping[str, Band]

    @property
    def key(self) -> str:
        """What tells two scenes apart: ids repeat between collections, files do not."""
        return self.bands[SCENE_CLASS].href


@dataclass(frozen=True, slots=True)
class Observation:
    """All scenes of one UTC date: adjacent tiles and reprocessings look once.

    The scenes stand in the order in which a pixel takes its value from them.
    """

    acquired: date
    scenes: tuple[Scene, ...]


def observations(
    items: Iterable[pystac.Item], *, start: date, end: date, bands: Sequence[str]
) -> tuple[Observation, ...]:
    """Items acquired in [start, end] (UTC dates) as observations in order of time.

    Parameters
    ----------
    items
        In any order; the same item twice counts once.
    bands
        Assets to take, "B04", "B08" or "SCL".

    Raises
    ------
    NoScenes
        No item was acquired in the window.
    AssetMissing
        An item of the window lacks one of `bands`.
    OffsetUnknown
        A reflectance asset has no scale or offset.
    """
    scenes = [
        scene_of(item, bands)
        for item in {(item.collection_id, item.id): item for item in items}.values()
        if start <= acquired_on(item) <= end
    ]
    if not scenes:
        raise NoScenes(
            f"no scene acquired from {start} to {end}: check the dates, or ingest "
            "scenes of that time first"
            f" · {start} 至 {end} 没有影像，请检查日期或先导入该时段的影像"
        )
    # Reversed ids put a reprocessing (higher baseline or sequence number in the id)
    # before what it replaces, whatever the order of the items.
    scenes.sort(key=lambda scene: (scene.item_id, scene.key), reverse=True)
    scenes.sort(key=lambda scene: scene.acquired)
    days = groupby(scenes, key=lambda scene: scene.acquired)
    return tuple(Observation(day, tuple(group)) for day, group in days)


def acquired_on(item: pystac.Item) -> date:
    """UTC date of an item; of one with a time range, the date it starts.

    A time without zone counts as UTC, as in pystac.
    """
    moment = item.datetime or item.common_metadata.start_datetime
    if moment is None:
        raise NoScenes(
            f"item {item.id} has no datetime: give it one"
            f" · 影像 {item.id} 没有 datetime，请补写"
        )
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).date()


def scene_of(item: pystac.Item, bands: Sequence[str]) -> Scene:
    """Read the named assets of an item; errors as in `observations`."""
    bounds = None if item.bbox is None else _flat_bounds(item.bbox)
    return Scene(
        item_id=item.id,
        acquired=acquired_on(item),
        bounds=bounds,
        simulated=item.properties.get("heitu:simulated") is True,
        bands={name: _band(item, name) for name in bands},
    )


def _flat_bounds(bbox: Sequence[float]) -> Bounds:
    # GeoJSON allows six numbers, with heights in the third and last place.
    half = len(bbox) // 2
    return bbox[0], bbox[1], bbox[half], bbox[half + 1]


def _band(item: pystac.Item, name: str) -> Band:
    asset = item.assets.get(name)
    if asset is None:
        raise AssetMissing(
            f"item {item.id} has no asset {name} (it has "
            f"{', '.join(sorted(item.assets)) or 'none'}): add the file to the item"
            f" · 影像 {item.id} 缺少 {name}，请补上该文件",
            item_id=item.id,
        )
    href = asset.get_absolute_href() or asset.href
    calibration = None if name == SCENE_CLASS else _calibration(item, name, asset)
    return Band(item.id, href, calibration)


def _calibration(item: pystac.Item, name: str, asset: pystac.Asset) -> Calibration:
    scale = _raster_value(asset, "scale")
    offset = _raster_value(asset, "offset")
    # Element 84 shifts the numbers at conversion yet leaves the offset in the item.
    if item.properties.get("earthsearch:boa_offset_applied") is True:
        offset = 0.0
    if scale is None or offset is None or not scale > 0 or not math.isfinite(offset):
        raise OffsetUnknown(
            f"item {item.id}, asset {name}: scale {scale}, offset {offset}; the date "
            "does not tell whether Sentinel-2 numbers are shifted by 1000, so write "
            "raster:scale and raster:offset into the asset"
            f" · 影像 {item.id} 的 {name} 没有可用的 scale 和 offset，请补写",
            item_id=item.id,
            href=asset.href,
        )
    return Calibration(scale=scale, offset=offset)


def _raster_value(asset: pystac.Asset, name: str) -> float | None:
    """Look in the places of the STAC raster extension: 2.0 in band or asset, 1.1."""
    fields = asset.extra_fields
    value = _first(fields.get("bands")).get(f"raster:{name}")
    if value is None:
        value = fields.get(f"raster:{name}")
    if value is None:
        value = _first(fields.get("raster:bands")).get(name)
    return float(value) if isinstance(value, int | float) else None


def _first(bands: object) -> Mapping[str, Any]:
    found = bands[0] if isinstance(bands, list) and bands else None
    return found if isinstance(found, Mapping) else {}
