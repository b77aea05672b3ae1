"""Alerts over series made by hand."""

import json

import pytest

from sensors.alerts import (
    Change,
    Evidence,
    Flaps,
    Formula,
    Input,
    Rate,
    Reading,
    Scope,
    Severity,
    Silence,
    State,
    Threshold,
    acknowledged,
    step,
)
from tests.sensors.alerts.cases import MINUTE, rule, run, series, told

OPENED, CLEARED = Change.OPENED, Change.CLEARED
ESCALATED, REMINDED = Change.ESCALATED, Change.REMINDED


def test_a_value_beyond_the_level_opens_and_one_at_it_clears() -> None:
    events = run(rule(Threshold("above", 30)), series((0, 30), (1, 30.5), (2, 30)))
    assert told(events) == [(OPENED, 1), (CLEARED, 2)]


def test_below_is_the_mirror_of_above() -> None:
    events = run(rule(Threshold("below", -2)), series((0, -2), (1, -2.5), (2, -1)))
    assert told(events) == [(OPENED, 1), (CLEARED, 2)]


def test_between_the_levels_an_open_alert_stays_and_none_opens() -> None:
    frost = rule(Threshold("above", 30, clear=28))
    readings = series((0, 29), (1, 31), (2, 29), (3, 28.1), (4, 28), (5, 29.9))
    assert told(run(frost, readings)) == [(OPENED, 1), (CLEARED, 4)]


def test_a_duration_must_be_full_and_unbroken() -> None:
    held = rule(Threshold("above", 30), duration_s=600)
    readings = series((0, 31), (9, 31), (9.5, 30), (10, 31), (19, 32), (20, 33))
    assert told(run(held, readings)) == [(OPENED, 20)]


def test_a_pause_longer_than_the_gap_begins_the_duration_anew() -> None:
    held = rule(Threshold("above", 30), duration_s=600, gap_s=300)
    readings = series((0, 31), (5, 31), (11, 31), (16, 31), (21, 31))
    assert told(run(held, readings)) == [(OPENED, 21)]


def test_the_alert_names_the_readings_of_its_duration() -> None:
    held = rule(Threshold("above", 30), duration_s=120)
    (event,) = run(held, series((0, 29), (1, 31), (2, 32), (3, 33)))
    assert event.value == 33
    assert event.evidence == (
        Evidence(1, 1 * MINUTE, 31),
        Evidence(1, 2 * MINUTE, 32),
        Evidence(1, 3 * MINUTE, 33),
    )


def test_long_evidence_keeps_its_first_and_its_last_readings() -> None:
    held = rule(Threshold("above", 30), duration_s=60 * 100)
    (event,) = run(held, series(*((minute, 31) for minute in range(101))))
    minutes = [entry.time_us // MINUTE for entry in event.evidence]
    assert minutes == [0, *range(82, 101)]


def test_it_must_be_over_for_the_settling_time() -> None:
    slow = rule(Threshold("above", 30), settle_s=600)
    readings = series((0, 31), (1, 20), (9, 20), (10, 31), (11, 20), (20, 20), (21, 20))
    assert told(run(slow, readings)) == [(OPENED, 0), (CLEARED, 21)]


def test_between_the_levels_the_settling_time_begins_anew() -> None:
    slow = rule(Threshold("above", 30, clear=28), settle_s=600)
    readings = series((0, 31), (1, 20), (5, 29), (6, 20), (15, 20), (16, 20))
    assert told(run(slow, readings)) == [(OPENED, 0), (CLEARED, 16)]


def test_an_alert_that_comes_and_goes_stays_open() -> None:
    flapping = rule(Threshold("above", 30), flaps=Flaps(openings=2, window_s=3600))
    readings = series(*((minute, 31 if minute % 2 else 29) for minute in range(70)))
    # Opened at 1 and 3: not cleared before minute 61, when the first is an hour old.
    assert told(run(flapping, readings)) == [
        (OPENED, 1),
        (CLEARED, 2),
        (OPENED, 3),
        (CLEARED, 62),
        (OPENED, 63),
        (CLEARED, 64),
        (OPENED, 65),
    ]


def test_suspect_readings_neither_raise_nor_clear() -> None:
    hot = rule(Threshold("above", 30))
    suspect = (
        series((1, 99), flag=3) + series((2, 99), flag=4) + series((3, 99), flag=9)
    )
    assert run(hot, suspect) == []
    opened = series((0, 31)) + series((1, 20), flag=4)
    assert told(run(hot, opened)) == [(OPENED, 0)]


def test_a_rule_may_count_suspect_readings() -> None:
    hot = rule(Threshold("above", 30), flags=frozenset({1, 2, 3}))
    assert told(run(hot, series((1, 99), flag=3))) == [(OPENED, 1)]


def test_late_readings_change_nothing() -> None:
    hot = rule(Threshold("above", 30))
    state, _ = step(hot, State(), series((10, 20)), 10 * MINUTE)
    late, events = step(hot, state, series((5, 99), (10, 99)), 11 * MINUTE)
    assert events == []
    assert late == state


def test_the_given_state_is_not_changed() -> None:
    state = State()
    step(rule(Threshold("above", 30)), state, series((0, 31)), 0)
    assert state == State()


def test_a_level_beyond_escalates_once() -> None:
    hot = rule(Threshold("above", 30, critical=40))
    events = run(hot, series((0, 31), (1, 41), (2, 35), (3, 42)))
    assert told(events) == [(OPENED, 0), (ESCALATED, 1)]
    assert [e.severity for e in events] == [Severity.WARNING, Severity.CRITICAL]


def test_a_value_that_is_critical_at_once_opens_critical() -> None:
    (event,) = run(rule(Threshold("above", 30, critical=40)), series((0, 41)))
    assert event.change is OPENED
    assert event.severity is Severity.CRITICAL


def test_unacknowledged_it_escalates_and_is_reminded_of_by_the_clock() -> None:
    hot = rule(Threshold("above", 30), remind_s=3600, escalate_s=5400)
    state, _ = step(hot, State(), series((0, 31)), 0)
    seen = []
    for minute in (59, 60, 61, 90, 120, 150):
        state, events = step(hot, state, [], minute * MINUTE)
        seen += told(events)
    assert seen == [(REMINDED, 60), (ESCALATED, 90), (REMINDED, 150)]


def test_an_acknowledged_alert_is_quiet_and_still_clears() -> None:
    hot = rule(Threshold("above", 30), remind_s=3600, escalate_s=3600)
    state, _ = step(hot, State(), series((0, 31)), 0)
    state, events = step(hot, acknowledged(state), [], 600 * MINUTE)
    assert events == []
    _, events = step(hot, state, series((601, 20)), 601 * MINUTE)
    assert told(events) == [(CLEARED, 601)]


def test_the_rate_is_the_change_per_hour_over_the_window() -> None:
    # 1 degree in 20 minutes is 3 an hour; with 10 of 30 minutes there is no rate yet.
    rising = rule(Rate("above", 2.5, window_s=1800))
    events = run(rising, series((0, 10), (10, 15), (20, 11), (50, 11)))
    assert told(events) == [(OPENED, 20), (CLEARED, 50)]
    assert events[0].value == pytest.approx(3.0)


def test_a_fall_is_a_negative_rate() -> None:
    falling = rule(Rate("below", -2, window_s=3600))
    events = run(falling, series((0, 10), (60, 7)))
    assert told(events) == [(OPENED, 60)]
    assert events[0].value == pytest.approx(-3.0)


def test_the_window_of_a_rate_is_bounded() -> None:
    rising = rule(Rate("above", 1000))
    readings = [Reading(1, second * 1_000_000, 1.0) for second in range(3600)]
    state, _ = step(rising, State(), readings, 3600 * 1_000_000)
    assert len(state.window) <= 61


def test_silence_opens_when_its_time_is_over_and_ends_with_a_reading() -> None:
    silent = rule(Silence(1800))
    state, events = step(silent, State(), series((0, 1)), 30 * MINUTE)
    assert events == []
    state, events = step(silent, state, [], 31 * MINUTE)
    assert told(events) == [(OPENED, 30)]
    assert events[0].evidence == (Evidence(1, 0, 1),)
    state, events = step(silent, state, series((40, 1), flag=4), 40 * MINUTE)
    assert told(events) == [(CLEARED, 40)]


def test_a_pause_that_nobody_watched_is_told_afterwards() -> None:
    silent = rule(Silence(1800))
    events = run(silent, series((0, 1), (100, 1)))
    assert told(events) == [(OPENED, 30), (CLEARED, 100)]


def test_a_device_never_heard_is_silent_from_the_first_look() -> None:
    silent = rule(Silence(1800))
    state, _ = step(silent, State(), [], 10 * MINUTE)
    _, events = step(silent, state, [], 41 * MINUTE)
    assert told(events) == [(OPENED, 40)]


def test_any_stream_of_a_device_is_a_sign_of_life() -> None:
    silent = rule(Silence(1800), scope=Scope(device_id="collar-1"))
    both = series((0, 1)) + series((20, 1), stream=2) + series((45, 1))
    assert run(silent, both) == []


THI = Formula(
    expression="0.8*t + rh/100*(t - 14.4) + 46.4 > 78",
    inputs={
        "t": Input(quantity="air_temperature", maximum_age_s=1800),
        "rh": Input(quantity="relative_humidity", maximum_age_s=1800),
    },
)


def test_a_formula_takes_the_newest_value_of_each_input() -> None:
    # THI(30, 70) = 24 + 0.7 * 15.6 + 46.4 = 81.32; THI(25, 70) = 73.82.
    heat = rule(THI, scope=Scope(farm="meadow"))
    hot = series((0, 30), quantity="air_temperature")
    humid = series((5, 70), stream=2, quantity="relative_humidity")
    mild = series((10, 25), quantity="air_temperature")
    events = run(heat, hot + humid + mild)
    assert told(events) == [(OPENED, 5), (CLEARED, 10)]
    assert events[0].evidence == (Evidence(1, 0, 30), Evidence(2, 5 * MINUTE, 70))


def test_readings_of_one_time_are_judged_together() -> None:
    heat = rule(THI, scope=Scope(farm="meadow"))
    # 30 degrees with the new 20 % is THI 73.5; with the old 70 % it would be 81.
    readings = [
        *series((0, 20), quantity="air_temperature"),
        *series((0, 70), stream=2, quantity="relative_humidity"),
        *series((10, 30), quantity="air_temperature"),
        *series((10, 20), stream=2, quantity="relative_humidity"),
    ]
    assert run(heat, readings) == []


def test_an_input_older_than_its_age_decides_nothing() -> None:
    heat = rule(THI, scope=Scope(farm="meadow"))
    humid = series((0, 70), stream=2, quantity="relative_humidity")
    assert run(heat, humid + series((31, 30), quantity="air_temperature")) == []


def test_an_input_that_lags_behind_does_not_turn_time_back() -> None:
    heat = rule(THI, scope=Scope(farm="meadow"))
    hot = series((20, 30), quantity="air_temperature")
    humid = series((5, 70), stream=2, quantity="relative_humidity")
    assert told(run(heat, hot, humid)) == [(OPENED, 20)]


def test_a_formula_without_a_finite_value_decides_nothing() -> None:
    ratio = rule(
        Formula(expression="a / b > 1", inputs={"a": Input("x"), "b": Input("y")}),
        scope=Scope(farm="meadow"),
    )
    zero = series((0, 2), quantity="x") + series((0, 0), stream=2, quantity="y")
    assert run(ratio, zero) == []


def test_a_formula_with_a_condition_of_its_own_to_clear() -> None:
    dry = rule(
        Formula(
            expression="m < 0.15",
            clear="m > 0.25",
            critical="m < 0.05",
            inputs={"m": Input("soil_moisture")},
        ),
        scope=Scope(farm="meadow"),
    )
    points = series(
        (0, 0.1), (1, 0.2), (2, 0.04), (3, 0.2), (4, 0.3), quantity="soil_moisture"
    )
    assert told(run(dry, points)) == [(OPENED, 0), (ESCALATED, 2), (CLEARED, 4)]


def test_the_state_goes_through_json() -> None:
    heat = rule(THI, scope=Scope(farm="meadow"), remind_s=60)
    hot = series((0, 30), quantity="air_temperature")
    humid = series((5, 70), stream=2, quantity="relative_humidity")
    state, _ = step(heat, State(), hot + humid, 5 * MINUTE)
    assert State.from_json(json.loads(json.dumps(state.to_json()))) == state
    rising, _ = step(rule(Rate("above", 1)), State(), series((0, 1), (9, 2)), 0)
    assert State.from_json(json.loads(json.dumps(rising.to_json()))) == rising
