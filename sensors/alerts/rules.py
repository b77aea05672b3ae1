"""Rules: what must hold, where, for how long, and how loud it is.

A rule is made of a condition (`Threshold`, `Rate`, `Silence` or `Formula`) and of what
every rule has. All parts are checked when they are made, so a `Rule` that exists can be
evaluated.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Literal

from sensors.alerts.errors import RuleInvalid
from sensors.alerts.expressions import Expression, parse

__all__ = [
    "PLACEHOLDERS",
    "Condition",
    "Flaps",
    "Formula",
    "Group",
    "Input",
    "Rate",
    "Rule",
    "Scope",
    "Severity",
    "Side",
    "Silence",
    "Threshold",
]

Side = Literal["above", "below"]

PLACEHOLDERS = ("value", "thing", "device", "farm", "time", "rule")
"""What stands in braces in the texts of a rule."""

NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
INPUT_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
LONGEST_TEXT = 300
MOST_INPUTS = 8
# Ten years: a longer time is a slip of units.
LONGEST_S = 10 * 366 * 86_400.0
GOOD_FLAGS = frozenset({1, 2})
FLAGS = frozenset({1, 2, 3, 4, 9})


class Severity(StrEnum):
    """How soon somebody has to look."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for info, 1 for warning, 2 for critical."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True)
class Scope:
    """The streams a rule looks at: those that fit everything given.

    ``thing`` is a pattern with ``*`` and ``?``. At least one part must be given.
    """

    stream_id: int | None = None
    quantity: str | None = None
    device_id: str | None = None
    kind: str | None = None
    farm: str | None = None
    thing: str | None = None

    def __post_init__(self) -> None:
        if all(getattr(self, name) is None for name in self.__slots__):
            raise _invalid(
                "scope",
                "the scope is empty; give one of stream_id, quantity, device_id, kind,"
                " farm, thing",
                "规则的适用范围为空",
            )

    def takes(
        self,
        *,
        stream_id: int,
        quantity: str,
        device_id: str,
        kind: str,
        farm: str,
        thing: str,
    ) -> bool:
        """Tell whether a stream is in the scope."""
        return (
            self.stream_id in (None, stream_id)
            and self.quantity in (None, quantity)
            and self.device_id in (None, device_id)
            and self.kind in (None, kind)
            and self.farm in (None, farm)
            and (self.thing is None or fnmatchcase(thing, self.thing))
        )


@dataclass(frozen=True, slots=True)
class Threshold:
    """A value beyond ``level``, in the stream's unit.

    It ends only on the other side of ``clear`` (hysteresis). Beyond ``critical`` the
    alert becomes critical.
    """

    side: Side
    level: float
    clear: float | None = None
    critical: float | None = None

    def __post_init__(self) -> None:
        _check_levels(self.side, self.level, self.clear, self.critical)


@dataclass(frozen=True, slots=True)
class Rate:
    """A change per hour beyond ``level``, over the last ``window_s`` seconds.

    The change is from the oldest reading of the window to the newest; with less than
    half of the window between them there is no rate. ``below`` needs a negative level
    to speak of a fall.
    """

    side: Side
    level: float
    window_s: float = 3600.0
    clear: float | None = None
    critical: float | None = None

    def __post_init__(self) -> None:
        _check_levels(self.side, self.level, self.clear, self.critical)
        _check_seconds("window_s", self.window_s, least=1.0)


@dataclass(frozen=True, slots=True)
class Silence:
    """No reading of any stream in scope of a device for ``after_s`` seconds."""

    after_s: float

    def __post_init__(self) -> None:
        _check_seconds("after_s", self.after_s, least=1.0)


@dataclass(frozen=True, slots=True)
class Input:
    """A name of a formula: a quantity of the device (or thing), or one stream.

    A value older than ``maximum_age_s`` at the time of evaluation does not count.
    """

    quantity: str | None = None
    stream_id: int | None = None
    maximum_age_s: float = 3600.0

    def __post_init__(self) -> None:
        if (self.quantity is None) == (self.stream_id is None):
            raise _invalid(
                "inputs",
                "an input needs either a quantity or a stream_id",
                "输入需要 quantity 或 stream_id 其中之一",
            )
        _check_seconds("maximum_age_s", self.maximum_age_s, least=0.0)


@dataclass(frozen=True, slots=True)
class Formula:
    """A condition over several streams, as `sensors.alerts.expressions` reads it.

    ``clear`` must hold for the alert to end (default: the expression does not), and
    ``critical`` makes it critical. ``by`` says whose streams belong together. All
    three are checked, and raise ExpressionInvalid, when the formula is made.
    """

    expression: str
    inputs: Mapping[str, Input]
    clear: str | None = None
    critical: str | None = None
    by: Literal["device", "thing"] = "device"
    raised: Expression = field(init=False, repr=False, compare=False)
    cleared: Expression | None = field(init=False, repr=False, compare=False)
    worse: Expression | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_inputs(self.inputs)
        if self.by not in ("device", "thing"):
            raise _invalid(
                "by",
                f"by is {self.by!r}, not device or thing",
                "by 只能是 device 或 thing",
            )
        names = self.inputs.keys()
        fix = object.__setattr__
        fix(self, "inputs", MappingProxyType(dict(self.inputs)))
        fix(self, "raised", parse(self.expression, names=names))
        fix(self, "cleared", parse(self.clear, names=names) if self.clear else None)
        fix(self, "worse", parse(self.critical, names=names) if self.critical else None)


Condition = Threshold | Rate | Silence | Formula


@dataclass(frozen=True, slots=True)
class Flaps:
    """An alert that comes and goes stays open.

    Opened ``openings`` times within ``window_s``, it is not cleared before the first
    of them is that long ago.
    """

    openings: int = 3
    window_s: float = 3600.0

    def __post_init__(self) -> None:
        _check_count("flaps.openings", self.openings)
        _check_seconds("flaps.window_s", self.window_s, least=0.0)


@dataclass(frozen=True, slots=True)
class Group:
    """More than ``openings`` on one farm within ``window_s`` become one summary."""

    openings: int = 5
    window_s: float = 600.0

    def __post_init__(self) -> None:
        _check_count("group.openings", self.openings)
        _check_seconds("group.window_s", self.window_s, least=0.0)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, whole.

    Attributes
    ----------
    name
        Lower-case letters, digits, ``-`` and ``_``; unique.
    condition, scope, severity
        What, where, how loud.
    text_zh, text_en
        What people read; ``{value}`` and the other `PLACEHOLDERS` are filled in.
    duration_s
        The condition must hold that long, in readings, before the alert opens.
    gap_s
        A longer pause between readings begins the duration anew: nobody knows what
        was between.
    settle_s
        It must be over that long before the alert is cleared.
    remind_s
        Pause between reminders while it is open and nobody acknowledged it; None
        sends none.
    escalate_s
        Unacknowledged that long, it becomes critical; None never.
    flaps, group
        Limits against storms of alerts.
    flags
        QARTOD flags of the readings that count; the others neither raise nor clear.
    """

    name: str
    condition: Condition
    scope: Scope
    severity: Severity
    text_zh: str
    text_en: str
    duration_s: float = 0.0
    gap_s: float = 7200.0
    settle_s: float = 0.0
    remind_s: float | None = None
    escalate_s: float | None = None
    flaps: Flaps = field(default_factory=Flaps)
    group: Group = field(default_factory=Group)
    flags: frozenset[int] = GOOD_FLAGS

    def __post_init__(self) -> None:
        _check_name(self.name)
        for name in ("text_zh", "text_en"):
            _check_text(name, getattr(self, name))
        for name in ("duration_s", "gap_s", "settle_s"):
            _check_seconds(name, getattr(self, name), least=0.0)
        for name in ("remind_s", "escalate_s"):
            if getattr(self, name) is not None:
                _check_seconds(name, getattr(self, name), least=60.0)
        if not self.flags or not self.flags <= FLAGS:
            raise _invalid(
                "flags",
                f"flags are {sorted(self.flags)}, not some of {sorted(FLAGS)}",
                "质量标志无效",
            )
        self._check_scope()

    @property
    def kind(self) -> str:
        """``threshold``, ``rate``, ``silence`` or ``formula``."""
        return type(self.condition).__name__.lower()

    def _check_scope(self) -> None:
        scope = self.scope
        single = isinstance(self.condition, Threshold | Rate)
        if single and scope.quantity is None and scope.stream_id is None:
            raise _invalid(
                "scope",
                f"a {self.kind} rule needs a quantity or a stream_id in its scope:"
                " levels of different quantities cannot be compared",
                "此类规则的范围须给出 quantity 或 stream_id",
            )
        if isinstance(self.condition, Formula) and scope.quantity is not None:
            raise _invalid(
                "scope",
                "a formula names its quantities in inputs, not in the scope",
                "公式规则在 inputs 中给出 quantity，而非 scope",
            )


def _check_levels(
    side: str, level: float, clear: float | None, critical: float | None
) -> None:
    """Check that clear <= level <= critical, or the reverse for ``below``."""
    if side not in ("above", "below"):
        raise _invalid(
            "side",
            f"side is {side!r}, not above or below",
            "side 只能是 above 或 below",
        )
    for name, value in (("level", level), ("clear", clear), ("critical", critical)):
        if value is not None and not math.isfinite(value):
            raise _invalid(name, f"{name} is {value}, not finite", f"{name} 不是有限数")
    sign = 1.0 if side == "above" else -1.0
    if clear is not None and sign * clear > sign * level:
        raise _invalid(
            "clear",
            f"clear {clear:g} lies beyond level {level:g}: with side {side} the alert"
            " could never settle",
            "解除值越过了触发值",
        )
    if critical is not None and sign * critical < sign * level:
        raise _invalid(
            "critical",
            f"critical {critical:g} comes before level {level:g} on side {side}",
            "严重值应在触发值之外",
        )


def _check_inputs(inputs: Mapping[str, Input]) -> None:
    if not 1 <= len(inputs) <= MOST_INPUTS:
        raise _invalid(
            "inputs",
            f"a formula has 1 to {MOST_INPUTS} inputs, not {len(inputs)}",
            f"公式应有 1 至 {MOST_INPUTS} 个输入",
        )
    for name in inputs:
        if not INPUT_NAME.fullmatch(name):
            raise _invalid(
                "inputs",
                f"input name {name!r:.40}: use a-z, 0-9 and _, a letter first",
                "输入名称只能用小写字母、数字和下划线",
            )
    # The scope of the others is the device or the thing: a stream has its own.
    if len({source.stream_id is None for source in inputs.values()}) > 1:
        raise _invalid(
            "inputs",
            "inputs are all quantities or all streams, not both",
            "输入应全部为 quantity 或全部为 stream_id",
        )


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise _invalid(
            "name",
            f"rule name {name!r:.80}: use 1-64 of a-z, 0-9, - and _, a letter first",
            "规则名只能用小写字母、数字、- 和 _，以字母开头",
        )


def _check_text(name: str, text: str) -> None:
    if not text.strip() or len(text) > LONGEST_TEXT:
        raise _invalid(
            name, f"{name} must have 1 to {LONGEST_TEXT} characters", "文本为空或过长"
        )
    unknown = set(re.findall(r"\{([^}]*)\}", text)) - set(PLACEHOLDERS)
    if unknown:
        raise _invalid(
            name,
            f"{name} holds {{{min(unknown)}}}; known: "
            + ", ".join(f"{{{placeholder}}}" for placeholder in PLACEHOLDERS),
            "文本中有未知的占位符",
        )


def _check_seconds(name: str, seconds: float, *, least: float) -> None:
    if not least <= seconds <= LONGEST_S:
        raise _invalid(
            name,
            f"{name} is {seconds:g} seconds, not {least:g} to {LONGEST_S:g}",
            f"{name} 超出范围（秒）",
        )


def _check_count(name: str, count: int) -> None:
    if not 1 <= count <= 1_000_000:
        raise _invalid(name, f"{name} is {count}, not 1 to 1000000", f"{name} 超出范围")


def _invalid(field_name: str, english: str, chinese: str) -> RuleInvalid:
    return RuleInvalid(
        f"rule refused: {english} · 规则无效：{chinese}", field=field_name
    )
