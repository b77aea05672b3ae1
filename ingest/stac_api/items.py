"""Reading a STAC item with suspicion: identity, place, time, properties.

What is written here holds for every provider; the bands are in `bands`.
"""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import pystac
import shapely
from shapely.errors import ShapelyError
from shapely.geometry import MultiPolygon, Polygon, shape

from ingest.offer import BandOffer, SceneOffer
from ingest.stac_api.errors import ItemUnusable
from ingest.stac_api.grids import grids_of, reaches_out

__all__ = ["footprint_of", "interval_of", "offer_of", "read_item", "unusable"]

# Degrees. Providers draw a bbox around the pixels and the geometry around those that
# hold data; a neighbouring tile of Sentinel-2 is 0.9 degrees away.
_BBOX_SLACK: Final = 0.5

# pystac has two trees of errors.
_NO_ITEM: Final = (
    AttributeError,
    KeyError,
    TypeError,
    ValueError,
    pystac.STACError,
    pystac.STACTypeError,
)

_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

# Grids are read from the files; storage, sign-in and statistics are the provider's.
_KEPT = re.compile(
    r"(platform|constellation|instruments|created|updated|grid:code"
    r"|(start|end)_datetime|earthsearch:boa_offset_applied"
    r"|(eo|s1|s2|eopf|landsat|modis|hls|sat|sar|view|mgrs|processing|product):\w+)"
)


def read_item(feature: object) -> pystac.Item:
    """Make an item of what a search answers.

    Raises
    ------
    ItemUnusable
        It has no id that can be a file name, no properties, or is no item at all.
    """
    item_id = feature.get("id") if isinstance(feature, Mapping) else None
    if not isinstance(item_id, str) or not _FILE_NAME.fullmatch(item_id):
        raise unusable(
            str(item_id), "has no id that can be a file name", "的编号不能作为文件名"
        )
    try:
        return pystac.Item.from_dict(dict(feature))  # type: ignore[call-overload]
    except _NO_ITEM as exc:
        raise unusable(
            item_id,
            f"is no STAC item with a date ({type(exc).__name__}: {exc})",
            "不是带日期的有效 STAC 条目",
        ) from exc


def interval_of(item: pystac.Item) -> tuple[datetime, datetime]:
    """Give the first and last moment of an item, in UTC; equal for an instant.

    A composite has no `datetime`, but a start and an end. A time without zone counts
    as UTC.

    Raises
    ------
    ItemUnusable
        It has neither, or ends before it starts.
    """
    try:
        start = item.datetime or item.common_metadata.start_datetime
        end = item.datetime or item.common_metadata.end_datetime
    except (TypeError, ValueError) as exc:
        raise unusable(
            item.id, f"has no readable time ({exc})", "的时间无法读取"
        ) from exc
    if start is None or end is None:
        raise unusable(item.id, "has no datetime", "没有 datetime")
    first, last = _utc(start), _utc(end)
    if last < first:
        raise unusable(item.id, f"ends {last} before it starts", "的结束时间早于开始")
    return first, last


def footprint_of(item: pystac.Item) -> Polygon | MultiPolygon:
    """Give the geometry of an item, EPSG:4326, once it can be believed.

    Raises
    ------
    ItemUnusable
        It is missing, no area, broken, outside the range of degrees, crosses the
        antimeridian without being cut there (RFC 7946, 3.1.9), or contradicts the bbox
        or the grid of the pixels.
    """
    if item.geometry is None:
        raise unusable(item.id, "has no geometry", "没有 geometry")
    try:
        outline = shape(item.geometry)
    except (AttributeError, KeyError, TypeError, ValueError, ShapelyError) as exc:
        raise unusable(
            item.id, f"has no readable geometry ({exc})", "的 geometry 无法读取"
        ) from exc
    problem = _fault(outline)
    if problem:
        raise unusable(item.id, f"has a geometry that {problem}", "的 geometry 无效")
    if item.bbox is not None and not _agree(outline, item.bbox):
        raise unusable(
            item.id,
            f"has bbox {list(item.bbox)} and a geometry within "
            f"{_rounded(outline.bounds)}, which contradict",
            "的 bbox 与 geometry 矛盾",
        )
    grids = grids_of(item)
    if grids and all(reaches_out(outline, grid) for grid in grids):
        raise unusable(
            item.id,
            f"has a geometry within {_rounded(outline.bounds)} and pixels within "
            f"{_rounded(min(grids))}, which contradict",
            "的 geometry 与像元网格矛盾",
        )
    return outline


def offer_of(
    item: pystac.Item,
    *,
    source: str,
    bands: Mapping[str, BandOffer],
    more: Mapping[str, str] | None = None,
) -> SceneOffer:
    """Describe an item as it will stand in the archive, with `more` properties.

    Raises
    ------
    ItemUnusable
        Its place, time, collection or cloud cover cannot be believed.
    """
    if not item.collection_id:
        raise unusable(item.id, "names no collection", "没有写明影像集")
    return SceneOffer(
        source=source,
        collection=item.collection_id,
        item_id=item.id,
        acquired=interval_of(item)[0],
        footprint=footprint_of(item),
        bands=bands,
        properties=_properties(item) | dict(more or {}),
    )


def unusable(item_id: str, english: str, chinese: str) -> ItemUnusable:
    """Say what is wrong with an item of a provider."""
    return ItemUnusable(
        f"item {item_id} {english}: it is left out; tell its provider, or take the "
        f"scene from another one · 影像 {item_id} {chinese}，未采用；请告知数据提供方，"
        "或改用其他来源",
        item_id=item_id,
    )


def _utc(moment: datetime) -> datetime:
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return zoned.astimezone(UTC)


def _fault(outline: shapely.Geometry) -> str | None:
    """Tell what is wrong with a geometry; None where nothing is."""
    if not isinstance(outline, Polygon | MultiPolygon):
        return f"is a {outline.geom_type}, not an area"
    if outline.is_empty or not all(map(math.isfinite, outline.bounds)):
        return "is empty or not finite"
    west, south, east, north = outline.bounds
    if west < -180 or east > 180 or south < -90 or north > 90:
        return "leaves the range of degrees"
    if not outline.is_valid:
        return f"is broken: {shapely.is_valid_reason(outline)}"
    if any(_width(part.bounds) > 180 for part in shapely.get_parts(outline)):
        return "goes round the world: it is not cut at the antimeridian"
    return None


def _rounded(bounds: Iterable[float]) -> list[float]:
    return [round(side, 3) for side in bounds]


def _width(bounds: Iterable[float]) -> float:
    west, _, east, _ = bounds
    return east - west


def _agree(outline: Polygon | MultiPolygon, bbox: object) -> bool:
    """Whether a bbox, of four numbers or of six with heights, is that of a geometry."""
    if not isinstance(bbox, list | tuple) or len(bbox) not in (4, 6):
        return False
    if not all(isinstance(n, int | float) and math.isfinite(n) for n in bbox):
        return False
    half = len(bbox) // 2
    sides = (bbox[0], bbox[1], bbox[half], bbox[half + 1])
    west, south, east, north = outline.bounds
    if sides[0] > sides[2]:
        # Across the antimeridian west is the greater (RFC 7946, 5.2).
        parts = [part.bounds for part in shapely.get_parts(outline)]
        west = min((part[0] for part in parts if part[0] > 0), default=180.0)
        east = max((part[2] for part in parts if part[2] < 0), default=-180.0)
    found = (west, south, east, north)
    return all(abs(a - b) <= _BBOX_SLACK for a, b in zip(sides, found, strict=True))


def _properties(item: pystac.Item) -> dict[str, Any]:
    kept = {
        name: value
        for name, value in item.properties.items()
        if _KEPT.fullmatch(name) and value is not None
    }
    cover = kept.get("eo:cloud_cover", 0)
    if isinstance(cover, bool) or not isinstance(cover, int | float):
        raise unusable(item.id, f"has cloud cover {cover!r}", "的云量无效")
    if not 0 <= cover <= 100:
        raise unusable(item.id, f"has cloud cover {cover} %", "的云量无效")
    return kept
