"""Credentials of devices: hashes only, two valid while one takes over from another."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import class_row

from store.devices import get, is_text

__all__ = [
    "Access",
    "Credential",
    "Ended",
    "access",
    "ended",
    "exported",
    "issue",
    "of_device",
    "retire",
    "revoke",
]


_VALID = "(valid_until IS NULL OR valid_until > clock_timestamp())"
_ACCESS = (
    "SELECT device_id, farm, gateway, array_agg(hash ORDER BY credential_id DESC)"
    f" FROM device JOIN credential USING (device_id) WHERE {_VALID}"
    " AND disabled_at IS NULL"
)
_GROUPED = " GROUP BY device_id ORDER BY device_id"


@dataclass(frozen=True, slots=True)
class Access:
    """What decides whether a device is let in: the hashes now valid, newest first."""

    device_id: str
    farm: str
    gateway: bool
    hashes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential now valid; without ``valid_until`` it has no end yet."""

    issued_at: datetime
    valid_until: datetime | None


@dataclass(frozen=True, slots=True)
class Ended:
    """A device that lost a credential, or was disabled, at a time."""

    device_id: str
    at: datetime


def issue(
    conn: psycopg.Connection,
    device_id: str,
    hashed: str,
    *,
    overlap: timedelta | None = None,
) -> None:
    """Give a device a credential; the one before stays valid for a while.

    Two are valid at most: those before the last one end at once.

    Parameters
    ----------
    conn
        Connection.
    device_id
        The device.
    hashed
        ``$7$ITERATIONS$SALT$HASH``.
    overlap
        How long the one before stays valid; None: until it is retired.

    Raises
    ------
    DeviceUnknown
    """
    get(conn, device_id)
    with conn.transaction():
        # Two issued at once would both let the one before stay.
        conn.execute("SELECT FROM device WHERE device_id = %s FOR UPDATE", [device_id])
        _end(conn, device_id, keep=1)
        if overlap is not None:
            # Never longer than it was valid anyway: rotating twice must not prolong it.
            conn.execute(
                "UPDATE credential SET valid_until ="
                " least(valid_until, clock_timestamp() + %(overlap)s)"
                f" WHERE device_id = %(device)s AND {_VALID}",
                {"device": device_id, "overlap": overlap},
            )
        conn.execute(
            "INSERT INTO credential (device_id, hash, issued_at)"
            " VALUES (%s, %s, clock_timestamp())",
            [device_id, hashed],
        )


def retire(conn: psycopg.Connection, device_id: str) -> int:
    """End what is valid besides the newest credential; returns how many ended.

    Raises
    ------
    DeviceUnknown
    """
    get(conn, device_id)
    return _end(conn, device_id, keep=1)


def revoke(conn: psycopg.Connection, device_id: str) -> int:
    """End all credentials of a device at once; returns how many ended.

    Raises
    ------
    DeviceUnknown
    """
    get(conn, device_id)
    return _end(conn, device_id, keep=0)


def of_device(conn: psycopg.Connection, device_id: str) -> list[Credential]:
    """Return the credentials of a device that are valid now, newest first."""
    with conn.cursor(row_factory=class_row(Credential)) as cursor:
        cursor.execute(
            "SELECT issued_at, valid_until FROM credential"
            f" WHERE device_id = %s AND {_VALID} ORDER BY credential_id DESC",
            [device_id],
        )
        return cursor.fetchall()


def access(conn: psycopg.Connection, device_ids: Collection[str]) -> dict[str, Access]:
    """Return what lets these devices in, by id, in one query.

    Devices that are unknown, disabled or without a valid credential are left out.
    """
    asked = [name for name in device_ids if is_text(name)]
    rows = conn.execute(_ACCESS + " AND device_id = ANY(%s)" + _GROUPED, [asked])
    return _by_id(rows.fetchall())


def exported(conn: psycopg.Connection) -> list[Access]:
    """Return what lets each device in, by id: for another broker's configuration."""
    return list(_by_id(conn.execute(_ACCESS + _GROUPED).fetchall()).values())


def ended(
    conn: psycopg.Connection, *, since: datetime | None
) -> tuple[datetime, list[Ended]]:
    """Return the database's time now, and what ended after another such time.

    By its commit a transaction can be later than the times it wrote: ask from some
    minutes before the last answer, and leave out what was known.

    Parameters
    ----------
    conn
        Connection.
    since
        Nothing that ended before is returned; None: only the time is.
    """
    row = conn.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    now: datetime = row[0]
    if since is None:
        return now, []
    with conn.cursor(row_factory=class_row(Ended)) as cursor:
        cursor.execute(
            "SELECT device_id, valid_until AS at FROM credential"
            " WHERE valid_until > %(since)s AND valid_until <= %(now)s"
            " UNION SELECT device_id, disabled_at FROM device"
            " WHERE disabled_at > %(since)s AND disabled_at <= %(now)s",
            {"since": since, "now": now},
        )
        return now, cursor.fetchall()


def _end(conn: psycopg.Connection, device_id: str, *, keep: int) -> int:
    """End the valid credentials of a device but the newest ``keep``."""
    return conn.execute(
        "UPDATE credential SET valid_until = clock_timestamp()"
        f" WHERE device_id = %(device)s AND {_VALID} AND credential_id NOT IN"
        " (SELECT credential_id FROM credential"
        f" WHERE device_id = %(device)s AND {_VALID}"
        " ORDER BY credential_id DESC LIMIT %(keep)s)",
        {"device": device_id, "keep": keep},
    ).rowcount


def _by_id(rows: Sequence[tuple[Any, ...]]) -> dict[str, Access]:
    return {
        device_id: Access(device_id, farm, gateway, tuple(hashes))
        for device_id, farm, gateway, hashes in rows
    }
