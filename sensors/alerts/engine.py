"""One rule on one target: readings and a state in, events and the next state out.

Pure, so that the service, an edge agent and a test on stored history agree. Times of
openings and clearings are those of the readings; the clock counts only for silence,
reminders and escalation. Readings of one time are judged together, and however a series
is cut between two times, the events are the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import IntEnum, StrEnum
from itertools import groupby
from typing import Any, NamedTuple

from sensors.alerts.rules import (
    Formula,
    Input,
    Rate,
    Rule,
    Severity,
    Silence,
    Threshold,
)

__all__ = ["Change", "Event", "Evidence", "Reading", "State", "acknowledged", "step"]

SECOND = 1_000_000
HOUR = 3600 * SECOND
# Enough to show why; a duration of days has thousands.
MOST_EVIDENCE = 20
# Points kept of a rate's window, whatever the device's interval.
RATE_POINTS = 60


class Reading(NamedTuple):
    """One stored reading; ``quantity`` binds it to the input of a formula."""

    stream_id: int
    time_us: int
    value: float
    flag: int = 1
    quantity: str = ""


class Evidence(NamedTuple):
    """A reading that raised an alert."""

    stream_id: int
    time_us: int
    value: float


class Change(StrEnum):
    """What happened to an alert."""

    OPENED = "opened"
    ESCALATED = "escalated"
    REMINDED = "reminded"
    CLEARED = "cleared"


@dataclass(frozen=True, slots=True)
class Event:
    """A change of the alert of one rule on one target.

    ``at_us`` is the time of the reading that brought it (of the clock for silence,
    reminders and escalation by time), ``value`` what was compared: the reading, the
    rate per hour, the seconds of silence; None for a formula.
    """

    change: Change
    at_us: int
    severity: Severity
    value: float | None
    evidence: tuple[Evidence, ...] = ()


@dataclass(slots=True)
class State:
    """What one rule remembers of one target; begins empty.

    Attributes
    ----------
    cursors
        Time of the newest reading seen of each stream: older ones change nothing.
    clock_us
        Time of the newest reading seen of any stream.
    inputs
        Newest counted reading of each input of a formula.
    pending_us, seen_us
        Since when the condition holds, and the last reading that said so; of silence,
        the last sign of life.
    calm_us
        Since when it does not, while the alert is open.
    opened_us, severity, acknowledged
        The open alert: since when (None: none is open), how loud, whether somebody
        answered.
    told_us, spoken_us
        By the clock: when it was opened, and when people were last told of it.
    openings
        Times of the last openings, for `Flaps`.
    window
        Readings of a rate's window.
    evidence
        Readings since ``pending_us``.
    """

    cursors: dict[int, int] = field(default_factory=dict)
    clock_us: int | None = None
    inputs: dict[str, Evidence] = field(default_factory=dict)
    pending_us: int | None = None
    seen_us: int | None = None
    calm_us: int | None = None
    opened_us: int | None = None
    severity: Severity | None = None
    acknowledged: bool = False
    told_us: int | None = None
    spoken_us: int | None = None
    openings: list[int] = field(default_factory=list)
    window: list[tuple[int, float]] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the state as plain JSON; keys of streams become texts."""
        body = {f.name: getattr(self, f.name) for f in fields(self)}
        body["cursors"] = {str(stream): at for stream, at in self.cursors.items()}
        body["inputs"] = {name: list(entry) for name, entry in self.inputs.items()}
        body["openings"] = list(self.openings)
        body["window"] = [list(point) for point in self.window]
        body["evidence"] = [list(entry) for entry in self.evidence]
        body["severity"] = self.severity and self.severity.value
        return body

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> "State":
        """Read what `to_json` wrote."""
        given = dict(body)
        given["cursors"] = {int(s): int(t) for s, t in given["cursors"].items()}
        given["inputs"] = {n: Evidence(*entry) for n, entry in given["inputs"].items()}
        given["window"] = [(int(t), v) for t, v in given["window"]]
        given["evidence"] = [Evidence(*entry) for entry in given["evidence"]]
        if given["severity"] is not None:
            given["severity"] = Severity(given["severity"])
        return cls(**given)


def acknowledged(state: State) -> State:
    """Return the state after somebody answered: no more reminders or escalation."""
    return replace(state, acknowledged=state.opened_us is not None)


def step(
    rule: Rule, state: State, readings: Sequence[Reading], now_us: int
) -> tuple[State, list[Event]]:
    """Evaluate a rule on new readings of one target.

    Parameters
    ----------
    rule
        The rule.
    state
        As the last step returned it; not changed.
    readings
        New readings of the target's streams in time order. Those not newer than what
        was seen of their stream are passed over.
    now_us
        The clock, microseconds since 1970 UTC.

    Returns
    -------
    tuple
        The next state, and what happened, in order: openings and clearings alternate.
    """
    machine = _Machine(rule, _copy(state), now_us)
    events: list[Event] = []
    for time_us, together in groupby(readings, key=lambda reading: reading.time_us):
        new = machine.unseen(together)
        if new:
            events += machine.judged(time_us, new)
    events += machine.waited()
    return machine.state, events


def _copy(state: State) -> State:
    return replace(
        state,
        cursors=dict(state.cursors),
        inputs=dict(state.inputs),
        openings=list(state.openings),
        window=list(state.window),
        evidence=list(state.evidence),
    )


class _Level(IntEnum):
    """How a condition stands at one time."""

    CLEAR = 0
    # Between the clear level and the level: an open alert stays, none opens.
    BETWEEN = 1
    RAISED = 2
    CRITICAL = 3


class _Verdict(NamedTuple):
    level: _Level
    value: float | None
    why: tuple[Evidence, ...]


class _Machine:
    """The life of one alert; changes the state it was given."""

    def __init__(self, rule: Rule, state: State, now_us: int) -> None:
        self.rule = rule
        self.state = state
        self.now_us = now_us

    def unseen(self, together: Iterator[Reading]) -> list[Reading]:
        """Keep the readings newer than their cursors, and move those."""
        cursors = self.state.cursors
        new = []
        for reading in together:
            # Of a stream that was never seen any reading is new.
            if reading.time_us > cursors.get(reading.stream_id, reading.time_us - 1):
                cursors[reading.stream_id] = reading.time_us
                new.append(reading)
        return new

    def judged(self, time_us: int, new: Sequence[Reading]) -> Iterator[Event]:
        """Take readings of one time, each newer than what was seen of its stream."""
        state = self.state
        # Streams of one target need not arrive in step: time never runs backwards.
        state.clock_us = time_us = max(time_us, state.clock_us or time_us)
        if isinstance(self.rule.condition, Silence):
            # A suspect reading is a sign of life too.
            yield from self._heard(new[-1], self.rule.condition)
            return
        good = [reading for reading in new if reading.flag in self.rule.flags]
        # A suspect reading neither raises nor clears; its cursor has moved all the
        # same.
        verdict = self._verdict(time_us, good) if good else None
        if verdict is not None:
            yield from self._lived(time_us, verdict)

    def waited(self) -> Iterator[Event]:
        """Let the clock speak: silence, escalation, reminders."""
        if isinstance(self.rule.condition, Silence):
            yield from self._unheard(self.now_us, self.rule.condition)
        state, rule = self.state, self.rule
        if state.opened_us is None or state.acknowledged:
            return
        # An escalation is told too: never both at one look.
        loud = state.severity is Severity.CRITICAL
        if not loud and self._due(state.told_us, rule.escalate_s):
            yield self._escalated(self.now_us, None)
        elif self._due(state.spoken_us, rule.remind_s):
            state.spoken_us = self.now_us
            yield self._event(Change.REMINDED, self.now_us, None)

    def _due(self, since_us: int | None, pause_s: float | None) -> bool:
        if since_us is None or pause_s is None:
            return False
        return self.now_us - since_us >= pause_s * SECOND

    def _verdict(self, time_us: int, good: Sequence[Reading]) -> _Verdict | None:
        newest = good[-1]
        why = (Evidence(newest.stream_id, newest.time_us, newest.value),)
        match self.rule.condition:
            case Threshold() as threshold:
                return _Verdict(_beyond(threshold, newest.value), newest.value, why)
            case Rate() as rate:
                change = _rate(self.state.window, rate, newest)
                if change is not None:
                    return _Verdict(_beyond(rate, change), change, why)
            case Formula() as formula:
                level = self._formula_level(formula, time_us, good)
                if level is not None:
                    return _Verdict(level, None, tuple(self.state.inputs.values()))
        return None

    def _formula_level(
        self, formula: Formula, time_us: int, good: Sequence[Reading]
    ) -> _Level | None:
        """Evaluate a formula; None while an input is missing, too old or not finite."""
        inputs = self.state.inputs
        for name, source in formula.inputs.items():
            for reading in good:
                if _fits(source, reading):
                    inputs[name] = Evidence(
                        reading.stream_id, reading.time_us, reading.value
                    )
        for name, source in formula.inputs.items():
            oldest = time_us - source.maximum_age_s * SECOND
            if name not in inputs or inputs[name].time_us < oldest:
                return None
        return _formula_level(formula, {n: e.value for n, e in inputs.items()})

    def _lived(self, time_us: int, verdict: _Verdict) -> Iterator[Event]:
        if verdict.level >= _Level.RAISED:
            self._held(time_us, verdict.why)
            if self.state.opened_us is None:
                yield from self._opening(time_us, verdict)
            elif self._worse(verdict):
                yield self._escalated(time_us, verdict.value)
            return
        state = self.state
        if state.opened_us is None or verdict.level == _Level.BETWEEN:
            # Between the levels an open alert stays and is not calm.
            state.pending_us = state.seen_us = state.calm_us = None
            state.evidence = []
        else:
            yield from self._calmed(time_us, verdict.value)

    def _held(self, time_us: int, why: Sequence[Evidence]) -> None:
        """Note that the condition holds, and since when without a gap."""
        state = self.state
        state.calm_us = None
        gap = (
            state.seen_us is None or time_us - state.seen_us > self.rule.gap_s * SECOND
        )
        if state.pending_us is None or gap:
            state.pending_us = time_us
            state.evidence = []
        state.seen_us = time_us
        kept = [*state.evidence, *why]
        # The first shows since when, the last ones why now.
        overflow = max(len(kept) - MOST_EVIDENCE, 0)
        state.evidence = kept[:1] + kept[1 + overflow :]

    def _opening(self, time_us: int, verdict: _Verdict) -> Iterator[Event]:
        assert self.state.pending_us is not None
        if time_us - self.state.pending_us >= self.rule.duration_s * SECOND:
            critical = verdict.level == _Level.CRITICAL
            severity = Severity.CRITICAL if critical else self.rule.severity
            yield self._opened(time_us, severity, verdict.value)

    def _worse(self, verdict: _Verdict) -> bool:
        critical = verdict.level == _Level.CRITICAL
        return critical and self.state.severity is not Severity.CRITICAL

    def _calmed(self, time_us: int, value: float | None) -> Iterator[Event]:
        """Clear an open alert once it has been calm for long enough."""
        state = self.state
        if state.calm_us is None:
            state.calm_us = time_us
        settled = time_us - state.calm_us >= self.rule.settle_s * SECOND
        if settled and not self._flapping(time_us):
            yield self._cleared(time_us, value)

    def _flapping(self, time_us: int) -> bool:
        flaps = self.rule.flaps
        since = time_us - flaps.window_s * SECOND
        recent = sum(opened > since for opened in self.state.openings)
        return recent >= flaps.openings

    def _heard(self, reading: Reading, silence: Silence) -> Iterator[Event]:
        """Note a sign of life, and the silence before it if nobody noted it yet."""
        state, time_us = self.state, reading.time_us
        # An older reading of another stream says nothing new.
        if state.seen_us is not None and time_us <= state.seen_us:
            return
        if state.seen_us is not None:
            yield from self._unheard(time_us, silence)
        if state.opened_us is not None:
            yield from self._calmed(time_us, None)
        state.seen_us = time_us
        state.evidence = [Evidence(reading.stream_id, time_us, reading.value)]

    def _unheard(self, until_us: int, silence: Silence) -> Iterator[Event]:
        state = self.state
        if state.seen_us is None:
            # Nothing was ever heard: silence counts from the first look.
            state.seen_us = until_us
        # Opened for the moment at which it became too long, whenever that is noticed:
        # history gives the same alerts as having watched.
        limit = state.seen_us + round(silence.after_s * SECOND)
        if until_us > limit:
            state.calm_us = None
            if state.opened_us is None:
                yield self._opened(limit, self.rule.severity, silence.after_s)

    def _opened(self, at_us: int, severity: Severity, value: float | None) -> Event:
        state, window = self.state, self.rule.flaps.window_s * SECOND
        state.opened_us = at_us
        state.told_us = state.spoken_us = self.now_us
        state.severity = severity
        state.acknowledged = False
        state.calm_us = None
        recent = [opened for opened in state.openings if opened > at_us - window]
        # Flapping never asks for more, and the state is stored at every change.
        state.openings = [*recent, at_us][-self.rule.flaps.openings :]
        return self._event(Change.OPENED, at_us, value)

    def _escalated(self, at_us: int, value: float | None) -> Event:
        self.state.severity = Severity.CRITICAL
        self.state.spoken_us = self.now_us
        return self._event(Change.ESCALATED, at_us, value)

    def _cleared(self, at_us: int, value: float | None) -> Event:
        state = self.state
        assert state.opened_us is not None
        # A device that was silent may send what it kept: older than the silence.
        event = self._event(Change.CLEARED, max(at_us, state.opened_us), value)
        state.opened_us = state.severity = state.told_us = state.spoken_us = None
        state.pending_us = state.calm_us = None
        state.acknowledged = False
        state.evidence = []
        if not isinstance(self.rule.condition, Silence):
            state.seen_us = None
        return event

    def _event(self, change: Change, at_us: int, value: float | None) -> Event:
        state = self.state
        assert state.severity is not None
        evidence = () if change is Change.CLEARED else tuple(state.evidence)
        return Event(change, at_us, state.severity, value, evidence)


def _beyond(limits: Threshold | Rate, value: float) -> _Level:
    # Below a level is above it with both signs turned.
    sign = 1.0 if limits.side == "above" else -1.0
    if limits.critical is not None and sign * value > sign * limits.critical:
        return _Level.CRITICAL
    if sign * value > sign * limits.level:
        return _Level.RAISED
    clear = limits.level if limits.clear is None else limits.clear
    return _Level.CLEAR if sign * value <= sign * clear else _Level.BETWEEN


def _rate(window: list[tuple[int, float]], rate: Rate, new: Reading) -> float | None:
    """Return the change per hour over the window, and put the reading into it."""
    length = round(rate.window_s * SECOND)
    while window and new.time_us - window[0][0] > length:
        window.pop(0)
    first = window[0] if window else None
    if not window or new.time_us - window[-1][0] >= length / RATE_POINTS:
        window.append((new.time_us, new.value))
    # Of less than half a window the noise of one reading would be a steep rate.
    if first is None or 2 * (new.time_us - first[0]) < length:
        return None
    return (new.value - first[1]) / (new.time_us - first[0]) * HOUR


def _formula_level(formula: Formula, values: Mapping[str, float]) -> _Level | None:
    raised = formula.raised.holds(values)
    if raised is None:
        return None
    # Critical never raises alone: the plain condition must hold as well.
    worse = formula.worse.holds(values) if formula.worse else False
    if raised:
        return _Level.CRITICAL if worse else _Level.RAISED
    cleared = True if formula.cleared is None else formula.cleared.holds(values)
    return _Level.CLEAR if cleared else _Level.BETWEEN


def _fits(source: Input, reading: Reading) -> bool:
    if source.stream_id is not None:
        return source.stream_id == reading.stream_id
    return source.quantity == reading.quantity
