"""The thread that brings commands to the devices that are connected here.

A command is claimed in one transaction and sent after its COMMIT, so that two
dispatchers never send it at the same moment, and one that died leaves a command that is
due again after a pause.
"""

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from sensors.commands.sending import message, topic
from sensors.running import Running
from sensors.turns import FAULTS, FaultLog
from store import Store, commands
from store.commands import Command

__all__ = ["Courier", "Dispatcher", "Sent"]

PERIOD_S = 1.0
# An unconfirmed command is sent again after this time.
PAUSE_S = 15.0
# A device that is not here is looked for again after this time, or when it subscribes.
AWAY_S = 10.0
BATCH = 500

logger = logging.getLogger(__name__)


class Courier(Protocol):
    """What reaches devices: an endpoint, or a subscriber's broker."""

    def send(self, device_id: str, topic: str, payload: bytes, *, token: Any) -> bool:  # noqa: ANN401
        """Hand a message to a live session of the device; False when there is none."""


@dataclass(frozen=True, slots=True)
class Sent:
    """Token of a command at a courier: comes back with the device's PUBACK."""

    command_id: str


class Dispatcher(Running):
    """Sends the commands of a store through couriers, in a thread of its own.

    Parameters
    ----------
    store
        Open store; the caller closes it after `stop`.
    couriers
        Asked in their order until one takes the message.
    period, pause, away
        Seconds between looks, between attempts at an unconfirmed command, and between
        looks for a device that is not connected here.
    clock
        Now, aware; for tests.
    """

    def __init__(
        self,
        store: Store,
        couriers: Sequence[Courier],
        *,
        period: float = PERIOD_S,
        pause: float = PAUSE_S,
        away: float = AWAY_S,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._couriers = tuple(couriers)
        self._period = period
        self._pause = timedelta(seconds=pause)
        self._away = timedelta(seconds=away)
        self._clock = clock
        # Woken devices (str), delivered commands (Sent), None to stop.
        self._inbox: queue.SimpleQueue[str | Sent | None] = queue.SimpleQueue()
        self._woken: set[str] = set()
        self._delivered: list[Sent] = []
        # Devices that are not here, and until when they are not looked for.
        self._missed: dict[str, datetime] = {}
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether the thread is alive."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="commands", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop after the round that is being done."""
        self._inbox.put(None)
        if self._thread is not None:
            self._thread.join()

    def wake(self, device_id: str) -> None:
        """Say that a device subscribed: what is queued for it goes out now.

        Callable from any thread; does not block.
        """
        self._inbox.put(device_id)

    def delivered(self, token: object) -> None:
        """Say that a device acknowledged a message; tokens of others are passed over.

        Callable from any thread; does not block.
        """
        if isinstance(token, Sent):
            self._inbox.put(token)

    def _run(self) -> None:
        log = FaultLog(logger, "commands")
        while self._listened(self._period):
            try:
                self.dispatch()
            except FAULTS as error:
                log.say(error)

    def _listened(self, seconds: float) -> bool:
        """Wait for a word or the next round, and take all words; False to stop."""
        try:
            words = [self._inbox.get(timeout=seconds)]
        except queue.Empty:
            return True
        # All of them: a farm that comes back subscribes with hundreds of devices at
        # once.
        while not self._inbox.empty():
            words.append(self._inbox.get())
        for word in words:
            if isinstance(word, str):
                self._woken.add(word)
            elif word is not None:
                self._delivered.append(word)
        return None not in words

    def dispatch(self) -> None:
        """Do one round: note what was delivered, expire, send what is due.

        Raises
        ------
        StoreError, psycopg.Error
            The database is away; the next round does what is left.
        """
        at = self._clock()
        with self._store.connection() as conn:
            for token in self._delivered:
                commands.delivered(conn, token.command_id, at=at)
            commands.expire(conn, at=at)
            due = commands.claim(
                conn,
                at=at,
                pause=self._pause,
                limit=BATCH,
                woken=sorted(self._woken),
                away=self._elsewhere(at),
            )
        # Committed: what was heard is done with.
        self._delivered.clear()
        self._woken.clear()
        if due:
            self._send(due, at)

    def _elsewhere(self, at: datetime) -> list[str]:
        """Return the devices that are not here: another dispatcher may reach them."""
        self._missed = {
            device_id: until
            for device_id, until in self._missed.items()
            if at < until and device_id not in self._woken
        }
        return list(self._missed)

    def _send(self, due: Sequence[Command], at: datetime) -> None:
        outcomes = [(command, self._outcome(command)) for command in due]
        # After the last of them: a COMMIT for each would keep the later ones waiting.
        with self._store.connection() as conn:
            for command, outcome in outcomes:
                if isinstance(outcome, ValueError):
                    reason = f"cannot be sent: {outcome}"
                    commands.fail(
                        conn, command.command_id, reason=reason, by="dispatcher", at=at
                    )
                elif outcome:
                    commands.sent(conn, command, at=at)
                else:
                    self._missed[command.device_id] = at + self._away
                    commands.not_sent(conn, command, due_at=at)

    def _outcome(self, command: Command) -> bool | ValueError:
        """Return whether a session took a command, or why none ever will."""
        try:
            return self._handed(command)
        except ValueError as error:
            # Such as a topic that MQTT does not allow: raised on, it would hold up the
            # others of the batch, and again each time that this one is due.
            logger.error("command %s cannot be sent: %s", command.command_id, error)
            return error

    def _handed(self, command: Command) -> bool:
        # Its time may have come while those before it were sent.
        if self._clock() >= command.valid_until:
            return False
        payload, token = message(command), Sent(command.command_id)
        return any(
            courier.send(command.device_id, topic(command), payload, token=token)
            for courier in self._couriers
        )
