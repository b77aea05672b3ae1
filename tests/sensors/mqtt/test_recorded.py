"""Streams that real clients sent to a socket, byte for byte.

mosquitto_pub and mosquitto_sub 2.0.11, paho-mqtt 2.2.0, gmqtt 0.8.0.
"""

from dataclasses import replace

import pytest

from sensors.mqtt import (
    Connect,
    Disconnect,
    Event,
    Ping,
    PubAck,
    Publish,
    ReasonCode,
    ServerConnection,
    Subscribe,
    Unsubscribe,
    Will,
)

LOGIN = "0008636f6c6c61722d370006733363726574"
WILL = "00196661726d2f6a696c696e2f636f6c6c61722d372f73746174650004676f6e65"
CLIENT = "0008636f6c6c61722d37"
UP = "00166661726d2f6a696c696e2f636f6c6c61722d372f7570"
PAYLOAD = "7b226167655f73223a302c22736571223a312c2272756d696e6174696f6e223a33317d"
DOWN = "001a6661726d2f6a696c696e2f636f6c6c61722d372f646f776e2f23"
SHORT_DOWN = "000f6661726d2f612f622f646f776e2f23"

MOSQUITTO_PUB_311 = (
    f"104700044d51545404ce003c{CLIENT}{WILL}{LOGIN}323d{UP}0001{PAYLOAD}e000"
)
MOSQUITTO_PUB_5 = (
    f"105100044d51545405ce003c08110000003c210014{CLIENT}00{WILL}{LOGIN}"
    f"3258{UP}00011a0300106170706c69636174696f6e2f6a736f6e26000161000162{PAYLOAD}e000"
)
MOSQUITTO_SUB_311 = (
    f"101400044d5154540402003c{CLIENT}82140001{SHORT_DOWN}0140020009e000"
)
MOSQUITTO_SUB_5 = (
    f"101800044d5154540502003c03210001{CLIENT}8215000100{SHORT_DOWN}0140020009e000"
)
PAHO_311 = (
    f"104700044d51545404ce003c{CLIENT}{WILL}{LOGIN}323d{UP}0001{PAYLOAD}"
    f"303b{UP}{PAYLOAD}821f0003{DOWN}0140020009c000a21e0004{DOWN}e000"
)
PAHO_5 = (
    f"104900044d51545405ce003c00{CLIENT}00{WILL}{LOGIN}323e{UP}000100{PAYLOAD}"
    f"303c{UP}00{PAYLOAD}8220000300{DOWN}0140020009c000a21f000400{DOWN}e000"
)
GMQTT_311 = (
    f"104700044d51545404ce003c{CLIENT}{WILL}{LOGIN}323d{UP}0001{PAYLOAD}"
    f"821f0002{DOWN}0140020009a21e0003{DOWN}e000"
)
GMQTT_5 = (
    f"104900044d51545405ce003c00{CLIENT}00{WILL}{LOGIN}"
    f"3251{UP}0001130300046a736f6e26000161000162020000003c{PAYLOAD}"
    f"8220000200{DOWN}01400400090000a21f000300{DOWN}e0020000"
)

LAST_WILL = Will("farm/jilin/collar-7/state", b"gone", 1, retain=False)
READING = b'{"age_s":0,"seq":1,"rumination":31}'


def device(level: int) -> Connect:
    return Connect(
        client_id="collar-7",
        username="collar-7",
        password=b"s3cret",
        clean_start=True,
        keep_alive=60,
        protocol_level=level,
        will=LAST_WILL,
    )


def reader(level: int) -> Connect:
    return Connect("collar-7", None, None, True, 60, level)


PUBLISHED = Publish("farm/jilin/collar-7/up", READING, 1, 1, retain=False, dup=False)
PUBLISHED_0 = Publish(
    "farm/jilin/collar-7/up", READING, 0, None, retain=False, dup=False
)
COMMANDS = "farm/jilin/collar-7/down/#"
ACKNOWLEDGED = PubAck(9, ReasonCode.SUCCESS)
GONE = Disconnect(ReasonCode.SUCCESS)


def of_paho(level: int) -> list[Event]:
    return [
        device(level),
        PUBLISHED,
        PUBLISHED_0,
        Subscribe(3, [(COMMANDS, 1)]),
        ACKNOWLEDGED,
        Ping(),
        Unsubscribe(4, [COMMANDS]),
        GONE,
    ]


def of_gmqtt(level: int) -> list[Event]:
    return [
        device(level),
        PUBLISHED,
        Subscribe(2, [(COMMANDS, 1)]),
        ACKNOWLEDGED,
        Unsubscribe(3, [COMMANDS]),
        GONE,
    ]


def of_mosquitto_sub(connect: Connect) -> list[Event]:
    return [connect, Subscribe(1, [("farm/a/b/down/#", 1)]), ACKNOWLEDGED, GONE]


STREAMS = {
    "mosquitto_pub 3.1.1": (MOSQUITTO_PUB_311, [device(4), PUBLISHED, GONE]),
    "mosquitto_pub 5.0": (
        MOSQUITTO_PUB_5,
        [replace(device(5), session_expiry=60, receive_maximum=20), PUBLISHED, GONE],
    ),
    "mosquitto_sub 3.1.1": (MOSQUITTO_SUB_311, of_mosquitto_sub(reader(4))),
    "mosquitto_sub 5.0": (
        MOSQUITTO_SUB_5,
        of_mosquitto_sub(replace(reader(5), receive_maximum=1)),
    ),
    "paho 3.1.1": (PAHO_311, of_paho(4)),
    "paho 5.0": (PAHO_5, of_paho(5)),
    "gmqtt 3.1.1": (GMQTT_311, of_gmqtt(4)),
    "gmqtt 5.0": (GMQTT_5, of_gmqtt(5)),
}


@pytest.mark.parametrize("name", STREAMS)
def test_stream_of_a_real_client(name: str) -> None:
    stream, events = STREAMS[name]
    assert ServerConnection().receive(bytes.fromhex(stream)) == events


@pytest.mark.parametrize("name", STREAMS)
def test_stream_of_a_real_client_byte_by_byte(name: str) -> None:
    stream, events = STREAMS[name]
    connection = ServerConnection()
    one_by_one = [
        event
        for byte in bytes.fromhex(stream)
        for event in connection.receive(bytes([byte]))
    ]
    assert one_by_one == events
