"""Channels to people and devices, and the notifications that wait for them.

A notification is written in the transaction of the change that it tells, and stays
queued until its channel took it: told at least once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import psycopg
from psycopg.rows import class_row

from store.alerts import Said
from store.errors import StoreError

__all__ = [
    "Channel",
    "ChannelExists",
    "ChannelUnknown",
    "Notification",
    "add_channel",
    "channels",
    "claim",
    "postpone",
    "queued",
    "remove_channel",
    "settle",
]


class ChannelExists(StoreError):
    """A channel of this name is already there."""


class ChannelUnknown(StoreError):
    """No channel has this name."""


@dataclass(frozen=True, slots=True)
class Channel:
    """Where notifications go.

    Attributes
    ----------
    kind
        mqtt, webhook or email.
    address
        Device id, URL, or mail address.
    language
        zh or en: the one that comes first.
    secret
        Key that signs what a webhook gets; not shown.
    farm
        Only alerts of this farm; None for all.
    severity
        Only alerts of this severity or above.
    per_hour
        Most notifications an hour; further ones wait.
    """

    name: str
    kind: str
    address: str
    language: str
    secret: str | None = field(repr=False)
    farm: str | None
    severity: str
    per_hour: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification(Said):
    """One change of an alert, to be told over one channel.

    ``change_id`` with the channel's name is the key by which a receiver knows one that
    comes twice. ``device_farm`` is the farm of the device that an mqtt channel names,
    None where there is none.
    """

    notification_id: int
    attempts: int
    change_id: int
    change: str
    at: datetime
    channel: str
    kind: str
    address: str
    language: str
    secret: str | None = field(repr=False)
    device_farm: str | None
    alert_id: int
    alert_kind: str


def add_channel(conn: psycopg.Connection, channel: Channel) -> None:
    """Add a channel; it is told what happens from now on.

    Raises
    ------
    ChannelExists
        The name is taken; nothing was changed.
    """
    added = conn.execute(
        "INSERT INTO notification_channel (name, kind, address, language, secret, farm,"
        " severity, per_hour, created_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (name) DO NOTHING",
        [
            *(channel.name, channel.kind, channel.address, channel.language),
            *(channel.secret, channel.farm, channel.severity, channel.per_hour),
            channel.created_at,
        ],
    )
    if not added.rowcount:
        raise ChannelExists(
            f"a channel {channel.name!r} is already there: choose another name, or"
            f" remove it first · 通知渠道 {channel.name} 已存在"
        )


def channels(conn: psycopg.Connection) -> list[Channel]:
    """Return all channels by name."""
    with conn.cursor(row_factory=class_row(Channel)) as cursor:
        cursor.execute(
            "SELECT name, kind, address, language, secret, farm, severity::text,"
            " per_hour, created_at FROM notification_channel ORDER BY name"
        )
        return cursor.fetchall()


def remove_channel(conn: psycopg.Connection, name: str) -> None:
    """Remove a channel with what waits for it.

    Raises
    ------
    ChannelUnknown
        There is none of that name.
    """
    removed = conn.execute("DELETE FROM notification_channel WHERE name = %s", [name])
    if not removed.rowcount:
        raise ChannelUnknown(
            f"no channel has the name {name!r}: `heitu channels list` shows those there"
            f" are · 没有名为 {name} 的通知渠道"
        )


def claim(
    conn: psycopg.Connection, *, at: datetime, lease: timedelta, limit: int
) -> list[Notification]:
    """Take notifications that are due, so that no other process sends them meanwhile.

    A channel gets no more than its number an hour, attempts counted. Commit before
    sending; what is not settled or postponed within `lease` is due again.

    Parameters
    ----------
    limit
        Most notifications of one channel.
    """
    # By channel: a full or silent one takes no place from the others.
    taken = conn.execute(
        "WITH room AS (SELECT channel_id, least(%(limit)s, per_hour - (SELECT count(*)"
        "   FROM notification WHERE channel_id = channel.channel_id"
        "   AND tried_at > %(at)s - interval '1 hour')) AS room"
        "  FROM notification_channel AS channel),"
        " due AS (SELECT waiting.notification_id FROM room CROSS JOIN LATERAL"
        "  (SELECT notification_id FROM notification"
        "   WHERE channel_id = room.channel_id AND state = 'queued'"
        "   AND due_at <= %(at)s ORDER BY notification_id"
        "   LIMIT greatest(room.room, 0) FOR UPDATE SKIP LOCKED) AS waiting)"
        " UPDATE notification SET attempts = attempts + 1, due_at = %(until)s,"
        " tried_at = %(at)s"
        " FROM due WHERE notification.notification_id = due.notification_id"
        " RETURNING notification.notification_id",
        {"at": at, "until": at + lease, "limit": limit},
    ).fetchall()
    return _notifications(conn, [number for (number,) in taken])


def _notifications(
    conn: psycopg.Connection, numbers: Sequence[int]
) -> list[Notification]:
    # In their order: a clearing must not be told before its opening.
    with conn.cursor(row_factory=class_row(Notification)) as cursor:
        cursor.execute(
            "SELECT notification_id, attempts, change_id, change, alert_change.at,"
            " channel.name AS channel, channel.kind, address, language, secret,"
            " device.farm AS device_farm, alert_id, rule, alert.kind AS alert_kind,"
            " alert.farm, alert.device_id, thing, alert_change.severity::text,"
            " text_zh, text_en, value, evidence, alert.simulated, opened_at"
            " FROM notification JOIN notification_channel AS channel USING (channel_id)"
            " JOIN alert_change USING (change_id) JOIN alert USING (alert_id)"
            " LEFT JOIN device ON channel.kind = 'mqtt' AND device.device_id = address"
            " WHERE notification_id = ANY(%s) ORDER BY notification_id",
            [list(numbers)],
        )
        return cursor.fetchall()


def settle(
    conn: psycopg.Connection,
    notification_id: int,
    *,
    at: datetime,
    error: str | None = None,
) -> None:
    """End a notification: sent, or failed for good with `error`."""
    conn.execute(
        "UPDATE notification SET state = %s, settled_at = %s, error = %s"
        " WHERE notification_id = %s AND state = 'queued'",
        ["failed" if error else "sent", at, error, notification_id],
    )


def postpone(
    conn: psycopg.Connection, notification_id: int, *, due_at: datetime, error: str
) -> None:
    """Let a notification wait for another attempt."""
    conn.execute(
        "UPDATE notification SET due_at = %s, error = %s"
        " WHERE notification_id = %s AND state = 'queued'",
        [due_at, error, notification_id],
    )


def queued(conn: psycopg.Connection) -> dict[str, dict[str, int]]:
    """Count the notifications of each channel by state."""
    counts: dict[str, dict[str, int]] = {}
    for name, state, number in conn.execute(
        "SELECT name, state, count(*) FROM notification"
        " JOIN notification_channel USING (channel_id) GROUP BY name, state"
    ):
        counts.setdefault(name, {})[state] = number
    return counts
