"""Uplinks that LoRaWAN network servers forward: ChirpStack v4 and The Things Stack v3.

Both carry what the device's codec decoded; without a codec there is nothing to read.
Of the decoded object numbers are taken, and texts that are JSON numbers, as several
makers' codecs write them; nested objects are flattened with ``_``. Codecs add status
texts, switches and lists: these are no readings and are ignored, but at least one
number must be there. The device goes by its DevEUI, in lower case. The time is the
server's, finer than a microsecond cut off.
"""

import re
from collections.abc import Iterator
from typing import Any

from sensors.errors import PayloadInvalid
from sensors.formats.checks import (
    MAX_FORWARDED,
    checked_time,
    json_document,
    number,
    shown,
    timestamp_us,
    whole_number,
)
from sensors.uplink import Measurement, Uplink

__all__ = ["chirpstack", "things_stack"]

_DEV_EUI = re.compile(r"[0-9a-f]{16}")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)
# Levels of a decoded object; no codec nests deeper.
_DEEPEST = 4


def chirpstack(topic_eui: str, payload: bytes, received_us: int) -> Uplink:
    """Read an ``up`` event of ChirpStack v4 (its api/integration, UplinkEvent, JSON).

    Raises
    ------
    PayloadInvalid
        Not such an event, of another device than its topic, or not decoded.
    """
    event = _object("event", json_document(payload, largest=MAX_FORWARDED))
    info = _object("deviceInfo", event.get("deviceInfo"))
    dev_eui = _dev_eui("deviceInfo.devEui", info.get("devEui"))
    if dev_eui != topic_eui.lower():
        raise PayloadInvalid(
            f"devEui {dev_eui} came on the topic of {shown(topic_eui)}"
            " · devEui 与主题不符"
        )
    time_us = _time_us(event.get("time"), received_us)
    return Uplink(
        dev_eui,
        None,
        _measurements("object", event.get("object"), time_us),
        whole_number("fCnt", event.get("fCnt")),
    )


def things_stack(device_id: str, payload: bytes, received_us: int) -> Uplink:
    """Read an uplink message of The Things Stack v3 (its data formats, JSON).

    A device without DevEUI (activation by personalisation) goes by its device id.

    Raises
    ------
    PayloadInvalid
        Not such a message, of another device than its topic, simulated in the console,
        or not decoded.
    """
    message = _object("message", json_document(payload, largest=MAX_FORWARDED))
    ids = _object("end_device_ids", message.get("end_device_ids"))
    if ids.get("device_id") != device_id:
        raise PayloadInvalid(
            f"device_id {shown(ids.get('device_id'))} came on the topic of"
            f" {shown(device_id)} · device_id 与主题不符"
        )
    if message.get("simulated"):
        raise PayloadInvalid(
            "simulated in the console, not measured · 控制台模拟的消息，不是实测"
        )
    uplink = _object("uplink_message", message.get("uplink_message"))
    received = uplink.get("received_at") or message.get("received_at")
    time_us = _time_us(received, received_us)
    eui = ids.get("dev_eui")
    return Uplink(
        device_id if eui is None else _dev_eui("dev_eui", eui),
        None,
        _measurements("decoded_payload", uplink.get("decoded_payload"), time_us),
        whole_number("f_cnt", uplink.get("f_cnt")),
    )


def _object(name: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise PayloadInvalid(
            f"{name} is {shown(value)}, not an object · 缺少对象 {name}"
        )
    return value


def _dev_eui(name: str, value: object) -> str:
    text = value.lower() if isinstance(value, str) else ""
    if _DEV_EUI.fullmatch(text) is None:
        raise PayloadInvalid(
            f"{name} {shown(value)} is not 16 hexadecimal digits"
            " · DevEUI 不是 16 位十六进制数"
        )
    return text


def _time_us(value: object, received_us: int) -> int:
    if value is None:
        return received_us
    return checked_time(timestamp_us("time", value), received_us)


def _measurements(name: str, decoded: object, time_us: int) -> list[Measurement]:
    if decoded is None:
        raise PayloadInvalid(
            f"{name} is missing: set up the device's payload codec on the LoRaWAN"
            " server · 消息未解码，请在 LoRaWAN 服务器上配置设备的编解码器"
        )
    found: dict[str, float] = {}
    for key, value in _numbers("", _object(name, decoded), _DEEPEST):
        if key in found:
            raise PayloadInvalid(f"key {shown(key)} occurs twice · 键重复")
        found[key] = value
    if not found:
        raise PayloadInvalid(f"{name} has no number · 解码结果中没有数值")
    return [Measurement(key, None, time_us, value) for key, value in found.items()]


def _numbers(
    prefix: str, decoded: dict[str, Any], levels: int
) -> Iterator[tuple[str, float]]:
    if not levels:
        raise PayloadInvalid(
            f"decoded object nested more than {_DEEPEST} deep · 解码结果嵌套过深"
        )
    for key, value in decoded.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _numbers(f"{name}_", value, levels - 1)
        elif isinstance(value, str) and _NUMBER.fullmatch(value):
            yield name, number(name, float(value))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield name, number(name, value)
