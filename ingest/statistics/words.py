"""The words of yearbook tables: what a heading says, and what a cell's number is."""

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from ingest.statistics.units import Measure, Unit, parse_unit

__all__ = [
    "CROPS",
    "OTHER_CROPS",
    "Heading",
    "NotANumber",
    "Role",
    "crop_of",
    "crop_part_in",
    "crops_in",
    "fold",
    "is_missing",
    "is_note",
    "measures_in",
    "no_year_in",
    "number_of",
    "read_heading",
    "truth_of",
    "unit_line",
    "year_of",
    "years_in",
]

Role = Literal[
    "place",
    "code",
    "prefecture",
    "province",
    "crop",
    "year",
    "derived",
    "source",
    "file",
    "written",
    "simulated",
]
"""What a column is that holds no measure."""

CROPS = {
    "玉米": "maize",
    "苞米": "maize",
    "maize": "maize",
    "corn": "maize",
    "水稻": "rice",
    "稻谷": "rice",
    "粳稻": "rice",
    "rice": "rice",
    "大豆": "soybean",
    "黄豆": "soybean",
    "soybean": "soybean",
    "soybeans": "soybean",
    "soya": "soybean",
}

# Groups of crops, which a title names beside the crop it is about.
_GROUPS = frozenset(["粮食", "粮豆", "粮食作物", "谷物", "夏粮", "秋粮", "其他作物"])

# Known and not kept: a column of one is no fault.
_NOT_KEPT = """
    小麦 春小麦 冬小麦 高粱 谷子 糜子 荞麦 燕麦 大麦 豆类 绿豆 红小豆 杂豆 杂粮
    薯类 马铃薯 甘薯 油料 花生 油菜籽 向日葵 葵花籽 芝麻 甜菜 烟叶 烤烟 麻类 药材
    蔬菜 瓜果 其他 其它 鲜食玉米 青贮玉米 青饲料
    wheat sorghum millet potato potatoes peanut grain
"""
OTHER_CROPS = _GROUPS | frozenset(_NOT_KEPT.split())

_ROLES: dict[Role, str] = {
    "place": """
        地区 县 县市 县市区 市县 市县区 县区 区县 市区县 县名 县市名称 县区名称
        名称 单位名称 地区名称 行政区 行政区划 行政区划名称 行政区名称 市州县 各县市
        各县市区 县级行政区
        county countyname name region areaname
    """,
    "code": """
        代码 区划代码 行政区划代码 行政代码 行政区代码 地区代码 县代码 编码
        code adcode refarea countycode
    """,
    "prefecture": """
        市州 地级市 地市 市地州 所属市 所属市州 市地 设区市 市 prefecture city
    """,
    "province": "省 省份 省市 province",
    "crop": "作物 品种 作物名称 作物品种 作物种类 农作物 crop",
    "year": "年份 年度 年 统计年份 year timeperiod",
    "derived": "推算 derived",
    "source": "来源 数据来源 资料来源 source",
    "file": "来源文件 文件 file",
    "written": "原名称 nameinsource",
    "simulated": "模拟 是否模拟 模拟数据 simulated issimulated",
}
_ROLE_OF = {word: role for role, words in _ROLES.items() for word in words.split()}

# The longest first, so that 总产量 is not read as 产量 with something before it.
_MEASURES: tuple[tuple[str, Measure, str], ...] = (
    ("单位面积产量", "yield", ""),
    ("每公顷产量", "yield", "公顷"),
    ("每亩产量", "yield", "亩"),
    ("公顷产量", "yield", "公顷"),
    ("公顷单产", "yield", "公顷"),
    ("平均单产", "yield", ""),
    ("平均亩产", "yield", "亩"),
    ("亩产量", "yield", "亩"),
    ("播种面积", "area", ""),
    ("种植面积", "area", ""),
    ("sownarea", "area", ""),
    ("plantedarea", "area", ""),
    ("总产量", "production", ""),
    ("production", "production", ""),
    ("单产", "yield", ""),
    ("亩产", "yield", "亩"),
    ("总产", "production", ""),
    ("yield", "yield", ""),
    ("产量", "production", ""),
    ("面积", "area", ""),
    ("area", "area", ""),
)

# Three ellipsis characters or six points fold to the same.
_MISSING = frozenset(["-", "--", "—", "——", "–", "...", "......", "/", "//", "×", "x"])
_MISSING_WORDS = frozenset(["无", "不详", "缺", "na", "n/a", "nan"])
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d{1,2})?")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_YEAR = re.compile(r"((?:19|20)\d\d)年?度?(?:/\d+)?")
_YEAR_IN_TITLE = re.compile(r"(?<!\d)((?:19|20)\d\d)\s*年(?!\s*鉴)")
# Several years: "2018—2022年", "2021、2022年".
_YEARS_TOGETHER = re.compile(
    r"(?<!\d)(?:19|20)\d\d(年?\s*[-—–―~/至到]+|\s*[、,和与及])\s*"
    r"(?:19|20)?\d\d\s*年(?!\s*鉴)"
)
# 平均单产 is a year's own; the mean of several years is not.
_NO_HARVEST = re.compile(
    r"([一二两三四五六七八九十多历]|(?<!\d)\d{1,2})年平均"
    r"|平均(?!单产|亩产|每|产量|公顷)|计划|预计|预测"
)
_CROP_PART = re.compile("制种|糯|鲜食|青贮")
_YES = frozenset(
    ["是", "y", "yes", "t", "true", "1", "模拟", "模拟数据", "simulated", "√", "✓", "✔"]
)
_NO = frozenset(
    ["", "否", "n", "no", "f", "false", "0", "实际", "实际数据", "真实", "real", "×"]
)
_NOTE = re.compile(
    r"(注|说明|备注|资料来源|数据来源|来源|source|notes?)\d*[:：.]?", re.I
)
# Words around a measure that do not change what it is.
_FILLER = re.compile(
    r"(其中|农?作物|的|全年|本年|当年|单位|计量|实际|生产情况|生产|情况|指标|[、,;:#./·*-])*"
)


class NotANumber(ValueError):
    """A cell that should hold a number and holds something else."""


@dataclass(frozen=True, slots=True)
class Heading:
    """What the cells of a header above one column say together.

    Attributes
    ----------
    role : Role or None
        For a column of names, codes and the like.
    measure : Measure or None
    per : str
        Area that the measure's name divides by: "亩" for 亩产.
    crop : str or None
        "maize", "rice", "soybean", or "" for a crop that is known and not kept.
    year : int or None
    unit : Unit or None
    unit_text : str
        What stands where a unit should, known or not.
    stray : str
        What was not understood, in brackets or out; a stray word in a measure's name
        (面积增减) makes it another measure.
    """

    role: Role | None = None
    measure: Measure | None = None
    per: str = ""
    crop: str | None = None
    year: int | None = None
    unit: Unit | None = None
    unit_text: str = ""
    stray: str = ""

    def under(self, upper: "Heading") -> "Heading":
        """Join with the heading above it; what is nearer to the column wins."""
        doubtful = upper.unit_text if self.unit and not upper.unit else ""
        return Heading(
            role=self.role or upper.role,
            measure=self.measure or upper.measure,
            per=self.per if self.measure else upper.per,
            crop=upper.crop if self.crop is None else self.crop,
            year=self.year or upper.year,
            unit=self.unit or upper.unit,
            unit_text=self.unit_text or upper.unit_text,
            stray=upper.stray + doubtful + self.stray,
        )


def fold(text: str) -> str:
    """Fold full-width forms and case and drop every space."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text)).lower()


def read_heading(text: str) -> Heading:
    """Read one cell of a header: "玉米播种面积（万亩）", "2019年", "公斤/亩"."""
    bare = fold(text)
    role = _ROLE_OF.get(re.sub(r"[^\w]|_", "", bare))
    if role is not None:
        return Heading(role=role)
    bare, unit, unit_text = _bracketed_unit(bare)
    if not bare and unit is not None:
        return Heading(unit=unit, unit_text=unit_text)
    if (whole := parse_unit(bare)) is not None:
        return Heading(unit=whole, unit_text=bare)
    year, bare = _taken_year(bare)
    measure, per, bare = _taken_measure(bare)
    crop, bare = _taken_crop(bare)
    rest = re.sub(_FILLER, "", bare)
    if rest and measure and unit is None and (unit := parse_unit(rest)) is not None:
        unit_text, rest = rest, ""
    if unit is not None and unit.measure == "yield" and measure == "production":
        # 产量(公斤/亩) is a yield, whatever it is called.
        measure = "yield"
    return Heading(None, measure, per, crop, year, unit, unit_text, rest)


def _bracketed_unit(bare: str) -> tuple[str, Unit | None, str]:
    """Take the brackets off: what is left, and the unit that was in them."""
    unit, text, rest, strange = None, "", bare, ""
    for whole, inner in re.findall(r"([(\[【<]([^)\]】>]*)[)\]】>])", bare):
        inside = re.sub(r"^(计量)?单位:?", "", inner)
        said = year_of(inside) is not None or crop_of(inside) is not None
        rest = rest.replace(whole, inside if said else "", 1)
        if unit is None and (found := parse_unit(inside)) is not None:
            unit, text = found, inside
        elif not said:
            strange = inside
    if unit is None:
        return rest, None, strange
    # Beside a unit, "(含青贮)" is no unknown unit but says that it is something else.
    return rest + strange, unit, text


def _taken_year(bare: str) -> tuple[int | None, str]:
    found = re.search(r"(?<!\d)((?:19|20)\d\d)(年度?|$)", bare)
    if found is None:
        return None, bare
    return int(found[1]), bare[: found.start()] + bare[found.end() :]


def _taken_measure(bare: str) -> tuple[Measure | None, str, str]:
    for word, measure, per in _MEASURES:
        if word in bare:
            return measure, per, bare.replace(word, "", 1)
    return None, "", bare


def _taken_crop(bare: str) -> tuple[str | None, str]:
    for word in sorted(OTHER_CROPS, key=len, reverse=True):
        if word in bare:
            return "", bare.replace(word, "", 1)
    for word, crop in CROPS.items():
        if word in bare:
            return crop, bare.replace(word, "", 1)
    return None, bare


def crop_of(text: str) -> str | None:
    """Crop of a cell: "maize", "rice", "soybean", "" when not kept, None if unknown."""
    bare = fold(text).strip("#*·:")
    if bare in OTHER_CROPS:
        return ""
    return CROPS.get(bare)


def crops_in(text: str) -> set[str]:
    """Every crop that a title names, groups aside; one not kept counts as ""."""
    bare, found = fold(text), set()
    for word in sorted([*OTHER_CROPS, *CROPS], key=len, reverse=True):
        if word in bare:
            bare = bare.replace(word, "|")
            found |= set() if word in _GROUPS else {CROPS.get(word, "")}
    return found


def year_of(text: str) -> int | None:
    """Year of a cell: "2019", "2019年", "2019.0"."""
    found = _YEAR.fullmatch(fold(text).removesuffix(".0"))
    return int(found[1]) if found else None


def years_in(text: str) -> set[int]:
    """Every year that a title names with 年; that of a 年鉴 is not the numbers'."""
    # Not folded: without its space "表2-15 2019年" would lose where the year begins.
    plain = unicodedata.normalize("NFKC", text)
    return {int(year) for year in _YEAR_IN_TITLE.findall(plain)}


def no_year_in(text: str, *, together: bool) -> str:
    """Find what says that a title is of no single year's harvest; "" if nothing.

    Parameters
    ----------
    text
    together
        Whether several years, as 2018—2022年, say so too.
    """
    plain = unicodedata.normalize("NFKC", text)
    several = _YEARS_TOGETHER.search(plain) if together else None
    # As the title writes it, so that a person finds it there.
    other = _NO_HARVEST.search(fold(text))
    return other[0] if other else text[slice(*several.span())] if several else ""


def crop_part_in(text: str) -> str:
    """Find what says that a title is of a part of a crop; "" if nothing."""
    found = _CROP_PART.search(fold(text))
    return found[0] if found else ""


def truth_of(text: str) -> bool | None:
    """Whether a cell says yes (是, Y, 1) or no (否, N, 0, blank); None if neither."""
    bare = fold(text)
    return True if bare in _YES else False if bare in _NO else None


def measures_in(text: str) -> set[tuple[Measure, str]]:
    """Every measure that a title names, with the area its name divides by."""
    bare, found = fold(text), set()
    for word, measure, per in _MEASURES:
        if word in bare:
            found.add((measure, per))
            bare = bare.replace(word, "|")
    return found


def is_note(text: str) -> bool:
    """Whether a row's first text begins a note below the table."""
    return bool(_NOTE.match(fold(text)))


def number_of(text: str) -> Fraction | None:
    """Read a number exactly; None for a blank or a mark of a missing value.

    Raises
    ------
    NotANumber
        The text is something else.
    """
    bare = fold(text)
    if not bare or bare in _MISSING | _MISSING_WORDS:
        return None
    if _THOUSANDS.fullmatch(bare):
        bare = bare.replace(",", "")
    if not _NUMBER.fullmatch(bare):
        raise NotANumber(text)
    return Fraction(bare)


def is_missing(text: str) -> bool:
    """Whether a cell is blank or marks a missing value."""
    try:
        return number_of(text) is None
    except NotANumber:
        return False


def unit_line(text: str) -> dict[tuple[Measure, str] | Measure, Unit]:
    """Read a line such as "单位：万亩、吨" or "面积：万亩 总产：吨 单产：公斤/亩".

    Returns
    -------
    dict
        Units by the measure they are said for, or by the quantity they are of when the
        line names no measure. Two units of one quantity without a name say nothing.
    """
    found: dict[tuple[Measure, str] | Measure, Unit] = {}
    twice: set[Measure] = set()
    bare = unicodedata.normalize("NFKC", text)
    if "单位" not in fold(bare) and not re.search(r"(面积|产量?)\s*:", bare):
        return {}
    last: tuple[Measure, str] | None = None
    for word in re.split(r"[、,;:\s()]+", bare):
        heading = read_heading(re.sub(r"^(计量)?单位", "", fold(word)))
        if heading.measure is not None and not heading.stray:
            last = (heading.measure, heading.per)
        if heading.unit is None:
            continue
        if last is not None:
            found[last], last = heading.unit, None
        elif heading.unit.measure in found:
            twice.add(heading.unit.measure)
        else:
            found[heading.unit.measure] = heading.unit
    return {key: unit for key, unit in found.items() if key not in twice}
