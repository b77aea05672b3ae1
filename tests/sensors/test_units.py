from itertools import product

import pytest

from sensors.units import UNITS, Conversion, UnitUnknown, conversion


@pytest.mark.parametrize(
    ("source", "target", "value", "expected"),
    [
        ("K", "Cel", 273.15, 0.0),
        ("[degF]", "Cel", 212, 100.0),
        ("[degF]", "Cel", -40, -40.0),
        ("Cel", "K", 25, 298.15),
        ("Cel", "[degF]", 37, 98.6),
        ("%", "m3/m3", 24, 0.24),
        ("m3/m3", "%", 0.24, 24.0),
        ("%RH", "%", 71, 71.0),
        ("/", "%", 0.71, 71.0),
        ("ppm", "[ppm]", 410, 410.0),
        ("%", "[ppm]", 0.1, 1000.0),
        ("ppb", "[ppm]", 410, 0.41),
        ("ppm", "mg/kg", 30, 30.0),
        ("g/kg", "mg/kg", 1.5, 1500.0),
        ("cm", "mm", 1.2, 12.0),
        ("kg/m2", "mm", 3, 3.0),
        ("[in_i]", "mm", 1, 25.4),
        ("km/h", "m/s", 36, 10.0),
        ("[kn_i]", "m/s", 3600, 1852.0),
        ("Pa", "hPa", 101_325, 1013.25),
        ("kPa", "hPa", 101.325, 1013.25),
        ("bar", "kPa", 1.5, 150.0),
        ("mV", "V", 3580, 3.58),
        ("mS/cm", "dS/m", 1.3, 1.3),
        ("uS/cm", "dS/m", 1300, 1.3),
        ("S/m", "dS/m", 0.13, 1.3),
        ("L/s", "m3/h", 1, 3.6),
        ("L/min", "m3/h", 100, 6.0),
        ("m3/s", "m3/h", 0.5, 1800.0),
        ("L", "m3", 250, 0.25),
        ("rad", "deg", 3.141592653589793, 180.0),
        ("lat", "deg", 43.31, 43.31),
        ("lon", "deg", 124.34, 124.34),
        ("dBW", "dBm", -117, -87.0),
        ("h/d", "min/h", 8, 20.0),
        ("%", "min/h", 50, 30.0),
        ("beat/min", "/h", 2, 120.0),
        ("g", "kg", 28_500, 28.5),
        ("h", "s", 1.5, 5400.0),
        ("klx", "lx", 12, 12_000.0),
        ("mmol/m2/s", "umol/m2/s", 1.2, 1200.0),
    ],
)
def test_hand_values(source: str, target: str, value: float, expected: float) -> None:
    assert conversion(source, target).of(value) == pytest.approx(expected, abs=1e-9)


# As Pint 0.25.3 has them, from kelvin, pascal, metre and so on.
@pytest.mark.parametrize(
    ("source", "target", "factor", "offset"),
    [
        ("[degF]", "K", 0.5555555555555556, 255.3722222222222),
        ("[psi]", "Pa", 6894.757293168361, 0),
        ("m[H2O]", "Pa", 9806.65, 0),
        ("mm[Hg]", "Pa", 133.322387415, 0),
        ("[lb_av]", "kg", 0.45359237, 0),
        ("[mi_i]/h", "m/s", 0.44704, 0),
        ("gon", "deg", 0.9, 0),
        ("[kn_i]", "m/s", 0.5144444444444445, 0),
    ],
)
def test_factors_of_another_library(
    source: str, target: str, factor: float, offset: float
) -> None:
    assert conversion(source, target) == pytest.approx((factor, offset), rel=1e-12)


def test_equal_codes_leave_values_alone() -> None:
    for units in UNITS.values():
        for code in units:
            assert conversion(code, code) == Conversion(1.0, 0.0)


def test_codes_that_measure_several_things_convert_alike_in_each() -> None:
    factors: dict[tuple[str, str], set[float]] = {}
    for units in UNITS.values():
        for source, target in product(units, repeat=2):
            if units[source].offset == units[target].offset:
                factor = float(units[source].factor / units[target].factor)
                factors.setdefault((source, target), set()).add(factor)
    assert {pair for pair, found in factors.items() if len(found) > 1} == set()


def test_there_and_back_again() -> None:
    for units in UNITS.values():
        for source, target in product(units, repeat=2):
            value = conversion(target, source).of(conversion(source, target).of(7.25))
            assert value == pytest.approx(7.25)


@pytest.mark.parametrize("code", ["cel", "CEL", "degC", "", "%rh", "x" * 1_000, "m\0"])
def test_unknown_codes_are_said(code: str) -> None:
    for pair in ((code, "Cel"), ("Cel", code)):
        with pytest.raises(UnitUnknown, match=r"is unknown.*未知的单位") as caught:
            conversion(*pair)
        assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("Cel", "%"),
        ("%RH", "m3/m3"),
        ("V", "dBm"),
        ("mm/h", "mm"),
        ("L", "kg"),
        ("lat", "lon"),
        ("dB", "dBm"),
        ("pH", "1"),
        ("W/m2", "umol/m2/s"),
    ],
)
def test_incompatible_units_are_both_named(source: str, target: str) -> None:
    with pytest.raises(UnitUnknown, match="different things") as caught:
        conversion(source, target)
    assert source in str(caught.value)
    assert target in str(caught.value)
