from datetime import UTC, datetime

from store import Store
from store.quarantine import Refused, add, newest

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
