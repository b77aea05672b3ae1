"""Units of area, mass and yield as Chinese yearbooks write them, and exact factors.

1 公顷 = 15 亩 and 1 斤 = 0.5 kg are exact (the market system, 市制). Factors are
fractions, so that a conversion adds no rounding of its own.
"""

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

__all__ = [
    "MEASURES",
    "MEASURES_ZH",
    "Measure",
    "Unit",
    "parse_unit",
    "rounded",
    "unit_of",
]

Measure = Literal["area", "production", "yield"]
MEASURES: tuple[Measure, ...] = ("area", "production", "yield")
MEASURES_ZH: dict[Measure, str] = {
    "area": "面积",
    "production": "总产",
    "yield": "单产",
}

_AREA = {
    "亩": Fraction(1, 15),
    "市亩": Fraction(1, 15),
    "公顷": Fraction(1),
    "ha": Fraction(1),
    "hm2": Fraction(1),
    "kha": Fraction(1000),
    "khm2": Fraction(1000),
    "hectare": Fraction(1),
    "hectares": Fraction(1),
    "mu": Fraction(1, 15),
}

_MASS = {
    "斤": Fraction(1, 2000),
    "市斤": Fraction(1, 2000),
    "jin": Fraction(1, 2000),
    "公斤": Fraction(1, 1000),
    "千克": Fraction(1, 1000),
    "kg": Fraction(1, 1000),
    "吨": Fraction(1),
    "t": Fraction(1),
    "ton": Fraction(1),
    "tons": Fraction(1),
    "tonne": Fraction(1),
    "tonnes": Fraction(1),
}

_MULTIPLES = {
    "百": 100,
    "千": 1_000,
    "万": 10_000,
    "十万": 100_000,
    "百万": 1_000_000,
    "千万": 10_000_000,
    "亿": 100_000_000,
}


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: `factor` times a number in it is the number in the measure's base.

    Attributes
    ----------
    measure : str
        "area" (base ha), "production" (base t) or "yield" (base t/ha).
    factor : Fraction
        Exact.
    name : str
        As written.
    """

    measure: Measure
    factor: Fraction
    name: str


def parse_unit(text: str) -> Unit | None:
    """Read a unit in any usual spelling; None when it is none.

    Full-width letters, spaces and case do not matter: "公斤／亩", "千克/公顷",
    "kg/hm²", "kg·hm-2", "公斤每亩", "万 亩".
    """
    bare = _bare(text)
    if (area := _factor(bare, _AREA)) is not None:
        return Unit("area", area, text)
    if (mass := _factor(bare, _MASS)) is not None:
        return Unit("production", mass, text)
    upper, lower = _split_yield(bare)
    mass, area = _factor(upper, _MASS), _factor(lower, _AREA)
    if mass is None or area is None:
        return None
    return Unit("yield", mass / area, text)


def unit_of(text: str, measure: Measure, *, per: str = "") -> Unit | None:
    """Read the unit of a measure; None when it is none, or of another quantity.

    Parameters
    ----------
    text
        The unit as written.
    measure
        What it must be a unit of.
    per
        Area that the column's name already divides by: "亩" for 亩产, "公顷" for
        每公顷产量. A mass is then enough.
    """
    found = parse_unit(text)
    if found is not None and found.measure == "production" and measure == "yield":
        found = parse_unit(f"{text}/{per}") if per else None
    return found if found is not None and found.measure == measure else None


def rounded(value: Fraction) -> float:
    """Round to twelve significant digits: more than any yearbook has.

    What is stored so comes back the same from a table in any units, although a third
    of a hectare has no finite decimals.
    """
    return float(f"{float(value):.12g}")


def _bare(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).lower()
    return re.sub(r"\s+", "", folded).replace("\u2212", "-")


def _factor(text: str, units: dict[str, Fraction]) -> Fraction | None:
    """Factor of a unit with or without 千, 万 or 亿 before it."""
    # Whole words first: 千克 is a unit, not a thousand of 克.
    if text in units:
        return units[text]
    for word, factor in units.items():
        multiple = _MULTIPLES.get(text.removesuffix(word))
        if text.endswith(word) and multiple is not None:
            return factor * multiple
    return None


def _split_yield(text: str) -> tuple[str, str]:
    """Mass and area of a yield: "kg/hm2", "公斤每亩", "t·hm-2", "斤/亩"."""
    text = re.sub(r"[·.*]?(ha|hm)-([12])$", r"/\1\2", text).replace("ha1", "ha")
    mass, _, area = text.replace("per", "/").replace("每", "/").partition("/")
    return mass, area
