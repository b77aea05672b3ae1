"""`heitu edge` and `heitu edge status`."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.edge_command import edge_app
from sensors.edge import ConfigInvalid, Edge, EdgeError, load
from tests.sensors.conftest import until
from tests.sensors.edge.farm import Device, write_config

runner = CliRunner()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    # Nobody listens on port 9 (discard).
    return write_config(tmp_path, 9)


@pytest.fixture
def edge(config: Path) -> Iterator[Edge]:
    with Edge(load(config)) as running:
        yield running


def test_the_status_of_an_agent_that_runs(config: Path, edge: Edge) -> None:
    device = Device("a", edge.port)
    device.publish("farm/f1/a/up", b'{"age_s":0,"readings":{"co2":400}}')
    device.wait_for(lambda: device.acknowledged == 1)
    device.close()
    until(lambda: (config.parent / "queue" / "status.json").is_file())

    shown = runner.invoke(edge_app, ["status", "--config", str(config)])

    assert shown.exit_code == 0
    rows = {
        cells[1].strip(): cells[2].strip()
        for line in shown.output.splitlines()
        if len(cells := line.split("│")) == 4
    }
    assert rows["agent · 代理"] == "running · 运行中"
    assert rows["line · 线路"] == "down · 断线"
    assert rows["received · 收到"] == rows["queued · 待转发"] == "1"
    assert rows["rewritten · 补写时间"] == "1"


def test_the_status_of_an_agent_that_was_stopped(config: Path) -> None:
    with Edge(load(config)):
        pass
    status = config.parent / "queue" / "status.json"
    status.write_text(status.read_text().replace('"at_us": 1', '"at_us": 0'))

    shown = runner.invoke(edge_app, ["status", "--config", str(config)])

    assert "stopped · 已停止" in shown.output
    assert "queued" in shown.output


def test_the_status_of_an_agent_that_never_ran(config: Path) -> None:
    shown = runner.invoke(edge_app, ["status", "--config", str(config)])

    assert shown.exit_code == 1
    assert "never ran" in shown.output
    assert "尚未运行过" in shown.output


def test_a_configuration_that_is_not_there_is_an_error_of_ours(tmp_path: Path) -> None:
    result = runner.invoke(edge_app, ["--config", str(tmp_path / "none.toml")])

    assert isinstance(result.exception, ConfigInvalid)


def test_an_agent_that_cannot_go_on_ends_with_an_error(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As when its queue is damaged under it: a part is no longer running.
    monkeypatch.setattr(Edge, "running", False)

    result = runner.invoke(edge_app, ["--config", str(config)])

    assert isinstance(result.exception, EdgeError)
    assert "边缘代理已停止" in str(result.exception)
    assert not [each for each in threading.enumerate() if each.name.startswith("edge-")]
