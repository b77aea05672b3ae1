"""Kinds of device: what each reports, under which names, and what it can be told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = ["DEVICE_KINDS", "Actuator", "DeviceKind"]


@dataclass(frozen=True, slots=True)
class Actuator:
    """A state that a device can be told to take.

    Either one of `values` (texts or booleans), or a number from `low` to `high` in
    `unit`.
    """

    name: str
    name_zh: str
    name_en: str
    values: tuple[str | bool, ...] = ()
    low: float = 0.0
    high: float = 0.0
    unit: str | None = None

    def accepts(self, value: str | float | bool) -> bool:
        """Whether a command may set this value; 1 is not true here."""
        if self.values:
            return any(type(value) is type(one) and value == one for one in self.values)
        return (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and self.low <= value <= self.high
        )


@dataclass(frozen=True, slots=True)
class DeviceKind:
    """A profile: what devices of this kind report, and what they can be told.

    Attributes
    ----------
    quantities
        What is measured, by their names in `QUANTITIES`.
    aliases
        Other names that such devices give their values, each with the quantity it is
        and the unit it comes in when the message names none.
    gateway
        Whether it may publish for other devices of its farm.
    actuators
        What commands may set.
    """

    name: str
    name_zh: str
    name_en: str
    quantities: tuple[str, ...]
    aliases: Mapping[str, tuple[str, str]] = field(
        default_factory=lambda: MappingProxyType({}), hash=False
    )
    gateway: bool = False
    actuators: tuple[Actuator, ...] = ()


_LINK = {
    "battery_voltage": ("battery", "V"),
    "BatV": ("battery", "V"),
    "RSSI": ("rssi", "dBm"),
    "SNR": ("snr", "dB"),
}
_AIR = {
    "temperature": ("air_temperature", "Cel"),
    "temp": ("air_temperature", "Cel"),
    "humidity": ("relative_humidity", "%"),
    "hum": ("relative_humidity", "%"),
    "pressure": ("air_pressure", "hPa"),
    "TempC_SHT": ("air_temperature", "Cel"),
    "Hum_SHT": ("relative_humidity", "%"),
    "rain": ("precipitation", "mm"),
    "wind_dir": ("wind_direction", "deg"),
    "light": ("illuminance", "lx"),
    "CO2": ("co2", "[ppm]"),
}
_SOIL = {
    "temperature": ("soil_temperature", "Cel"),
    # Probes that speak of plain moisture or humidity mean per cent of the volume.
    "moisture": ("soil_moisture", "%"),
    "humidity": ("soil_moisture", "%"),
    "water_SOIL": ("soil_moisture", "%"),
    "temp_SOIL": ("soil_temperature", "Cel"),
    "conduct_SOIL": ("soil_conductivity", "uS/cm"),
    "ec": ("soil_conductivity", "uS/cm"),
    "ph": ("soil_ph", "pH"),
    "nitrogen": ("soil_nitrogen", "mg/kg"),
    "phosphorus": ("soil_phosphorus", "mg/kg"),
    "potassium": ("soil_potassium", "mg/kg"),
}
_WATER = {
    "flow": ("water_flow", "m3/h"),
    "volume": ("water_volume", "m3"),
    "level": ("water_level", "m"),
    "pressure": ("water_pressure", "kPa"),
    "temperature": ("water_temperature", "Cel"),
}
_ANIMAL = {
    "temperature": ("body_temperature", "Cel"),
    "lat": ("latitude", "deg"),
    "lon": ("longitude", "deg"),
    "lng": ("longitude", "deg"),
}
_SWITCHED = ("off", "on")


def _kind(
    name: str,
    name_zh: str,
    name_en: str,
    quantities: str,
    *aliases: Mapping[str, tuple[str, str]],
    gateway: bool = False,
    actuators: tuple[Actuator, ...] = (),
) -> DeviceKind:
    """Make a profile with the aliases that lead to quantities it has."""
    names = tuple(quantities.split())
    return DeviceKind(
        name,
        name_zh,
        name_en,
        names,
        aliases=MappingProxyType(
            {
                alias: target
                for table in aliases
                for alias, target in table.items()
                if target[0] in names
            }
        ),
        gateway=gateway,
        actuators=actuators,
    )


DEVICE_KINDS: Mapping[str, DeviceKind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            _kind(
                "weather-station",
                "气象站",
                "Weather station",
                "air_temperature relative_humidity precipitation wind_speed"
                " solar_radiation",
                _AIR,
                _LINK,
            ),
            # What a station of the first class adds.
            _kind(
                "weather-station-plus",
                "全要素气象站",
                "Full weather station",
                "air_temperature relative_humidity air_pressure precipitation"
                " wind_speed wind_direction solar_radiation par illuminance"
                " vapour_pressure_deficit globe_temperature leaf_wetness battery"
                " rssi snr",
                _AIR,
                _LINK,
            ),
            _kind(
                "soil-probe",
                "土壤墒情仪",
                "Soil probe",
                "soil_moisture soil_temperature battery",
                _SOIL,
                _LINK,
            ),
            _kind(
                "soil-probe-plus",
                "土壤多参数仪",
                "Multi-parameter soil probe",
                "soil_moisture soil_temperature soil_conductivity"
                " soil_matric_potential soil_ph soil_nitrogen soil_phosphorus"
                " soil_potassium battery rssi snr",
                _SOIL,
                _LINK,
            ),
            _kind(
                "grain-bin",
                "粮仓测温",
                "Grain bin",
                "grain_temperature grain_moisture co2",
                {"CO2": ("co2", "[ppm]")},
            ),
            _kind(
                "grain-bin-plus",
                "粮情测控",
                "Grain bin with headspace",
                "grain_temperature grain_moisture headspace_temperature"
                " headspace_humidity air_temperature relative_humidity co2 battery",
                {"CO2": ("co2", "[ppm]")},
                _LINK,
            ),
            _kind(
                "barn-climate",
                "畜舍环境",
                "Barn climate sensor",
                "air_temperature relative_humidity co2 ammonia illuminance battery",
                _AIR,
                _LINK,
            ),
            _kind(
                "co2-sensor",
                "二氧化碳传感器",
                "CO2 sensor",
                "co2 air_temperature relative_humidity battery",
                _AIR,
                _LINK,
            ),
            _kind(
                "cattle-collar",
                "牛项圈",
                "Cattle collar",
                "body_temperature activity rumination battery",
                _ANIMAL,
                _LINK,
            ),
            _kind(
                "activity-collar",
                "发情监测项圈",
                "Activity collar",
                "activity activity_change motion_index rumination eating battery",
                _LINK,
            ),
            _kind(
                "gps-collar",
                "定位项圈",
                "GPS collar",
                "latitude longitude hdop altitude activity battery rssi snr",
                _ANIMAL,
                _LINK,
            ),
            _kind(
                "bolus",
                "瘤胃胶囊",
                "Rumen bolus",
                "reticulum_temperature reticulum_ph activity rumination drinking"
                " battery",
                {
                    "temperature": ("reticulum_temperature", "Cel"),
                    "ph": ("reticulum_ph", "pH"),
                },
                _LINK,
            ),
            _kind(
                "ear-tag",
                "电子耳标",
                "Ear tag",
                "ear_temperature activity rumination eating battery rssi",
                {"temperature": ("ear_temperature", "Cel")},
                _LINK,
            ),
            _kind(
                "leg-tag",
                "计步器",
                "Leg tag",
                "steps motion_index lying standing battery",
                _LINK,
            ),
            _kind(
                "tail-sensor",
                "产犊监测器",
                "Tail sensor",
                "tail_raises activity battery",
                _LINK,
            ),
            _kind(
                "milk-meter",
                "奶量计",
                "Milk meter",
                "milk_yield",
                {"yield": ("milk_yield", "kg")},
            ),
            _kind(
                "scale",
                "地磅",
                "Animal scale",
                "body_weight",
                {"weight": ("body_weight", "kg")},
            ),
            _kind(
                "flow-meter",
                "流量计",
                "Flow meter",
                "water_flow water_volume battery",
                _WATER,
                _LINK,
            ),
            _kind(
                "level-sensor",
                "水位计",
                "Level sensor",
                "water_level water_temperature battery",
                _WATER,
                _LINK,
            ),
            _kind(
                "pump",
                "水泵",
                "Pump",
                "water_flow water_pressure water_volume",
                _WATER,
                actuators=(Actuator("pump", "水泵", "Pump", _SWITCHED),),
            ),
            _kind(
                "valve",
                "阀门",
                "Valve",
                "water_flow water_pressure battery",
                _WATER,
                _LINK,
                actuators=(
                    Actuator("valve", "阀门", "Valve", ("closed", "open")),
                    Actuator("opening", "开度", "Opening", low=0, high=100, unit="%"),
                ),
            ),
            _kind(
                "fan",
                "风机",
                "Fan",
                "air_temperature relative_humidity",
                _AIR,
                actuators=(
                    Actuator("fan", "风机", "Fan", _SWITCHED),
                    Actuator("speed", "转速", "Speed", low=0, high=100, unit="%"),
                ),
            ),
            _kind(
                "gateway",
                "网关",
                "Gateway",
                "case_temperature battery rssi snr",
                {"temperature": ("case_temperature", "Cel")},
                _LINK,
                gateway=True,
            ),
        )
    }
)
