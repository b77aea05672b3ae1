"""What holds for every rule and every series."""

import itertools
import json
from collections.abc import Sequence

from hypothesis import example, given
from hypothesis import strategies as st

from sensors.alerts import (
    Change,
    Condition,
    Event,
    Flaps,
    Formula,
    Input,
    Rate,
    Reading,
    Rule,
    Scope,
    Silence,
    State,
    Threshold,
    step,
)
from tests.sensors.alerts.cases import MINUTE, rule

CONDITIONS: Sequence[Condition] = (
    Threshold("above", 3),
    Threshold("above", 3, clear=1, critical=5),
    Threshold("below", 3, clear=4),
    Rate("above", 10, window_s=600, critical=60),
    Silence(900),
    Formula(expression="a > b", inputs={"a": Input("x"), "b": Input("y", None, 600)}),
)

rules = st.builds(
    lambda condition, duration, settle, flaps: rule(
        condition,
        scope=Scope(quantity="x")
        if isinstance(condition, Threshold | Rate)
        else Scope(farm="meadow"),
        duration_s=duration,
        settle_s=settle,
        gap_s=1800.0,
        flaps=flaps,
    ),
    st.sampled_from(CONDITIONS),
    st.sampled_from([0.0, 300.0, 1200.0]),
    st.sampled_from([0.0, 600.0]),
    st.builds(Flaps, st.integers(1, 4), st.sampled_from([0.0, 1800.0, 7200.0])),
)
points = st.tuples(
    st.integers(0, 300),
    st.integers(1, 2),
    st.integers(0, 6),
    st.sampled_from([1, 2, 4]),
)


def readings_of(of: Rule, points: Sequence[tuple[int, int, int, int]]) -> list[Reading]:
    """In time order, one of a stream and time; one stream where a rule takes one."""
    single = isinstance(of.condition, Threshold | Rate)
    unique = {
        (minute, 1 if single else stream): (float(value), flag)
        for minute, stream, value, flag in points
    }
    return [
        Reading(stream, minute * MINUTE, value, flag, "x" if stream == 1 else "y")
        for (minute, stream), (value, flag) in sorted(unique.items())
    ]


@given(rules, st.lists(points, max_size=60))
def test_openings_and_clearings_alternate_and_time_never_turns_back(
    of: Rule, points: list[tuple[int, int, int, int]]
) -> None:
    state, events = step(of, State(), readings_of(of, points), 300 * MINUTE)
    turns = [e for e in events if e.change in (Change.OPENED, Change.CLEARED)]
    assert [e.change for e in turns[::2]] == [Change.OPENED] * len(turns[::2])
    assert [e.change for e in turns[1::2]] == [Change.CLEARED] * len(turns[1::2])
    assert [e.at_us for e in events] == sorted(e.at_us for e in events)
    assert (state.opened_us is not None) == bool(len(turns) % 2)


@given(rules, st.lists(points, max_size=60), st.sets(st.integers(0, 300), max_size=10))
def test_however_a_series_is_cut_the_events_are_the_same(
    of: Rule, points: list[tuple[int, int, int, int]], cuts: set[int]
) -> None:
    readings = readings_of(of, points)
    start, _ = step(of, State(), [], 0)
    _, whole = step(of, start, readings, 300 * MINUTE)
    state, parts = start, list[Event]()
    edges = [-1, *sorted(cuts), 300]
    for after, until in itertools.pairwise(edges):
        batch = [r for r in readings if after < r.time_us / MINUTE <= until]
        state, events = step(of, state, batch, max(until, 0) * MINUTE)
        # A killed process reads its state back from the store.
        state = State.from_json(json.loads(json.dumps(state.to_json())))
        parts += events
    assert parts == whole


@given(rules, st.lists(points, max_size=60), st.integers(1, 60))
def test_readings_seen_again_change_nothing(
    of: Rule, points: list[tuple[int, int, int, int]], again: int
) -> None:
    readings = readings_of(of, points)
    state, _ = step(of, State(), readings, 300 * MINUTE)
    assert step(of, state, readings[-again:], 300 * MINUTE) == (state, [])


@given(st.lists(points, max_size=80), st.integers(1, 4), st.sampled_from([600, 3600]))
@example([(0, 1, 5, 1), (1, 1, 0, 1), (2, 1, 5, 1)], 1, 600)
def test_no_window_holds_more_openings_than_allowed(
    points: list[tuple[int, int, int, int]], openings: int, window_s: int
) -> None:
    of = rule(Threshold("above", 3), flaps=Flaps(openings, window_s))
    _, events = step(of, State(), readings_of(of, points), 0)
    opened = [e.at_us for e in events if e.change is Change.OPENED]
    for first, later in zip(opened, opened[openings:], strict=False):
        assert later - first >= window_s * 1_000_000


@given(st.lists(points, max_size=60))
def test_without_duration_or_hysteresis_it_is_open_iff_the_last_value_is_beyond(
    points: list[tuple[int, int, int, int]],
) -> None:
    of = rule(Threshold("above", 3))
    readings = readings_of(of, points)
    state, _ = step(of, State(), readings, 0)
    good = [r.value for r in readings if r.flag in (1, 2)]
    assert (state.opened_us is not None) == bool(good and good[-1] > 3)


@given(st.lists(points, max_size=60), st.integers(0, 700))
def test_a_device_is_silent_iff_its_last_reading_is_too_old(
    points: list[tuple[int, int, int, int]], later: int
) -> None:
    of = rule(Silence(900), scope=Scope(farm="meadow"))
    readings = readings_of(of, points)
    last = max((r.time_us for r in readings), default=0)
    start, _ = step(of, State(), [], 0)
    now = last + later * MINUTE
    state, _ = step(of, start, readings, now)
    assert (state.opened_us is not None) == (now - last > 900_000_000)
