"""Delimited text: one row a record, coordinates in two columns or as WKT."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from ingest.ground.errors import ColumnUnclear, EncodingWrong, FileUnreadable

__all__ = ["TextTable", "number_of", "read_table"]


@dataclass(frozen=True, slots=True)
class TextTable:
    """Header and rows, all text; a row can be shorter or longer than the header."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def number_of(text: str) -> float:
    """Read a number; ValueError when it is none.

    An underscore between digits is Python's, and in a file a slip of the keyboard.
    """
    if "_" in text:
        raise ValueError(text)
    return float(text)


def read_table(path: Path, *, encoding: str | None = None) -> TextTable:
    """Read comma, tab or semicolon separated text with a header line.

    Parameters
    ----------
    path : Path
        The file; UTF-8 (with or without byte order mark) or GB 18030 unless
        `encoding` names another.

    Raises
    ------
    FileUnreadable
        No header, or a quotation that never ends.
    EncodingWrong
        The text is not in the encoding.
    ColumnUnclear
        Two columns have one name.
    """
    text = _decoded(path, encoding)
    first = text.partition("\n")[0]
    delimiter = max(",\t;", key=first.count)
    try:
        lines = [
            tuple(cell.strip() for cell in line)
            for line in csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
            if line
        ]
    except csv.Error as exc:
        raise FileUnreadable(
            f"{path}: not a table ({exc}); is the file whole?"
            f" · {path.name} 不是完整的表格，请检查文件",
            path=path,
        ) from exc
    if not lines or not any(lines[0]):
        raise FileUnreadable(
            f"{path}: no header line; name the columns in the first line"
            f" · {path.name} 没有表头，请在第一行写列名",
            path=path,
        )
    columns = _named(lines[0])
    _refuse_twice(columns, path)
    return TextTable(columns, tuple(lines[1:]))


def _named(header: tuple[str, ...]) -> tuple[str, ...]:
    # Spreadsheets and pandas write a first column of numbers without a name.
    return tuple(name or f"column {number}" for number, name in enumerate(header, 1))


def _decoded(path: Path, encoding: str | None) -> str:
    content = path.read_bytes()
    for name in [encoding] if encoding else ["utf-8-sig", "gb18030"]:
        try:
            return content.decode(name)
        except (UnicodeDecodeError, LookupError):
            continue
    tried = encoding or "UTF-8 or GB 18030"
    raise EncodingWrong(
        f"{path}: the text is not {tried}; give --encoding"
        f" · {path.name} 的编码不是 {tried}，请用 --encoding 指明",
        path=path,
    )


def _refuse_twice(columns: tuple[str, ...], path: Path) -> None:
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise ColumnUnclear(
            f"{path}: two columns are named {', '.join(twice)}; rename one"
            f" · {path.name} 有同名的列 {', '.join(twice)}，请改名",
            path=path,
        )
