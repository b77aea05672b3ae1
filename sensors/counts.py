"""The counters of a writer: where every message and every reading ended.

They are of one process, since its start; `store.ledger` has those of all time.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from store import ledger

__all__ = ["Counts", "Outcome", "Tally"]


class Outcome(StrEnum):
    """Where one message ended; exactly one of these."""

    # At least one reading is new or corrected, and none contradicts the store.
    STORED = "stored"
    # Every reading was already in the store with the same value.
    DUPLICATE = "duplicate"
    # At least one reading has another value than the store; the store keeps its own.
    CONFLICT = "conflict"
    # The message could not be read; it is kept with the reason.
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class Counts:
    """A snapshot since the start of the writer.

    Messages: ``received == stored + duplicate + conflict + quarantined + pending``.
    Readings are those of the settled messages that could be read, and
    ``readings_received == readings_stored + readings_duplicate + readings_conflict
    + readings_corrected``. A message delivered twice is received twice.

    ``batches`` counts transactions, ``commit_seconds`` is how long the last one took
    from its first byte to its COMMIT; ``queued`` messages wait for theirs to begin.
    """

    received: int
    stored: int
    duplicate: int
    conflict: int
    quarantined: int
    pending: int
    readings_received: int
    readings_stored: int
    readings_duplicate: int
    readings_conflict: int
    readings_corrected: int = 0
    batches: int = 0
    commit_seconds: float = 0.0
    queued: int = 0

    @property
    def settled(self) -> int:
        """Messages that ended somewhere."""
        return self.received - self.pending


class Tally:
    """Thread-safe counters behind `Counts`; waiting for a number is possible."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._received = 0
        self._messages = np.zeros(4, np.int64)
        self._readings = np.zeros(4, np.int64)
        self._batches = 0
        self._commit_seconds = 0.0

    def receive(self, messages: int) -> None:
        """Note that messages arrived."""
        with self._changed:
            self._received += messages

    def settle(self, entries: NDArray[np.void], *, seconds: float) -> None:
        """Note where the messages of one transaction, and their readings, ended.

        Parameters
        ----------
        entries
            dtype `store.ledger.MESSAGE`, shape (entries,).
        seconds
            How long the transaction took.
        """
        whole = entries["message"]
        messages = np.bincount(whole[whole != ledger.CONTINUED], minlength=4)
        readings = [entries[name].sum(dtype=np.int64) for name in ledger.READINGS]
        with self._changed:
            self._messages += messages
            self._readings += readings
            self._batches += 1
            self._commit_seconds = seconds
            self._changed.notify_all()

    def snapshot(self, *, queued: int = 0) -> Counts:
        """Return all counters of one moment."""
        with self._changed:
            return self._counts(queued)

    def wait_until(
        self, condition: Callable[[Counts], bool], *, timeout: float
    ) -> bool:
        """Block until `condition` holds; False when `timeout` seconds were too few."""
        with self._changed:
            return self._changed.wait_for(
                lambda: condition(self._counts(0)), timeout=timeout
            )

    def _counts(self, queued: int) -> Counts:
        stored, duplicate, conflict, quarantined = self._messages.tolist()
        readings = self._readings.tolist()
        return Counts(
            received=self._received,
            stored=stored,
            duplicate=duplicate,
            conflict=conflict,
            quarantined=quarantined,
            pending=self._received - int(self._messages.sum()),
            readings_received=sum(readings),
            readings_stored=readings[0],
            readings_duplicate=readings[1],
            readings_conflict=readings[2],
            readings_corrected=readings[3],
            batches=self._batches,
            commit_seconds=self._commit_seconds,
            queued=queued,
        )
