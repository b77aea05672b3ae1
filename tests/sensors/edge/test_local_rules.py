"""Rules on passing messages: pure steps, streams that are first seen, units."""

import json
from typing import Any

from sensors.alerts import Change, from_json
from sensors.edge.config import LocalDevice, LocalRule
from sensors.edge.local_rules import LocalRules, Step
from sensors.uplink import Measurement, Uplink

MINUTE = 60_000_000
NOW = 1_767_225_600_000_000


def rule(**changes: Any) -> LocalRule:
    body = {
        "name": "hot",
        "severity": "warning",
        "text_zh": "热",
        "text_en": "hot",
        "condition": {"type": "threshold", "side": "above", "level": 28},
        "scope": {"quantity": "air_temperature"},
    }
    return LocalRule(from_json(body | changes))


def rules(*given: LocalRule, kept: Step | None = None) -> LocalRules:
    return LocalRules(
        given,
        farm="f1",
        gateway="gw",
        devices={"a": LocalDevice(kind="weather-station", thing="barn")},
        streams={} if kept is None else kept.new_streams,
        states={} if kept is None else kept.saved_states,
    )


def says(
    minute: int, value: float, *, unit: str | None = None, name: str = "air_temperature"
) -> Uplink:
    at_us = NOW + minute * MINUTE
    return Uplink("a", "f1", [Measurement(name, unit, at_us, value)])


def changes(step: Step) -> list[tuple[Change, float | None]]:
    return [(each.event.change, each.event.value) for each in step.happenings]


def test_a_step_changes_nothing_until_it_is_kept() -> None:
    local = rules(rule())

    first = local.step([says(0, 30)], NOW, tick=False)
    again = local.step([says(0, 30)], NOW, tick=False)
    local.keep(again)
    repeated = local.step([says(0, 30)], NOW, tick=False)

    assert changes(first) == changes(again) == [(Change.OPENED, 30.0)]
    assert changes(repeated) == []


def test_the_states_outlive_the_process() -> None:
    local = rules(rule())
    opened = local.step([says(0, 30)], NOW, tick=False)

    later = rules(rule(), kept=opened)

    assert [each.event.change for each in later.open_alerts()] == [Change.OPENED]
    assert changes(later.step([says(1, 20)], NOW, tick=False)) == [
        (Change.CLEARED, 20.0)
    ]


def test_a_value_is_compared_in_the_quantitys_own_unit() -> None:
    # 86 degrees Fahrenheit are 30 Celsius, 80 are 26.7.
    local = rules(rule())

    assert changes(local.step([says(0, 80, unit="[degF]")], NOW, tick=False)) == []
    ((_, value),) = changes(local.step([says(1, 86, unit="[degF]")], NOW, tick=False))
    assert value is not None
    assert abs(value - 30) < 1e-9


def test_a_unit_that_cannot_be_is_no_reason_to_act() -> None:
    assert changes(rules(rule()).step([says(0, 86, unit="m")], NOW, tick=False)) == []


def test_positions_are_streams_of_their_own() -> None:
    local = rules(rule())

    step = local.step(
        [says(0, 30, name="air_temperature@1"), says(0, 31, name="air_temperature@2")],
        NOW,
        tick=False,
    )

    assert changes(step) == [(Change.OPENED, 30.0), (Change.OPENED, 31.0)]
    assert step.new_streams == {
        ("a", "air_temperature@1"): 1,
        ("a", "air_temperature@2"): 2,
    }


def test_silence_is_noticed_by_the_clock() -> None:
    silent = rule(condition={"type": "silence", "after_s": 600}, scope={"farm": "f1"})
    local = rules(silent)
    local.keep(local.step([says(0, 1)], NOW, tick=True))

    assert changes(local.step([], NOW + 20 * MINUTE, tick=False)) == []
    noticed = local.step([], NOW + 20 * MINUTE, tick=True)

    assert changes(noticed) == [(Change.OPENED, 600.0)]


def test_the_report_names_what_is_known_of_the_device() -> None:
    step = rules(rule()).step([says(0, 30)], NOW, tick=False)

    ((topic, payload),) = step.reports
    assert topic == "farm/f1/gw/state"
    assert json.loads(payload)["state"]["target"] == "barn"
