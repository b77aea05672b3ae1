"""Threads that do turn after turn, and what they do about a turn that failed."""

import logging
import threading
import time
from abc import abstractmethod
from collections.abc import Callable

import psycopg

from sensors.errors import SensorsError
from sensors.running import Running
from store import StoreError

__all__ = ["FAULTS", "FaultLog", "Turning"]

# What may go wrong in one turn without being the end of the thread.
FAULTS = (StoreError, SensorsError, psycopg.Error, OSError, ValueError)
# The database being away is not a fault of the program: one line says it.
_AWAY = (StoreError, psycopg.OperationalError)
EVERY_S = 60.0


class FaultLog:
    """Says that turns fail, once a minute at most.

    Parameters
    ----------
    logger
        Of the thread.
    name
        What is late, as the line begins.
    clock
        Seconds that never fall; for tests.
    """

    def __init__(
        self,
        logger: logging.Logger,
        name: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger = logger
        self._name = name
        self._clock = clock
        self._said_at: float | None = None

    def say(self, error: Exception) -> None:
        """Say that a turn failed and is done again; with its trace if unexpected."""
        now = self._clock()
        if self._said_at is not None and now - self._said_at < EVERY_S:
            return
        self._said_at = now
        if isinstance(error, _AWAY):
            self._logger.warning("%s: %s; tried again later", self._name, error)
        else:
            self._logger.error("%s: a turn failed", self._name, exc_info=error)


class Turning(Running):
    """Does turn after turn in a thread of its own, the first one at once.

    A turn that fails with one of `FAULTS` is logged and done again after `period`.

    Parameters
    ----------
    name
        Of the thread, and in the log.
    logger
        Where faults are said.
    period
        Seconds.
    """

    def __init__(self, name: str, *, logger: logging.Logger, period: float) -> None:
        self._name = name
        self._logger = logger
        self._period = period
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether the thread is alive."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Start the thread."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop after the turn that is being done, or at its next pause."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    @abstractmethod
    def _turn(self) -> float:
        """Do one turn; returns the seconds until the next."""

    def _run(self) -> None:
        waits, log = 0.0, FaultLog(self._logger, self._name)
        while not self._stopping.wait(waits):
            try:
                waits = self._turn()
            except FAULTS as error:
                log.say(error)
                waits = self._period
