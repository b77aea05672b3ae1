"""What a payload says, before anybody looks whether its device exists."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Measurement", "Report", "Uplink"]


class Measurement(NamedTuple):
    """One value that a device measured.

    ``name`` is a quantity as the device calls it, with ``@position`` where the device
    measures at several (``soil_moisture@0.2``). ``unit`` is a UCUM code, None for the
    unit that the device's profile gives. ``time_us``: microseconds since 1970 UTC, at
    least 2000-01-01 and at most five minutes after receipt. ``value`` is finite.
    """

    name: str
    unit: str | None
    time_us: int
    value: float


class Report(NamedTuple):
    """The state an actuator says it is in, and the command that it answers, if any."""

    time_us: int
    state: Mapping[str, str | float | bool]
    command_id: str | None


# Neither frozen nor checked: one is made for every message.
@dataclass(slots=True)
class Uplink:
    """What one device says in one message.

    ``farm`` is None where the topic does not tell it. ``seq`` counts the device's
    messages. ``correction`` asks that the values replace those stored for their times.
    """

    device_id: str
    farm: str | None
    measurements: Sequence[Measurement]
    seq: int | None = None
    correction: bool = False
    report: Report | None = None
