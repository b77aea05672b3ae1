"""Making a command, and what its message looks like."""

import json
from collections.abc import Mapping
from datetime import datetime

import psycopg

from sensors.commands.checks import check_desired, check_id, check_validity, doubt
from store import commands, devices
from store.commands import Command, Value

__all__ = ["DEFAULT_VALID_S", "message", "order", "topic"]

DEFAULT_VALID_S = 300


def order(
    conn: psycopg.Connection,
    *,
    device_id: str,
    desired: Mapping[str, Value],
    command_id: str,
    by: str,
    at: datetime,
    valid_s: int = DEFAULT_VALID_S,
    force: bool = False,
) -> tuple[Command, bool]:
    """Queue a command for a device, or keep it as refused.

    Parameters
    ----------
    desired
        State wanted of each actuator.
    command_id
        Sending the same id with the same content again gives the first command back.
    by
        Who wants it.
    at
        Now.
    valid_s
        Seconds until it must not be carried out any more.
    force
        Send it although the present state is unknown or stale.

    Returns
    -------
    tuple
        The command, whose state is ``refused`` (with a reason) where the present state
        is not known and it is not forced; and whether it is new.

    Raises
    ------
    CommandInvalid
        The id, the time or the wanted state cannot be.
    CommandConflict
        The id was used for another content.
    DeviceUnknown, DeviceKindUnknown
        There is no such device, or its kind is not known.
    """
    check_id(command_id)
    check_validity(valid_s)
    kind = devices.get(conn, device_id).kind
    check_desired(kind, desired)
    refused = None
    if not force:
        reported = commands.reported_state(conn, device_id)
        refused = doubt(kind, desired, reported, at=at)
    return commands.create(
        conn,
        command_id=command_id,
        device_id=device_id,
        desired=desired,
        valid_s=valid_s,
        forced=force,
        by=by,
        at=at,
        refused=refused,
    )


def topic(command: Command) -> str:
    """Return the topic on which a device gets its commands."""
    return f"farm/{command.farm}/{command.device_id}/down/command"


def message(command: Command) -> bytes:
    """Return the payload, the same each time the command is sent.

    ``ts`` and ``valid_until`` are milliseconds since 1970 UTC: a device that gets it
    later must not carry it out.
    """
    return json.dumps(
        {
            "id": command.command_id,
            "ts": round(command.created_at.timestamp() * 1000),
            "valid_until": round(command.valid_until.timestamp() * 1000),
            "set": command.desired,
        },
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode()
