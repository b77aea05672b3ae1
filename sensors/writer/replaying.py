"""Messages in quarantine get another chance, after what was wrong has been mended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg

from sensors.delivery import Delivery
from sensors.writer.committing import REFUSED, Committer
from sensors.writer.judging import judge
from sensors.writer.registry import Registry
from store import Store, ledger, quarantine
from store.quarantine import Quarantined

__all__ = ["Replayed", "replay_quarantine"]

_PAGE: Final = 500
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Replayed:
    """Where the messages of a replay ended; ``still`` are in quarantine as before."""

    stored: int = 0
    duplicate: int = 0
    conflict: int = 0
    still: int = 0

    def __add__(self, other: "Replayed") -> "Replayed":
        return Replayed(
            self.stored + other.stored,
            self.duplicate + other.duplicate,
            self.conflict + other.conflict,
            self.still + other.still,
        )


class _Nobody:
    """Source of messages that were acknowledged when they went into quarantine."""

    def settled(self, deliveries: Sequence[Delivery]) -> None:
        """Do nothing."""


def replay_quarantine(store: Store, *, ids: Sequence[int] | None = None) -> Replayed:
    """Judge messages in quarantine again; those that can be stored now leave it.

    They count as received at their first receipt, which also keeps the times of devices
    without a clock. In the ledger a message that is replayed is received once more.

    Parameters
    ----------
    store
        Opened and migrated.
    ids
        Of the messages to replay; None for all.

    Raises
    ------
    DatabaseUnavailable
        The database is away; what was replayed until then stays so.
    """
    replay = _Replay(store, ids)
    while replay.page():
        pass
    return replay.done


class _Replay:
    """One pass through the quarantine, page by page."""

    def __init__(self, store: Store, ids: Sequence[int] | None) -> None:
        self._store = store
        self._ids = ids
        self._registry = Registry(store)
        self._committer = Committer(store, self._registry)
        self._after = 0
        self.done = Replayed()

    def page(self) -> bool:
        """Replay the next messages; False when there were none."""
        try:
            return self._replay(_PAGE)
        except REFUSED:
            # One of them is to blame: from here on, each for itself.
            self._registry.forget()
            remaining = _PAGE
            while remaining and self._replay_one():
                remaining -= 1
            return not remaining

    def _replay_one(self) -> bool:
        after = self._after
        try:
            return self._replay(1)
        except REFUSED:
            self._registry.forget()
            # What the page would have held, the message to blame itself.
            with self._store.connection() as conn:
                (refused,) = quarantine.locked(
                    conn, after=after, limit=1, ids=self._ids
                )
            self._after = refused.quarantine_id
            self.done += Replayed(still=1)
            return True

    def _replay(self, limit: int) -> bool:
        """Replay up to `limit` messages in one transaction."""
        with self._store.connection() as conn, conn.transaction():
            kept = quarantine.locked(
                conn, after=self._after, limit=limit, ids=self._ids
            )
            done = self._judged(conn, kept)
        if kept:
            self._after = kept[-1].quarantine_id
        self.done += done
        return bool(kept)

    def _judged(
        self, conn: psycopg.Connection, kept: Sequence[Quarantined]
    ) -> Replayed:
        whole = [message for message in kept if not message.truncated]
        first = judge(self._registry, [_delivery(message) for message in whole])
        good = [m for index, m in enumerate(whole) if index not in first.faults]
        still = len(kept) - len(good)
        if not good:
            return Replayed(still=still)
        chunk = judge(self._registry, [_delivery(message) for message in good])
        entries = self._committer.write(conn, chunk).entries
        quarantine.remove(conn, [message.quarantine_id for message in good])
        return _replayed(entries["message"].tolist(), still=still)


def _delivery(message: Quarantined) -> Delivery:
    return Delivery(
        topic=message.topic,
        payload=bytes(message.payload),
        received_us=(message.first_received_at - _EPOCH) // _MICROSECOND,
        source=_Nobody(),
        device_id=message.device_id,
        farm=message.farm,
    )


def _replayed(outcomes: Sequence[int], *, still: int) -> Replayed:
    return Replayed(
        stored=outcomes.count(ledger.STORED),
        duplicate=outcomes.count(ledger.DUPLICATE),
        conflict=outcomes.count(ledger.CONFLICT),
        still=still,
    )
