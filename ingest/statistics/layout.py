"""Where the tables of a sheet are, and what each of their columns holds.

A sheet may hold several tables. Each has a header of one row or more (crops or years
above, measures below, or the other way round), titles and a line of units above it,
and a body below it that ends where the next header begins.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

from ingest.county_codes import NoCounty, find_county
from ingest.statistics.sheets import Sheet
from ingest.statistics.words import (
    Heading,
    NotANumber,
    crops_in,
    is_missing,
    is_note,
    measures_in,
    number_of,
    read_heading,
    unit_line,
    year_of,
    years_in,
)

__all__ = ["Block", "Column", "column_letter", "find_blocks", "is_header"]

# A header of more rows is a table read wrongly.
_MOST_HEADER_ROWS = 6

# The second and later lines of a note: "2. 2018年起……", which is no title.
_NUMBERED = re.compile(r"[(（]?\d{1,2}[.．、)）]")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: its place from 0, its header's text and its meaning."""

    index: int
    text: str
    heading: Heading

    @property
    def label(self) -> str:
        """Its letter and text, as a person finds it in a spreadsheet."""
        return f"{column_letter(self.index)} {self.text}".strip()


@dataclass(frozen=True, slots=True)
class Block:
    """One table of a sheet.

    Attributes
    ----------
    sheet : Sheet
    titles : tuple of str
        Texts above the header, from the top, without notes.
    above : tuple of tuple of str
        Titles of the tables above it on the sheet, the nearest first.
    title_rows, header_rows, body_rows : range
        Rows of the sheet, from 0.
    columns : tuple of Column
        Every column with a heading or numbers, and the one taken for the places.
    """

    sheet: Sheet
    titles: tuple[str, ...]
    above: tuple[tuple[str, ...], ...]
    title_rows: range
    header_rows: range
    body_rows: range
    columns: tuple[Column, ...]

    def column_of(self, role: str) -> Column | None:
        """Return the column of a role; of several the last, which is the finest."""
        found = [each for each in self.columns if each.heading.role == role]
        return found[-1] if found else None


def column_letter(index: int) -> str:
    """Spreadsheet letters of a column counted from 0."""
    letters = ""
    index += 1
    while index:
        index, digit = divmod(index - 1, 26)
        letters = chr(65 + digit) + letters
    return letters


def find_blocks(sheet: Sheet) -> list[Block]:
    """Find the tables of a sheet, from the top.

    A header that is repeated, as at the top of a page, begins no new table unless a
    title above it says something of its own.
    """
    headers = _headers(sheet)
    starts = [_title_start(sheet, header) for header in headers] + [len(sheet.rows)]
    starts[0] = 0
    blocks: list[Block] = []
    for header, first, end in zip(headers, starts, starts[1:], strict=False):
        body = range(header.stop, end)
        titles = range(first, header.start)
        texts = _texts(sheet, titles)
        above = (blocks[-1].titles, *blocks[-1].above) if blocks else ()
        columns = _columns(sheet, header, body)
        blocks.append(Block(sheet, texts, above, titles, header, body, columns))
    return blocks


def is_header(row: Sequence[str]) -> bool:
    """Whether a row names columns: a place or code, or measures, and no numbers."""
    texts = {text for text in row if text}
    headings = [read_heading(text) for text in texts]
    if len(texts) < 2 or any(_is_number(text) for text in texts):
        return False
    return any(
        each.role in ("place", "code") or (each.measure and not each.stray)
        for each in headings
    )


def _headers(sheet: Sheet) -> list[range]:
    found: list[range] = []
    row = 0
    while row < len(sheet.rows):
        if not is_header(sheet.rows[row]):
            row += 1
            continue
        first = row
        while first > 0 and _is_group_row(sheet.rows[first - 1]):
            first -= 1
        while row < len(sheet.rows) and _goes_on(sheet.rows[row], row - first):
            row += 1
        if row < len(sheet.rows) and _is_below(sheet, range(first, row)):
            row += 1
        header = range(first, row)
        again = found and _content(sheet, header) == _content(sheet, found[-1])
        titles = range(_title_start(sheet, header), header.start)
        if not again or _says_something(_texts(sheet, titles)):
            found.append(header)
    return found


def _content(sheet: Sheet, rows: range) -> list[tuple[str, ...]]:
    return [sheet.rows[row] for row in rows]


def _goes_on(row: Sequence[str], above: int) -> bool:
    if above >= _MOST_HEADER_ROWS:
        return False
    if above == 0 or is_header(row) or _only_groups(row):
        return True
    texts = [text for text in row if text]
    return not any(map(_is_number, texts)) and any(
        read_heading(text).unit for text in texts
    )


def _is_below(sheet: Sheet, header: range) -> bool:
    """Whether the row below a header says more of its columns: ,上年,本年,上年,本年."""
    row = sheet.rows[header.stop]
    named = {
        index
        for upper in header
        for index, text in enumerate(sheet.rows[upper])
        if read_heading(text).role
    }
    if len(header) >= _MOST_HEADER_ROWS or any(row[index] for index in named or {0}):
        return False
    texts = [text for text in row if text and not is_missing(text)]
    return bool(texts) and all(
        read_heading(text).year or not re.search(r"\d", text) for text in texts
    )


def _only_groups(row: Sequence[str]) -> bool:
    """Whether a row has only crops and years, as above or below the measures."""
    headings = [read_heading(text) for text in row if text]
    return bool(headings) and all(
        (each.crop is not None or each.year) and not each.stray and not each.measure
        for each in headings
    )


def _is_group_row(row: Sequence[str]) -> bool:
    """Whether a row above the header belongs to it, and is no title of one text."""
    texts = {text for text in row if text}
    one = len(texts) == 1 and (row[0] or years_in("".join(texts)))
    return _only_groups(row) and not one


def _title_start(sheet: Sheet, header: range) -> int:
    """First row of the titles above a header: below the numbers and notes above it."""
    row = header.start
    while row > 0 and _is_text_only(sheet.rows[row - 1]):
        row -= 1
    notes = [n for n in range(row, header.start) if _matches(sheet.rows[n], is_note)]
    if not notes:
        return row
    row = notes[-1] + 1
    while row < header.start and _matches(sheet.rows[row], _NUMBERED.match):
        row += 1
    return row


def _is_text_only(row: Sequence[str]) -> bool:
    """Whether a row may be a title: one text, or several that say what is below."""
    texts = list(dict.fromkeys(text for text in row if text))
    if any(map(_is_number, texts)):
        return False
    # A title and its units side by side, but no county whose numbers are missing.
    return len(texts) < 2 or (_says_something(texts) and not any(map(_is_place, texts)))


def _matches(row: Sequence[str], test: Callable[[str], object]) -> bool:
    return any(test(text) for text in row if text)


def _says_something(titles: Iterable[str]) -> bool:
    """Whether titles name a crop, a year, a measure or a unit."""
    return any(
        read(text)
        for text in titles
        for read in (crops_in, years_in, measures_in, unit_line)
    )


def _texts(sheet: Sheet, rows: Iterable[int]) -> tuple[str, ...]:
    found = (text for row in rows for text in sheet.rows[row] if text)
    return tuple(dict.fromkeys(text for text in found if not is_note(text)))


def _is_number(text: str) -> bool:
    """Whether a cell holds a number that is no year."""
    try:
        return number_of(text) is not None and year_of(text) is None
    except NotANumber:
        return False


def _columns(sheet: Sheet, header: range, body: range) -> tuple[Column, ...]:
    rows = _filled(sheet, header)
    unit_rows = [any(_only_unit(text) for text in row) for row in rows]
    columns = []
    for index in range(len(sheet.rows[0])):
        texts = list(dict.fromkeys(row[index] for row in rows if row[index]))
        headings = [
            _as_unit(text) if is_unit_row and row[index] else read_heading(row[index])
            for row, is_unit_row in zip(rows, unit_rows, strict=True)
            if (text := row[index])
        ]
        if headings:
            joined = reduce(
                lambda upper, lower: lower.under(upper), _distinct(headings)
            )
            columns.append(Column(index, " ".join(texts), joined))
        elif any(_is_number(sheet.rows[row][index]) for row in body):
            columns.append(Column(index, "", Heading()))
    return _with_place(sheet, body, columns)


def _distinct(headings: Iterable[Heading]) -> list[Heading]:
    """Drop repetitions: a cell merged downwards says its stray words once."""
    return list(dict.fromkeys(headings))


def _only_unit(text: str) -> bool:
    heading = read_heading(text)
    return heading.unit is not None and heading.measure is None


def _as_unit(text: str) -> Heading:
    """Read a cell of a row of units; what is nothing else is a unit not known."""
    heading = read_heading(text)
    only_stray = heading == Heading(stray=heading.stray)
    return Heading(unit_text=text) if heading.stray and only_stray else heading


def _filled(sheet: Sheet, header: range) -> list[list[str]]:
    """Give a group's name to the blank cells right of it that have something below."""
    rows = [list(sheet.rows[row]) for row in header]
    for level, row in enumerate(rows[:-1]):
        group = ""
        for index, text in enumerate(row):
            below = any(lower[index] for lower in rows[level + 1 :])
            if text:
                group = "" if read_heading(text).role else text
            elif below and not any(upper[index] for upper in rows[:level]):
                row[index] = group
            else:
                group = ""
    return rows


def _with_place(sheet: Sheet, body: range, columns: list[Column]) -> tuple[Column, ...]:
    """Name the first column that holds counties, where the header leaves it blank."""
    if any(each.heading.role in ("place", "code") for each in columns):
        return tuple(columns)
    taken = {c.index for c in columns if c.heading.role or c.heading.measure}
    for index in range(len(sheet.rows[0])):
        cells = (sheet.rows[row][index] for row in body)
        if index not in taken and any(_is_place(cell) for cell in cells if cell):
            others = [each for each in columns if each.index != index]
            return (Column(index, "", Heading(role="place")), *others)
    return tuple(columns)


def _is_place(text: str) -> bool:
    # Any year does: only whether it is a name counts here.
    found = find_county(text, year=2020)
    return not isinstance(found, NoCounty) or found.kind == "total"
