"""Alerts: opened once, acknowledged by somebody, cleared, and never forgotten."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from store.errors import StoreError

__all__ = [
    "Alert",
    "AlertChange",
    "AlertUnknown",
    "NewAlert",
    "OpenAlert",
    "Said",
    "acknowledge",
    "announce",
    "clear",
    "clear_stale",
    "clear_summaries",
    "escalate",
    "find",
    "get",
    "grow",
    "history",
    "members",
    "new_readings",
    "newest_readings",
    "open_alert",
    "open_alerts",
    "recent_openings",
]

ENGINE = "rules"
"""Who opens and clears alerts, as their changes name it."""

_MICROSECONDS = "(extract(epoch FROM time) * 1000000)::bigint"
_COLUMNS = sql.SQL(
    "alert_id, rule, kind, farm, device_id, thing, severity::text, text_zh, text_en,"
    " value, evidence, simulated, opened_at, noticed_at, acknowledged_at,"
    " acknowledged_by, note, cleared_at, cleared_because, summary_id"
)

Row = tuple[int, int, float, int]
"""Stream, microseconds since 1970 UTC, value, flag."""


class AlertUnknown(StoreError):
    """No alert has this number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What an alert says; ``severity`` is info, warning or critical.

    ``evidence`` lists the readings that raised it, each with ``stream_id``, ``time``
    and ``value``. ``opened_at`` is by the readings.
    """

    rule: str
    farm: str
    device_id: str
    thing: str
    severity: str
    text_zh: str
    text_en: str
    value: float | None
    evidence: Sequence[dict[str, Any]]
    simulated: bool
    opened_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAlert(Said):
    """An alert to be opened; ``noticed_at`` is by the clock."""

    rule_id: int
    key: str
    kind: str
    noticed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert(Said):
    """An alert with its whole life; ``summary_id`` names the one that stands for it."""

    alert_id: int
    kind: str
    noticed_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    note: str | None
    cleared_at: datetime | None
    cleared_because: str | None
    summary_id: int | None


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """What the evaluation needs to know of an alert that is not cleared."""

    alert_id: int
    rule_id: int
    key: str
    farm: str
    acknowledged: bool
    summary_id: int | None


@dataclass(frozen=True, slots=True)
class AlertChange:
    """One line of an alert's record: what happened, when, by whom."""

    change: str
    severity: str
    at: datetime
    by: str
    note: str


def new_readings(
    conn: psycopg.Connection,
    stream_ids: Sequence[int],
    after_us: Sequence[int],
    *,
    limit: int,
) -> list[Row]:
    """Return the readings of each stream after its cursor, oldest first.

    One statement, through the primary key.

    Parameters
    ----------
    stream_ids, after_us
        Streams, and for each the time after which to look.
    limit
        Most readings of one stream; the oldest ones are returned.
    """
    # LATERAL, so that the limit is each stream's own: one that sends much must not
    # crowd out the others, whose cursors would then stand still.
    cursor = conn.execute(
        f"SELECT stream_id, {_MICROSECONDS}, value, flag"
        " FROM unnest(%(ids)s::int[], %(after)s::bigint[]) AS ruled (id, after)"
        " CROSS JOIN LATERAL (SELECT stream_id, time, value, flag FROM reading"
        "  WHERE stream_id = ruled.id AND time >"
        "   timestamptz 'epoch' + ruled.after * interval '1 microsecond'"
        "  ORDER BY time LIMIT %(limit)s) AS new ORDER BY time, stream_id",
        {"ids": list(stream_ids), "after": list(after_us), "limit": limit},
    )
    return cursor.fetchall()


def newest_readings(conn: psycopg.Connection, stream_ids: Sequence[int]) -> list[Row]:
    """Return the newest reading of each stream that has one."""
    cursor = conn.execute(
        f"SELECT stream_id, {_MICROSECONDS}, value, flag"
        " FROM unnest(%(ids)s::int[]) AS ruled (id)"
        " CROSS JOIN LATERAL (SELECT stream_id, time, value, flag FROM reading"
        "  WHERE stream_id = ruled.id"
        "  ORDER BY time DESC LIMIT 1) AS newest ORDER BY time, stream_id",
        {"ids": list(stream_ids)},
    )
    return cursor.fetchall()


def open_alerts(conn: psycopg.Connection) -> list[OpenAlert]:
    """Return all alerts that are not cleared, summaries included."""
    with conn.cursor(row_factory=class_row(OpenAlert)) as cursor:
        cursor.execute(
            "SELECT alert_id, rule_id, key, farm, acknowledged_at IS NOT NULL AS"
            " acknowledged, summary_id FROM alert WHERE cleared_at IS NULL"
        )
        return cursor.fetchall()


def recent_openings(
    conn: psycopg.Connection, rule_id: int, farm: str, *, since: datetime
) -> int:
    """Count the alerts of a rule on a farm noticed after `since`."""
    row = conn.execute(
        "SELECT count(*) FROM alert WHERE rule_id = %s AND farm = %s"
        " AND noticed_at > %s AND kind <> 'summary'",
        [rule_id, farm, since],
    ).fetchone()
    return int(row[0]) if row else 0


def open_alert(
    conn: psycopg.Connection, new: NewAlert, *, summary_id: int | None
) -> int:
    """Open an alert and return its number; one of a summary is not announced."""
    row = conn.execute(
        "INSERT INTO alert (rule_id, rule, key, kind, farm, device_id, thing, severity,"
        " text_zh, text_en, value, evidence, simulated, opened_at, noticed_at,"
        " summary_id) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s,"
        " %s, %s) RETURNING alert_id",
        [
            *(new.rule_id, new.rule, new.key, new.kind, new.farm, new.device_id),
            *(new.thing, new.severity, new.text_zh, new.text_en, new.value),
            *(Jsonb(list(new.evidence)), new.simulated, new.opened_at),
            *(new.noticed_at, summary_id),
        ],
    ).fetchone()
    assert row is not None
    alert_id = int(row[0])
    _note(conn, alert_id, "opened", at=new.opened_at, now=new.noticed_at)
    return alert_id


def grow(
    conn: psycopg.Connection, summary_id: int, *, count: int, texts: tuple[str, str]
) -> None:
    """Say anew, in Chinese and English, for how many alerts a summary stands."""
    conn.execute(
        "UPDATE alert SET value = %s, text_zh = %s, text_en = %s WHERE alert_id = %s",
        [count, *texts, summary_id],
    )


def members(conn: psycopg.Connection, summary_id: int) -> int:
    """Count the alerts that a summary stands for, cleared ones too."""
    row = conn.execute(
        "SELECT count(*) FROM alert WHERE summary_id = %s", [summary_id]
    ).fetchone()
    return int(row[0]) if row else 0


def escalate(
    conn: psycopg.Connection,
    alert_id: int,
    severity: str,
    *,
    at: datetime,
    now: datetime,
) -> None:
    """Raise the severity of an alert, and of the summary that stands for it."""
    # The type alert_severity is ordered: a summary that is as loud already stays.
    raised = conn.execute(
        "UPDATE alert SET severity = %(to)s WHERE cleared_at IS NULL"
        " AND severity < %(to)s AND alert_id IN (%(id)s,"
        " (SELECT summary_id FROM alert WHERE alert_id = %(id)s)) RETURNING alert_id",
        {"id": alert_id, "to": severity},
    )
    for (changed,) in raised.fetchall():
        _note(conn, changed, "escalated", at=at, now=now)


def announce(
    conn: psycopg.Connection, alert_id: int, *, at: datetime, now: datetime
) -> None:
    """Remind people of an alert."""
    _note(conn, alert_id, "reminded", at=at, now=now)


def clear(
    conn: psycopg.Connection,
    alert_id: int,
    *,
    at: datetime,
    now: datetime,
    because: str,
) -> bool:
    """Clear an alert; False when it was cleared before."""
    cleared = conn.execute(
        "UPDATE alert SET cleared_at = %s, cleared_because = %s"
        " WHERE alert_id = %s AND cleared_at IS NULL",
        [at, because, alert_id],
    )
    if cleared.rowcount:
        _note(conn, alert_id, "cleared", at=at, now=now)
    return cleared.rowcount > 0


def clear_stale(
    conn: psycopg.Connection, stale: Sequence[int], *, now: datetime
) -> None:
    """Clear alerts whose rule was changed or removed, or no longer takes the target."""
    for alert_id in stale:
        clear(conn, alert_id, at=now, now=now, because="rule changed")
    clear_summaries(conn, now=now)


def clear_summaries(conn: psycopg.Connection, *, now: datetime) -> None:
    """Clear each summary whose alerts are all cleared."""
    over = conn.execute(
        "SELECT alert_id FROM alert AS summary WHERE kind = 'summary'"
        " AND cleared_at IS NULL AND NOT EXISTS (SELECT FROM alert AS member"
        "  WHERE member.summary_id = summary.alert_id AND member.cleared_at IS NULL)"
    ).fetchall()
    for (alert_id,) in over:
        clear(conn, alert_id, at=now, now=now, because="settled")


def acknowledge(
    conn: psycopg.Connection, alert_id: int, *, by: str, note: str, at: datetime
) -> Alert:
    """Note who looks after an alert; of a summary, also its alerts.

    The first one stays: acknowledging again changes nothing. One that is cleared can
    still be acknowledged.

    Raises
    ------
    AlertUnknown
    """
    with conn.transaction():
        changed = conn.execute(
            "UPDATE alert SET acknowledged_at = %(at)s, acknowledged_by = %(by)s,"
            " note = %(note)s WHERE acknowledged_at IS NULL"
            " AND %(id)s IN (alert_id, summary_id) RETURNING alert_id",
            {"at": at, "by": by, "note": note, "id": alert_id},
        ).fetchall()
        for (number,) in changed:
            conn.execute(
                "INSERT INTO alert_change (alert_id, change, severity, at, by, note)"
                " SELECT alert_id, 'acknowledged', severity, %s, %s, %s FROM alert"
                " WHERE alert_id = %s",
                [at, by, note, number],
            )
        return get(conn, alert_id)


def get(conn: psycopg.Connection, alert_id: int) -> Alert:
    """Return the alert with a number.

    Raises
    ------
    AlertUnknown
    """
    with conn.cursor(row_factory=class_row(Alert)) as cursor:
        cursor.execute(
            sql.SQL("SELECT {} FROM alert WHERE alert_id = %s").format(_COLUMNS),
            [alert_id],
        )
        alert = cursor.fetchone()
    if alert is None:
        raise AlertUnknown(
            f"no alert has the number {alert_id}: `heitu alerts list --all` shows those"
            f" there are · 没有编号为 {alert_id} 的警报"
        )
    return alert


def find(
    conn: psycopg.Connection,
    *,
    farm: str | None = None,
    device_id: str | None = None,
    rule: str | None = None,
    severity: str | None = None,
    summary_id: int | None = None,
    settled: bool = False,
    limit: int,
) -> list[Alert]:
    """Return alerts, the last noticed first.

    Parameters
    ----------
    farm, device_id, rule
        Only of these; None for all.
    severity
        Only this one and the ones above it.
    summary_id
        The alerts that one summary stands for. None leaves out all that a summary
        stands for.
    settled
        Also those that are cleared and acknowledged. One that was cleared before
        anybody acknowledged it is always returned.
    limit
        Most alerts.
    """
    with conn.cursor(row_factory=class_row(Alert)) as cursor:
        cursor.execute(
            sql.SQL(
                "SELECT {} FROM alert WHERE (%(farm)s::text IS NULL OR farm = %(farm)s)"
                " AND (%(device)s::text IS NULL OR device_id = %(device)s)"
                " AND (%(rule)s::text IS NULL OR rule = %(rule)s)"
                " AND (%(severity)s::alert_severity IS NULL"
                "  OR severity >= %(severity)s)"
                " AND summary_id IS NOT DISTINCT FROM %(summary)s"
                " AND (%(settled)s OR cleared_at IS NULL OR acknowledged_at IS NULL)"
                " ORDER BY noticed_at DESC, alert_id DESC LIMIT %(limit)s"
            ).format(_COLUMNS),
            {
                "farm": farm,
                "device": device_id,
                "rule": rule,
                "severity": severity,
                "summary": summary_id,
                "settled": settled,
                "limit": limit,
            },
        )
        return cursor.fetchall()


def history(conn: psycopg.Connection, alert_id: int) -> list[AlertChange]:
    """Return what happened to an alert, oldest first."""
    with conn.cursor(row_factory=class_row(AlertChange)) as cursor:
        cursor.execute(
            "SELECT change, severity::text, at, by, note FROM alert_change"
            " WHERE alert_id = %s ORDER BY change_id",
            [alert_id],
        )
        return cursor.fetchall()


def _note(
    conn: psycopg.Connection, alert_id: int, change: str, *, at: datetime, now: datetime
) -> None:
    """Write a change down, and a notification for each channel that wants it."""
    # In the transaction of the change: told if and only if it happened. Members of a
    # summary are left to it.
    conn.execute(
        "WITH changed AS (INSERT INTO alert_change (alert_id, change, severity, at, by)"
        "  SELECT alert_id, %(change)s, severity, %(at)s, %(by)s FROM alert"
        "  WHERE alert_id = %(id)s RETURNING change_id)"
        " INSERT INTO notification (channel_id, change_id, due_at, created_at)"
        " SELECT channel_id, change_id, %(now)s, %(now)s"
        " FROM changed, notification_channel AS channel, alert"
        " WHERE alert_id = %(id)s AND summary_id IS NULL"
        " AND (channel.farm IS NULL OR channel.farm = alert.farm)"
        " AND channel.severity <= alert.severity",
        {"id": alert_id, "change": change, "at": at, "by": ENGINE, "now": now},
    )
