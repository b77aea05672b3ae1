"""What every format is held to: size, time, numbers, and how input is quoted."""

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

from sensors.errors import PayloadInvalid

__all__ = [
    "CLOCK_TOLERANCE_US",
    "EARLIEST_US",
    "EPOCH",
    "MAX_FORWARDED",
    "MAX_PAYLOAD",
    "checked_time",
    "json_document",
    "number",
    "shown",
    "timestamp_us",
    "whole_number",
]

MAX_PAYLOAD = 16_384
"""Most bytes of a device's own message."""

MAX_FORWARDED = 65_536
"""Most bytes of a message of a LoRaWAN server, which lists every gateway that heard."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# 2000-01-01: a clock before it was never set.
EARLIEST_US = 946_684_800_000_000
CLOCK_TOLERANCE_US = 300_000_000

_SECOND_US = 1_000_000
# Characters of the input quoted in a reason.
_QUOTED = 80


def json_document(payload: bytes, *, largest: int = MAX_PAYLOAD) -> object:
    """Parse JSON strictly.

    Parameters
    ----------
    payload
        JSON in UTF-8.
    largest
        Most bytes taken.

    Raises
    ------
    PayloadInvalid
        Not UTF-8, not JSON, a key that occurs twice in an object, NaN or Infinity, an
        integer of thousands of digits, half of a surrogate pair, or nested too deeply.
    """
    if len(payload) > largest:
        raise PayloadInvalid(
            f"payload of {len(payload)} bytes is larger than {largest} · 消息过大"
        )
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PayloadInvalid(
            f"not UTF-8 at byte {error.start} · 不是 UTF-8 编码"
        ) from error
    try:
        document = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse_constant
        )
        if "\\u" in text:
            # Half of a surrogate pair, which can only be written so, is no text.
            json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise PayloadInvalid(
            "half of a surrogate pair in a text · 文本含不成对的代理项"
        ) from error
    except json.JSONDecodeError as error:
        raise PayloadInvalid(
            f"not JSON: {error.msg} at {error.pos} · 不是 JSON"
        ) from error
    except RecursionError as error:
        raise PayloadInvalid("JSON nested too deeply · JSON 嵌套过深") from error
    # Python refuses integers of more than 4,300 digits with a plain ValueError.
    except ValueError as error:
        raise PayloadInvalid("JSON number too long · JSON 数字过长") from error
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # The standard decoder keeps the last of two equal keys: a silent wrong answer.
    document = dict(pairs)
    if len(document) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise PayloadInvalid(f"key {shown(twice)} occurs twice · 键重复")
    return document


def _refuse_constant(name: str) -> None:
    raise PayloadInvalid(f"{name} is not a number · 不是数值")


def checked_time(time_us: int, received_us: int) -> int:
    """Return `time_us` if it is from 2000 on and at most five minutes after receipt.

    Raises
    ------
    PayloadInvalid
        It is not.
    """
    if time_us < EARLIEST_US:
        raise PayloadInvalid(
            f"time {_shown_time(time_us)} is before 2000: set the device's clock or"
            " send age_s · 时间早于 2000 年，请校准设备时钟"
        )
    if time_us > received_us + CLOCK_TOLERANCE_US:
        raise PayloadInvalid(
            f"time {_shown_time(time_us)} is in the future: set the device's clock"
            " · 时间在未来，请校准设备时钟"
        )
    return time_us


def _shown_time(time_us: int) -> str:
    try:
        return (EPOCH + timedelta(microseconds=time_us)).isoformat()
    except OverflowError:
        return f"{time_us // _SECOND_US} s"


def timestamp_us(name: str, value: object) -> int:
    """Read an ISO 8601 time with an offset, finer than a microsecond cut off.

    Raises
    ------
    PayloadInvalid
        Not such a text; `name` says what it is called.
    """
    if not isinstance(value, str):
        raise PayloadInvalid(
            f"{name} {shown(value)} is not an ISO 8601 text · 不是 ISO 8601 时间文本"
        )
    try:
        time = datetime.fromisoformat(value)
    except ValueError as error:
        raise PayloadInvalid(
            f"{name} {shown(value)} is not ISO 8601 · 不是 ISO 8601 时间"
        ) from error
    if time.tzinfo is None:
        raise PayloadInvalid(f"{name} {shown(value)} has no UTC offset · 时间缺少时区")
    elapsed = time - EPOCH
    return (elapsed.days * 86_400 + elapsed.seconds) * _SECOND_US + elapsed.microseconds


def number(name: str, value: object) -> float:
    """Return `value` as a finite float; true and false are no numbers.

    Raises
    ------
    PayloadInvalid
        Not a number, or too large for a double; `name` says which.
    """
    # bool is a subclass of int, but true is no measurement.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PayloadInvalid(
            f"{shown(name)}: {shown(value)} is not a number · 不是数值"
        )
    try:
        result = float(value)
    except OverflowError as error:
        raise PayloadInvalid(f"{shown(name)}: number too large · 数值过大") from error
    if not math.isfinite(result):
        raise PayloadInvalid(
            f"{shown(name)}: number too large or not finite · 数值过大或非有限"
        )
    return result


def whole_number(name: str, value: object) -> int | None:
    """Return `value` if it is None or a whole number in [0, 2**63).

    Raises
    ------
    PayloadInvalid
        It is neither.
    """
    if value is None or (type(value) is int and 0 <= value < 2**63):
        return value
    raise PayloadInvalid(
        f"{name} {shown(value)} is not a whole number from 0 · 不是非负整数"
    )


def shown(value: object) -> str:
    """Quote a piece of the input in a reason: short and always printable."""
    # repr of a deep list can exhaust the stack, so containers are only named.
    if isinstance(value, dict | list | tuple):
        return "an object" if isinstance(value, dict) else "an array"
    if isinstance(value, int) and value.bit_length() > 64:
        return "a very large integer"
    text = repr(value[:_QUOTED] if isinstance(value, str | bytes) else value)
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…"
