"""What catalogues said they have: the ground on which completeness stands.

A season looks whole when nothing in it is known to be missing. So every search is kept,
one JSON file each, with all the scenes it found: what the archive should hold of a
place and time is what any search has ever seen of it.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import pystac
import shapely

from ingest.errors import IngestError
from ingest.offer import Found, Wanted
from ingest.plan import offered_item
from raster.files import replace_file

__all__ = [
    "CLOUDY",
    "Search",
    "SearchUnreadable",
    "day_in",
    "read_searches",
    "record_search",
]

CLOUDY: Final = "heitu:left_out_for_cloud"
"""Property of an item that the search found and left out for its cloud alone."""

_FORM: Final = 2
_DAY: Final = re.compile(r"(?<!\d)(?:\d{8}|\d{7})(?!\d)")


class SearchUnreadable(IngestError):
    """The record of a search is damaged; carries its path."""

    def __init__(self, message: str, *, path: Path) -> None:
        super().__init__(message)
        self.path = path


@dataclass(frozen=True, slots=True)
class Search:
    """One search and what it found.

    Attributes
    ----------
    source, collection : str
        Names of the source and of what was searched in it.
    where : Geometry
        Place that was asked for, EPSG:4326.
    start, end : date
        First and last UTC day that were asked for.
    searched : datetime
        When; scenes of the last days may have come to the source since.
    items : tuple of pystac.Item
        All scenes found, with the ids and properties that tell acquisitions apart.
    refused : tuple of (str, date or None)
        Ids of scenes that cannot be used, and the day that the id tells.
    """

    source: str
    collection: str
    where: shapely.Geometry
    start: date
    end: date
    searched: datetime
    items: tuple[pystac.Item, ...]
    refused: tuple[tuple[str, date | None], ...]


def record_search(
    folder: Path,
    source: str,
    wanted: Wanted,
    found: Found,
    *,
    collection: str,
    now: datetime | None = None,
) -> Path:
    """Keep what a search found; the same question replaces its older answer.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    source, collection : str
        Names of the source and of what is searched in it.
    wanted, found : Wanted, Found
        The question and the answer.
    now : datetime, optional
        Timezone-aware; the present if left out.

    Raises
    ------
    raster.errors.WriteFailed
    """
    question = {
        "source": source,
        "collection": collection,
        "where": shapely.to_wkt(wanted.where, rounding_precision=6),
        "start": wanted.start.isoformat(),
        "end": wanted.end.isoformat(),
    }
    items = [offered_item(offer) for offer in found.offers]
    for offer in found.cloudy:
        item = offered_item(offer)
        item.properties[CLOUDY] = True
        items.append(item)
    answer = {
        "form": _FORM,
        **question,
        "max_cloud": wanted.max_cloud,
        "searched": (now or datetime.now(UTC)).isoformat(),
        "refused": [[one.item_id, one.reason] for one in found.refused],
        "items": [item.to_dict(include_self_link=False) for item in items],
    }
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(json.dumps(question).encode()).hexdigest()[:16]
    path = folder / f"{source}-{wanted.start}-{wanted.end}-{digest}.json"
    replace_file(path, json.dumps(answer, ensure_ascii=False).encode())
    return path


def read_searches(folder: Path) -> list[Search]:
    """Read all searches kept in a folder, by name; none where there is no folder.

    Raises
    ------
    SearchUnreadable
        A record is damaged: without it, something missing would look complete.
    """
    return list(_searches(folder))


def _searches(folder: Path) -> Iterator[Search]:
    for path in sorted(folder.glob("*.json")):
        try:
            yield _search(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, KeyError, TypeError, shapely.GEOSException) as exc:
            raise SearchUnreadable(
                f"the record of a search, {path}, is damaged ({exc}): delete it and "
                f"search again · 检索记录 {path} 已损坏，请删除后重新检索",
                path=path,
            ) from exc


def _search(record: dict[str, Any]) -> Search:
    if record["form"] != _FORM:
        raise ValueError(f"form {record['form']} is not known")
    return Search(
        source=record["source"],
        collection=record["collection"],
        where=shapely.from_wkt(record["where"]),
        start=date.fromisoformat(record["start"]),
        end=date.fromisoformat(record["end"]),
        searched=datetime.fromisoformat(record["searched"]),
        items=tuple(pystac.Item.from_dict(item) for item in record["items"]),
        refused=tuple((name, day_in(name)) for name, _ in record["refused"]),
    )


def day_in(name: str) -> date | None:
    """Read the day of acquisition out of a producer's name, None if there is none.

    The first date counts: S2B_MSIL2A_20260704T…_20260705T…, LC09_…_20260703_20260705,
    HLS.S30.T51TXJ.2026185T….
    """
    for found in _DAY.finditer(name):
        form = "%Y%m%d" if len(found[0]) == 8 else "%Y%j"
        try:
            return datetime.strptime(found[0], form).replace(tzinfo=UTC).date()
        except ValueError:
            continue
    return None
