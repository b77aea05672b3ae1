"""The bounded queue before the writer: filled by any thread, emptied by one."""

import threading
import time
from collections.abc import Callable, Sequence
from itertools import accumulate

from sensors.delivery import Delivery

__all__ = ["Inbox"]


class Inbox:
    """Messages in order of arrival, bounded by number and by size.

    It takes what it is given also when it is full: a source that goes on after being
    told so loses nothing, but memory is then no longer bounded.

    Parameters
    ----------
    messages
        It is full from this number of messages on, and has room again at half of it.
    octets
        The same for the bytes of their payloads.
    """

    def __init__(self, *, messages: int, octets: int) -> None:
        self._messages = messages
        self._octets = octets
        self._waiting: list[Delivery] = []
        self._size = 0
        self._full = False
        self._closed = False
        self._callbacks: list[Callable[[], None]] = []
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, deliveries: Sequence[Delivery]) -> bool:
        """Take messages; False when it is full now, see `on_room`."""
        with self._changed:
            self._waiting += deliveries
            self._size += sum(len(delivery.payload) for delivery in deliveries)
            if len(self._waiting) >= self._messages or self._size >= self._octets:
                self._full = True
            self._changed.notify()
            return not self._full

    def on_room(self, callback: Callable[[], None]) -> None:
        """Have `callback` called, by `take`, whenever there is room again."""
        with self._changed:
            self._callbacks.append(callback)

    def close(self) -> None:
        """Let `take` end when nothing is left."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def take(
        self, *, messages: int, octets: int, pause: float, longest: float
    ) -> list[Delivery]:
        """Wait for messages and take the oldest; none when closed and empty.

        Parameters
        ----------
        messages, octets
            At most so many; at least one message, however large.
        pause, longest
            Seconds: after the first, waits for more until none came for `pause`, and no
            longer than `longest`.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            self._collect(messages, octets, pause=pause, longest=longest)
            batch = self._cut(messages, octets)
            roomy = self._full and self._roomy()
            if roomy:
                self._full = False
            callbacks = tuple(self._callbacks) if roomy else ()
        # Outside of the lock: they may put what they held back.
        for callback in callbacks:
            callback()
        return batch

    def _collect(
        self, messages: int, octets: int, *, pause: float, longest: float
    ) -> None:
        deadline = time.monotonic() + longest
        before = 0
        while (
            before < len(self._waiting) < messages
            and self._size < octets
            and not self._closed
            and (left := deadline - time.monotonic()) > 0
        ):
            before = len(self._waiting)
            pause_ends = time.monotonic() + min(pause, left)
            # Every arrival wakes; only the end of the pause counts.
            while (rest := pause_ends - time.monotonic()) > 0 and not self._closed:
                self._changed.wait(rest)

    def _cut(self, messages: int, octets: int) -> list[Delivery]:
        batch = self._waiting[:messages]
        size = 0
        for number, total in enumerate(accumulate(len(d.payload) for d in batch)):
            if total > octets and number:
                del batch[number:]
                break
            size = total
        del self._waiting[: len(batch)]
        self._size -= size
        return batch

    def _roomy(self) -> bool:
        return (
            2 * len(self._waiting) <= self._messages and 2 * self._size <= self._octets
        )
