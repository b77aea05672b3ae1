import queue
from typing import Any

import pytest

from sensors.endpoint import Endpoint
from tests.sensors.conftest import until
from tests.sensors.endpoint.devices import (
    PINGREQ,
    PINGRESP,
    Device,
    connected,
    field,
    packet,
    puback,
    subscribe_packet,
)

COMMAND = "farm/f1/a/down/command"


@pytest.mark.parametrize(("version", "refused"), [(4, b"\x80"), (5, b"\x87")])
def test_only_the_own_commands_can_be_subscribed(
    endpoint: Endpoint, version: int, refused: bytes
) -> None:
    with connected(endpoint.port, version=version) as device:
        filters = ("farm/f1/a/down/#", "farm/f1/b/down/#", "#", "farm/f1/+/down/#")
        device.send(subscribe_packet(*filters, version=version))
        properties = b"" if version == 4 else b"\0"
        assert device.read() == packet(
            0x90, b"\0\x01" + properties + b"\x01" + 3 * refused
        )


def test_a_command_reaches_the_device_and_its_puback_the_sender(
    endpoint: Endpoint,
) -> None:
    subscribed: queue.Queue[str] = queue.Queue()
    delivered: queue.Queue[Any] = queue.Queue()
    endpoint.on_subscribed = subscribed.put
    endpoint.on_delivered = delivered.put
    with connected(endpoint.port) as device:
        assert not endpoint.send("a", COMMAND, b"on", token=1)
        _subscribe(device, "farm/f1/a/down/#")
        assert subscribed.get(timeout=20) == "a"
        assert endpoint.send("a", COMMAND, b"on", token="valve 1")
        assert device.read() == packet(0x32, field(COMMAND) + b"\0\x01on")
        assert delivered.empty()
        device.send(puback(1))
        assert delivered.get(timeout=20) == "valve 1"


def test_a_refused_command_is_not_delivered(endpoint: Endpoint) -> None:
    delivered: list[Any] = []
    endpoint.on_delivered = delivered.append
    with connected(endpoint.port, version=5) as device:
        device.send(subscribe_packet("farm/f1/a/down/#", version=5))
        assert device.read()[-1] == 1
        assert endpoint.send("a", COMMAND, b"on", token=1)
        assert device.read()[-3:] == b"\0on"
        device.send(b"\x40\x03\x00\x01\x87", PINGREQ)
        assert device.read() == PINGRESP
    assert delivered == []


def test_a_command_for_a_device_behind_a_gateway_goes_to_the_gateway(
    endpoint: Endpoint,
) -> None:
    with connected(endpoint.port, "g") as gateway:
        _subscribe(gateway, "farm/f1/+/down/#")
        assert endpoint.send("a", COMMAND, b"on", token=1)
        assert gateway.read() == packet(0x32, field(COMMAND) + b"\0\x01on")
        assert not endpoint.send("a", "farm/f2/a/down/command", b"on", token=2)


def test_the_own_session_of_a_device_comes_before_its_gateway(
    endpoint: Endpoint,
) -> None:
    with connected(endpoint.port, "g") as gateway, connected(endpoint.port) as device:
        _subscribe(gateway, "farm/f1/+/down/#")
        _subscribe(device, "farm/f1/a/down/command")
        assert endpoint.send("a", COMMAND, b"on", token=1)
        assert device.read() == packet(0x32, field(COMMAND) + b"\0\x01on")
        gateway.send(PINGREQ)
        assert gateway.read() == PINGRESP


def test_no_command_after_unsubscribe_or_the_end(endpoint: Endpoint) -> None:
    with connected(endpoint.port) as device:
        _subscribe(device, "farm/f1/a/down/#")
        device.send(packet(0xA2, b"\0\x02" + field("farm/f1/a/down/#")))
        assert device.read() == b"\xb0\x02\x00\x02"
        assert not endpoint.send("a", COMMAND, b"on", token=1)
        _subscribe(device, "farm/f1/a/down/#")
        assert endpoint.send("a", COMMAND, b"on", token=1)
    until(lambda: endpoint.connections == 0)
    assert not endpoint.send("a", COMMAND, b"on", token=1)


def test_a_device_takes_as_many_commands_as_it_said(endpoint: Endpoint) -> None:
    # Property 33, Receive Maximum 2 (§3.1.2.11.3).
    with connected(endpoint.port, version=5, properties=b"\x21\0\x02") as device:
        device.send(subscribe_packet("farm/f1/a/down/#", version=5))
        assert device.read()[-1] == 1
        answers = [endpoint.send("a", COMMAND, b"on", token=n) for n in range(3)]
        assert answers == [True, True, False]
        assert device.read()[-2:] == b"on"
        assert device.read()[-2:] == b"on"
        device.send(puback(1), PINGREQ)
        assert device.read() == PINGRESP
        assert endpoint.send("a", COMMAND, b"on", token=3)


def test_a_command_larger_than_the_device_takes_is_not_sent(endpoint: Endpoint) -> None:
    # Property 39, Maximum Packet Size 100 (§3.1.2.11.4).
    properties = b"\x27\0\0\0\x64"
    with connected(endpoint.port, version=5, properties=properties) as device:
        device.send(subscribe_packet("farm/f1/a/down/#", version=5))
        assert device.read()[-1] == 1
        assert not endpoint.send("a", COMMAND, bytes(100), token=1)
        assert endpoint.send("a", COMMAND, bytes(10), token=2)


def _subscribe(device: Device, topic_filter: str) -> None:
    device.send(subscribe_packet(topic_filter))
    assert device.read() == b"\x90\x03\x00\x01\x01"
