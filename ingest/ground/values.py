"""Reading one row: what each value means, or why it cannot be used."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import shapely

from ingest.ground.crops import CROPS, crop_of
from ingest.ground.errors import YearUnknown
from ingest.ground.fates import Listed
from ingest.ground.headers import Header, Headers
from ingest.ground.places import Places
from ingest.ground.tables import number_of
from ingest.ground.vector import Feature, Layer

__all__ = [
    "RowFault",
    "Years",
    "crop_from",
    "each",
    "headers_of",
    "locate",
    "needed",
    "number",
    "point_of",
    "text",
    "unknown_crop",
]

T = TypeVar("T")

YEARS = range(1950, 2101)
# From here on binary64 has no room for every whole number.
LOSSY = 2**53
# 2024-09-28, 2024/9/28, 20240928, 2024年9月28日, each perhaps with a time behind.
DATE = re.compile(r"(\d{4})([-/.年]\d{1,2}[-/.月]\d{1,2}|\d{4})(?!\d)")


class RowFault(Exception):
    """A row cannot be taken; caught where the rows are gone through."""

    def __init__(self, kind: str, english: str, chinese: str) -> None:
        super().__init__(f"{english} · {chinese}")
        self.kind = kind
        self.english = english
        self.chinese = chinese


@dataclass(frozen=True, slots=True)
class Years:
    """The season of each row: from its column, or one for the whole file.

    From a date only where it is that of the harvest: labels are made long after the
    season.
    """

    column: Header | None
    fixed: int | None
    date: Header | None = None

    @classmethod
    def of(
        cls, headers: Headers, year: int | None, *, at_harvest: bool = False
    ) -> "Years":
        """Find out where the season stands.

        `at_harvest` says that a date in the file is the harvest's.

        Raises
        ------
        YearUnknown
            Nowhere.
        """
        column = headers.find("year")
        date = headers.find("date") if at_harvest and column is None else None
        if column is None and date is None and year is None:
            raise YearUnknown(
                f"{headers.path}: no column says which year's season the rows are of; "
                f"give --year (a date of collection is no season) · "
                f"{headers.path.name} 没有年份列，请用 --year 指明生长季年份",
                path=headers.path,
            )
        return cls(column, year, date)

    def __call__(self, values: Mapping[str, Any]) -> int:
        """Return the season of a row."""
        said = number(values, self.column, "year")
        said = _year_of(values, self.date) if said is None else said
        year = self.fixed if said is None else said
        if year is None:
            raise RowFault("year", "no year", "没有年份")
        if year not in YEARS:
            raise RowFault("year", f"{year:g} is no year", f"{year:g} 不是年份")
        if self.fixed not in (None, year):
            raise RowFault(
                "year",
                f"of {year:g}, not of {self.fixed}",
                f"年份为 {year:g}，而非 {self.fixed}",
            )
        return int(year)


def headers_of(
    layer: Layer,
    units: Mapping[str, str] | None = None,
    *,
    usual: Mapping[str, str] | None = None,
) -> Headers:
    """Columns of a layer by their meaning."""
    return Headers(
        layer.columns,
        path=layer.path,
        given=layer.choice.columns,
        units=units,
        usual=usual,
    )


def each(
    features: Iterable[Feature], read: Callable[[Feature], T]
) -> tuple[list[tuple[int, T]], list[Listed]]:
    """Read every feature; what cannot be read is listed and the rest goes on."""
    good: list[tuple[int, T]] = []
    faults: list[Listed] = []
    for feature in features:
        try:
            good.append((feature.row, read(feature)))
        except RowFault as fault:
            faults.append(Listed(feature.row, fault.kind, fault.english, fault.chinese))
    return good, faults


def text(values: Mapping[str, Any], header: Header | None) -> str | None:
    """Return the text of a cell, None when it is empty or the column is not there.

    Raises
    ------
    RowFault
        The cell is a number of more digits than it can have kept.
    """
    value = None if header is None else values.get(header.column)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    # Ids stand as 12.0 in tables whose other cells are empty.
    if isinstance(value, float) and value.is_integer():
        if header is not None and abs(value) >= LOSSY:
            raise RowFault(
                "digits",
                f"{header.column} {value:.0f} may have lost digits; store it as text",
                f"{header.column} 的值 {value:.0f} 位数过多，可能已失真，请存为文本",
            )
        value = int(value)
    return str(value).strip() or None


def number(values: Mapping[str, Any], header: Header | None, what: str) -> float | None:
    """Return the number of a cell in our unit, None when it is empty.

    Raises
    ------
    RowFault
        The cell holds something else.
    """
    cell = text(values, header)
    if cell is None or header is None:
        return None
    try:
        value = number_of(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        english = f"{header.column} {cell!r} is no number"
        raise RowFault(what, english, f"{header.column} 的值 {cell!r} 不是数字")
    return value * header.factor


def needed(values: Mapping[str, Any], header: Header | None, what: str) -> float:
    """Return the number of a cell that must not be empty.

    Raises
    ------
    RowFault
        It is empty, or no number.
    """
    value = number(values, header, what)
    if value is None:
        raise RowFault(what, f"no {what}", f"缺少 {what}")
    return value


def crop_from(
    values: Mapping[str, Any], header: Header | None, fixed: str | None
) -> str:
    """Crop of a row, or the one said for the whole file.

    Raises
    ------
    RowFault
        None is said, or its name is not known.
    """
    said = text(values, header) or fixed
    if said is None:
        raise RowFault("crop", "no crop", "没有作物")
    crop = crop_of(said)
    if crop is None:
        raise unknown_crop(said)
    return crop


def unknown_crop(said: str) -> RowFault:
    """Return the fault of a crop's name that is not known."""
    return RowFault(
        "crop",
        f"crop {said!r} not known; known are {', '.join(CROPS)}",
        f"作物 {said!r} 无法识别，可用：玉米、水稻、大豆、其他",
    )


def _year_of(values: Mapping[str, Any], date: Header | None) -> float | None:
    said = text(values, date)
    if said is None:
        return None
    match = DATE.match(said)
    if match is None:
        english = f"date {said!r}: write it as 2024-09-28"
        raise RowFault("year", english, f"日期 {said!r} 请写作 2024-09-28")
    return int(match[1])


def point_of(feature: Feature) -> tuple[float, float]:
    """Return longitude and latitude of a feature that is a point.

    Raises
    ------
    RowFault
        It is something else.
    """
    shape = feature.geometry
    if isinstance(shape, shapely.MultiPoint) and len(shape.geoms) == 1:
        shape = shape.geoms[0]
    if not isinstance(shape, shapely.Point):
        kind = feature.geometry.geom_type
        raise RowFault("geometry", f"a {kind}, no point", f"是 {kind}，不是点")
    return shape.x, shape.y


def locate(
    points: Sequence[tuple[int, tuple[float, float]]], places: Places
) -> tuple[dict[int, str | None], list[Listed]]:
    """County of each point by row; points outside the province are listed.

    Parameters
    ----------
    points : sequence of (row, (lon, lat))
    places : Places
        With ``anywhere`` a point outside has no county and is not listed.
    """
    lons = [lon for _, (lon, _) in points]
    lats = [lat for _, (_, lat) in points]
    codes = dict(
        zip([row for row, _ in points], places.of_points(lons, lats), strict=True)
    )
    if places.anywhere:
        return codes, []
    beyond = [(row, lonlat) for row, lonlat in points if codes[row] is None]
    away = places.distances_km(np.array([xy for _, xy in beyond]).reshape(-1, 2))
    listed = [
        _outside(row, lonlat, float(km))
        for (row, lonlat), km in zip(beyond, away, strict=True)
    ]
    return {row: code for row, code in codes.items() if code is not None}, listed


def _outside(row: int, lonlat: tuple[float, float], away: float) -> Listed:
    lon, lat = lonlat
    km = f"{away:.1f}" if away < 10 else f"{away:.0f}"
    return Listed(
        row,
        "outside",
        f"outside the province, {km} km from it ({lon:.5f}, {lat:.5f})",
        f"在省外，距省界 {km} 公里（{lon:.5f}, {lat:.5f}）",
    )
