"""What each column of a table is: measure, unit, crop and year, or why it is unused.

A unit, a crop and a year come from the column's own header, else from a column of
their own, else from the titles above, else from the person. Nothing is guessed.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from ingest.statistics.errors import (
    CropMissing,
    OptionContradictory,
    TitleNotOfYear,
    UnitContradictory,
    UnitMissing,
    UnitUnknown,
    YearMissing,
)
from ingest.statistics.layout import Block, Column
from ingest.statistics.table import Use
from ingest.statistics.units import MEASURES_ZH, Measure, Unit, unit_of
from ingest.statistics.words import (
    Heading,
    Role,
    crop_part_in,
    crops_in,
    measures_in,
    no_year_in,
    unit_line,
    years_in,
)

Named = TypeVar("Named")

__all__ = ["Given", "MeasureColumn", "Plan", "plan_block"]

_ROLES: dict[Role, str] = {
    "place": "county 县",
    "code": "code 代码",
    "prefecture": "prefecture 市州",
    "province": "province 省",
    "crop": "crop 作物",
    "year": "year 年份",
    "derived": "which is derived 推算项",
    "source": "source 来源",
    "file": "file 来源文件",
    "written": "name in the source 原名称",
    "simulated": "simulated 模拟",
}


@dataclass(frozen=True, slots=True)
class Given:
    """What the person said about a file, for where it does not say it itself.

    Attributes
    ----------
    crop : str or None
        "maize", "rice" or "soybean", for where no column says it; of several that a
        title names it chooses one.
    year : int or None
        Likewise.
    units : mapping of measure to Unit
    source : str
        What the numbers are quoted from.
    """

    crop: str | None = None
    year: int | None = None
    units: Mapping[Measure, Unit] = field(default_factory=dict)
    source: str = ""


@dataclass(frozen=True, slots=True)
class MeasureColumn:
    """A column of numbers; crop and year None stand in columns of their own."""

    column: Column
    measure: Measure
    unit: Unit
    crop: str | None
    year: int | None


@dataclass(frozen=True, slots=True)
class Plan:
    """How a block is read: its columns of numbers, and the others by their label."""

    block: Block
    measures: tuple[MeasureColumn, ...]
    unused: tuple[tuple[Column, str], ...]

    @property
    def uses(self) -> tuple[Use, ...]:
        """Every column in order, as a person may check it."""
        said = {
            each.column.index: (each.column, _meaning(each)) for each in self.measures
        }
        said |= {column.index: (column, why) for column, why in self.unused}
        for each in self.block.columns:
            if each.heading.role is not None:
                said[each.index] = (each, _ROLES[each.heading.role])
        sheet = self.block.sheet.name
        return tuple(
            Use(sheet, column.label, what) for _, (column, what) in sorted(said.items())
        )


def plan_block(block: Block, given: Given) -> Plan:
    """Decide what the columns of a block are.

    Raises
    ------
    UnitUnknown, UnitMissing, UnitContradictory
        Of a column that would be taken.
    CropMissing, YearMissing
        Neither the table nor the person says them.
    OptionContradictory
        A title and the person say different ones.
    TitleNotOfYear
        A title that gives them is not of a year's harvest of the whole crop.
    """
    named = [_with_title_measure(each, block) for each in _with_parts(block.columns)]
    wanted, unused = [], []
    for each in named:
        if each.heading.role is None:
            why = _why_unused(each, block)
            unused.append((each, why)) if why else wanted.append(each)
    if wanted:
        _check_titles(block, wanted)
    crops = _crops(block, wanted, given)
    for each in [each for each in wanted if crops[each.index] == ""]:
        unused.append((each, "not used: a crop that is not kept · 未收录的作物"))
        wanted.remove(each)
    years = _years(block, wanted, given)
    units = _units(block, wanted, given)
    measures = [
        MeasureColumn(each, units[i].measure, units[i], crops[i], years[i])
        for each in wanted
        if (i := each.index) in units
    ]
    return Plan(block, tuple(measures), tuple(unused))


def _meaning(each: MeasureColumn) -> str:
    crop = each.crop or "crop of its column 作物列"
    year = each.year or "year of its column 年份列"
    measure = f"{each.measure} {MEASURES_ZH[each.measure]}"
    return f"{measure} [{each.unit.name}] · {crop} · {year}"


def _with_parts(columns: Iterable[Column]) -> list[Column]:
    """Read 播种面积, #玉米, #水稻: a total, and after it the same of single crops."""
    found: list[Column] = []
    whole: int | None = None
    for each in columns:
        heading = each.heading
        if heading.measure is not None and not heading.stray:
            whole = len(found)
        if whole is not None and _is_only_crop(heading):
            total = found[whole].heading
            part = replace(total, crop=heading.crop, year=heading.year or total.year)
            found.append(replace(each, heading=part))
            if total.crop is None:
                of_all = replace(total, crop="")
                found[whole] = replace(found[whole], heading=of_all)
        else:
            found.append(each)
    return found


def _is_only_crop(heading: Heading) -> bool:
    return heading.crop is not None and heading == Heading(
        crop=heading.crop, year=heading.year
    )


def _with_title_measure(column: Column, block: Block) -> Column:
    """Give a column of years or crops the measure that the title alone names."""
    heading = column.heading
    plain = heading.role is None and heading.measure is None and not heading.stray
    if not plain or (heading.year is None and heading.crop is None):
        return column
    named = _titled(block, measures_in)
    if len(named) != 1:
        return column
    ((measure, per),) = named
    return replace(column, heading=replace(heading, measure=measure, per=per))


def _titled(block: Block, read: Callable[[str], set[Named]]) -> set[Named]:
    """Read what the titles name."""
    return set().union(*(read(text) for text in _naming(block, read)))


def _naming(block: Block, read: Callable[[str], set[Named]]) -> list[str]:
    """Return the nearest titles that name it: a table without one goes on."""
    for titles in (block.titles, *block.above, (block.sheet.name,)):
        if found := [text for text in titles if read(text)]:
            return found
    return []


def _check_titles(block: Block, columns: Iterable[Column]) -> None:
    """Refuse titles that give a year or crop and are of something else."""
    headings = [each.heading for each in columns]
    own_crop = block.column_of("crop") or all(h.crop is not None for h in headings)
    own_year = block.column_of("year") or all(h.year for h in headings)
    crops, years = _naming(block, crops_in), _naming(block, years_in)
    found = [] if own_crop else [(text, crop_part_in(text)) for text in crops]
    found += [
        (text, no_year_in(text, together=not own_year))
        for text in (*crops, *years, *_naming(block, measures_in))
    ]
    for text, words in found:
        if words:
            raise TitleNotOfYear(title=text, words=words)


def _lines_of_units(block: Block) -> tuple[str, ...]:
    """Return the titles whose units count; a table of its own inherits none."""
    if any(crops_in(text) or years_in(text) for text in block.titles):
        return block.titles
    above = (text for titles in reversed(block.above) for text in titles)
    return (*above, *block.titles)


def _why_unused(column: Column, block: Block) -> str:
    heading = column.heading
    if not column.text:
        return "not used: numbers with no heading · 有数值而没有表头"
    right = next((c for c in block.columns if c.index == column.index + 1), None)
    if heading.measure and right and not right.text and right.heading == Heading():
        # The heading may stand over both: last year's beside this year's.
        return "not used: the numbers right of it have no heading · 右侧一列没有表头"
    if heading.stray:
        return f"not used: {heading.stray!r} is not understood · 未识别，不采用"
    if heading.measure is None:
        return "not used: no area, production or yield · 不是面积、产量或单产"
    return ""


def _crops(block: Block, columns: list[Column], given: Given) -> dict[int, str | None]:
    """Crop of each column; None where a column of the table holds it."""
    own = block.column_of("crop") is not None
    titled = _titled(block, crops_in)
    # Two crops in a title say as little as none.
    fallback = given.crop or (min(titled) if len(titled) == 1 else None)
    crops = {
        each.index: each.heading.crop
        if each.heading.crop is not None or own
        else fallback
        for each in columns
    }
    lacking = [each.label for each in columns if crops[each.index] is None and not own]
    # A crop assumed would be a wrong number under a right name.
    if lacking:
        raise CropMissing(columns=lacking, where=_where(block))
    needed = not own and any(each.heading.crop is None for each in columns)
    if needed and given.crop and titled and given.crop not in titled:
        said = sorted(crop or "other crops" for crop in titled)
        raise OptionContradictory(option="--crop", given=given.crop, titled=said)
    return crops


def _years(block: Block, columns: list[Column], given: Given) -> dict[int, int | None]:
    """Year of each column; None where a column of the table holds it."""
    own = block.column_of("year") is not None
    titled = _titled(block, years_in)
    fallback = given.year or (min(titled) if len(titled) == 1 else None)
    years = {
        each.index: each.heading.year or (None if own else fallback) for each in columns
    }
    if not own and None in years.values():
        raise YearMissing(where=_where(block))
    needed = not own and not all(each.heading.year for each in columns)
    if needed and given.year and titled and given.year not in titled:
        said = sorted(map(str, titled))
        raise OptionContradictory(option="--year", given=str(given.year), titled=said)
    return years


def _units(block: Block, columns: list[Column], given: Given) -> dict[int, Unit]:
    lines = _lines_of_units(block)
    said: dict[tuple[Measure, str] | Measure, Unit] = {}
    for text in lines:
        said |= unit_line(text)
    units: dict[int, Unit] = {}
    lacking: dict[Measure, list[str]] = {}
    for each in columns:
        unit = _unit(each, said, given)
        if unit is not None:
            units[each.index] = unit
        elif each.heading.measure is not None:
            lacking.setdefault(each.heading.measure, []).append(each.label)
    for measure, labels in lacking.items():
        seen = " ".join(text for text in lines if "单位" in text)
        raise UnitMissing(columns=labels, measure=measure, said=seen)
    return units


def _unit(
    column: Column,
    said: Mapping[tuple[Measure, str] | Measure, Unit],
    given: Given,
) -> Unit | None:
    """Find the unit of a column: its own, else of the line above, else as given."""
    heading, measure = column.heading, column.heading.measure
    assert measure is not None
    chosen = given.units.get(measure)
    if heading.unit_text:
        own = unit_of(heading.unit_text, measure, per=heading.per)
        # "单产（公斤）" lacks its area, which the person may add.
        if own is None and not (chosen and heading.unit and measure == "yield"):
            raise UnitUnknown(
                column=column.label, unit=heading.unit_text, measure=measure
            )
    else:
        own = _unit_said(heading, measure, said)
    if own and chosen and own.factor != chosen.factor:
        raise UnitContradictory(
            column=column.label, unit=own.name, given=chosen.name, measure=measure
        )
    return own or chosen


def _unit_said(
    heading: Heading,
    measure: Measure,
    said: Mapping[tuple[Measure, str] | Measure, Unit],
) -> Unit | None:
    """Find the unit that the line above gives a measure, by name or quantity."""
    named = [
        u for key, u in said.items() if isinstance(key, tuple) and key[0] == measure
    ]
    by_quantity = [said.get(measure), said.get("production") if heading.per else None]
    for unit in (*named, *by_quantity):
        found = unit and unit_of(unit.name, measure, per=heading.per)
        if found:
            return found
    return None


def _where(block: Block) -> str:
    row = block.header_rows.start + 1
    return f"{block.sheet.name}!{row}" if block.sheet.name else f"row {row}"
