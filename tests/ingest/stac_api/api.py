"""The STAC API of the stand-in: landing page, collections, item search in pages."""

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urlencode

import shapely
from shapely.geometry import box, shape

__all__ = ["ItemDict", "StacApi"]

ItemDict = dict[str, Any]

CONFORMANCE = [
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/ogcapi-features",
    "https://api.stacspec.org/v1.0.0/item-search",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
]
RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.IGNORECASE
)
EVER = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


@dataclass
class StacApi:
    """Items to be searched, and how the answers are cut into pages.

    Attributes
    ----------
    items
        Plain STAC items; each names its ``collection``. They come newest first.
    odd_items
        Given out by every search, after the others, as they are.
    page_size
        Items a page at most, whatever ``limit`` asks for.
    count
        Where the number of matches stands: "numberMatched", "context" or nowhere.
    miscount
        Added to that number.
    lost_page, empty_page, repeated_page
        Number of a page, from 0, that is left out, that has an empty one before it,
        or that is given twice.
    capped
        Items a search gives at most, whatever the pages.
    endless
        The last page names itself as the next.
    fresh_links
        Every next link is a new one, also to the same page.
    merge_links
        A next link holds the token alone, to be merged into the request before it.
    deaf_to
        Parameters that the search ignores: "intersects", "datetime", "collections".
    """

    items: list[ItemDict] = field(default_factory=list)
    odd_items: list[ItemDict] = field(default_factory=list)
    page_size: int = 10
    count: Literal["numberMatched", "context"] | None = "numberMatched"
    miscount: int = 0
    lost_page: int | None = None
    empty_page: int | None = None
    repeated_page: int | None = None
    capped: int | None = None
    endless: bool = False
    fresh_links: bool = False
    merge_links: bool = False
    deaf_to: set[str] = field(default_factory=set)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def landing(self, base: str) -> dict[str, Any]:
        links = [
            _link("self", base),
            _link("root", base),
            _link("conformance", f"{base}/conformance"),
            _link("service-desc", f"{base}/api", "vnd.oai.openapi+json;version=3.0"),
            _link("service-doc", f"{base}/api.html") | {"type": "text/html"},
            _link("data", f"{base}/collections"),
            {**_link("search", f"{base}/search", "geo+json"), "method": "GET"},
            {**_link("search", f"{base}/search", "geo+json"), "method": "POST"},
        ]
        return {
            "type": "Catalog",
            "stac_version": "1.0.0",
            "id": "stand-in",
            "description": "stand-in for a STAC API",
            "conformsTo": CONFORMANCE,
            "links": links,
        }

    def collections(self, base: str) -> dict[str, Any]:
        names = sorted({item["collection"] for item in self.items})
        found = [self.collection(base, name) for name in names]
        return {"collections": found, "links": [_link("root", base)]}

    def collection(self, base: str, name: str) -> dict[str, Any] | None:
        if all(item["collection"] != name for item in self.items):
            return None
        return {
            "type": "Collection",
            "stac_version": "1.0.0",
            "id": name,
            "description": name,
            "license": "proprietary",
            "extent": {
                "spatial": {"bbox": [[-180, -90, 180, 90]]},
                "temporal": {"interval": [[None, None]]},
            },
            "links": [_link("root", base), _link("self", f"{base}/collections/{name}")],
        }

    def item(self, collection: str, item_id: str) -> ItemDict | None:
        same = (
            item
            for item in self.items
            if (item["collection"], item["id"]) == (collection, item_id)
        )
        return next(same, None)

    def search(
        self, base: str, asked: dict[str, Any], method: Literal["GET", "POST"]
    ) -> dict[str, Any]:
        """Give one page; `asked` has the parameters of STAC API, lists as lists."""
        _check(asked)
        found = sorted((i for i in self.items if self._matches(i, asked)), key=_newest)
        found += self.odd_items
        pages = self._pages(found, int(asked.get("limit", 10)))
        number = int(str(asked.get("token", "page-0")).split("-")[1])
        features = pages[number] if number < len(pages) else []
        more = number + 1 < len(pages)
        links = [_link("root", base)]
        if more or self.endless:
            following = number + 1 if more else number
            again = f"-{next(self._numbers)}" if self.fresh_links else ""
            links.append(self._next(base, asked, f"page-{following}{again}", method))
        return {
            "type": "FeatureCollection",
            "features": features,
            "links": links,
            "numberReturned": len(features),
            **self._matched(len(found)),
        }

    def _matches(self, item: ItemDict, asked: dict[str, Any]) -> bool:
        asked = {k: v for k, v in asked.items() if k not in self.deaf_to}
        if item["collection"] not in asked.get("collections", [item["collection"]]):
            return False
        if item["id"] not in asked.get("ids", [item["id"]]):
            return False
        return _in_time(item, asked) and _in_place(item, asked)

    def _pages(self, found: list[ItemDict], limit: int) -> list[list[ItemDict]]:
        size = max(min(limit, self.page_size), 1)
        given = found[: self.capped]
        pages = [given[i : i + size] for i in range(0, len(given), size)]
        if self.repeated_page is not None:
            pages.insert(self.repeated_page, pages[self.repeated_page])
        if self.empty_page is not None:
            pages.insert(self.empty_page, [])
        if self.lost_page is not None and self.lost_page < len(pages):
            del pages[self.lost_page]
        return pages

    def _matched(self, number: int) -> dict[str, Any]:
        if self.count is None:
            return {}
        matched = number + self.miscount
        if self.count == "context":
            return {"context": {"matched": matched}}
        return {"numberMatched": matched}

    def _next(
        self, base: str, asked: dict[str, Any], token: str, method: str
    ) -> dict[str, Any]:
        link = {**_link("next", f"{base}/search", "geo+json"), "method": method}
        if method == "GET":
            link["href"] += "?" + urlencode(_flat({**asked, "token": token}))
        elif self.merge_links:
            link |= {"body": {"token": token}, "merge": True}
        else:
            link["body"] = {**asked, "token": token}
        return link


def _check(asked: dict[str, Any]) -> None:
    """Refuse by ValueError what the standard refuses."""
    bbox = asked.get("bbox", [0, 0, 1, 1])
    half = len(bbox) // 2
    if len(bbox) not in (4, 6) or bbox[1] > bbox[half + 1]:
        raise ValueError(f"bbox {bbox}")
    if "bbox" in asked and "intersects" in asked:
        raise ValueError("bbox and intersects")
    if int(asked.get("limit", 1)) < 1:
        raise ValueError("limit")
    if "datetime" in asked:
        start, end = _asked_time(str(asked["datetime"]))
        if start > end or (start, end) == EVER:
            raise ValueError("datetime")


def _asked_time(text: str) -> tuple[datetime, datetime]:
    """First and last moment of a search."""
    start, *rest = text.split("/")
    if len(rest) > 1:
        raise ValueError("datetime")
    return _moment(start, EVER[0]), _moment(rest[0] if rest else start, EVER[1])


def _moment(text: str, open_end: datetime) -> datetime:
    if text in ("", ".."):
        return open_end
    if not RFC_3339.fullmatch(text):
        raise ValueError("datetime")
    return datetime.fromisoformat(text.upper())


def _link(rel: str, href: str, kind: str = "json") -> dict[str, Any]:
    return {"rel": rel, "href": href, "type": f"application/{kind}"}


def _flat(asked: dict[str, Any]) -> dict[str, str]:
    return {
        key: ",".join(map(str, value)) if isinstance(value, list) else _text(value)
        for key, value in asked.items()
    }


def _text(value: object) -> str:
    return json.dumps(value) if isinstance(value, dict) else str(value)


def _newest(item: ItemDict) -> tuple[float, str]:
    return -_interval(item)[0].timestamp() if _dated(item) else 0.0, item["id"]


def _dated(item: ItemDict) -> bool:
    return _interval(item) != EVER


def _interval(item: ItemDict) -> tuple[datetime, datetime]:
    """First and last moment of an item; all time for one without a readable date."""
    said = item["properties"]
    first = said.get("datetime") or said.get("start_datetime")
    last = said.get("datetime") or said.get("end_datetime")
    try:
        return datetime.fromisoformat(first), datetime.fromisoformat(last)
    except (TypeError, ValueError):
        return EVER


def _in_time(item: ItemDict, asked: dict[str, Any]) -> bool:
    if "datetime" not in asked:
        return True
    start, end = _asked_time(str(asked["datetime"]))
    first, last = _interval(item)
    return last >= start and first <= end


def _in_place(item: ItemDict, asked: dict[str, Any]) -> bool:
    place = None
    if "intersects" in asked:
        place = shape(asked["intersects"])
    elif "bbox" in asked:
        bbox = asked["bbox"]
        half = len(bbox) // 2
        place = box(bbox[0], bbox[1], bbox[half], bbox[half + 1])
    try:
        outline = shape(item["geometry"])
        return place is None or bool(shapely.intersects(outline, place))
    except (AttributeError, KeyError, TypeError, ValueError, shapely.GEOSException):
        # What cannot be placed is given out: the client has to cope with it.
        return True
