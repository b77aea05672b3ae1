from pathlib import Path
from typing import Any

import pytest

from ingest.statistics import (
    CropMissing,
    HeaderNotFound,
    NothingTaken,
    Place,
    StatisticsError,
    UnitContradictory,
    UnitMissing,
    UnitUnknown,
    YearMissing,
)
from tests.ingest.statistics.builders import places, short, taken
from tests.ingest.wording import english

MAIZE_2022 = {"crop": "maize", "year": 2022}
HECTARES = "县,面积（公顷）,总产（吨）\n"

# As a page of a yearbook: title, units, a header of two rows, numbers of the columns,
# totals, cities as headings, a page break, notes.
YEARBOOK = """\
2-15  2019年各县（市、区）主要粮食作物生产情况,,,,,,
,,,,,,单位：万亩、吨、公斤/亩
地  区,玉    米,,,大    豆,,
,面 积,单 产,总 产,面 积,单 产,总 产
甲,1,2,3,4,5,6
全　　省,9000,500,"45,000,000",500,150,750000
长春市,1000,500,"5,000,000",－,—,…
　农安县,400,500.0,"2,000,000",10,150,15000
　九台区,２００,５００,１０００００,,,
　净月开发区,1,500,5000,,,
四平市,,,,,,
　铁西区,0.3,400,1200,,,
　公 主 岭,438.1,604.9,"2,650,000",5,140,7000
续表,,,,,,
地  区,玉    米,,,大    豆,,
,面 积,单 产,总 产,面 积,单 产,总 产
　梨树,300,600,1800000,0,,0
注：1.公主岭市自2020年起由长春市代管。,,,,,,
资料来源：各县统计局,,,,,,
"""


def test_a_page_of_a_yearbook(tmp_path: Path) -> None:
    table = taken(tmp_path, YEARBOOK)

    assert short(table) == [
        ("220122", "maize", 2019, 266_666.67, 2_000_000, 7.5),
        ("220122", "soybean", 2019, 6_666.67, 15_000, 2.25),
        ("220302", "maize", 2019, 200, 1_200, 6.0),
        ("220184", "maize", 2019, 292_066.67, 2_650_000, 9.0735),
        ("220184", "soybean", 2019, 3_333.33, 7_000, 2.1),
        ("220322", "maize", 2019, 200_000, 1_800_000, 9.0),
    ]
    assert places(table.unmatched) == [("10", "净月开发区")]
    assert places(table.totals) == [
        ("6", "全　　省"),
        ("7", "长春市"),
    ]
    # 200 万亩 at 500 公斤 are a million tonnes, not the tenth of it.
    assert places(table.problems) == [("9", "九台区")]
    assert "0.75 t/ha" in english(table.problems[0].reason)
    assert {each.place.row for each in table.asides} == {
        *(1, 2, 3, 4, 5, 9, 10, 11, 12, 14, 15, 16, 17, 18, 19)
    }


def test_yearbook_rows_keep_what_was_written(tmp_path: Path) -> None:
    row = next(
        each
        for each in taken(tmp_path, YEARBOOK, source="吉林统计年鉴").rows
        if each.statistic.county == "220184"
    )

    assert row.places == (Place("", 13),)
    assert row.statistic.written == "公 主 岭"
    assert row.statistic.source == "吉林统计年鉴"
    assert row.statistic.file == "table.csv"
    assert row.statistic.derived is None
    assert row.statistic.simulated is False


def test_gongzhuling_2022(tmp_path: Path) -> None:
    # Expected before the harvest of 2022: 438.1 万亩 of maize, 53 亿斤.
    table = taken(
        tmp_path, "县,面积（万亩）,总产（亿斤）\n公主岭,438.1,53\n", **MAIZE_2022
    )

    assert short(table) == [("220184", "maize", 2022, 292_066.67, 2_650_000, 9.0733)]
    assert table.rows[0].statistic.derived == "yield"


@pytest.mark.parametrize(
    ("header", "numbers", "derived"),
    [
        ("面积（公顷）,总产（吨）", "1000,7500", "yield"),
        ("面积（万亩）,单产（斤/亩）", "1.5,1000", "production"),
        ("单产（公斤/公顷）,总产（万斤）", "7500,1500", "area"),
        ("面积（千公顷）,总产（万吨）,单产（t/ha）", "1,0.75,7.5", None),
        ("面积（亩）,亩产（公斤）", "15000,500", "production"),
        ("面积（ha）,每公顷产量（公斤）", "1000,7500", "production"),
    ],
)
def test_two_of_three_give_the_third(
    tmp_path: Path, header: str, numbers: str, derived: str | None
) -> None:
    table = taken(tmp_path, f"县,{header}\n农安县,{numbers}\n", **MAIZE_2022)

    assert short(table) == [("220122", "maize", 2022, 1000, 7500, 7.5)]
    assert table.rows[0].statistic.derived == derived


@pytest.mark.parametrize(
    ("yields", "fits"),
    [("7.36", True), ("7.64", True), ("7.34", False), ("7.66", False)],
)
def test_the_three_must_agree_within_two_percent(
    tmp_path: Path, yields: str, *, fits: bool
) -> None:
    text = f"县,面积（公顷）,总产（吨）,单产（t/ha）\n农安县,1000,7500,{yields}\n"

    table = taken(tmp_path, text, **MAIZE_2022)

    assert bool(table.rows) is fits
    assert bool(table.problems) is not fits


def test_a_long_table(tmp_path: Path) -> None:
    text = """\
年份,作物,市（州）,县（市、区）,代码,播种面积（公顷）,总产量（吨）
2019,玉米,四平市,公主岭市,220381,1000,9000
2021,玉米,长春市,公主岭市,220184,1000,9500
2021,水稻,,德惠市,220183,100,800
2021,大豆,,,,10,20
2021,小麦,,德惠市,220183,10,30
2021,神豆,,德惠市,220183,10,20
21,大豆,,德惠市,220183,10,20
2021,大豆,,德惠市,220122,10,20
"""
    table = taken(tmp_path, text)

    assert short(table) == [
        ("220184", "maize", 2019, 1000, 9000, 9.0),
        ("220184", "maize", 2021, 1000, 9500, 9.5),
        ("220183", "rice", 2021, 100, 800, 8.0),
    ]
    assert table.rows[0].statistic.written == "公主岭市 220381"
    # A row of a city without a county is the city's.
    assert places(table.totals) == [("5", "长春市")]
    assert "not kept" in english(table.asides[1].reason)
    assert "no crop '神豆'" in english(table.unmatched[0].reason)
    assert "'21' is no year" in english(table.problems[0].reason)
    assert "220122 is 农安县" in english(table.problems[1].reason)


def test_years_as_columns_and_the_measure_in_the_title(tmp_path: Path) -> None:
    text = """\
2018—2019年各县玉米播种面积
单位：公顷
地区,2018年,2019年
农安县,100,200
2018—2019年各县玉米产量
单位：吨
地区,2018年,2019年
农安县,700,1500
榆树市,700,
"""
    table = taken(tmp_path, text)

    assert short(table) == [
        ("220122", "maize", 2018, 100, 700, 7.0),
        ("220122", "maize", 2019, 200, 1500, 7.5),
    ]
    assert table.rows[0].places == (Place("", 4), Place("", 8))
    assert places(table.problems) == [("9", "榆树市")]
    assert "only the production" in english(table.problems[0].reason)


def test_years_above_measures(tmp_path: Path) -> None:
    text = """\
县,玉米播种面积（公顷）,,玉米产量（吨）,
,2018,2019,2018,2019
农安县,100,200,700,1500
"""
    assert short(taken(tmp_path, text)) == [
        ("220122", "maize", 2018, 100, 700, 7.0),
        ("220122", "maize", 2019, 200, 1500, 7.5),
    ]


def test_a_row_of_units_below_the_names(tmp_path: Path) -> None:
    text = "2020年,,\n县名,大豆播种面积,大豆总产量\n,公顷,吨\n农安县,10,20\n"

    assert short(taken(tmp_path, text)) == [("220122", "soybean", 2020, 10, 20, 2.0)]


def test_a_corner_left_blank(tmp_path: Path) -> None:
    text = "2020年,,,\n,,玉米,\n序号,,面积（公顷）,产量（吨）\n1,农安县,100,700\n"

    assert short(taken(tmp_path, text)) == [("220122", "maize", 2020, 100, 700, 7.0)]


def test_columns_that_are_not_understood_are_shown_as_unused(tmp_path: Path) -> None:
    text = "县,面积（公顷）,面积增减（公顷）,总产（吨）,备注\n农安县,100,50,700,好\n"

    table = taken(tmp_path, text, **MAIZE_2022)

    assert short(table) == [("220122", "maize", 2022, 100, 700, 7.0)]
    assert [use.column for use in table.uses if "not used" in use.meaning] == [
        "C 面积增减（公顷）",
        "E 备注",
    ]


def test_crops_that_are_parts_of_the_column_before(tmp_path: Path) -> None:
    text = """\
2020年,,,,,,
县,播种面积（公顷）,#玉米,#大豆,产量（吨）,#玉米,#大豆
农安县,100,50,10,420,350,20
"""
    for given in ({}, {"crop": "maize"}):
        assert short(taken(tmp_path, text, **given)) == [
            ("220122", "maize", 2020, 50, 350, 7.0),
            ("220122", "soybean", 2020, 10, 20, 2.0),
        ]


@pytest.mark.parametrize(
    "header",
    [
        "县,玉米（含青贮）播种面积（公顷）,玉米（含青贮）产量（吨）\n",
        "县,玉米（含青贮）,\n,播种面积（公顷）,产量（吨）\n",
    ],
)
def test_a_crop_with_something_else_in_it_is_not_taken(
    tmp_path: Path, header: str
) -> None:
    with pytest.raises(NothingTaken, match="'含青贮' is not understood"):
        taken(tmp_path, f"{header}农安县,100,700\n", year=2020)


def test_another_crop_s_columns_are_left_alone(tmp_path: Path) -> None:
    text = """\
2020年,,,,
县,小麦,,玉米,
,面积（垧）,产量,面积（公顷）,产量（吨）
农安县,1,2,100,700
"""
    assert short(taken(tmp_path, text)) == [("220122", "maize", 2020, 100, 700, 7.0)]


def test_districts_below_a_foreign_city_are_not_ours(tmp_path: Path) -> None:
    text = HECTARES + "沈阳市,10,70\n铁西区,10,70\n四平市,10,70\n铁西区,20,140\n"

    table = taken(tmp_path, text, **MAIZE_2022)

    assert short(table) == [("220302", "maize", 2022, 20, 140, 7.0)]
    assert places(table.unmatched) == [("2", "沈阳市"), ("3", "铁西区")]


def test_rows_of_another_province_are_listed(tmp_path: Path) -> None:
    text = (
        "省,县,面积（公顷）,总产（吨）\n"
        "辽宁省,朝阳区,1,7\n,梨树县,1,7\n吉林省,农安县,1,7\n"
    )
    table = taken(tmp_path, text, **MAIZE_2022)

    assert [row.statistic.county for row in table.rows] == ["220122"]
    assert places(table.unmatched) == [("2", "朝阳区"), ("3", "梨树县")]


def test_the_same_numbers_twice_are_stored_once(tmp_path: Path) -> None:
    text = HECTARES + "公主岭,100,900\n公主岭市,100,900\n"

    table = taken(tmp_path, text, **MAIZE_2022)

    assert len(table.rows) == 1
    assert places(table.asides)[1:] == [("3", "公主岭市")]
    assert "the same as row 2" in english(table.asides[1].reason)
    assert table.complete


def test_different_numbers_for_one_county_and_year_are_both_refused(
    tmp_path: Path,
) -> None:
    text = HECTARES + "双阳区,100,900\n农安县,100,700\n双阳县,100,910\n"

    table = taken(tmp_path, text, **MAIZE_2022)

    assert [row.statistic.county for row in table.rows] == ["220122"]
    assert places(table.problems) == [("2", "双阳区"), ("4", "双阳县")]
    for each in table.problems:
        assert "rows 2, 4 give different numbers of production" in english(each.reason)
    assert not table.complete


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("农安县,100,约700", "'约700' is no number"),
        ("农安县,100,#DIV/0!", "'#DIV/0!' is no number"),
        ("农安县,100,", "only the area is given"),
        ("农安县,,700", "only the production is given"),
        ("农安县,100,0", "a number of 0 or below"),
        ("农安县,-100,700", "a number of 0 or below"),
        ("农安县,100,7", "0.07 t/ha cannot be the yield of maize"),
        ("农安县,100,7000", "70 t/ha cannot be the yield of maize"),
        ("农安县,2000000,14000000", "2e+06 ha is more than any county"),
    ],
)
def test_what_cannot_be_believed_is_listed(tmp_path: Path, row: str, told: str) -> None:
    table = taken(tmp_path, HECTARES + row, **MAIZE_2022)

    assert table.rows == ()
    assert told in english(table.problems[0].reason)


def test_nothing_grown_is_no_fault(tmp_path: Path) -> None:
    table = taken(tmp_path, HECTARES + "农安县,0,0\n榆树市,-,-\n", **MAIZE_2022)

    assert table.complete
    assert places(table.asides)[1:] == [("2", "农安县"), ("3", "榆树市 -")]


@pytest.mark.parametrize(
    ("text", "given", "error", "told"),
    [
        (
            "县,面积（垧）,单产（斤/亩）\n",
            {},
            UnitUnknown,
            "column B 面积（垧）: the unit '垧'",
        ),
        ("县,面积（吨）,单产（斤/亩）\n", {}, UnitUnknown, "the unit '吨'"),
        ("县,面积（亩）,单产（公斤）\n", {}, UnitUnknown, "--unit yield=UNIT"),
        ("县,面积,单产\n,垧,斤/亩\n", {}, UnitUnknown, "the unit '垧'"),
        (
            "县,面积,单产（斤/亩）\n",
            {},
            UnitMissing,
            "no unit of area for column B 面积",
        ),
        ("单位：亩、斤,,\n县,面积,单产\n", {}, UnitMissing, "says '单位：亩、斤'"),
        (
            "县,面积（亩）,单产（斤/亩）\n",
            {"units": {"yield": "公斤/亩"}},
            UnitContradictory,
            "column C 单产（斤/亩） is in 斤/亩, --unit yield says 公斤/亩",
        ),
        ("县,面积（亩）,产量（斤）\n", {"crop": None}, CropMissing, "Give --crop"),
        (
            "玉米和水稻,,\n县,面积（亩）,产量（斤）\n",
            {"crop": None},
            CropMissing,
            "row 2",
        ),
        ("县,面积（亩）,产量（斤）\n", {"year": None}, YearMissing, "give --year"),
        (
            "2018年和2019年,,\n县,面积（亩）,产量（斤）\n",
            {"year": None},
            YearMissing,
            "give --year",
        ),
        ("姓名,分数\n张三,5\n", {}, HeaderNotFound, "begins: 姓名|分数 / 张三|5"),
        ("", {}, HeaderNotFound, "begins: nothing"),
        (
            "县,小麦面积（亩）,产量增减（斤）\n",
            {},
            NothingTaken,
            "B 小麦面积（亩）: not used",
        ),
    ],
)
def test_a_table_that_does_not_say_enough(
    tmp_path: Path,
    text: str,
    given: dict[str, Any],
    error: type[StatisticsError],
    told: str,
) -> None:
    with pytest.raises(error) as caught:
        taken(tmp_path, f"{text}农安县,100,500\n" if text else "", **MAIZE_2022 | given)

    assert told in english(str(caught.value))


def test_a_number_without_a_name_is_listed(tmp_path: Path) -> None:
    table = taken(tmp_path, HECTARES + ",,700\n", **MAIZE_2022)

    assert "no name" in english(table.unmatched[0].reason)


def test_a_city_written_once_for_its_group(tmp_path: Path) -> None:
    text = """\
市州,县区,面积（公顷）,总产（吨）
长春市,农安县,10,70
,朝阳区,1,7
四平市,,,
,铁西区,2,14
,朝阳区,3,21
"""
    table = taken(tmp_path, text, **MAIZE_2022)

    assert [row.statistic.county for row in table.rows] == [
        "220122",
        "220104",
        "220302",
    ]
    assert places(table.unmatched) == [("6", "朝阳区")]


def test_another_table_below_with_a_title_beside_its_units(tmp_path: Path) -> None:
    text = """\
2020年玉米,,单位：公顷、吨
县,面积,产量
农安县,10,70
注：1.玉米面积含青贮。,,
2.2018年公主岭市划归长春市。,,
2020年水稻,,单位：千公顷、吨
县,面积,产量
农安县,10,80000
"""
    assert short(taken(tmp_path, text)) == [
        ("220122", "maize", 2020, 10, 70, 7.0),
        ("220122", "rice", 2020, 10_000, 80_000, 8.0),
    ]


def test_a_note_above_a_page_break_is_no_title(tmp_path: Path) -> None:
    text = """\
2020年玉米生产情况,,
县,面积（公顷）,产量（吨）
农安县,10,70
注：2018年水稻面积另计。,,
续表,,
县,面积（公顷）,产量（吨）
德惠市,10,80
"""
    assert short(taken(tmp_path, text)) == [
        ("220122", "maize", 2020, 10, 70, 7.0),
        ("220183", "maize", 2020, 10, 80, 8.0),
    ]


def test_a_page_with_its_units_again_goes_on_with_crop_and_year(tmp_path: Path) -> None:
    text = """\
2020年玉米生产情况,,
单位：公顷、吨,,
县,面积,产量
农安县,10,70
续表,,单位：公顷、吨
县,面积,产量
德惠市,10,80
"""
    assert short(taken(tmp_path, text)) == [
        ("220122", "maize", 2020, 10, 70, 7.0),
        ("220183", "maize", 2020, 10, 80, 8.0),
    ]


def test_a_table_of_its_own_inherits_no_units(tmp_path: Path) -> None:
    text = """\
2020年玉米,,单位：公顷、吨
县,面积,产量
农安县,10,70
2020年水稻,,
县,面积,产量
农安县,10,80
"""
    with pytest.raises(UnitMissing, match="no unit of area"):
        taken(tmp_path, text)


def test_units_may_be_given(tmp_path: Path) -> None:
    units = {"area": "万亩", "yield": "斤/亩"}

    table = taken(
        tmp_path, "县,面积,单产\n农安县,1.5,1000\n", units=units, **MAIZE_2022
    )

    assert short(table) == [("220122", "maize", 2022, 1000, 7500, 7.5)]


def test_a_given_unit_completes_half_a_one(tmp_path: Path) -> None:
    text = "县,面积（公顷）,单产（公斤）\n农安县,1000,500\n"

    table = taken(tmp_path, text, units={"yield": "公斤/亩"}, **MAIZE_2022)

    assert short(table) == [("220122", "maize", 2022, 1000, 7500, 7.5)]


def test_columns_go_before_what_is_given(tmp_path: Path) -> None:
    text = "县,年份,作物,面积（公顷）,总产（吨）\n农安县,2019,水稻,100,800\n"

    assert short(taken(tmp_path, text, **MAIZE_2022)) == [
        ("220122", "rice", 2019, 100, 800, 8.0)
    ]


def test_the_same_area_in_two_units_must_agree(tmp_path: Path) -> None:
    text = (
        "县,面积（公顷）,面积（万亩）,总产（吨）\n"
        "农安县,1000,1.5,7500\n榆树市,1000,2,7500\n"
    )
    table = taken(tmp_path, text, **MAIZE_2022)

    assert short(table) == [("220122", "maize", 2022, 1000, 7500, 7.5)]
    assert "two columns of area disagree" in english(table.problems[0].reason)
