"""The rules of `sensors.alerts` on the messages that pass, while nobody else can act.

Pure between `step` and `keep`: a transaction that fails is tried again from the same
states.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sensors.alerts.engine import Change, Event, Reading, State, step
from sensors.alerts.rules import Rule
from sensors.alerts.targets import RuledStream, Target, targets
from sensors.edge.config import Action, LocalDevice, LocalRule
from sensors.edge.rewriting import Outgoing, state_message
from sensors.quantities import QUANTITIES
from sensors.units import UnitUnknown, conversion
from sensors.uplink import Measurement, Uplink

__all__ = ["Happening", "LocalRules", "Step"]

# Readings of a device without quality tests: not evaluated.
NOT_EVALUATED = 2

Key = tuple[str, str]
"""Names of a rule and of one of its targets."""


class Happening(NamedTuple):
    """An event with what is to be done about it, None where nothing is."""

    rule: Rule
    target: Target
    event: Event
    action: Action | None


@dataclass(slots=True)
class Step:
    """What a batch of messages did; effective by `LocalRules.keep`."""

    states: dict[Key, State] = field(default_factory=dict)
    new_streams: dict[tuple[str, str], int] = field(default_factory=dict)
    happenings: list[Happening] = field(default_factory=list)
    reports: list[Outgoing] = field(default_factory=list)

    @property
    def saved_states(self) -> dict[Key, str]:
        """The new states as JSON."""
        return {key: json.dumps(state.to_json()) for key, state in self.states.items()}


class LocalRules:
    """Rules over the streams of one farm, numbered as they are first seen.

    Parameters
    ----------
    rules
        With their actions.
    farm, gateway
        Where it is, and who reports.
    devices
        What is known of devices; the thing measured is the device where nothing is.
    streams, states
        As `Queue` has kept them.
    """

    def __init__(
        self,
        rules: Sequence[LocalRule],
        *,
        farm: str,
        gateway: str,
        devices: Mapping[str, LocalDevice],
        streams: Mapping[tuple[str, str], int],
        states: Mapping[Key, str],
    ) -> None:
        self._rules = tuple(rules)
        self._farm = farm
        self._gateway = gateway
        self._devices = devices
        self._streams = dict(streams)
        self._states = {
            key: State.from_json(json.loads(body)) for key, body in states.items()
        }
        self._targets = self._found(self._streams)

    def open_alerts(self) -> list[Happening]:
        """Return the alerts that are open, as if they opened now."""
        return [
            Happening(
                local.rule,
                target,
                Event(Change.OPENED, state.opened_us, state.severity, None),
                local.action,
            )
            for local, found in zip(self._rules, self._targets, strict=True)
            for target in found
            if (state := self._states.get((local.rule.name, target.key)))
            and state.opened_us is not None
            and state.severity is not None
        ]

    def over(self, acted: Collection[Key]) -> list[Happening]:
        """Return those of `acted` whose alert is not open, as if it cleared now."""
        return [
            Happening(
                local.rule,
                target,
                Event(Change.CLEARED, state.clock_us or 0, local.rule.severity, None),
                local.action,
            )
            for local, found in zip(self._rules, self._targets, strict=True)
            for target in found
            if (local.rule.name, target.key) in acted
            and (state := self._states.get((local.rule.name, target.key), State()))
            and state.opened_us is None
        ]

    def step(self, uplinks: Sequence[Uplink], now_us: int, *, tick: bool) -> Step:
        """Evaluate the rules on what messages say; changes nothing.

        Parameters
        ----------
        uplinks
            In order of arrival.
        now_us
            The clock, microseconds since 1970 UTC.
        tick
            Whether also the rules without a new reading look at the clock.
        """
        done = Step()
        if not self._rules:
            return done
        readings = self._readings(uplinks, done)
        found = self._targets
        if done.new_streams:
            found = self._found(self._streams | done.new_streams)
        for local, its_targets in zip(self._rules, found, strict=True):
            for target in its_targets:
                new = _of(target, readings)
                # Rules of silence have no reading to wake them.
                if new or tick:
                    self._evaluate(local, target, new, now_us, done)
        return done

    def keep(self, done: Step) -> None:
        """Let a step take effect: it is on the disk."""
        self._states.update(done.states)
        if done.new_streams:
            self._streams.update(done.new_streams)
            self._targets = self._found(self._streams)

    def _evaluate(
        self,
        local: LocalRule,
        target: Target,
        new: Sequence[Reading],
        now_us: int,
        done: Step,
    ) -> None:
        key = (local.rule.name, target.key)
        before = self._states.get(key, State())
        after, events = step(local.rule, before, new, now_us)
        if after != before:
            done.states[key] = after
        for event in events:
            done.happenings.append(Happening(local.rule, target, event, local.action))
            done.reports.append(self._report(local.rule, target, event))

    def _readings(
        self, uplinks: Sequence[Uplink], done: Step
    ) -> dict[int, list[Reading]]:
        """Sort readings by stream; one seen for the first time gets a number."""
        readings = defaultdict(list)
        for uplink in uplinks:
            for measurement in uplink.measurements:
                quantity = measurement.name.partition("@")[0]
                value = _canonical(quantity, measurement)
                if value is None:
                    continue
                number = self._number((uplink.device_id, measurement.name), done)
                readings[number].append(
                    Reading(number, measurement.time_us, value, NOT_EVALUATED, quantity)
                )
        return readings

    def _number(self, name: tuple[str, str], done: Step) -> int:
        # Never given twice: the states in the file name them. They begin at 1.
        number = self._streams.get(name) or done.new_streams.get(name)
        if number is None:
            number = len(self._streams) + len(done.new_streams) + 1
            done.new_streams[name] = number
        return number

    def _found(self, numbers: Mapping[tuple[str, str], int]) -> list[list[Target]]:
        streams = [
            self._stream(device_id, name, number)
            for (device_id, name), number in numbers.items()
        ]
        return [targets(local.rule, streams) for local in self._rules]

    def _stream(self, device_id: str, name: str, number: int) -> RuledStream:
        device = self._devices.get(device_id, LocalDevice(thing=device_id))
        return RuledStream(
            stream_id=number,
            device_id=device_id,
            farm=self._farm,
            kind=device.kind,
            quantity=name.partition("@")[0],
            thing=device.thing,
        )

    def _report(self, rule: Rule, target: Target, event: Event) -> Outgoing:
        """Tell the platform, as a state of the gateway."""
        state: dict[str, str | float | bool] = {
            "alert": rule.name,
            "change": event.change.value,
            "severity": event.severity.value,
            "target": target.thing or target.device_id or target.key,
        }
        if event.value is not None:
            state["value"] = event.value
        return state_message(
            farm=self._farm, device_id=self._gateway, time_us=event.at_us, state=state
        )


def _of(target: Target, readings: Mapping[int, list[Reading]]) -> list[Reading]:
    """Return the readings of a target's streams, in time order."""
    new = [
        reading
        for stream in target.streams
        for reading in readings.get(stream.stream_id, ())
    ]
    new.sort(key=lambda reading: reading.time_us)
    return new


def _canonical(quantity: str, measurement: Measurement) -> float | None:
    """Value in the quantity's own unit; None where the unit cannot be converted."""
    known = QUANTITIES.get(quantity)
    if measurement.unit is None or known is None:
        return measurement.value
    try:
        return conversion(measurement.unit, known.unit).of(measurement.value)
    except UnitUnknown:
        # The platform will quarantine it; no rule may act on it.
        return None
