from fractions import Fraction

import pytest

from ingest.statistics.words import (
    NotANumber,
    crop_of,
    crops_in,
    is_note,
    number_of,
    read_heading,
    unit_line,
    year_of,
    years_in,
)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("438.1", "438.1"),
        ("1,234", "1234"),
        ("２，６５０，０００．５", "2650000.5"),
        (" 12 345.6 ", "12345.6"),
        ("1e-05", "0.00001"),
        ("-3", "-3"),
        ("0", "0"),
    ],
)
def test_numbers_are_exact(text: str, number: str) -> None:
    assert number_of(text) == Fraction(number)


@pytest.mark.parametrize(
    "text", ["", " ", "-", "—", "——", "－", "…", "……", "...", "/", "无", "N/A", "nan"]
)
def test_marks_of_a_missing_value(text: str) -> None:
    assert number_of(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "12,34",
        "约500",
        "500①斤",
        "5%",
        "1.2.3",
        "#DIV/0!",
        "=B3*2",
        "inf",
        "1e999",
        "八",
    ],
)
def test_what_is_no_number_is_an_error(text: str) -> None:
    with pytest.raises(NotANumber):
        number_of(text)


@pytest.mark.parametrize(
    ("text", "measure", "crop", "unit"),
    [
        ("播种面积（万亩）", "area", None, "万亩"),
        ("玉米播种面积\n(公顷)", "area", "maize", "公顷"),
        ("其中：水稻 总产量 [吨]", "production", "rice", "吨"),
        ("单位面积产量（公斤/公顷）", "yield", None, "公斤/公顷"),
        ("产量(公斤/亩)", "yield", None, "公斤/亩"),
        ("面积万亩", "area", None, "万亩"),
        ("大豆单产", "yield", "soybean", None),
        ("粮食产量", "production", "", None),
        ("面积（玉米）", "area", "maize", None),
        ("Sown area (ha)", "area", None, "ha"),
    ],
)
def test_headings(text: str, measure: str, crop: str | None, unit: str | None) -> None:
    heading = read_heading(text)

    assert (heading.measure, heading.crop, heading.stray) == (measure, crop, "")
    assert (heading.unit and heading.unit.name) == unit


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("地  区", "place"),
        ("县（市、区）", "place"),
        ("行政区划代码", "code"),
        ("市（州）", "prefecture"),
        ("作物名称", "crop"),
        ("年份", "year"),
    ],
)
def test_headings_of_names(text: str, role: str) -> None:
    assert read_heading(text).role == role


@pytest.mark.parametrize(
    "text", ["面积增减", "产量比上年增长", "青贮玉米制品面积", "收获面积差"]
)
def test_a_measure_with_a_strange_word_is_another_measure(text: str) -> None:
    assert read_heading(text).stray


@pytest.mark.parametrize(
    ("text", "per"), [("亩产（公斤）", "亩"), ("每公顷产量", "公顷"), ("单产", "")]
)
def test_a_name_may_say_the_area_of_a_yield(text: str, per: str) -> None:
    assert read_heading(text).measure == "yield"
    assert read_heading(text).per == per


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("单位：万亩、吨", {"area": "万亩", "production": "吨"}),
        (
            "计量单位:公顷,吨,公斤/公顷",
            {"area": "公顷", "production": "吨", "yield": "公斤/公顷"},
        ),
        ("单位:公顷、%", {"area": "公顷"}),
        # Which of the two masses is whose, nobody says.
        ("单位：亩、吨、公斤", {"area": "亩"}),
        ("（单位：千公顷）", {"area": "千公顷"}),
        (
            "单位：面积 万亩；总产 万吨；单产 公斤/亩",
            {
                ("area", ""): "万亩",
                ("production", ""): "万吨",
                ("yield", ""): "公斤/亩",
            },
        ),
        (
            "面积:万亩 单位:总产:吨",
            {("area", ""): "万亩", ("production", ""): "吨"},
        ),
        ("2019年玉米播种面积和产量", {}),
    ],
)
def test_lines_of_units(text: str, said: dict[object, str]) -> None:
    assert {key: unit.name for key, unit in unit_line(text).items()} == said


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("2019", 2019),
        ("2019年", 2019),
        ("２０１９", 2019),
        ("2019.0", 2019),
        ("19", None),
    ],
)
def test_years_of_cells(text: str, year: int | None) -> None:
    assert year_of(text) == year


@pytest.mark.parametrize(
    ("title", "years"),
    [
        ("2019年玉米播种面积", {2019}),
        ("吉林统计年鉴2020年鉴", set()),
        ("2018年、2019年对比", {2018, 2019}),
        ("各县玉米产量", set()),
    ],
)
def test_years_of_titles(title: str, years: set[int]) -> None:
    assert years_in(title) == years


def test_crops_of_cells_and_titles() -> None:
    assert [crop_of(text) for text in ("玉 米", "稻谷", "Soybean", "小麦", "神豆")] == [
        "maize",
        "rice",
        "soybean",
        "",
        None,
    ]
    assert crops_in("2019年粮食作物：玉米") == {"maize"}
    assert crops_in("玉米和小麦") == {"maize", ""}


def test_notes() -> None:
    assert is_note("注：本表数据")
    assert is_note("资料来源：省统计局")
    assert not is_note("农安县")
