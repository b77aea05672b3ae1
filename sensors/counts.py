"""The ledger of the ingest: where every message and every reading ended."""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """Where one message ended; exactly one of these."""

    # At least one reading is new, and none contradicts the store.
    STORED = "stored"
    # Every reading was already in the store with the same value.
    DUPLICATE = "duplicate"
    # At least one reading has another value than the store; the store keeps its own.
    CONFLICT = "conflict"
    # The message could not be read; it is kept with the reason.
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class Counts:
    """A snapshot since the start of the subscriber.

    Messages: ``received == stored + duplicate + conflict + quarantined + pending``.
    Readings are those of the settled messages that could be read, and
    ``readings_received == readings_stored + readings_duplicate + readings_conflict``.
    A message delivered twice is received twice.
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

    @property
    def settled(self) -> int:
        """Messages that ended somewhere."""
        return self.received - self.pending


class Ledger:
    """Thread-safe counters behind `Counts`; waiting for a number is possible."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._received = 0
        self._messages: Counter[Outcome] = Counter()
        self._readings: Counter[Outcome] = Counter()

    def receive(self) -> None:
        """Note that one message arrived."""
        with self._changed:
            self._received += 1

    def settle(self, messages: Counter[Outcome], readings: Counter[Outcome]) -> None:
        """Note where messages that had arrived, and their readings, ended."""
        with self._changed:
            self._messages += messages
            self._readings += readings
            self._changed.notify_all()

    def snapshot(self) -> Counts:
        """Return all counters of one moment."""
        with self._changed:
            return self._counts()

    def wait_until(
        self, condition: Callable[[Counts], bool], *, timeout: float
    ) -> bool:
        """Block until `condition` holds; False when `timeout` seconds were too few."""
        with self._changed:
            return self._changed.wait_for(
                lambda: condition(self._counts()), timeout=timeout
            )

    def _counts(self) -> Counts:
        return Counts(
            received=self._received,
            stored=self._messages[Outcome.STORED],
            duplicate=self._messages[Outcome.DUPLICATE],
            conflict=self._messages[Outcome.CONFLICT],
            quarantined=self._messages[Outcome.QUARANTINED],
            pending=self._received - self._messages.total(),
            readings_received=self._readings.total(),
            readings_stored=self._readings[Outcome.STORED],
            readings_duplicate=self._readings[Outcome.DUPLICATE],
            readings_conflict=self._readings[Outcome.CONFLICT],
        )
