"""From the bytes of the packets that a server receives to events, PUBLISH excepted.

Each function takes a reader behind the fixed header and raises `ProtocolViolated` for
what the standard forbids. Section numbers and [MQTT-…] are those of MQTT 5.0 unless
3.1.1 is named.
"""

from sensors.mqtt.codes import ReasonCode
from sensors.mqtt.errors import ProtocolViolated, malformed, protocol_error
from sensors.mqtt.events import (
    Connect,
    Disconnect,
    PubAck,
    Subscribe,
    Unsubscribe,
    Will,
)
from sensors.mqtt.properties import Properties, Property, read
from sensors.mqtt.topics import checked_filter, checked_name, topic_name
from sensors.mqtt.wire import Reader

__all__ = [
    "connect",
    "disconnect",
    "packet_identifier",
    "protocol_level",
    "puback",
    "publish_properties",
    "subscribe",
    "unsubscribe",
]

FOREVER = 0xFFFFFFFF

_OF_CONNECT = frozenset(
    {
        Property.SESSION_EXPIRY,
        Property.AUTHENTICATION_METHOD,
        Property.AUTHENTICATION_DATA,
        Property.REQUEST_PROBLEM_INFORMATION,
        Property.REQUEST_RESPONSE_INFORMATION,
        Property.RECEIVE_MAXIMUM,
        Property.TOPIC_ALIAS_MAXIMUM,
        Property.USER_PROPERTY,
        Property.MAXIMUM_PACKET_SIZE,
    }
)
_OF_MESSAGE = frozenset(
    {
        Property.PAYLOAD_FORMAT,
        Property.MESSAGE_EXPIRY,
        Property.CONTENT_TYPE,
        Property.RESPONSE_TOPIC,
        Property.CORRELATION_DATA,
        Property.USER_PROPERTY,
    }
)
_OF_WILL = _OF_MESSAGE | {Property.WILL_DELAY}
_OF_PUBLISH = _OF_MESSAGE | {Property.TOPIC_ALIAS, Property.SUBSCRIPTION_IDENTIFIER}
_OF_SUBSCRIBE = frozenset({Property.SUBSCRIPTION_IDENTIFIER, Property.USER_PROPERTY})
_OF_UNSUBSCRIBE = frozenset({Property.USER_PROPERTY})
_OF_PUBACK = frozenset({Property.REASON_STRING, Property.USER_PROPERTY})
_OF_DISCONNECT = _OF_PUBACK | {Property.SESSION_EXPIRY}

# What a client may answer to a PUBLISH (table 3-4).
_PUBACK_REASONS = frozenset({0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99})
# Why a client may leave (table 3-10).
_DISCONNECT_REASONS = frozenset(
    {0x00, 0x04, *range(0x80, 0x84), 0x90, *range(0x93, 0x9A)}
)

_NO_PROPERTIES = Properties({}, {}, set())


def protocol_level(reader: Reader) -> int:
    """Read the protocol name and level of a CONNECT (§3.1.2.1, §3.1.2.2).

    Returns
    -------
    int
        4 for MQTT 3.1.1, 5 for MQTT 5.0; 3 for MQTT 3.1, which has its own name; others
        are unknown.

    Raises
    ------
    ProtocolViolated
        The name is not that of MQTT [MQTT-3.1.2-1].
    """
    name, level = reader.text(), reader.byte()
    if name == "MQTT":
        return level
    if name == "MQIsdp":
        return 3
    raise unsupported(f"the protocol {name[:20]!r} · 协议 {name[:20]!r}")


def unsupported(what: str) -> ProtocolViolated:
    """Return the error of a protocol that is not spoken here [MQTT-3.1.2-2]."""
    return ProtocolViolated(
        ReasonCode.UNSUPPORTED_PROTOCOL_VERSION,
        f"{what}: use MQTT 3.1.1 or 5.0 · 请使用 MQTT 3.1.1 或 5.0",
    )


def connect(reader: Reader, version: int) -> Connect:
    """Read a CONNECT behind its protocol level (§3.1)."""
    flags, keep_alive = reader.byte(), reader.two_bytes()
    _check_connect_flags(flags, version)
    properties = read(reader, _OF_CONNECT) if version == 5 else _NO_PROPERTIES
    _check_authentication(properties)
    clean_start = bool(flags & 0x02)
    # The payload's fields in the order of [MQTT-3.1.3-1].
    client_id = reader.text()
    will = _will(reader, flags, version) if flags & 0x04 else None
    username = reader.text() if flags & 0x80 else None
    password = reader.binary() if flags & 0x40 else None
    reader.end()
    if not client_id and not clean_start and version == 4:
        raise ProtocolViolated(  # 3.1.1 [MQTT-3.1.3-8]
            ReasonCode.CLIENT_IDENTIFIER_NOT_VALID,
            "an empty client id needs Clean Session 1 · "
            "客户端标识为空时 Clean Session 必须为 1",
        )
    numbers = properties.numbers
    kept = FOREVER if version == 4 and not clean_start else 0
    return Connect(
        client_id=client_id,
        username=username,
        password=password,
        clean_start=clean_start,
        keep_alive=keep_alive,
        protocol_level=version,
        will=will,
        session_expiry=numbers.get(Property.SESSION_EXPIRY, kept),
        receive_maximum=numbers.get(Property.RECEIVE_MAXIMUM, 65_535),
        maximum_packet_size=numbers.get(Property.MAXIMUM_PACKET_SIZE),
    )


def _check_connect_flags(flags: int, version: int) -> None:
    if flags & 0x01:  # [MQTT-3.1.2-3]
        raise malformed("CONNECT with its reserved flag · CONNECT 的保留标志位为 1")
    if not flags & 0x04 and flags & 0x38:  # [MQTT-3.1.2-11], [MQTT-3.1.2-13]
        raise malformed(
            "CONNECT with QoS or retain of a will, but without a will · "
            "CONNECT 没有遗嘱，却设置了遗嘱的 QoS 或保留标志"
        )
    if version == 4 and flags & 0xC0 == 0x40:  # 3.1.1 [MQTT-3.1.2-22]
        raise malformed(
            "CONNECT with a password but without a user name · "
            "CONNECT 有密码却没有用户名"
        )
    if not flags & 0x04:
        return
    qos = flags >> 3 & 3
    if qos == 3:  # [MQTT-3.1.2-12]
        raise malformed("a will with QoS 3 · 遗嘱的 QoS 为 3")
    if qos == 2:  # [MQTT-3.2.2-12]
        raise ProtocolViolated(
            ReasonCode.QOS_NOT_SUPPORTED,
            "QoS 2 is not offered: use QoS 1 for the will · "
            "不支持 QoS 2，遗嘱请用 QoS 1",
        )
    if version == 5 and flags & 0x20:  # [MQTT-3.2.2-13]
        raise ProtocolViolated(
            ReasonCode.RETAIN_NOT_SUPPORTED,
            "nothing is retained here: leave a will without the retain flag · "
            "此处不保留消息，遗嘱请去掉保留标志",
        )


def _check_authentication(properties: Properties) -> None:
    if Property.AUTHENTICATION_METHOD in properties.present:  # [MQTT-4.12.0-1]
        raise ProtocolViolated(
            ReasonCode.BAD_AUTHENTICATION_METHOD,
            "enhanced authentication is not offered: log in with user name and "
            "password · 不支持增强认证，请用用户名和密码登录",
        )
    if Property.AUTHENTICATION_DATA in properties.present:  # §3.1.2.11.10
        raise protocol_error(
            "authentication data without a method · 有认证数据却没有认证方法"
        )


def _will(reader: Reader, flags: int, version: int) -> Will:
    properties = read(reader, _OF_WILL) if version == 5 else _NO_PROPERTIES
    topic = topic_name(reader.binary())
    payload = reader.binary()
    _check_message(properties, payload)
    return Will(
        topic=topic,
        payload=payload,
        qos=flags >> 3 & 3,
        retain=bool(flags & 0x20),
        delay_s=properties.numbers.get(Property.WILL_DELAY, 0),
    )


def _check_message(properties: Properties, payload: bytes) -> None:
    if Property.RESPONSE_TOPIC in properties.texts:  # [MQTT-3.3.2-14]
        checked_name(properties.texts[Property.RESPONSE_TOPIC])
    if properties.numbers.get(Property.PAYLOAD_FORMAT):  # §3.3.2.3.2
        try:
            payload.decode()
        except UnicodeDecodeError as error:
            raise ProtocolViolated(
                ReasonCode.PAYLOAD_FORMAT_INVALID,
                f"a payload said to be UTF-8 is not from its byte {error.start} on · "
                f"声明为 UTF-8 的载荷从第 {error.start} 字节起无效",
            ) from error


def publish_properties(reader: Reader) -> bytes:
    """Read and check the properties of a PUBLISH (§3.3.2.3); returns its payload."""
    properties = read(reader, _OF_PUBLISH)
    if Property.TOPIC_ALIAS in properties.present:  # [MQTT-3.3.2-9]
        raise ProtocolViolated(
            ReasonCode.TOPIC_ALIAS_INVALID,
            "topic aliases are not offered: send the whole topic · "
            "不支持主题别名，请发送完整主题",
        )
    if Property.SUBSCRIPTION_IDENTIFIER in properties.present:  # [MQTT-3.3.4-6]
        raise protocol_error(
            "a subscription identifier in a client's PUBLISH · "
            "客户端的 PUBLISH 含有订阅标识符"
        )
    payload = reader.rest()
    _check_message(properties, payload)
    return payload


def packet_identifier(reader: Reader) -> int:
    """Read a packet identifier, 1 to 65,535 [MQTT-2.2.1-3]."""
    packet_id = reader.two_bytes()
    if not packet_id:
        raise protocol_error("packet identifier 0 · 报文标识符为 0")
    return packet_id


def puback(reader: Reader, version: int) -> PubAck:
    """Read a PUBACK (§3.4)."""
    packet_id = packet_identifier(reader)
    reason = _reason(reader, version, _PUBACK_REASONS)
    if reader and version == 5:
        read(reader, _OF_PUBACK)
    reader.end()
    return PubAck(packet_id, reason)


def disconnect(reader: Reader, version: int, *, session_expiry: int) -> Disconnect:
    """Read a DISCONNECT (§3.14); `session_expiry` is that of the CONNECT, seconds."""
    reason = _reason(reader, version, _DISCONNECT_REASONS)
    if reader and version == 5:
        numbers = read(reader, _OF_DISCONNECT).numbers
        if numbers.get(Property.SESSION_EXPIRY) and not session_expiry:  # §3.14.2.2.2
            raise protocol_error(
                "DISCONNECT with a session expiry after a CONNECT without · "
                "CONNECT 未设会话过期时间，DISCONNECT 却设置了"
            )
    reader.end()
    return Disconnect(reason)


def _reason(reader: Reader, version: int, allowed: frozenset[int]) -> ReasonCode:
    """Read the reason that may be left out when it is success (§3.4.2.1, §3.14.2.1)."""
    if version == 4 or not reader:
        return ReasonCode.SUCCESS
    reason = reader.byte()
    if reason not in allowed:
        raise protocol_error(
            f"reason code {reason:#04x} does not belong here · "
            f"原因码 {reason:#04x} 不能用在此处"
        )
    return ReasonCode(reason)


def subscribe(reader: Reader, version: int) -> Subscribe:
    """Read a SUBSCRIBE (§3.8)."""
    packet_id = packet_identifier(reader)
    if version == 5:
        properties = read(reader, _OF_SUBSCRIBE)
        if Property.SUBSCRIPTION_IDENTIFIER in properties.present:  # §3.2.2.3.12
            raise ProtocolViolated(
                ReasonCode.SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED,
                "subscription identifiers are not offered · 不支持订阅标识符",
            )
    filters = []
    while reader:
        topic_filter = checked_filter(reader.text(), version=version)
        filters.append((topic_filter, _granted(reader.byte(), version)))
    if not filters:  # [MQTT-3.8.3-2]
        raise protocol_error("SUBSCRIBE without a topic filter · SUBSCRIBE 没有主题")
    return Subscribe(packet_id, filters)


def _granted(options: int, version: int) -> int:
    """Return the QoS that a filter's options ask for (§3.8.3.1)."""
    reserved = 0xC0 if version == 5 else 0xFC
    if options & reserved:  # [MQTT-3.8.3-5], 3.1.1 [MQTT-3-8.3-4]
        raise malformed(
            f"reserved subscription options {options:#04x} · "
            f"订阅选项的保留位不为零：{options:#04x}"
        )
    if options & 0x03 == 0x03 or options & 0x30 == 0x30:
        raise protocol_error(
            f"subscription options {options:#04x} with QoS or retain handling 3 · "
            f"订阅选项 {options:#04x} 的 QoS 或保留处理为 3"
        )
    return options & 0x03


def unsubscribe(reader: Reader, version: int) -> Unsubscribe:
    """Read an UNSUBSCRIBE (§3.10)."""
    packet_id = packet_identifier(reader)
    if version == 5:
        read(reader, _OF_UNSUBSCRIBE)
    filters = []
    while reader:
        filters.append(checked_filter(reader.text(), version=version))
    if not filters:  # [MQTT-3.10.3-2]
        raise protocol_error(
            "UNSUBSCRIBE without a topic filter · UNSUBSCRIBE 没有主题"
        )
    return Unsubscribe(packet_id, filters)
