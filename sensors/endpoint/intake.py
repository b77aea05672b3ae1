"""Between the connections and the sink: messages in, settlements back.

All of it happens in the endpoint's loop, except the two calls that come from the
sink's thread and only wake the loop.
"""

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sensors.delivery import Delivery, Sink

if TYPE_CHECKING:
    from sensors.endpoint.connection import Connection

__all__ = ["Intake"]

logger = logging.getLogger(__name__)

# Bytes kept while the sink is full. Every connection waits with what it last
# sent; beyond this it must go, and come back with what was not acknowledged.
HELD_BYTES = 134_217_728
# Memory of a delivery beside its payload.
DELIVERY_BYTES = 300


class Intake:
    """Gives messages to the sink, and acknowledges what the sink has settled.

    A `Source`. The handle of a delivery is its connection and packet identifier, 0 for
    QoS 0 (nothing is sent, but it counts as in flight), and None for a will.
    """

    def __init__(self, sink: Sink, loop: asyncio.AbstractEventLoop) -> None:
        self._sink = sink
        self._loop = loop
        self._full = False
        # What came while the sink was full, in order, by who waits for it; a will has
        # nobody and stands for itself.
        self._waiting: OrderedDict[Connection | Delivery, list[Delivery]]
        self._waiting = OrderedDict()
        self._held = 0
        self._unsettled = 0
        self._drained: asyncio.Event | None = None
        self._settlements: deque[Sequence[Delivery]] = deque()
        self._woken = False
        sink.on_room(lambda: self._wake(self._room))

    def settled(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge `deliveries`; called in the sink's thread."""
        self._settlements.append(deliveries)
        # Waking the loop is a system call: once, however many settlements wait for it.
        if not self._woken:
            self._woken = True
            self._wake(self._acknowledge_all)

    def _wake(self, callback: Callable[..., Any], *args: object) -> None:
        # A sink may outlive the endpoint; then there is nobody left to tell.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *args)

    def deliver(self, connection: "Connection", deliveries: Sequence[Delivery]) -> bool:
        """Pass on what `connection` sent.

        False when the sink is full: the connection must wait until `room_made` of it is
        called, or go when more is kept already than can be (`overfull`).
        """
        if self._full:
            self._keep(connection, deliveries)
            return False
        self._put(connection, deliveries)
        return True

    def deliver_will(self, will: Delivery) -> None:
        """Pass on a message that nobody waits for."""
        if self._full:
            self._keep(will, [will])
        else:
            self._put(will, [will])

    @property
    def overfull(self) -> bool:
        """Whether more is kept for a full sink than is good for the memory."""
        return self._held > HELD_BYTES

    def forget(self, connection: "Connection") -> None:
        """Drop what is kept of a connection that has gone, but for QoS 0.

        Its device sends the rest again. A long outage, in which devices come and go,
        would else fill the memory with repetitions.
        """
        kept = self._waiting.pop(connection, None)
        if kept is not None:
            self._held -= _size(kept)
            last = [delivery for delivery in kept if not delivery.handle[1]]
            if last:
                self._keep(connection, last)

    def _keep(
        self, whose: "Connection | Delivery", deliveries: Sequence[Delivery]
    ) -> None:
        if self.overfull:
            logger.info("full: %d messages not taken", len(deliveries))
            return
        self._waiting.setdefault(whose, []).extend(deliveries)
        self._held += _size(deliveries)

    def _put(
        self, whose: "Connection | Delivery", deliveries: Sequence[Delivery]
    ) -> None:
        count = len(deliveries)
        self._unsettled += count
        if not isinstance(whose, Delivery):
            whose.sent(count)
        if not self._sink.put(deliveries):
            self._full = True

    def _room(self) -> None:
        self._full = False
        while self._waiting and not self._full:
            whose, deliveries = self._waiting.popitem(last=False)
            self._held -= _size(deliveries)
            self._put(whose, deliveries)
            if not isinstance(whose, Delivery):
                whose.room_made()

    def _acknowledge_all(self) -> None:
        # Before looking: what is appended from here on wakes the loop again.
        self._woken = False
        while self._settlements:
            self._acknowledge(self._settlements.popleft())
        self._look_drained()

    def _acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        by_connection: dict[Connection, list[int]] = {}
        for delivery in deliveries:
            handle = delivery.handle
            if handle is None:
                continue
            connection, packet_id = handle
            packet_ids = by_connection.get(connection)
            if packet_ids is None:
                by_connection[connection] = [packet_id]
            else:
                packet_ids.append(packet_id)
        for connection, packet_ids in by_connection.items():
            connection.settled(packet_ids)
        self._unsettled -= len(deliveries)

    def _look_drained(self) -> None:
        if self._drained is not None and not self._unsettled and not self._waiting:
            self._drained.set()

    async def drain(self, timeout: float) -> int:
        """Wait until the sink has settled all, at most `timeout` seconds.

        Returns
        -------
        int
            Messages that are still not settled, or kept for a full sink.
        """
        self._drained = asyncio.Event()
        self._look_drained()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._drained.wait(), timeout)
        return self._unsettled + sum(map(len, self._waiting.values()))


def _size(deliveries: Sequence[Delivery]) -> int:
    return sum(len(delivery.payload) + DELIVERY_BYTES for delivery in deliveries)
