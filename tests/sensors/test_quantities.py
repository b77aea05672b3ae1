import pytest

from sensors.errors import DeviceKindUnknown, QuantityUnknown
from sensors.quantities import (
    DEVICE_KINDS,
    QUANTITIES,
    DeviceKind,
    Quantity,
    device_kind,
    quantity,
    stream_specs,
)
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
