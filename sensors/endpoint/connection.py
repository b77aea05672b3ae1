"""One connection of a device: its bytes, its session and when it must wait.

A connection has no task, no timer and no buffer of its own: 5,000 of them are idle
nearly all the time.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sensors.delivery import Delivery
from sensors.endpoint.authentication import Login, Principal
from sensors.endpoint.downlink import Downlink
from sensors.endpoint.limits import Allowance
from sensors.endpoint.pacing import (
    ALLOWANCE,
    ASKING,
    CLOSING,
    LIVE,
    LOGIN,
    NEW,
    SINK,
    WINDOW,
    Paced,
)
from sensors.mqtt.codes import ReasonCode
from sensors.mqtt.connection import ServerConnection
from sensors.mqtt.events import (
    Connect,
    Disconnect,
    Event,
    Failed,
    Ping,
    PubAck,
    Publish,
    Subscribe,
    Unsubscribe,
    Will,
)
from sensors.rights import may_publish

if TYPE_CHECKING:
    from sensors.endpoint.service import Service

__all__ = ["STRANGER", "Connection"]

logger = logging.getLogger(__name__)

# Seconds that a closing connection has for its last bytes.
CLOSE_SECONDS = 5.0
# Seconds that a login may wait for its answer. One that waits is not read, so that
# nobody would see that its device has given up.
ANSWER_SECONDS = 30.0

# Who a connection is before it was let in: somebody without any topic.
STRANGER = Principal(device_id="", farm="")


class Connection(Paced):
    """The endpoint's side of one connection.

    Attributes
    ----------
    principal
        Who it is; `STRANGER` before it was let in.
    address
        Numeric IP address of the other side.
    downlink
        What it listens to; None before it was let in.
    """

    __slots__ = (
        "_allowance",
        "_connect",
        "_held",
        "_in_flight",
        "_last_topic",
        "_mqtt",
        "_silence",
        "_since",
        "_unsettled",
        "_will",
        "_window",
        "address",
        "downlink",
        "principal",
    )

    def __init__(self, service: "Service") -> None:
        limits = service.limits
        super().__init__(service)
        self._mqtt = ServerConnection(maximum_packet_size=limits.packet_bytes)
        self._window = limits.in_flight
        self.address = ""
        self.principal = STRANGER
        self._connect: Connect | None = None
        self._will: Will | None = None
        self._allowance: Allowance | None = None
        self._since = service.now
        self._silence = 0.0
        # What came behind a CONNECT that is not answered.
        self._held: Sequence[Event] = ()
        self._last_topic = ""
        self._in_flight: set[int] = set()
        self._unsettled = 0
        self.downlink: Downlink | None = None

    # -- Called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: the client has its time for a CONNECT."""
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        # None when it has gone already.
        self.address = peer[0] if peer else ""
        if not self._service.opened(self):
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """End: the client may have left without a word."""
        self._end(f"connection lost: {exc}" if exc else "connection lost", will=True)
        self._service.closed(self)

    # -- From bytes to deliveries

    def _take(self, data: bytes) -> None:
        events = self._mqtt.receive(data)
        if events:
            self._handle(events)
        if self._allowance is not None:
            messages = sum(type(event) is Publish for event in events)
            self._allowance.spend(messages=messages, size=len(data))
            self._wait_for_allowance()

    def _wait_for_allowance(self) -> None:
        if self._exhausted(self._service.loop.time()):
            self.wait(ALLOWANCE)
            self._service.throttled.add(self)

    def _exhausted(self, now: float) -> bool:
        return self._allowance is not None and self._allowance.exhausted(now)

    def may_send_again(self, now: float) -> bool:
        """Whether its device has allowance again; then it goes on."""
        if self._exhausted(now):
            return False
        self._handle_held()
        self.go_on(ALLOWANCE)
        return True

    def _handle_held(self) -> None:
        """Go on with what came behind the CONNECT."""
        held, self._held = self._held, ()
        self._handle(held)

    def _handle(self, events: Sequence[Event]) -> None:
        deliveries: list[Delivery] = []
        received_us = time.time_ns() // 1000
        for place, event in enumerate(events, 1):
            if type(event) is Publish:
                self._publish(event, received_us, deliveries)
            else:
                # A will must come after the messages before it.
                self._deliver(deliveries)
                deliveries = []
                self._other(event)
            if self.phase != LIVE:
                self._held = events[place:] if self.phase == ASKING else ()
                break
        self._deliver(deliveries)

    def _publish(
        self, event: Publish, received_us: int, deliveries: list[Delivery]
    ) -> None:
        topic, packet_id = event.topic, event.packet_id
        principal = self.principal
        if topic != self._last_topic:
            if not may_publish(topic, principal):
                self._refuse(event, principal)
                return
            self._last_topic = topic
        if packet_id is not None:
            if packet_id in self._in_flight:
                self._again(event)
                return
            self._in_flight.add(packet_id)
        deliveries.append(
            Delivery(
                topic,
                event.payload,
                received_us,
                self._service.intake,
                (self, packet_id or 0),
                principal.device_id,
                principal.farm,
            )
        )

    def _refuse(self, event: Publish, principal: Principal) -> None:
        """Refuse a message on a topic that is not the device's own."""
        self._service.counts.publishes_refused += 1
        self._service.tell(
            self,
            f"device {principal.device_id} may not publish on {event.topic[:200]!r}",
        )
        if self._mqtt.version == 4:
            # 3.1.1 has no word for it, and a PUBACK would be a lie.
            self.close(ReasonCode.NOT_AUTHORIZED, "published on a topic not its own")
        elif event.packet_id is not None:
            self._write(self._mqtt.puback(event.packet_id, ReasonCode.NOT_AUTHORIZED))

    def _again(self, event: Publish) -> None:
        """Meet a packet identifier that is in flight: the same message, or a fault."""
        if not event.dup:
            self.close(
                ReasonCode.PROTOCOL_ERROR,
                f"packet identifier {event.packet_id} used again before its PUBACK",
            )
        elif event.packet_id is not None:
            # Acknowledged once, when the first is settled. Not sent: the protocol part
            # counts what it read against the Receive Maximum.
            self._mqtt.puback(event.packet_id)

    def _deliver(self, deliveries: list[Delivery]) -> None:
        if not deliveries:
            return
        intake = self._service.intake
        if not intake.deliver(self, deliveries):
            self.wait(SINK)
            if intake.overfull:
                self.close(ReasonCode.SERVER_BUSY, "too much waits for the database")

    # -- Called by the intake

    def sent(self, count: int) -> None:
        """Count messages that the sink has taken."""
        self._unsettled += count
        # Beyond, not at: a client that keeps to the window is heard while it waits, so
        # that its pings are answered even when the database is away for minutes.
        if self._unsettled > self._window and self.phase != CLOSING:
            self.wait(WINDOW)

    def room_made(self) -> None:
        """Hear that the sink has taken what was kept for it."""
        self.go_on(SINK)

    def settled(self, packet_ids: Sequence[int]) -> None:
        """Acknowledge messages in the order given; 0 stands for QoS 0."""
        self._unsettled -= len(packet_ids)
        if self.phase == CLOSING:
            return
        owed = [packet_id for packet_id in packet_ids if packet_id]
        if owed:
            # Before the bytes go out: the client may use the identifiers again at once.
            self._in_flight.difference_update(owed)
            self._write(self._mqtt.pubacks(owed))
        if self._unsettled <= self._window // 2:
            self.go_on(WINDOW)

    # -- Everything but messages

    def _other(self, event: Event) -> None:
        match event, self.downlink:
            case Ping(), _:
                self._write(self._mqtt.pingresp())
            case PubAck(), Downlink() as downlink:
                self._command_answered(event, downlink)
            case Subscribe(), Downlink() as downlink:
                self._subscribe(event, downlink)
            case Unsubscribe(), Downlink() as downlink:
                self._unsubscribe(event, downlink)
            case Connect(), _:
                self._ask(event)
            case Disconnect(), _:
                # §3.14.4: only a normal DISCONNECT takes the will back.
                self._leave("disconnected", will=event.reason != ReasonCode.SUCCESS)
            case Failed(), _:
                self._fail(event)

    def _fail(self, event: Failed) -> None:
        self._service.counts.protocol_errors += 1
        self._service.tell(self, f"{self}: {event.message}")
        self._write(self._mqtt.farewell(event.reason, event.message))
        self._leave(f"protocol: {event.message}", will=True)

    def _ask(self, event: Connect) -> None:
        if event.username is None or event.password is None:
            self.refuse_login(ReasonCode.BAD_USER_NAME_OR_PASSWORD)
            return
        # A client need not wait for the answer (§3.1.4): what comes behind is held.
        self.phase = ASKING
        self._since = self._service.now
        self._connect = event
        self.wait(LOGIN)
        self._service.ask(
            self, Login(event.username, event.client_id, event.password, self.address)
        )

    @property
    def username(self) -> str:
        """User name of the login that is not answered yet, else empty."""
        return (self._connect and self._connect.username) or ""

    def refuse_login(self, reason: ReasonCode) -> None:
        """Say no to the CONNECT and close."""
        self._service.counts.logins_refused += 1
        self._write(self._mqtt.connack(reason))
        self._leave("refused", will=False)

    def let_in(self, principal: Principal, allowance: Allowance | None) -> None:
        """Say yes to the CONNECT, and go on with what came behind it."""
        connect, self._connect = self._connect, None
        if connect is None:
            return
        if connect.will is not None and not may_publish(connect.will.topic, principal):
            self._service.tell(
                self,
                f"device {principal.device_id} may not leave a will on"
                f" {connect.will.topic[:200]!r}",
            )
            self.refuse_login(ReasonCode.NOT_AUTHORIZED)
            return
        self.principal = principal
        self._will = connect.will
        self._allowance = allowance
        self.downlink = Downlink(
            principal,
            receive_maximum=connect.receive_maximum,
            largest_packet=connect.maximum_packet_size,
        )
        self._write(self._connack(connect, principal))
        self.phase = LIVE
        self._service.begun(self)
        # A new connection is no way around the allowance.
        self._wait_for_allowance()
        if not self._waits & ALLOWANCE:
            self._handle_held()
        self.go_on(LOGIN)

    def _connack(self, connect: Connect, principal: Principal) -> bytes:
        limits = self._service.limits
        keep_alive, imposed = connect.keep_alive, None
        if not keep_alive and connect.protocol_level == 5:
            keep_alive = imposed = limits.keep_alive_seconds
        # One and a half times (§3.1.2.10), and what the coarse clock may be late.
        silence = 1.5 * keep_alive or limits.idle_seconds
        self._silence = silence + self._service.tick
        return self._mqtt.connack(
            ReasonCode.SUCCESS,
            receive_maximum=limits.in_flight,
            maximum_packet_size=limits.packet_bytes,
            assigned_client_id=None if connect.client_id else principal.device_id,
            server_keep_alive=imposed,
        )

    def _subscribe(self, event: Subscribe, downlink: Downlink) -> None:
        reasons = downlink.subscribe(event.filters)
        self._write(self._mqtt.suback(event.packet_id, reasons))
        if min(reasons) <= ReasonCode.GRANTED_QOS_1:
            self._service.subscribed(self.principal.device_id)

    def _unsubscribe(self, event: Unsubscribe, downlink: Downlink) -> None:
        reasons = downlink.unsubscribe(event.filters)
        self._write(self._mqtt.unsuback(event.packet_id, reasons))

    def command(self, topic: str, payload: bytes, token: object) -> None:
        """Send a command; its place was kept by `Sessions.reserve`."""
        downlink = self.downlink
        qos = None if downlink is None else downlink.granted(topic)
        if downlink is None or qos is None or self.phase != LIVE:
            self._service.sessions.release(self)
            return
        packet_id = None
        if qos:
            packet_id = downlink.sending(token)
        else:
            # QoS 0 was all it asked for: nobody will say that it came.
            self._service.sessions.release(self)
        self._write(self._mqtt.publish(topic, payload, qos=qos, packet_id=packet_id))

    def _command_answered(self, event: PubAck, downlink: Downlink) -> None:
        sent, token = downlink.answered(event.packet_id)
        if not sent:
            return
        self._service.sessions.release(self)
        if event.reason < ReasonCode.UNSPECIFIED_ERROR:
            self._service.delivered(token)
        else:
            logger.warning("%s refused a command: %s", self, event.reason.name)

    # -- Watched over, and the end

    def check(self, now: float) -> None:
        """Look whether it is still as it should be, once every tick."""
        limits = self._service.limits
        if self.phase == CLOSING:
            if now - self._since > CLOSE_SECONDS:
                self.abort()
        elif self._unread_since and now - self._unread_since > (
            limits.slow_reader_seconds
        ):
            self._too_slow()
        elif self.phase == NEW:
            if now - self._since > limits.connect_seconds:
                self._service.counts.timeouts += 1
                self._leave("no CONNECT", will=False)
        elif self.phase == ASKING:
            if now - self._since > ANSWER_SECONDS:
                self.refuse_login(ReasonCode.SERVER_UNAVAILABLE)
        # One that is not listened to cannot be heard.
        elif not self._waits and now - self._heard > self._silence:
            self._service.counts.timeouts += 1
            self.close(ReasonCode.KEEP_ALIVE_TIMEOUT, "silent for too long")

    def _too_slow(self) -> None:
        self._service.counts.slow_readers += 1
        self._end("does not read what it is sent", will=True)
        self.abort()

    def _write(self, data: bytes) -> None:
        if self.phase == CLOSING or not data:
            return
        self._transport.write(data)
        # Looked at only beyond 64 KiB, where the transport has said so.
        if self._unread_since:
            unread = self._transport.get_write_buffer_size()
            if unread > self._service.limits.unread_bytes:
                self._too_slow()

    def close(self, reason: ReasonCode, why: str, *, will: bool = True) -> None:
        """Say goodbye and close; nothing more is acknowledged."""
        self._write(self._mqtt.farewell(reason))
        self._leave(why, will=will)

    def _leave(self, why: str, *, will: bool) -> None:
        if self.phase != CLOSING:
            self._end(why, will=will)
            self._transport.close()

    def _end(self, why: str, *, will: bool) -> None:
        """End the session, once: the device may come back from now on."""
        phase, self.phase = self.phase, CLOSING
        if phase == CLOSING:
            return
        self._since = self._service.now
        self._pending, self._held, self._connect = b"", (), None
        self._in_flight = set()
        if self.principal is not STRANGER:
            self._service.intake.forget(self)
            self._service.ended(self, why)
            if will and self._will is not None:
                self._publish_will(self._will, self.principal)

    def _publish_will(self, will: Will, principal: Principal) -> None:
        delivery = Delivery(
            will.topic,
            will.payload,
            time.time_ns() // 1000,
            self._service.intake,
            None,
            principal.device_id,
            principal.farm,
        )
        self._service.intake.deliver_will(delivery)

    def abort(self) -> None:
        """Close at once, without a word."""
        self._end("aborted", will=False)
        self._transport.abort()

    def __repr__(self) -> str:
        who = self.principal.device_id or "a stranger"
        return f"<connection of {who} from {self.address}>"
