"""Claims of notifications by several processes; the rest is in tests/sensors/notify."""

from datetime import UTC, datetime, timedelta

import pytest

from store import Store, notifications
from store.notifications import Channel, ChannelExists
from tests.store.test_alerts import new, opened

AT = datetime(2026, 7, 1, tzinfo=UTC)


def channel(name: str) -> Channel:
    return Channel(
        name=name,
        kind="webhook",
        address="http://x/",
        language="zh",
        secret="0123456789abcdef",
        farm=None,
        severity="info",
        per_hour=60,
        created_at=AT,
    )


def test_two_processes_never_take_the_same_one(store: Store) -> None:
    with store.connection() as conn:
        notifications.add_channel(conn, channel("a"))
    for number in range(4):
        opened(store, new(f"stream:{number}"))
    lease = timedelta(minutes=1)
    with store.connection() as one, store.connection() as two:
        first = notifications.claim(one, at=AT, lease=lease, limit=3)
        second = notifications.claim(two, at=AT, lease=lease, limit=3)
    assert len(first) == 3
    assert len(second) == 1
    assert not {n.notification_id for n in first} & {n.notification_id for n in second}
    assert "0123456789abcdef" not in repr(first)


def test_channels_are_listed_and_named_once(store: Store) -> None:
    with store.connection() as conn:
        notifications.add_channel(conn, channel("b"))
        notifications.add_channel(conn, channel("a"))
        assert [c.name for c in notifications.channels(conn)] == ["a", "b"]
        with pytest.raises(ChannelExists, match="'a'"):
            notifications.add_channel(conn, channel("a"))
