"""Searches that are complete, or an error.

A server that says how many items match (numberMatched, once context.matched) is
compared with what it gave. Of one that does not, every search is made a second time,
cut into shorter times and other pages: both must give the same items. That finds lost
pages and capped answers; what a server hides both times nobody can find.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import shapely
from pystac_client import ItemSearch

from ingest.http import Web, shown
from ingest.stac_api.errors import ApiRefuses, SearchIncomplete, WantedInvalid
from ingest.stac_api.paging import CatalogueIO, Page, endless, pages
from raster.step import TimeStep, dekads, months

__all__ = ["Answer", "Catalogue"]

# Scenes may be added while we turn the pages: then the second round is whole.
_ROUNDS: Final = 2
# Pages in a row without anything new.
_MOST_BARREN: Final = 10


@dataclass(frozen=True, slots=True)
class Answer:
    """What a search gave.

    Attributes
    ----------
    items : mapping
        Items as they came, by collection and id, each once.
    pages : int
        Pages read for them.
    repeated : int
        Items that came more than once.
    matched : int or None
        How many there are, as the server says; None where it does not.
    """

    items: Mapping[tuple[str, str], Any] = field(repr=False)
    pages: int
    repeated: int
    matched: int | None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """One collection of a STAC API."""

    url: str
    collection: str
    page_size: int
    web: Web

    def find(self, place: shapely.Geometry, *, start: date, end: date) -> Answer:
        """Find all items whose place and time meet what is asked for.

        Parameters
        ----------
        place : Polygon or MultiPolygon
            EPSG:4326, of few vertices.
        start, end : date
            First and last UTC day.

        Raises
        ------
        SearchIncomplete
            The items are not as many as the server, or the second search, counts.
        PagingEndless, ApiInvalid, ApiRefuses, SourceBusy, SourceUnreachable
            The server cannot be searched.
        WantedInvalid
            It has no collection of this name.
        """
        for _ in range(_ROUNDS):
            answer = self._ask(place, TimeStep(start, end), self.page_size)
            number, whole = self._count(answer, place, start, end)
            if whole:
                if not answer.items:
                    self._check_collection()
                return answer
        raise self._incomplete(answer, number)

    def _count(
        self, answer: Answer, place: shapely.Geometry, start: date, end: date
    ) -> tuple[int, bool]:
        """Give how many items there are, and whether those are the answer's."""
        if answer.matched is not None:
            return answer.matched, answer.matched == len(answer.items)
        others = self._again(place, start, end)
        return len(others), others == answer.items.keys()

    def _ask(self, place: shapely.Geometry, time: TimeStep, page_size: int) -> Answer:
        io = CatalogueIO(self.web)
        search = ItemSearch(
            f"{self.url}/search",
            stac_io=io,
            limit=page_size,
            collections=[self.collection],
            intersects=shapely.geometry.mapping(place),
            datetime=f"{time.start}T00:00:00Z/{time.end}T23:59:59.999Z",
        )
        with io.session:
            return _collect(pages(search, io), href=search.url)

    def _again(
        self, place: shapely.Geometry, start: date, end: date
    ) -> set[tuple[str, str]]:
        """Make a search again in other pieces and pages; give the keys of its items."""
        size = max(self.page_size // 2, 1)
        found: set[tuple[str, str]] = set()
        for time in _pieces(start, end):
            found |= self._ask(place, time, size).items.keys()
        return found

    def _check_collection(self) -> None:
        """See that "nothing found" is not the answer to a misspelt name."""
        io = CatalogueIO(self.web)
        try:
            with io.session:
                io.read_json(f"{self.url}/collections/{self.collection}")
        except ApiRefuses as exc:
            if exc.status != 404:
                raise
            listed = f"{shown(self.url)}/collections"
            raise WantedInvalid(
                f"no collection {self.collection!r} at {listed}: take one that is there"
                f" · {listed} 中没有影像集 {self.collection}，请选择其中已有的"
            ) from exc

    def _incomplete(self, answer: Answer, number: int) -> SearchIncomplete:
        seen, name = len(answer.items), shown(self.url)
        counted = "by its own count" if answer.matched is not None else "asked again"
        repeats = f", {answer.repeated} of them twice" if answer.repeated else ""
        return SearchIncomplete(
            f"{name} gave {seen} scenes of {self.collection}{repeats}, and has "
            f"{number} {counted}: the search is not complete and nothing was taken "
            "from it. Try later, or ask for fewer days at a time"
            f" · {name} 返回 {seen} 景，应为 {number} 景，检索不完整，未采用任何结果，"
            "请稍后再试或缩短时段",
            href=name,
            seen=seen,
            matched=number,
        )


def _pieces(start: date, end: date) -> list[TimeStep]:
    """Cut a time into months, or else dekads."""
    steps = months(start, end)
    steps = steps if len(steps) > 1 else dekads(start, end)
    return [TimeStep(max(one.start, start), min(one.end, end)) for one in steps]


def _collect(all_pages: Iterable[Page], *, href: str) -> Answer:
    items: dict[tuple[str, str], Any] = {}
    count = repeated = barren = 0
    matched = None
    for page in all_pages:
        count += 1
        before = len(items)
        for feature in page["features"]:
            key = _key(feature, len(items))
            repeated += key in items
            items[key] = feature
        stated = _matched(page)
        matched = matched if stated is None else stated
        barren = barren + 1 if len(items) == before else 0
        if barren > _MOST_BARREN:
            raise endless(href)
    return Answer(items, count, repeated, matched)


def _key(feature: object, number: int) -> tuple[str, str]:
    """Identify an item; one without an id is one of its own."""
    if isinstance(feature, dict) and isinstance(feature.get("id"), str):
        return str(feature.get("collection")), feature["id"]
    return "", f"item {number + 1}, without an id"


def _matched(page: Page) -> int | None:
    context = page.get("context")
    older = context.get("matched") if isinstance(context, dict) else None
    for number in (page.get("numberMatched"), older):
        if isinstance(number, int) and not isinstance(number, bool):
            return number
    return None
