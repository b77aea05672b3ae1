"""A device's side of MQTT: publishing messages, at least once each."""

import ssl
import threading
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from paho.mqtt.client import Client, ConnectFlags
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from sensors.connection import Connecting, new_client, refused
from sensors.errors import BrokerUnreachable, PublishFailed
from sensors.running import Running

__all__ = ["WINDOW", "Login", "Outgoing", "Publisher", "Sent", "publish"]

# Messages sent and not yet acknowledged by the broker.
WINDOW = 500


@dataclass(frozen=True, slots=True)
class Login:
    """How a client shows who it is, and how the line is kept private.

    Attributes
    ----------
    username
        Of a device: its id. None where the broker asks nobody.
    password
        Never shown, not even in the repr.
    tls
        What the broker's certificate is checked by; None for a line in the clear.
    version
        4 for MQTT 3.1.1; 5, which also says why a message was refused.
    client_id
        None for a random one.
    """

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None
    version: Literal[4, 5] = 4
    client_id: str | None = None


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

    Parameters
    ----------
    host, port
        The MQTT broker.
    login
        Who publishes; nobody in particular if left out.
    """

    def __init__(self, *, host: str, port: int, login: Login | None = None) -> None:
        login = login or Login()
        client_id = login.client_id or f"heitu-device-{uuid.uuid4().hex[:8]}"
        self._client = new_client(client_id, version=login.version)
        if login.username is not None:
            self._client.username_pw_set(login.username, login.password)
        if login.tls is not None:
            self._client.tls_set_context(login.tls)
        # paho's own window is 20; the messages beyond it would wait unseen.
        self._client.max_inflight_messages_set(WINDOW)
        self._connecting = Connecting(self._client, host=host, port=port)
        self._window: threading.Semaphore | None = None
        self._acknowledged = 0
        self._refusal: str | None = None
        self._changed = threading.Condition()
        self._sent = Sent()
        self._client.on_connect = self._on_connect
        self._client.on_publish = self._on_publish

    @property
    def sent(self) -> Sent:
        """What was published so far; acknowledged only after `wait`."""
        return self._sent

    @property
    def acknowledged(self) -> int:
        """How many of the messages sent, from the first on, the broker has taken.

        Brokers acknowledge in the order of publishing (MQTT 5.0 and 3.1.1, section
        4.6).
        """
        return self._acknowledged

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
        """Publish one message; waits while a window of them is unacknowledged.

        Raises
        ------
        PublishFailed
            The broker refused a message, or acknowledged nothing for `timeout` seconds.
        """
        if self._window is None:
            raise PublishFailed("not connected: start first · 尚未连接")
        if not self._window.acquire(timeout=timeout):
            raise self._unacknowledged(timeout)
        self._check_refusal()
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
            It did not within `timeout` seconds, or refused a message.
        """
        with self._changed:
            complete = self._changed.wait_for(
                lambda: (
                    self._refusal is not None
                    or self._acknowledged >= self._sent.messages
                ),
                timeout=timeout,
            )
        self._check_refusal()
        if not complete:
            raise self._unacknowledged(timeout)
        return self._sent

    def _check_refusal(self) -> None:
        if self._refusal is not None:
            raise PublishFailed(
                f"the MQTT broker refused a message: {self._refusal}; check that this"
                f" login may publish to the device's topic · MQTT 服务拒绝了消息"
            )

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
            self._connecting.failed(refused(reason))
            return
        # A reconnection must not forget what is still under way.
        if self._window is None:
            most = getattr(properties, "ReceiveMaximum", WINDOW)
            self._window = threading.Semaphore(min(WINDOW, most))
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
        if self._window is not None:
            self._window.release()
        with self._changed:
            if reason.is_failure:
                self._refusal = self._refusal or str(reason)
            else:
                self._acknowledged += 1
            self._changed.notify_all()


def publish(
    messages: Iterable[Outgoing], *, host: str, port: int, login: Login | None = None
) -> Sent:
    """Publish all messages and wait until the broker has acknowledged each.

    Raises
    ------
    BrokerUnreachable
        The broker does not answer.
    PublishFailed
        The broker stops acknowledging, or refuses a message.
    """
    with Publisher(host=host, port=port, login=login) as publisher:
        for message in messages:
            publisher.send(message)
        return publisher.wait()
