"""Claim codes: whoever holds one becomes a device, once."""

import hashlib
import ipaddress
import secrets
from datetime import timedelta

import psycopg

from store.devices import get

__all__ = ["ATTEMPTS", "LOCKED_FOR", "locked", "make", "redeem"]

# Crockford's base 32: no I, L, O or U, which are read as 1, 1, 0 and V.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LOOKALIKES = str.maketrans("ILO", "110")
# 100 random bits, in groups that can be read out.
GROUPS = 5
GROUP = 4

ATTEMPTS = 10
"""Wrong codes from one address before it has to wait."""
LOCKED_FOR = timedelta(minutes=15)
"""How long wrong codes are remembered."""


def make(conn: psycopg.Connection, device_id: str, *, valid_for: timedelta) -> str:
    """Make a code that gives a device its credential once, as ``XXXX-XXXX-...``.

    It is stored hashed; unused codes of the device end.

    Raises
    ------
    DeviceUnknown
    """
    get(conn, device_id)
    letters = [secrets.choice(ALPHABET) for _ in range(GROUPS * GROUP)]
    code = "".join(letters)
    with conn.transaction():
        conn.execute(
            "UPDATE claim SET valid_until = clock_timestamp() WHERE device_id = %s"
            " AND used_at IS NULL AND valid_until > clock_timestamp()",
            [device_id],
        )
        conn.execute(
            "INSERT INTO claim (device_id, hash, made_at, valid_until) VALUES"
            " (%s, %s, clock_timestamp(), clock_timestamp() + %s)",
            [device_id, _hash(code), valid_for],
        )
    return "-".join(code[i : i + GROUP] for i in range(0, len(code), GROUP))


def redeem(
    conn: psycopg.Connection, code: str, *, hardware_id: str, address: str
) -> str | None:
    """Use a code up; returns the id of its device, None when the code is not good.

    Of several callers at once one gets the device. What is not good (unknown, used,
    expired, of a disabled device) counts against the address: let the transaction
    commit all the same.

    Parameters
    ----------
    conn
        Connection.
    code
        Case, blanks, hyphens and look-alikes do not matter.
    hardware_id
        Who used it, to be kept.
    address
        Where the caller is.
    """
    row = conn.execute(
        "UPDATE claim SET used_at = clock_timestamp(), hardware_id = %s FROM device"
        " WHERE hash = %s AND used_at IS NULL AND valid_until > clock_timestamp()"
        " AND device.device_id = claim.device_id AND disabled_at IS NULL"
        " RETURNING claim.device_id",
        [hardware_id, _hash(code)],
    ).fetchone()
    if row is None:
        _count_failure(conn, address)
        return None
    return str(row[0])


def locked(conn: psycopg.Connection, address: str) -> bool:
    """Whether too many wrong codes came from an address, or its IPv6 network."""
    row = conn.execute(
        "SELECT FROM claim_failure WHERE address = %s AND failures >= %s"
        " AND since > clock_timestamp() - %s",
        [_network(address), ATTEMPTS, LOCKED_FOR],
    ).fetchone()
    return row is not None


def _count_failure(conn: psycopg.Connection, address: str) -> None:
    conn.execute(
        "DELETE FROM claim_failure WHERE since <= clock_timestamp() - %s", [LOCKED_FOR]
    )
    conn.execute(
        "INSERT INTO claim_failure (address, failures, since)"
        " VALUES (%s, 1, clock_timestamp()) ON CONFLICT (address)"
        " DO UPDATE SET failures = claim_failure.failures + 1",
        [_network(address)],
    )


def _hash(code: str) -> bytes:
    """Hash a code as typed; 100 random bits need no salt and no slow hash."""
    letters = "".join(c for c in code.upper() if c.isalnum()).translate(LOOKALIKES)
    return hashlib.sha256(letters.encode()).digest()


def _network(address: str) -> str:
    """One subscriber has a whole /64 of IPv6, so its addresses count together."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
