"""From the rows of a planned table to entries: one for each row, crop and year."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from ingest.county_codes import (
    CountyMatch,
    NoCounty,
    find_county,
    plain_name,
    prefecture_of,
    prefectures_in,
)
from ingest.statistics.layout import Block, is_header
from ingest.statistics.plan import MeasureColumn, Plan
from ingest.statistics.table import Listed, Place
from ingest.statistics.units import MEASURES, MEASURES_ZH, Measure
from ingest.statistics.words import (
    NotANumber,
    crop_of,
    is_missing,
    is_note,
    number_of,
    truth_of,
    year_of,
)

__all__ = ["Entry", "Sorted", "entries_of"]

_DERIVED = {name: name for name in MEASURES} | {
    chinese: name for name, chinese in MEASURES_ZH.items()
}
_HEADING = re.compile(r"(省|自治区|市|州|盟|地区)$")


@dataclass(frozen=True, slots=True)
class Entry:
    """The numbers of one county, crop and year in one row of the file.

    Attributes
    ----------
    place : Place
    name : str
        As written.
    county : str
        Present code.
    crop : str
    year : int
    values : dict of measure to Fraction
        In ha, t and t/ha, exact; only what the row gives.
    extras : dict of role to str
        Cells of the columns that an export adds: source, file, written, derived.
    simulated : bool
    """

    place: Place
    name: str
    county: str
    crop: str
    year: int
    values: dict[Measure, Fraction]
    extras: dict[str, str]
    simulated: bool

    @property
    def key(self) -> tuple[str, str, int]:
        """What there can be only one of."""
        return self.county, self.crop, self.year

    def listed(self, reason: str) -> Listed:
        """List it with a reason for not being stored."""
        return Listed(self.place, self.name, self.crop, self.year, reason)


@dataclass(slots=True)
class Sorted:
    """What entries of a file became so far."""

    entries: list[Entry] = field(default_factory=list)
    unmatched: list[Listed] = field(default_factory=list)
    totals: list[Listed] = field(default_factory=list)
    problems: list[Listed] = field(default_factory=list)
    asides: list[Listed] = field(default_factory=list)


@dataclass(slots=True)
class _Context:
    """What rows above say of the rows below."""

    heading: str = ""
    columns: dict[str, str] = field(default_factory=dict)


def entries_of(plan: Plan, into: Sorted) -> None:
    """Sort every row of a block, its titles and header included."""
    block = plan.block
    for row in (*block.title_rows, *block.header_rows):
        _aside(plan, row, "title or header · 标题或表头", into)
    context = _Context()
    groups = _groups(plan.measures)
    for row in block.body_rows:
        cells = block.sheet.rows[row]
        why = _why_no_entry(cells, plan)
        _remember_columns(plan, cells, context, entry=not why)
        if why:
            _aside(plan, row, why, into)
        else:
            _sort_row(_RowOf(plan, row, context), list(groups.values()), into)
        _remember_heading(plan, cells, context)


def _sort_row(
    row: "_RowOf", groups: Sequence[Sequence[MeasureColumn]], into: Sorted
) -> None:
    """List a total once, whatever it has columns for; sort the entries of others."""
    total = row.found(0)
    if row.foreign or not isinstance(total, NoCounty) or total.kind != "total":
        for columns in groups:
            _sort(row, columns, into)
        return
    crop, year = row.cell("crop"), year_of(row.cell("year"))
    if len(groups) == 1:
        crop = groups[0][0].crop or crop_of(crop) or crop
        year = groups[0][0].year or year
    into.totals.append(_Lister(row, crop, year)(total.reason))


def _groups(
    columns: Sequence[MeasureColumn],
) -> dict[tuple[str | None, int | None], list[MeasureColumn]]:
    groups: dict[tuple[str | None, int | None], list[MeasureColumn]] = defaultdict(list)
    for each in columns:
        groups[each.crop, each.year].append(each)
    return groups


def _aside(plan: Plan, row: int, reason: str, into: Sorted) -> None:
    texts = list(dict.fromkeys(text for text in plan.block.sheet.rows[row] if text))
    if texts:
        place = Place(plan.block.sheet.name, row + 1)
        into.asides.append(Listed(place, " ".join(texts)[:80], "", None, reason))


def _why_no_entry(cells: Sequence[str], plan: Plan) -> str:
    """Reason for which a row has no entries at all; empty when it has some."""
    if is_header(cells):
        return "the header again · 重复的表头"
    texts = [text for text in cells if text]
    if _only_text(cells, plan):
        return "a line of text · 文字行"
    if _numbers_columns(texts):
        return "numbers of the columns · 栏号"
    measured = [cells[each.column.index] for each in plan.measures]
    if any(not is_missing(text) for text in measured):
        # One text merged over the whole row is a note, not a value in each column.
        alone = len(set(texts)) == 1 and not _is_number(texts[0])
        return "a line of text · 文字行" if alone else ""
    if texts and is_note(texts[0]):
        return "note · 注释"
    if plan.measures:
        return "no number in the row · 该行没有数值"
    return "no column of the table is taken · 表中没有可采用的列"


def _only_text(cells: Sequence[str], plan: Plan) -> bool:
    """Whether a row has no place, and words where the numbers should be."""
    named = (plan.block.column_of(role) for role in ("place", "code"))
    measured = [cells[each.column.index] for each in plan.measures]
    said = [text for text in measured if not is_missing(text)]
    return (
        bool(said)
        and not any(cells[each.index] for each in named if each)
        and not any(re.search(r"[\d=]", text) for text in said)
    )


def _numbers_columns(texts: Sequence[str]) -> bool:
    """Whether a row only counts the columns: 甲 1 2 3, as yearbooks have it."""
    counted = [text for text in texts if text not in "甲乙丙丁"]
    return len(counted) > 1 and counted == [str(n + 1) for n in range(len(counted))]


def _is_number(text: str) -> bool:
    try:
        return number_of(text) is not None
    except NotANumber:
        return False


def _remember_columns(
    plan: Plan, cells: Sequence[str], context: _Context, *, entry: bool
) -> None:
    """Fill down the columns of province and prefecture, written once a group.

    In a row without numbers only what looks like one counts: a note does not.
    """
    for role in ("province", "prefecture"):
        column = plan.block.column_of(role)
        text = plain_name(cells[column.index]) if column is not None else ""
        if text and (entry or prefecture_of(text) or _HEADING.search(text)):
            context.columns[role] = text


def _remember_heading(plan: Plan, cells: Sequence[str], context: _Context) -> None:
    """Take a row of a city or a foreign province as the heading of those below."""
    column = plan.block.column_of("place")
    name = plain_name(cells[column.index]) if column else ""
    if prefecture_of(name) is not None:
        context.heading = name
    elif name in ("全省", "吉林省"):
        context.heading = ""
    elif _HEADING.search(name) and not _is_known(name):
        context.heading = name


def _is_known(name: str) -> bool:
    found = find_county(name, year=2020)
    return not isinstance(found, NoCounty) or found.kind == "total"


@dataclass(frozen=True, slots=True)
class _RowOf:
    """One row of a block, with what stands above it."""

    plan: Plan
    row: int
    context: _Context

    def cell(self, role: str) -> str:
        column = self.plan.block.column_of(role)
        return "" if column is None else self.cells[column.index]

    @property
    def cells(self) -> Sequence[str]:
        return self.plan.block.sheet.rows[self.row]

    @property
    def place(self) -> Place:
        return Place(self.plan.block.sheet.name, self.row + 1)

    @property
    def prefecture(self) -> str:
        return self.context.columns.get("prefecture", self.context.heading)

    @property
    def name(self) -> str:
        # A row of a city without a county is the city's total.
        return self.cell("place") or ("" if self.cell("code") else self.prefecture)

    @property
    def foreign(self) -> str:
        """Another province than Jilin, where the table names one."""
        province = self.context.columns.get("province", "")
        return "" if province in ("吉林", "吉林省") else province

    def found(self, year: int) -> CountyMatch | NoCounty:
        """Return the county it means in a year; what is a total is one in any."""
        city = self.prefecture or _titled_prefecture(self.plan.block)
        return find_county(
            self.name, year=year, code=self.cell("code"), prefecture=city
        )


def _titled_prefecture(block: Block) -> str:
    """Return the one city that the titles name in full."""
    for titles in (block.titles, *block.above, (block.sheet.name,)):
        cities = {city for text in titles for city in prefectures_in(text)}
        if cities:
            return cities.pop() if len(cities) == 1 else ""
    return ""


def _sort(row: _RowOf, columns: Sequence[MeasureColumn], into: Sorted) -> None:
    """Put one entry where it belongs, or make it an `Entry`."""
    crop_text, year_text = row.cell("crop"), row.cell("year")
    crop = columns[0].crop or crop_of(crop_text)
    year = columns[0].year or year_of(year_text)
    listed = _Lister(row, crop or crop_text, year)
    if all(is_missing(row.cells[each.column.index]) for each in columns):
        into.asides.append(listed("no number for it · 无数值"))
    elif crop == "":
        into.asides.append(listed("a crop that is not kept · 未收录的作物"))
    elif year is None:
        into.problems.append(
            listed(f"{year_text!r} is no year · “{year_text}”不是年份")
        )
    else:
        _sort_place(row, columns, (crop, year), listed, into)


@dataclass(frozen=True, slots=True)
class _Lister:
    row: _RowOf
    crop: str
    year: int | None

    def __call__(self, reason: str) -> Listed:
        name = self.row.name or self.row.cell("code")
        return Listed(self.row.place, name, self.crop, self.year, reason)


def _sort_place(
    row: _RowOf,
    columns: Sequence[MeasureColumn],
    what: tuple[str | None, int],
    listed: _Lister,
    into: Sorted,
) -> None:
    crop, year = what
    found = row.found(year)
    if row.foreign:
        reason = f"{row.foreign} is not Jilin · {row.foreign}不是吉林省"
        into.unmatched.append(listed(reason))
    elif isinstance(found, NoCounty):
        {
            "total": into.totals,
            "unmatched": into.unmatched,
            "contradictory": into.problems,
        }[found.kind].append(listed(found.reason))
    elif crop is None:
        text = row.cell("crop")
        into.unmatched.append(listed(f"no crop {text!r} is known · 未知作物“{text}”"))
    else:
        try:
            values, extras = _values(row, columns), _extras(row)
            simulated = _simulated(row)
        except NotANumber as exc:
            into.problems.append(listed(str(exc)))
            return
        into.entries.append(
            Entry(
                *(row.place, row.name or row.cell("code"), found.code, crop, year),
                *(values, extras, simulated),
            )
        )


def _extras(row: _RowOf) -> dict[str, str]:
    """Read what an exported table adds, and how the county is written."""
    roles = ("source", "file", "written", "derived")
    extras = {role: text for role in roles if (text := _unguarded(row.cell(role)))}
    if (derived := extras.get("derived")) is not None:
        extras["derived"] = _DERIVED.get(derived, "")
        if not extras["derived"]:
            raise NotANumber(
                f"{derived!r} is no measure that can be derived"
                f" · “{derived}”不是可推算的指标"
            )
    extras.setdefault("written", f"{row.name} {row.cell('code')}".strip())
    return extras


def _simulated(row: _RowOf) -> bool:
    text = row.cell("simulated")
    found = truth_of(text)
    # Taken for real, it would stand where only real numbers may.
    if found is None:
        raise NotANumber(
            f"simulated or not? {text!r} is neither yes nor no: write 是 or 否"
            f" · 是否模拟？“{text}”无法识别，请写 是 或 否"
        )
    return found


def _unguarded(text: str) -> str:
    """Undo the apostrophe that keeps a spreadsheet from reading a formula."""
    return text[1:] if re.match(r"'+[=+\-@\t\r]", text) else text


def _values(row: _RowOf, columns: Sequence[MeasureColumn]) -> dict[Measure, Fraction]:
    """Read the numbers of an entry in SI units.

    Raises
    ------
    NotANumber
        The message says of which column, and what to do.
    """
    values: dict[Measure, Fraction] = {}
    for each, number in _numbers(row, columns):
        value = number * each.unit.factor
        before = values.setdefault(each.measure, value)
        # The same quantity in two units may differ by a rounding, not by more.
        if abs(before - value) > abs(value) / 50:
            raise NotANumber(
                f"two columns of {each.measure} disagree: {float(before):g} and"
                f" {float(value):g} · 两列{MEASURES_ZH[each.measure]}不一致"
            )
    return {measure: values[measure] for measure in MEASURES if measure in values}


def _numbers(
    row: _RowOf, columns: Sequence[MeasureColumn]
) -> Iterator[tuple[MeasureColumn, Fraction]]:
    for each in columns:
        index = each.column.index
        text, label = row.cells[index], each.column.label
        if text and (row.row, index) in row.plan.block.sheet.shared:
            raise NotANumber(
                f"column {label}: the cell is merged over several rows; give each row"
                f" its own number · 列“{label}”的单元格跨行合并，请逐行填写"
            )
        try:
            number = number_of(text)
        except NotANumber:
            raise NotANumber(
                f"column {label}: {text!r} is no number · 列“{label}”的“{text}”不是数字"
            ) from None
        if number is not None:
            yield each, number
