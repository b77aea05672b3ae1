"""Asks the authenticator, in a thread of its own, for many logins at once."""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeAlias, TypeVar

from sensors.endpoint.authentication import Authenticator, Login, Principal, Refusal
from sensors.endpoint.errors import AuthenticatorUnavailable

__all__ = ["Answer", "Doorman"]

logger = logging.getLogger(__name__)

# Logins given to the authenticator together.
BATCH = 256

# None: it cannot be said now.
Answer: TypeAlias = Principal | Refusal | None
Ticket = TypeVar("Ticket")


class Doorman(Generic[Ticket]):
    """Keeps logins until the authenticator has time for them.

    Parameters
    ----------
    authenticator
        Who is asked; while it is busy logins gather, and are asked for together.
    answered
        Called in the loop with what was given to `ask` and the answers, in order.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        answered: Callable[[Sequence[Ticket], Sequence[Answer]], None],
    ) -> None:
        self._authenticator = authenticator
        self._answered = answered
        self._asked: queue.SimpleQueue[tuple[Ticket, Login] | None] = (
            queue.SimpleQueue()
        )
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="sensors-doorman")

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start the thread; answers come in `loop`."""
        self._loop = loop
        self._thread.start()

    def stop(self) -> None:
        """Wait for the authenticator's last answer; the loop must still run."""
        self._asked.put(None)
        if self._thread.is_alive():
            self._thread.join()

    @property
    def running(self) -> bool:
        """Whether logins are answered."""
        return self._thread.is_alive()

    def ask(self, ticket: Ticket, login: Login) -> None:
        """Have `login` answered; `ticket` comes back with the answer."""
        self._asked.put((ticket, login))

    def _work(self) -> None:
        while batch := self._batch():
            answers = self._answers([login for _, login in batch])
            tickets = [ticket for ticket, _ in batch]
            self._loop.call_soon_threadsafe(self._answered, tickets, answers)

    def _batch(self) -> list[tuple[Ticket, Login]]:
        """Next logins in order; none when stopping."""
        batch: list[tuple[Ticket, Login]] = []
        with suppress(queue.Empty):
            while not self._stopping and len(batch) < BATCH:
                asked = self._asked.get(block=not batch)
                if asked is None:
                    self._stopping = True
                else:
                    batch.append(asked)
        return batch

    def _answers(self, logins: Sequence[Login]) -> Sequence[Answer]:
        try:
            return self._authenticator.authenticate(logins)
        except AuthenticatorUnavailable as error:
            logger.warning("%d logins told to try again: %s", len(logins), error)
            return [None] * len(logins)
