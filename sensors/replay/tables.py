"""Rows of a file that people export: CSV or Excel."""

import csv
import io
from datetime import date, datetime, time, timedelta
from pathlib import Path

from python_calamine import CalamineError, CalamineWorkbook

from sensors.replay.errors import RecordingInvalid

__all__ = ["Cell", "read_rows"]

Cell = str | float | bool | date | datetime | time | timedelta
"""What a cell holds; an empty one the empty text."""

_WORKBOOKS = {".xls", ".xlsx", ".xlsm", ".xlsb", ".ods"}


def read_rows(path: Path) -> list[list[Cell]]:
    """Read all rows, the header first; of a workbook those of its first sheet.

    Raises
    ------
    RecordingInvalid
        Not there, empty, or neither a workbook nor text.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RecordingInvalid(
            f"{path}: {error.strerror}; check the path · 无法读取文件"
        ) from error
    if not data:
        raise RecordingInvalid(
            f"{path} is empty: export it again · 文件为空，请重新导出"
        )
    is_workbook = path.suffix.lower() in _WORKBOOKS
    rows = _workbook(path, data) if is_workbook else _csv(path, data)
    if not rows:
        raise RecordingInvalid(f"{path} has no rows · 文件没有数据行")
    return rows


def _workbook(path: Path, data: bytes) -> list[list[Cell]]:
    try:
        with CalamineWorkbook.from_filelike(io.BytesIO(data)) as book:
            return book.get_sheet_by_index(0).to_python()
    except (CalamineError, OSError) as error:
        raise RecordingInvalid(
            f"{path} is not a workbook that can be read: {error}; export it again"
            " · 无法读取的 Excel 文件，请重新导出"
        ) from error


def _csv(path: Path, data: bytes) -> list[list[Cell]]:
    text = _decoded(path, data)
    # Exports of a Chinese or German Excel separate by semicolons or tabs.
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    return [[*row] for row in csv.reader(io.StringIO(text), delimiter=separator) if row]


def _decoded(path: Path, data: bytes) -> str:
    # The second is what Excel in China writes.
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise RecordingInvalid(
        f"{path} is neither UTF-8 nor GB18030 text: save it as CSV UTF-8"
        " · 不是 UTF-8 或 GB18030 文本，请另存为 UTF-8 的 CSV"
    )
