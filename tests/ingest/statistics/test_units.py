from fractions import Fraction

import pytest

from ingest.statistics.units import Measure, parse_unit, unit_of


@pytest.mark.parametrize(
    ("text", "number", "hectares"),
    [
        ("亩", 15, 1),
        ("万亩", 1, Fraction(10_000, 15)),
        # 438.1 万亩 is 4,381,000 亩, a fifteenth of it in hectares.
        ("万亩", Fraction("438.1"), Fraction(4_381_000, 15)),
        ("公顷", 7, 7),
        ("千公顷", Fraction("5825.6"), 5_825_600),
        ("万公顷", 1, 10_000),
        ("ha", 1, 1),
        ("hm²", 1, 1),
        ("khm2", 1, 1000),
        (" 万 亩 ", 3, 2000),
    ],
)
def test_areas(text: str, number: Fraction, hectares: Fraction) -> None:
    unit = parse_unit(text)

    assert unit is not None
    assert unit.measure == "area"
    assert number * unit.factor == hectares


@pytest.mark.parametrize(
    ("text", "number", "tonnes"),
    [
        ("吨", 1, 1),
        ("万吨", Fraction("4186.5"), 41_865_000),
        ("千吨", 1, 1000),
        ("公斤", 1000, 1),
        ("千克", 1000, 1),
        ("斤", 2000, 1),
        ("万斤", 1, 5),
        ("亿斤", 53, 2_650_000),
        ("亿公斤", Fraction("363.3"), 36_330_000),
        ("万公斤", 1, 10),
        ("t", 1, 1),
        ("kg", 1000, 1),
        ("㎏", 1000, 1),
    ],
)
def test_masses(text: str, number: Fraction, tonnes: Fraction) -> None:
    unit = parse_unit(text)

    assert unit is not None
    assert unit.measure == "production"
    assert number * unit.factor == tonnes


@pytest.mark.parametrize(
    ("text", "number", "tonnes_per_hectare"),
    [
        # 1,209.8 斤 on each of the 15 亩 of a hectare are 18,147 斤, 9.0735 t.
        ("斤/亩", Fraction("1209.8"), Fraction("9.0735")),
        ("公斤/亩", Fraction("604.9"), Fraction("9.0735")),
        ("公斤／亩", 500, Fraction("7.5")),
        ("公斤每亩", 500, Fraction("7.5")),
        ("千克/公顷", 7500, Fraction("7.5")),
        ("公斤/公顷", Fraction("7186.4"), Fraction("7.1864")),
        ("吨/公顷", 1, 1),
        ("吨/亩", 1, 15),
        ("t/ha", 1, 1),
        ("kg/ha", 1000, 1),
        ("kg/hm2", 1000, 1),
        ("KG/HM²", 1000, 1),
        ("kg·hm-2", 1000, 1),
        ("t·ha⁻¹", 1, 1),
        ("㎏/㏊", 1000, 1),
    ],
)
def test_yields(text: str, number: Fraction, tonnes_per_hectare: Fraction) -> None:
    unit = parse_unit(text)

    assert unit is not None
    assert unit.measure == "yield"
    assert number * unit.factor == tonnes_per_hectare


@pytest.mark.parametrize(
    "text",
    ["垧", "%", "元", "", "米", "公斤/", "/亩", "亩/公斤", "kkg", "万", "千 克 力"],
)
def test_no_unit(text: str) -> None:
    assert parse_unit(text) is None


@pytest.mark.parametrize(
    ("text", "measure", "per", "found"),
    [
        ("公斤", "yield", "亩", Fraction(15, 1000)),
        ("公斤", "yield", "公顷", Fraction(1, 1000)),
        ("公斤/亩", "yield", "亩", Fraction(15, 1000)),
        ("公斤", "yield", "", None),
        ("吨", "area", "", None),
        ("公斤/亩", "production", "", None),
    ],
)
def test_unit_of_a_measure(
    text: str, measure: Measure, per: str, found: Fraction | None
) -> None:
    unit = unit_of(text, measure, per=per)

    assert (unit and unit.factor) == found
