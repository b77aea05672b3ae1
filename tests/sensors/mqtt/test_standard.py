"""Byte vectors printed in the figures and tables of the OASIS standards."""

import pytest

from sensors.mqtt import (
    Connect,
    Failed,
    Publish,
    ReasonCode,
    ServerConnection,
    Subscribe,
    Unsubscribe,
    Will,
)
from tests.sensors.mqtt.client_side import connected, heard, packet


def test_connect_of_figure_3_6() -> None:
    """5.0 §3.1.2.12: user, password, will of QoS 1, keep alive 10, expiry 10."""
    head = "0004 4D515454 05 CE 000A 05 11 0000000A"
    payload = "0001 63  00  0001 77 0002 6279  0001 75  0001 70"
    data = packet(0x10, bytes.fromhex(head), bytes.fromhex(payload))
    assert ServerConnection().receive(data) == [
        Connect(
            client_id="c",
            username="u",
            password=b"p",
            clean_start=True,
            keep_alive=10,
            protocol_level=5,
            will=Will(topic="w", payload=b"by", qos=1, retain=False, delay_s=0),
            session_expiry=10,
            receive_maximum=65_535,
            maximum_packet_size=None,
        )
    ]


def test_connect_of_figure_3_6_in_311() -> None:
    """3.1.1 §3.1.2.10: the same flags, no properties."""
    head = "0004 4D515454 04 CE 000A"
    payload = "0001 63  0001 77 0002 6279  0001 75  0001 70"
    data = packet(0x10, bytes.fromhex(head), bytes.fromhex(payload))
    [event] = ServerConnection().receive(data)
    assert isinstance(event, Connect)
    assert (event.protocol_level, event.keep_alive, event.username) == (4, 10, "u")
    assert event.will == Will("w", b"by", 1, retain=False)


def test_publish_of_figure_3_9() -> None:
    """5.0 §3.3.2.4: topic a/b, packet identifier 10, no properties."""
    head = bytes.fromhex("0003 612F62 000A 00")
    assert heard(5, packet(0x32, head)) == [
        Publish("a/b", b"", 1, 10, retain=False, dup=False)
    ]


def test_publish_of_figure_3_11() -> None:
    """3.1.1 §3.3.2.3: topic a/b, packet identifier 10."""
    head = bytes.fromhex("0003 612F62 000A")
    assert heard(4, packet(0x32, head)) == [
        Publish("a/b", b"", 1, 10, retain=False, dup=False)
    ]


def test_subscribe_of_figure_3_23() -> None:
    """3.1.1 §3.8.2 and §3.8.3: identifier 10, a/b with QoS 1, c/d with QoS 2."""
    content = bytes.fromhex("000A 0003 612F62 01 0003 632F64 02")
    assert heard(4, packet(0x82, content)) == [Subscribe(10, [("a/b", 1), ("c/d", 2)])]


def test_subscribe_of_figure_3_21() -> None:
    """5.0 §3.8.2 and §3.8.3: the same with a property length."""
    content = bytes.fromhex("000A 00 0003 612F62 01 0003 632F64 02")
    assert heard(5, packet(0x82, content)) == [Subscribe(10, [("a/b", 1), ("c/d", 2)])]


def test_unsubscribe_of_figure_3_30() -> None:
    content = bytes.fromhex("000A 0003 612F62 0003 632F64")
    assert heard(4, packet(0xA2, content)) == [Unsubscribe(10, ["a/b", "c/d"])]


def test_suback_of_figure_3_26() -> None:
    """3.1.1 §3.9.3: granted QoS 0, granted QoS 2, failure."""
    reasons = [ReasonCode.SUCCESS, ReasonCode.GRANTED_QOS_2, ReasonCode.NOT_AUTHORIZED]
    assert connected(4).suback(10, reasons) == bytes.fromhex("90 05 000A 00 02 80")


@pytest.mark.parametrize(
    ("remaining", "written"),
    [
        (128, "80 01"),
        (16_383, "FF 7F"),
        (16_384, "80 80 01"),
        (2_097_151, "FF FF 7F"),
        (2_097_152, "80 80 80 01"),
        (268_435_455, "FF FF FF 7F"),
    ],
)
def test_remaining_lengths_of_table_2_4(remaining: int, written: str) -> None:
    connection = connected(4, maximum_packet_size=300_000_000)
    header = b"\x30" + bytes.fromhex(written)
    body = b"\0\1a" + b"x" * (remaining - 3)
    [event] = connection.receive(header + body)
    assert isinstance(event, Publish)
    assert len(event.payload) == remaining - 3
    assert connection.receive(header + body[:-1]) == []
    assert connection.receive(body[-1:]) == [event]


def test_remaining_length_of_321_is_said_in_two_bytes() -> None:
    """3.1.1 §2.2.3: 65 + 2 * 128, least significant first."""
    answer = connected(4).publish("a", b"x" * 318, qos=0, packet_id=None)
    assert answer[:3] == bytes([0x30, 0b1100_0001, 0b0000_0010])


def test_string_of_figure_1_2() -> None:
    """5.0 §1.5.4: capital A and U+2A6D4."""
    assert heard(5, packet(0x30, bytes.fromhex("0005 41 F0AA9B94 00"))) == [
        Publish("A\U0002a6d4", b"", 0, None, retain=False, dup=False)
    ]


def test_byte_order_mark_is_a_character() -> None:
    """[MQTT-1.5.4-3]: EF BB BF is U+FEFF and is not skipped."""
    [event] = heard(4, packet(0x30, bytes.fromhex("0004 EFBBBF 61")))
    assert isinstance(event, Publish)
    assert event.topic == "\ufeffa"


def taken(first: int, identifier: bytes) -> list[int]:
    """Reason codes that a client's packet of 5.0 may have."""
    return [
        code
        for code in range(256)
        for event in heard(5, packet(first, identifier, bytes([code])))
        if getattr(event, "reason", None) == code and not isinstance(event, Failed)
    ]


def test_reason_codes_of_puback() -> None:
    """Table 3-4."""
    expected = bytes.fromhex("00 10 80 83 87 90 91 97 99")
    assert taken(0x40, b"\0\1") == list(expected)


def test_reason_codes_of_disconnect() -> None:
    """Table 3-10, those that a client may send."""
    expected = bytes.fromhex("00 04 80 81 82 83 90 93 94 95 96 97 98 99")
    assert taken(0xE0, b"") == list(expected)
