"""What devices measure: quantities and their units.

Units are codes of `sensors.units`. A quantity has exactly one unit in the store; a
reading that names none is in that, unless an alias of its device's kind says otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from sensors.errors import DeviceKindUnknown, QuantityUnknown
from sensors.kinds import DEVICE_KINDS, Actuator, DeviceKind

if TYPE_CHECKING:
    from store.devices import StreamSpec

__all__ = [
    "DEVICE_KINDS",
    "QUANTITIES",
    "Actuator",
    "DeviceKind",
    "Quantity",
    "device_kind",
    "quantity",
    "stream_specs",
]


@dataclass(frozen=True, slots=True)
class Quantity:
    """One measurable property: key used in payloads, unit, names for people."""

    name: str
    unit: str
    name_zh: str
    name_en: str


QUANTITIES: Mapping[str, Quantity] = MappingProxyType(
    {
        quantity.name: quantity
        for quantity in (
            # Weather.
            Quantity("air_temperature", "Cel", "气温", "Air temperature"),
            Quantity("relative_humidity", "%", "相对湿度", "Relative humidity"),
            Quantity("air_pressure", "hPa", "气压", "Air pressure"),
            # Amount fallen since the reading before.
            Quantity("precipitation", "mm", "降水量", "Precipitation"),
            Quantity("wind_speed", "m/s", "风速", "Wind speed"),
            # Where it blows from, clockwise from north.
            Quantity("wind_direction", "deg", "风向", "Wind direction"),
            Quantity("solar_radiation", "W/m2", "太阳辐射", "Solar radiation"),
            Quantity(
                "par",
                "umol/m2/s",
                "光合有效辐射",
                "Photosynthetically active radiation",
            ),
            Quantity("illuminance", "lx", "光照度", "Illuminance"),
            Quantity(
                "vapour_pressure_deficit",
                "kPa",
                "饱和水汽压差",
                "Vapour pressure deficit",
            ),
            # Black globe, for the heat load of animals in the sun.
            Quantity("globe_temperature", "Cel", "黑球温度", "Globe temperature"),
            Quantity("leaf_wetness", "%", "叶面湿度", "Leaf wetness"),
            # Soil.
            Quantity("soil_moisture", "m3/m3", "土壤含水量", "Soil moisture"),
            Quantity("soil_temperature", "Cel", "土壤温度", "Soil temperature"),
            Quantity("soil_conductivity", "dS/m", "土壤电导率", "Soil conductivity"),
            # Negative below saturation.
            Quantity(
                "soil_matric_potential", "kPa", "土壤基质势", "Soil matric potential"
            ),
            Quantity("soil_ph", "pH", "土壤酸碱度", "Soil pH"),
            # Cheap probes derive the three from the conductivity: indicative.
            Quantity("soil_nitrogen", "mg/kg", "土壤氮", "Soil nitrogen"),
            Quantity("soil_phosphorus", "mg/kg", "土壤磷", "Soil phosphorus"),
            Quantity("soil_potassium", "mg/kg", "土壤钾", "Soil potassium"),
            # Water.
            Quantity("water_level", "m", "水位", "Water level"),
            Quantity("water_flow", "m3/h", "流量", "Water flow"),
            Quantity("water_volume", "m3", "累计水量", "Water volume"),
            Quantity("water_pressure", "kPa", "水压", "Water pressure"),
            Quantity("water_temperature", "Cel", "水温", "Water temperature"),
            # Grain and barns.
            Quantity("grain_temperature", "Cel", "粮温", "Grain temperature"),
            # Wet basis, as the grain trade quotes it.
            Quantity("grain_moisture", "%", "粮食水分", "Grain moisture"),
            Quantity("headspace_temperature", "Cel", "仓温", "Headspace temperature"),
            Quantity("headspace_humidity", "%", "仓湿", "Headspace humidity"),
            Quantity("co2", "[ppm]", "二氧化碳", "Carbon dioxide"),
            Quantity("ammonia", "[ppm]", "氨气", "Ammonia"),
            # Livestock. What an animal does is given as its share of the time.
            Quantity("body_temperature", "Cel", "体温", "Body temperature"),
            Quantity(
                "reticulum_temperature", "Cel", "瘤胃温度", "Reticulum temperature"
            ),
            Quantity("reticulum_ph", "pH", "瘤胃酸碱度", "Reticulum pH"),
            Quantity("ear_temperature", "Cel", "耳温", "Ear temperature"),
            Quantity("activity", "{index}", "活动量", "Activity"),
            # Against the animal's own usual level, as SCR Heatime collars give it.
            Quantity("activity_change", "{index}", "活动量变化", "Activity change"),
            Quantity("motion_index", "{index}", "运动指数", "Motion index"),
            Quantity("rumination", "min/h", "反刍", "Rumination"),
            Quantity("eating", "min/h", "采食", "Eating"),
            Quantity("drinking", "min/h", "饮水", "Drinking"),
            Quantity("lying", "min/h", "躺卧", "Lying"),
            Quantity("standing", "min/h", "站立", "Standing"),
            Quantity("steps", "{step}/h", "步数", "Steps"),
            Quantity("tail_raises", "{count}/h", "举尾次数", "Tail raises"),
            Quantity("milk_yield", "kg", "产奶量", "Milk yield"),
            Quantity("body_weight", "kg", "体重", "Body weight"),
            # Position, WGS 84.
            Quantity("latitude", "deg", "纬度", "Latitude"),
            Quantity("longitude", "deg", "经度", "Longitude"),
            Quantity("hdop", "1", "水平精度因子", "Horizontal dilution of precision"),
            Quantity("altitude", "m", "海拔", "Altitude"),
            # The device itself.
            Quantity("battery", "V", "电池电压", "Battery voltage"),
            Quantity("battery_level", "%", "电池电量", "Battery level"),
            Quantity("rssi", "dBm", "接收信号强度", "Received signal strength"),
            Quantity("snr", "dB", "信噪比", "Signal-to-noise ratio"),
            Quantity("case_temperature", "Cel", "设备温度", "Device temperature"),
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
            f" · 未知的测量量 {name}"
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


def stream_specs(kind: str, *, thing: str) -> "list[StreamSpec]":
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
    # An edge agent uses these tables without a database.
    from store.devices import StreamSpec

    return [
        StreamSpec(quantity=name, unit=QUANTITIES[name].unit, thing=thing)
        for name in device_kind(kind).quantities
    ]
