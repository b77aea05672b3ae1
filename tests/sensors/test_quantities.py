import pytest

from sensors.errors import DeviceKindUnknown, QuantityUnknown
from sensors.quantities import (
    DEVICE_KINDS,
    QUANTITIES,
    Actuator,
    DeviceKind,
    Quantity,
    device_kind,
    quantity,
    stream_specs,
)
from sensors.units import conversion
from store.devices import StreamSpec


def test_soil_probe_streams() -> None:
    assert stream_specs("soil-probe", thing="plot-1") == [
        StreamSpec(quantity="soil_moisture", unit="m3/m3", thing="plot-1"),
        StreamSpec(quantity="soil_temperature", unit="Cel", thing="plot-1"),
        StreamSpec(quantity="battery", unit="V", thing="plot-1"),
    ]


def test_every_kind_reports_known_quantities() -> None:
    assert {name for kind in DEVICE_KINDS.values() for name in kind.quantities} <= set(
        QUANTITIES
    )


@pytest.mark.parametrize("named", [*QUANTITIES.values(), *DEVICE_KINDS.values()])
def test_every_quantity_and_kind_has_two_names(named: Quantity | DeviceKind) -> None:
    assert named.name_en.isascii()
    assert not named.name_zh.isascii()


def test_unknown_quantity_names_the_known_ones() -> None:
    with pytest.raises(QuantityUnknown, match=r"'humidity' is unknown.*soil_moisture"):
        quantity("humidity")


def test_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(DeviceKindUnknown, match=r"'drone' is unknown.*cattle-collar"):
        device_kind("drone")


def test_every_quantity_has_a_unit_that_converts() -> None:
    for known in QUANTITIES.values():
        assert conversion(known.unit, known.unit) == (1.0, 0.0)


def test_aliases_lead_to_quantities_of_their_kind_in_units_that_convert() -> None:
    for kind in DEVICE_KINDS.values():
        for alias, (name, unit) in kind.aliases.items():
            assert name in kind.quantities
            # A quantity's own name must never mean another one.
            assert alias not in QUANTITIES
            conversion(unit, QUANTITIES[name].unit)


def test_aliases_of_a_lorawan_soil_probe() -> None:
    aliases = device_kind("soil-probe-plus").aliases
    assert aliases["water_SOIL"] == ("soil_moisture", "%")
    assert aliases["conduct_SOIL"] == ("soil_conductivity", "uS/cm")
    # The simple probe has no conductivity to be told.
    assert "conduct_SOIL" not in device_kind("soil-probe").aliases


def test_only_the_gateway_speaks_for_others() -> None:
    assert [name for name, kind in DEVICE_KINDS.items() if kind.gateway] == ["gateway"]


@pytest.mark.parametrize(
    ("kind", "state", "value", "accepted"),
    [
        ("valve", "valve", "open", True),
        ("valve", "valve", "ajar", False),
        ("valve", "valve", True, False),
        ("valve", "opening", 0, True),
        ("valve", "opening", 100.0, True),
        ("valve", "opening", 100.1, False),
        ("valve", "opening", -1, False),
        ("valve", "opening", float("nan"), False),
        ("valve", "opening", True, False),
        ("valve", "opening", "50", False),
        ("fan", "fan", "on", True),
        ("pump", "pump", 1, False),
    ],
)
def test_actuators(
    kind: str, state: str, value: str | float | bool, accepted: bool
) -> None:
    (actuator,) = [one for one in device_kind(kind).actuators if one.name == state]
    assert actuator.accepts(value) is accepted


def test_switches_tell_true_from_one() -> None:
    switch = Actuator("light", "灯", "Light", values=(False, True))
    assert [switch.accepts(value) for value in (True, False, 1, 0, "on")] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_kind_of_heatime_collars_has_what_their_exports_hold() -> None:
    # Columns "Activity Change" and "Raw Activity Data", see sensors.replay.recording.
    held = device_kind("activity-collar").quantities
    assert {"activity_change", "motion_index"} <= set(held)
