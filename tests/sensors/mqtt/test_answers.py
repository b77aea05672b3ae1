"""What the server says, byte for byte, and as paho's own reader understands it."""

from typing import Any, cast

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from sensors.mqtt import ReasonCode, ServerConnection
from tests.sensors.mqtt.client_side import connect, connected


def asked(version: int, having: bytes = b"") -> ServerConnection:
    """A connection whose CONNECT is not answered yet."""
    connection = ServerConnection()
    connection.receive(connect(version, having=having))
    return connection


def understood(connack: bytes) -> dict[str, int | str]:
    """Properties of a CONNACK as paho reads them."""
    properties: Any = cast(Any, Properties)(PacketTypes.CONNACK)
    properties.unpack(connack[4:])
    return dict(properties.json())


def test_connack_of_311() -> None:
    assert asked(4).connack(ReasonCode.SUCCESS) == b"\x20\2\0\0"


def test_connack_of_311_with_session() -> None:
    answer = asked(4).connack(ReasonCode.SUCCESS, session_present=True)
    assert answer == b"\x20\2\1\0"


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (ReasonCode.UNSUPPORTED_PROTOCOL_VERSION, 1),
        (ReasonCode.CLIENT_IDENTIFIER_NOT_VALID, 2),
        (ReasonCode.SERVER_UNAVAILABLE, 3),
        (ReasonCode.SERVER_BUSY, 3),
        (ReasonCode.BAD_USER_NAME_OR_PASSWORD, 4),
        (ReasonCode.NOT_AUTHORIZED, 5),
        (ReasonCode.BANNED, 5),
    ],
)
def test_refusal_of_311(reason: ReasonCode, code: int) -> None:
    """3.1.1 table 3.1, and never with a session [MQTT-3.2.2-4]."""
    answer = asked(4).connack(reason, session_present=True)
    assert answer == bytes([0x20, 2, 0, code])


def test_refusal_without_a_code_of_311_is_silent() -> None:
    assert asked(4).connack(ReasonCode.QOS_NOT_SUPPORTED) == b""


def test_connack_of_5() -> None:
    answer = asked(5).connack(
        ReasonCode.SUCCESS,
        receive_maximum=100,
        maximum_packet_size=65_536,
        assigned_client_id="auto-1",
        server_keep_alive=300,
    )
    assert answer[0] == 0x20
    assert answer[1] == len(answer) - 2
    assert answer[2:4] == b"\0\0"
    assert understood(answer) == {
        "SessionExpiryInterval": 0,
        "ReceiveMaximum": 100,
        "MaximumQoS": 1,
        "RetainAvailable": 0,
        "MaximumPacketSize": 65_536,
        "SubscriptionIdentifierAvailable": 0,
        "SharedSubscriptionAvailable": 0,
        "AssignedClientIdentifier": "auto-1",
        "ServerKeepAlive": 300,
    }


def test_connack_of_5_byte_by_byte() -> None:
    assert asked(5).connack(ReasonCode.SUCCESS, receive_maximum=10) == bytes.fromhex(
        "20 18 00 00 15  11 00000000  21 000A  24 01  25 00  27 00010000  29 00  2A 00"
    )


def test_refusal_of_5() -> None:
    answer = asked(5).connack(ReasonCode.NOT_AUTHORIZED, reason_string="no")
    assert answer == b"\x20\x08\0\x87\x05\x1f\0\2no"


def test_version_is_told_to_mqtt_31() -> None:
    connection = ServerConnection()
    [failed] = connection.receive(connect(3, name="MQIsdp"))
    assert connection.farewell(ReasonCode.UNSUPPORTED_PROTOCOL_VERSION) == (
        b"\x20\2\0\1"
    )
    assert "3.1.1" in failed.message  # type: ignore[union-attr]


def test_version_is_told_to_a_later_one() -> None:
    connection = ServerConnection()
    connection.receive(connect(6))
    assert connection.farewell(ReasonCode.UNSUPPORTED_PROTOCOL_VERSION) == (
        b"\x20\3\0\x84\0"
    )


def test_nothing_is_said_to_who_speaks_no_mqtt() -> None:
    connection = ServerConnection()
    connection.receive(b"GET / HTTP/1.1\r\n\r\n")
    assert connection.farewell(ReasonCode.PROTOCOL_ERROR, "why") == b""


def test_farewell_before_the_connack_is_a_connack() -> None:
    """[MQTT-3.14.0-1]: no DISCONNECT before a CONNACK of success."""
    farewell = asked(5).farewell(ReasonCode.MALFORMED_PACKET)
    assert farewell == b"\x20\3\0\x81\0"


def test_farewell_after_the_connack_is_a_disconnect() -> None:
    farewell = connected(5).farewell(ReasonCode.SESSION_TAKEN_OVER)
    assert farewell == b"\xe0\1\x8e"


def test_farewell_of_311_is_silent() -> None:
    assert connected(4).farewell(ReasonCode.SESSION_TAKEN_OVER) == b""


def test_disconnect_with_a_reason_string() -> None:
    answer = connected(5).disconnect(ReasonCode.PACKET_TOO_LARGE, "big")
    assert answer == b"\xe0\x08\x95\x06\x1f\0\3big"


def test_reason_that_no_disconnect_may_have() -> None:
    """Table 3-10 has no 0x8C: it goes out as a protocol error."""
    farewell = connected(5).disconnect(ReasonCode.BAD_AUTHENTICATION_METHOD)
    assert farewell == b"\xe0\1\x82"


def test_reason_that_no_connack_may_have() -> None:
    assert asked(5).connack(ReasonCode.TOPIC_ALIAS_INVALID) == b"\x20\3\0\x82\0"


def test_reason_string_is_left_out_where_it_does_not_fit() -> None:
    """[MQTT-3.14.2-3] and [MQTT-3.2.2-19]: Maximum Packet Size of the client."""
    small = asked(5, having=b"\x27\0\0\0\x28")
    assert small.farewell(ReasonCode.BANNED, "x" * 40) == b"\x20\3\0\x8a\0"
    assert len(small.connack(ReasonCode.SUCCESS)) == 26
    assert small.disconnect(ReasonCode.SERVER_BUSY, "x" * 40) == b"\xe0\1\x89"


def test_connack_is_not_sent_where_it_does_not_fit() -> None:
    assert asked(5, having=b"\x27\0\0\0\x10").connack(ReasonCode.SUCCESS) == b""


@pytest.mark.parametrize("version", [4, 5])
def test_puback(version: int) -> None:
    assert connected(version).puback(0x1234) == b"\x40\2\x12\x34"


def test_puback_with_a_reason() -> None:
    reason = ReasonCode.QUOTA_EXCEEDED
    assert connected(5).puback(10, reason) == b"\x40\3\0\x0a\x97"
    assert connected(4).puback(10, reason) == b"\x40\2\0\x0a"


def test_many_pubacks_in_their_order() -> None:
    answer = connected(4).pubacks([1, 65_535, 2])
    assert answer == bytes.fromhex("40020001 4002FFFF 40020002")
    assert connected(4).pubacks([]) == b""


def test_suback() -> None:
    reasons = [ReasonCode.GRANTED_QOS_1, ReasonCode.NOT_AUTHORIZED]
    assert connected(5).suback(1, reasons) == b"\x90\5\0\1\0\1\x87"
    assert connected(4).suback(1, reasons) == b"\x90\4\0\1\1\x80"


def test_unsuback() -> None:
    reasons = [ReasonCode.SUCCESS, ReasonCode.NO_SUBSCRIPTION_EXISTED]
    assert connected(5).unsuback(1, reasons) == b"\xb0\5\0\1\0\0\x11"
    assert connected(4).unsuback(1, reasons) == b"\xb0\2\0\1"


def test_pingresp() -> None:
    assert connected(4).pingresp() == b"\xd0\0"


def test_publish_of_311() -> None:
    answer = connected(4).publish("a/b", b"on", qos=1, packet_id=10)
    assert answer == b"\x32\x09\0\3a/b\0\x0aon"


def test_publish_of_5() -> None:
    answer = connected(5).publish("a/b", b"on", qos=1, packet_id=10)
    assert answer == b"\x32\x0a\0\3a/b\0\x0a\0on"


def test_publish_of_qos_0_with_retain() -> None:
    answer = connected(4).publish("a", b"", qos=0, packet_id=None, retain=True)
    assert answer == b"\x31\3\0\1a"


def test_publish_larger_than_the_client_takes() -> None:
    """[MQTT-3.1.2-24]"""
    small = asked(5, having=b"\x27\0\0\0\x28")
    small.connack(ReasonCode.SUCCESS)
    assert small.publish("a", b"x" * 34, qos=0, packet_id=None) != b""
    assert small.publish("a", b"x" * 35, qos=0, packet_id=None) == b""


def test_topic_that_fits_into_no_field() -> None:
    with pytest.raises(ValueError, match="65536 bytes does not fit"):
        connected(4).publish("a" * 65_536, b"", qos=0, packet_id=None)


def test_client_identifier_comes_back_unchanged() -> None:
    answer = asked(5).connack(ReasonCode.SUCCESS, assigned_client_id="牛-1")
    assert understood(answer)["AssignedClientIdentifier"] == "牛-1"


def test_reasons_of_a_refusal() -> None:
    """Table 3-1; what is not in it goes out as a protocol error."""
    allowed = bytes.fromhex("80818283848586878889 8A8C909597999A9B9C9D9F")
    for reason in ReasonCode:
        if reason >= ReasonCode.UNSPECIFIED_ERROR:
            said = asked(5).connack(reason)[3]
            assert said == (reason if reason in allowed else 0x82)


def test_reasons_of_a_disconnect() -> None:
    """Table 3-10, those that a server may send."""
    allowed = bytes.fromhex("80818283 87898B8D8E8F90 939495969798999A9B9C9D9E9FA0A1A2")
    for reason in ReasonCode:
        if reason >= ReasonCode.UNSPECIFIED_ERROR:
            said = connected(5).disconnect(reason)[2]
            assert said == (reason if reason in allowed else 0x82)
