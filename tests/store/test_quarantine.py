from dataclasses import replace
from datetime import UTC, datetime, timedelta

from store import Store
from store.quarantine import Refused, add, newest, trim

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
NOON_US = 1_782_907_200_000_000
SECOND_US = 1_000_000


def refused(topic: str, reason: str, *, after_s: int = 0) -> Refused:
    return Refused(topic, b"\x00{", reason, NOON_US + after_s * SECOND_US)


def test_message_that_comes_again_is_counted(store: Store) -> None:
    with store.connection() as conn:
        add(conn, [refused("farm/f/d/up", "bad")])
        add(conn, [refused("farm/f/d/up", "worse", after_s=1)])
        (kept,) = newest(conn, 10)
    assert (kept.topic, kept.payload, kept.count) == ("farm/f/d/up", b"\x00{", 2)
    assert kept.reason == "worse"
    assert kept.first_received_at == NOON
    assert (kept.last_received_at - NOON).total_seconds() == 1


def test_same_payload_on_another_topic_is_another_message(store: Store) -> None:
    with store.connection() as conn:
        add(conn, [refused("a", "bad"), refused("b", "bad", after_s=1)])
        assert [kept.topic for kept in newest(conn, 10)] == ["b", "a"]
        assert [kept.topic for kept in newest(conn, 1)] == ["b"]


def test_same_message_of_another_publisher_is_another_message(store: Store) -> None:
    mine, yours = (
        replace(refused("v1/devices/me/telemetry", "bad"), device_id=device_id)
        for device_id in ("a", "b")
    )
    with store.connection() as conn:
        add(conn, [mine, yours, mine])
        kept = {row.device_id: row.count for row in newest(conn, 10)}
    assert kept == {"a": 2, "b": 1}


def test_topic_that_text_cannot_hold(store: Store) -> None:
    with store.connection() as conn:
        add(conn, [refused("a\0b\udc80", "\0")])
        assert newest(conn, 1)[0].topic == "a\ufffdb?"


def test_long_payload_is_cut_and_said_to_be(store: Store) -> None:
    with store.connection() as conn:
        add(conn, [Refused("a", bytes(65_537), "too long", NOON_US)])
        (kept,) = newest(conn, 1)
    assert kept.truncated
    assert len(kept.payload) == 65_536


def trimmed(store: Store, *, messages: int = 9, octets: int = 999) -> list[str]:
    """Keep four messages of 10 bytes, received at noon and 1, 2, 3 s after; trim."""
    with store.connection() as conn:
        add(
            conn,
            [
                Refused(topic, b"0123456789", "bad", NOON_US + second * SECOND_US)
                for second, topic in enumerate("abcd")
            ],
        )
        # Received once more: no longer the oldest.
        add(conn, [Refused("a", b"0123456789", "bad", NOON_US + 9 * SECOND_US)])
        before = NOON + timedelta(seconds=2)
        deleted = trim(conn, before=before, messages=messages, octets=octets)
        left = [kept.topic for kept in newest(conn, 10)]
    assert deleted == 4 - len(left)
    return left


def test_what_was_long_not_received_is_deleted(store: Store) -> None:
    assert trimmed(store) == ["a", "d", "c"]


def test_those_received_last_are_kept(store: Store) -> None:
    assert trimmed(store, messages=2) == ["a", "d"]


def test_so_many_bytes_are_kept(store: Store) -> None:
    assert trimmed(store, octets=29) == ["a", "d"]
    assert trimmed(store, octets=30) == ["a", "d", "c"]
