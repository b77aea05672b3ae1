"""A bulletin in one language: finished sentences and rows, for any face of it.

The charts are drawn apart, in `api.bulletin.charts`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

from api.bulletin.content import Bulletin, years_of
from api.bulletin.words import (
    GRADE_COLOURS,
    Language,
    crop_name,
    dekad_name,
    said,
    word,
)
from api.lineage import code_version
from ingest.county_names import COUNTY_NAMES, PREFECTURE_NAMES
from models.growth import GRADES, LEVELS, Level, Signal, SignalStatus

__all__ = ["View", "view"]

Row = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the templates put on paper; every text is of one language.

    Attributes
    ----------
    texts
        title, place, dekad, banner (empty where nothing is simulated), grade,
        grade_colour, made.
    headings
        Headings of the sections by name.
    """

    language: Language
    texts: dict[str, str]
    headings: dict[str, str]
    summary: list[str]
    growth: list[Row]
    shares: list[Row]
    signals: list[Row]
    estimate: list[str]
    lineage: list[Row]
    caveats: list[str]


_HEADINGS = (
    *("summary", "growth against past years", "map of growth", "course of the season"),
    *("weather of the season", "signals", "yield", "lineage", "caveats", "signal"),
    *(
        "value",
        "normal",
        "departure",
        "level",
        "remark",
        "share of what was seen by grade",
    ),
    *("no signal can be told", "dekad means; band: past years"),
)


def view(bulletin: Bulletin, language: Language) -> View:
    """Write a bulletin in one language."""
    return View(
        language=language,
        texts=_texts(bulletin, language),
        headings={
            name.replace(" ", "_"): _capital(word(name, language)) for name in _HEADINGS
        },
        summary=list(_summary(bulletin, language)),
        growth=_growth_rows(bulletin, language),
        shares=_share_rows(bulletin, language),
        signals=[_signal_row(signal, language) for signal in bulletin.signals],
        estimate=_estimate(bulletin, language),
        lineage=list(_lineage(bulletin, language)),
        caveats=[said(caveat, language) for caveat in bulletin.caveats],
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _place(bulletin: Bulletin, language: Language) -> tuple[str, str]:
    """Names of the county and of its prefecture."""
    code = bulletin.request.place.key
    zh, en = COUNTY_NAMES[code]
    prefecture_zh, prefecture_en = PREFECTURE_NAMES[code[:4]]
    return (zh, prefecture_zh) if language == "zh" else (en, prefecture_en)


def _texts(bulletin: Bulletin, language: Language) -> Row:
    county, prefecture = _place(bulletin, language)
    crop = crop_name(bulletin.crop, language)
    title = (
        f"{county}{crop}农情简报" if language == "zh" else f"{county}: {crop} bulletin"
    )
    grade = bulletin.growth["grade"]
    known = not pd.isna(grade)
    grade_word = (
        said(GRADES[int(grade) - 1], language) if known else word("no grade", language)
    )
    banner = ""
    if bulletin.simulated:
        banner = (
            "模拟数据 SIMULATED：仅供演示，不反映真实农情"
            if language == "zh"
            else "SIMULATED 模拟数据: for demonstration, says nothing of real fields"
        )
    return {
        "title": title,
        "place": f"{prefecture} · {bulletin.request.place.key}"
        if language == "en"
        else f"吉林省{prefecture} · {bulletin.request.place.key}",
        "dekad": dekad_name(bulletin.request.dekad, language),
        "banner": banner,
        "grade": grade_word,
        "grade_colour": GRADE_COLOURS[int(grade) - 1] if known else "#d9d9d9",
        "made": f"黑土 Heitu {code_version()} · {bulletin.run_id}",
    }


def _summary(bulletin: Bulletin, language: Language) -> Iterator[str]:
    yield _growth_sentence(bulletin, language)
    shares = _shares_sentence(bulletin, language)
    if shares:
        yield shares
    yield from _signal_sentences(bulletin, language)
    yield from _estimate(bulletin, language)[:1]


def _growth_sentence(bulletin: Bulletin, language: Language) -> str:
    row = bulletin.growth
    county, _ = _place(bulletin, language)
    crop = crop_name(bulletin.crop, language)
    index = bulletin.request.index.upper()
    if pd.isna(row["grade"]):
        return (
            f"{county}{crop}本旬无法评级：{row['reason_zh']}。"
            if language == "zh"
            else f"No grade for {crop} in {county} this dekad: {row['reason_en']}."
        )
    beyond = row["status"] in {"below", "above"}
    stage = bulletin.stage
    if language == "zh":
        at = f"，按常年处于{stage.name.zh}" if stage else ""
        side = "低" if row["difference"] < 0 else "高"
        extra = f"，{row['reason_zh']}" if beyond else ""
        return (
            f"{county}{crop}长势{row['grade_zh']}{at}。{index} 为{row['value']:.3f}，"
            f"较往年（{row['years']}年）同期平均{side}{abs(row['difference']):.3f}{extra}。"
        )
    at = f", by the calendar at {stage.name.en}" if stage else ""
    side = "below" if row["difference"] < 0 else "above"
    extra = f"; {row['reason_en']}" if beyond else ""
    return (
        f"{crop.capitalize()} in {county} is {row['grade_en']}{at}. {index} is "
        f"{row['value']:.3f}, {abs(row['difference']):.3f} {side} the mean of "
        f"{row['years']} past years{extra}."
    )


def _shares_sentence(bulletin: Bulletin, language: Language) -> str | None:
    shares = [bulletin.growth[f"share_{i}"] for i in range(1, 6)]
    # Shares of the part that was seen are not the county's where it has no grade.
    if pd.isna(bulletin.growth["grade"]) or any(map(pd.isna, shares)):
        return None
    worse, usual, better = sum(shares[:2]), shares[2], sum(shares[3:])
    if language == "zh":
        return (
            f"已评级面积中，偏差的占{worse:.0%}，持平的占{usual:.0%}，"
            f"偏好的占{better:.0%}。"
        )
    return (
        f"Of the graded area {worse:.0%} is worse, {usual:.0%} as usual and "
        f"{better:.0%} better."
    )


def _signal_sentences(bulletin: Bulletin, language: Language) -> Iterator[str]:
    for level in (Level.WARNING, Level.WATCH):
        raised = [s for s in bulletin.signals if s.level is level]
        if not raised:
            continue
        names = [f"{said(s.name, language)} {_value(s, language)}" for s in raised]
        head = said(LEVELS[level], language)
        yield (
            f"{head}：{'；'.join(names)}。"
            if language == "zh"
            else f"{head.capitalize()}: {'; '.join(names)}."
        )


def _growth_rows(bulletin: Bulletin, language: Language) -> list[Row]:
    row = bulletin.growth
    index = bulletin.request.index.upper()
    table = [
        (f"{index}, {word('value', language)}", _number(row["value"], ".3f")),
        (f"{index}, {word('normal', language)}", _number(row["normal"], ".3f")),
        (word("difference", language), _number(row["difference"], "+.3f")),
        (
            f"{word('vegetation condition index', language)} VCI",
            _number(row["vci"], ".0f", " %"),
        ),
        (
            word("anomaly, standard deviations", language),
            _number(row["anomaly"], "+.2f"),
        ),
        (word("percentile", language), _number(row["percentile"], ".0f", " %")),
        (word("years compared", language), str(row["years"])),
        (word("share of crop seen", language), _number(100 * row["seen"], ".0f", " %")),
    ]
    return [{"name": _capital(name), "value": value} for name, value in table]


def _share_rows(bulletin: Bulletin, language: Language) -> list[Row]:
    rows = []
    for number, grade in enumerate(GRADES, start=1):
        share = bulletin.growth[f"share_{number}"]
        width = 0.0 if pd.isna(share) else 100 * float(share)
        rows.append(
            {
                "name": said(grade, language),
                "value": "-" if pd.isna(share) else f"{width:.1f} %",
                "width": f"{width:.1f}",
                "colour": GRADE_COLOURS[number - 1],
            }
        )
    return rows


def _signal_row(signal: Signal, language: Language) -> Row:
    level = signal.level
    told = "-" if level is None else said(LEVELS[level], language)
    departure = signal.departure
    whole = signal.status is not SignalStatus.SHORT
    return {
        "name": _capital(said(signal.name, language)),
        "value": _value(signal, language),
        "normal": _normal(signal, language) if whole else "-",
        "departure": "-"
        if departure is None or not whole
        else _signed(signal, language),
        "level": told,
        "level_key": "none" if level is None else str(level),
        "remark": "" if signal.reason is None else said(signal.reason, language),
    }


# Days since 1 April, the start of the season.
_SEASON_DATES = {"sos", "pos", "eos"}


_UNITS_ZH = {"d": "天", "mm": "毫米", "°C d": "℃·d", "%": "%"}


def _value(signal: Signal, language: Language) -> str:
    if signal.value is None:
        return "-"
    return _told(signal, signal.value, language)


def _normal(signal: Signal, language: Language) -> str:
    if signal.normal is None:
        return "-"
    spread = "" if signal.spread is None else f" ±{_plain(signal, signal.spread)}"
    return f"{_told(signal, signal.normal, language)}{spread}"


def _told(signal: Signal, value: float, language: Language) -> str:
    if signal.unit == "day of year":
        return _day(date(2001, 1, 1), value - 1)
    if signal.key in _SEASON_DATES:
        return _day(date(2001, 4, 1), value)
    return f"{_plain(signal, value)}{_unit(signal, language)}"


def _unit(signal: Signal, language: Language) -> str:
    days = signal.unit == "day of year" or signal.key in _SEASON_DATES
    unit = "d" if days else signal.unit
    if unit == "1":
        return ""
    return f" {unit}" if language == "en" else f" {_UNITS_ZH.get(unit, unit)}"


def _day(first: date, days: float) -> str:
    # A year without 29 February: dates are told as month and day.
    day = first + pd.Timedelta(days=round(days))
    return f"{day.month:02d}-{day.day:02d}"


def _signed(signal: Signal, language: Language) -> str:
    departure = signal.departure or 0.0
    size = _plain(signal, abs(departure))
    # Rounded to nothing it has no sign.
    sign = "" if not float(size) else "+" if departure > 0 else "−"
    return f"{sign}{size}{_unit(signal, language)}"


def _plain(signal: Signal, value: float) -> str:
    return f"{value:.2f}" if signal.unit == "1" else f"{value:.0f}"


def _number(value: float, form: str, unit: str = "") -> str:
    return "-" if pd.isna(value) else f"{value:{form}}{unit}"


def _estimate(bulletin: Bulletin, language: Language) -> list[str]:
    """Sentences about the yield; the first goes into the summary."""
    one = bulletin.estimate
    zh = language == "zh"
    if one is None:
        return [
            "数据库中没有本年该作物的单产估计。"
            if zh
            else "The store has no yield estimate of this crop and year."
        ]
    if one.value is None:
        why = _one_language(one.reason, language)
        return [f"单产无法估计：{why}。" if zh else f"No yield estimate: {why}."]
    status = {"forecast": "预报", "provisional": "初步", "final": "最终"}
    # A mu is a fifteenth of a hectare; farmers there count in kilograms a mu.
    value = f"{one.value:.2f} t/ha"
    if zh:
        value = f"{one.value:.2f} 吨/公顷（{1000 * one.value / 15:.0f} 公斤/亩）"
    interval = ""
    if one.lower is not None and one.upper is not None:
        share = f"{one.interval or 0:.0%}"
        interval = (
            f"，{share}区间 {one.lower:.2f}—{one.upper:.2f}"
            if zh
            else f", {share} interval {one.lower:.2f} to {one.upper:.2f}"
        )
    head = (
        f"单产{status.get(one.status, one.status)}估计：{value}{interval}。"
        if zh
        else f"Yield, {one.status}: {value}{interval}."
    )
    rest = [_lead(bulletin, language)]
    if one.reason:
        rest.append(_one_language(one.reason, language))
    return [head, *filter(None, rest)]


def _lead(bulletin: Bulletin, language: Language) -> str:
    """Say what the estimate had seen, and what of it is later than the bulletin."""
    one = bulletin.estimate
    assert one is not None
    end = bulletin.request.dekad.end
    made = f"{one.issued_at:%Y-%m-%d}"
    if one.as_of is None:
        return (
            f"发布于{made}，未注明所用资料截止日；可能用到本旬以后的资料。"
            f"运行 {one.run_id}。"
            if language == "zh"
            else f"Issued {made}; the last day of its data is not stated, it may have "
            f"seen more than this dekad. Run {one.run_id}."
        )
    lead = (_harvest(bulletin) - one.as_of).days
    later = one.as_of > end
    if language == "zh":
        more = "，晚于本旬" if later else ""
        return (
            f"资料截至{one.as_of}{more}，距常年成熟{max(lead, 0)}天；发布于{made}，"
            f"运行 {one.run_id}。"
        )
    more = ", later than this dekad" if later else ""
    return (
        f"From data until {one.as_of}{more}, {max(lead, 0)} days before usual "
        f"maturity; issued {made}, run {one.run_id}."
    )


def _harvest(bulletin: Bulletin) -> date:
    """Return the last day of the last stage, or of the season where there are none."""
    year = bulletin.request.day.year
    if bulletin.calendar is None:
        return date(year, 10, 10)
    return bulletin.calendar.stages[-1].window(year)[1]


def _one_language(text: str | None, language: Language) -> str:
    """Take a stored reason, "English · 中文", apart."""
    if not text:
        return word("not stated", language)
    english, _, chinese = text.partition(" · ")
    return chinese or english if language == "zh" else english


def _lineage(bulletin: Bulletin, language: Language) -> Iterator[Row]:
    request = bulletin.request
    count = sum(map(len, request.items.values()))
    sources = ", ".join(bulletin.weather_sources) or word("not stated", language)
    metres = f"{abs(request.geobox.resolution.x):g} m"
    years = years_of(bulletin)
    until = "" if bulletin.until is None else f" ({bulletin.until})"
    rows: list[tuple[str, Any]] = [
        ("run", bulletin.run_id),
        ("scenes", _scenes(count, len(request.items), language)),
        ("collections", ", ".join(dict.fromkeys(request.collections.values()))),
        ("past years", ", ".join(map(str, years)) or "-"),
        ("grid", f"{metres}, {request.geobox.shape.x} × {request.geobox.shape.y}"),
        ("crop map", bulletin.crop_map or "-"),
        ("weather source", f"{sources}{until}"),
        ("code version", code_version()),
    ]
    if bulletin.estimate is not None:
        rows.append(("yield", bulletin.estimate.run_id))
    for name, value in rows:
        yield {"name": _capital(word(name, language)), "value": str(value)}


def _scenes(count: int, years: int, language: Language) -> str:
    return f"{years}年共{count}景" if language == "zh" else f"{count} of {years} years"
