"""Rules as JSON: what files, requests and the store hold.

Unknown keys are refused: a misspelt one would silently change what a rule means.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, fields
from typing import Any, TypeVar

from sensors.alerts.errors import RuleInvalid
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

__all__ = ["from_json", "from_text", "to_json"]

CONDITIONS: Mapping[str, type[Condition]] = {
    "threshold": Threshold,
    "rate": Rate,
    "silence": Silence,
    "formula": Formula,
}
# Kept out of what is written and read: made from the others.
_DERIVED = {"raised", "cleared", "worse"}
LARGEST_FILE = 65_536

T = TypeVar("T")


def to_json(rule: Rule) -> dict[str, Any]:
    """Return a rule as what `from_json` takes; parts left at None are left out."""
    body = {
        f.name: getattr(rule, f.name)
        for f in fields(rule)
        if f.name not in ("condition", "scope", "flaps", "group", "flags")
    }
    body["severity"] = rule.severity.value
    body["condition"] = {"type": rule.kind} | _condition_json(rule.condition)
    body["scope"] = _given(asdict(rule.scope))
    body["flaps"] = asdict(rule.flaps)
    body["group"] = asdict(rule.group)
    body["flags"] = sorted(rule.flags)
    return _given(body)


def _condition_json(condition: Condition) -> dict[str, Any]:
    names = [f.name for f in fields(condition) if f.name not in _DERIVED]
    body = {name: getattr(condition, name) for name in names}
    if isinstance(condition, Formula):
        body["inputs"] = {n: _given(asdict(i)) for n, i in condition.inputs.items()}
    return _given(body)


def _given(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}


def from_text(text: str) -> Rule:
    """Read a rule from JSON text.

    Raises
    ------
    RuleInvalid
        It is no JSON, or no rule.
    """
    if len(text) > LARGEST_FILE:
        raise _wrong("rule", f"longer than {LARGEST_FILE} characters", "规则过长")
    try:
        body = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise _wrong("rule", f"is not JSON ({error})", "不是有效的 JSON") from None
    return from_json(body)


def from_json(body: object) -> Rule:
    """Make a rule of decoded JSON, with every part checked.

    Raises
    ------
    RuleInvalid
        A key is missing, unknown or of another type, or a value is out of range.
    """
    given = dict(_mapping(body, "rule"))
    convert: dict[str, Callable[[object], object]] = {
        "condition": _condition,
        "scope": lambda value: _build(Scope, value, "scope"),
        "severity": _severity,
        "flaps": lambda value: _build(Flaps, value, "flaps"),
        "group": lambda value: _build(Group, value, "group"),
        "flags": _flags,
    }
    return _build(Rule, given, "rule", convert)


def _condition(value: object) -> Condition:
    given = dict(_mapping(value, "condition"))
    kind = given.pop("type", None)
    if not isinstance(kind, str) or kind not in CONDITIONS:
        raise _wrong(
            "condition.type",
            f"is {kind!r:.40}, not one of {', '.join(CONDITIONS)}",
            "未知的规则类型",
        )
    return _build(CONDITIONS[kind], given, "condition", {"inputs": _inputs})


def _inputs(value: object) -> dict[str, Input]:
    return {
        str(name): _build(Input, source, f"inputs.{name}")
        for name, source in _mapping(value, "inputs").items()
    }


def _severity(value: object) -> Severity:
    try:
        return Severity(str(value))
    except ValueError:
        raise _wrong(
            "severity",
            f"is {value!r:.40}, not info, warning or critical",
            "级别只能是 info、warning 或 critical",
        ) from None


def _flags(value: object) -> frozenset[int]:
    if not isinstance(value, list) or not all(type(flag) is int for flag in value):
        raise _wrong("flags", "is no list of whole numbers", "应为整数列表")
    return frozenset(value)


def _build(
    kind: type[T],
    value: object,
    place: str,
    convert: Mapping[str, Callable[[object], object]] | None = None,
) -> T:
    """Make a dataclass of a JSON object whose keys are its fields."""
    given = _mapping(value, place)
    known = {f.name: f for f in fields(kind) if f.init}  # type: ignore[arg-type]
    if unknown := sorted(map(str, given.keys() - known.keys())):
        raise _wrong(
            f"{place}.{unknown[0]}",
            f"is unknown; known: {', '.join(known)}",
            "未知的键",
        )
    for name, item in known.items():
        required = item.default is MISSING and item.default_factory is MISSING
        if required and given.get(name) is None:
            raise _wrong(f"{place}.{name}", "is missing", "缺失")
    parts = {
        name: (convert or {}).get(name, _plain(str(known[name].type), place, name))(
            part
        )
        for name, part in given.items()
        if part is not None
    }
    return kind(**parts)


def _plain(annotation: str, place: str, name: str) -> Callable[[object], object]:
    """Return the check of a number or a text by the annotation of its field."""
    wanted = annotation.lower()

    def check(value: object) -> object:
        if isinstance(value, int | float) and not isinstance(value, bool):
            if "float" in wanted:
                return _float(value, f"{place}.{name}")
            if "int" in wanted and isinstance(value, int):
                return value
        if isinstance(value, str) and not ("float" in wanted or "int" in wanted):
            return value
        kind = "a number" if "float" in wanted or "int" in wanted else "a text"
        raise _wrong(f"{place}.{name}", f"is {value!r:.40}, not {kind}", "类型不对")

    return check


def _float(value: int | float, place: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise _wrong(place, "is too large", "数值过大") from None


def _mapping(value: object, place: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise _wrong(place, "is not a JSON object", "应为 JSON 对象")
    return value


def _wrong(place: str, english: str, chinese: str) -> RuleInvalid:
    return RuleInvalid(
        f"rule refused: {place} {english} · 规则无效：{place} {chinese}", field=place
    )
