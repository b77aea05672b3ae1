"""What a rule is evaluated on: a stream, a device, or a thing with all its streams."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from sensors.alerts.rules import Formula, Input, Rule, Scope, Silence

__all__ = ["RuledStream", "Target", "targets"]


class RuledStream(NamedTuple):
    """A stream with what a scope asks about it."""

    stream_id: int
    device_id: str
    farm: str
    kind: str
    quantity: str
    thing: str
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """One alert's worth of streams.

    ``key`` tells it from the other targets of the rule. ``device_id`` and ``thing``
    are empty where the streams are of several.
    """

    key: str
    farm: str
    device_id: str
    thing: str
    streams: tuple[RuledStream, ...]

    @property
    def simulated(self) -> bool:
        """Whether any of the streams is of a simulated device."""
        return any(stream.simulated for stream in self.streams)


def targets(rule: Rule, streams: Iterable[RuledStream]) -> list[Target]:
    """Return the targets of a rule among `streams`, by key.

    A threshold or rate has one for each stream, silence one for each device, a formula
    one for each device or thing that has all its inputs.
    """
    groups = defaultdict(list)
    for stream in streams:
        if _in_scope(rule.scope, stream) and _wanted(rule, stream):
            groups[_key(rule, stream)].append(stream)
    whole = {key: found for key, found in groups.items() if _complete(rule, found)}
    return [_target(key, whole[key]) for key in sorted(whole)]


def _in_scope(scope: Scope, stream: RuledStream) -> bool:
    return scope.takes(
        stream_id=stream.stream_id,
        quantity=stream.quantity,
        device_id=stream.device_id,
        kind=stream.kind,
        farm=stream.farm,
        thing=stream.thing,
    )


def _wanted(rule: Rule, stream: RuledStream) -> bool:
    if not isinstance(rule.condition, Formula):
        return True
    return any(_gives(stream, source) for source in rule.condition.inputs.values())


def _gives(stream: RuledStream, source: Input) -> bool:
    if source.stream_id is not None:
        return source.stream_id == stream.stream_id
    return source.quantity == stream.quantity


def _key(rule: Rule, stream: RuledStream) -> str:
    match rule.condition:
        case Silence():
            return f"device:{stream.device_id}"
        case Formula(inputs=inputs, by=by):
            if next(iter(inputs.values())).stream_id is not None:
                return "streams"
            # A thing is named within its farm.
            thing = f"thing:{stream.farm}/{stream.thing}"
            return f"device:{stream.device_id}" if by == "device" else thing
    return f"stream:{stream.stream_id}"


def _complete(rule: Rule, found: list[RuledStream]) -> bool:
    if not isinstance(rule.condition, Formula):
        return True
    return all(
        any(_gives(stream, source) for stream in found)
        for source in rule.condition.inputs.values()
    )


def _target(key: str, found: list[RuledStream]) -> Target:
    return Target(
        key=key,
        farm=_single({stream.farm for stream in found}),
        device_id=_single({stream.device_id for stream in found}),
        thing=_single({stream.thing for stream in found}),
        streams=tuple(found),
    )


def _single(names: set[str]) -> str:
    return names.pop() if len(names) == 1 else ""
