import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from store import DeviceUnknown, Store, claims, devices
from store.devices import Device

MAY = datetime(2026, 5, 1, tzinfo=UTC)
DEVICE = Device(
    "c1", "f1", "项圈", "Collar", "cattle-collar", 124, 43, None, False, MAY
)
DAY = timedelta(days=1)
HERE = "192.0.2.7"


@pytest.fixture
def conn(store: Store) -> Iterator[psycopg.Connection]:
    """Open a connection to a store with one device."""
    with store.connection() as conn:
        devices.add(conn, DEVICE, [])
        yield conn


def redeem(conn: psycopg.Connection, code: str, address: str = HERE) -> str | None:
    return claims.redeem(conn, code, hardware_id="hw-1", address=address)


def test_code_has_a_hundred_bits_without_lookalikes(conn: psycopg.Connection) -> None:
    codes = {claims.make(conn, "c1", valid_for=DAY) for _ in range(50)}
    assert len(codes) == 50
    # 32 letters to the power of 20 are 2 to the power of 100.
    form = re.compile(r"[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){4}")
    assert all(form.fullmatch(code) for code in codes)


def test_code_works_once(conn: psycopg.Connection) -> None:
    code = claims.make(conn, "c1", valid_for=DAY)
    assert redeem(conn, code) == "c1"
    assert redeem(conn, code) is None
    row = conn.execute("SELECT hardware_id FROM claim").fetchone()
    assert row == ("hw-1",)


def test_code_as_people_type_it(conn: psycopg.Connection) -> None:
    code = claims.make(conn, "c1", valid_for=DAY)
    typed = code.lower().replace("-", " ").replace("0", "o").replace("1", "l")
    assert redeem(conn, typed) == "c1"


def test_code_is_not_stored_in_clear(conn: psycopg.Connection) -> None:
    code = claims.make(conn, "c1", valid_for=DAY)
    row = conn.execute("SELECT claim::text FROM claim").fetchone()
    assert row is not None
    assert code.replace("-", "") not in row[0]
    assert code not in row[0]


def test_code_expires(conn: psycopg.Connection) -> None:
    code = claims.make(conn, "c1", valid_for=DAY)
    conn.execute("UPDATE claim SET valid_until = clock_timestamp()")
    assert redeem(conn, code) is None


def test_new_code_ends_the_one_before(conn: psycopg.Connection) -> None:
    older = claims.make(conn, "c1", valid_for=DAY)
    newer = claims.make(conn, "c1", valid_for=DAY)
    assert redeem(conn, older) is None
    assert redeem(conn, newer) == "c1"


def test_code_of_a_disabled_device(conn: psycopg.Connection) -> None:
    code = claims.make(conn, "c1", valid_for=DAY)
    devices.disable(conn, "c1")
    assert redeem(conn, code) is None


def test_unknown_device_has_no_code(conn: psycopg.Connection) -> None:
    with pytest.raises(DeviceUnknown, match="'c9'"):
        claims.make(conn, "c9", valid_for=DAY)


def test_one_of_many_at_once_gets_the_device(store: Store) -> None:
    with store.connection() as conn:
        devices.add(conn, DEVICE, [])
        code = claims.make(conn, "c1", valid_for=DAY)

    def attempt(n: int) -> str | None:
        with store.connection(timeout=30) as conn:
            return claims.redeem(conn, code, hardware_id=f"hw-{n}", address=HERE)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(attempt, range(16)))
    assert sorted(answers, key=str) == [None] * 15 + ["c1"]


@pytest.mark.parametrize(
    ("guesser", "other", "same"),
    [
        (HERE, "192.0.2.8", False),
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.7", HERE, True),
        ("testclient", "another", False),
    ],
)
def test_guesses_lock_an_address(
    conn: psycopg.Connection, guesser: str, other: str, same: bool
) -> None:
    for _ in range(claims.ATTEMPTS):
        assert not claims.locked(conn, guesser)
        assert redeem(conn, "WRONG", guesser) is None
    assert claims.locked(conn, guesser)
    assert claims.locked(conn, other) is same


def test_lock_ends(conn: psycopg.Connection) -> None:
    for _ in range(claims.ATTEMPTS):
        redeem(conn, "WRONG")
    conn.execute("UPDATE claim_failure SET since = since - interval '15 minutes'")
    assert not claims.locked(conn, HERE)
    redeem(conn, "WRONG", "192.0.2.9")
    assert conn.execute("SELECT address FROM claim_failure").fetchall() == [
        ("192.0.2.9",)
    ]
