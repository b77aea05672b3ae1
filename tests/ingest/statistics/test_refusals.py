"""Numbers that stand under a year or a county and are not of it."""

from pathlib import Path
from typing import Any

import pytest

from ingest.statistics import (
    NothingTaken,
    OptionContradictory,
    TitleNotOfYear,
)
from tests.ingest.statistics.builders import places, short, taken
from tests.ingest.wording import english

MAIZE_2022 = {"crop": "maize", "year": 2022}
TITLE = "2022年玉米,,,,\n"
GROUPS = "地区,播种面积(公顷),,总产量(吨),\n"
HECTARES = "县,面积（公顷）,总产（吨）\n"


def simulated(folder: Path, cell: str) -> Any:
    header = "县,面积（公顷）,总产（吨）,模拟\n"
    return taken(folder, f"{header}农安县,100,700,{cell}\n", **MAIZE_2022)


@pytest.mark.parametrize(
    ("cell", "yes"),
    [
        *((text, True) for text in ("是", "Y", "yes", "TRUE", "1", "模拟", "√", "✓")),
        *((text, True) for text in ("模拟数据", "Simulated")),
        *((text, False) for text in ("否", "n", "No", "false", "0", "实际", "real")),
        *((text, False) for text in ("", " ")),
    ],
)
def test_a_row_says_whether_it_is_simulated(
    tmp_path: Path, cell: str, *, yes: bool
) -> None:
    (row,) = simulated(tmp_path, cell).rows

    assert row.statistic.simulated is yes


def test_a_row_that_does_not_say_it_clearly_is_not_stored(tmp_path: Path) -> None:
    table = simulated(tmp_path, "部分")

    assert table.rows == ()
    assert "'部分'" in english(table.problems[0].reason)


@pytest.mark.parametrize("heading", ["是否模拟", "模拟数据"])
def test_other_headings_of_simulated(tmp_path: Path, heading: str) -> None:
    header = f"县,面积（公顷）,总产（吨）,{heading}\n"

    (row,) = taken(tmp_path, f"{header}农安县,100,700,是\n", **MAIZE_2022).rows

    assert row.statistic.simulated


@pytest.mark.parametrize(
    ("below", "numbers"),
    [
        (",上年,本年,上年,本年\n", "290,300,2300,2400"),
        (",计划,实际,计划,实际\n", "290,300,2300,2400"),
        (",2022,比上年增减,2022,比上年增减\n", "300,3,2400,24"),
    ],
)
def test_only_the_year_s_own_column_of_a_group_is_taken(
    tmp_path: Path, below: str, numbers: str
) -> None:
    table = taken(tmp_path, f"{TITLE}{GROUPS}{below}农安县,{numbers}\n")

    assert short(table) == [("220122", "maize", 2022, 300, 2400, 8.0)]
    assert places(table.asides)[2][0] == "3"
    assert table.complete
    assert sum("not used" in use.meaning for use in table.uses) == 2


def test_a_city_without_numbers_below_the_header_is_no_header(tmp_path: Path) -> None:
    text = "市州,县,面积（公顷）,总产（吨）\n四平市,,,\n,铁西,10,70\n"

    table = taken(tmp_path, text, **MAIZE_2022)

    assert short(table) == [("220302", "maize", 2022, 10, 70, 7.0)]


def test_a_heading_over_two_columns_of_numbers_belongs_to_neither(
    tmp_path: Path,
) -> None:
    with pytest.raises(NothingTaken, match="no heading") as caught:
        taken(tmp_path, f"{TITLE}{GROUPS}农安县,290,300,2300,2400\n")

    assert "C: " in english(str(caught.value))


def test_a_column_of_numbers_without_a_heading_is_shown(tmp_path: Path) -> None:
    text = ",县,面积（公顷）,总产（吨）\n7,农安县,100,700\n"

    table = taken(tmp_path, text, **MAIZE_2022)

    assert len(table.rows) == 1
    assert "no heading" in english(table.uses[0].meaning)


def test_a_line_of_text_without_a_place_is_an_aside(tmp_path: Path) -> None:
    text = f"{HECTARES}农安县,100,700\n,续上年,续上年\n"

    table = taken(tmp_path, text, **MAIZE_2022)

    assert table.complete
    assert places(table.asides)[1][0] == "3"


@pytest.mark.parametrize(
    ("title", "told"),
    [
        ("2018—2022年平均各县玉米播种面积和总产量", "平均"),
        ("2018—2022年各县玉米播种面积和总产量", "2018—2022年"),
        ("2021-2022年各县玉米", "2021-2022年"),
        ("2021、2022年各县玉米", "2021、2022年"),
        ("2022年玉米计划播种面积和预计总产量", "计划"),
        ("2022年各县玉米产量预测", "预测"),
        ("2022年各县制种玉米播种面积", "制种"),
        ("2022年糯玉米（鲜食）播种面积", "糯"),
        ("2022年青贮玉米播种面积", "青贮"),
        ("2022年各县玉米五年平均产量", "五年平均"),
    ],
)
def test_a_title_of_something_else_than_the_year_s_harvest(
    tmp_path: Path, title: str, told: str
) -> None:
    with pytest.raises(TitleNotOfYear) as caught:
        taken(tmp_path, f"{title},,\n{HECTARES}农安县,100,700\n")

    assert repr(told) in english(str(caught.value))
    assert title in str(caught.value)


@pytest.mark.parametrize(
    "title",
    ["2022年玉米播种面积、总产量和平均单产", "玉米2022年平均亩产", "2022年玉米"],
)
def test_titles_of_the_year_s_harvest(tmp_path: Path, title: str) -> None:
    assert len(taken(tmp_path, f"{title},,\n{HECTARES}农安县,100,700\n").rows) == 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"year": 2019}, "--year says 2019"),
        ({"crop": "rice"}, "--crop says rice"),
    ],
)
def test_an_option_that_contradicts_the_title(
    tmp_path: Path, given: dict[str, Any], told: str
) -> None:
    with pytest.raises(OptionContradictory) as caught:
        taken(tmp_path, f"{TITLE}{HECTARES}农安县,100,700\n", **given)

    assert told in english(str(caught.value))


def test_an_option_may_choose_among_what_a_title_names(tmp_path: Path) -> None:
    text = f"玉米和水稻,,\n{HECTARES}农安县,100,700\n"

    assert len(taken(tmp_path, text, **MAIZE_2022).rows) == 1


@pytest.mark.parametrize("name", ["朝阳", "西安", "铁西", "龙山"])
def test_a_district_s_bare_name_needs_its_city(tmp_path: Path, name: str) -> None:
    table = taken(tmp_path, f"{HECTARES}{name},100,700\n", **MAIZE_2022)

    assert "without its city" in english(table.unmatched[0].reason)


def test_the_title_may_name_the_city(tmp_path: Path) -> None:
    text = f"四平市2022年玉米,,\n{HECTARES}铁西,100,700\n朝阳,100,700\n"

    table = taken(tmp_path, text)

    assert [row.statistic.county for row in table.rows] == ["220302"]
    assert places(table.unmatched) == [("4", "朝阳")]


def test_a_total_is_listed_once(tmp_path: Path) -> None:
    text = (
        "2022年,,,,\n县,玉米,,大豆,\n,面积（公顷）,产量（吨）,面积（公顷）,产量（吨）\n"
    )

    table = taken(tmp_path, f"{text}合计,100,700,-,-\n")

    assert places(table.totals) == [("4", "合计")]
    assert [each.place.row for each in table.asides] == [1, 2, 3]


def test_a_reason_names_five_rows_at_most(tmp_path: Path) -> None:
    rows = "".join(f"农安县,100,{700 + number}\n" for number in range(9))

    table = taken(tmp_path, HECTARES + rows, **MAIZE_2022)

    assert len(table.problems) == 9
    assert "rows 2, 3, 4, 5, 6 and 4 more give" in english(table.problems[8].reason)
