"""The outbox: told at least once, later if it must be, and not too often."""

from datetime import UTC, datetime, timedelta

import pytest

from sensors.notify import NotificationFailed, Notifier, channel, pause
from store import Store, alerts, notifications
from store.alerts import NewAlert
from store.notifications import Notification
from tests.sensors.conftest import until

START = datetime(2026, 7, 1, tzinfo=UTC)


class Receiver:
    """Takes notifications, unless it is told to fail."""

    def __init__(self) -> None:
        self.got: list[Notification] = []
        self.tried = 0
        self.fault: NotificationFailed | None = None
        self.poisoned: set[str] = set()

    def send(self, notification: Notification) -> None:
        self.tried += 1
        if self.fault is not None:
            raise self.fault
        if notification.farm in self.poisoned:
            raise ValueError("no header")
        self.got.append(notification)


class Outbox:
    """A store with channels, and a clock in seconds since `START`."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.second = 0.0
        self.receiver = Receiver()
        self.notifier = self.another()

    def another(self) -> Notifier:
        return Notifier(
            self.store, {"webhook": self.receiver}, period=0.01, clock=self.now
        )

    def now(self) -> datetime:
        return START + timedelta(seconds=self.second)

    def add(self, name: str = "hook", **parts: object) -> None:
        given: dict[str, object] = {"kind": "webhook", "address": "http://x/"}
        made = channel(name=name, at=START, **(given | parts))  # type: ignore[arg-type]
        with self.store.connection() as conn:
            notifications.add_channel(conn, made)

    def open(
        self, key: str = "stream:1", *, farm: str = "meadow", severity: str = "warning"
    ) -> int:
        new = NewAlert(
            rule_id=1,
            rule="heat",
            key=key,
            kind="threshold",
            farm=farm,
            device_id="station-1",
            thing="barn",
            severity=severity,
            text_zh="热",
            text_en="Hot",
            value=41.0,
            evidence=[],
            simulated=False,
            opened_at=self.now(),
            noticed_at=self.now(),
        )
        with self.store.connection() as conn:
            return alerts.open_alert(conn, new, summary_id=None)

    def deliver(self, second: float) -> int:
        self.second = second
        return self.notifier.deliver()

    def counts(self) -> dict[str, dict[str, int]]:
        with self.store.connection() as conn:
            return notifications.queued(conn)


@pytest.fixture
def outbox(store: Store) -> Outbox:
    return Outbox(store)


def test_an_opened_alert_is_told_once(outbox: Outbox) -> None:
    outbox.add()
    outbox.open()
    assert outbox.deliver(0) == 1
    assert outbox.deliver(10_000) == 0
    (told,) = outbox.receiver.got
    assert (told.change, told.rule, told.severity) == ("opened", "heat", "warning")
    assert outbox.counts() == {"hook": {"sent": 1}}


def test_a_channel_gets_what_its_filter_lets_through(outbox: Outbox) -> None:
    outbox.add("all", severity="info")
    outbox.add("loud", severity="critical")
    outbox.add("plain", farm="plain", severity="info")
    outbox.open("stream:1", severity="info")
    outbox.open("stream:2", farm="plain", severity="critical")
    outbox.deliver(0)
    told = sorted((one.channel, one.farm) for one in outbox.receiver.got)
    assert told == [
        ("all", "meadow"),
        ("all", "plain"),
        ("loud", "plain"),
        ("plain", "plain"),
    ]


def test_what_fails_is_tried_again_after_growing_pauses(outbox: Outbox) -> None:
    outbox.add()
    outbox.open()
    outbox.receiver.fault = NotificationFailed("away")
    assert outbox.deliver(0) == 1
    assert outbox.deliver(29) == 0
    assert outbox.deliver(30) == 1
    assert outbox.deliver(89) == 0
    outbox.receiver.fault = None
    assert outbox.deliver(90) == 1
    assert [one.attempts for one in outbox.receiver.got] == [3]


def test_the_pauses_double_up_to_an_hour() -> None:
    assert [pause(n).total_seconds() for n in (1, 2, 3, 7, 8, 19)] == [
        30,
        60,
        120,
        1920,
        3600,
        3600,
    ]


def test_there_is_a_last_attempt(outbox: Outbox) -> None:
    outbox.add()
    outbox.open()
    outbox.receiver.fault = NotificationFailed("away")
    for attempt in range(40):
        outbox.deliver(attempt * 3600)
    assert outbox.receiver.tried == 20
    assert outbox.counts() == {"hook": {"failed": 1}}


def test_a_final_refusal_is_not_tried_again(outbox: Outbox) -> None:
    outbox.add()
    outbox.open()
    outbox.receiver.fault = NotificationFailed("gone", final=True)
    assert outbox.deliver(0) == 1
    assert outbox.deliver(10_000) == 0
    assert outbox.counts() == {"hook": {"failed": 1}}


def test_one_that_is_away_is_tried_once_a_round(outbox: Outbox) -> None:
    outbox.add()
    for number in range(5):
        outbox.open(f"stream:{number}")
    outbox.receiver.fault = NotificationFailed("away")
    assert outbox.deliver(0) == 5
    assert outbox.receiver.tried == 1


def test_one_that_cannot_be_sent_fails_and_holds_up_no_other(outbox: Outbox) -> None:
    outbox.add()
    outbox.receiver.poisoned.add("swamp")
    outbox.open("stream:1", farm="swamp")
    outbox.open("stream:2", farm="meadow")
    assert outbox.deliver(0) == 2
    assert [one.farm for one in outbox.receiver.got] == ["meadow"]
    assert outbox.counts() == {"hook": {"sent": 1, "failed": 1}}
    with outbox.store.connection() as conn:
        reasons = conn.execute(
            "SELECT error FROM notification WHERE error IS NOT NULL"
        ).fetchall()
    assert reasons == [("cannot be sent: no header",)]


def test_more_than_a_channel_takes_in_an_hour_waits(outbox: Outbox) -> None:
    outbox.add(per_hour=3)
    for number in range(5):
        outbox.open(f"stream:{number}")
    assert outbox.deliver(0) == 3
    assert outbox.deliver(3599) == 0
    assert outbox.deliver(3600) == 2


def test_what_a_killed_process_had_taken_is_told_by_another(outbox: Outbox) -> None:
    outbox.add()
    outbox.open()
    with outbox.store.connection() as conn:
        taken = notifications.claim(
            conn, at=START, lease=timedelta(minutes=15), limit=9
        )
    assert len(taken) == 1
    assert outbox.deliver(899) == 0
    assert outbox.deliver(900) == 1


def test_a_kind_that_is_not_set_up_waits(outbox: Outbox) -> None:
    outbox.add("mail", kind="email", address="li@example.org")
    outbox.open()
    outbox.deliver(0)
    assert outbox.counts() == {"mail": {"queued": 1}}


def test_a_removed_channel_gets_nothing_more(outbox: Outbox) -> None:
    outbox.add()
    outbox.open()
    with outbox.store.connection() as conn:
        notifications.remove_channel(conn, "hook")
        with pytest.raises(notifications.ChannelUnknown, match="hook"):
            notifications.remove_channel(conn, "hook")
    assert outbox.deliver(0) == 0


def test_a_name_is_taken_once(outbox: Outbox) -> None:
    outbox.add()
    with pytest.raises(notifications.ChannelExists, match="hook"):
        outbox.add()


def test_the_thread_tells_by_itself_and_stops(outbox: Outbox) -> None:
    outbox.add()
    with outbox.notifier as running:
        outbox.open()
        until(lambda: bool(outbox.receiver.got))
        assert running.running
    assert not running.running


def test_a_fault_of_one_turn_does_not_end_the_thread(
    outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    faults: list[Exception] = [ValueError("broken"), OSError("no file")]
    clock = outbox.now

    def broken() -> datetime:
        if faults:
            raise faults.pop(0)
        return clock()

    outbox.add()
    outbox.open()
    with Notifier(
        outbox.store, {"webhook": outbox.receiver}, period=0.01, clock=broken
    ) as running:
        until(lambda: bool(outbox.receiver.got) or not running.running)
        assert running.running
    assert "ValueError: broken" in caplog.text
    # Once a minute at most.
    assert "no file" not in caplog.text
