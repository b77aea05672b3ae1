"""What all connections share: the doors, the sessions, and who is told of them."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sensors.delivery import Sink
from sensors.endpoint.authentication import Authenticator, Login, Principal, Refusal
from sensors.endpoint.connection import STRANGER, Connection
from sensors.endpoint.doorman import Answer, Doorman
from sensors.endpoint.intake import Intake
from sensors.endpoint.limits import Allowance, Limits, Lockout
from sensors.endpoint.pacing import ASKING, NEW, STOP
from sensors.endpoint.presence import Presence
from sensors.endpoint.sessions import Sessions
from sensors.endpoint.sockets import network_of
from sensors.mqtt.codes import ReasonCode

__all__ = ["EndpointCounts", "Service"]

logger = logging.getLogger(__name__)

# Seconds between two looks at every connection.
TICK = 1.0
# Seconds in which a client's faults are told once, and clients remembered for it: they
# must not fill the disk with log lines.
TELL_SECONDS = 60.0
MOST_TOLD = 10_000
# Seconds that closing connections have when the endpoint stops.
FAREWELL_SECONDS = 2.0

_REASONS = {
    None: ReasonCode.SERVER_UNAVAILABLE,
    Refusal.CREDENTIALS: ReasonCode.BAD_USER_NAME_OR_PASSWORD,
    Refusal.NOT_ALLOWED: ReasonCode.NOT_AUTHORIZED,
}


@dataclass(slots=True)
class EndpointCounts:
    """What happened since the start.

    Attributes
    ----------
    logins
        Let in.
    logins_refused
        Wrong, not allowed, locked out, or told to try again.
    locked_out
        Of these, refused unseen after too many failures.
    connections_refused
        Closed at once: too many connections.
    taken_over
        Sessions ended because their device connected again.
    publishes_refused
        Messages on a topic that is not their device's.
    protocol_errors
        Connections closed because they broke the protocol.
    timeouts
        Connections closed for silence.
    slow_readers
        Connections closed because they did not read.
    """

    logins: int = 0
    logins_refused: int = 0
    locked_out: int = 0
    connections_refused: int = 0
    taken_over: int = 0
    publishes_refused: int = 0
    protocol_errors: int = 0
    timeouts: int = 0
    slow_readers: int = 0


class Service:
    """All connections of one endpoint; lives in its loop."""

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        sink: Sink,
        authenticator: Authenticator,
        limits: Limits,
        presence: Presence | None,
        most_connections: int,
        subscribed: Callable[[str], None],
        delivered: Callable[[Any], None],
    ) -> None:
        self.loop = loop
        self.limits = limits
        self.intake = Intake(sink, loop)
        self.sessions = Sessions()
        self.doorman: Doorman[Connection] = Doorman(authenticator, self._answered)
        self.counts = EndpointCounts()
        self.connections: set[Connection] = set()
        self.throttled: set[Connection] = set()
        self.tick = TICK
        # Seconds of the loop's clock, as old as one tick.
        self.now = loop.time()
        self.subscribed = subscribed
        self.delivered = delivered
        self._presence = presence
        self._most_connections = most_connections
        self._strangers: Counter[str] = Counter()
        self._lockout = Lockout(
            failures=limits.login_failures, seconds=limits.lockout_seconds
        )
        self._allowances: dict[str, Allowance] = {}
        self._crowded = False
        self._told: dict[str, float] = {}
        self._empty: asyncio.Event | None = None

    def watch(self) -> None:
        """Look at every connection, now and once every tick from now on."""
        self.now = now = self.loop.time()
        # First: whatever goes wrong below, there will be another look.
        self.loop.call_later(self.tick, self.watch)
        for connection in tuple(self.connections):
            connection.check(now)
        for connection in tuple(self.throttled):
            if connection.may_send_again(now):
                self.throttled.discard(connection)

    # -- Called by the connections

    def opened(self, connection: Connection) -> bool:
        """Hear of a new connection; False when it is one too many."""
        network = network_of(connection.address)
        self.connections.add(connection)
        self._strangers[network] += 1
        if len(self.connections) > self._most_connections:
            self._say_crowded()
        elif self._strangers[network] <= self.limits.strangers_per_address:
            return True
        self.counts.connections_refused += 1
        return False

    def _say_crowded(self) -> None:
        # Once: such a flood must not fill the disk with log lines too.
        if not self._crowded:
            self._crowded = True
            logger.error(
                "more than %d connections: further ones are closed; raise the limit of"
                " open files (ulimit -n) · 连接数已达上限，请调高系统的打开文件数限制",
                self._most_connections,
            )

    def closed(self, connection: Connection) -> None:
        """Hear that a connection is gone for good."""
        self.connections.discard(connection)
        self.throttled.discard(connection)
        if connection.principal is STRANGER:
            self._known(connection)
        if self._empty is not None and not self.connections:
            self._empty.set()

    def _known(self, connection: Connection) -> None:
        """Count one stranger less."""
        network = network_of(connection.address)
        self._strangers[network] -= 1
        if self._strangers[network] <= 0:
            del self._strangers[network]

    def ask(self, connection: Connection, login: Login) -> None:
        """Have a login answered."""
        if self._lockout.locked((login.device_id, login.address), now=self.now):
            self.counts.locked_out += 1
            connection.refuse_login(ReasonCode.CONNECTION_RATE_EXCEEDED)
        else:
            self.doorman.ask(connection, login)

    def _answered(
        self, connections: Sequence[Connection], answers: Sequence[Answer]
    ) -> None:
        for connection, answer in zip(connections, answers, strict=True):
            # It may have gone while the authenticator was busy.
            if connection.phase == ASKING:
                self._answer(connection, answer)

    def _answer(self, connection: Connection, answer: Answer) -> None:
        who = (connection.username, connection.address)
        if isinstance(answer, Principal):
            self._lockout.passed(who)
            connection.let_in(answer, self._allowance(answer))
            return
        if answer is not None:
            self._lockout.failed(who, now=self.now)
            name, address = who
            self.tell(
                connection,
                f"login refused: {answer.value} ({name[:80]!r} from {address})",
            )
        connection.refuse_login(_REASONS[answer])

    def tell(self, connection: Connection, fault: str) -> None:
        """Log what a client did wrong: a warning now and then, for each device.

        Strangers of one address count as one.
        """
        who = connection.principal.device_id or network_of(connection.address)
        if self.now < self._told.get(who, self.now):
            logger.info("%s", fault)
            return
        logger.warning("%s", fault)
        self._told.pop(who, None)
        self._told[who] = self.now + TELL_SECONDS
        if len(self._told) > MOST_TOLD:
            del self._told[next(iter(self._told))]

    def _allowance(self, principal: Principal) -> Allowance | None:
        """Return that of the device, which outlives its connections."""
        limits = self.limits.of(gateway=principal.gateway)
        if not limits.messages_per_minute and not limits.bytes_per_day:
            return None
        device_id = principal.device_id
        if device_id not in self._allowances:
            self._allowances[device_id] = Allowance(limits, now=self.loop.time())
        return self._allowances[device_id]

    def begun(self, connection: Connection) -> None:
        """Hear that a device was let in; an earlier session of it ends."""
        principal = connection.principal
        self._known(connection)
        earlier = self.sessions.get(principal.device_id)
        if earlier is not None:
            self.counts.taken_over += 1
            # Closed before the new one is entered: there is one session of a device, or
            # none.
            earlier.close(ReasonCode.SESSION_TAKEN_OVER, "connected again elsewhere")
        self.sessions.add(connection)
        self.counts.logins += 1
        if self._presence is not None:
            now_us = time.time_ns() // 1000
            self._presence.connected(principal.device_id, now_us, connection.address)

    def ended(self, connection: Connection, why: str) -> None:
        """Hear that the session of a device is over."""
        principal = connection.principal
        self.sessions.remove(connection)
        if self._presence is not None:
            now_us = time.time_ns() // 1000
            self._presence.disconnected(principal.device_id, now_us, why)

    # -- Called by the endpoint, in the loop except `wake`

    def wake(self, callback: Callable[..., None], *args: object) -> None:
        """Have `callback` called in the loop, from any thread; no harm when closed."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(callback, *args)

    def kick(self, device_ids: Iterable[str], reason: ReasonCode) -> None:
        """End the sessions of these devices, and their logins under way."""
        kicked = frozenset(device_ids)
        for connection in tuple(self.connections):
            if connection.phase == ASKING and connection.username in kicked:
                # A CONNACK has no code for most of what ends a session.
                connection.refuse_login(ReasonCode.NOT_AUTHORIZED)
            elif connection.principal.device_id in kicked:
                connection.close(reason, f"closed by the server: {reason.name}")

    async def shut_down(self, timeout: float) -> None:
        """Read no more, acknowledge what the sink settles in time, and close."""
        for connection in tuple(self.connections):
            if connection.phase in (NEW, ASKING):
                connection.close(ReasonCode.SERVER_SHUTTING_DOWN, "server stops")
            else:
                connection.wait(STOP)
        left = await self.intake.drain(timeout)
        if left:
            logger.warning("stopped with %d messages not settled", left)
        self._empty = asyncio.Event()
        for connection in tuple(self.connections):
            # Not a fault of the devices: their wills stay unsaid.
            connection.close(
                ReasonCode.SERVER_SHUTTING_DOWN, "server stops", will=False
            )
        if not self.connections:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), FAREWELL_SECONDS)
        for connection in tuple(self.connections):
            connection.abort()
        # One more pass of the loop, in which the transports tell that they are gone.
        await asyncio.sleep(0)
