"""The ingest: MQTT messages in, committed readings out, acknowledged after COMMIT.

broker → network thread → bounded queue → writer thread → COMMIT → PUBACK

Messages are acknowledged in the order of their arrival, and only on the connection
that delivered them. Whatever is unacknowledged when the process, the connection or the
database fails is delivered again, and the store recognises what it already has.
"""

import logging
import queue
import threading
import time
from collections import deque
from datetime import UTC, datetime

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from sensors.connection import Connecting, new_client
from sensors.counts import Counts, Ledger
from sensors.errors import BrokerUnreachable, IngestStalled
from sensors.running import Running
from sensors.streams import Streams
from sensors.writer import (
    TRANSIENT,
    Delivery,
    Judged,
    Settled,
    chunked,
    judge,
    settle,
)
from store import Store

logger = logging.getLogger(__name__)

TOPICS = "farm/+/+/up"
CLIENT_ID = "heitu-ingest"
BATCH_ROWS = 5_000
BATCH_MESSAGES = 2_000
BATCH_SECONDS = 0.05
# A pause in the arrivals ends a batch early: brokers deliver only so many messages (100
# with rumqttd, 20 with Mosquitto as installed) before they wait for acknowledgements.
BATCH_PAUSE = 0.005
# More than any broker should have in flight, so that the network thread never waits.
QUEUE_MESSAGES = 10_000
SHORTEST_RETRY = 0.1
LONGEST_RETRY = 5.0
# How often the threads look whether they should stop.
TICK = 0.1


class Subscriber(Running):
    """Stores what devices publish; a context manager.

    Parameters
    ----------
    store
        Opened and migrated.
    host, port
        The MQTT broker.
    client_id
        Name of the session that the broker keeps. The same name after a restart
        receives what was not acknowledged; two subscribers must not share one.
    """

    def __init__(
        self, store: Store, *, host: str, port: int, client_id: str = CLIENT_ID
    ) -> None:
        self._streams = Streams(store)
        self._store = store
        self._client = new_client(client_id, persistent=True)
        self._connecting = Connecting(self._client, host=host, port=port)
        self._queue: queue.Queue[Delivery] = queue.Queue(QUEUE_MESSAGES)
        self._ledger = Ledger()
        self._stopping = threading.Event()
        self._connection = 0
        self._connection_lock = threading.Lock()
        self._writer = threading.Thread(target=self._write, name="sensors-writer")
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message

    def start(self, *, timeout: float = 10.0) -> None:
        """Connect and subscribe; what is published after this returns is received.

        Raises
        ------
        BrokerUnreachable
            Nothing listens there, the broker refuses, or `timeout` seconds pass.
        """
        # A broker that kept the session delivers before it answers anything else, and
        # may go on only after acknowledgements: the writer must already be there.
        self._writer.start()
        try:
            self._connecting.run(timeout=timeout)
        except BrokerUnreachable:
            self.stop()
            raise

    def stop(self) -> None:
        """Store and acknowledge what has arrived, then disconnect.

        While the database is away nothing is waited for: the broker keeps what is not
        acknowledged. A stopped subscriber cannot be started again.
        """
        self._stopping.set()
        # Not alive when the very first connection failed.
        if self._writer.is_alive():
            self._writer.join()
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def running(self) -> bool:
        """Whether messages are being taken: connected, and the writer is alive."""
        return self._client.is_connected() and self._writer.is_alive()

    @property
    def counts(self) -> Counts:
        """Where the messages and readings ended, as of now."""
        return self._ledger.snapshot()

    def wait_for(self, *, messages: int, timeout: float) -> Counts:
        """Block until at least `messages` messages are settled since the start.

        Raises
        ------
        IngestStalled
            Fewer were settled within `timeout` seconds.
        """
        reached = self._ledger.wait_until(
            lambda counts: counts.settled >= messages, timeout=timeout
        )
        counts = self.counts
        if not reached:
            raise IngestStalled(
                f"{counts.settled} of {messages} messages were settled within"
                f" {timeout:g} s ({counts.pending} are waiting): see the log for the"
                " state of the database and the broker"
                f" · {timeout:g} 秒内只处理了 {messages} 条消息中的 {counts.settled} 条"
            )
        return counts

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
            return
        # Always, also into a kept session: a broker that restarted has forgotten it.
        client.subscribe(TOPICS, qos=1)
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
        if any(reason.is_failure for reason in reasons):
            self._connecting.failed(f"subscription to {TOPICS} refused")
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
        with self._connection_lock:
            self._connection += 1
        if not self._stopping.is_set():
            logger.warning("MQTT connection lost: %s; connecting again", reason)

    def _on_message(
        self, client: Client, userdata: object, message: MQTTMessage
    ) -> None:
        delivery = Delivery(
            topic=topic_of(message),
            payload=bytes(message.payload),
            received_at=datetime.now(UTC),
            mid=message.mid,
            qos=message.qos,
            connection=self._connection,
        )
        # A full queue holds the network thread, and TCP holds the broker; what comes
        # while stopping stays unacknowledged and is delivered to the next session.
        while not self._stopping.is_set():
            try:
                self._queue.put(delivery, timeout=TICK)
            except queue.Full:
                continue
            self._ledger.receive()
            return

    def _write(self) -> None:
        while batch := self._batch():
            if not self._settle(batch):
                logger.warning(
                    "stopped without the database: %d messages stay with the broker",
                    self.counts.pending,
                )
                return

    def _batch(self) -> list[Delivery]:
        """Next messages in arrival order; none when stopping and nothing is left."""
        batch: list[Delivery] = []
        while not batch:
            try:
                batch.append(self._queue.get(timeout=TICK))
            except queue.Empty:
                if self._stopping.is_set():
                    return batch
        deadline = time.monotonic() + BATCH_SECONDS
        while len(batch) < BATCH_MESSAGES:
            try:
                left = max(0.0, min(BATCH_PAUSE, deadline - time.monotonic()))
                batch.append(self._queue.get(timeout=left))
            except queue.Empty:
                break
        return batch

    def _settle(self, batch: list[Delivery]) -> bool:
        """Commit and acknowledge a batch, however long the database is away.

        Returns False when stopped before that.
        """
        work: deque[list[Judged]] = deque()
        delay = SHORTEST_RETRY
        while True:
            try:
                # After a failure the rest of the work goes on, with its rows as judged.
                if not work:
                    work = chunked(judge(self._streams, batch), rows=BATCH_ROWS)
                for settled in settle(self._store, self._streams, work):
                    self._acknowledge(settled)
            except TRANSIENT as error:
                logger.warning("database is away, next try in %g s: %s", delay, error)
                if self._stopping.wait(delay):
                    return False
                delay = min(2 * delay, LONGEST_RETRY)
            else:
                return True

    def _acknowledge(self, settled: Settled) -> None:
        for delivery in settled.deliveries:
            # Held over the call: the connection must not change between look and send.
            with self._connection_lock:
                if delivery.qos and delivery.connection == self._connection:
                    self._client.ack(delivery.mid, delivery.qos)
        self._ledger.settle(settled.messages, settled.readings)


def topic_of(message: MQTTMessage) -> str:
    """Return the topic, or a character that matches none when it is not UTF-8."""
    try:
        return message.topic
    except UnicodeDecodeError:
        # Forbidden by MQTT, yet not every broker looks; such a topic names no device.
        return "\N{REPLACEMENT CHARACTER}"
