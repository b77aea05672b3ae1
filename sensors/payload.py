"""From the bytes of one MQTT message to readings: pure, and strict.

Topic ``farm/<farm>/<device>/up``; payload::

    {"seq": 17, "ts": "2026-11-23T05:30:00Z", "readings": {"air_temperature": 3.2}}

``ts`` is ISO 8601 with an offset. A device without a clock sends ``age_s`` instead, the
seconds since it measured; its time is then reckoned from the moment of receipt, so a
second delivery of such a message is another reading. Further keys are ignored: devices
add their own (firmware version, signal).

A message is taken whole or not at all: one bad reading among several refuses the
message, so that each message ends in exactly one place.
"""

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sensors.errors import PayloadInvalid

MAX_PAYLOAD = 16_384
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
CLOCK_TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Message:
    """What one valid payload says; whether the device exists is not yet known."""

    farm: str
    device_id: str
    time: datetime
    readings: tuple[tuple[str, float], ...]
    seq: int | None = None


def parse(topic: str, payload: bytes, received_at: datetime) -> Message:
    """Parse one message.

    Parameters
    ----------
    topic
        ``farm/<farm>/<device>/up``.
    payload
        JSON in UTF-8, at most `MAX_PAYLOAD` bytes.
    received_at
        Timezone-aware time of receipt.

    Returns
    -------
    Message
        Time in UTC, ``EARLIEST <= time <= received_at + CLOCK_TOLERANCE``; at least one
        reading, every value finite.

    Raises
    ------
    PayloadInvalid
        For any other input; nothing else is raised, whatever the bytes.
    """
    farm, device_id = _farm_and_device(topic)
    document = _document(payload)
    return Message(
        farm=farm,
        device_id=device_id,
        time=_time(document, received_at),
        readings=_readings(document),
        seq=_seq(document),
    )


def _farm_and_device(topic: str) -> tuple[str, str]:
    match topic.split("/"):
        # Some brokers let control characters through that no database can hold.
        case ["farm", farm, device_id, "up"] if farm and device_id:
            if topic.isprintable():
                return farm, device_id
    raise PayloadInvalid(f"topic {_shown(topic)} is not farm/<farm>/<device>/up")


def _document(payload: bytes) -> dict[str, Any]:
    if len(payload) > MAX_PAYLOAD:
        raise PayloadInvalid(
            f"payload of {len(payload)} bytes is larger than {MAX_PAYLOAD}"
        )
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PayloadInvalid(f"not UTF-8 at byte {error.start}") from error
    document = _json(text)
    if not isinstance(document, dict):
        raise PayloadInvalid(f"not a JSON object but {_shown(document)}")
    return document


def _json(text: str) -> object:
    try:
        return json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse_constant
        )
    except json.JSONDecodeError as error:
        raise PayloadInvalid(f"not JSON: {error.msg} at {error.pos}") from error
    except RecursionError as error:
        raise PayloadInvalid("JSON nested too deeply") from error
    # Python refuses integers of more than 4,300 digits with a plain ValueError.
    except ValueError as error:
        raise PayloadInvalid("JSON number too long") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # The standard decoder keeps the last of two equal keys: a silent wrong answer.
    document: dict[str, Any] = {}
    for key, value in pairs:
        if key in document:
            raise PayloadInvalid(f"key {_shown(key)} occurs twice")
        document[key] = value
    return document


def _refuse_constant(name: str) -> None:
    raise PayloadInvalid(f"{name} is not a number")


def _time(document: dict[str, Any], received_at: datetime) -> datetime:
    if ("ts" in document) == ("age_s" in document):
        raise PayloadInvalid("exactly one of ts and age_s is needed")
    if "ts" in document:
        time = _timestamp(document["ts"])
    else:
        time = _before(received_at, _number("age_s", document["age_s"]))
    if time < EARLIEST:
        raise PayloadInvalid(f"time {time.isoformat()} is before {EARLIEST.year}")
    if time > received_at + CLOCK_TOLERANCE:
        raise PayloadInvalid(f"time {time.isoformat()} is in the future")
    return time


def _timestamp(value: object) -> datetime:
    if not isinstance(value, str):
        raise PayloadInvalid(f"ts {_shown(value)} is not an ISO 8601 text")
    try:
        time = datetime.fromisoformat(value)
    except ValueError as error:
        raise PayloadInvalid(f"ts {_shown(value)} is not ISO 8601") from error
    if time.tzinfo is None:
        raise PayloadInvalid(f"ts {_shown(value)} has no UTC offset")
    try:
        return time.astimezone(UTC)
    except OverflowError as error:
        raise PayloadInvalid(f"ts {_shown(value)} is out of range") from error


def _before(received_at: datetime, age_s: float) -> datetime:
    longest = (received_at - EARLIEST).total_seconds()
    if not 0 <= age_s <= longest:
        raise PayloadInvalid(f"age_s {age_s!r} is negative or reaches before 2000")
    return (received_at - timedelta(seconds=age_s)).astimezone(UTC)


def _readings(document: dict[str, Any]) -> tuple[tuple[str, float], ...]:
    readings = document.get("readings")
    if not isinstance(readings, dict) or not readings:
        raise PayloadInvalid("readings is missing, empty or not an object")
    return tuple((name, _number(name, value)) for name, value in readings.items())


def _seq(document: dict[str, Any]) -> int | None:
    seq = document.get("seq")
    if seq is None or (type(seq) is int and seq >= 0):
        return seq
    raise PayloadInvalid(f"seq {_shown(seq)} is not a whole number from 0")


def _number(name: str, value: object) -> float:
    # bool is a subclass of int, but true is no measurement.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PayloadInvalid(f"{_shown(name)}: {_shown(value)} is not a number")
    try:
        number = float(value)
    except OverflowError as error:
        raise PayloadInvalid(f"{_shown(name)}: number too large") from error
    if not math.isfinite(number):
        raise PayloadInvalid(f"{_shown(name)}: number too large")
    return number


def _shown(value: object) -> str:
    """Quote a piece of the input in a reason: short and always printable."""
    # repr of a deep list can exhaust the stack, so containers are only named.
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    if isinstance(value, int) and value.bit_length() > 64:
        return "a very large integer"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
