"""ThingsBoard's MQTT telemetry, of a device and of a gateway.

A device publishes ``{"temperature": 3.2}`` (measured at receipt),
``{"ts": 1763875800000, "values": {"temperature": 3.2}}`` (ms since 1970) or an array of
either; a gateway ``{"Device A": [<any of these>], ...}``. Only numbers are readings: a
text that looks like one is refused, since ThingsBoard itself converts it by a setting
only.
"""

from typing import Any

from sensors.errors import PayloadInvalid
from sensors.formats.checks import checked_time, json_document, number, shown
from sensors.uplink import Measurement, Uplink

__all__ = ["device", "gateway"]

_LONGEST_NAME = 200


def device(publisher: str | None, payload: bytes, received_us: int) -> Uplink:
    """Read ``v1/devices/me/telemetry``.

    Raises
    ------
    PayloadInvalid
        Not such telemetry, or nobody knows who ``me`` is.
    """
    if publisher is None:
        raise PayloadInvalid(
            "v1/devices/me/telemetry does not tell the device: connect with the"
            " device's own credential to the platform's own listener"
            " · 无法得知是哪个设备，请用设备凭据直接连接平台"
        )
    document = json_document(payload)
    entries = document if isinstance(document, list) else [document]
    return Uplink(publisher, None, _measurements(entries, received_us))


def gateway(payload: bytes, received_us: int) -> list[Uplink]:
    """Read ``v1/gateway/telemetry``: an uplink for each device.

    Raises
    ------
    PayloadInvalid
        Not such telemetry.
    """
    document = json_document(payload)
    if not isinstance(document, dict) or not document:
        raise PayloadInvalid(
            f"not an object of devices but {shown(document)} · 不是设备对象"
        )
    return [
        Uplink(_name(name), None, _measurements(entries, received_us))
        for name, entries in document.items()
    ]


def _name(name: str) -> str:
    if not (0 < len(name) <= _LONGEST_NAME and name.isprintable()):
        raise PayloadInvalid(f"device name {shown(name)} is not usable · 设备名无效")
    return name


def _measurements(entries: object, received_us: int) -> list[Measurement]:
    if not isinstance(entries, list) or not entries:
        raise PayloadInvalid(
            f"telemetry is {shown(entries)}, not an array with entries"
            " · 遥测数据为空或不是数组"
        )
    return [
        measurement for entry in entries for measurement in _entry(entry, received_us)
    ]


def _entry(entry: object, received_us: int) -> list[Measurement]:
    if not isinstance(entry, dict):
        raise PayloadInvalid(
            f"telemetry entry is {shown(entry)}, not an object · 遥测条目不是对象"
        )
    values: Any = entry
    time_us = received_us
    if "ts" in entry and "values" in entry:
        values = entry["values"]
        time_us = checked_time(_milliseconds_us(entry["ts"]), received_us)
    if not isinstance(values, dict) or not values:
        raise PayloadInvalid("telemetry without values · 遥测数据没有数值")
    return [
        Measurement(name, None, time_us, number(name, value))
        for name, value in values.items()
    ]


def _milliseconds_us(value: object) -> int:
    if type(value) is not int:
        raise PayloadInvalid(
            f"ts {shown(value)} is not a whole number of milliseconds · ts 不是整数毫秒"
        )
    return value * 1_000
