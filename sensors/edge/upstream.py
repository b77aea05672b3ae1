"""The line to the platform: what waits goes up in order, commands come down.

Each connection begins with the oldest message that is still in the queue, so messages
that were on their way when a line broke go again, before any that never went. The
platform stores each once.
"""

import logging
import random
import ssl
import threading
import time
from collections.abc import Callable

from paho.mqtt.client import (
    Client,
    ConnectFlags,
    DisconnectFlags,
    MQTTMessage,
)
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from sensors.edge.config import Upstream
from sensors.edge.errors import ConfigInvalid, QueueUnusable
from sensors.edge.queue import Queue, Queued, QueueFull
from sensors.edge.rewriting import Outgoing
from sensors.running import Running

__all__ = ["Line"]

logger = logging.getLogger(__name__)

KEEP_ALIVE = 30
# Seconds until the platform must have answered a CONNECT.
ANSWER_S = 15.0
SHORTEST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
# Seconds between looks when nobody calls.
LOOK_S = 1.0
# Seconds of leave-taking: acknowledgements of what is on its way.
LEAVE_S = 2.0
# Answers (MQTT 5.0 section 3.4.2.1) that no second attempt will change; the others are
# "not now".
FOR_EVER = frozenset({0x87, 0x90, 0x99})


class Line(Running):
    """Publishes the queue with QoS 1, with a thread of its own.

    Parameters
    ----------
    queue
        What is to be sent; acknowledged messages are deleted from it.
    settings, password
        Where to, and as whom; the user name is `gateway`.
    farm, gateway
        The farm, and the gateway's device id.
    on_command
        Called with topic and payload of what comes down; must not block.
    on_room
        Called when messages were deleted.
    shortest_pause_s
        Between attempts to connect; doubles up to a minute.
    """

    def __init__(
        self,
        queue: Queue,
        settings: Upstream,
        *,
        password: str,
        farm: str,
        gateway: str,
        on_command: Callable[[str, bytes], None],
        on_room: Callable[[], None],
        shortest_pause_s: float = SHORTEST_PAUSE_S,
    ) -> None:
        self._queue = queue
        self._settings = settings
        self._password = password
        self._farm = farm
        self._gateway = gateway
        self._on_command = on_command
        self._on_room = on_room
        self._shortest_pause_s = shortest_pause_s
        self._tls = _tls(settings)
        self._changed = threading.Condition()
        self._stopping = False
        self._session: _Session | None = None
        # Down from the start: a gateway that never reaches the platform acts alone too.
        self._down_since: float | None = time.monotonic()
        self.problem: str | None = None
        self._thread = threading.Thread(target=self._run, name="edge-upstream")

    @property
    def running(self) -> bool:
        """Whether it sends or tries to."""
        return self._thread.is_alive()

    @property
    def connected(self) -> bool:
        """Whether the platform is reached."""
        return self._down_since is None

    @property
    def down_s(self) -> float:
        """Seconds that the line has been gone; 0 while it is there."""
        since = self._down_since
        return 0.0 if since is None else time.monotonic() - since

    def start(self) -> None:
        """Begin to connect; does not wait for it."""
        self._thread.start()

    def stop(self) -> None:
        """Take leave; what is not acknowledged stays in the queue."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join()

    def written(self) -> None:
        """Hear that there is something new in the queue."""
        with self._changed:
            self._changed.notify_all()

    def tell(self, message: Outgoing) -> None:
        """Send a message past the queue, if the platform is reached."""
        session = self._session
        if session is not None and self.connected:
            session.client.publish(*message, qos=1)

    def _run(self) -> None:
        pause = self._shortest_pause_s
        while not self._stopping:
            started = time.monotonic()
            try:
                self._connection()
            except (OSError, ValueError) as error:
                self._lost(str(error))
            except QueueUnusable as error:
                logger.critical("%s", error)
                self._lost(str(error))
                return
            # A line that held for a while is tried again at once.
            if time.monotonic() - started > LONGEST_PAUSE_S:
                pause = self._shortest_pause_s
            with self._changed:
                # Not all gateways of a village at the same moment.
                wait = pause * random.uniform(0.5, 1.0)
                self._changed.wait_for(lambda: self._stopping, timeout=wait)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _connection(self) -> None:
        """Connect, send until the line breaks or we stop, and take leave."""
        # A new client each time: an old one would send again on its own what it holds,
        # beside what the queue sends again.
        session = _Session(self._new_client(), self._changed, self._on_command)
        self._session = session
        session.client.connect(
            self._settings.host, self._settings.port, keepalive=KEEP_ALIVE
        )
        session.client.loop_start()
        try:
            self._answered(session)
            session.client.subscribe(f"farm/{self._farm}/+/down/#", qos=1)
            logger.info("connected to %s", self._settings.host)
            self._down_since, self.problem = None, None
            self._pump(session)
        finally:
            self._session = None
            if self._down_since is None:
                self._lost(session.ended or "stopped")
            session.client.disconnect()
            session.client.loop_stop()

    def _answered(self, session: "_Session") -> None:
        with self._changed:
            self._changed.wait_for(
                lambda: session.answered or session.ended or self._stopping,
                timeout=ANSWER_S,
            )
        if session.ended or not session.answered:
            raise OSError(session.ended or f"no answer within {ANSWER_S:g} s")

    def _pump(self, session: "_Session") -> None:
        # One place stays free for what goes past the queue.
        window = min(self._settings.window, max(1, session.receive_maximum - 1))
        last_id = 0
        while not session.ended and not self._stopping:
            moved = self._settle(session)
            # What is answered counts until it is deleted: a queue that cannot be
            # written must not be sent in full again and again.
            room = window - len(session.in_flight) - len(session.answered_ids)
            rows = self._queue.after(last_id, limit=room) if room > 0 else []
            for row in rows:
                self._publish(session, row)
                last_id = row.id
            if rows or moved:
                continue
            with self._changed:
                if not session.acknowledged and not session.ended:
                    self._changed.wait(timeout=LOOK_S)
        self._leave(session)

    def _publish(self, session: "_Session", row: Queued) -> None:
        try:
            session.publish(row)
        except ValueError as error:
            # No MQTT topic: sent again and again, it would hold up all behind it.
            logger.error("message %d cannot be sent: %s", row.id, error)
            self._queue.refuse(row.id, str(error))

    def _leave(self, session: "_Session") -> None:
        """Wait a little for the answers to what is on its way."""
        deadline = time.monotonic() + LEAVE_S
        while not session.ended and session.in_flight and time.monotonic() < deadline:
            with self._changed:
                self._changed.wait_for(
                    lambda: session.acknowledged or session.ended, timeout=LEAVE_S
                )
            self._settle(session)
        # Also of a line that has ended: what was answered before its end.
        self._settle(session)

    def _settle(self, session: "_Session") -> bool:
        """Delete what the platform has acknowledged; False when there was nothing."""
        # Only in this thread, which also publishes: an answer may come before `publish`
        # has returned the number it belongs to.
        session.look_up()
        answered = session.answered_ids
        if not answered:
            return False
        try:
            self._queue.forwarded(each for each, code in answered if code < 0x80)
            self._set_aside(session, [pair for pair in answered if pair[1] >= 0x80])
        except QueueFull as error:
            # Tried again every second; they are not sent again on this line.
            logger.error("acknowledged messages cannot be deleted yet: %s", error)
            return False
        session.answered_ids = []
        self._on_room()
        return True

    def _set_aside(self, session: "_Session", refused: list[tuple[int, int]]) -> None:
        for message_id, code in refused:
            if code in FOR_EVER:
                logger.error(
                    "the platform refuses message %d for ever (0x%02x); it is kept"
                    " aside · 平台永久拒收消息 %d，已另存",
                    message_id,
                    code,
                    message_id,
                )
                self._queue.refuse(message_id, f"0x{code:02x}")
            else:
                session.end(f"the platform does not take messages now (0x{code:02x})")

    def _lost(self, why: str) -> None:
        if self._down_since is None:
            self._down_since = time.monotonic()
        if why != self.problem and not self._stopping:
            logger.warning(
                "no line to %s:%d (%s): messages are kept and sent later"
                " · 与平台的连接不可用，消息将缓存后补发",
                self._settings.host,
                self._settings.port,
                why,
            )
        self.problem = why

    def _new_client(self) -> Client:
        settings = self._settings
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._gateway,
            protocol=MQTTProtocolVersion(settings.protocol),
            reconnect_on_failure=False,
            # MQTT 5 has a clean start instead, which is the default.
            clean_session=None if settings.protocol == 5 else True,
        )
        client.username_pw_set(self._gateway, self._password)
        client.max_inflight_messages_set(settings.window)
        client.connect_timeout = ANSWER_S
        if self._tls is not None:
            client.tls_set_context(self._tls)
        return client


class _Session:
    """One connection; the callbacks run in paho's thread."""

    def __init__(
        self,
        client: Client,
        changed: threading.Condition,
        on_command: Callable[[str, bytes], None],
    ) -> None:
        self.client = client
        self.answered = False
        self.ended: str | None = None
        self.receive_maximum = 65_535
        self.in_flight: dict[int, int] = {}
        # Answers as they come: packet identifier and reason code.
        self.acknowledged: list[tuple[int, int]] = []
        # The same by number in the queue, until they are deleted there.
        self.answered_ids: list[tuple[int, int]] = []
        self._changed = changed
        self._on_command = on_command
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe

    def publish(self, row: Queued) -> None:
        self.in_flight[self.client.publish(row.topic, row.payload, qos=1).mid] = row.id

    def look_up(self) -> None:
        """Find out which messages were answered; called where they are published."""
        with self._changed:
            answers, self.acknowledged = self.acknowledged, []
        self.answered_ids += [
            (self.in_flight.pop(mid), code)
            for mid, code in answers
            if mid in self.in_flight
        ]

    def end(self, why: str) -> None:
        with self._changed:
            self.ended = self.ended or why
            self._changed.notify_all()

    def _on_connect(
        self,
        client: Client,
        userdata: object,
        flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self.end(f"refused: {reason}")
            return
        with self._changed:
            self.receive_maximum = getattr(properties, "ReceiveMaximum", 65_535)
            self.answered = True
            self._changed.notify_all()

    def _on_disconnect(
        self,
        client: Client,
        userdata: object,
        flags: DisconnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self.end(f"disconnected: {reason}")

    def _on_publish(
        self,
        client: Client,
        userdata: object,
        mid: int,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        with self._changed:
            self.acknowledged.append((mid, reason.value))
            self._changed.notify_all()

    def _on_subscribe(
        self,
        client: Client,
        userdata: object,
        mid: int,
        reasons: list[ReasonCode],
        properties: Properties | None,
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            logger.error(
                "the platform sends no commands to this gateway (%s): is its credential"
                " that of a gateway? · 平台拒绝下发命令，请检查网关凭据",
                reasons[0],
            )

    def _on_message(
        self, client: Client, userdata: object, message: MQTTMessage
    ) -> None:
        self._on_command(message.topic, bytes(message.payload))


def _tls(settings: Upstream) -> ssl.SSLContext | None:
    if not settings.tls:
        return None
    try:
        return ssl.create_default_context(cafile=settings.ca)
    except OSError as error:
        raise ConfigInvalid(
            f"configuration: upstream.ca {settings.ca} cannot be used ({error}): give"
            " a PEM file of certificates · upstream.ca 不是可用的 PEM 证书文件"
        ) from error
