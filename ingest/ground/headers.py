"""Which column of a file means what, and in which unit it is.

Spellings and units are tables here, so that a new one is a line and no code. A unit
is never guessed: it stands in the header (``grain_kg``, ``样方面积(m2)``), belongs to
a known export, or is given; what the header says goes before what is known of an
export, and must not contradict what is given.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest.ground.errors import (
    ColumnMissing,
    ColumnUnclear,
    OptionInvalid,
    UnitContradictory,
    UnitUnknown,
)

__all__ = ["QUANTITIES", "SPELLINGS", "UNITS", "Header", "Headers", "pairs"]

SPELLINGS: dict[str, tuple[str, ...]] = {
    "lon": ("lon", "long", "longitude", "lng", "x", "经度", "东经"),
    "lat": ("lat", "latitude", "y", "纬度", "北纬"),
    "wkt": ("wkt", "geometry", "geom", "the_geom", "几何"),
    "datum": ("datum", "crs", "coord_type", "坐标基准", "坐标系", "坐标系统"),
    "year": ("year", "season", "年份", "年度", "年"),
    "date": ("date", "harvest_date", "日期", "收获日期", "测产日期", "取样日期"),
    "label": ("crop", "label", "class", "is_crop", "landuse", "地类", "类别"),
    "crop": ("crop_type", "crop", "作物类型", "作物种类", "作物", "种植作物"),
    "id": ("id", "fid", "code", "编号", "代码", "序号"),
    "field": ("field_id", "fieldid", "plot_id", "地块编号", "地块编码", "地块代码"),
    "segment": ("segment_id", "segment", "样方编号", "样方号", "样方"),
    "cut": ("cut_id", "sample_id", "sample", "样点编号", "测产编号"),
    "name": ("name", "名称", "地块名称"),
    "name_zh": ("name_zh", "中文名", "中文名称"),
    "name_en": ("name_en", "英文名", "英文名称"),
    "stratum": ("stratum", "strata", "层", "分层", "抽样层"),
    "maize": ("maize_area", "maize", "玉米面积", "玉米"),
    "rice": ("rice_area", "rice", "水稻面积", "水稻"),
    "soybean": ("soybean_area", "soybean", "大豆面积", "大豆"),
    "other": ("other_area", "other", "其他面积", "其他作物", "其他"),
    "plot": (
        *("plot_area", "area", "样方面积", "小区面积", "测产面积", "面积"),
        "plot",
    ),
    "grain": ("grain_mass", "grain", "籽粒重", "粒重", "籽粒"),
    "fresh": ("fresh_mass", "fresh", "ear_mass", "鲜穗重", "鲜重"),
    "shelling": ("shelling", "shelling_share", "出籽率"),
    "moisture": ("moisture", "moist", "含水率", "含水量", "水分"),
    "flow": ("flow", "mass_flow", "mass", "流量"),
    "interval": ("interval", "seconds", "cycles", "间隔"),
    "distance": ("distance", "dist", "距离"),
    "swath": ("swath", "swath_width", "width", "割幅"),
    "time": ("time", "时间"),
    "elevation": ("elevation", "elev", "altitude", "海拔", "高程"),
}

# Factor to the first unit of each quantity. Exact by definition: inch, foot, pound;
# 15 mu are a hectare, a jin is half a kilogram.
UNITS: dict[str, dict[str, float]] = {
    "length": {"m": 1, "米": 1, "cm": 0.01, "in": 0.0254, "ft": 0.3048},
    "duration": {"s": 1, "秒": 1, "min": 60, "ms": 0.001},
    "flow": {"kg/s": 1, "g/s": 0.001, "t/h": 1 / 3.6, "lb/s": 0.45359237},
    "mass": {
        "kg": 1,
        "公斤": 1,
        "千克": 1,
        "g": 0.001,
        "克": 0.001,
        "t": 1000,
        "jin": 0.5,
        "斤": 0.5,
        "市斤": 0.5,
        "lb": 0.45359237,
    },
    "plot": {
        "m2": 1,
        "㎡": 1,
        "平方米": 1,
        "mu": 10_000 / 15,
        "亩": 10_000 / 15,
        "ha": 10_000,
        "公顷": 10_000,
        "ac": 4046.8564224,
    },
    "crop area": {
        "ha": 1,
        "公顷": 1,
        "mu": 1 / 15,
        "亩": 1 / 15,
        "m2": 1e-4,
        "平方米": 1e-4,
        "㎡": 1e-4,
        "km2": 100,
    },
    "share": {"%": 1, "percent": 1, "pct": 1, "％": 1},
}

QUANTITIES: dict[str, str] = {
    **dict.fromkeys(("maize", "rice", "soybean", "other"), "crop area"),
    **dict.fromkeys(("grain", "fresh"), "mass"),
    **dict.fromkeys(("shelling", "moisture"), "share"),
    **dict.fromkeys(("distance", "swath", "elevation"), "length"),
    **dict.fromkeys(("interval", "time"), "duration"),
    "plot": "plot",
    "flow": "flow",
}
# Grain moisture is told in percent everywhere.
DEFAULT_UNITS = {"moisture": "%"}


@dataclass(frozen=True, slots=True)
class Header:
    """A column, and the factor that brings its numbers to our unit."""

    column: str
    factor: float = 1.0


class Headers:
    """The columns of a file by what they mean.

    Parameters
    ----------
    columns : sequence of str
        As the file spells them.
    path : Path
        The file, for messages.
    given : mapping
        Meaning -> column, from the person; goes before the spellings.
    units : mapping
        Meaning -> unit, from the person.
    usual : mapping
        Meaning -> unit of headers that say none, of a known export.
    """

    def __init__(
        self,
        columns: Sequence[str],
        *,
        path: Path,
        given: Mapping[str, str] | None = None,
        units: Mapping[str, str] | None = None,
        usual: Mapping[str, str] | None = None,
    ) -> None:
        self.columns = tuple(columns)
        self.path = path
        self._given = dict(given or {})
        self._units = dict(units or {})
        self._usual = {**DEFAULT_UNITS, **(usual or {})}
        self._found: dict[str, str] = {}
        self._refuse_strange_options()

    def find(self, role: str) -> Header | None:
        """Return the column of a meaning, None when the file has none.

        Raises
        ------
        ColumnMissing
            The person named a column that is not there.
        ColumnUnclear
            Two columns are spelled as this meaning.
        UnitUnknown
            Its unit is not stated, or not known.
        """
        header = self._search(role)
        if header is not None:
            self._found[role] = header.column
        return header

    def _search(self, role: str) -> Header | None:
        if role in self._given:
            return self._named(role, self._given[role])
        taken = set(self._given.values())
        for spelling in SPELLINGS[role]:
            found = [
                (column, rest)
                for column in self.columns
                if column not in taken
                and (rest := _rest(column, spelling, role)) is not None
            ]
            if len(found) > 1:
                raise self._unclear(role, [column for column, _ in found])
            if found:
                column, rest = found[0]
                return Header(column, self._factor(role, column, rest))
        return None

    @property
    def understood(self) -> str:
        """Which column was taken for what, so far, to tell the person."""
        found = ", ".join(f"{role} = {name}" for role, name in self._found.items())
        return f"columns 列: {found}"

    def need(self, *roles: str, option: str | None = None) -> Header:
        """Return the column of the first meaning that is there.

        `option` names the one that does without a column, for the message.

        Raises
        ------
        ColumnMissing
            There is none; and as `find`.
        """
        for role in roles:
            if (header := self.find(role)) is not None:
                return header
        spellings = ", ".join(SPELLINGS[role][0] for role in roles)
        english, chinese = (f", or give {option}", f"，或给出 {option}")
        if option is None:
            english = chinese = ""
        raise ColumnMissing(
            f"{self.path}: no column for {spellings} among "
            f"{', '.join(self.columns) or 'none'}; name it with --columns "
            f"{roles[0]}=HEADER{english} · {self.path.name} 中没有 {spellings} 列，"
            f"请用 --columns {roles[0]}=列名 指明{chinese}",
            path=self.path,
        )

    def _named(self, role: str, column: str) -> Header:
        if column not in self.columns:
            raise ColumnMissing(
                f"{self.path}: no column {column!r} for {role}; there are "
                f"{', '.join(self.columns)} · {self.path.name} 没有列 {column!r}",
                path=self.path,
            )
        endings = [_rest(column, spelling, role) for spelling in SPELLINGS[role]]
        rest = next((ending for ending in endings if ending), _ending(column))
        return Header(column, self._factor(role, column, rest))

    def _factor(self, role: str, column: str, unit: str) -> float:
        if role not in QUANTITIES:
            return 1.0
        known = UNITS[QUANTITIES[role]]
        given = self._units.get(role)
        if given is not None:
            self._refuse_contradiction(role, column, known, unit)
        unit = given or unit or self._usual.get(role, "")
        if _unit(unit) not in known:
            said = f"the unit {unit!r}" if unit else "no unit"
            raise UnitUnknown(
                f"{self.path}: column {column!r} has {said}; say it with --units "
                f"{role}=UNIT, one of {', '.join(known)} · 列 {column!r} 的单位"
                f"未注明或无法识别，请用 --units {role}=单位 指明",
                path=self.path,
            )
        return known[_unit(unit)]

    def _refuse_contradiction(
        self, role: str, column: str, known: Mapping[str, float], unit: str
    ) -> None:
        given = self._units[role]
        if known.get(_unit(unit)) in (None, known.get(_unit(given))):
            return
        raise UnitContradictory(
            f"{self.path}: column {column!r} is in {unit}, --units {role}={given} says "
            f"otherwise: leave the option out, or correct the file · 列 {column!r} 的"
            f"单位是 {unit}，与 --units {role}={given} 不符，请去掉该选项或改正文件",
            path=self.path,
        )

    def _unclear(self, role: str, columns: Iterable[str]) -> ColumnUnclear:
        names = ", ".join(columns)
        return ColumnUnclear(
            f"{self.path}: {names} could each be {role}; choose one with --columns "
            f"{role}=HEADER · {names} 都可能是 {role}，"
            f"请用 --columns {role}=列名 选定",
            path=self.path,
        )

    def _refuse_strange_options(self) -> None:
        roles = {*self._given, *self._units} - set(SPELLINGS)
        roles |= set(self._units) - set(QUANTITIES)
        if roles:
            names = ", ".join(sorted(roles))
            raise OptionInvalid(
                f"{names}: not something a column can mean; --columns knows "
                f"{', '.join(SPELLINGS)}, --units {', '.join(QUANTITIES)}"
                f" · {names} 不是可用的列含义"
            )


def pairs(texts: Sequence[str], *, option: str) -> dict[str, str]:
    """Read options such as ``year=season,label=landuse``.

    Raises
    ------
    OptionInvalid
        A part is not ``name=value``, or a name comes twice.
    """
    found: dict[str, str] = {}
    for part in (part for text in texts for part in text.split(",")):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not (name and equals and value) or name in found:
            raise OptionInvalid(
                f"{option} {part!r}: write name=value, each name once, e.g. "
                f"{option} year=season · {option} 应写作 名称=值，每个名称一次"
            )
        found[name] = value
    return found


def _rest(column: str, spelling: str, role: str) -> str | None:
    """Return what follows a spelling, "" if nothing; None if it is no such header."""
    pattern = (
        spelling.replace("_", "[ _-]?") + r"(?:[ _]*[\[(（](.*)[\])）]|[ _]+(.*))?"
    )
    match = re.fullmatch(pattern, column.strip(), re.IGNORECASE)
    if match is None:
        return None
    bracketed, tail = match[1], match[2]
    if bracketed is not None:
        return bracketed
    # A word behind the name is its unit, or it is another name.
    known = UNITS.get(QUANTITIES.get(role, ""), {})
    return (tail if _unit(tail) in known else None) if tail else ""


def _ending(column: str) -> str:
    match = re.search(r"[\[(（](.*)[\])）]$|_([^_]+)$", column.strip())
    return (match[1] or match[2]) if match else ""


def _unit(text: str) -> str:
    plain = text.strip().casefold().replace("²", "2").replace("^", "")
    return re.sub(r"[ _]+", "/", plain)
