import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ValueInvalid
from models.yield_monitor import (
    UnitsMixed,
    UnitUnknown,
    at_moisture,
    flow_kg_s,
    one_unit,
    yield_t_ha,
)
from tests.models.messages import refused


@pytest.mark.parametrize(
    ("value", "unit", "crop", "tonnes"),
    [
        # 25.40117272 kg on 0.40468564224 ha; tables give 62.77 and 67.25 kg/ha.
        (1.0, "bu/ac", "maize", 0.0627676648),
        (1.0, "bu/ac", "soybean", 0.0672510694),
        (1.0, "bu/ac", "wheat", 0.0672510694),
        (133.5, "bu/ac", "maize", 8.37948325),
        (68.4, "qu/ha", None, 6.84),
        (500.0, "kg/mu", None, 7.5),
        (1000.0, "jin/mu", None, 7.5),
        (8380.0, "kg/ha", None, 8.38),
        (8.38, "t/ha", None, 8.38),
    ],
)
def test_yields_in_tonnes(
    value: float, unit: str, crop: str | None, tonnes: float
) -> None:
    assert yield_t_ha(value, unit=unit, crop=crop) == pytest.approx(tonnes, rel=1e-8)


@pytest.mark.parametrize(
    ("value", "unit", "kilograms"),
    [(1.0, "lb/s", 0.45359237), (2.5, "kg/s", 2.5), (36.0, "t/h", 10.0)],
)
def test_flow_in_kilograms(value: float, unit: str, kilograms: float) -> None:
    assert flow_kg_s(value, unit=unit) == pytest.approx(kilograms, rel=1e-15)


def test_american_corn_at_chinese_moisture() -> None:
    assert at_moisture(8.6, measured=15.5, basis=14.0) == pytest.approx(8.45)


@given(st.floats(0, 100), st.floats(0, 45), st.floats(0, 45))
def test_moisture_there_and_back(value: float, one: float, other: float) -> None:
    there = at_moisture(value, measured=one, basis=other)
    assert at_moisture(there, measured=other, basis=one) == pytest.approx(value)


def test_unknown_units_are_refused() -> None:
    with refused(UnitUnknown, match="bu/ac of cotton"):
        yield_t_ha(1.0, unit="bu/ac", crop="cotton")
    with refused(UnitUnknown, match="'cwt/ac'.*kg/mu"):
        yield_t_ha(1.0, unit="cwt/ac")
    with refused(UnitUnknown, match="lb/s"):
        flow_kg_s(1.0, unit="bu/h")
    with refused(ValueInvalid, match="moisture basis 100"):
        at_moisture(1.0, measured=14.0, basis=100.0)


def test_targets_in_two_units_are_refused() -> None:
    with refused(UnitsMixed, match="kg/ha and t/ha"):
        one_unit(["t/ha", "kg/ha", "t/ha"])
    with refused(UnitsMixed, match="from 7.1 to 7200"):
        one_unit(values=[7.1, 7200.0, np.nan])


def test_targets_in_one_unit_pass() -> None:
    one_unit(["t/ha", "t/ha"], values=[0.0, 0.08, 1.2, 14.0, np.nan])
