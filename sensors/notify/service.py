"""The thread that empties the outbox."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from sensors.notify.errors import NotificationFailed
from sensors.notify.senders import Sender
from sensors.turns import Turning
from store import Store, notifications
from store.notifications import Notification

__all__ = ["Notifier", "pause"]

PERIOD_S = 2.0
FIRST_PAUSE_S = 30.0
LONGEST_PAUSE_S = 3600.0
# Pauses of 30 s, 1, 2, 4, 8, 16, 32 minutes, then hours: about half a day.
ATTEMPTS = 20
# Longer than any sender waits for one batch.
LEASE = timedelta(minutes=15)
BATCH = 20

logger = logging.getLogger(__name__)


def pause(attempts: int) -> timedelta:
    """Return how long to wait after the attempt of a number, from 1."""
    doubled = FIRST_PAUSE_S * 2.0 ** min(attempts - 1, 20)
    return timedelta(seconds=min(doubled, LONGEST_PAUSE_S))


class Notifier(Turning):
    """Sends what waits in the outbox, each at least once, in a thread of its own.

    Several processes may run one.

    Parameters
    ----------
    store
        Open store; the caller closes it after `stop`.
    senders
        By kind of channel; a kind without one waits as if its receiver were away.
    period
        Seconds between looks.
    clock
        Now, aware; for tests.
    """

    def __init__(
        self,
        store: Store,
        senders: Mapping[str, Sender],
        *,
        period: float = PERIOD_S,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__("notifications", logger=logger, period=period)
        self._store = store
        self._senders = dict(senders)
        self._clock = clock

    def _turn(self) -> float:
        return 0.0 if self.deliver() else self._period

    def deliver(self) -> int:
        """Send what is due; return how many attempts were made.

        Raises
        ------
        StoreError, psycopg.Error
            The database is away; what was sent and not noted is sent again.
        """
        at = self._clock()
        with self._store.connection() as conn:
            # Committed before anything is sent: a process that dies while sending
            # leaves the lease to run out, and nobody sends the same meanwhile.
            due = notifications.claim(conn, at=at, lease=LEASE, limit=BATCH)
        away: dict[str, str] = {}
        for number, notification in enumerate(due):
            # A batch of receivers that do not answer takes minutes.
            if self._stopping.is_set():
                self._later(due[number:], "interrupted", at=at)
                return number
            # One that does not answer must not hold up the others by its timeouts.
            error = away.get(notification.channel) or self._tell(notification)
            if error is not None:
                away[notification.channel] = error
                self._later(
                    [notification],
                    error,
                    at=self._clock() + pause(notification.attempts),
                )
        return len(due)

    def _tell(self, notification: Notification) -> str | None:
        """Try to send; return why it is worth another attempt, None when settled."""
        error: str | None = None
        try:
            self._sender(notification.kind).send(notification)
        except NotificationFailed as failure:
            error = str(failure)
            logger.warning("channel %s: %s", notification.channel, error)
            if not failure.final and notification.attempts < ATTEMPTS:
                return error
        except ValueError as failure:
            # Of this notification alone, such as a header that cannot be: raised on, it
            # would hold up those behind it, and again at the end of each lease.
            error = f"cannot be sent: {failure}"
            logger.error("channel %s: %s", notification.channel, error)
        number, at = notification.notification_id, self._clock()
        with self._store.connection() as conn:
            notifications.settle(conn, number, at=at, error=error)
        return None

    def _sender(self, kind: str) -> Sender:
        if kind not in self._senders:
            raise NotificationFailed(f"{kind} is not set up here")
        return self._senders[kind]

    def _later(self, rest: Sequence[Notification], error: str, *, at: datetime) -> None:
        with self._store.connection() as conn:
            for one in rest:
                notifications.postpone(
                    conn, one.notification_id, due_at=at, error=error
                )
