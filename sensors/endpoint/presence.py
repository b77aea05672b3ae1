"""Who is told of the coming and going of devices."""

from typing import Protocol

__all__ = ["Presence"]


class Presence(Protocol):
    """Told of each session; called in the endpoint's loop: must not block or raise.

    Times are microseconds since 1970 UTC. When a device connects a second time, the end
    of its first session is told before the beginning of the second.
    """

    def connected(self, device_id: str, at_us: int, address: str) -> None:
        """Hear that a device was let in, from the numeric IP address `address`."""

    def disconnected(self, device_id: str, at_us: int, reason: str) -> None:
        """Hear that a session is over, and why, in a few English words."""
