"""Reading a statistics file: from bytes to rows that agree with themselves."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

from ingest.statistics.errors import HeaderNotFound, NothingTaken
from ingest.statistics.layout import find_blocks
from ingest.statistics.plan import Given, plan_block
from ingest.statistics.records import Entry, Sorted, entries_of
from ingest.statistics.sheets import Sheet, read_sheets
from ingest.statistics.table import Listed, Place, Row, StatisticsTable, Use
from ingest.statistics.units import MEASURES, Measure, rounded
from store.statistics import CountyStatistic

__all__ = ["AGREEMENT", "MOST_AREA_HA", "YIELD_RANGE", "read_statistics", "take_sheets"]

AGREEMENT = Fraction(2, 100)
"""Share by which a yield may differ from production / area: their roundings."""

YIELD_RANGE: dict[str, tuple[Fraction, Fraction]] = {
    "maize": (Fraction(1, 10), Fraction(25)),
    "rice": (Fraction(1, 10), Fraction(20)),
    "soybean": (Fraction(1, 10), Fraction(8)),
}
"""t/ha outside which a county's mean is taken for one in another unit."""

MOST_AREA_HA = 1_200_000
"""Land of the largest county of Jilin, 敦化市: no crop grows on more."""


class _Refused(Exception):
    """Why the numbers of an entry cannot be stored."""


class _NothingGrown(Exception):
    """Zero area and nothing harvested: no statistic, and no fault."""


def read_statistics(
    path: Path, given: Given | None = None, *, sheet: str | None = None
) -> StatisticsTable:
    """Read a table of county statistics from a CSV file or an XLSX workbook.

    Parameters
    ----------
    path
        CSV in UTF-8, UTF-16 or GB 18030, separated by comma, tab, semicolon or bar; or
        an XLSX workbook.
    given
        Crop, year, units and source, for where the file does not say them.
    sheet
        Name of the one worksheet to read; default: all.

    Returns
    -------
    StatisticsTable
        Rows in ha, t and t/ha under the counties' present codes, and everything that
        is no row, each with its place in the file and the reason.

    Raises
    ------
    TableUnreadable, XlsNotRead, SheetUnknown, HeaderNotFound
        The file is no table.
    UnitUnknown, UnitMissing, UnitContradictory, CropMissing, YearMissing
        The table does not say enough; the message says what to give.
    OptionContradictory, TitleNotOfYear
        A title says another crop or year, or is not of a year's harvest.
    """
    sheets = read_sheets(path, sheet=sheet)
    return take_sheets(sheets, given or Given(), path=path)


def take_sheets(
    sheets: Sequence[Sheet], given: Given, *, path: Path
) -> StatisticsTable:
    """Take the tables of sheets that were read; see `read_statistics`."""
    into = Sorted()
    uses: list[Use] = []
    taken = False
    for each in sheets:
        blocks = [
            block
            for block in find_blocks(each)
            if block.column_of("place") or block.column_of("code")
        ]
        # All plans before any entry: a unit lacking further down stops the whole file.
        plans = [plan_block(block, given) for block in blocks]
        for plan in plans:
            entries_of(plan, into)
            uses.extend(plan.uses)
        taken = taken or any(plan.measures for plan in plans)
        if not plans:
            into.asides.extend(_without_table(each))
    if not uses:
        raise HeaderNotFound(path, seen=_beginning(sheets))
    if not taken:
        unused = [f"{use.column}: {use.meaning.split(' · ')[0]}" for use in uses]
        raise NothingTaken(path, columns=unused)
    rows = _rows(into, source=given.source or path.name, file=path.name)
    return _table(rows, into, uses, sheets)


def _table(
    rows: Iterable[Row], into: Sorted, uses: Iterable[Use], sheets: Iterable[Sheet]
) -> StatisticsTable:
    """Put what was listed in the order of the file, as a person goes through it."""
    order = {each.name: number for number, each in enumerate(sheets)}

    def in_order(listed: Iterable[Listed]) -> tuple[Listed, ...]:
        return tuple(sorted(listed, key=lambda x: (order[x.place.sheet], x.place.row)))

    return StatisticsTable(
        rows=tuple(rows),
        unmatched=in_order(into.unmatched),
        totals=in_order(into.totals),
        problems=in_order(into.problems),
        asides=in_order(into.asides),
        uses=tuple(uses),
    )


def _without_table(sheet: Sheet) -> Iterable[Listed]:
    for number, row in enumerate(sheet.rows, 1):
        if texts := [text for text in row if text]:
            yield Listed(
                Place(sheet.name, number),
                " ".join(texts)[:80],
                "",
                None,
                "no table on this sheet · 该工作表中没有统计表",
            )


def _beginning(sheets: Iterable[Sheet]) -> str:
    rows = [row for sheet in sheets for row in sheet.rows if any(row)][:3]
    return " / ".join("|".join(filter(None, row[:9])) for row in rows) or "nothing"


def _rows(into: Sorted, *, source: str, file: str) -> list[Row]:
    """Join the entries of each county, crop and year into a row, or refuse them."""
    groups: dict[tuple[str, str, int], list[Entry]] = defaultdict(list)
    for entry in into.entries:
        groups[entry.key].append(entry)
    rows = []
    for entries in groups.values():
        try:
            rows.append(_row(entries, into, source=source, file=file))
        except _NothingGrown as exc:
            into.asides.extend(entry.listed(str(exc)) for entry in entries)
        except _Refused as exc:
            into.problems.extend(entry.listed(str(exc)) for entry in entries)
    return rows


def _row(entries: Sequence[Entry], into: Sorted, *, source: str, file: str) -> Row:
    values, giving = _joined(entries)
    first = entries[0]
    area, production, yields, derived = _completed(values, first.crop)
    for entry in entries:
        if entry not in giving:
            place = giving[0].place
            into.asides.append(
                entry.listed(f"the same as row {place} · 与第 {place} 行相同")
            )
    return Row(
        CountyStatistic(
            county=first.county,
            crop=first.crop,
            year=first.year,
            yield_t_ha=rounded(yields),
            area_ha=rounded(area),
            source=first.extras.get("source", source),
            simulated=any(entry.simulated for entry in entries),
            production_t=rounded(production),
            derived=first.extras.get("derived", derived),
            file=first.extras.get("file", file),
            written=first.extras["written"],
        ),
        tuple(entry.place for entry in giving),
    )


def _joined(entries: Sequence[Entry]) -> tuple[dict[Measure, Fraction], list[Entry]]:
    """Values of all entries together, and the entries that they are from."""
    values: dict[Measure, Fraction] = {}
    giving: list[Entry] = []
    for entry in entries:
        new = [measure for measure in entry.values if measure not in values]
        differing = [m for m, v in entry.values.items() if values.get(m, v) != v]
        # Which of the two is right nobody can tell here, so neither is stored.
        if differing:
            rows = _some(list(dict.fromkeys(str(each.place) for each in entries)))
            raise _Refused(
                f"rows {rows} give different numbers of {' and '.join(differing)} for"
                f" {entry.county} {entry.crop} {entry.year}: keep one of them"
                f" · 第 {rows} 行对同一县、作物和年份给出不同数值，请只保留一行"
            )
        values |= entry.values
        if new:
            giving.append(entry)
    return values, giving


def _some(rows: Sequence[str], *, most: int = 5) -> str:
    """Name the first rows of many."""
    more = len(rows) - most
    return ", ".join(rows[:most]) + (f" and {more} more" if more > 0 else "")


def _completed(
    values: dict[Measure, Fraction], crop: str
) -> tuple[Fraction, Fraction, Fraction, str | None]:
    """Area, production and yield, and which of them the other two gave."""
    area, production, yields = (values.get(measure) for measure in MEASURES)
    if not any(values.values()):
        if area is not None:
            raise _NothingGrown("nothing was grown: area 0 · 面积为 0，没有种植")
        raise _Refused("only zeros, and no area · 只有 0 而没有面积")
    derived = None
    if len(values) < 2:
        raise _Refused(
            f"only the {next(iter(values))} is given; storing takes two of area,"
            " production and yield · 面积、总产、单产至少要有两项"
        )
    # Something was grown: then a zero is a slip, and dividing by it one more.
    if any(value <= 0 for value in values.values()):
        raise _Refused("a number of 0 or below beside others · 数值为 0 或负数")
    if yields is None:
        assert area is not None
        assert production is not None
        yields, derived = production / area, "yield"
    elif production is None:
        assert area is not None
        production, derived = area * yields, "production"
    elif area is None:
        area, derived = production / yields, "area"
    _check(area, production, yields, crop)
    return area, production, yields, derived


def _check(area: Fraction, production: Fraction, yields: Fraction, crop: str) -> None:
    """Refuse numbers that contradict each other or what a county can bear."""
    quotient = production / area
    if abs(quotient - yields) > AGREEMENT * yields:
        raise _Refused(
            f"production / area is {float(quotient):.4g} t/ha, the yield given"
            f" {float(yields):.4g} t/ha: check the units"
            f" · 总产除以面积为 {float(quotient):.4g} 吨/公顷，而单产为"
            f" {float(yields):.4g} 吨/公顷，请检查单位"
        )
    least, most = YIELD_RANGE[crop]
    if not least <= yields <= most:
        raise _Refused(
            f"{float(yields):.4g} t/ha cannot be the yield of {crop}: check the unit"
            f" · 单产 {float(yields):.4g} 吨/公顷不可能，请检查单位"
        )
    if area > MOST_AREA_HA:
        raise _Refused(
            f"{float(area):.4g} ha is more than any county of Jilin has: check the unit"
            f" · 面积 {float(area):.4g} 公顷超过吉林省任何一个县，请检查单位"
        )
