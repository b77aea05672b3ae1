"""What the threads that do turn after turn do about a turn that failed."""

import logging
import time
from collections.abc import Callable

import psycopg

from sensors.errors import SensorsError
from store import StoreError

__all__ = ["FAULTS", "FaultLog"]

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
