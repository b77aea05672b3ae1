"""A way in through a broker: its messages are acknowledged when they are stored.

broker → network thread → `Sink.put` → COMMIT → `Subscriber.settled` → PUBACK

Messages are acknowledged in the order of their arrival, and only on the connection
that delivered them. Whatever is unacknowledged when the process, the connection or the
database fails is delivered again by the broker, which keeps the session.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from sensors.connection import Connecting, new_client, persistent, refused
from sensors.delivery import Delivery, Sink
from sensors.errors import BrokerUnreachable
from sensors.running import Running

__all__ = ["CLIENT_ID", "TOPICS", "Subscriber", "topic_of"]

logger = logging.getLogger(__name__)

# Not v1/devices/me/telemetry: behind a broker nobody can tell whose it is.
TOPICS: Final = (
    "farm/+/+/up",
    "farm/+/+/state",
    "v1/gateway/telemetry",
    "application/+/device/+/event/up",
    "v3/+/devices/+/up",
)
CLIENT_ID: Final = "heitu-ingest"
# Messages that a broker speaking MQTT 5 may have under way unacknowledged. In 3.1.1 it
# decides alone: 20 with Mosquitto as installed, so set its max_inflight_messages.
RECEIVE_MAXIMUM: Final = 5_000
# What to do when the broker refuses us, in English and Chinese.
HINT: Final = (
    "check HEITU_BROKER_USERNAME and HEITU_BROKER_PASSWORD_FILE, and what that login"
    " may read",
    "请检查 HEITU_BROKER_USERNAME、HEITU_BROKER_PASSWORD_FILE 及该用户的读取权限",
)
# How often the network thread looks whether it should stop waiting for room.
TICK: Final = 0.1
# How long a stop waits for the sink to settle what it has.
SETTLE_SECONDS: Final = 5.0


class _Handle(NamedTuple):
    """What acknowledges a message, valid on one connection only."""

    connection: int
    mid: int


class Subscriber(Running):
    """Feeds a sink with what devices publish at a broker; a context manager.

    A `Source`. Start the sink first and stop it last.

    Parameters
    ----------
    sink
        Takes the messages. While it is full the network thread waits, and with it the
        broker.
    host, port
        The MQTT broker.
    topics
        Filters to subscribe to, with QoS 1.
    client_id
        Name of the session that the broker keeps. The same name after a restart
        receives what was not acknowledged; two subscribers must not share one.
    group
        Subscribers with the same group share the messages among them
        (``$share/<group>/…``); each with a `client_id` of its own.
    username, password
        Of the platform at the broker, if it asks for them.
    tls
        File of the authorities' certificates to check the broker's against; None for no
        TLS.
    version
        MQTT 3.1.1 (4) or 5.
    receive_maximum
        Messages under way unacknowledged, 1 to 65,535; MQTT 5 only.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        host: str,
        port: int,
        topics: Sequence[str] = TOPICS,
        client_id: str = CLIENT_ID,
        group: str | None = None,
        username: str | None = None,
        password: str | None = None,
        tls: Path | None = None,
        version: Literal[4, 5] = 4,
        receive_maximum: int = RECEIVE_MAXIMUM,
    ) -> None:
        self._sink = sink
        self._topics = [t if group is None else f"$share/{group}/{t}" for t in topics]
        self._client = new_client(client_id, persistent=True, version=version)
        if username is not None:
            self._client.username_pw_set(username, password)
        if tls is not None:
            self._client.tls_set(ca_certs=str(tls))
        self._connecting = Connecting(
            self._client,
            host=host,
            port=port,
            properties=persistent(receive_maximum) if version == 5 else None,
            hint=HINT,
        )
        self._stopping = threading.Event()
        self._room = threading.Event()
        self._room.set()
        self._connection = 0
        self._unsettled = 0
        self._answered = 0
        # Guards these; told when messages are settled and a subscription is answered.
        self._changed = threading.Condition()
        self._sent = _Sent()
        self.on_delivered: Callable[[Any], None] | None = None
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish
        sink.on_room(self._room.set)

    def start(self, *, timeout: float = 10.0) -> None:
        """Connect and subscribe; what is published after this returns is received.

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

    def stop(self, *, timeout: float = SETTLE_SECONDS) -> None:
        """Wait until the sink has settled what it has, and disconnect.

        The broker keeps what is not acknowledged. A stopped subscriber cannot be
        started again.

        Parameters
        ----------
        timeout
            Seconds to wait at most, as while the database is away.
        """
        self._stopping.set()
        deadline = time.monotonic() + timeout
        with self._changed:
            settled = self._changed.wait_for(
                lambda: not self._unsettled, timeout=timeout
            )
        if settled and self._client.is_connected():
            self._flush(timeout=deadline - time.monotonic())
        self._client.disconnect()
        self._client.loop_stop()

    def _flush(self, *, timeout: float) -> None:
        """Wait until the broker has read what was sent.

        Mosquitto forgets the acknowledgements it has not read when a client leaves. It
        reads in order, so the answer to something harmless tells that it has.
        """
        with self._changed:
            asked = self._subscribe()
            # The answer to an earlier subscription may still be under way.
            self._changed.wait_for(lambda: self._answered == asked, timeout)

    def _subscribe(self) -> int | None:
        """Ask for the topics; returns the number that the answer will bear."""
        return self._client.subscribe([(topic, 1) for topic in self._topics])[1]

    @property
    def running(self) -> bool:
        """Whether messages are being taken."""
        return self._client.is_connected() and not self._stopping.is_set()

    def settled(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge; see `sensors.delivery.Source.settled`."""
        # Held over the calls: the connection must not change between look and send.
        with self._changed:
            for delivery in deliveries:
                handle = delivery.handle
                if handle is not None and handle.connection == self._connection:
                    self._client.ack(handle.mid, 1)
            self._unsettled -= len(deliveries)
            self._changed.notify_all()

    def send(
        self, device_id: str, topic: str, payload: bytes, *, token: object
    ) -> bool:
        """Hand a message for a device to the broker, with QoS 1; from any thread.

        Parameters
        ----------
        device_id
            For whom it is; the broker goes by `topic`.
        topic, payload
            The message.
        token
            Passed to `on_delivered` when the broker has acknowledged it: that is not
            yet receipt by the device.

        Returns
        -------
        bool
            False without a connection; then nothing will be sent.
        """
        if not self.running:
            return False
        sent = self._client.publish(topic, payload, qos=1)
        if sent.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            logger.warning("message for %s not sent: %s", device_id, sent.rc)
            return False
        self._acknowledged(self._sent.add(sent.mid, token))
        return True

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
        # Always, also into a kept session: a broker that restarted has forgotten it.
        self._subscribe()
        if flags.session_present:
            self._connecting.ready()

    def _on_subscribe(
        self,
        client: Client,
        userdata: object,
        mid: int,
        reasons: list[ReasonCode],
        properties: Properties | None,
    ) -> None:
        with self._changed:
            self._answered = mid
            self._changed.notify_all()
        refused = [
            topic
            for topic, reason in zip(self._topics, reasons, strict=False)
            if reason.is_failure
        ]
        if refused:
            self._connecting.failed(f"subscription to {', '.join(refused)} refused")
        else:
            self._connecting.ready()

    def _on_disconnect(
        self,
        client: Client,
        userdata: object,
        flags: DisconnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        # Counted before paho connects again, so that no acknowledgement of an old
        # message can meet the new connection, where its number means another one.
        with self._changed:
            self._connection += 1
        if not self._stopping.is_set():
            logger.warning("MQTT connection lost: %s; connecting again", reason)

    def _on_message(
        self, client: Client, userdata: object, message: MQTTMessage
    ) -> None:
        # A full sink holds the network thread, and TCP holds the broker.
        while not (self._room.wait(TICK) or self._stopping.is_set()):
            pass
        # Stays unacknowledged, and is delivered to the next session.
        if self._stopping.is_set():
            return
        handle = _Handle(self._connection, message.mid) if message.qos else None
        delivery = Delivery(
            topic_of(message),
            bytes(message.payload),
            time.time_ns() // 1_000,
            self,
            handle,
        )
        with self._changed:
            self._unsettled += 1
        # Cleared first: the sink may have room again before it has said no.
        self._room.clear()
        if self._sink.put((delivery,)):
            self._room.set()

    def _on_publish(
        self,
        client: Client,
        userdata: object,
        mid: int,
        reason: ReasonCode,
        properties: Properties,
    ) -> None:
        self._acknowledged(self._sent.acknowledge(mid))

    def _acknowledged(self, tokens: Sequence[object]) -> None:
        for token in tokens:
            if self.on_delivered is not None:
                self.on_delivered(token)


class _Sent:
    """Tokens of messages that the broker has not acknowledged yet.

    The acknowledgement may come before the thread that sent the message knows its
    number, and no lock may be held while it sends: paho holds its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[int, object] = {}
        self._early: set[int] = set()

    def add(self, mid: int, token: object) -> tuple[object, ...]:
        """Note a message; returns its token if it is acknowledged already."""
        with self._lock:
            if mid in self._early:
                self._early.remove(mid)
                return (token,)
            self._waiting[mid] = token
            return ()

    def acknowledge(self, mid: int) -> tuple[object, ...]:
        """Return the token of a message, if its sender has come so far."""
        with self._lock:
            if mid in self._waiting:
                return (self._waiting.pop(mid),)
            self._early.add(mid)
            return ()


def topic_of(message: MQTTMessage) -> str:
    """Return the topic, or a character that matches none when it is not UTF-8."""
    try:
        return message.topic
    except UnicodeDecodeError:
        # Forbidden by MQTT, yet not every broker looks; such a topic names no device.
        return "\N{REPLACEMENT CHARACTER}"
