from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from store import DeviceUnknown, RowRefused, Store, credentials, devices
from store.devices import Device

MAY = datetime(2026, 5, 1, tzinfo=UTC)
DEVICE = Device(
    "c1", "f1", "项圈", "Collar", "cattle-collar", 124, 43, None, False, MAY
)
FIRST, SECOND, THIRD = ("$7$101$c2FsdA==$" + letter for letter in "abc")


@pytest.fixture
def conn(store: Store) -> Iterator[psycopg.Connection]:
    """Open a connection to a store with one device."""
    with store.connection() as conn:
        devices.add(conn, DEVICE, [])
        yield conn


def hashes(conn: psycopg.Connection) -> tuple[str, ...]:
    found = credentials.access(conn, ["c1"])
    return found["c1"].hashes if found else ()


def test_two_are_valid_and_a_third_ends_the_oldest(conn: psycopg.Connection) -> None:
    credentials.issue(conn, "c1", FIRST)
    assert hashes(conn) == (FIRST,)
    credentials.issue(conn, "c1", SECOND)
    assert hashes(conn) == (SECOND, FIRST)
    credentials.issue(conn, "c1", THIRD)
    assert hashes(conn) == (THIRD, SECOND)


def test_older_ends_with_its_overlap(conn: psycopg.Connection) -> None:
    credentials.issue(conn, "c1", FIRST)
    credentials.issue(conn, "c1", SECOND, overlap=timedelta(hours=1))
    assert hashes(conn) == (SECOND, FIRST)
    newest, older = credentials.of_device(conn, "c1")
    assert newest.valid_until is None
    assert older.valid_until is not None
    conn.execute("UPDATE credential SET valid_until = valid_until - interval '1 hour'")
    assert hashes(conn) == (SECOND,)


def test_no_overlap_ends_the_older_at_once(conn: psycopg.Connection) -> None:
    credentials.issue(conn, "c1", FIRST)
    credentials.issue(conn, "c1", SECOND, overlap=timedelta())
    assert hashes(conn) == (SECOND,)


def test_retired_is_all_but_the_newest(conn: psycopg.Connection) -> None:
    credentials.issue(conn, "c1", FIRST)
    credentials.issue(conn, "c1", SECOND)
    assert credentials.retire(conn, "c1") == 1
    assert credentials.retire(conn, "c1") == 0
    assert hashes(conn) == (SECOND,)


def test_revoked_are_all(conn: psycopg.Connection) -> None:
    credentials.issue(conn, "c1", FIRST)
    credentials.issue(conn, "c1", SECOND)
    assert credentials.revoke(conn, "c1") == 2
    assert hashes(conn) == ()
    assert credentials.exported(conn) == []


def test_disabled_device_has_no_access(conn: psycopg.Connection) -> None:
    credentials.issue(conn, "c1", FIRST)
    devices.disable(conn, "c1")
    assert hashes(conn) == ()
    assert credentials.exported(conn) == []
    devices.enable(conn, "c1")
    assert hashes(conn) == (FIRST,)


def test_access_tells_farm_and_gateway(conn: psycopg.Connection) -> None:
    credentials.issue(conn, "c1", FIRST)
    found = credentials.access(conn, ["c1", "nobody", "a\0b", "\ud800"])
    assert found == {"c1": credentials.Access("c1", "f1", False, (FIRST,))}
    assert credentials.exported(conn) == [found["c1"]]


@pytest.mark.parametrize("call", [credentials.retire, credentials.revoke])
def test_unknown_device(conn: psycopg.Connection, call: object) -> None:
    assert callable(call)
    with pytest.raises(DeviceUnknown, match="'c9'"):
        call(conn, "c9")
    with pytest.raises(DeviceUnknown, match="'c9'"):
        credentials.issue(conn, "c9", FIRST)


def test_secret_in_clear_is_refused(store: Store) -> None:
    def attempt() -> None:
        with store.connection() as conn:
            devices.add(conn, DEVICE, [])
            credentials.issue(conn, "c1", "in clear")

    with pytest.raises(RowRefused, match="credential_hash_check"):
        attempt()


def test_what_ended_is_told_by_the_databases_clock(conn: psycopg.Connection) -> None:
    credentials.issue(conn, "c1", FIRST)
    before, nothing = credentials.ended(conn, since=None)
    assert nothing == []
    assert credentials.ended(conn, since=before)[1] == []
    credentials.revoke(conn, "c1")
    now, ended = credentials.ended(conn, since=before)
    assert [(e.device_id, before < e.at <= now) for e in ended] == [("c1", True)]
    devices.disable(conn, "c1")
    assert len(credentials.ended(conn, since=before)[1]) == 2
    assert len(credentials.ended(conn, since=now)[1]) == 1


def test_end_of_an_overlap_is_told_when_it_comes(conn: psycopg.Connection) -> None:
    credentials.issue(conn, "c1", FIRST)
    credentials.issue(conn, "c1", SECOND, overlap=timedelta(hours=1))
    before, _ = credentials.ended(conn, since=None)
    assert credentials.ended(conn, since=before)[1] == []
    conn.execute(
        "UPDATE credential SET valid_until = clock_timestamp()"
        " WHERE valid_until IS NOT NULL"
    )
    assert [e.device_id for e in credentials.ended(conn, since=before)[1]] == ["c1"]
