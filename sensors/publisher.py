"""A device's side of MQTT: publishing messages, at least once each."""

import threading
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from paho.mqtt.client import Client, ConnectFlags
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from sensors.connection import Connecting, new_client
from sensors.errors import BrokerUnreachable, PublishFailed
from sensors.running import Running

# Messages sent and not yet acknowledged by the broker.
WINDOW = 500


class Outgoing(NamedTuple):
    """One message to publish, and how many readings are in it."""

    topic: str
    payload: bytes
    readings: int


@dataclass(frozen=True, slots=True)
class Sent:
    """How much was handed to the broker."""

    messages: int = 0
    readings: int = 0


class Publisher(Running):
    """An MQTT connection that publishes with QoS 1; a context manager.

    Leaving the context disconnects at once: call `wait` before, to be sure of the last
    messages.
    """

    def __init__(self, *, host: str, port: int) -> None:
        self._client = new_client(f"heitu-device-{uuid.uuid4().hex[:8]}")
        # paho's own window is 20; the messages beyond it would wait unseen.
        self._client.max_inflight_messages_set(WINDOW)
        self._connecting = Connecting(self._client, host=host, port=port)
        self._window = threading.Semaphore(WINDOW)
        self._acknowledged = 0
        self._changed = threading.Condition()
        self._sent = Sent()
        self._client.on_connect = self._on_connect
        self._client.on_publish = self._on_publish

    @property
    def sent(self) -> Sent:
        """What was published so far; acknowledged only after `wait`."""
        return self._sent

    def start(self, *, timeout: float = 10.0) -> None:
        """Connect.

        Raises
        ------
        BrokerUnreachable
            Nothing listens there, the broker refuses, or `timeout` seconds pass.
        """
        try:
            self._connecting.run(timeout=timeout)
        except BrokerUnreachable:
            self.stop()
            raise

    def stop(self) -> None:
        """Disconnect at once."""
        self._client.disconnect()
        self._client.loop_stop()

    def send(self, message: Outgoing, *, timeout: float = 30.0) -> None:
        """Publish one message; waits while `WINDOW` messages are unacknowledged.

        Raises
        ------
        PublishFailed
            The broker acknowledged nothing for `timeout` seconds.
        """
        if not self._window.acquire(timeout=timeout):
            raise self._unacknowledged(timeout)
        self._client.publish(message.topic, message.payload, qos=1)
        self._sent = Sent(
            messages=self._sent.messages + 1,
            readings=self._sent.readings + message.readings,
        )

    def wait(self, *, timeout: float = 30.0) -> Sent:
        """Block until the broker has acknowledged everything sent.

        Raises
        ------
        PublishFailed
            It did not within `timeout` seconds.
        """
        with self._changed:
            complete = self._changed.wait_for(
                lambda: self._acknowledged >= self._sent.messages, timeout=timeout
            )
        if not complete:
            raise self._unacknowledged(timeout)
        return self._sent

    def _unacknowledged(self, timeout: float) -> PublishFailed:
        missing = self._sent.messages - self._acknowledged
        return PublishFailed(
            f"the MQTT broker left {missing} of {self._sent.messages} messages"
            f" unacknowledged after {timeout:g} s: check that it still runs"
            f" · MQTT 服务有 {missing} 条消息未确认，请检查其是否仍在运行"
        )

    def _on_connect(
        self,
        client: Client,
        userdata: object,
        flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._connecting.failed(f"connection refused: {reason}")
        else:
            self._connecting.ready()

    def _on_publish(
        self,
        client: Client,
        userdata: object,
        mid: int,
        reason: ReasonCode,
        properties: Properties,
    ) -> None:
        # Sending and waiting use two locks: paho holds its own while it calls this,
        # which publishing needs too.
        self._window.release()
        with self._changed:
            self._acknowledged += 1
            self._changed.notify_all()


def publish(messages: Iterable[Outgoing], *, host: str, port: int) -> Sent:
    """Publish all messages and wait until the broker has acknowledged each.

    Raises
    ------
    BrokerUnreachable
        The broker does not answer.
    PublishFailed
        The broker stops acknowledging.
    """
    with Publisher(host=host, port=port) as publisher:
        for message in messages:
            publisher.send(message)
        return publisher.wait()
