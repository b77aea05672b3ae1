"""Files as grids of text: CSV of any usual encoding and separator, and XLSX."""

import codecs
import csv
import io
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.statistics.errors import SheetUnknown, TableUnreadable, XlsNotRead

if TYPE_CHECKING:
    from openpyxl.worksheet._read_only import ReadOnlyWorksheet
    from openpyxl.worksheet.worksheet import Worksheet

__all__ = ["Sheet", "read_sheets"]

_OLE = b"\xd0\xcf\x11\xe0"
_ZIP = b"PK\x03\x04"
_SEPARATORS = ",\t;|"

# What openpyxl lets through when a file is no workbook, or a broken one.
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    EOFError,
    SyntaxError,
)


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table as text.

    Attributes
    ----------
    name : str
        Of the worksheet; empty for CSV.
    rows : tuple of tuple of str
        Rows of equal length from the first on, so that row i is number i + 1 in a
        spreadsheet. Blank cells are "", merged cells repeat their text, and a formula
        whose result was not saved is its own text ("=B3*2"), which no number is.
    shared : frozenset of (int, int)
        Row and column, from 0, of the cells merged with one of another row: a number
        in them belongs to no single row.
    """

    name: str
    rows: tuple[tuple[str, ...], ...]
    shared: frozenset[tuple[int, int]] = frozenset()


def read_sheets(path: Path, *, sheet: str | None = None) -> list[Sheet]:
    """Read a CSV file, or every sheet of an XLSX workbook, or the one named.

    Raises
    ------
    TableUnreadable
        The file is none of these, or broken.
    XlsNotRead
        It is an old .xls workbook.
    SheetUnknown
        The workbook has no sheet of this name.
    """
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise TableUnreadable(path, detail=exc.strerror or str(exc)) from exc
    start = content[:512].lstrip().lower()
    if content.startswith(_OLE) or start.startswith((b"<html", b"<table", b"<!doc")):
        raise XlsNotRead(path)
    if not content.startswith(_ZIP):
        return [Sheet("", _rectangle(_csv_rows(path, content)))]
    sheets = _workbook(path, content)
    if sheet is None:
        return sheets
    chosen = [each for each in sheets if each.name == sheet]
    if not chosen:
        raise SheetUnknown(path, sheet=sheet, sheets=[each.name for each in sheets])
    return chosen


def _csv_rows(path: Path, content: bytes) -> list[list[str]]:
    text = _decoded(path, content)
    if "\0" in text:
        raise TableUnreadable(path, detail="it holds zero bytes, so it is no text")
    tables = [list(_split(path, text, separator)) for separator in _SEPARATORS]
    return max(tables, key=_regularity)


def _decoded(path: Path, content: bytes) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings: tuple[str, ...] = ("utf-16",)
    else:
        # Chinese text in GB 18030 is hardly ever valid UTF-8, so this order is safe.
        encodings = ("utf-8-sig", "gb18030")
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError as exc:
            fault = exc
    raise TableUnreadable(
        path, detail=f"byte {fault.start} is neither UTF-8 nor GB 18030"
    ) from fault


def _split(path: Path, text: str, separator: str) -> Iterable[list[str]]:
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    except csv.Error as exc:
        raise TableUnreadable(path, detail=str(exc)) from exc


def _regularity(rows: list[list[str]]) -> tuple[int, int]:
    """How many rows share a width of two or more, and that width."""
    widths = Counter(len(row) for row in rows if len(row) > 1)
    return max(((count, width) for width, count in widths.items()), default=(0, 0))


def _rectangle(rows: Iterable[Iterable[str]]) -> tuple[tuple[str, ...], ...]:
    """Strip the cells and fill the rows up to equal length."""
    stripped = [[cell.strip() for cell in row] for row in rows]
    width = max(map(len, stripped), default=0)
    return tuple((*row, *[""] * (width - len(row))) for row in stripped)


def _workbook(path: Path, content: bytes) -> list[Sheet]:
    from openpyxl import load_workbook

    try:
        with warnings.catch_warnings():
            # openpyxl warns of drawings and validations, which no table needs.
            warnings.simplefilter("ignore", UserWarning)
            saved = load_workbook(io.BytesIO(content), data_only=True)
            written = load_workbook(io.BytesIO(content), read_only=True)
            formulas = {page.title: _formulas(page) for page in written.worksheets}
    except _BROKEN as exc:
        raise TableUnreadable(path, detail=f"broken workbook ({exc})") from exc
    return [_sheet(each, formulas[each.title]) for each in saved.worksheets]


def _formulas(page: "ReadOnlyWorksheet") -> list[tuple[object, ...]]:
    """Return the rows of a sheet up to the last value: a mere format is none."""
    # Some programs save wrong dimensions, by which rows would be cut off.
    page.reset_dimensions()
    rows: list[tuple[object, ...]] = []
    blank = 0
    for row in page.iter_rows(values_only=True):
        if any(value is not None for value in row):
            rows += [()] * blank
            rows.append(row)
            blank = 0
        else:
            blank += 1
    return rows


def _sheet(saved: "Worksheet", written: list[tuple[object, ...]]) -> Sheet:
    width = max(map(_width, written), default=0)
    if not width:
        return Sheet(saved.title, ())
    values = saved.iter_rows(max_row=len(written), max_col=width, values_only=True)
    grid = [
        [_text(*pair) for pair in zip(row, (*formulas, *[None] * width), strict=False)]
        for row, formulas in zip(values, written, strict=True)
    ]
    shared = set()
    for area in saved.merged_cells.ranges:
        rows = range(area.min_row - 1, min(area.max_row, len(grid)))
        columns = range(area.min_col - 1, min(area.max_col, width))
        text = grid[rows[0]][columns[0]] if rows and columns else ""
        for row in rows:
            for column in columns:
                grid[row][column] = text
                if area.max_row > area.min_row:
                    shared.add((row, column))
    return Sheet(saved.title, _rectangle(grid), frozenset(shared))


def _width(row: tuple[object, ...]) -> int:
    return max((n for n, value in enumerate(row, 1) if value is not None), default=0)


def _text(value: object, formula: object) -> str:
    if value is None:
        # Saved by a program that does not compute: silence here would lose a number.
        return "" if formula is None else str(getattr(formula, "text", formula))
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value)
