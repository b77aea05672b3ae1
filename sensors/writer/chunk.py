"""A run of messages with their rows, in columns: what one transaction stores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple
from uuid import UUID, uuid4

import numpy as np
from numpy.typing import NDArray

from sensors.delivery import Delivery
from sensors.uplink import Report
from store import ledger
from store.quarantine import Refused
from store.readings import Batch, Outcome

__all__ = ["Chunk", "Settled", "Stated"]


class Stated(NamedTuple):
    """A state that a device reported, in the entry with an index."""

    entry: int
    device_id: str
    report: Report


@dataclass(frozen=True, slots=True, eq=False)
class Settled:
    """What became of a chunk.

    ``entries`` has dtype `store.ledger.MESSAGE`, shape (entries,).
    """

    deliveries: Sequence[Delivery]
    entries: NDArray[np.void]


@dataclass(slots=True, eq=False)
class Chunk:
    """Messages in order of arrival; an entry is what one device says in one message.

    Attributes
    ----------
    deliveries
        The messages, n of them.
    faults
        By the index of the message, why it cannot be stored. Such a message has one
        entry, without rows.
    message
        int32 (e,): index of the message of each entry, ascending; none is left out.
    device, seq, time_us
        Of each entry: device number, sequence number, newest time, as in
        `store.ledger.MESSAGE`.
    rows
        int64 (e,): how many rows of `batch` belong to each entry, one after the other.
    batch
        The rows.
    stated
        The states reported, by entry.
    batch_id
        Names the chunk in the ledger, when it is tried again too.
    settled
        What the last try made of it, once it came as far as its COMMIT.
    """

    deliveries: Sequence[Delivery]
    faults: Mapping[int, str]
    message: NDArray[np.int32]
    device: NDArray[np.int32]
    seq: NDArray[np.int64]
    time_us: NDArray[np.int64]
    rows: NDArray[np.int64]
    batch: Batch
    stated: Sequence[Stated] = ()
    batch_id: UUID = field(default_factory=uuid4)
    settled: Settled | None = None

    def __len__(self) -> int:
        return len(self.deliveries)

    def part(self, start: int, stop: int) -> "Chunk":
        """Return the messages in ``start <= index < stop`` as a chunk of their own."""
        first, last = np.searchsorted(self.message, [start, stop]).tolist()
        above, below = (int(self.rows[:end].sum()) for end in (first, last))
        return Chunk(
            deliveries=self.deliveries[start:stop],
            faults={n - start: f for n, f in self.faults.items() if start <= n < stop},
            message=self.message[first:last] - np.int32(start),
            device=self.device[first:last],
            seq=self.seq[first:last],
            time_us=self.time_us[first:last],
            rows=self.rows[first:last],
            batch=_sliced(self.batch, above, below),
            stated=[
                stated._replace(entry=stated.entry - first)
                for stated in self.stated
                if first <= stated.entry < last
            ],
        )

    def halves(self) -> list["Chunk"]:
        """Cut in two."""
        middle = len(self) // 2
        return [self.part(0, middle), self.part(middle, len(self))]

    def without_rows(self, fault: str) -> "Chunk":
        """Return a chunk of one message as one that cannot be stored."""
        return replace(
            self.part(0, 1),
            faults={0: fault},
            message=self.message[:1],
            device=self.device[:1],
            seq=self.seq[:1],
            time_us=self.time_us[:1],
            rows=np.zeros(1, np.int64),
            batch=_sliced(self.batch, 0, 0),
            stated=(),
        )

    def refused(self) -> list[Refused]:
        """Return the messages for the quarantine, in order."""
        found = []
        for index, reason in self.faults.items():
            it = self.deliveries[index]
            found.append(
                Refused(
                    it.topic, it.payload, reason, it.received_us, it.device_id, it.farm
                )
            )
        return found

    def judged(self, written: NDArray[np.uint8], news: Sequence[int]) -> Settled:
        """Tell where each message ended.

        Parameters
        ----------
        written
            uint8 (rows,): what `store.readings.write` says of the rows of `batch`.
        news
            Entries whose reported state is new.

        Returns
        -------
        Settled
            A message that contradicts the store anywhere is a conflict; otherwise it is
            stored when anything of it is new, or corrected; otherwise a duplicate.
        """
        entries = np.zeros(len(self.message), ledger.MESSAGE)
        entries["device"] = self.device
        entries["seq"] = self.seq
        entries["time_us"] = self.time_us
        received = np.fromiter(
            (d.received_us for d in self.deliveries), np.int64, len(self)
        )
        entries["received_us"] = received[self.message]
        entry = np.repeat(np.arange(len(entries)), self.rows)
        for name, code in _CODES.items():
            entries[name] = np.bincount(entry[written == code], minlength=len(entries))
        fresh = (entries["stored"] > 0) | (entries["corrected"] > 0)
        fresh[list(news)] = True
        rank = np.where(entries["conflict"] > 0, 2, fresh.astype(np.int8))
        if self.faults:
            rank[np.isin(self.message, list(self.faults))] = 3
        first = np.flatnonzero(np.diff(self.message, prepend=np.int32(-1)))
        entries["outcome"] = _OUTCOME[rank]
        entries["message"] = ledger.CONTINUED
        if len(first):
            entries["message"][first] = _OUTCOME[np.maximum.reduceat(rank, first)]
        return Settled(self.deliveries, entries)


_CODES = {
    "stored": Outcome.STORED,
    "duplicate": Outcome.DUPLICATE,
    "conflict": Outcome.CONFLICT,
    "corrected": Outcome.CORRECTED,
}
# By rank: of several devices in a message, the highest rank tells where it ended.
_OUTCOME = np.array(
    [ledger.DUPLICATE, ledger.STORED, ledger.CONFLICT, ledger.QUARANTINED], np.uint8
)


def _sliced(batch: Batch, start: int, stop: int) -> Batch:
    return Batch(
        stream_id=batch.stream_id[start:stop],
        time_us=batch.time_us[start:stop],
        value=batch.value[start:stop],
        flag=batch.flag[start:stop],
        received_us=batch.received_us[start:stop],
        correction=batch.correction[start:stop],
    )
