from collections import Counter

import pytest

from ingest.county_codes import (
    CountyMatch,
    NoCounty,
    division_in,
    divisions,
    find_county,
    prefecture_of,
)
from ingest.county_names import COUNTY_NAMES
from tests.ingest.wording import english


def code_of(name: str, year: int, **where: str) -> str | None:
    found = find_county(name, year=year, **where)
    return found.code if isinstance(found, CountyMatch) else None


def refusal(name: str, year: int, **where: str) -> NoCounty:
    found = find_county(name, year=year, **where)
    assert isinstance(found, NoCounty), found
    return found


def test_the_edition_of_2019_differs_from_today_by_one_code() -> None:
    # The edition of the Ministry of Civil Affairs, December 2019: sixty counties.
    standing = {each.code for each in divisions() if each.stood_in(2019)}

    assert len(standing) == 60
    assert standing ^ set(COUNTY_NAMES) == {"220381", "220184"}


def test_the_edition_of_2004() -> None:
    standing = {each.code: each.name for each in divisions() if each.stood_in(2004)}

    assert len(standing) == 60
    assert standing["220181"] == "九台市"
    assert standing["220602"] == "八道江区"
    assert standing["220625"] == "江源县"
    assert standing["220724"] == "扶余县"


def test_the_edition_of_1990() -> None:
    standing = {each.code: each.name for each in divisions() if each.stood_in(1990)}

    assert standing["229001"] == "公主岭市"
    assert standing["222303"] == "扶余市"
    assert standing["220125"] == "双阳县"
    assert "220112" not in standing


@pytest.mark.parametrize("year", [1980, 1983, 1990, 1994, 1995, 2005, 2013, 2020, 2026])
def test_a_code_stands_once_a_year(year: int) -> None:
    codes = Counter(each.code for each in divisions() if each.stood_in(year))

    assert codes.most_common(1)[0][1] == 1


def test_since_1996_every_county_of_today_is_one_division() -> None:
    lacking = [
        (code, year)
        for year in range(1996, 2027)
        for code in COUNTY_NAMES
        if division_in(code, year) is None
    ]
    assert lacking == []


def test_heirs_are_counties_of_today() -> None:
    assert {code for each in divisions() for code in each.present} == set(COUNTY_NAMES)


@pytest.mark.parametrize(
    ("name", "year", "code", "then"),
    [
        ("公主岭市", 2019, "220184", "220381"),
        ("公主岭市", 2020, "220184", "220184"),
        ("公 主 岭", 2022, "220184", "220184"),
        ("公主岭", 1990, "220184", "229001"),
        ("怀德县", 1984, "220184", "220321"),
        ("九台市", 2013, "220113", "220181"),
        ("九台区", 2014, "220113", "220113"),
        ("九台", 1985, "220113", "220123"),
        ("双阳县", 1990, "220112", "220125"),
        ("扶余县", 2012, "220781", "220724"),
        ("扶余", 2016, "220781", "220781"),
        ("扶余县", 2018, "220781", "220781"),
        ("江源县", 2000, "220605", "220625"),
        ("三岔子区", 1990, "220605", "220603"),
        ("八道江区", 2005, "220602", "220602"),
        ("浑江区", 2015, "220602", "220602"),
        ("海龙县", 1983, "220581", "222221"),
        ("梅河口", 2020, "220581", "220581"),
        ("洮安县", 1986, "220881", "222322"),
        ("临江县", 1992, "220681", "220624"),
        ("延吉县", 1982, "222405", "222421"),
        ("前郭县", 2020, "220721", "220721"),
        ("前郭", 2020, "220721", "220721"),
        ("前郭尔罗斯自治县", 2020, "220721", "220721"),
        ("伊通", 2020, "220323", "220323"),
        ("伊通县", 1985, "220323", "220323"),
        ("长白", 2020, "220623", "220623"),
        ("农安", 2020, "220122", "220122"),
        ("抚松县", 2020, "220621", "220621"),
        ("通化县", 2020, "220521", "220521"),
        ("长春市农安县", 2020, "220122", "220122"),
        ("吉林省四平市铁西区", 2020, "220302", "220302"),
        ("长春朝阳区", 2020, "220104", "220104"),
        ("＃德惠市*", 2020, "220183", "220183"),
        ("Gongzhuling City", 2022, "220184", "220184"),
        ("Tiexi District, Siping", 2022, "220302", "220302"),
    ],
)
def test_a_name_means_the_county_of_today(
    name: str, year: int, code: str, then: str
) -> None:
    found = find_county(name, year=year)

    assert isinstance(found, CountyMatch)
    assert found.code == code
    assert found.then is not None
    assert found.then.code == then


@pytest.mark.parametrize(
    ("code", "year", "present"),
    [
        ("220381", 2019, "220184"),
        ("220381", 2022, "220184"),
        ("220184", 2015, "220184"),
        ("220184000000", 2022, "220184"),
        ("２２０１８４", 2022, "220184"),
        ("220184.0", 2022, "220184"),
        ("220181", 2010, "220113"),
        ("220302", 1983, "220303"),
        ("220302", 1984, "220302"),
        ("222301", 1990, "220802"),
    ],
)
def test_a_code_of_any_edition(code: str, year: int, present: str) -> None:
    assert code_of("", year, code=code) == present


@pytest.mark.parametrize(
    "name",
    [
        *(
            "全省",
            "吉林省",
            "合计",
            "总 计",
            "小计",
            "全市",
            "市本级",
            "市辖区",
            "市区",
        ),
        *("长春市", "四平", "通化市", "延边州", "延边", "白城地区", "松原市合计"),
    ],
)
def test_totals_are_no_counties(name: str) -> None:
    assert refusal(name, 2019).kind == "total"


def test_the_code_of_a_prefecture_is_a_total() -> None:
    assert refusal("", 2019, code="220100").kind == "total"
    assert refusal("长春市", 2019, code="220100").kind == "total"


@pytest.mark.parametrize(
    ("name", "year", "told"),
    [
        ("净月开发区", 2019, "without a county code"),
        ("长春新区", 2019, "without a county code"),
        ("经开区", 2019, "without a county code"),
        ("长白山管委会", 2019, "without a county code"),
        ("扶余市", 1990, "220702 宁江区、220781 扶余市"),
        ("扶余区", 1993, "220702 宁江区、220781 扶余市"),
        ("通化", 2019, "can be several places"),
        ("郊区", 1990, "can be several places"),
        ("昌图县", 2019, "no county of Jilin"),
        ("公主岭市", 1979, "1979 is before 1980"),
        ("", 2019, "no name"),
    ],
)
def test_what_is_no_county_says_why(name: str, year: int, told: str) -> None:
    found = refusal(name, year)

    assert found.kind == "unmatched"
    assert told in english(found.reason)


@pytest.mark.parametrize(
    ("code", "told"),
    [("220171", "without a county code"), ("210106", "no county code of Jilin")],
)
def test_codes_that_are_no_county(code: str, told: str) -> None:
    assert told in english(refusal("", 2019, code=code).reason)


def test_a_district_belongs_to_its_city() -> None:
    assert code_of("铁西区", 2019) == "220302"
    assert code_of("铁西区", 2019, prefecture="四平市") == "220302"
    for city in ("沈阳市", "长春市"):
        assert city in english(refusal("铁西区", 2019, prefecture=city).reason)


@pytest.mark.parametrize("name", ["铁西", "朝阳", "西安", "宁江"])
def test_a_district_without_its_last_word_needs_its_city(name: str) -> None:
    assert "without its city" in english(refusal(name, 2019).reason)


def test_a_district_without_its_last_word_in_its_city() -> None:
    assert code_of("铁西", 2019, prefecture="四平市") == "220302"
    assert code_of("四平铁西", 2019) == "220302"
    assert code_of("铁西", 2019, code="220302") == "220302"


def test_a_county_may_stand_under_its_former_city() -> None:
    assert code_of("公主岭市", 2022, prefecture="四平市") == "220184"


def test_a_code_that_contradicts_the_name() -> None:
    found = refusal("公主岭市", 2022, code="220122")

    assert found.kind == "contradictory"
    assert "220122 is 农安县" in english(found.reason)


def test_a_former_code_agrees_with_a_former_name() -> None:
    assert code_of("公主岭市", 2022, code="220381") == "220184"
    assert code_of("扶余县", 2010, code="220724") == "220781"
    assert code_of("白城市", 1990, code="222301") == "220802"


def test_an_unknown_name_beside_a_known_code_is_listed() -> None:
    assert refusal("公主领市", 2022, code="220184").kind == "unmatched"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("长春市", "2201"),
        ("吉林省四平市", "2203"),
        ("延边州", "2224"),
        ("农安县", None),
    ],
)
def test_prefectures_by_name(text: str, code: str | None) -> None:
    assert prefecture_of(text) == code
