"""Heitu's own format: compact JSON of several readings, and reports of state.

On ``farm/<farm>/<device>/up``::

    {"seq": 17, "ts": "2026-11-23T05:30:00Z", "readings": {"air_temperature": 3.2}}

On ``farm/<farm>/<device>/state``::

    {"ts": "2026-11-23T05:30:00Z", "state": {"valve": "open"}, "command": "c-81"}

``ts`` is ISO 8601 with an offset. A device without a clock sends ``age_s`` instead, the
seconds since it measured; its time is then reckoned from the moment of receipt, so a
second delivery of such a message is another reading. Optional: ``units`` (name to UCUM
code), ``corr`` (true: the values replace those stored for their times), ``seq``.
Further keys are ignored: devices add their own (firmware version, signal).
"""

from datetime import datetime
from typing import Any

import orjson

from sensors.errors import PayloadInvalid
from sensors.formats.checks import (
    CLOCK_TOLERANCE_US,
    EARLIEST_US,
    MAX_PAYLOAD,
    checked_time,
    json_document,
    number,
    shown,
    timestamp_us,
    whole_number,
)
from sensors.uplink import Measurement, Report, Uplink

__all__ = ["readings", "readings_strictly", "state"]

_LONGEST_TEXT = 200
# Past the Python-level __new__ of a named tuple, half of whose time is its arguments.
_tuple = tuple.__new__
_parse_time = datetime.fromisoformat


def readings(farm: str, device_id: str, payload: bytes, received_us: int) -> Uplink:
    """Read a message of readings.

    Raises
    ------
    PayloadInvalid
        As `readings_strictly`.
    """
    usual = _usual(farm, device_id, payload, received_us)
    if usual is not None:
        return usual
    return readings_strictly(farm, device_id, payload, received_us)


def _usual(
    farm: str, device_id: str, payload: bytes, received_us: int
) -> Uplink | None:
    """Read a message without anything unusual, four times as fast; None in any doubt.

    What it returns is what `readings_strictly` returns.
    """
    if len(payload) > MAX_PAYLOAD:
        return None
    try:
        document = orjson.loads(payload)
        values = document["readings"]
        time = _parse_time(document["ts"])
    except (ValueError, KeyError, TypeError):
        return None
    seq = document.get("seq")
    if (
        type(values) is not dict
        or not values
        or time.tzinfo is None
        or len(document) != (2 if seq is None else 3)
        or not (seq is None or (type(seq) is int and 0 <= seq < 2**63))
        # Each key and ts stand between two quotes. More of them: a key that came twice,
        # of which only the last is left, or an escaped quote.
        or payload.count(b'"') != 2 * (len(document) + len(values) + 1)
    ):
        return None
    # A double tells microseconds apart until 2106, and the future is refused.
    time_us = round(time.timestamp() * 1_000_000)
    if not EARLIEST_US <= time_us <= received_us + CLOCK_TOLERANCE_US:
        return None
    measurements = []
    for name, value in values.items():
        if type(value) is not float:
            if type(value) is not int:
                return None
            value = float(value)
        measurements.append(_tuple(Measurement, (name, None, time_us, value)))
    return Uplink(device_id, farm, measurements, seq)


def readings_strictly(
    farm: str, device_id: str, payload: bytes, received_us: int
) -> Uplink:
    """Read a message of readings, unusual ones too, and say what is wrong.

    Returns
    -------
    Uplink
        At least one measurement.

    Raises
    ------
    PayloadInvalid
        For any other input; nothing else is raised, whatever the bytes.
    """
    document = _object(payload)
    time_us = _time_us(document, received_us)
    values = document.get("readings")
    if not isinstance(values, dict) or not values:
        raise PayloadInvalid(
            "readings is missing, empty or not an object · 缺少 readings 或其为空"
        )
    units = _units(document, values)
    return Uplink(
        device_id,
        farm,
        [
            Measurement(name, units.get(name), time_us, number(name, value))
            for name, value in values.items()
        ],
        whole_number("seq", document.get("seq")),
        _correction(document),
    )


def state(farm: str, device_id: str, payload: bytes, received_us: int) -> Uplink:
    """Read a report of state: what an actuator says it is in.

    Returns
    -------
    Uplink
        Without measurements; values of its `Report` are texts, booleans and finite
        floats.

    Raises
    ------
    PayloadInvalid
        For any other input.
    """
    document = _object(payload)
    time_us = _time_us(document, received_us)
    stated = document.get("state")
    if not isinstance(stated, dict) or not stated:
        raise PayloadInvalid(
            "state is missing, empty or not an object · 缺少 state 或其为空"
        )
    command_id = document.get("command")
    if command_id is not None:
        command_id = _text("command", command_id)
    values = {
        _text("state", name): _state_value(name, value)
        for name, value in stated.items()
    }
    return Uplink(
        device_id,
        farm,
        (),
        whole_number("seq", document.get("seq")),
        report=Report(time_us, values, command_id),
    )


def _object(payload: bytes) -> dict[str, Any]:
    document = json_document(payload)
    if not isinstance(document, dict):
        raise PayloadInvalid(
            f"not a JSON object but {shown(document)} · 不是 JSON 对象"
        )
    return document


def _time_us(document: dict[str, Any], received_us: int) -> int:
    if ("ts" in document) == ("age_s" in document):
        raise PayloadInvalid(
            "exactly one of ts and age_s is needed · ts 与 age_s 须且只须有一个"
        )
    if "ts" in document:
        return checked_time(timestamp_us("ts", document["ts"]), received_us)
    age_s = number("age_s", document["age_s"])
    if not 0 <= age_s * 1_000_000 <= received_us - EARLIEST_US:
        raise PayloadInvalid(
            f"age_s {age_s!r} is negative or reaches before 2000"
            " · age_s 为负或早于 2000 年"
        )
    return received_us - round(age_s * 1_000_000)


def _units(document: dict[str, Any], values: dict[str, Any]) -> dict[str, str]:
    units = document.get("units", {})
    if not isinstance(units, dict):
        raise PayloadInvalid(f"units {shown(units)} is not an object · units 不是对象")
    for name, unit in units.items():
        # A misspelt name would leave a reading in the wrong unit.
        if name not in values:
            raise PayloadInvalid(
                f"units names {shown(name)}, which is not in readings"
                " · units 中的名称不在 readings 中"
            )
        _text("unit", unit)
    return units


def _correction(document: dict[str, Any]) -> bool:
    correction = document.get("corr", False)
    if not isinstance(correction, bool):
        raise PayloadInvalid(
            f"corr {shown(correction)} is not true or false · corr 不是布尔值"
        )
    return correction


def _state_value(name: str, value: object) -> str | float | bool:
    if isinstance(value, bool):
        return value
    return _text(name, value) if isinstance(value, str) else number(name, value)


def _text(name: str, value: object) -> str:
    """Return a text fit to be stored and shown."""
    if (
        isinstance(value, str)
        and 0 < len(value) <= _LONGEST_TEXT
        and value.isprintable()
    ):
        return value
    raise PayloadInvalid(
        f"{shown(name)}: {shown(value)} is not a printable text of 1 to {_LONGEST_TEXT}"
        " characters · 不是可打印的短文本"
    )
