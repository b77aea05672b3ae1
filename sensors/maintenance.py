"""What has to be done to the stored readings every now and then."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sensors.running import Running
from sensors.turns import FAULTS, FaultLog
from store import Store

__all__ = ["Chore", "Maintenance"]

logger = logging.getLogger(__name__)

# How often is looked whether a chore is due.
TICK = 1.0


@dataclass(frozen=True, slots=True)
class Chore:
    """A job with its name for the log; it must bear being cut short and done again."""

    name: str
    every: timedelta
    run: Callable[[Store], None]


class Maintenance(Running):
    """Does each chore at the start and then again and again, in a thread of its own.

    A chore that the database refuses or cannot serve is logged and tried at its next
    turn; the others go on.
    """

    def __init__(self, store: Store, chores: Sequence[Chore]) -> None:
        self._store = store
        self._due = dict.fromkeys(chores, 0.0)
        self._logs = {chore: FaultLog(logger, chore.name) for chore in chores}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="sensors-maintenance")

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the chore that is being done."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def running(self) -> bool:
        """Whether the thread is alive."""
        return self._thread.is_alive()

    def _work(self) -> None:
        while not self._stopping.is_set():
            for chore, due in self._due.items():
                if time.monotonic() >= due and not self._stopping.is_set():
                    self._do(chore)
            self._stopping.wait(TICK)

    def _do(self, chore: Chore) -> None:
        self._due[chore] = time.monotonic() + chore.every.total_seconds()
        try:
            chore.run(self._store)
        except FAULTS as error:
            self._logs[chore].say(error)
