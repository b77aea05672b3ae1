"""County growth as `heitu growth` and `heitu bulletin` wrote it, read back."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

from api.growth_schemas import CountyGrowth
from raster.step import dekad_of

__all__ = ["GrowthTable", "county_growth", "growth_tables"]

_NAME = re.compile(
    r"growth-(?P<place>[0-9a-z]+)-(?P<day>\d{8})(?:-[0-9a-z-]+)?"
    r"-counties-(?P<crop>[a-z]+)\.csv"
)

_PROVINCE = "jilin"

# Tables kept in memory: a province of counties through a season.
_KEPT = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthTable:
    """A table of counties on disk.

    Attributes
    ----------
    place
        County code, or "jilin".
    day
        First day of the dekad.
    made
        When it was written, nanoseconds: of two of one dekad the last one holds.
    """

    place: str
    day: date
    crop: str
    path: Path
    made: int

    def rows(self) -> tuple[Mapping[str, str], ...]:
        """Return its rows as text."""
        return _rows(self.path, self.made)


def growth_tables(
    folder: Path | None, *, crop: str, county: str | None = None
) -> list[GrowthTable]:
    """Return the tables of a crop that may tell of a county, or of any; oldest first.

    Those of other places, which hold parts of counties, are not among them.
    """
    if folder is None or not folder.is_dir():
        return []
    places = None if county is None else {county, _PROVINCE}
    found = [
        table
        for path in folder.glob(f"growth-*-counties-{crop}.csv")
        if (table := _table(path)) is not None
        and (_is_whole(table.place) if places is None else table.place in places)
    ]
    return sorted(found, key=lambda table: (table.day, table.made, table.path.name))


def _table(path: Path) -> GrowthTable | None:
    named = _NAME.fullmatch(path.name)
    if named is None:
        return None
    try:
        day = date.fromisoformat(named["day"])
        made = path.stat().st_mtime_ns
    except (ValueError, FileNotFoundError):
        # No day, or gone since the folder was listed.
        return None
    return GrowthTable(
        place=named["place"], day=day, crop=named["crop"], path=path, made=made
    )


def _is_whole(place: str) -> bool:
    return place == _PROVINCE or re.fullmatch(r"\d{6}", place) is not None


@lru_cache(maxsize=_KEPT)
def _rows(path: Path, made: int) -> tuple[Mapping[str, str], ...]:
    # `made` is there to be a part of the key: a table written again is read again.
    with path.open(encoding="utf-8-sig", newline="") as file:
        return tuple(csv.DictReader(file))


def county_growth(
    tables: Iterable[GrowthTable], *, county: str | None, index: str
) -> list[CountyGrowth]:
    """Return the growth of counties from tables, by county and dekad.

    Parameters
    ----------
    tables
        Oldest first, as of `growth_tables`: a later one takes the place of an earlier
        one of the same county and dekad.
    county
        GB/T 2260 code; all where None.
    index
        Vegetation index.
    """
    found: dict[tuple[str, date], CountyGrowth] = {}
    for day, same in groupby(tables, key=attrgetter("day")):
        for row, crop in _wanted(same, county, index):
            found[row["zone"], day] = _growth(row, crop=crop, day=day)
    return [found[key] for key in sorted(found)]


def _wanted(
    tables: Iterable[GrowthTable], county: str | None, index: str
) -> Iterator[tuple[Mapping[str, str], str]]:
    for table in tables:
        for row in table.rows():
            if row["index"] == index and county in {None, row["zone"]}:
                yield row, table.crop


_NUMBERS = (
    *("value", "normal", "low", "high"),
    *("difference", "vci", "anomaly", "percentile", "seen"),
)


def _growth(row: Mapping[str, str], *, crop: str, day: date) -> CountyGrowth:
    dekad = dekad_of(day)
    shares = [_number(row[f"share_{grade}"]) for grade in range(1, 6)]
    known = [share for share in shares if share is not None]
    grade = _number(row["grade"])
    told: dict[str, Any] = {name: _number(row[name]) for name in _NUMBERS}
    return CountyGrowth(
        county=row["zone"],
        name_zh=row["name_zh"],
        name_en=row["name_en"],
        crop=crop,  # type: ignore[arg-type] # checked there
        index=row["index"],
        dekad_start=dekad.start,
        dekad_end=dekad.end,
        grade=None if grade is None else int(grade),
        grade_en=row["grade_en"] or None,
        grade_zh=row["grade_zh"] or None,
        years=int(row["years"]),
        shares=known if len(known) == len(shares) else None,
        status=row["status"],
        reason_en=row["reason_en"] or None,
        reason_zh=row["reason_zh"] or None,
        # Tables of older versions do not say these.
        basis=row.get("basis") or None,
        limits=[float(cut) for cut in row.get("limits", "").split()] or None,
        crop_map=row.get("crop_map") or None,
        run=row["run"],
        simulated=row["simulated"] == "True",
        **told,
    )


def _number(text: str) -> float | None:
    return float(text) if text else None
