"""The JSON files of an archive: catalog.json, collection.json, item files."""

import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pystac
from pystac.utils import str_to_datetime

from ingest.errors import ItemInvalid

CATALOG_FILE = "catalog.json"
COLLECTION_FILE = "collection.json"
PART_PREFIX = ".part-"
SIMULATED = "heitu:simulated"
ITEM_FIELDS = {
    "stac_version": str,
    "id": str,
    "properties": dict,
    "bbox": list,
    "assets": dict,
}

ItemDict = dict[str, Any]


def part_name(name: str) -> str:
    """Hidden, unique name under which `name` is written before it is complete."""
    return f"{PART_PREFIX}{name}-{uuid4().hex[:12]}"


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file whole or not at all."""
    part = path.with_name(part_name(path.name))
    try:
        text = json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False)
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def folders(parent: Path) -> list[Path]:
    """Folders inside `parent` by name, without the hidden ones of half-done work."""
    return sorted(
        path
        for path in parent.iterdir()
        if path.is_dir() and not path.name.startswith(".")
    )


def item_file(folder: Path) -> Path:
    """Path of the item file in an item's folder."""
    return folder / f"{folder.name}.json"


def read_item(folder: Path) -> ItemDict:
    """Read and check the item file of an item's folder.

    Raises
    ------
    ItemInvalid
        The file is missing, is not JSON, or is not a STAC item of that id.
    """
    path = item_file(folder)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise _invalid(path, str(exc)) from exc
    if not isinstance(content, dict):
        raise _invalid(path, "not a STAC item")
    problem = _field_problem(content) or _asset_problem(content)
    if problem:
        raise _invalid(path, problem)
    if content["id"] != folder.name:
        raise _invalid(path, f"its id is {content['id']!r}, not {folder.name!r}")
    try:
        interval(content)
    except (KeyError, TypeError, ValueError) as exc:
        raise _invalid(path, f"its time cannot be read ({exc!r})") from exc
    return content


def as_item(folder: Path, content: ItemDict) -> pystac.Item:
    """Make an item of what `read_item` gave, with absolute asset hrefs."""
    # Our own item of our own STAC version: nothing to migrate, no copy to keep, and
    # a season of 250 scenes opens in a tenth of a second.
    item = pystac.Item.from_dict(
        content, href=str(item_file(folder)), migrate=False, preserve_dict=False
    )
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


def _invalid(path: Path, reason: str) -> ItemInvalid:
    return ItemInvalid(
        f"item file {path}: {reason}; delete its folder and bring the scene in again"
        f" · 条目文件 {path} 无法使用，请删除其目录并重新导入",
        path=path,
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


def write_collection(folder: Path) -> None:
    """Write collection.json from the items found in the folder.

    Raises
    ------
    ItemInvalid
        One of the items cannot be read.
    """
    items = [read_item(path) for path in folders(folder)]
    stated = [item["properties"].get(SIMULATED) for item in items]
    # By identity: an item that does not say is no proof that its data were measured.
    marks = [mark for mark in (False, True) if any(each is mark for each in stated)]
    collection = pystac.Collection(
        id=folder.name,
        description=f"{len(items)} items of collection {folder.name}",
        license="other",
        extent=_extent(items),
        extra_fields={"heitu:item_count": len(items), SIMULATED: True in marks},
        summaries=pystac.Summaries({SIMULATED: marks} if marks else {}),
    )
    _link(collection, "root", f"../{CATALOG_FILE}")
    _link(collection, "parent", f"../{CATALOG_FILE}")
    for item in items:
        _link(collection, "item", f"./{item['id']}/{item['id']}.json")
    write_json(folder / COLLECTION_FILE, _as_dict(collection))


def write_catalog(root: Path, collections: Sequence[str]) -> None:
    """Write catalog.json with a link to each collection."""
    catalog = pystac.Catalog(id="heitu", description="Heitu scene archive")
    catalog.clear_links()
    _link(catalog, "root", f"./{CATALOG_FILE}")
    for name in collections:
        _link(catalog, "child", f"./{name}/{COLLECTION_FILE}")
    write_json(root / CATALOG_FILE, _as_dict(catalog))


def linked(path: Path, rel: str) -> list[Path]:
    """Files a catalog or collection file links to by `rel`.

    Raises
    ------
    ItemInvalid
        The file is missing or is not a JSON object with links.
    """
    try:
        links = json.loads(path.read_text(encoding="utf-8"))["links"]
        hrefs = [link["href"] for link in links if link["rel"] == rel]
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise ItemInvalid(
            f"{path} cannot be read ({exc}); refresh the archive's links"
            f" · 目录文件 {path} 无法读取，请重建目录链接",
            path=path,
        ) from exc
    return [path.parent / href for href in hrefs]


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
