"""Commands to devices behind the gateway, from the platform and from local rules."""

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import orjson

__all__ = ["Commands", "Courier", "command_topic", "local_command"]

# Seconds that a command without an end of its own waits for its device.
USUAL_S = 300.0
# Commands kept for devices that are away.
MOST = 1_000


class Courier(Protocol):
    """What reaches the devices: `sensors.endpoint.Endpoint`."""

    def send(self, device_id: str, topic: str, payload: bytes, *, token: Any) -> bool:  # noqa: ANN401
        """Hand a command to the live session that listens for it, if there is one."""


class _Kept(NamedTuple):
    topic: str
    payload: bytes
    until_us: int


class Commands:
    """Hands commands on; those of a device that is away wait until their end.

    They wait in memory: the platform asks again for what was not confirmed.
    """

    def __init__(self, courier: Courier, *, now_us: Callable[[], int]) -> None:
        self._courier = courier
        self._now_us = now_us
        self._lock = threading.Lock()
        self._kept: defaultdict[str, list[_Kept]] = defaultdict(list)
        self.sent = 0
        self.expired = 0

    def pass_on(self, topic: str, payload: bytes) -> None:
        """Send a command, now or as soon as its device is there.

        Topics other than ``farm/<farm>/<device>/down/...`` are ignored.
        """
        levels = topic.split("/")
        if len(levels) < 4 or levels[0] != "farm" or levels[3] != "down":
            return
        device_id = levels[2]
        kept = _Kept(topic, payload, _end_us(payload, self._now_us()))
        with self._lock:
            waiting = self._kept[device_id]
            # The platform asks again and again: once is enough.
            if all(one[:2] != kept[:2] for one in waiting):
                waiting.append(kept)
            # A platform that goes on asking for devices long gone must not fill the
            # memory.
            if sum(map(len, self._kept.values())) > MOST:
                self._forget_one()
            self._flush(device_id)

    def subscribed(self, device_id: str) -> None:
        """Hear that a device (or a local gateway) listens now."""
        with self._lock:
            # A local gateway listens for others, so all of them are tried.
            for each in [device_id, *self._kept]:
                self._flush(each)

    def _forget_one(self) -> None:
        """Drop the oldest command of the device that has waited for longest."""
        device_id = next(iter(self._kept))
        waiting = self._kept[device_id]
        del waiting[0]
        if not waiting:
            del self._kept[device_id]
        self.expired += 1

    def _flush(self, device_id: str) -> None:
        waiting = self._kept.pop(device_id, [])
        now_us = self._now_us()
        for place, kept in enumerate(waiting):
            if kept.until_us < now_us:
                self.expired += 1
            elif self._courier.send(device_id, kept.topic, kept.payload, token=None):
                self.sent += 1
            else:
                # In order: what follows waits too.
                self._kept[device_id] = waiting[place:]
                return


def command_topic(farm: str, device_id: str) -> str:
    """Topic of the commands to a device."""
    return f"farm/{farm}/{device_id}/down/command"


def local_command(
    wanted: Mapping[str, Any], *, command_id: str, now_us: int, valid_s: float
) -> bytes:
    """Write a command as the platform does; `wanted` are the states to take."""
    return orjson.dumps(
        {
            "id": command_id,
            "ts": now_us // 1_000,
            "valid_until": now_us // 1_000 + round(valid_s * 1e3),
            "set": dict(wanted),
        }
    )


def _end_us(payload: bytes, now_us: int) -> int:
    """Moment after which a command must not be carried out any more."""
    try:
        until_ms = orjson.loads(payload)["valid_until"]
    except (ValueError, KeyError, TypeError):
        return now_us + round(USUAL_S * 1e6)
    # Milliseconds since 1970, as the platform writes them; what else it may be is not
    # understood, and not waited for.
    return until_ms * 1_000 if type(until_ms) is int else now_us
