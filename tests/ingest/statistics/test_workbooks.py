"""Yearbook tables as workbooks: merged cells, several sheets, formulas."""

from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from ingest.statistics import Given, Place, read_statistics
from tests.ingest.statistics.builders import places, short
from tests.ingest.wording import english


def saved(folder: Path, *sheets: tuple[str, list[list[Any]], list[str]]) -> Path:
    """Write a workbook; each sheet is its name, its rows and its merged ranges."""
    book = Workbook()
    book.remove(book.active)
    for name, rows, merged in sheets:
        page = book.create_sheet(name)
        for row in rows:
            page.append(row)
        for area in merged:
            page.merge_cells(area)
    path = folder / "yearbook.xlsx"
    book.save(path)
    return path


def test_merged_titles_headers_and_cities(tmp_path: Path) -> None:
    rows: list[list[Any]] = [
        ["2019年各县（市、区）粮食作物生产情况", *[None] * 7],
        ["单位：公顷、吨", *[None] * 7],
        ["市（州）", "县（市、区）", "玉米", None, "水稻", None, "备注", None],
        [None, None, "面积", "产量", "面积", "产量", None, None],
        ["长春市", "合计", 300, 2250, 150, 1200, None, None],
        [None, "农安县", 100, 750, 50, 400, None, None],
        [None, "公主岭市", 200, 1500, 100, 800, "划入", None],
        ["四平市", "铁西区", 10, 70, None, None, None, None],
        ["注：数据为初步统计", *[None] * 7],
    ]
    merged = ["A1:H1", "A2:H2", "A3:A4", "B3:B4", "C3:D3", "E3:F3", "A5:A7", "A9:H9"]

    table = read_statistics(saved(tmp_path, ("表一", rows, merged)))

    assert short(table) == [
        ("220122", "maize", 2019, 100, 750, 7.5),
        ("220122", "rice", 2019, 50, 400, 8.0),
        ("220184", "maize", 2019, 200, 1500, 7.5),
        ("220184", "rice", 2019, 100, 800, 8.0),
        ("220302", "maize", 2019, 10, 70, 7.0),
    ]
    assert table.rows[0].places == (Place("表一", 6),)
    assert places(table.totals) == [("表一!5", "合计")]
    assert table.complete


def test_a_sheet_for_each_crop_and_a_table_of_contents(tmp_path: Path) -> None:
    header = ["地区", "播种面积（千公顷）", "产量（万吨）"]
    path = saved(
        tmp_path,
        ("目录", [["玉米", "第1页"], ["大豆", "第2页"]], []),
        ("玉米", [["2020年"], header, ["农安", 0.1, 0.07]], []),
        ("大豆", [["2020年"], header, ["农安", 0.1, 0.02]], []),
    )

    table = read_statistics(path)

    assert short(table) == [
        ("220122", "maize", 2020, 100, 700, 7.0),
        ("220122", "soybean", 2020, 100, 200, 2.0),
    ]
    assert places(table.asides)[:2] == [
        ("目录!1", "玉米 第1页"),
        ("目录!2", "大豆 第2页"),
    ]


def test_one_sheet_only(tmp_path: Path) -> None:
    header = ["地区", "面积（公顷）", "产量（吨）"]
    path = saved(
        tmp_path,
        ("玉米", [header, ["农安", 100, 700]], []),
        ("水稻", [header, ["农安", 100, 800]], []),
    )

    table = read_statistics(path, Given(year=2020), sheet="水稻")

    assert short(table) == [("220122", "rice", 2020, 100, 800, 8.0)]


def test_area_and_production_on_sheets_of_their_own(tmp_path: Path) -> None:
    path = saved(
        tmp_path,
        ("面积", [["2020年玉米"], ["地区", "面积（公顷）"], ["农安", 100]], []),
        ("产量", [["2020年玉米"], ["地区", "产量（吨）"], ["农安", 700]], []),
    )

    table = read_statistics(path)

    assert short(table) == [("220122", "maize", 2020, 100, 700, 7.0)]
    assert table.rows[0].places == (Place("面积", 3), Place("产量", 3))


def test_a_number_merged_over_two_counties_is_nobody_s(tmp_path: Path) -> None:
    rows: list[list[Any]] = [
        ["县", "面积（公顷）", "产量（吨）"],
        ["农安县", 100, 700],
        ["德惠市", None, 700],
    ]

    table = read_statistics(
        saved(tmp_path, ("表", rows, ["B2:B3"])), Given(crop="maize", year=2020)
    )

    assert table.rows == ()
    assert places(table.problems) == [("表!2", "农安县"), ("表!3", "德惠市")]
    assert "merged over several rows" in english(table.problems[0].reason)


def test_a_formula_never_computed_is_listed(tmp_path: Path) -> None:
    rows: list[list[Any]] = [
        ["县", "面积（公顷）", "产量（吨）"],
        ["农安县", 100, "=B2*7"],
    ]

    table = read_statistics(
        saved(tmp_path, ("表", rows, [])), Given(crop="maize", year=2020)
    )

    assert "'=B2*7' is no number" in english(table.problems[0].reason)


@pytest.mark.parametrize("code", [220184, 220184.0, "220184", 220381])
def test_codes_as_numbers_or_text(tmp_path: Path, code: object) -> None:
    rows: list[list[Any]] = [
        ["代码", "年份", "面积（公顷）", "产量（吨）"],
        [code, 2020, 100, 700],
    ]

    table = read_statistics(saved(tmp_path, ("表", rows, [])), Given(crop="maize"))

    assert short(table) == [("220184", "maize", 2020, 100, 700, 7.0)]
