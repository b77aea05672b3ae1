"""Small rules and series; times are in minutes, which reads better than 60_000_000."""

from collections.abc import Sequence
from typing import Any

from sensors.alerts import (
    Change,
    Condition,
    Event,
    Flaps,
    Reading,
    Rule,
    Scope,
    Severity,
    State,
    step,
)

MINUTE = 60_000_000


def rule(condition: Condition, **parts: Any) -> Rule:
    given: dict[str, Any] = {
        "scope": Scope(stream_id=1),
        "severity": Severity.WARNING,
        "flaps": Flaps(openings=1000),
    } | parts
    return Rule(
        name="test", condition=condition, text_zh="测试", text_en="Test", **given
    )


def series(
    *points: tuple[float, float], stream: int = 1, quantity: str = "", flag: int = 1
) -> list[Reading]:
    return [
        Reading(stream, round(minute * MINUTE), value, flag, quantity)
        for minute, value in points
    ]


def run(
    of: Rule,
    *batches: Sequence[Reading],
    now: float | None = None,
    state: State | None = None,
) -> list[Event]:
    """Evaluate batches one after the other, the clock at the last reading of each."""
    state = state or State()
    events: list[Event] = []
    for batch in batches:
        at = max((reading.time_us for reading in batch), default=0)
        clock = at if now is None else round(now * MINUTE)
        state, new = step(of, state, batch, clock)
        events += new
    return events


def told(events: Sequence[Event]) -> list[tuple[Change, float]]:
    return [(event.change, event.at_us / MINUTE) for event in events]
