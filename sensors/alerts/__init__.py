"""Rules over streams, and the alerts they raise."""

from sensors.alerts.engine import (
    Change,
    Event,
    Evidence,
    Reading,
    State,
    acknowledged,
    step,
)
from sensors.alerts.errors import ExpressionInvalid, RuleInvalid
from sensors.alerts.expressions import Expression, parse
from sensors.alerts.rule_json import from_json, from_text, to_json
from sensors.alerts.rules import (
    Condition,
    Flaps,
    Formula,
    Group,
    Input,
    Rate,
    Rule,
    Scope,
    Severity,
    Silence,
    Threshold,
)
from sensors.alerts.targets import RuledStream, Target, targets
from sensors.alerts.texts import texts

__all__ = [
    "Change",
    "Condition",
    "Event",
    "Evidence",
    "Expression",
    "ExpressionInvalid",
    "Flaps",
    "Formula",
    "Group",
    "Input",
    "Rate",
    "Reading",
    "Rule",
    "RuleInvalid",
    "RuledStream",
    "Scope",
    "Severity",
    "Silence",
    "State",
    "Target",
    "Threshold",
    "acknowledged",
    "from_json",
    "from_text",
    "parse",
    "step",
    "targets",
    "texts",
    "to_json",
]
