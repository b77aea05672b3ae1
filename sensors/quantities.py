"""What devices measure: quantities, their units, and the kinds of device.

Units are UCUM codes (https://ucum.org). A quantity has exactly one unit on the wire and
in the store; devices convert before they publish.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sensors.errors import DeviceKindUnknown, QuantityUnknown
from store.devices import StreamSpec


@dataclass(frozen=True, slots=True)
class Quantity:
    """One measurable property: key used in payloads, UCUM unit, names for people."""

    name: str
    unit: str
    name_zh: str
    name_en: str


@dataclass(frozen=True, slots=True)
class DeviceKind:
    """A profile: the quantities that a device of this kind reports."""

    name: str
    name_zh: str
    name_en: str
    quantities: tuple[str, ...]


QUANTITIES: Mapping[str, Quantity] = MappingProxyType(
    {
        quantity.name: quantity
        for quantity in (
            Quantity("air_temperature", "Cel", "气温", "Air temperature"),
            Quantity("relative_humidity", "%", "相对湿度", "Relative humidity"),
            # Amount fallen in the ten minutes before the reading.
            Quantity("precipitation", "mm", "降水量", "Precipitation"),
            Quantity("wind_speed", "m/s", "风速", "Wind speed"),
            Quantity("solar_radiation", "W/m2", "太阳辐射", "Solar radiation"),
            Quantity("soil_moisture", "m3/m3", "土壤含水量", "Soil moisture"),
            Quantity("soil_temperature", "Cel", "土壤温度", "Soil temperature"),
            Quantity("grain_temperature", "Cel", "粮温", "Grain temperature"),
            # Wet basis, as the grain trade quotes it.
            Quantity("grain_moisture", "%", "粮食水分", "Grain moisture"),
            Quantity("co2", "[ppm]", "二氧化碳", "Carbon dioxide"),
            Quantity("body_temperature", "Cel", "体温", "Body temperature"),
            Quantity("activity", "{index}", "活动量", "Activity"),
            Quantity("rumination", "min/h", "反刍", "Rumination"),
            Quantity("battery", "V", "电池电压", "Battery voltage"),
        )
    }
)

DEVICE_KINDS: Mapping[str, DeviceKind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            DeviceKind(
                "weather-station",
                "气象站",
                "Weather station",
                (
                    "air_temperature",
                    "relative_humidity",
                    "precipitation",
                    "wind_speed",
                    "solar_radiation",
                ),
            ),
            DeviceKind(
                "soil-probe",
                "土壤墒情仪",
                "Soil probe",
                ("soil_moisture", "soil_temperature", "battery"),
            ),
            DeviceKind(
                "grain-bin",
                "粮仓测温",
                "Grain bin",
                ("grain_temperature", "grain_moisture", "co2"),
            ),
            DeviceKind(
                "cattle-collar",
                "牛项圈",
                "Cattle collar",
                ("body_temperature", "activity", "rumination", "battery"),
            ),
        )
    }
)


def quantity(name: str) -> Quantity:
    """Look a quantity up by its payload key.

    Raises
    ------
    QuantityUnknown
        `name` is not in `QUANTITIES`.
    """
    if name not in QUANTITIES:
        raise QuantityUnknown(
            f"quantity {name!r} is unknown; known ones: {', '.join(QUANTITIES)}"
        )
    return QUANTITIES[name]


def device_kind(name: str) -> DeviceKind:
    """Look a device kind up by its name.

    Raises
    ------
    DeviceKindUnknown
        `name` is not in `DEVICE_KINDS`.
    """
    if name not in DEVICE_KINDS:
        raise DeviceKindUnknown(
            f"device kind {name!r} is unknown; known ones: {', '.join(DEVICE_KINDS)}"
            f" · 未知的设备类型 {name}"
        )
    return DEVICE_KINDS[name]


def stream_specs(kind: str, *, thing: str) -> list[StreamSpec]:
    """Streams of a new device: one for each quantity of its kind.

    Parameters
    ----------
    kind
        Name of the device kind.
    thing
        What is measured: a field, a cow, a grain bin, a place.

    Raises
    ------
    DeviceKindUnknown
        `kind` is not in `DEVICE_KINDS`.
    """
    return [
        StreamSpec(quantity=name, unit=QUANTITIES[name].unit, thing=thing)
        for name in device_kind(kind).quantities
    ]
