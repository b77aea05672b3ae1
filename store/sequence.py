"""Which of a device's numbered messages did not come: pure, one message at a time.

A device numbers its messages, one more each time. What is missing between the first and
the highest number was lost, or is still on its way. A device that starts anew counts
from the beginning again: a lower number with a newer time.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["MOST_GAPS", "Sequence"]

# Gaps remembered for one device; the oldest give way, and count as lost.
MOST_GAPS = 256
# A number seen among so many before the highest is a message delivered again: one
# without a clock of its own gets a new time with each delivery.
REPEATED = 100


@dataclass(slots=True)
class Sequence:
    """Numbers seen from one device since it last started.

    Attributes
    ----------
    first, top
        Lowest and highest number seen.
    since_us, top_us
        Device times, microseconds since 1970 UTC, of the first message after the start
        and of the one numbered `top`.
    missing
        Half-open ranges ``[start, stop)`` between `first` and `top`, ascending.
    lost
        Numbers that were missing before the last start, or no longer remembered: at
        most so many are, as one that comes after that is not taken off.
    restarts
        How often the device began to count anew.
    """

    first: int
    top: int
    since_us: int
    top_us: int
    missing: list[tuple[int, int]] = field(default_factory=list)
    lost: int = 0
    restarts: int = 0

    @classmethod
    def begun(cls, seq: int, time_us: int) -> "Sequence":
        """Return the state after the first message of a device."""
        return cls(first=seq, top=seq, since_us=time_us, top_us=time_us)

    def see(self, seq: int, time_us: int) -> None:
        """Note one message."""
        if seq > self.top:
            # From before the last start: its numbers have nothing to do with these.
            if not (self.restarts and time_us < self.since_us):
                self._rise(seq, time_us)
        elif not self._fill(seq) and time_us > self.top_us:
            self._lower(seq, time_us)
        elif seq < self.first and not self.restarts:
            self._precede(seq, time_us)

    def see_all(self, messages: Iterable[tuple[int, int]]) -> None:
        """Note messages, each a pair of number and device time, in order of arrival."""
        for seq, time_us in messages:
            self.see(seq, time_us)

    def _rise(self, seq: int, time_us: int) -> None:
        if seq > self.top + 1:
            self.missing.append((self.top + 1, seq))
            self._forget()
        self.top, self.top_us = seq, time_us

    def _lower(self, seq: int, time_us: int) -> None:
        """Decide about a number that was seen before and comes with a newer time."""
        if seq > 1 and self.top - seq < REPEATED:
            return
        self.lost += sum(stop - start for start, stop in self.missing)
        self.missing = []
        self.first = self.top = seq
        self.since_us = self.top_us = time_us
        self.restarts += 1

    def _precede(self, seq: int, time_us: int) -> None:
        """Take a message from before the first that came."""
        if seq + 1 < self.first:
            self.missing.insert(0, (seq + 1, self.first))
            self._forget()
        self.first, self.since_us = seq, min(time_us, self.since_us)

    def _fill(self, seq: int) -> bool:
        """Take a number out of the missing ones; False when it was not missing."""
        at = bisect_right(self.missing, (seq, self.top + 1)) - 1
        if at < 0 or seq >= self.missing[at][1]:
            return False
        start, stop = self.missing[at]
        parts = [(start, seq), (seq + 1, stop)]
        self.missing[at : at + 1] = [part for part in parts if part[0] < part[1]]
        self._forget()
        return True

    def _forget(self) -> None:
        for start, stop in self.missing[:-MOST_GAPS]:
            self.lost += stop - start
        del self.missing[:-MOST_GAPS]
