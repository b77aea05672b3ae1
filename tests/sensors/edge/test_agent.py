"""The agent between real devices and a real platform."""

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from sensors.edge import ClockUnset, Edge, load, read_counts
from sensors.edge.queue import QueueFull
from sensors.endpoint import PortTaken
from tests.sensors.broker import free_port
from tests.sensors.conftest import until
from tests.sensors.edge.conftest import Connect, StartEdge
from tests.sensors.edge.farm import Device, Platform, reading, write_config


def sequence(payloads: list[bytes]) -> list[int]:
    """Sequence numbers in the order of their first arrival."""
    return list(dict.fromkeys(json.loads(payload)["seq"] for payload in payloads))


def test_messages_go_up_in_order_byte_by_byte(
    platform: Platform, start_edge: StartEdge, connect: Connect
) -> None:
    device = connect("a", start_edge())
    sent = [reading(number) for number in range(500)]

    for message in sent:
        device.publish(*message)
    platform.wait_for(lambda: len(platform.messages) >= 500)

    assert platform.messages == sent


@pytest.mark.parametrize("protocol", [4, 5])
def test_both_versions_of_mqtt(
    platform: Platform, tmp_path: Path, connect: Connect, protocol: int
) -> None:
    path = write_config(tmp_path, platform.port)
    path.write_text(
        path.read_text().replace("tls = false", f"tls = false\nprotocol = {protocol}")
    )
    with loaded(path) as edge:
        connect("a", edge).publish(*reading(1))
        platform.wait_for(lambda: platform.messages == [reading(1)])
        until(lambda: edge.status.counts["forwarded"] == 1)


def loaded(path: Path) -> Edge:
    return Edge(load(path), shortest_pause_s=0.05)


def test_a_message_is_acknowledged_when_it_is_on_the_disk_and_the_line_is_down(
    platform: Platform, start_edge: StartEdge, connect: Connect
) -> None:
    platform.close()
    edge = start_edge()
    device = connect("a", edge)
    sent = [reading(number) for number in range(300)]

    for message in sent:
        device.publish(*message)
    device.wait_for(lambda: device.acknowledged == 300)
    assert edge.status.counts["queued"] == 300
    assert not edge.status.connected
    platform.open()
    platform.wait_for(lambda: len(platform.messages) >= 300)

    assert platform.messages == sent
    until(lambda: edge.status.counts["queued"] == 0)
    assert edge.status.counts["forwarded"] == 300


def test_what_the_platform_has_not_acknowledged_goes_again_first(
    platform: Platform, start_edge: StartEdge, connect: Connect
) -> None:
    platform.settling = False
    edge = start_edge()
    device = connect("a", edge)
    for number in range(20):
        device.publish(*reading(number))
    platform.wait_for(lambda: len(platform.messages) == 20)
    assert edge.status.counts["forwarded"] == 0

    platform.close()
    for number in range(20, 30):
        device.publish(*reading(number))
    device.wait_for(lambda: device.acknowledged == 30)
    platform.settling = True
    platform.open()
    platform.wait_for(lambda: len(platform.messages) >= 50)

    assert sequence(platform.payloads[20:]) == list(range(30))
    until(lambda: edge.status.counts["queued"] == 0)


def test_the_line_comes_and_goes_without_loss(
    platform: Platform, start_edge: StartEdge, connect: Connect
) -> None:
    edge = start_edge()
    device = connect("a", edge)
    for number in range(1_000):
        device.publish(*reading(number))
        if number % 250 == 100:
            platform.wait_for(lambda: len(platform.messages) > 0)
            platform.close()
        if number % 250 == 200:
            platform.open()
    platform.wait_for(lambda: len(sequence(platform.payloads)) == 1_000)

    assert sequence(platform.payloads) == list(range(1_000))
    until(lambda: edge.status.counts["queued"] == 0)
    assert edge.status.counts["forwarded"] == 1_000


PROGRAM = "from api.edge_command import edge_app; edge_app()"


def started(path: Path, port: int) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "--config", str(path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    assert str(port).encode() in line, line + process.stderr.read()
    return process


def test_a_killed_agent_loses_nothing_and_keeps_the_order(
    platform: Platform, tmp_path: Path
) -> None:
    port = free_port()
    path = write_config(tmp_path, platform.port, local_port=port)
    process = started(path, port)
    device = Device("a", port)
    try:
        for number in range(2_000):
            device.publish(*reading(number))
        for acknowledged in (500, 1_300):
            device.wait_for(
                lambda least=acknowledged: device.acknowledged >= least  # type: ignore[misc]
            )
            process.kill()
            process.wait()
            close(process)
            process = started(path, port)
        device.wait_for(lambda: device.acknowledged == 2_000)
        platform.wait_for(lambda: len(sequence(platform.payloads)) == 2_000)
        # What the device sent twice is still on its way.
        until(lambda: queued(tmp_path) == 0)
    finally:
        device.close()
        process.send_signal(signal.SIGINT)
        process.wait(30)
        close(process)

    assert sequence(platform.payloads) == list(range(2_000))
    assert set(platform.messages) == {reading(number) for number in range(2_000)}
    counts = read_counts(tmp_path / "queue")
    assert counts is not None
    assert counts["queued"] == counts["dropped"] == counts["refused"] == 0
    assert counts["forwarded"] == counts["made"] >= 2_000


def queued(folder: Path) -> int | None:
    counts = read_counts(folder / "queue")
    return None if counts is None else counts["queued"]


def close(process: "subprocess.Popen[bytes]") -> None:
    if process.stderr is not None:
        process.stderr.close()


def test_a_full_disk_holds_the_devices_back_and_loses_nothing(
    platform: Platform, start_edge: StartEdge, connect: Connect
) -> None:
    platform.close()
    edge = start_edge(more="[disk]\nmax_mib = 1")
    device = connect("a", edge)
    sent = [padded(number) for number in range(150)]

    for message in sent:
        device.publish(*message)
    until(lambda: edge.status.fault is not None)
    held = edge.status
    assert held.used_bytes <= held.max_bytes == 1_048_576
    assert device.acknowledged < 150
    assert held.counts["dropped"] == 0
    platform.open()
    device.wait_for(lambda: device.acknowledged == 150)
    platform.wait_for(lambda: len(platform.messages) >= 150)

    assert platform.messages == sent
    until(lambda: edge.status.fault is None)


def padded(number: int) -> tuple[str, bytes]:
    topic, payload = reading(number)
    return topic, payload + b" " * 12_000


def test_the_oldest_go_by_choice_and_are_counted(
    platform: Platform, start_edge: StartEdge, connect: Connect
) -> None:
    platform.close()
    edge = start_edge(more='[disk]\nmax_mib = 1\nwhen_full = "drop-oldest"')
    device = connect("a", edge)

    for number in range(400):
        device.publish(*padded(number))
    device.wait_for(lambda: device.acknowledged == 400)
    counts = edge.status.counts
    platform.open()
    platform.wait_for(lambda: len(platform.messages) >= counts["queued"])
    until(lambda: edge.status.counts["queued"] == 0)

    dropped = counts["dropped"]
    assert 0 < dropped < 400
    assert sequence(platform.payloads) == list(range(dropped, 400))


def test_a_disk_that_is_full_is_tried_again(
    platform: Platform,
    start_edge: StartEdge,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    edge = start_edge()
    device = connect("a", edge)
    refusals = iter(range(3))
    queue: Any = edge._queue

    class NoSpace:
        """SQLite's connection on a disk that is full for three transactions."""

        def __init__(self, real: Any) -> None:
            self._real = real

        def __getattr__(self, name: str) -> Any:
            return getattr(self._real, name)

        def executemany(self, statement: str, rows: Any) -> Any:
            if statement.startswith("INSERT INTO message") and next(refusals, None) in (
                0,
                1,
                2,
            ):
                error = sqlite3.OperationalError("database or disk is full")
                error.sqlite_errorcode = sqlite3.SQLITE_FULL
                raise error
            return self._real.executemany(statement, rows)

    monkeypatch.setattr("sensors.edge.inbox.AGAIN", 0.02)
    monkeypatch.setattr(queue, "_db", NoSpace(queue._db))
    device.publish(*reading(1))
    platform.wait_for(lambda: platform.messages == [reading(1)])

    assert next(refusals, None) is None
    assert edge.status.counts["received"] == 1
    assert edge.running


def test_what_cannot_be_deleted_yet_is_deleted_later_and_not_sent_again(
    platform: Platform,
    start_edge: StartEdge,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    edge = start_edge()
    queue = edge._queue
    forwarded, failures = queue.forwarded, iter(range(2))

    def refusing(ids: Any) -> None:
        if next(failures, None) is not None:
            raise QueueFull("no room")
        forwarded(ids)

    monkeypatch.setattr("sensors.edge.upstream.LOOK_S", 0.02)
    monkeypatch.setattr(queue, "forwarded", refusing)
    device = connect("a", edge)
    for number in range(10):
        device.publish(*reading(number))
    until(lambda: edge.status.counts["forwarded"] == 10)

    assert platform.messages == [reading(number) for number in range(10)]
    assert edge.status.counts["queued"] == 0


def test_what_cannot_be_read_goes_up_once_and_is_counted(
    platform: Platform, start_edge: StartEdge, connect: Connect
) -> None:
    edge = start_edge()
    device = connect("a", edge)

    device.publish("farm/f1/a/up", b"\xff\x00")
    device.publish(*reading(1))
    platform.wait_for(lambda: len(platform.messages) >= 2)

    assert platform.messages == [("farm/f1/a/up", b"\xff\x00"), reading(1)]
    assert edge.status.counts["undecodable"] == 1


def test_a_message_without_time_goes_up_with_the_time_of_its_receipt(
    platform: Platform, tmp_path: Path, connect: Connect
) -> None:
    platform.close()
    with loaded(write_config(tmp_path, platform.port)) as edge:
        device = connect("a", edge)
        device.publish("v1/devices/me/telemetry", b'{"co2": 400}')
        device.wait_for(lambda: device.acknowledged == 1)
        oldest_us = edge.status.oldest_us
        platform.open()
        platform.wait_for(lambda: len(platform.messages) == 1)

    ((topic, payload),) = platform.messages
    document = json.loads(payload)
    assert topic == "farm/f1/a/up"
    assert document["readings"] == {"co2": 400}
    told = datetime.fromisoformat(document["ts"]).timestamp()
    assert oldest_us is not None
    assert told == pytest.approx(oldest_us / 1e6, abs=1e-6)


def test_a_wrong_password_is_refused_at_the_door(
    start_edge: StartEdge, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    edge = start_edge()
    monkeypatch.setattr("tests.sensors.edge.farm.LOCAL_SECRET", "wrong")
    device = connect("a", edge)

    device.publish(*reading(1))
    until(lambda: device.refusals > 0)

    assert edge.status.counts["received"] == 0


def test_a_message_that_the_platform_refuses_is_kept_aside(
    platform: Platform, start_edge: StartEdge, connect: Connect
) -> None:
    platform.close()
    # The credential is of another farm's gateway.
    platform.farm = "f2"
    platform.open()
    edge = start_edge()
    device = connect("lora", edge)
    event = {
        "deviceInfo": {"devEui": "0123456789abcdef"},
        "time": "2026-01-01T00:00:00Z",
        "object": {"co2": 400},
    }
    forwarded = "application/1/device/0123456789abcdef/event/up"

    device.publish(*reading(1))
    device.publish(forwarded, json.dumps(event).encode())
    until(lambda: edge.status.counts["refused"] == 1)
    until(lambda: edge.status.counts["queued"] == 0)

    assert [topic for topic, _ in platform.messages] == [forwarded]
    assert edge.status.counts["forwarded"] == 1


def test_a_password_that_the_platform_refuses_is_said(
    platform: Platform, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_config(tmp_path, platform.port)
    (tmp_path / "gateway.secret").write_text("mistyped")
    with loaded(path) as edge:
        until(lambda: "refused" in (edge.status.problem or ""))

    assert "messages are kept and sent later" in caplog.text
    assert "mistyped" not in caplog.text


def test_an_unset_clock_is_an_error(platform: Platform, tmp_path: Path) -> None:
    config = load(write_config(tmp_path, platform.port))

    with pytest.raises(ClockUnset, match=r"1970-01-01T00:00:05Z.*校时"):
        Edge(config, now_us=lambda: 5_000_000).start()


def test_a_port_that_is_taken_leaves_nothing_behind(
    platform: Platform, tmp_path: Path
) -> None:
    taken = load(write_config(tmp_path, platform.port, local_port=platform.port))
    with pytest.raises(PortTaken):
        Edge(taken).start()

    with loaded(write_config(tmp_path, platform.port)) as edge:
        assert edge.running


def test_the_gateway_reports_on_itself(
    platform: Platform,
    start_edge: StartEdge,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sensors.edge.agent.LOOK_S", 0.02)
    monkeypatch.setattr("sensors.edge.agent.REPORT_S", 0.02)
    device = connect("a", start_edge())

    device.publish(*reading(1))
    forwarded: Callable[[], bool] = lambda: any(  # noqa: E731
        json.loads(each.payload)["state"].get("forwarded") == 1
        for each in platform.taken
        if each.topic == "farm/f1/gw/state"
    )
    platform.wait_for(forwarded)
