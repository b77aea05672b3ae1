"""MQTT clients that others wrote."""

import asyncio
import queue
import shutil
import subprocess
import threading
from typing import Any

import aiomqtt
import gmqtt  # type: ignore[import-untyped]
import pytest
from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from sensors.endpoint import Endpoint
from tests.sensors.conftest import until
from tests.sensors.endpoint.conftest import Listen
from tests.sensors.endpoint.devices import HeldSink

UP = "farm/f1/a/up"
DOWN = "farm/f1/a/down/command"
VERSIONS = [MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5]


class Paho:
    """paho-mqtt in its thread, told when it is connected."""

    def __init__(
        self, port: int, version: MQTTProtocolVersion, password: str = "right"
    ) -> None:
        self.answers: queue.Queue[ReasonCode] = queue.Queue()
        self.messages: queue.Queue[bytes] = queue.Queue()
        self.client = Client(CallbackAPIVersion.VERSION2, protocol=version)
        self.client.username_pw_set("a", password)
        self.client.on_connect = self._connected
        self.client.on_message = lambda *given: self.messages.put(given[2].payload)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def _connected(
        self,
        client: Client,
        userdata: object,
        flags: object,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self.answers.put(reason)

    def stop(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.mark.parametrize("version", VERSIONS)
def test_paho_publishes_and_hears_a_command(
    listen: Listen, version: MQTTProtocolVersion
) -> None:
    sink = HeldSink(at_once=True)
    endpoint = listen(sink)
    subscribed, delivered = threading.Event(), threading.Event()
    endpoint.on_subscribed = lambda _: subscribed.set()
    endpoint.on_delivered = lambda _: delivered.set()
    device = Paho(endpoint.port, version)
    try:
        assert not device.answers.get(timeout=20).is_failure
        sent = [device.client.publish(UP, b"%d" % n, qos=1) for n in range(500)]
        for message in sent:
            message.wait_for_publish(timeout=20)
        device.client.subscribe("farm/f1/a/down/#", qos=1)
        assert subscribed.wait(20)
        assert endpoint.send("a", DOWN, b"open", token=1)
        assert device.messages.get(timeout=20) == b"open"
        assert delivered.wait(20)
    finally:
        device.stop()
    assert sink.payloads == [b"%d" % n for n in range(500)]


@pytest.mark.parametrize("version", VERSIONS)
def test_paho_is_not_told_before_the_message_is_settled(
    endpoint: Endpoint, sink: HeldSink, version: MQTTProtocolVersion
) -> None:
    device = Paho(endpoint.port, version)
    try:
        message: MQTTMessageInfo = device.client.publish(UP, b"1", qos=1)
        until(sink.has(1))
        assert not message.is_published()
        sink.settle()
        message.wait_for_publish(timeout=20)
    finally:
        device.stop()


@pytest.mark.parametrize("version", VERSIONS)
def test_paho_is_told_of_a_wrong_password(
    endpoint: Endpoint, version: MQTTProtocolVersion
) -> None:
    device = Paho(endpoint.port, version, password="wrong")
    try:
        answer = device.answers.get(timeout=20)
        assert answer.is_failure
        assert answer.getName() == "Bad user name or password"
    finally:
        device.stop()


@pytest.mark.parametrize(
    "version", [aiomqtt.ProtocolVersion.V311, aiomqtt.ProtocolVersion.V5]
)
def test_aiomqtt_publishes_and_hears_a_command(
    listen: Listen, version: aiomqtt.ProtocolVersion
) -> None:
    sink = HeldSink(at_once=True)
    endpoint = listen(sink)

    async def device() -> bytes:
        async with aiomqtt.Client(
            "127.0.0.1",
            endpoint.port,
            username="a",
            password="right",
            protocol=version,
            timeout=20,
        ) as client:
            await client.publish(UP, b"1", qos=1)
            await client.subscribe("farm/f1/a/down/#", qos=1)
            assert endpoint.send("a", DOWN, b"open", token=1)
            async for message in client.messages:
                return bytes(message.payload)
        raise AssertionError

    assert asyncio.run(device()) == b"open"
    assert sink.payloads == [b"1"]


def test_gmqtt_publishes_and_hears_a_command(listen: Listen) -> None:
    sink = HeldSink(at_once=True)
    endpoint = listen(sink)
    endpoint.on_subscribed = lambda _: None

    async def device() -> bytes:
        heard: asyncio.Queue[bytes] = asyncio.Queue()
        subscribed = asyncio.Event()
        client = gmqtt.Client("collar")
        client.set_auth_credentials("a", "right")
        client.on_message = lambda *given: _hear(heard, given[2])
        client.on_subscribe = lambda *_: subscribed.set()
        await client.connect("127.0.0.1", endpoint.port, version=5)
        for number in range(50):
            client.publish(UP, b"%d" % number, qos=1)
        client.subscribe("farm/f1/a/down/#", qos=1)
        await asyncio.wait_for(subscribed.wait(), 20)
        assert endpoint.send("a", DOWN, b"open", token=1)
        command = await asyncio.wait_for(heard.get(), 20)
        await client.disconnect()
        return command

    assert asyncio.run(device()) == b"open"
    assert sink.payloads == [b"%d" % number for number in range(50)]


def _hear(heard: asyncio.Queue[bytes], payload: Any) -> int:
    heard.put_nowait(payload)
    # What gmqtt wants for a PUBACK of success.
    return 0


@pytest.mark.parametrize("version", ["311", "5"])
def test_mosquitto_pub_publishes_and_leaves(listen: Listen, version: str) -> None:
    sink = HeldSink(at_once=True)
    done = _mosquitto_pub(listen(sink).port, version, UP)
    assert done.returncode == 0, done.stderr
    assert sink.payloads == [b"1", b"2", b"3"]


def test_mosquitto_pub_is_told_that_it_may_not(endpoint: Endpoint) -> None:
    done = _mosquitto_pub(endpoint.port, "5", "farm/f1/b/up")
    assert "Not authorized" in done.stderr


def _mosquitto_pub(
    port: int, version: str, topic: str
) -> subprocess.CompletedProcess[str]:
    program = shutil.which("mosquitto_pub")
    if program is None:
        pytest.skip("mosquitto_pub is not installed (Debian: mosquitto-clients)")
    options = f"-h 127.0.0.1 -p {port} -V {version} -u a -P right -q 1"
    return subprocess.run(
        [program, *options.split(), "-t", topic, "-l"],
        input="1\n2\n3\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
