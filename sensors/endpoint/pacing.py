"""One connection's bytes: when they are read, and how many in one pass of the loop."""

import asyncio
from abc import abstractmethod
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from sensors.endpoint.service import Service

__all__ = [
    "ALLOWANCE",
    "ASKING",
    "CLOSING",
    "LIVE",
    "LOGIN",
    "NEW",
    "READER",
    "SINK",
    "STOP",
    "TURN",
    "WINDOW",
    "Paced",
]

# Bytes of one connection handled in one pass of the loop: about 150 messages. The loop
# itself reads up to 256 KiB, which would keep all others waiting for 20 ms.
SLICE = 16_384
# What a connection is waiting for; a sum of these.
TURN = 1  # its next pass of the loop: bytes are left
WINDOW = 2  # fewer messages in flight
SINK = 4  # room in the sink
ALLOWANCE = 8  # time to pass: it sent more than it may
LOGIN = 16  # the authenticator
READER = 32  # the client to read what it was sent
STOP = 64  # nothing: the endpoint stops

# Phases of a connection, in their order.
NEW, ASKING, LIVE, CLOSING = range(4)


class Paced(asyncio.Protocol):
    """Reads its transport only while nothing has to be waited for.

    Attributes
    ----------
    phase
        ``NEW`` before the CONNECT, ``ASKING`` while that is not answered, then ``LIVE``
        and, from the end of its session on, ``CLOSING``.
    """

    __slots__ = (
        "_heard",
        "_offset",
        "_pending",
        "_service",
        "_transport",
        "_unread_since",
        "_waits",
        "phase",
    )

    def __init__(self, service: "Service") -> None:
        self._service = service
        self._transport: asyncio.Transport
        self.phase = NEW
        self._heard = service.now
        self._unread_since = 0.0
        self._waits = 0
        # Bytes that were read and not looked at, from the offset on.
        self._pending = b""
        self._offset = 0

    @abstractmethod
    def _take(self, data: bytes) -> None:
        """Handle the next bytes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Take what came, a slice at a time."""
        if self.phase == CLOSING:
            return
        self._heard = self._service.now
        if not self._waits and len(data) <= SLICE:
            self._take(data)
            return
        self._pending = self._pending[self._offset :] + data
        self._offset = 0
        if not self._waits & TURN:
            self.wait(TURN)
            self._go_on_if_it_can()

    def pause_writing(self) -> None:
        """Hear that 64 KiB are unread; a client that does not read is not read."""
        self._unread_since = self._service.now
        self.wait(READER)

    def resume_writing(self) -> None:
        """Hear that the client reads again."""
        self._unread_since = 0.0
        self.go_on(READER)

    def wait(self, reason: int) -> None:
        """Read no more until `go_on` of the same reason."""
        if not self._waits and self.phase != CLOSING:
            self._transport.pause_reading()
        self._waits |= reason

    def go_on(self, reason: int) -> None:
        """Read again, unless there is another reason to wait."""
        if self._waits & reason:
            self._waits &= ~reason
            self._go_on_if_it_can()

    def _go_on_if_it_can(self) -> None:
        if self.phase == CLOSING:
            return
        if self._waits == TURN:
            self._service.loop.call_soon(self._next_slice)
        elif not self._waits:
            # Silence while it was not listened to is not the client's.
            self._heard = self._service.now
            self._transport.resume_reading()

    def _next_slice(self) -> None:
        if self._waits != TURN or self.phase == CLOSING:
            return
        end = self._offset + SLICE
        data = self._pending[self._offset : end]
        self._offset = end
        if end >= len(self._pending):
            self._pending, self._offset = b"", 0
        self._take(data)
        if not self._pending:
            self.go_on(TURN)
        else:
            self._go_on_if_it_can()
