"""The properties of MQTT 5.0 (§2.2.2): read, checked, and written."""

from collections.abc import Callable, Set
from enum import IntEnum
from typing import NamedTuple

from sensors.mqtt.errors import malformed, protocol_error
from sensors.mqtt.wire import Reader, text_field, variable_field

__all__ = ["Properties", "Property", "number", "read", "text", "written"]


class Property(IntEnum):
    """Identifiers (table 2-4)."""

    PAYLOAD_FORMAT = 1
    MESSAGE_EXPIRY = 2
    CONTENT_TYPE = 3
    RESPONSE_TOPIC = 8
    CORRELATION_DATA = 9
    SUBSCRIPTION_IDENTIFIER = 11
    SESSION_EXPIRY = 17
    ASSIGNED_CLIENT_IDENTIFIER = 18
    SERVER_KEEP_ALIVE = 19
    AUTHENTICATION_METHOD = 21
    AUTHENTICATION_DATA = 22
    REQUEST_PROBLEM_INFORMATION = 23
    WILL_DELAY = 24
    REQUEST_RESPONSE_INFORMATION = 25
    REASON_STRING = 31
    RECEIVE_MAXIMUM = 33
    TOPIC_ALIAS_MAXIMUM = 34
    TOPIC_ALIAS = 35
    MAXIMUM_QOS = 36
    RETAIN_AVAILABLE = 37
    USER_PROPERTY = 38
    MAXIMUM_PACKET_SIZE = 39
    SUBSCRIPTION_IDENTIFIER_AVAILABLE = 41
    SHARED_SUBSCRIPTION_AVAILABLE = 42


_NUMBERS: dict[int, Callable[[Reader], int]] = {
    Property.PAYLOAD_FORMAT: Reader.byte,
    Property.MESSAGE_EXPIRY: Reader.four_bytes,
    Property.SUBSCRIPTION_IDENTIFIER: Reader.variable,
    Property.SESSION_EXPIRY: Reader.four_bytes,
    Property.REQUEST_PROBLEM_INFORMATION: Reader.byte,
    Property.WILL_DELAY: Reader.four_bytes,
    Property.REQUEST_RESPONSE_INFORMATION: Reader.byte,
    Property.RECEIVE_MAXIMUM: Reader.two_bytes,
    Property.TOPIC_ALIAS_MAXIMUM: Reader.two_bytes,
    Property.TOPIC_ALIAS: Reader.two_bytes,
    Property.MAXIMUM_PACKET_SIZE: Reader.four_bytes,
}
_TEXTS = {
    Property.CONTENT_TYPE,
    Property.RESPONSE_TOPIC,
    Property.AUTHENTICATION_METHOD,
    Property.REASON_STRING,
}
_FLAGS = {
    Property.PAYLOAD_FORMAT,
    Property.REQUEST_PROBLEM_INFORMATION,
    Property.REQUEST_RESPONSE_INFORMATION,
}
_POSITIVE = {
    Property.SUBSCRIPTION_IDENTIFIER,
    Property.RECEIVE_MAXIMUM,
    Property.MAXIMUM_PACKET_SIZE,
}


class Properties(NamedTuple):
    """What a packet's properties say; user and binary ones are checked and dropped."""

    numbers: dict[int, int]
    texts: dict[int, str]
    present: set[int]


def read(reader: Reader, allowed: Set[int]) -> Properties:
    """Read the property length and the properties of a packet or a will.

    Raises
    ------
    ProtocolViolated
        Malformed: an identifier that is unknown or not in `allowed` (§2.2.2.2), a value
        that is cut off. Protocol error: one that is repeated, or has a value that it
        may not have.
    """
    part = reader.part(reader.variable())
    properties = Properties({}, {}, set())
    while part:
        identifier = part.variable()
        if identifier not in allowed:
            raise malformed(
                f"property {identifier} does not belong here · "
                f"属性 {identifier} 不能用在此处"
            )
        if identifier == Property.USER_PROPERTY:
            part.pair()
        else:
            _read_one(part, identifier, properties)
    return properties


def _read_one(part: Reader, identifier: int, properties: Properties) -> None:
    if identifier in properties.present:
        raise protocol_error(
            f"property {identifier} is given twice · 属性 {identifier} 重复"
        )
    properties.present.add(identifier)
    if identifier in _NUMBERS:
        value = _NUMBERS[identifier](part)
        _check(identifier, value)
        properties.numbers[identifier] = value
    elif identifier in _TEXTS:
        properties.texts[identifier] = part.text()
    else:
        part.binary()


def _check(identifier: int, value: int) -> None:
    if (identifier in _FLAGS and value > 1) or (identifier in _POSITIVE and not value):
        raise protocol_error(
            f"property {identifier} may not be {value} · "
            f"属性 {identifier} 的值不能为 {value}"
        )


def number(identifier: Property, value: int, size: int) -> bytes:
    """Return a property whose value is an integer of `size` bytes."""
    return bytes([identifier]) + value.to_bytes(size)


def text(identifier: Property, value: str) -> bytes:
    """Return a property whose value is a string; raises as `text_field`."""
    return bytes([identifier]) + text_field(value)


def written(properties: bytes) -> bytes:
    """Return the property length and the properties."""
    return variable_field(len(properties)) + properties
