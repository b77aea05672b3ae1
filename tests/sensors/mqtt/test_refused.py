"""One case for each thing that the standard forbids or that is not offered."""

import pytest

from sensors.mqtt import Connect, Failed, Publish, ReasonCode, ServerConnection
from tests.sensors.mqtt.client_side import (
    connect,
    connected,
    field,
    heard,
    packet,
    publish,
)

MALFORMED = ReasonCode.MALFORMED_PACKET
PROTOCOL = ReasonCode.PROTOCOL_ERROR

CLIENT = field("collar-7")
WILL = field("farm/a/collar-7/state") + field("gone")
NUL = field("a\0b")
SURROGATE = b"\0\3\xed\xa0\x80"
OVERLONG = b"\0\2\xc0\xaf"


def refused(data: bytes) -> ReasonCode:
    """Reason of the only event of a connection that begins with `data`."""
    [event] = ServerConnection().receive(data)
    assert isinstance(event, Failed)
    assert " · " in event.message
    return event.reason


def refused_later(version: int, data: bytes) -> ReasonCode:
    """Reason of the only event of `data` behind an accepted CONNECT."""
    [event] = heard(version, data)
    assert isinstance(event, Failed)
    assert " · " in event.message
    return event.reason


FIRST_PACKETS = {
    "PUBLISH first": (publish(4), PROTOCOL),
    "PINGREQ first": (b"\xc0\0", PROTOCOL),
    "CONNACK first": (b"\x20\x02\0\0", PROTOCOL),
    "HTTP": (b"GET / HTTP/1.1\r\n", PROTOCOL),
    "TLS": (bytes.fromhex("160301020001"), MALFORMED),
    "type 0": (b"\0\0", MALFORMED),
    "CONNECT with flags": (b"\x11\0", MALFORMED),
    "length of five bytes": (b"\x10\xff\xff\xff\xff\x01", MALFORMED),
    "length of five bytes, four seen": (b"\x10\x80\x80\x80\x80", MALFORMED),
    "length longer than needed": (b"\x10\x8c\x00", MALFORMED),
    "empty": (b"\x10\0", MALFORMED),
    "another protocol": (
        connect(4, name="AMQP"),
        ReasonCode.UNSUPPORTED_PROTOCOL_VERSION,
    ),
    "lower case": (connect(4, name="mqtt"), ReasonCode.UNSUPPORTED_PROTOCOL_VERSION),
    "MQTT 3.1": (connect(3, name="MQIsdp"), ReasonCode.UNSUPPORTED_PROTOCOL_VERSION),
    "level 3": (connect(3), ReasonCode.UNSUPPORTED_PROTOCOL_VERSION),
    "level 6": (connect(6), ReasonCode.UNSUPPORTED_PROTOCOL_VERSION),
    "bridge": (connect(0x84), ReasonCode.UNSUPPORTED_PROTOCOL_VERSION),
    "empty id with clean session 0": (
        connect(4, flags=0, payload=field("")),
        ReasonCode.CLIENT_IDENTIFIER_NOT_VALID,
    ),
    "password without user": (
        connect(4, flags=0x42, payload=CLIENT + field("p")),
        MALFORMED,
    ),
    "retained will": (
        connect(5, flags=0x26, payload=CLIENT + b"\0" + WILL),
        ReasonCode.RETAIN_NOT_SUPPORTED,
    ),
    "authentication method": (
        connect(5, having=b"\x15" + field("SCRAM-SHA-1")),
        ReasonCode.BAD_AUTHENTICATION_METHOD,
    ),
    "authentication data alone": (connect(5, having=b"\x16" + field("x")), PROTOCOL),
    "receive maximum 0": (connect(5, having=b"\x21\0\0"), PROTOCOL),
    "maximum packet size 0": (connect(5, having=b"\x27\0\0\0\0"), PROTOCOL),
    "problem information 2": (connect(5, having=b"\x17\2"), PROTOCOL),
    "response information 2": (connect(5, having=b"\x19\2"), PROTOCOL),
    "repeated property": (connect(5, having=b"\x21\0\1\x21\0\1"), PROTOCOL),
    "unknown property": (connect(5, having=b"\x7f"), MALFORMED),
    "property of PUBLISH": (connect(5, having=b"\x23\0\1"), MALFORMED),
    "property cut off": (connect(5, having=b"\x11\0\0"), MALFORMED),
    "user property without value": (connect(5, having=b"\x26" + CLIENT), MALFORMED),
    "property length beyond the packet": (
        packet(0x10, b"\0\4MQTT\5\2\0\x3c\x7f", CLIENT),
        MALFORMED,
    ),
    "will format 2": (
        connect(5, flags=6, payload=CLIENT + b"\2\1\2" + WILL),
        PROTOCOL,
    ),
    "will not UTF-8": (
        connect(5, flags=6, payload=CLIENT + b"\2\1\1" + field("w") + field(b"\xff")),
        ReasonCode.PAYLOAD_FORMAT_INVALID,
    ),
    "will delay twice": (
        connect(5, flags=6, payload=CLIENT + b"\x0a" + b"\x18\0\0\0\1" * 2 + WILL),
        PROTOCOL,
    ),
}

# The same in both versions: flags, and the payload behind them.
FIRST_FLAGS = {
    "reserved flag": (0x03, CLIENT, MALFORMED),
    "will QoS without will": (0x0A, CLIENT, MALFORMED),
    "will retain without will": (0x22, CLIENT, MALFORMED),
    "will QoS 3": (0x1E, CLIENT, MALFORMED),
    "will QoS 2": (0x16, CLIENT, ReasonCode.QOS_NOT_SUPPORTED),
    "flags without payload": (0xC2, CLIENT, MALFORMED),
    "no client id": (0x02, b"", MALFORMED),
    "more than the payload": (0x02, CLIENT + b"\0", MALFORMED),
    "client id with U+0000": (0x02, NUL, MALFORMED),
    "client id with a surrogate": (0x02, SURROGATE, MALFORMED),
    "client id in overlong UTF-8": (0x02, OVERLONG, MALFORMED),
    "user name not UTF-8": (0x82, CLIENT + field(b"\xff"), MALFORMED),
}

WILL_TOPICS = {
    "wildcard": (field("farm/#"), ReasonCode.TOPIC_NAME_INVALID),
    "empty": (field(""), PROTOCOL),
    "U+0000": (NUL, MALFORMED),
}

# Behind an accepted CONNECT, the same in both versions.
LATER = {
    "second CONNECT": (connect(4), PROTOCOL),
    "CONNACK": (b"\x20\2\0\0", PROTOCOL),
    "PUBREC": (b"\x50\2\0\1", PROTOCOL),
    "PUBREL": (b"\x62\2\0\1", PROTOCOL),
    "PUBCOMP": (b"\x70\2\0\1", PROTOCOL),
    "SUBACK": (b"\x90\3\0\1\0", PROTOCOL),
    "UNSUBACK": (b"\xb0\2\0\1", PROTOCOL),
    "PINGRESP": (b"\xd0\0", PROTOCOL),
    "type 0": (b"\x00\0", MALFORMED),
    "QoS 3": (b"\x36\0", MALFORMED),
    "QoS 2": (b"\x34\0", ReasonCode.QOS_NOT_SUPPORTED),
    "DUP on QoS 0": (b"\x38\0", MALFORMED),
    "PUBACK with flags": (b"\x42\2\0\1", MALFORMED),
    "SUBSCRIBE without its flag": (b"\x80\0", MALFORMED),
    "UNSUBSCRIBE without its flag": (b"\xa0\0", MALFORMED),
    "PINGREQ with flags": (b"\xc1\0", MALFORMED),
    "PINGREQ with content": (b"\xc0\1\0", MALFORMED),
    "DISCONNECT with flags": (b"\xe1\0", MALFORMED),
    "PUBACK of 0": (b"\x40\2\0\0", PROTOCOL),
    "PUBACK cut short": (b"\x40\1\0", MALFORMED),
    "length longer than needed": (b"\x30\x85\0\0\1a", MALFORMED),
    "length of five bytes": (b"\x30\x80\x80\x80\x80\1", MALFORMED),
    "empty PUBLISH": (b"\x30\0", MALFORMED),
    "topic beyond the packet": (b"\x30\x04\0\x09ab" + bytes(20), MALFORMED),
    "identifier beyond the packet": (b"\x32\x04\0\1a\1" + bytes(20), MALFORMED),
}

# Behind an accepted CONNECT of the version, made of parts that have a version.
PUBLISHES = {
    "packet identifier 0": ({"packet_id": 0}, PROTOCOL),
    "+ in a topic": ({"topic": "farm/+/up"}, ReasonCode.TOPIC_NAME_INVALID),
    "# in a topic": ({"topic": "farm/#"}, ReasonCode.TOPIC_NAME_INVALID),
    "empty topic": ({"topic": ""}, PROTOCOL),
    "topic with U+0000": ({"topic": "a\0"}, MALFORMED),
    "topic not UTF-8": ({"topic": b"\xc3\x28"}, MALFORMED),
    "topic with a surrogate": ({"topic": b"\xed\xa0\x80"}, MALFORMED),
    "topic in overlong UTF-8": ({"topic": b"\xc0\xaf"}, MALFORMED),
}

PUBLISH_PROPERTIES = {
    "alias": (b"\x23\0\1", ReasonCode.TOPIC_ALIAS_INVALID),
    "alias 0": (b"\x23\0\0", ReasonCode.TOPIC_ALIAS_INVALID),
    "subscription identifier": (b"\x0b\1", PROTOCOL),
    "payload not UTF-8": (b"\1\1", ReasonCode.PAYLOAD_FORMAT_INVALID),
    "format 2": (b"\1\2", PROTOCOL),
    "format twice": (b"\1\0\1\0", PROTOCOL),
    "expiry twice": (b"\2\0\0\0\1\2\0\0\0\1", PROTOCOL),
    "response topic with wildcard": (
        b"\x08" + field("a/#"),
        ReasonCode.TOPIC_NAME_INVALID,
    ),
    "content type not UTF-8": (b"\3" + field(b"\xff"), MALFORMED),
    "user property with U+0000": (b"\x26" + NUL + field("v"), MALFORMED),
    "session expiry": (b"\x11\0\0\0\1", MALFORMED),
    "identifier 0": (b"\0", MALFORMED),
    "identifier of two bytes, not minimal": (b"\x81\0", MALFORMED),
    "correlation data cut off": (b"\x09\0\5abc", MALFORMED),
}

SUBSCRIPTIONS = {
    "no filter": (b"", PROTOCOL),
    "filter without options": (field("a"), MALFORMED),
    "QoS 3": (field("a") + b"\3", PROTOCOL),
    "reserved bits": (field("a") + b"\xc0", MALFORMED),
    "empty filter": (field("") + b"\0", ReasonCode.TOPIC_FILTER_INVALID),
    "# before the end": (field("a/#/b") + b"\0", ReasonCode.TOPIC_FILTER_INVALID),
    "# with others": (field("a/b#") + b"\0", ReasonCode.TOPIC_FILTER_INVALID),
    "+ with others": (field("a/b+/c") + b"\0", ReasonCode.TOPIC_FILTER_INVALID),
    "U+0000": (NUL + b"\0", MALFORMED),
    "second filter wrong": (
        field("a") + b"\0" + field("#/") + b"\0",
        ReasonCode.TOPIC_FILTER_INVALID,
    ),
}


@pytest.mark.parametrize("name", FIRST_PACKETS)
def test_first_packet(name: str) -> None:
    data, reason = FIRST_PACKETS[name]
    assert refused(data) == reason


@pytest.mark.parametrize("name", FIRST_FLAGS)
@pytest.mark.parametrize("version", [4, 5])
def test_connect_flags_and_payload(name: str, version: int) -> None:
    flags, payload, reason = FIRST_FLAGS[name]
    assert refused(connect(version, flags=flags, payload=payload)) == reason


@pytest.mark.parametrize("name", WILL_TOPICS)
@pytest.mark.parametrize("version", [4, 5])
def test_will_topic(name: str, version: int) -> None:
    topic, reason = WILL_TOPICS[name]
    no_properties = b"\0" if version == 5 else b""
    payload = CLIENT + no_properties + topic + field("gone")
    assert refused(connect(version, flags=6, payload=payload)) == reason


@pytest.mark.parametrize("name", LATER)
@pytest.mark.parametrize("version", [4, 5])
def test_packet_behind_connect(name: str, version: int) -> None:
    data, reason = LATER[name]
    assert refused_later(version, data) == reason


@pytest.mark.parametrize("name", PUBLISHES)
@pytest.mark.parametrize("version", [4, 5])
def test_publish(name: str, version: int) -> None:
    changes, reason = PUBLISHES[name]
    assert refused_later(version, publish(version, **changes)) == reason  # type: ignore[arg-type]


@pytest.mark.parametrize("name", PUBLISH_PROPERTIES)
def test_properties_of_publish(name: str) -> None:
    having, reason = PUBLISH_PROPERTIES[name]
    assert refused_later(5, publish(5, payload=b"\xff", having=having)) == reason


def test_alias_in_place_of_a_topic() -> None:
    data = publish(5, topic="", having=b"\x23\0\1")
    assert refused_later(5, data) == ReasonCode.TOPIC_ALIAS_INVALID


def test_publish_without_property_length() -> None:
    assert refused_later(5, packet(0x30, field("a"))) == MALFORMED


def test_retained_publish_in_5() -> None:
    data = publish(5, flags=3)
    assert refused_later(5, data) == ReasonCode.RETAIN_NOT_SUPPORTED


def test_retained_publish_in_311_is_a_message_as_any() -> None:
    [event] = heard(4, publish(4, "farm/a/b/up", b"{}", flags=3))
    assert event == Publish("farm/a/b/up", b"{}", 1, 1, retain=True, dup=False)


@pytest.mark.parametrize("name", SUBSCRIPTIONS)
@pytest.mark.parametrize("version", [4, 5])
def test_subscribe(name: str, version: int) -> None:
    content, reason = SUBSCRIPTIONS[name]
    no_properties = b"\0" if version == 5 else b""
    assert refused_later(version, packet(0x82, b"\0\1", no_properties, content)) == (
        reason
    )


def test_subscribe_of_0() -> None:
    assert refused_later(4, packet(0x82, b"\0\0", field("a"), b"\0")) == PROTOCOL


def test_shared_subscription_in_5() -> None:
    data = packet(0x82, b"\0\1\0", field("$share/workers/farm/#"), b"\1")
    assert refused_later(5, data) == ReasonCode.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED


def test_subscription_identifier() -> None:
    data = packet(0x82, b"\0\1\2\x0b\7", field("a"), b"\1")
    assert refused_later(5, data) == ReasonCode.SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED


def test_retain_handling_3() -> None:
    assert refused_later(5, packet(0x82, b"\0\1\0", field("a"), b"\x30")) == PROTOCOL


def test_options_of_5_in_311() -> None:
    assert refused_later(4, packet(0x82, b"\0\1", field("a"), b"\4")) == MALFORMED


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", PROTOCOL),
        (field(""), ReasonCode.TOPIC_FILTER_INVALID),
        (field("a#"), ReasonCode.TOPIC_FILTER_INVALID),
        (b"\0\2a", MALFORMED),
    ],
)
@pytest.mark.parametrize("version", [4, 5])
def test_unsubscribe(content: bytes, reason: ReasonCode, version: int) -> None:
    no_properties = b"\0" if version == 5 else b""
    data = packet(0xA2, b"\0\1", no_properties, content)
    assert refused_later(version, data) == reason


def test_auth_in_5() -> None:
    reason = ReasonCode.BAD_AUTHENTICATION_METHOD
    assert refused_later(5, b"\xf0\2\x18\0") == reason


def test_auth_with_flags() -> None:
    assert refused_later(5, b"\xf1\0") == MALFORMED


def test_auth_in_311_is_a_reserved_type() -> None:
    assert refused_later(4, b"\xf0\0") == MALFORMED


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\0\1\x92", PROTOCOL),  # of PUBREL only
        (b"\0\1\x7f", PROTOCOL),
        (b"\0\1\0\5\x11\0\0\0\1", MALFORMED),
        (b"\0\1\0\0\0", MALFORMED),
    ],
)
def test_puback_of_5(content: bytes, reason: ReasonCode) -> None:
    assert refused_later(5, packet(0x40, content)) == reason


def test_puback_of_311_has_no_reason() -> None:
    assert refused_later(4, b"\x40\3\0\1\0") == MALFORMED


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x8e", PROTOCOL),  # said by servers only
        (b"\0\5\x11\0\0\0\1", PROTOCOL),  # CONNECT asked for no session
        (b"\0\3\x1c\0\0", MALFORMED),  # server reference, said by servers only
        (b"\0\0\0", MALFORMED),
    ],
)
def test_disconnect_of_5(content: bytes, reason: ReasonCode) -> None:
    assert refused_later(5, packet(0xE0, content)) == reason


def test_disconnect_of_311_has_no_reason() -> None:
    assert refused_later(4, b"\xe0\1\0") == MALFORMED


@pytest.mark.parametrize("version", [4, 5])
def test_packet_too_large_by_its_header(version: int) -> None:
    connection = connected(version, maximum_packet_size=200)
    # 1 + 2 + 198 bytes; none of the 198 is there yet.
    [event] = connection.receive(b"\x32\xc6\x01")
    assert isinstance(event, Failed)
    assert event.reason == ReasonCode.PACKET_TOO_LARGE
    assert "201 bytes: send at most 200" in event.message


def test_largest_packet_is_taken() -> None:
    data = publish(4, "a", b"x" * 192)
    assert len(data) == 200
    [event] = connected(4, maximum_packet_size=200).receive(data)
    assert isinstance(event, Publish)


def test_more_than_the_receive_maximum() -> None:
    connection = ServerConnection()
    connection.receive(connect(5))
    connection.connack(ReasonCode.SUCCESS, receive_maximum=2)
    first, second = connection.receive(publish(5, packet_id=1) * 2)
    assert isinstance(first, Publish)
    assert isinstance(second, Publish)
    connection.pubacks([1])
    [third] = connection.receive(publish(5, packet_id=3))
    assert isinstance(third, Publish)
    [event] = connection.receive(publish(5, packet_id=4))
    assert isinstance(event, Failed)
    assert event.reason == ReasonCode.RECEIVE_MAXIMUM_EXCEEDED


def test_qos_0_does_not_count_to_the_receive_maximum() -> None:
    connection = ServerConnection()
    connection.receive(connect(5))
    connection.connack(ReasonCode.SUCCESS, receive_maximum=1)
    events = connection.receive(publish(5, packet_id=None) * 3)
    assert [type(event) for event in events] == [Publish] * 3


def test_nothing_is_heard_after_a_failure() -> None:
    connection = connected(4)
    events = connection.receive(publish(4) + b"\xd0\0" + publish(4))
    assert [type(event) for event in events] == [Publish, Failed]
    assert connection.receive(publish(4)) == []


def test_nothing_is_heard_after_a_disconnect() -> None:
    connection = connected(4)
    assert len(connection.receive(b"\xe0\0" + publish(4))) == 1
    assert connection.receive(publish(4)) == []


def test_password_without_user_in_5() -> None:
    """§3.1.2.9: allowed there, against 3.1.1."""
    [event] = ServerConnection().receive(
        connect(5, flags=0x42, payload=CLIENT + field("token"))
    )
    assert isinstance(event, Connect)
    assert (event.username, event.password) == (None, b"token")


def test_password_is_not_in_the_repr() -> None:
    [event] = ServerConnection().receive(
        connect(4, flags=0xC2, payload=CLIENT + field("u") + field("s3cret"))
    )
    assert "s3cret" not in repr(event)


def test_packet_that_ends_before_the_topic_of_the_last_one() -> None:
    """The bytes of the next packet are never read as its topic; found by fuzzing."""
    connection = connected(4)
    first, failed = connection.receive(publish(4, "a") + b"\x32\0" + b"\0\1a\0\1")
    assert isinstance(first, Publish)
    assert failed == connected(4).receive(b"\x32\0")[0]
