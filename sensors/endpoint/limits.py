"""How much one device, one address and one connection may take."""

from collections import OrderedDict
from dataclasses import dataclass, replace
from math import inf

__all__ = ["Allowance", "Limits", "Lockout"]

# Pairs of user name and address remembered at most: about 2 MiB.
LOCKOUT_ENTRIES = 10_000
SECONDS_A_DAY = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the endpoint grants; everything beyond waits or is refused.

    Attributes
    ----------
    packet_bytes
        Largest MQTT packet taken; a larger one ends its connection.
    in_flight
        Messages of one connection that are not yet settled. MQTT 5 clients are told
        (Receive Maximum) and must keep to it with QoS 1; beyond it reading pauses until
        half of them are settled.
    messages_per_minute, bytes_per_day
        Of one device, 0 for no limit. Beyond them its connection is read no further
        until time has passed; nothing is lost. A minute's or a day's worth may come at
        once.
    gateway_devices
        Devices that a gateway may speak for: it is granted so many times as much.
    connections
        At most, of all devices together; 0 for as many as the machine allows.
    strangers_per_address
        Connections of one address (IPv6: of one /64 network) that have not logged in.
    connect_seconds
        Within which a new connection must have sent its CONNECT.
    keep_alive_seconds
        Imposed on MQTT 5 clients that ask for none.
    idle_seconds
        Silence that ends the connection of a 3.1.1 client without keep-alive.
    slow_reader_seconds
        How long a client may leave 64 KiB unread.
    unread_bytes
        What a client may leave unread at most.
    login_failures, lockout_seconds
        After so many failures in a row, logins of this user name from this address are
        refused unseen for so long; 0 failures for no such rule.
    """

    packet_bytes: int = 65_536
    in_flight: int = 100
    messages_per_minute: int = 0
    bytes_per_day: int = 0
    gateway_devices: int = 200
    connections: int = 0
    strangers_per_address: int = 1_000
    connect_seconds: float = 10.0
    keep_alive_seconds: int = 1_200
    idle_seconds: float = 21_600.0
    slow_reader_seconds: float = 10.0
    unread_bytes: int = 262_144
    login_failures: int = 10
    lockout_seconds: float = 300.0

    def of(self, *, gateway: bool) -> "Limits":
        """Return the limits of a device, or of a gateway, which speaks for many."""
        if not gateway:
            return self
        return replace(
            self,
            messages_per_minute=self.messages_per_minute * self.gateway_devices,
            bytes_per_day=self.bytes_per_day * self.gateway_devices,
        )


class Allowance:
    """What one device may still send: two token buckets.

    The buckets may go below zero by what had already been read. Times are seconds of
    one monotonic clock.
    """

    __slots__ = ("_at", "_bytes", "_limits", "_messages")

    def __init__(self, limits: Limits, *, now: float) -> None:
        self._limits = limits
        self._messages: float = limits.messages_per_minute or inf
        self._bytes: float = limits.bytes_per_day or inf
        self._at = now

    def spend(self, *, messages: int, size: int) -> None:
        """Take `messages` messages and `size` bytes out."""
        self._messages -= messages
        self._bytes -= size

    def exhausted(self, now: float) -> bool:
        """Whether the device must wait, after what came in until `now`."""
        limits = self._limits
        passed = now - self._at
        self._at = now
        if limits.messages_per_minute:
            filled = self._messages + passed * limits.messages_per_minute / 60.0
            self._messages = min(float(limits.messages_per_minute), filled)
        if limits.bytes_per_day:
            filled = self._bytes + passed * limits.bytes_per_day / SECONDS_A_DAY
            self._bytes = min(float(limits.bytes_per_day), filled)
        return self._messages < 1.0 or self._bytes < 1.0


class Lockout:
    """Failed logins by user name and address; the oldest are forgotten."""

    def __init__(self, *, failures: int, seconds: float) -> None:
        self._failures = failures
        self._seconds = seconds
        self._failed: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()

    def locked(self, who: tuple[str, str], *, now: float) -> bool:
        """Whether logins of this (user name, address) are refused at `now` seconds."""
        count, last = self._failed.get(who, (0, now))
        return 0 < self._failures <= count and now - last < self._seconds

    def failed(self, who: tuple[str, str], *, now: float) -> None:
        """Count a failure."""
        count, last = self._failed.pop(who, (0, now))
        if now - last >= self._seconds:
            count = 0
        self._failed[who] = (count + 1, now)
        if len(self._failed) > LOCKOUT_ENTRIES:
            self._failed.popitem(last=False)

    def passed(self, who: tuple[str, str]) -> None:
        """Forget the failures: the login was right."""
        self._failed.pop(who, None)
