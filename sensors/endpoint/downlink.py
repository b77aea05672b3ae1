"""What one session listens to, and the commands on their way to it."""

from collections.abc import Sequence
from typing import Any

from sensors.mqtt.codes import ReasonCode
from sensors.rights import Principal, matches, may_subscribe

__all__ = ["Downlink"]

# Commands to one client that it has not acknowledged.
COMMANDS_IN_FLIGHT = 100
# Topic length, packet identifier, properties and fixed header of a command.
COMMAND_OVERHEAD = 12
# Filters of one session: a device needs one.
SUBSCRIPTIONS = 16


class Downlink:
    """Subscriptions of one session and commands that it has not acknowledged.

    Changed in the endpoint's loop; `hears` and `takes` may be asked from any thread.

    Parameters
    ----------
    principal
        Whose session it is.
    receive_maximum
        Commands that the client takes before it has acknowledged the first.
    largest_packet
        Bytes of the largest packet that it takes; None without a limit.

    Attributes
    ----------
    promised
        Places that are taken by commands on their way, guarded by `Sessions`.
    """

    __slots__ = (
        "_commands",
        "_filters",
        "_largest_packet",
        "_last_id",
        "_most",
        "_principal",
        "promised",
    )

    def __init__(
        self, principal: Principal, *, receive_maximum: int, largest_packet: int | None
    ) -> None:
        self._principal = principal
        self._most = min(receive_maximum, COMMANDS_IN_FLIGHT)
        self._largest_packet = largest_packet
        # (filter, granted QoS) pairs; replaced as a whole, for the other threads.
        self._filters: tuple[tuple[str, int], ...] = ()
        self._commands: dict[int, Any] = {}
        self._last_id = 0
        self.promised = 0

    def subscribe(self, filters: Sequence[tuple[str, int]]) -> list[ReasonCode]:
        """Grant what the device may hear, at most with QoS 1; a reason a filter."""
        granted = dict(self._filters)
        reasons = []
        for topic_filter, qos in filters:
            if not may_subscribe(topic_filter, self._principal):
                reasons.append(ReasonCode.NOT_AUTHORIZED)
            elif topic_filter not in granted and len(granted) >= SUBSCRIPTIONS:
                reasons.append(ReasonCode.QUOTA_EXCEEDED)
            else:
                granted[topic_filter] = min(qos, 1)
                reasons.append(ReasonCode(min(qos, 1)))
        self._filters = tuple(granted.items())
        return reasons

    def unsubscribe(self, filters: Sequence[str]) -> list[ReasonCode]:
        """Take filters back; a reason a filter."""
        granted = dict(self._filters)
        reasons = [
            ReasonCode.NO_SUBSCRIPTION_EXISTED
            if granted.pop(topic_filter, None) is None
            else ReasonCode.SUCCESS
            for topic_filter in filters
        ]
        self._filters = tuple(granted.items())
        return reasons

    def granted(self, topic: str) -> int | None:
        """Return the QoS that a message on `topic` is sent with; None: not at all."""
        qos = [qos for wanted, qos in self._filters if matches(wanted, topic)]
        return max(qos, default=None)

    def takes(self, topic: str, payload: bytes) -> bool:
        """Whether the client wants this command and can take it now."""
        if self.promised >= self._most or self.granted(topic) is None:
            return False
        size = len(topic.encode()) + len(payload) + COMMAND_OVERHEAD
        return self._largest_packet is None or size <= self._largest_packet

    def sending(self, token: object) -> int:
        """Remember the token of a command; returns its packet identifier."""
        while True:
            self._last_id = self._last_id % 65_535 + 1
            if self._last_id not in self._commands:
                self._commands[self._last_id] = token
                return self._last_id

    def answered(self, packet_id: int) -> tuple[bool, Any]:
        """Whether a command of this identifier was on its way, and its token."""
        if packet_id not in self._commands:
            return False, None
        return True, self._commands.pop(packet_id)
