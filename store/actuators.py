"""What actuators say they are: every report once, and the newest state of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
from psycopg.types.json import Jsonb

__all__ = ["Reported", "Value", "keep_report", "moment", "reported_state"]

Value = str | float | bool
"""What an actuator can be told to be."""


@dataclass(frozen=True, slots=True)
class Reported:
    """The newest state an actuator said it is in; ``time`` is the device's."""

    value: Value
    time: datetime
    received_at: datetime


def keep_report(
    conn: psycopg.Connection,
    *,
    device_id: str,
    time: datetime,
    received_at: datetime,
    state: Mapping[str, Value],
    command_id: str | None,
    digest: bytes,
) -> bool:
    """Keep a report of a device; False when it was kept before.

    ``digest`` tells reports of one time apart by their content.
    """
    kept = conn.execute(
        "INSERT INTO state_report (device_id, time, digest, state, command_id,"
        " received_at) VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        [device_id, time, digest, Jsonb(dict(state)), command_id, received_at],
    )
    if kept.rowcount:
        _keep_state(conn, device_id, state, time, received_at)
    return kept.rowcount > 0


def _keep_state(
    conn: psycopg.Connection,
    device_id: str,
    state: Mapping[str, Value],
    time: datetime,
    received_at: datetime,
) -> None:
    # In one order, so that two transactions never wait for each other.
    for actuator in sorted(state):
        conn.execute(
            "INSERT INTO actuator_state AS known (device_id, actuator, value, time,"
            " received_at) VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (device_id, actuator) DO UPDATE SET value = excluded.value,"
            " time = excluded.time, received_at = excluded.received_at"
            " WHERE excluded.time >= known.time",
            [device_id, actuator, Jsonb(state[actuator]), time, received_at],
        )


def reported_state(conn: psycopg.Connection, device_id: str) -> dict[str, Reported]:
    """Return the newest reported state of each actuator of a device."""
    rows = conn.execute(
        "SELECT actuator, value, time, received_at FROM actuator_state"
        " WHERE device_id = %s ORDER BY actuator",
        [device_id],
    )
    return {name: Reported(value, time, at) for name, value, time, at in rows}


def moment(time_us: int) -> datetime:
    """Return microseconds since 1970 UTC as a time."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)
