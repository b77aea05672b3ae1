"""Which rules watch which targets, and how far each has looked."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sensors.alerts.engine import Evidence, Reading, State
from sensors.alerts.errors import RuleInvalid
from sensors.alerts.rule_json import from_json
from sensors.alerts.rules import Rule, Silence
from sensors.alerts.targets import RuledStream, Target, targets
from store.alerts import Row
from store.rules import RuleRow

__all__ = ["Backlog", "Watch", "backlog", "begun", "planned"]

Key = tuple[int, str]

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Watch:
    """One rule on one target; ``changed_us`` is when the rule was made."""

    rule_id: int
    rule: Rule
    target: Target
    changed_us: int
    state: State

    @property
    def key(self) -> Key:
        """Rule and key of the target, as the store names the state."""
        return self.rule_id, self.target.key

    def cursor(self, stream_id: int) -> int:
        """Return the time after which readings of a stream are new."""
        return self.state.cursors.get(stream_id, self.changed_us)


@dataclass(frozen=True, slots=True)
class Backlog:
    """New readings of one watch, and how far the evaluation may look.

    ``until_us`` is before now where more readings wait than were fetched.
    """

    readings: list[Reading]
    until_us: int


def planned(
    rows: Sequence[RuleRow],
    streams: Sequence[RuledStream],
    states: Mapping[Key, Mapping[str, Any]],
) -> list[Watch]:
    """Put rules, streams and remembered states together.

    A stored rule that cannot be read is left out and logged: the others go on.
    """
    watches = []
    for row in rows:
        try:
            rule = from_json(row.body)
        except RuleInvalid as error:
            logger.error("rule %s is not evaluated: %s", row.name, error)
            continue
        changed_us = round(row.changed_at.timestamp() * 1_000_000)
        for target in targets(rule, streams):
            stored = states.get((row.rule_id, target.key))
            state = State() if stored is None else State.from_json(stored)
            watches.append(Watch(row.rule_id, rule, target, changed_us, state))
    return watches


def begun(watch: Watch, newest: Iterable[Row]) -> None:
    """Give a new silence watch what was heard before the rule was made."""
    assert isinstance(watch.rule.condition, Silence)
    for stream_id, time_us, value, _ in newest:
        watch.state.cursors[stream_id] = time_us
        # The newest of all its streams: a device with one live sensor is not silent.
        if time_us >= (watch.state.seen_us or time_us):
            watch.state.seen_us = time_us
            watch.state.evidence = [Evidence(stream_id, time_us, value)]


def backlog(
    watch: Watch, new: Mapping[int, Sequence[Row]], *, limit: int, now_us: int
) -> Backlog:
    """Return what a watch has to look at, in time order.

    Parameters
    ----------
    new
        Readings of each stream after the earliest cursor of all watches.
    limit
        A stream with so many has more that were not fetched: beyond its last one
        nothing of the target is looked at yet, or streams would get out of step.
    """
    until = now_us
    rows: list[tuple[RuledStream, Row]] = []
    for stream in watch.target.streams:
        found = new.get(stream.stream_id, ())
        if len(found) >= limit:
            until = min(until, found[-1][1])
        # Fetched for all watches together: another rule may be further behind.
        cursor = watch.cursor(stream.stream_id)
        rows += [(stream, row) for row in found if row[1] > cursor]
    cut = until < now_us
    readings = [
        Reading(stream.stream_id, time_us, value, flag, stream.quantity)
        for stream, (_, time_us, value, flag) in rows
        if not cut or time_us <= until
    ]
    readings.sort(key=lambda reading: (reading.time_us, reading.stream_id))
    return Backlog(readings, until)
