import zipfile
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from ingest.statistics.errors import SheetUnknown, TableUnreadable, XlsNotRead
from ingest.statistics.sheets import read_sheets
from tests.ingest.wording import english

ROWS = (("县", "面积（亩）"), ("农安县", "1,5"), ("榆树市", "2"))


def write(folder: Path, content: bytes, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def csv_text(separator: str) -> str:
    lines = [[f'"{cell}"' if "," in cell else cell for cell in row] for row in ROWS]
    return "\r\n".join(separator.join(line) for line in lines)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk", "utf-16"])
@pytest.mark.parametrize("separator", [",", "\t", ";", "|"])
def test_csv_of_any_encoding_and_separator(
    tmp_path: Path, encoding: str, separator: str
) -> None:
    (sheet,) = read_sheets(write(tmp_path, csv_text(separator).encode(encoding)))

    assert sheet.rows == ROWS
    assert sheet.name == ""


def test_a_thousands_comma_is_no_separator(tmp_path: Path) -> None:
    text = "县;面积;产量\n农安县;1,234;5,678\n榆树市;9;8\n"

    (sheet,) = read_sheets(write(tmp_path, text.encode()))

    assert sheet.rows[1] == ("农安县", "1,234", "5,678")


def test_rows_are_filled_up_and_keep_their_number(tmp_path: Path) -> None:
    (sheet,) = read_sheets(write(tmp_path, "标题\n\n县,面积,产量\n".encode()))

    assert sheet.rows == (("标题", "", ""), ("", "", ""), ("县", "面积", "产量"))


@pytest.mark.parametrize(
    "content", [b"\xff\xff\xff,\xff", b"a,b\n\0,c\n", b"PK\x03\x04 broken"]
)
def test_what_is_no_table(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path, content)

    with pytest.raises(TableUnreadable) as caught:
        read_sheets(path)

    assert str(path) in english(str(caught.value))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TableUnreadable, match="No such file"):
        read_sheets(tmp_path / "none.csv")


@pytest.mark.parametrize(
    "content", [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"\r\n<html><table>", b"<!DOCTYPE"]
)
def test_old_workbooks_are_to_be_saved_anew(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(XlsNotRead, match=r"save it as \.xlsx") as caught:
        read_sheets(write(tmp_path, content, "table.xls"))

    english(str(caught.value))


def test_another_zip_is_no_workbook(tmp_path: Path) -> None:
    path = tmp_path / "table.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "x")

    with pytest.raises(TableUnreadable, match="broken workbook"):
        read_sheets(path)


def workbook(folder: Path, **sheets: list[list[Any]]) -> Path:
    book = Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        page = book.create_sheet(name)
        for row in rows:
            page.append(row)
    path = folder / "book.xlsx"
    book.save(path)
    return path


def test_cells_of_a_workbook_as_text(tmp_path: Path) -> None:
    path = workbook(
        tmp_path, 玉米=[["县", 2019, 438.1], [" 农安县 ", 1e6, None], [None, 0.5, True]]
    )

    (sheet,) = read_sheets(path)

    assert sheet.name == "玉米"
    assert sheet.rows == (
        ("县", "2019", "438.1"),
        ("农安县", "1000000", ""),
        ("", "0.5", "True"),
    )


def test_merged_cells_repeat_their_text(tmp_path: Path) -> None:
    book = Workbook()
    page = book.active
    for row in [["地区", "玉米", None], [None, "面积", "产量"], ["农安县", 1, 2]]:
        page.append(row)
    page.merge_cells("A1:A2")
    page.merge_cells("B1:C1")
    book.save(tmp_path / "book.xlsx")

    (sheet,) = read_sheets(tmp_path / "book.xlsx")

    assert sheet.rows[:2] == (("地区", "玉米", "玉米"), ("地区", "面积", "产量"))
    assert sheet.shared == {(0, 0), (1, 0)}


def test_a_formula_without_a_saved_result_is_not_taken_for_a_blank(
    tmp_path: Path,
) -> None:
    (sheet,) = read_sheets(workbook(tmp_path, a=[["县", "面积"], ["农安县", "=B9*2"]]))

    assert sheet.rows[1] == ("农安县", "=B9*2")


def test_a_format_far_below_makes_no_rows(tmp_path: Path) -> None:
    book = Workbook()
    book.active.append(["县", "面积"])
    book.active.append(["农安县", 1])
    book.active.cell(1_048_576, 9).number_format = "0.00"
    book.active.merge_cells("A2:A9")
    book.save(tmp_path / "book.xlsx")

    (sheet,) = read_sheets(tmp_path / "book.xlsx")

    assert sheet.rows == (("县", "面积"), ("农安县", "1"))
    assert sheet.shared == {(1, 0)}


def test_one_sheet_by_name(tmp_path: Path) -> None:
    path = workbook(tmp_path, 目录=[["a"]], 玉米=[["b"]])

    assert [each.name for each in read_sheets(path)] == ["目录", "玉米"]
    assert [each.name for each in read_sheets(path, sheet="玉米")] == ["玉米"]
    with pytest.raises(SheetUnknown, match="it has: 目录, 玉米") as caught:
        read_sheets(path, sheet="大豆")
    english(str(caught.value))
