"""What the routes about rules, alerts and commands take and give."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.errors import ApiError
from api.problems import ProblemKind
from sensors.alerts import RuleInvalid
from sensors.commands import CommandInvalid
from store.alerts import AlertUnknown
from store.commands import CommandConflict, CommandUnknown
from store.rules import RuleUnknown

__all__ = [
    "ALERT_PROBLEMS",
    "Acknowledgement",
    "Alert",
    "AlertChange",
    "AlertDetail",
    "Alerts",
    "Command",
    "CommandRefused",
    "Commands",
    "DeviceState",
    "NewCommand",
    "ReportedState",
    "Rule",
    "Rules",
]

Severity = Literal["info", "warning", "critical"]


class CommandRefused(ApiError):
    """A command was kept and refused: the device's present state is not known."""


ALERT_PROBLEMS: Mapping[type[Exception], ProblemKind] = {
    AlertUnknown: ProblemKind(404, "Alert unknown", "未知的警报"),
    RuleUnknown: ProblemKind(404, "Rule unknown", "未知的规则"),
    RuleInvalid: ProblemKind(422, "Rule invalid", "规则无效"),
    CommandUnknown: ProblemKind(404, "Command unknown", "未知的命令"),
    CommandInvalid: ProblemKind(422, "Command invalid", "命令无效"),
    CommandConflict: ProblemKind(409, "Command conflict", "命令编号冲突"),
    CommandRefused: ProblemKind(409, "Command refused", "命令被拒绝"),
}
"""Rows for the table of problems."""


class _Row(BaseModel):
    """Made of a row of the store."""

    model_config = ConfigDict(from_attributes=True)


class _Asked(BaseModel):
    """What a request says; a misspelt key is refused."""

    model_config = ConfigDict(extra="forbid")


class Rule(_Row):
    """A rule as it is stored."""

    name: str
    rule: dict[str, Any] = Field(validation_alias="body")
    changed_at: datetime
    changed_by: str


class Rules(BaseModel):
    """All rules by name."""

    rules: list[Rule]


class Alert(_Row):
    """An alert with its whole life.

    `summary_id` is set where a summary stands for it; `evidence` lists the readings
    that raised it.
    """

    id: int = Field(validation_alias="alert_id")
    rule: str
    kind: Literal["threshold", "rate", "silence", "formula", "summary"]
    farm: str
    device_id: str
    thing: str
    severity: Severity
    text_zh: str
    text_en: str
    value: float | None
    evidence: list[dict[str, Any]]
    simulated: bool
    opened_at: datetime
    noticed_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    note: str | None
    cleared_at: datetime | None
    cleared_because: Literal["settled", "rule changed"] | None
    summary_id: int | None


class Alerts(BaseModel):
    """Alerts, the last noticed first; `truncated`: the limit left out older ones."""

    alerts: list[Alert]
    truncated: bool


class AlertChange(_Row):
    """One line of an alert's record."""

    change: Literal["opened", "escalated", "reminded", "acknowledged", "cleared"]
    severity: Severity
    at: datetime
    by: str
    note: str


class AlertDetail(BaseModel):
    """An alert and what happened to it, oldest first."""

    alert: Alert
    history: list[AlertChange]


class Acknowledgement(_Asked):
    """Who looks after an alert."""

    by: str = Field(min_length=1, max_length=100)
    note: str = Field(default="", max_length=1000)


class NewCommand(_Asked):
    """A command to a device.

    `id` may be given as the header Idempotency-Key instead: the same id with the same
    content is the same command.
    """

    id: str | None = None
    # Strict, so that "true" stays a text and true is no number.
    set: dict[str, str | bool | int | float] = Field(min_length=1, max_length=20)
    valid_s: int = 300
    force: bool = False
    by: str = Field(default="http", min_length=1, max_length=100)


class Command(_Row):
    """A command and what became of it."""

    id: str = Field(validation_alias="command_id")
    device_id: str
    set: dict[str, str | bool | int | float] = Field(validation_alias="desired")
    valid_until: datetime
    forced: bool
    state: Literal[
        "queued",
        "sent",
        "delivered",
        "confirmed",
        "expired",
        "refused",
        "failed",
        "superseded",
    ]
    reason: str | None
    created_at: datetime
    created_by: str
    attempts: int
    sent_at: datetime | None
    settled_at: datetime | None


class Commands(BaseModel):
    """Commands of a device, the last made first."""

    commands: list[Command]
    truncated: bool


class ReportedState(_Row):
    """What an actuator last said; `time` is the device's."""

    value: str | bool | int | float
    time: datetime
    received_at: datetime


class DeviceState(BaseModel):
    """Newest reported state of each actuator of a device."""

    device: str
    state: dict[str, ReportedState]
    simulated: bool
