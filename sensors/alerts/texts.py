"""The texts of an alert, with the placeholders of its rule filled in."""

import re
from datetime import UTC, datetime, timedelta, timezone

from sensors.alerts.engine import Event
from sensors.alerts.rules import Rule
from sensors.alerts.targets import Target

__all__ = ["filled", "summary_texts", "texts"]

# People in the province read the clock of Beijing, which knows no summer time.
CHINA = timezone(timedelta(hours=8))


def texts(rule: Rule, target: Target, event: Event) -> tuple[str, str]:
    """Return the Chinese and the English text of an opened alert."""
    at = datetime.fromtimestamp(event.at_us / 1e6, UTC).astimezone(CHINA)
    time = f"{at:%Y-%m-%d %H:%M}"
    values = {
        "value": "" if event.value is None else f"{event.value:.6g}",
        "thing": target.thing,
        "device": target.device_id,
        "farm": target.farm,
        "time": time,
        "rule": rule.name,
    }
    # Who reads English may be anywhere.
    english = values | {"time": f"{time} UTC+8"}
    return filled(rule.text_zh, values), filled(rule.text_en, english)


def filled(text: str, values: dict[str, str]) -> str:
    """Replace ``{name}`` by its value, once: values are never looked into."""
    return re.sub(r"\{(\w+)\}", lambda m: values.get(m[1], m[0]), text)


def summary_texts(rule: Rule, farm: str, count: int) -> tuple[str, str]:
    """Return the texts of the one alert that stands for `count` of a rule."""
    where_zh, where_en = (farm, f" on {farm}") if farm else ("", "")
    return (
        f"{where_zh} {count} 处同时触发规则 {rule.name}".strip(),
        f"{count} alerts of rule {rule.name}{where_en} within a short time",
    )
