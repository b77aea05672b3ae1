"""Which devices are connected, and since when."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row

__all__ = ["Presence", "close_all", "find", "online", "record"]


@dataclass(frozen=True, slots=True)
class Presence:
    """The last session of a device; without an end it lives."""

    device_id: str
    address: str
    connected_at: datetime
    disconnected_at: datetime | None
    reason: str | None

    @property
    def online(self) -> bool:
        """Whether the session lives."""
        return self.disconnected_at is None


def record(
    conn: psycopg.Connection, sessions: Sequence[Presence], *, listener: str
) -> None:
    """Keep the last session of each device, one a device; unknown ones are left out."""
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO presence (device_id, listener, address, connected_at,"
            " disconnected_at, reason) SELECT device_id, %s, %s, %s, %s, %s"
            " FROM device WHERE device_id = %s ON CONFLICT (device_id) DO UPDATE SET"
            " listener = excluded.listener, address = excluded.address,"
            " connected_at = excluded.connected_at,"
            " disconnected_at = excluded.disconnected_at, reason = excluded.reason",
            [
                (
                    listener,
                    session.address,
                    session.connected_at,
                    session.disconnected_at,
                    session.reason,
                    session.device_id,
                )
                # In one order, so that two listeners never wait for each other.
                for session in sorted(sessions, key=lambda s: s.device_id)
            ],
        )


def close_all(conn: psycopg.Connection, *, listener: str, reason: str) -> int:
    """End the sessions that a listener left open; returns how many they were."""
    return conn.execute(
        "UPDATE presence SET disconnected_at = clock_timestamp(), reason = %s"
        " WHERE listener = %s AND disconnected_at IS NULL",
        [reason, listener],
    ).rowcount


def find(conn: psycopg.Connection, device_ids: Collection[str]) -> dict[str, Presence]:
    """Return the last session of each of these devices that ever had one."""
    with conn.cursor(row_factory=class_row(Presence)) as cursor:
        cursor.execute(
            "SELECT device_id, address, connected_at, disconnected_at, reason"
            " FROM presence WHERE device_id = ANY(%s)",
            [list(device_ids)],
        )
        return {session.device_id: session for session in cursor.fetchall()}


def online(conn: psycopg.Connection) -> int:
    """Return how many devices are connected."""
    row = conn.execute(
        "SELECT count(*) FROM presence WHERE disconnected_at IS NULL"
    ).fetchone()
    return int(row[0]) if row else 0
