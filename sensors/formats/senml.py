"""SenML (RFC 8428) packs, JSON and CBOR, of one device.

The resolved name of a record (base name and name, section 4.6) ends in the quantity:
what follows its last ``:`` or ``/``. What stands before names the device and must be
the same in all records; the device itself is that of the topic, so nothing is guessed
from URNs. SenML names have no ``@``; a position follows the quantity after a dot:
``soil_moisture.0.2`` is ``soil_moisture@0.2``.

Records carry a number (``v``). Texts, booleans and data have no place among readings
and are refused, as is a record with a sum only. Sums beside a value, update times and
unknown labels are ignored; an unknown label that ends in ``_`` must be understood and
is refused (section 4.4).
"""

import io
import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import cbor2

from sensors.errors import PayloadInvalid
from sensors.formats.checks import (
    MAX_PAYLOAD,
    checked_time,
    json_document,
    number,
    shown,
)
from sensors.uplink import Measurement, Uplink

__all__ = ["from_cbor", "from_json"]

# RFC 8428, section 4.4; RFC 9100 gives larger numbers a meaning: features not known.
_VERSION = 10
# Section 4.5.3: smaller times are relative to now.
_ABSOLUTE_FROM = 2**28
# Seconds; far beyond what is taken, and small enough for integers of microseconds.
_FARTHEST = 2**40
# Section 4.5.1.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-:./_]*")
_LONGEST_NAME = 200
_DEVICE_AND_QUANTITY = re.compile(r"(.*[:/])?([^:/.]+)(?:\.([^:/]+))?")
# Section 6, table 4.
_LABELS: Mapping[int, str] = MappingProxyType(
    {
        -1: "bver",
        -2: "bn",
        -3: "bt",
        -4: "bu",
        -5: "bv",
        -6: "bs",
        0: "n",
        1: "u",
        2: "v",
        3: "vs",
        4: "vb",
        5: "s",
        6: "t",
        7: "ut",
        8: "vd",
    }
)
_NOT_NUMBERS = ("vs", "vb", "vd")


def from_json(farm: str, device_id: str, payload: bytes, received_us: int) -> Uplink:
    """Read application/senml+json.

    Raises
    ------
    PayloadInvalid
        Not such a pack, or with records that are no readings.
    """
    return _uplink(farm, device_id, json_document(payload), received_us)


def from_cbor(farm: str, device_id: str, payload: bytes, received_us: int) -> Uplink:
    """Read application/senml+cbor.

    Raises
    ------
    PayloadInvalid
        Not such a pack, or with records that are no readings.
    """
    return _uplink(farm, device_id, _cbor(payload), received_us)


class _Tags(dict[int, Callable[[Any, bool], object]]):
    """Refuses each tag that is not in it.

    The decoder would compile regular expressions, parse mail and follow references.
    """

    def __missing__(self, tag: int) -> Callable[[Any, bool], object]:
        return _refuse_tag


def _refuse_tag(value: object, immutable: bool) -> object:
    raise ValueError("a tag that SenML does not have")


def _decimal_fraction(value: object, immutable: bool) -> float:
    """Read tag 4 (RFC 8949, section 3.4.4), the only one of SenML (section 6)."""
    match value:
        case [int() as exponent, int() as mantissa]:
            # Rounded once; bounded, for both numbers are written out.
            if abs(exponent) <= 400 and mantissa.bit_length() <= 64:
                return float(f"{mantissa}e{exponent}")
    raise ValueError("a decimal fraction out of range")


_TAGS = _Tags({4: _decimal_fraction})


def _cbor(payload: bytes) -> object:
    if len(payload) > MAX_PAYLOAD:
        raise PayloadInvalid(
            f"payload of {len(payload)} bytes is larger than {MAX_PAYLOAD} · 消息过大"
        )
    stream = io.BytesIO(payload)
    decoder = cbor2.CBORDecoder(
        stream, max_depth=8, allow_duplicate_keys=False, semantic_decoders=_TAGS
    )
    try:
        document = decoder.decode()
    except cbor2.CBORDecodeError as error:
        raise PayloadInvalid(f"not CBOR: {_cause(error)} · 不是 CBOR") from error
    if stream.tell() < len(payload):
        raise PayloadInvalid(
            f"{len(payload) - stream.tell()} bytes follow the CBOR pack"
            " · CBOR 之后有多余字节"
        )
    return document


def _cause(error: BaseException) -> str:
    # Its own message may quote the input, which need not be printable.
    said = f"{error}: {error.__cause__}" if error.__cause__ else f"{error}"
    return "".join(sign if sign.isprintable() else "?" for sign in said)[:120]


def _uplink(farm: str, device_id: str, pack: object, received_us: int) -> Uplink:
    if not isinstance(pack, list) or not pack:
        raise PayloadInvalid(
            f"not an array of SenML records but {shown(pack)} · 不是 SenML 记录数组"
        )
    devices: set[str] = set()
    measurements = []
    for name, unit, seconds, value in _resolved(pack):
        device, measured = _device_and_quantity(name)
        devices.add(device)
        time_us = checked_time(_time_us(seconds, received_us), received_us)
        measurements.append(Measurement(measured, unit, time_us, value))
    if len(devices) > 1:
        first, second, *_ = sorted(devices)
        raise PayloadInvalid(
            f"records of several devices ({shown(first)}, {shown(second)}): publish"
            " each device on its own topic · 一条消息包含多个设备"
        )
    return Uplink(device_id, farm, measurements)


def _resolved(
    pack: list[Any],
) -> Iterator[tuple[str, str | None, float, float]]:
    """Resolve records (section 4.6): name, unit, time in s as stated, value."""
    base = _Base()
    for record in pack:
        labelled = _labelled(record)
        base.take(labelled)
        for label in _NOT_NUMBERS:
            if label in labelled:
                raise PayloadInvalid(
                    f"{label} {shown(labelled[label])} is not a number: only v is taken"
                    " · 只接受数值 v"
                )
        if "v" not in labelled:
            raise PayloadInvalid("a record without v · 记录缺少 v")
        yield (
            base.name + _text(labelled, "n", ""),
            _text(labelled, "u", "") or base.unit or None,
            base.time + number("t", labelled.get("t", 0)),
            # Also the sum of two finite numbers can be infinite.
            number("v", base.value + number("v", labelled["v"])),
        )
    base.check_version()


class _Base:
    """The base fields in effect, section 4.1: each lasts until it is set anew."""

    def __init__(self) -> None:
        self.name = ""
        self.unit = ""
        self.time = 0.0
        self.value = 0.0
        self._versions: set[int] = set()

    def take(self, record: dict[str, Any]) -> None:
        """Set what the record sets."""
        self.name = _text(record, "bn", self.name)
        self.unit = _text(record, "bu", self.unit)
        if "bt" in record:
            self.time = number("bt", record["bt"])
        if "bv" in record:
            self.value = number("bv", record["bv"])
        if "bver" in record:
            self._versions.add(_version(record["bver"]))

    def check_version(self) -> None:
        """Refuse a pack whose records have several versions."""
        if len(self._versions) > 1:
            raise PayloadInvalid("bver changes within the pack · bver 前后不一致")


def _version(value: object) -> int:
    if type(value) is not int or not 1 <= value <= _VERSION:
        raise PayloadInvalid(
            f"bver {shown(value)}: SenML is understood up to version {_VERSION}"
            " · 不支持的 SenML 版本"
        )
    return value


def _labelled(record: object) -> dict[str, Any]:
    """Return a record under its text labels, whichever representation it came in."""
    if not isinstance(record, dict) or not record:
        raise PayloadInvalid(
            f"a record is {shown(record)}, not an object of fields · 记录不是对象"
        )
    labelled: dict[str, Any] = {}
    for key, value in record.items():
        label = _label(key)
        # CBOR can say the same label as a number and as a text.
        if label in labelled:
            raise PayloadInvalid(f"key {shown(label)} occurs twice · 键重复")
        labelled[label] = value
    return labelled


def _label(key: object) -> str:
    if type(key) is int and key in _LABELS:
        return _LABELS[key]
    if not isinstance(key, str):
        raise PayloadInvalid(f"label {shown(key)} is not of SenML · 未知的 SenML 标签")
    if key.endswith("_"):
        raise PayloadInvalid(
            f"label {shown(key)} must be understood, and is not"
            " · 含有必须理解的未知标签"
        )
    return key


def _text(record: dict[str, Any], label: str, default: str) -> str:
    value = record.get(label, default)
    if not isinstance(value, str) or len(value) > _LONGEST_NAME:
        raise PayloadInvalid(
            f"{label} {shown(value)} is not a text of at most {_LONGEST_NAME}"
            " characters · 不是短文本"
        )
    return value


def _device_and_quantity(name: str) -> tuple[str, str]:
    parts = _DEVICE_AND_QUANTITY.fullmatch(name)
    if parts is None or _NAME.fullmatch(name) is None:
        raise PayloadInvalid(
            f"name {shown(name)} is not a SenML name that ends in a quantity"
            " · SenML 名称无效"
        )
    device, quantity, position = parts.groups()
    return device or "", quantity if position is None else f"{quantity}@{position}"


def _time_us(seconds: float, received_us: int) -> int:
    """Place a resolved time (section 4.5.3), s: from 1970 on, or from receipt."""
    if not -_FARTHEST < seconds < _FARTHEST:
        raise PayloadInvalid(f"t {seconds!r} is out of range · 时间超出范围")
    start_us = 0 if seconds >= _ABSOLUTE_FROM else received_us
    return start_us + round(seconds * 1_000_000)
