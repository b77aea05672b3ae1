"""`heitu rules`, `alerts`, `channels` and `commands` on the command line."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from api.alerts_command import alerts_app, channels_app, commands_app, rules_app
from sensors.alerts import RuleInvalid
from sensors.commands import CommandInvalid
from store import Store
from store.rules import RuleUnknown
from tests.api.alert_cases import RULE
from tests.sensors.alerts.conftest import Farm
from tests.sensors.commands.conftest import Field
from tests.store.test_alerts import new, opened

Run = Callable[..., Result]


@pytest.fixture
def run(store: Store, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("HEITU_DATABASE_URL", store.url)

    def run(app: typer.Typer, *arguments: str) -> Result:
        return CliRunner().invoke(app, arguments)

    return run


@pytest.fixture
def rule_file(tmp_path: Path) -> str:
    file = tmp_path / "heat.json"
    file.write_text(json.dumps(RULE, ensure_ascii=False), encoding="utf-8")
    return str(file)


def test_rules_are_added_listed_and_removed(run: Run, rule_file: str) -> None:
    assert run(rules_app, "add", rule_file).output == "heat: stored · 已保存\n"
    assert run(rules_app, "add", rule_file).output == "heat: unchanged · 无变化\n"
    listed = run(rules_app, "list").output
    assert "heat" in listed
    assert "quantity=air_temperature" in listed
    assert run(rules_app, "remove", "heat").output == "heat: removed · 已删除\n"
    assert isinstance(run(rules_app, "remove", "heat").exception, RuleUnknown)


def test_a_bad_rule_file_is_said_by_name(run: Run, tmp_path: Path) -> None:
    missing = run(rules_app, "add", str(tmp_path / "nothing.json"))
    assert missing.exit_code == 2
    file = tmp_path / "bad.json"
    file.write_text("{", encoding="utf-8")
    assert isinstance(run(rules_app, "add", str(file)).exception, RuleInvalid)


def test_a_rule_is_tried_on_stored_readings(
    run: Run, rule_file: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    start = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=5)
    monkeypatch.setattr("tests.sensors.alerts.conftest.START", start)
    monkeypatch.setattr("sensors.alerts.trial.CHUNK", 3)
    farm = Farm(store)
    farm.add("station-1")
    values = [20, 31, 20, 31, 32, 31, 20]
    farm.write("station-1", [(m * 10, v) for m, v in enumerate(values)])
    result = run(rules_app, "test", rule_file, "--hours", "24")
    assert "alerts in 24 h: 2" in result.output
    assert result.output.count("opened") == 2
    assert result.output.count("cleared") == 2
    assert "at-station-1 is too hot" in result.output
    assert (
        "alerts in 1 h: 0" in run(rules_app, "test", rule_file, "--hours", "1").output
    )


def test_alerts_are_listed_and_acknowledged(run: Run, store: Store) -> None:
    number = opened(store, new())
    assert "open 未解除" in run(alerts_app, "list").output
    done = run(alerts_app, "acknowledge", str(number), "--by", "Li", "--note", "going")
    assert f"{number}: acknowledged by Li" in done.output
    assert "已确认: Li" in run(alerts_app, "list").output
    assert run(alerts_app, "list", "--severity", "loud").exit_code == 2


def test_channels_are_added_listed_and_removed(run: Run, tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("0123456789abcdef\n", encoding="utf-8")
    added = run(
        channels_app,
        *("add", "hook", "webhook", "https://example.org/k3y"),
        *("--secret-file", str(secret), "--farm", "meadow"),
    )
    assert added.output == "hook: stored · 已保存\n"
    listed = run(channels_app, "list").output
    assert "https://example.org/…" in listed
    assert "k3y" not in listed
    assert "0123456789abcdef" not in listed
    assert run(channels_app, "remove", "hook").output == "hook: removed · 已删除\n"


def test_a_channel_to_a_device_that_is_not_registered_is_said(
    run: Run, store: Store
) -> None:
    added = run(channels_app, "add", "siren", "mqtt", "siren-1")
    assert added.exit_code == 0
    assert "siren: stored" in added.output
    assert "siren-1 is not registered" in added.output
    assert "未登记" in added.output
    Field(store).add("valve-1")
    added = run(channels_app, "add", "lamp", "mqtt", "valve-1")
    assert added.output == "lamp: stored · 已保存\n"


def test_a_mail_channel_without_a_server_is_said(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HEITU_SMTP_HOST", raising=False)
    monkeypatch.delenv("HEITU_SMTP_SENDER", raising=False)
    added = run(channels_app, "add", "vet", "email", "vet@example.org")
    assert "HEITU_SMTP_HOST" in added.output
    monkeypatch.setenv("HEITU_SMTP_HOST", "mail.example.org")
    monkeypatch.setenv("HEITU_SMTP_SENDER", "heitu@example.org")
    added = run(channels_app, "add", "vet-2", "email", "vet@example.org")
    assert added.output == "vet-2: stored · 已保存\n"


def test_a_command_is_queued_and_listed(run: Run, store: Store) -> None:
    Field(store).add("valve-1")
    sent = run(
        commands_app,
        *("send", "valve-1", "valve=open", "opening=40", "--force", "--id", "c1"),
    )
    assert sent.output == "c1: queued 待发\n"
    listed = run(commands_app, "list").output
    assert "valve=open, opening=40" in listed
    assert "queued 待发" in listed


def test_a_command_to_a_device_of_unknown_state_is_refused(
    run: Run, store: Store
) -> None:
    Field(store).add("valve-1")
    sent = run(commands_app, "send", "valve-1", "valve=open", "--id", "c1")
    assert sent.exit_code == 1
    assert "c1: refused" in sent.output
    assert "never reported" in sent.output
    assert "refused" in run(commands_app, "list", "--device", "valve-1").output


def test_a_command_that_cannot_be_is_refused(run: Run, store: Store) -> None:
    Field(store).add("valve-1")
    assert run(commands_app, "send", "valve-1", "valve").exit_code == 2
    wrong = run(commands_app, "send", "valve-1", "valve=half", "--force")
    assert isinstance(wrong.exception, CommandInvalid)
