"""Commands of the platform and of local rules, on their way to a fan."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sensors.edge import Edge, load
from sensors.edge.config import Config
from tests.sensors.conftest import until
from tests.sensors.edge.conftest import Connect, StartEdge
from tests.sensors.edge.farm import Device, Platform, write_config

FAN_RULE = """
[[rule]]
name = "too-hot"
severity = "critical"
text_zh = "{thing} {value}"
text_en = "{thing} {value}"
[rule.condition]
type = "threshold"
side = "above"
level = 28
clear = 25
[rule.scope]
quantity = "air_temperature"
[rule.action]
device = "fan"
opened = { fan = "on" }
cleared = { fan = "off" }
"""


@pytest.fixture
def config(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Config:
    """An agent with the rule, which looks often at what is left to do."""
    monkeypatch.setattr("sensors.edge.agent.LOOK_S", 0.02)
    return load(write_config(tmp_path, platform.port, more=FAN_RULE))


def temperature(minute: int, value: float) -> tuple[str, bytes]:
    time = f"2026-01-01T00:{minute:02}:00Z"
    document = {"ts": time, "readings": {"air_temperature": value}}
    return "farm/f1/a/up", json.dumps(document).encode()


def listening(connect: Connect, edge: Edge) -> Device:
    fan = connect("fan", edge)
    fan.listen("farm/f1/fan/down/#")
    return fan


def wanted(fan: Device) -> list[Any]:
    """States that the fan was told to take, in order."""
    return [json.loads(payload)["set"] for _, payload in fan.heard]


def told(platform: Platform) -> list[Any]:
    """Reports of alerts, in order."""
    reports = [json.loads(e.payload) for e in platform.taken if "/gw/" in e.topic]
    return [report for report in reports if "alert" in report["state"]]


def test_a_command_from_the_platform_reaches_the_device(
    platform: Platform, start_edge: StartEdge, connect: Connect
) -> None:
    edge = start_edge()
    fan = listening(connect, edge)
    topic, payload = "farm/f1/fan/down/command", b'{"id":"c-1","set":{"fan":"on"}}'

    until(lambda: platform.endpoint.send("fan", topic, payload, token=1))
    fan.wait_for(lambda: fan.heard == [(topic, payload)])


def test_a_command_waits_for_its_device(
    platform: Platform, start_edge: StartEdge, connect: Connect
) -> None:
    edge = start_edge()
    delivered: list[object] = []
    platform.endpoint.on_delivered = delivered.append
    topic, payload = "farm/f1/fan/down/command", b'{"id":"c-1","set":{"fan":"on"}}'
    until(lambda: platform.endpoint.send("fan", topic, payload, token=1))
    until(lambda: delivered == [1])

    fan = listening(connect, edge)

    fan.wait_for(lambda: fan.heard == [(topic, payload)])


def test_a_rule_acts_while_the_line_is_down_and_tells_the_platform_later(
    platform: Platform, start_edge: StartEdge, connect: Connect
) -> None:
    platform.close()
    edge = start_edge(more=FAN_RULE)
    fan = listening(connect, edge)
    device = connect("a", edge)

    device.publish(*temperature(0, 27.0))
    device.publish(*temperature(1, 30.0))
    fan.wait_for(lambda: len(fan.heard) == 1)
    device.publish(*temperature(2, 24.0))
    fan.wait_for(lambda: len(fan.heard) == 2)
    platform.open()
    platform.wait_for(lambda: len(told(platform)) >= 2)

    assert wanted(fan) == [{"fan": "on"}, {"fan": "off"}]
    assert told(platform) == [
        {
            "ts": "2026-01-01T00:01:00Z",
            "state": {
                "alert": "too-hot",
                "change": "opened",
                "severity": "critical",
                "target": "a",
                "value": 30.0,
            },
        },
        {
            "ts": "2026-01-01T00:02:00Z",
            "state": {
                "alert": "too-hot",
                "change": "cleared",
                "severity": "critical",
                "target": "a",
                "value": 24.0,
            },
        },
    ]


def test_while_the_line_is_there_the_platform_acts(
    platform: Platform, start_edge: StartEdge, connect: Connect
) -> None:
    edge = start_edge(more=FAN_RULE)
    fan = listening(connect, edge)
    until(lambda: edge.status.connected)
    device = connect("a", edge)

    device.publish(*temperature(1, 30.0))
    platform.wait_for(lambda: len(told(platform)) == 1)

    assert fan.heard == []


def test_an_open_alert_is_acted_on_again_after_a_restart(
    platform: Platform, config: Config, connect: Connect
) -> None:
    platform.close()
    with Edge(config) as edge:
        device = connect("a", edge)
        device.publish(*temperature(1, 30.0))
        device.wait_for(lambda: device.acknowledged == 1)

    with Edge(config) as edge:
        fan = listening(connect, edge)
        fan.wait_for(lambda: len(fan.heard) == 1)

    assert wanted(fan) == [{"fan": "on"}]


def test_an_alert_from_before_the_line_was_gone_for_long_enough_is_acted_on_then(
    platform: Platform, config: Config, connect: Connect
) -> None:
    platform.close()
    with Edge(replace(config, down_after_s=2.0)) as edge:
        fan = listening(connect, edge)
        connect("a", edge).publish(*temperature(1, 30.0))
        fan.wait_for(lambda: bool(fan.heard))
        until(lambda: edge._queue.acted() == {("too-hot", "stream:1")})

    assert wanted(fan) == [{"fan": "on"}]


def test_what_was_begun_is_ended_after_a_restart_with_the_line_back(
    platform: Platform, config: Config, connect: Connect
) -> None:
    platform.close()
    with Edge(config) as edge:
        fan = listening(connect, edge)
        connect("a", edge).publish(*temperature(1, 30.0))
        fan.wait_for(lambda: len(fan.heard) == 1)

    platform.open()
    with Edge(config, shortest_pause_s=0.05) as edge:
        until(lambda: edge.status.connected)
        fan = listening(connect, edge)
        connect("a", edge).publish(*temperature(2, 24.0))
        fan.wait_for(lambda: bool(fan.heard))

    assert wanted(fan) == [{"fan": "off"}]


def test_an_action_whose_end_was_noted_and_not_sent_is_ended_after_a_restart(
    config: Config, connect: Connect
) -> None:
    with Edge(config) as edge:
        device = connect("a", edge)
        device.publish(*temperature(1, 24.0))
        device.wait_for(lambda: device.acknowledged == 1)
        edge._queue.note_acted(("too-hot", "stream:1"), begun=True)

    with Edge(config) as edge:
        fan = listening(connect, edge)
        fan.wait_for(lambda: len(fan.heard) == 1)
        until(lambda: edge._queue.acted() == set())

    assert wanted(fan) == [{"fan": "off"}]
