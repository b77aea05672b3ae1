"""Commands to actuators, and what the devices say they did.

A command is made once by its id, sent until the device reports its state or its time is
over, and never forgotten. Every change is written down with who made it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from store.actuators import Reported, Value, keep_report, moment, reported_state
from store.errors import CommandConflict, CommandUnknown, DeviceUnknown

__all__ = [
    "OPEN_STATES",
    "Command",
    "CommandChange",
    "CommandConflict",
    "CommandUnknown",
    "Reported",
    "Value",
    "claim",
    "create",
    "delivered",
    "expire",
    "fail",
    "find",
    "get",
    "history",
    "not_sent",
    "report",
    "reported_state",
    "sent",
]

OPEN_STATES = ("queued", "sent", "delivered")

_COLUMNS = sql.SQL(
    "command_id, device_id, farm, desired, valid_s, forced, state, reason,"
    " command.created_at, created_by, valid_until, attempts, sent_at, settled_at"
)


@dataclass(frozen=True, slots=True)
class Command:
    """A command with what became of it.

    ``state`` is queued, sent, delivered (the device has it), confirmed (its state is as
    desired), expired, refused, failed or superseded; ``reason`` explains the last four.
    """

    command_id: str
    device_id: str
    farm: str
    desired: dict[str, Value]
    valid_s: int
    forced: bool
    state: str
    reason: str | None
    created_at: datetime
    created_by: str
    valid_until: datetime
    attempts: int
    sent_at: datetime | None
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class CommandChange:
    """One line of a command's record."""

    state: str
    at: datetime
    by: str
    note: str


def create(
    conn: psycopg.Connection,
    *,
    command_id: str,
    device_id: str,
    desired: Mapping[str, Value],
    valid_s: int,
    forced: bool,
    by: str,
    at: datetime,
    refused: str | None = None,
) -> tuple[Command, bool]:
    """Queue a command; open ones for the same actuators are superseded.

    Parameters
    ----------
    command_id
        Chosen by the sender: the same id with the same content is the same command.
    desired
        State wanted of each actuator.
    valid_s
        Seconds after which it must not be carried out any more.
    forced
        Whether the sender wants it although the device's state is not known.
    refused
        Why it is refused; it is kept, but neither sent nor does it supersede.

    Returns
    -------
    tuple
        The command, and whether it is new.

    Raises
    ------
    CommandConflict
        The id was used for another content.
    DeviceUnknown
        There is no such device.
    """
    with conn.transaction():
        # One at a time for a device, so that two never both supersede the other.
        _lock_device(conn, device_id)
        known = _find_one(conn, command_id)
        if known is not None:
            _check_same(known, device_id, desired, valid_s, forced)
            return known, False
        if refused is None:
            _supersede(conn, command_id, device_id, desired, by=by, at=at)
        _insert(conn, command_id, device_id, desired, valid_s, forced, by, at, refused)
        return get(conn, command_id), True


def _lock_device(conn: psycopg.Connection, device_id: str) -> None:
    # Not the stronger lock: readings and reports of the device go on.
    row = conn.execute(
        "SELECT FROM device WHERE device_id = %s FOR NO KEY UPDATE", [device_id]
    ).fetchone()
    if row is None:
        raise DeviceUnknown(
            f"no device has the id {device_id!r}: `heitu devices list` shows those"
            f" there are · 没有编号为 {device_id} 的设备"
        )


def _check_same(
    known: Command,
    device_id: str,
    desired: Mapping[str, Value],
    valid_s: int,
    forced: bool,
) -> None:
    # As texts: Python calls 1 and true equal; a valve does not.
    was = (known.device_id, _canonical(known.desired), known.valid_s, known.forced)
    if was != (device_id, _canonical(desired), valid_s, forced):
        raise CommandConflict(
            f"command {known.command_id!r} exists with another content, for device"
            f" {known.device_id!r}: use a new id for a new command"
            f" · 命令编号 {known.command_id} 已用于其他内容，请换一个编号"
        )


def _supersede(
    conn: psycopg.Connection,
    command_id: str,
    device_id: str,
    desired: Mapping[str, Value],
    *,
    by: str,
    at: datetime,
) -> None:
    # Any actuator in common: what is left of the older one could be half a state.
    rows = conn.execute(
        "SELECT command_id FROM command WHERE device_id = %s AND settled_at IS NULL"
        " AND desired ?| %s::text[] ORDER BY number FOR UPDATE",
        [device_id, list(desired)],
    ).fetchall()
    for (older,) in rows:
        reason = f"superseded by {command_id}"
        _settle(conn, older, "superseded", by=by, at=at, note=reason)


def _insert(
    conn: psycopg.Connection,
    command_id: str,
    device_id: str,
    desired: Mapping[str, Value],
    valid_s: int,
    forced: bool,
    by: str,
    at: datetime,
    refused: str | None,
) -> None:
    state = "queued" if refused is None else "refused"
    made = conn.execute(
        "INSERT INTO command (command_id, device_id, desired, valid_s, forced, state,"
        " reason, created_at, created_by, valid_until, due_at, settled_at)"
        " VALUES (%(id)s, %(device)s, %(desired)s, %(valid)s, %(forced)s, %(state)s,"
        " %(reason)s, %(at)s, %(by)s, %(until)s, %(at)s, %(settled)s)"
        " ON CONFLICT (command_id) DO NOTHING",
        {
            "id": command_id,
            "device": device_id,
            "desired": Jsonb(dict(desired)),
            "valid": valid_s,
            "forced": forced,
            "state": state,
            "reason": refused,
            "at": at,
            "by": by,
            "until": at + timedelta(seconds=valid_s),
            "settled": at if refused else None,
        },
    )
    if not made.rowcount:
        # Made meanwhile for another device, whose lock is another.
        _check_same(get(conn, command_id), device_id, desired, valid_s, forced)
    _note(conn, command_id, state, by=by, at=at, note=refused or "")


def claim(
    conn: psycopg.Connection,
    *,
    at: datetime,
    pause: timedelta,
    limit: int,
    woken: Sequence[str] = (),
    away: Sequence[str] = (),
) -> list[Command]:
    """Take commands that are due, so that no other dispatcher sends them meanwhile.

    They count as sent, and are due again after `pause` if nothing confirms them. Commit
    before sending, since a report may come at once; then call `sent` or `not_sent`.

    Parameters
    ----------
    woken
        Devices that just subscribed: what is queued for them is due now.
    away
        Devices that this dispatcher does not reach: theirs are left to the others.
    """
    with conn.cursor(row_factory=class_row(Command)) as cursor:
        cursor.execute(
            sql.SQL(
                "WITH due AS (SELECT command_id FROM command"
                "  WHERE settled_at IS NULL AND valid_until > %(at)s"
                "  AND (due_at <= %(at)s"
                "   OR (state = 'queued' AND device_id = ANY(%(woken)s)))"
                "  AND device_id <> ALL(%(away)s)"
                "  ORDER BY number LIMIT %(limit)s FOR UPDATE SKIP LOCKED),"
                " taken AS (UPDATE command SET"
                "  state = CASE state WHEN 'queued' THEN 'sent' ELSE state END,"
                "  attempts = attempts + 1, due_at = %(next)s,"
                "  sent_at = coalesce(sent_at, %(at)s)"
                "  FROM due WHERE command.command_id = due.command_id"
                "  RETURNING command.*)"
                " SELECT {} FROM taken AS command JOIN device USING (device_id)"
                " ORDER BY command.number"
            ).format(_COLUMNS),
            {
                "at": at,
                "next": at + pause,
                "limit": limit,
                "woken": list(woken),
                "away": list(away),
            },
        )
        return cursor.fetchall()


def sent(conn: psycopg.Connection, command: Command, *, at: datetime) -> None:
    """Write down that a claimed command was handed to a session of its device."""
    note = f"attempt {command.attempts}"
    _note(conn, command.command_id, "sent", by="dispatcher", at=at, note=note)


def not_sent(conn: psycopg.Connection, command: Command, *, due_at: datetime) -> None:
    """Take back a claim: no live session of the device took the command."""
    # Only of this very claim: since then another dispatcher may have sent it, or the
    # device may have answered.
    conn.execute(
        "UPDATE command SET attempts = attempts - 1, due_at = %(due)s,"
        " state = CASE WHEN attempts = 1 AND state = 'sent' THEN 'queued'"
        "  ELSE state END,"
        " sent_at = CASE WHEN attempts = 1 THEN NULL ELSE sent_at END"
        " WHERE command_id = %(id)s AND attempts = %(attempts)s"
        " AND settled_at IS NULL",
        {"due": due_at, "id": command.command_id, "attempts": command.attempts},
    )


def delivered(conn: psycopg.Connection, command_id: str, *, at: datetime) -> bool:
    """Note the device's PUBACK; False when that changes nothing."""
    changed = conn.execute(
        "UPDATE command SET state = 'delivered'"
        " WHERE command_id = %s AND state IN ('queued', 'sent')",
        [command_id],
    )
    if changed.rowcount:
        _note(conn, command_id, "delivered", by="device", at=at)
    return changed.rowcount > 0


def expire(conn: psycopg.Connection, *, at: datetime) -> list[str]:
    """Settle the open commands whose time is over; return their ids."""
    rows = conn.execute(
        "SELECT command_id, state FROM command WHERE settled_at IS NULL"
        " AND valid_until <= %s ORDER BY number FOR UPDATE SKIP LOCKED",
        [at],
    ).fetchall()
    for command_id, state in rows:
        reason = f"not confirmed in time; was {state}"
        _settle(conn, command_id, "expired", by="dispatcher", at=at, note=reason)
    return [command_id for command_id, _ in rows]


def fail(
    conn: psycopg.Connection, command_id: str, *, reason: str, by: str, at: datetime
) -> bool:
    """Settle an open command as failed; False when it is settled already."""
    return _settle(conn, command_id, "failed", by=by, at=at, note=reason)


def report(
    conn: psycopg.Connection,
    *,
    device_id: str,
    time_us: int,
    received_us: int,
    state: Mapping[str, Value],
    command_id: str | None,
) -> bool:
    """Keep what a device says of its state, and confirm what it confirms.

    A command is confirmed by a report that names it and says of one of its actuators
    that it is as desired, and of none that it is not, or by one of after it was sent in
    which all its actuators are as desired.

    Parameters
    ----------
    time_us, received_us
        The device's time and that of receipt, microseconds since 1970 UTC.
    command_id
        The command that the device answers.

    Returns
    -------
    bool
        False when the same report was kept before: then nothing changes.

    Raises
    ------
    RowRefused
        The device is not registered.
    """
    time, received_at = moment(time_us), moment(received_us)
    text = _canonical({"state": dict(state), "command": command_id})
    new = keep_report(
        conn,
        device_id=device_id,
        time=time,
        received_at=received_at,
        state=state,
        command_id=command_id,
        digest=hashlib.sha256(text.encode()).digest(),
    )
    if new:
        _confirm(conn, device_id, state, command_id, time, received_at)
    return new


def _confirm(
    conn: psycopg.Connection,
    device_id: str,
    state: Mapping[str, Value],
    command_id: str | None,
    time: datetime,
    received_at: datetime,
) -> None:
    rows = conn.execute(
        "SELECT command_id, desired, sent_at FROM command"
        " WHERE device_id = %s AND settled_at IS NULL ORDER BY number FOR UPDATE",
        [device_id],
    ).fetchall()
    for number, desired, sent_at in rows:
        told = {name: state[name] for name in desired if name in state}
        # Naming the command without a word of its actuators says nothing of them.
        agrees = bool(told) and all(told[name] == desired[name] for name in told)
        # By both clocks: a device's may run ahead, and what a gateway kept comes late.
        after = sent_at is not None and time >= sent_at and received_at >= sent_at
        if agrees and (number == command_id or (after and len(told) == len(desired))):
            note = "answered" if number == command_id else "state as desired"
            _settle(conn, number, "confirmed", by="device", at=received_at, note=note)


def get(conn: psycopg.Connection, command_id: str) -> Command:
    """Return the command with an id.

    Raises
    ------
    CommandUnknown
    """
    command = _find_one(conn, command_id)
    if command is None:
        raise CommandUnknown(
            f"no command has the id {command_id!r}: `heitu commands list` shows those"
            f" there are · 没有编号为 {command_id} 的命令"
        )
    return command


def _find_one(conn: psycopg.Connection, command_id: str) -> Command | None:
    with conn.cursor(row_factory=class_row(Command)) as cursor:
        cursor.execute(
            sql.SQL(
                "SELECT {} FROM command JOIN device USING (device_id)"
                " WHERE command_id = %s"
            ).format(_COLUMNS),
            [command_id],
        )
        return cursor.fetchone()


def find(
    conn: psycopg.Connection,
    *,
    device_id: str | None = None,
    open_only: bool = False,
    limit: int,
) -> list[Command]:
    """Return commands of a device, or of all, the last made first."""
    with conn.cursor(row_factory=class_row(Command)) as cursor:
        cursor.execute(
            sql.SQL(
                "SELECT {} FROM command JOIN device USING (device_id)"
                " WHERE (%(device)s::text IS NULL OR device_id = %(device)s)"
                " AND (settled_at IS NULL OR NOT %(open)s)"
                " ORDER BY command.number DESC LIMIT %(limit)s"
            ).format(_COLUMNS),
            {"device": device_id, "open": open_only, "limit": limit},
        )
        return cursor.fetchall()


def history(conn: psycopg.Connection, command_id: str) -> list[CommandChange]:
    """Return what happened to a command, oldest first."""
    with conn.cursor(row_factory=class_row(CommandChange)) as cursor:
        cursor.execute(
            "SELECT state, at, by, note FROM command_change WHERE command_id = %s"
            " ORDER BY change_id",
            [command_id],
        )
        return cursor.fetchall()


def _settle(
    conn: psycopg.Connection,
    command_id: str,
    state: str,
    *,
    by: str,
    at: datetime,
    note: str,
) -> bool:
    """End an open command."""
    reason = None if state == "confirmed" else note
    settled = conn.execute(
        "UPDATE command SET state = %s, reason = %s, settled_at = %s"
        " WHERE command_id = %s AND settled_at IS NULL",
        [state, reason, at, command_id],
    )
    if settled.rowcount:
        _note(conn, command_id, state, by=by, at=at, note=note)
    return settled.rowcount > 0


def _note(
    conn: psycopg.Connection,
    command_id: str,
    state: str,
    *,
    by: str,
    at: datetime,
    note: str = "",
) -> None:
    conn.execute(
        "INSERT INTO command_change (command_id, state, at, by, note)"
        " VALUES (%s, %s, %s, %s, %s)",
        [command_id, state, at, by, note],
    )


def _canonical(body: Mapping[str, Any]) -> str:
    """Return JSON in which true and 1 differ, which Python and jsonb call equal."""
    return json.dumps(body, sort_keys=True, ensure_ascii=False)
