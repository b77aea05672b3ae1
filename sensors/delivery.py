"""What passes between the ways in and the writer: messages up, settlements down.

An endpoint or a subscriber is a `Source`; the writer, or the queue of an edge agent,
is a `Sink`. A delivery belongs to the sink from `Sink.put` until `Source.settled`, and
only then may the source acknowledge it to the device.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["Delivery", "Sink", "Source"]


class Source(Protocol):
    """A way in, told when the messages it delivered are safe."""

    def settled(self, deliveries: "Sequence[Delivery]") -> None:
        """Acknowledge `deliveries`, all of this source, in their order of arrival.

        Called in the thread of the sink after its COMMIT; must not block or raise.
        """


class Sink(Protocol):
    """Takes messages and makes them durable, first come first stored."""

    def put(self, deliveries: "Sequence[Delivery]") -> bool:
        """Take all of them, at once and in order; callable from any thread.

        False when the queue is now full: the source must deliver no more until the
        callback given to `on_room` is called.
        """

    def on_room(self, callback: Callable[[], None]) -> None:
        """Call `callback`, in the thread of the sink, whenever there is room again."""


# Neither frozen nor checked: one is made for every message.
@dataclass(slots=True, eq=False)
class Delivery:
    """One message as a device published it.

    Attributes
    ----------
    topic
        Topic name; one that is not UTF-8 stands as U+FFFD.
    payload
        The bytes as they came.
    received_us
        Time of receipt, microseconds since 1970 UTC.
    source
        Whom to tell when the message is settled.
    handle
        Whatever the source needs to acknowledge it; a sink passes every delivery back.
    device_id
        The device that published it, by its credential; None where a broker vouches.
    farm
        The farm of that device.
    """

    topic: str
    payload: bytes
    received_us: int
    source: Source
    handle: Any = None
    device_id: str | None = None
    farm: str | None = None
