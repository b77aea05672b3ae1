"""Checks of channels before they are stored."""

import re
from datetime import datetime
from urllib.parse import urlsplit

from sensors.alerts.rules import Severity
from sensors.notify.errors import ChannelInvalid
from store.notifications import Channel

__all__ = ["channel", "shown"]

NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
# Of what RFC 5322 allows, what nobody misreads: no groups, comments, quotes or domain
# literals (li@[192.0.2.1]), on a half of which Python's mail parser breaks.
_APART = r"@\s,;:<>()\[\]\"\\"
MAIL = re.compile(
    rf"[^{_APART}]{{1,64}}@(?=.{{1,255}}$)[^{_APART}.]+(\.[^{_APART}.]+)*"
)
DEVICE = re.compile(r"[^/+#\s]{1,128}")
SHORTEST_SECRET = 16
MOST_PER_HOUR = 3600


def channel(
    *,
    name: str,
    kind: str,
    address: str,
    at: datetime,
    language: str = "zh",
    secret: str | None = None,
    farm: str | None = None,
    severity: str = "warning",
    per_hour: int = 60,
) -> Channel:
    """Make a checked channel.

    Parameters
    ----------
    name
        Lower-case letters, digits, ``-`` and ``_``.
    kind, address
        ``webhook`` with an http or https URL, ``email`` with a mail address, or
        ``mqtt`` with the id of a device.
    language
        ``zh`` or ``en``.
    secret
        Signs what a webhook gets; at least 16 characters.
    farm, severity
        Only alerts of this farm (None: of all), of this severity or above.
    per_hour
        Most notifications an hour.

    Raises
    ------
    ChannelInvalid
        A part of it cannot be.
    """
    _check(bool(NAME.fullmatch(name)), "name", "1-64 of a-z, 0-9, - and _", "名称无效")
    _check_address(kind, address)
    _check(language in ("zh", "en"), "language", "zh or en", "语言应为 zh 或 en")
    known = [one.value for one in Severity]
    _check(severity in known, "severity", ", ".join(known), "级别无效")
    _check(
        1 <= per_hour <= MOST_PER_HOUR,
        "per_hour",
        f"1 to {MOST_PER_HOUR}",
        "每小时条数超出范围",
    )
    if secret is not None:
        _check(kind == "webhook", "secret", "for webhooks only", "仅 webhook 可用密钥")
        long_enough = len(secret) >= SHORTEST_SECRET
        _check(
            long_enough, "secret", f"{SHORTEST_SECRET} characters or more", "密钥过短"
        )
    return Channel(
        name=name,
        kind=kind,
        address=address,
        language=language,
        secret=secret,
        farm=farm,
        severity=severity,
        per_hour=per_hour,
        created_at=at,
    )


def shown(channel: Channel) -> str:
    """Return the address as it may be shown: keys often stand in a webhook's path."""
    if channel.kind != "webhook":
        return channel.address
    parts = urlsplit(channel.address)
    host = parts.hostname or "?"
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}/…"


def _check_address(kind: str, address: str) -> None:
    match kind:
        case "webhook":
            _check_url(address)
        case "email":
            _check(
                bool(MAIL.fullmatch(address)), "address", "a mail address", "邮箱无效"
            )
        case "mqtt":
            _check(
                bool(DEVICE.fullmatch(address)), "address", "a device id", "设备无效"
            )
        case _:
            _check(False, "kind", "mqtt, webhook or email", "渠道类型无效")


def _check_url(address: str) -> None:
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        # Looked at, because a port that is no number raises only then.
        usable = usable and parts.port != 0 and parts.username is None
        # Raises for a name with an empty or too long part.
        (parts.hostname or "").encode("idna")
    except ValueError:
        usable = False
    usable = usable and address.isprintable() and " " not in address
    _check(usable, "address", "an http or https URL without user name", "网址无效")


def _check(right: bool, part: str, wanted: str, chinese: str) -> None:
    # What was given is not repeated: it may be a secret.
    if not right:
        raise ChannelInvalid(
            f"channel refused: {part} must be {wanted} · 通知渠道无效：{chinese}"
        )
