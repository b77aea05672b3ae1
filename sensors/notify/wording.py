"""What a notification says: one body for programs, texts for people."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from store.notifications import Notification

__all__ = ["body", "key", "mail_text", "subject"]

CHINA = timezone(timedelta(hours=8))

_CHANGES = {
    "opened": ("警报", "Alert"),
    "escalated": ("警报升级", "Alert escalated"),
    "reminded": ("警报未处理", "Alert still open"),
    "cleared": ("警报解除", "Alert cleared"),
}
_SEVERITIES = {
    "info": ("提示", "info"),
    "warning": ("警告", "warning"),
    "critical": ("严重", "critical"),
}
_SIMULATED = ("[模拟数据] ", "[simulated] ")


def key(notification: Notification) -> str:
    """Return what is the same in every attempt, and in no other notification."""
    return f"heitu-{notification.change_id}-{notification.channel}"


def body(notification: Notification) -> bytes:
    """Return a notification as JSON."""
    said: dict[str, Any] = {
        "key": key(notification),
        "change": notification.change,
        "at": _iso(notification.at),
        "alert": {
            "id": notification.alert_id,
            "rule": notification.rule,
            "kind": notification.alert_kind,
            "severity": notification.severity,
            "farm": notification.farm,
            "device": notification.device_id or None,
            "thing": notification.thing or None,
            "text_zh": notification.text_zh,
            "text_en": notification.text_en,
            "value": notification.value,
            "readings": notification.evidence,
            "simulated": notification.simulated,
            "opened_at": _iso(notification.opened_at),
        },
    }
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()


def subject(notification: Notification, language: str) -> str:
    """Return one line that says what happened, in Chinese or English."""
    index = 0 if language == "zh" else 1
    change = _CHANGES[notification.change][index]
    severity = _SEVERITIES[notification.severity][index]
    text = (notification.text_zh, notification.text_en)[index]
    simulated = _SIMULATED[index] if notification.simulated else ""
    opening, closing = ("（", "）：") if language == "zh" else (" (", "): ")
    line = f"{simulated}{change}{opening}{severity}{closing}{text}"
    return " ".join(line.split())


def mail_text(notification: Notification) -> str:
    """Return the text of a mail, in both languages, the channel's first."""
    parts = [_paragraph(notification, "zh"), _paragraph(notification, "en")]
    if notification.language == "en":
        parts.reverse()
    return "\n\n".join(parts) + "\n"


def _paragraph(notification: Notification, language: str) -> str:
    index = 0 if language == "zh" else 1
    words = (
        ("农场", "设备", "对象", "开始时间", "规则", "编号"),
        ("Farm", "Device", "Thing", "Since", "Rule", "Number"),
    )[index]
    since = notification.opened_at.astimezone(CHINA)
    values = (
        notification.farm,
        notification.device_id,
        notification.thing,
        f"{since:%Y-%m-%d %H:%M} UTC+8",
        notification.rule,
        str(notification.alert_id),
    )
    lines = [
        f"{word}: {value}" for word, value in zip(words, values, strict=True) if value
    ]
    return "\n".join([subject(notification, language), *lines])


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
