"""What stands in the JSON files of an archive: catalog, collections and items."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import pystac
from pystac.utils import str_to_datetime

from ingest.errors import ItemInvalid
from ingest.storage import CATALOG_FILE, COLLECTION_FILE, Storage, item_key

__all__ = [
    "Bounds",
    "ItemDict",
    "as_item",
    "catalog_content",
    "collection_content",
    "encoded",
    "interval",
    "item_content",
    "item_invalid",
    "linked",
    "listing_invalid",
    "readable",
    "stored_item",
    "touches",
    "within_days",
]

SIMULATED = "heitu:simulated"
ITEM_FIELDS = {
    "stac_version": str,
    "id": str,
    "properties": dict,
    "bbox": list,
    "assets": dict,
}

ItemDict = dict[str, Any]
Bounds = tuple[float, float, float, float]


def encoded(content: Mapping[str, Any]) -> bytes:
    """Content of a JSON file."""
    text = json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False)
    return text.encode()


def item_content(content: bytes, *, item_id: str, href: str) -> ItemDict:
    """Decode and check an item file.

    Parameters
    ----------
    content : bytes
        Of the file.
    item_id : str
        The id it must have.
    href : str
        Path or URL of the file, for the message.

    Raises
    ------
    ItemInvalid
        It is not JSON, or is not a STAC item of that id.
    """
    try:
        item = json.loads(content)
    except ValueError as exc:
        raise item_invalid(href, str(exc)) from exc
    if not isinstance(item, dict):
        raise item_invalid(href, "not a STAC item")
    problem = _field_problem(item) or _asset_problem(item)
    if problem:
        raise item_invalid(href, problem)
    if item["id"] != item_id:
        raise item_invalid(href, f"its id is {item['id']!r}, not {item_id!r}")
    try:
        interval(item)
    except (KeyError, TypeError, ValueError) as exc:
        raise item_invalid(href, f"its time cannot be read ({exc!r})") from exc
    return item


def stored_item(storage: Storage, collection: str, item_id: str) -> ItemDict:
    """Read and check an item file of an archive.

    Raises
    ------
    ItemInvalid
        It is not there, cannot be read, or is not a STAC item of that id.
    """
    key = item_key(collection, item_id)
    try:
        content = storage.read(key)
    except OSError as exc:
        raise item_invalid(storage.href(key), str(exc)) from exc
    return item_content(content, item_id=item_id, href=storage.href(key))


def readable(content: bytes | None, *, item_id: str) -> bool:
    """Whether an item file is there and is one of that id."""
    if content is None:
        return False
    try:
        item_content(content, item_id=item_id, href=item_id)
    except ItemInvalid:
        return False
    return True


def as_item(href: str, content: ItemDict) -> pystac.Item:
    """Make an item of what `item_content` gave, with absolute asset hrefs."""
    # Our own item of our own STAC version: nothing to migrate, no copy to keep, and
    # a season of 250 scenes opens in a tenth of a second.
    item = pystac.Item.from_dict(content, href=href, migrate=False, preserve_dict=False)
    item.make_asset_hrefs_absolute()
    return item


def _field_problem(content: ItemDict) -> str | None:
    if content.get("type") != "Feature":
        return "not a STAC item"
    for field, kind in ITEM_FIELDS.items():
        if not isinstance(content.get(field), kind):
            return f"field {field!r} is missing or of the wrong type"
    bbox = content["bbox"]
    if len(bbox) != 4 or not all(isinstance(edge, int | float) for edge in bbox):
        return f"its bbox {bbox} is not four numbers"
    return None


def _asset_problem(content: ItemDict) -> str | None:
    for key, asset in content["assets"].items():
        if not isinstance(asset, dict) or not isinstance(asset.get("href"), str):
            return f"its asset {key!r} has no href"
    return None


def item_invalid(href: str, reason: str) -> ItemInvalid:
    """Say that an item file cannot be used."""
    return ItemInvalid(
        f"item file {href}: {reason}; bring the scene in again, or delete its folder"
        f" · 条目文件 {href} 无法使用，请重新导入该影像，或删除其目录",
        href=href,
    )


def interval(item: ItemDict) -> tuple[datetime, datetime]:
    """First and last UTC moment of an item: `datetime`, or its start and end."""
    properties = item["properties"]
    moment = properties.get("datetime")
    first = moment or properties["start_datetime"]
    last = moment or properties["end_datetime"]
    return _moment(first), _moment(last)


def _moment(text: str) -> datetime:
    moment = str_to_datetime(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no timezone")
    return moment


def within_days(item: ItemDict, start: date | None, end: date | None) -> bool:
    """Whether an item is of some UTC days, first and last included."""
    first, last = (moment.date() for moment in interval(item))
    return (start is None or last >= start) and (end is None or first <= end)


def touches(item: ItemDict, bbox: Bounds | None) -> bool:
    """Whether an item's bounds touch others, degrees in EPSG:4326."""
    if bbox is None:
        return True
    west, south, east, north = item["bbox"]
    return bool(
        west <= bbox[2] and east >= bbox[0] and south <= bbox[3] and north >= bbox[1]
    )


def collection_content(
    name: str, items: Sequence[ItemDict], lost: Sequence[str] = ()
) -> dict[str, Any]:
    """Describe a collection by its items, at least one; list the ids of lost ones."""
    stated = [item["properties"].get(SIMULATED) for item in items]
    # By identity: an item that does not say is no proof that its data were measured.
    marks = [mark for mark in (False, True) if any(each is mark for each in stated)]
    collection = pystac.Collection(
        id=name,
        description=f"{len(items)} items of collection {name}",
        license="other",
        extent=_extent(items),
        extra_fields={"heitu:item_count": len(items), SIMULATED: True in marks},
        summaries=pystac.Summaries({SIMULATED: marks} if marks else {}),
    )
    _link(collection, "root", f"../{CATALOG_FILE}")
    _link(collection, "parent", f"../{CATALOG_FILE}")
    for item_id in sorted([*(item["id"] for item in items), *lost]):
        _link(collection, "item", f"./{item_id}/{item_id}.json")
    return _as_dict(collection)


def catalog_content(collections: Sequence[str]) -> dict[str, Any]:
    """Describe an archive by its collections."""
    catalog = pystac.Catalog(id="heitu", description="Heitu scene archive")
    catalog.clear_links()
    _link(catalog, "root", f"./{CATALOG_FILE}")
    for name in collections:
        _link(catalog, "child", f"./{name}/{COLLECTION_FILE}")
    return _as_dict(catalog)


def linked(content: bytes, rel: str, *, href: str) -> list[str]:
    """Give what a catalog or collection file links to by `rel`, relative to it.

    Raises
    ------
    ItemInvalid
        It is not a JSON object with links.
    """
    try:
        links = json.loads(content)["links"]
        return [link["href"] for link in links if link["rel"] == rel]
    except (ValueError, KeyError, TypeError) as exc:
        raise listing_invalid(href, repr(exc)) from exc


def listing_invalid(href: str, reason: str) -> ItemInvalid:
    """Say that a catalog or collection file cannot be used."""
    return ItemInvalid(
        f"{href} cannot be read ({reason}); refresh the archive's links"
        f" · 目录文件 {href} 无法读取，请重建目录链接",
        href=href,
    )


def _extent(items: Sequence[ItemDict]) -> pystac.Extent:
    boxes = [item["bbox"] for item in items]
    west, south, east, north = zip(*boxes, strict=True)
    intervals = [interval(item) for item in items]
    first = min(start for start, _ in intervals)
    last = max(end for _, end in intervals)
    return pystac.Extent(
        pystac.SpatialExtent([[min(west), min(south), max(east), max(north)]]),
        pystac.TemporalExtent([[first, last]]),
    )


def _link(owner: pystac.Catalog, rel: str, href: str) -> None:
    owner.add_link(pystac.Link(rel, href, media_type=pystac.MediaType.JSON))


def _as_dict(owner: pystac.Catalog) -> dict[str, Any]:
    return owner.to_dict(include_self_link=False, transform_hrefs=False)
