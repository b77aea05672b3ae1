"""County codes of Jilin through the years, and the county a table's row means.

The history is that of the yearly editions of GB/T 2260 from 1980 on, as the Ministry
of Civil Affairs publishes them (a year's edition is the state of 31 December), and of
the State Council's replies that moved the borders, as collected in
https://github.com/yescallop/areacodes. Two things are left out: codes before 1980, and
the edition of 2003, which has 220281 and 220282 the wrong way round.

A former division stands for a present county when its land became that county's,
give or take a few towns (双阳县 ceded three to 二道区 in 1995). One whose land was
shared out has no present code, and numbers of it cannot be those of a present county.
The urban districts of 吉林市 (1992) and 长春市 (1995) were redrawn under their codes.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from ingest.county_names import COUNTY_NAMES, PREFECTURE_NAMES

__all__ = [
    "FIRST_YEAR",
    "CountyMatch",
    "Division",
    "NoCounty",
    "division_in",
    "divisions",
    "find_county",
    "plain_code",
    "plain_name",
    "prefecture_of",
    "prefectures_in",
]

FIRST_YEAR = 1980
"""The first edition; what stood before is not confirmed here."""

# Code, name, first edition with it, first edition without it, present code. A land
# that was shared out has all its heirs.
_FORMER = """
220105 二道河子区 1980 1995 220105
220111 郊区 1980 1995 220102,220103,220104,220105,220106
220121 榆树县 1980 1990 220182
220123 九台县 1980 1988 220113
220124 德惠县 1980 1994 220183
220125 双阳县 1980 1995 220112
220181 九台市 1995 2014 220113
220211 郊区 1980 1992 220202,220203,220204,220211
220222 舒兰县 1980 1992 220283
220223 磐石县 1980 1995 220284
220224 蛟河县 1980 1989 220281
220225 桦甸县 1980 1988 220282
220301 铁西区 1983 1984 220302
220302 铁东区 1983 1984 220303
220319 公主岭市 1985 1988 220184
220321 怀德县 1983 1985 220184
220323 伊通县 1983 1988 220323
220324 双辽县 1983 1996 220382
220381 公主岭市 1995 2020 220184
220401 龙山区 1983 1984 220402
220402 西安区 1983 1984 220403
220519 梅河口市 1985 1988 220581
220522 集安县 1985 1988 220582
220602 八道江区 1986 2010 220602
220603 三岔子区 1986 1995 220605
220604 临江区 1986 1992 220681
220624 临江县 1992 1993 220681
220625 江源县 1995 2006 220605
220702 扶余区 1992 1995 220702,220781
220724 扶余县 1995 2013 220781
222101 四平市 1980 1983 220302,220303
222102 辽源市 1980 1983 220402,220403,220422
222121 怀德县 1980 1983 220184
222122 梨树县 1980 1983 220322
222123 伊通县 1980 1983 220323
222124 东丰县 1980 1983 220421
222125 双辽县 1980 1983 220382
222201 通化市 1980 1985 220502,220503
222202 浑江市 1980 1985 220602,220605,220681
222221 海龙县 1980 1985 220581
222222 通化县 1980 1985 220521
222223 柳河县 1980 1985 220524
222224 辉南县 1980 1985 220523
222225 集安县 1980 1985 220582
222226 抚松县 1980 1985 220621
222227 靖宇县 1980 1985 220622
222228 长白朝鲜族自治县 1980 1985 220623
222301 白城市 1980 1993 220802
222302 洮南市 1987 1993 220881
222303 扶余市 1987 1992 220702,220781
222304 大安市 1988 1993 220882
222321 扶余县 1980 1987 220702,220781
222322 洮安县 1980 1987 220881
222323 长岭县 1980 1992 220722
222324 前郭尔罗斯蒙古族自治县 1980 1992 220721
222325 大安县 1980 1988 220882
222326 镇赉县 1980 1993 220821
222327 通榆县 1980 1993 220822
222328 乾安县 1980 1992 220723
222421 延吉县 1980 1983 222405
222421 龙井县 1984 1988 222405
222422 敦化县 1980 1985 222403
222423 和龙县 1980 1993 222406
222425 珲春县 1980 1988 222404
222427 龙井县 1983 1984 222405
222521 榆树县 1982 1983 220182
222522 农安县 1982 1983 220122
222523 九台县 1982 1983 220113
222524 德惠县 1982 1983 220183
222525 双阳县 1982 1983 220112
222621 永吉县 1982 1983 220221
222622 舒兰县 1982 1983 220283
222623 磐石县 1982 1983 220284
222624 蛟河县 1982 1983 220281
222625 桦甸县 1982 1983 220282
229001 公主岭市 1988 1995 220184
229002 梅河口市 1988 1995 220581
229003 集安市 1988 1995 220582
229004 桦甸市 1988 1995 220282
229005 九台市 1988 1995 220113
229006 蛟河市 1989 1995 220281
229007 榆树市 1990 1995 220182
229008 舒兰市 1992 1995 220283
229009 大安市 1993 1995 220882
229010 洮南市 1993 1995 220881
229011 临江市 1993 1995 220681
229012 德惠市 1994 1995 220183
"""

# First edition of the present codes; those not here stand since 1980.
_SINCE = {
    year: codes.split()
    for year, codes in {
        1983: "220122 220221 220322 220421 220422",
        1984: "220302 220303 220402 220403",
        1985: "220521 220523 220524 220621 220622 220623 222403",
        1986: "220502 220503",
        1988: "220323 222404 222405",
        1992: "220211 220721 220722 220723",
        1993: "220802 220821 220822 222406",
        1995: "220105 220106 220112 220182 220183 220281 220282 220283 220284 220581"
        " 220582 220681 220702 220881 220882",
        1996: "220382",
        2006: "220605",
        2010: "220602",
        2013: "220781",
        2014: "220113",
        2020: "220184",
    }.items()
}

# What yearbooks call the three autonomous counties.
_SHORT = {
    "前郭尔罗斯蒙古族自治县": ("前郭尔罗斯", "前郭蒙古族", "前郭"),
    "伊通满族自治县": ("伊通",),
    "长白朝鲜族自治县": ("长白",),
}

_TOTAL = re.compile(
    r"全[国省市州县区]|.*(合计|总计|小计)|[市州县省]本级|市辖区|市区|[市省州]直|"
    r".*平均(数|值)?|(四平|通化|白城|德惠|永吉)地区|浑江市|延边|延边州"
)
_ZONE = re.compile(
    r"开发区|高新|经开|净月|汽开|汽车产业|莲花山|新区|示范区|保护区|管委会|管理区|"
    r"工业园|园区|农场|监狱|长白山|池北|池西|池南"
)
# Parts of cities that the statistics offices number 71 to 79; GB/T 2260 has them not.
_ZONE_CODE = re.compile(r"22\d\d7\d")


@dataclass(frozen=True, slots=True)
class Division:
    """A county-level division as it stood in some editions.

    Attributes
    ----------
    code, name : str
        As in those editions of GB/T 2260.
    since, until : int
        First year whose 31 December saw it, and first whose did not; until is None for
        a present one.
    present : tuple of str
        Codes of today that have its land: one, or several when it was shared out.
    """

    code: str
    name: str
    since: int
    until: int | None
    present: tuple[str, ...]

    def stood_in(self, year: int) -> bool:
        """Whether it stood at the end of a year."""
        return self.since <= year and (self.until is None or year < self.until)


@dataclass(frozen=True, slots=True)
class CountyMatch:
    """The present county that a row means.

    Attributes
    ----------
    code, name : str
        GB/T 2260 code and Chinese name of today.
    then : Division or None
        What stood for it at the end of the year; None where that was shared out.
    """

    code: str
    name: str
    then: Division | None


@dataclass(frozen=True, slots=True)
class NoCounty:
    """Why a row means no single present county, in both languages."""

    kind: Literal["total", "unmatched", "contradictory"]
    reason: str


@cache
def divisions() -> tuple[Division, ...]:
    """Return every division of Jilin since 1980, by code and year."""
    since = {code: year for year, codes in _SINCE.items() for code in codes}
    present = [
        Division(code, name, since.get(code, FIRST_YEAR), None, (code,))
        for code, (name, _) in COUNTY_NAMES.items()
    ]
    former = [
        Division(code, name, int(first), int(end), tuple(heirs.split(",")))
        for code, name, first, end, heirs in map(str.split, _FORMER.split("\n")[1:-1])
    ]
    return tuple(sorted(present + former, key=lambda each: (each.code, each.since)))


def division_in(code: str, year: int) -> Division | None:
    """Return what stood for a present county at the end of a year, if one thing did."""
    found = [
        each for each in divisions() if each.present == (code,) and each.stood_in(year)
    ]
    return found[0] if len(found) == 1 else None


def plain_name(text: str) -> str:
    """Write a place as the standard does: no spaces, no list or footnote marks."""
    bare = re.sub(r"\s+", "", unicodedata.normalize("NFKC", text))
    return re.sub(r"^(#|\*|·|其中:)+|[*\d:#]+$", "", bare)


def prefecture_of(text: str) -> str | None:
    """Return the four digits of a prefecture of Jilin by its name, if it is one."""
    bare = plain_name(text).removeprefix("吉林省")
    for code, (name, _) in PREFECTURE_NAMES.items():
        if bare and bare in (name, name[:2], f"{name[:2]}地区"):
            return code
    return "2224" if bare == "延边州" else None


def prefectures_in(text: str) -> list[str]:
    """Return the prefectures of Jilin that a text names in full."""
    bare = plain_name(text)
    return [name for name, _ in PREFECTURE_NAMES.values() if name in bare]


def find_county(
    name: str, *, year: int, code: str = "", prefecture: str = ""
) -> CountyMatch | NoCounty:
    """Find the present county that a name, a code or both mean in a year.

    Parameters
    ----------
    name
        As written: with or without 市, 县 or 区, with its city before it, old or new.
    year
        Year of the numbers; a name that two divisions bore means the one of the year,
        else the last one before it.
    code
        As written: old or new, six digits, or twelve as statistics offices write them.
    prefecture
        City or prefecture that the table names for the row; districts must be of it.
        A district without its last word, as 朝阳, needs it, or its code.
    """
    text, digits = plain_name(name), _six_digits(code)
    text = text.removeprefix("吉林省") or ("全省" if text else "")
    exact = [d for d in divisions() if d.code == digits and text in _aliases(d.name)]
    if exact:
        return _resolved(exact, year, text)
    context, text = _split_prefix(text, prefecture)
    if _is_total(text, digits):
        return NoCounty("total", "a total, not a county · 合计行，不是县")
    if year < FIRST_YEAR:
        return NoCounty(
            "unmatched",
            f"{year} is before {FIRST_YEAR}, from when on the borders of counties are"
            f" known here · {year} 年早于 {FIRST_YEAR} 年，此前的县界沿革未收录",
        )
    by_name = _by_name(text, year, context) if text else None
    by_code = _by_code(digits, year) if digits else None
    return _agreed(by_name, by_code, text, digits)


def _by_name(text: str, year: int, context: str) -> CountyMatch | NoCounty:
    if text in ("通化", "郊区"):
        return NoCounty(
            "unmatched",
            f"{text} can be several places: write it in full, as 通化县"
            f" · “{text}”有歧义，请写全称，例如 通化县",
        )
    bearers = [each for each in divisions() if text in _aliases(each.name)]
    if not bearers:
        return _unknown_name(text)
    if not all(each.name.endswith("区") for each in bearers):
        return _resolved(bearers, year, text)
    own = {each.code[:4] for each in bearers}
    where = prefecture_of(context)
    if not context and text in {each.name[:-1] for each in bearers}:
        city, full = PREFECTURE_NAMES[min(own)][0], bearers[-1].name
        # 朝阳, 西安 and 铁西 are cities and districts elsewhere too.
        return NoCounty(
            "unmatched",
            f"{text} without its city can be a place elsewhere: write {city}{full}"
            f" · 未写所属市的“{text}”也可能是外地，请写 {city}{full}",
        )
    if context and where not in own:
        city = PREFECTURE_NAMES[min(own)][0]
        return NoCounty(
            "unmatched",
            f"the table has it under {context}, the {text} of Jilin belongs to {city}"
            f" · 表中列在“{context}”下，吉林省的{text}属于{city}",
        )
    return _resolved(bearers, year, text)


def _unknown_name(text: str) -> NoCounty:
    if _ZONE.search(text):
        return NoCounty(
            "unmatched",
            "a zone or administration without a county code of its own"
            " · 开发区、管委会等没有自己的县级代码",
        )
    return NoCounty(
        "unmatched",
        f"no county of Jilin is or was called {text}"
        f" · 吉林省没有（也没有过）名为“{text}”的县",
    )


def _by_code(digits: str, year: int) -> CountyMatch | NoCounty:
    bearers = [each for each in divisions() if each.code == digits]
    if bearers:
        return _resolved(bearers, year, digits)
    if _ZONE_CODE.fullmatch(digits):
        return _unknown_name("开发区")
    return NoCounty(
        "unmatched",
        f"{digits} is and was no county code of Jilin (GB/T 2260 since {FIRST_YEAR})"
        f" · {digits} 不是吉林省的县级代码（GB/T 2260，{FIRST_YEAR} 年以来）",
    )


def _resolved(
    bearers: Iterable[Division], year: int, text: str
) -> CountyMatch | NoCounty:
    """Choose among the divisions that bore a name or code the one meant in a year."""
    by_age = sorted(bearers, key=lambda each: each.since)
    before = [each for each in by_age if each.since <= year]
    meant = before[-1] if before else by_age[0]
    if len(meant.present) > 1:
        heirs = "、".join(f"{c} {COUNTY_NAMES[c][0]}" for c in meant.present)
        return NoCounty(
            "unmatched",
            f"the {text} of {year} was shared out among {heirs}"
            f" · {year} 年的{text}后来分属 {heirs}",
        )
    (code,) = meant.present
    return CountyMatch(code, COUNTY_NAMES[code][0], division_in(code, year))


def _agreed(
    by_name: CountyMatch | NoCounty | None,
    by_code: CountyMatch | NoCounty | None,
    text: str,
    digits: str,
) -> CountyMatch | NoCounty:
    if by_name is None or by_code is None:
        return by_name or by_code or NoCounty("unmatched", "no name · 没有名称")
    for found in (by_name, by_code):
        if isinstance(found, NoCounty):
            return found
    if by_name != by_code:
        assert isinstance(by_code, CountyMatch)
        return NoCounty(
            "contradictory",
            f"the code {digits} is {by_code.name}, the name is {text}"
            f" · 代码 {digits} 是{by_code.name}，名称却是“{text}”",
        )
    return by_name


def _is_total(text: str, digits: str) -> bool:
    if digits.endswith("00") and (not text or prefecture_of(text)):
        return True
    return bool(_TOTAL.fullmatch(text)) or (
        text != "通化" and (text == "吉林" or prefecture_of(text) is not None)
    )


def _split_prefix(text: str, prefecture: str) -> tuple[str, str]:
    """Take a leading city off a name: "四平市铁西区" is 铁西区 of 四平市."""
    for full, _ in PREFECTURE_NAMES.values():
        for city in (full, full[:2]):
            rest = text.removeprefix(city)
            if rest != text and (_is_known(rest) or _TOTAL.fullmatch(rest)):
                return full, rest
    return plain_name(prefecture), text


@cache
def _is_known(text: str) -> bool:
    return any(text in _aliases(each.name) for each in divisions())


@cache
def _aliases(name: str) -> frozenset[str]:
    """Every way a name is written: with and without its last word, and in English."""
    return _chinese_aliases(name) | _ENGLISH.get(name, frozenset())


def _chinese_aliases(name: str) -> frozenset[str]:
    if name in _SHORT:
        ends = ("", "县", "自治县")
        return frozenset({name, *(s + end for s in _SHORT[name] for end in ends)})
    return frozenset({name, name[:-1]} if len(name) > 2 else {name})


_ENGLISH = {name: frozenset({plain_name(en)}) for name, en in COUNTY_NAMES.values()}


def _six_digits(code: str) -> str:
    bare = plain_code(code)
    return bare[:6] if re.fullmatch(r"\d{6}(0{3}|0{6})?", bare) else bare


def plain_code(code: str) -> str:
    """Write a code without spaces, full-width digits or a spreadsheet's ".0"."""
    return re.sub(r"\s+|\.0$", "", unicodedata.normalize("NFKC", code))
