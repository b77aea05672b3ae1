"""What of a recording is published when: lost, doubled, delayed, with a wrong clock.

Pure: the same recording, disturbance and seed give the same plan.
"""

import heapq
import json
import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import NamedTuple

from sensors.publisher import Outgoing
from sensors.replay.errors import ReplayError
from sensors.replay.recording import Reading

__all__ = ["Disturbance", "Message", "Planned", "messages", "outgoing", "plan"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What a bad line and a bad clock do to messages.

    Attributes
    ----------
    loss
        Probability that a message never comes, in [0, 1].
    duplicate
        Probability that one comes twice, in [0, 1].
    disorder_s
        Each copy is delayed by up to so many seconds, so later ones overtake it.
    skew_s
        How many seconds the devices' clocks are fast; negative: slow.
    """

    loss: float = 0.0
    duplicate: float = 0.0
    disorder_s: float = 0.0
    skew_s: float = 0.0

    def __post_init__(self) -> None:
        for name in ("loss", "duplicate"):
            if not 0 <= getattr(self, name) <= 1:
                raise ReplayError(
                    f"{name} is a share, from 0 to 1 · {name} 须在 0 与 1 之间"
                )
        if not 0 <= self.disorder_s < math.inf or not math.isfinite(self.skew_s):
            raise ReplayError(
                "disorder and skew are seconds, disorder from 0 on"
                " · 乱序与时钟偏差须为有限秒数，乱序不能为负"
            )


class Message(NamedTuple):
    """Readings of one device at one time; ``seq`` counts its messages from 1."""

    device_id: str
    seq: int
    time_us: int
    readings: tuple[Reading, ...]


class Planned(NamedTuple):
    """A message and when it is published, on the clock of the recording."""

    due_us: int
    message: Message


def messages(readings: Sequence[Reading]) -> list[Message]:
    """Gather readings into messages, ordered by time and then as in the file.

    What the file says twice of a device, time and quantity goes into two messages.
    """
    counts: Counter[str] = Counter()
    gathered: list[Message] = []
    for group in _groups(sorted(readings, key=attrgetter("time_us"))):
        device_id = group[0].device_id
        counts[device_id] += 1
        gathered.append(
            Message(device_id, counts[device_id], group[0].time_us, tuple(group))
        )
    return gathered


def _groups(ordered: Iterable[Reading]) -> Iterator[list[Reading]]:
    """Yield the readings of one time, device by device, each name once a group."""
    open_groups: dict[str, list[Reading]] = {}
    now: int | None = None
    for reading in ordered:
        if reading.time_us != now:
            yield from open_groups.values()
            open_groups, now = {}, reading.time_us
        group = open_groups.get(reading.device_id)
        if group is not None and any(one.name == reading.name for one in group):
            yield open_groups.pop(reading.device_id)
            group = None
        if group is None:
            open_groups[reading.device_id] = [reading]
        else:
            group.append(reading)
    yield from open_groups.values()


def plan(
    recorded: Iterable[Message], disturbance: Disturbance, *, seed: int
) -> Iterator[Planned]:
    """Yield what is published, in order.

    Parameters
    ----------
    recorded
        Ordered by time, as `messages` gives them.
    disturbance
        What happens to them.
    seed
        Of the chances; a message's own do not depend on the disturbance.

    Yields
    ------
    Planned
        ``due_us`` never falls, and is less than ``disorder_s`` after the message's
        time. A doubled message comes as the same object twice.
    """
    chance = random.Random(seed)
    delay_us = disturbance.disorder_s * 1_000_000
    # Everything due at or before the next message's time is certain to be next.
    waiting: list[tuple[int, int, Message]] = []
    number = 0
    for message in recorded:
        while waiting and waiting[0][0] <= message.time_us:
            due_us, _, ready = heapq.heappop(waiting)
            yield Planned(due_us, ready)
        # Drawn in any case, so that the rest of the plan stays with another setting.
        lost, doubled, first, second = (chance.random() for _ in range(4))
        if lost < disturbance.loss:
            continue
        copies = (first, second) if doubled < disturbance.duplicate else (first,)
        for share in copies:
            due_us = message.time_us + int(share * delay_us)
            heapq.heappush(waiting, (due_us, number, message))
            number += 1
    while waiting:
        due_us, _, ready = heapq.heappop(waiting)
        yield Planned(due_us, ready)


def outgoing(message: Message, *, farm: str, skew_s: float = 0.0) -> Outgoing:
    """Write a message as its device publishes it, by its own clock."""
    time = _EPOCH + timedelta(microseconds=message.time_us, seconds=skew_s)
    document: dict[str, object] = {
        "seq": message.seq,
        "ts": time.isoformat().replace("+00:00", "Z"),
        "readings": {one.name: one.value for one in message.readings},
    }
    units = {one.name: one.unit for one in message.readings if one.unit is not None}
    if units:
        document["units"] = units
    return Outgoing(
        topic=f"farm/{farm}/{message.device_id}/up",
        payload=json.dumps(
            document, separators=(",", ":"), ensure_ascii=False
        ).encode(),
        readings=len(message.readings),
    )
