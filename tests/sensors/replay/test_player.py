import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from zoneinfo import ZoneInfo

import pytest

from sensors.errors import BrokerUnreachable, PublishFailed
from sensors.formats import decode
from sensors.publisher import Login, Outgoing, Publisher
from sensors.replay import (
    Bookmark,
    Disturbance,
    Reading,
    ResumeImpossible,
    fingerprint,
    messages,
    outgoing,
    plan,
    play,
    read_recording,
)
from tests.sensors.replay.collector import (
    FARM,
    PASSWORD,
    USERNAME,
    Collector,
    listening,
)

LOGIN = Login(username=USERNAME, password=PASSWORD, version=5)
SECOND_US = 1_000_000


@pytest.fixture
def collector() -> Collector:
    return Collector()


@pytest.fixture
def port(collector: Collector) -> Iterator[int]:
    with listening(collector) as port:
        yield port


def minutes(count: int) -> list[tuple[int, Outgoing]]:
    return [
        (n * 60 * SECOND_US, Outgoing(f"farm/{FARM}/cow-{n}/up", b"%d" % n, 1))
        for n in range(count)
    ]


@pytest.mark.parametrize("version", [4, 5])
def test_all_is_published_once_and_in_order(
    collector: Collector, port: int, version: int
) -> None:
    login = Login(USERNAME, PASSWORD, version=5 if version == 5 else 4)
    told: list[int] = []
    with Publisher(host="127.0.0.1", port=port, login=login) as publisher:
        assert play(minutes(700), publisher, speed=0, progress=told.append)
        assert publisher.acknowledged == 700
    assert [int(one.payload) for one in collector.deliveries] == list(range(700))
    assert told[-1] == 700


def test_what_was_acknowledged_before_is_skipped(
    collector: Collector, port: int
) -> None:
    told: list[int] = []
    with Publisher(host="127.0.0.1", port=port, login=LOGIN) as publisher:
        play(minutes(10), publisher, speed=0, skip=7, progress=told.append)
    assert [int(one.payload) for one in collector.deliveries] == [7, 8, 9]
    assert told[-1] == 10


class Clock(Event):
    """Time that only waiting makes pass."""

    now = 1_000.0

    def wait(self, timeout: float | None = None) -> bool:
        self.now += timeout or 0.0
        return self.is_set()


def test_pace_follows_the_recording(
    collector: Collector, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr("sensors.replay.player.monotonic", lambda: clock.now)
    with Publisher(host="127.0.0.1", port=port, login=LOGIN) as publisher:
        assert play(minutes(6), publisher, speed=100, stop=clock)
    # Five minutes between the first and the last, at a hundred times their pace.
    assert clock.now - 1_000 == pytest.approx(3.0)
    assert len(collector.deliveries) == 6


def test_stop_ends_a_pause(collector: Collector, port: int) -> None:
    stop = Event()

    def first_then_stop() -> Iterator[tuple[int, Outgoing]]:
        first, second = minutes(2)
        yield first
        stop.set()
        yield second

    with Publisher(host="127.0.0.1", port=port, login=LOGIN) as publisher:
        assert not play(first_then_stop(), publisher, speed=1e-9, stop=stop)
    assert len(collector.deliveries) == 1


@pytest.mark.parametrize("version", [4, 5])
def test_wrong_password_is_said(port: int, version: int) -> None:
    login = Login(USERNAME, "guessed", version=5 if version == 5 else 4)
    publisher = Publisher(host="127.0.0.1", port=port, login=login)
    with pytest.raises(BrokerUnreachable, match="password is wrong") as caught:
        publisher.start()
    assert "guessed" not in str(caught.value)


def test_password_is_never_shown() -> None:
    assert PASSWORD not in repr(LOGIN)


def test_topic_of_another_is_refused_and_said(collector: Collector, port: int) -> None:
    login = Login("cow-97", "a-collars-secret", version=5)
    with (
        Publisher(host="127.0.0.1", port=port, login=login) as publisher,
        pytest.raises(PublishFailed, match="refused a message: Not authorized"),
    ):
        play(minutes(3), publisher, speed=0)
    assert publisher.acknowledged == 0
    assert collector.deliveries == []


def test_duplicates_are_exact(collector: Collector, port: int) -> None:
    recorded = messages(
        [
            Reading("cow-1", n * 60 * SECOND_US + 10**15, "co2", None, n / 7)
            for n in range(200)
        ]
    )
    planned = plan(recorded, Disturbance(0.1, 0.4, 600), seed=5)
    with Publisher(host="127.0.0.1", port=port, login=LOGIN) as publisher:
        play(
            ((due, outgoing(message, farm=FARM)) for due, message in planned),
            publisher,
            speed=0,
        )
    copies = Counter(one.payload for one in collector.deliveries)
    assert set(copies.values()) == {1, 2}
    by_seq = Counter(json.loads(payload)["seq"] for payload in copies)
    assert set(by_seq.values()) == {1}


def test_bookmark_remembers(tmp_path: Path) -> None:
    bookmark = Bookmark(tmp_path / "b", "abc")
    assert bookmark.read() == 0
    bookmark.write(41)
    bookmark.write(42)
    assert bookmark.read() == 42
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"replay": "other", "acknowledged": 1}', "another file or of other settings"),
        ('{"replay": "abc", "acknowledged": -1}', "another file or of other settings"),
        ("[]", "no bookmark"),
        ("", "cannot be read"),
        ("{", "cannot be read"),
    ],
)
def test_bookmark_of_something_else_is_refused(
    tmp_path: Path, text: str, reason: str
) -> None:
    (tmp_path / "b").write_text(text)
    with pytest.raises(ResumeImpossible, match=reason):
        Bookmark(tmp_path / "b", "abc").read()


def test_fingerprint_tells_files_and_settings_apart(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("a")
    other.write_text("b")
    prints = {
        fingerprint(one, {"seed": 1}),
        fingerprint(one, {"seed": 2}),
        fingerprint(other, {"seed": 1}),
    }
    assert len(prints) == 3
    assert fingerprint(one, {"seed": 1}) in prints


# One of each format and clock. Readable rows as pandas counts them; the others are in
# test_recording.
@pytest.mark.parametrize(
    ("name", "rows", "readings"),
    [
        ("schema_50days/Cows_5.3. - 12.3.xls", 6_366, 6_366),
        ("schema_weekly/February 25 2019.xlsx", 6_309, 12_513),
    ],
)
def test_real_export_through_the_listener(
    shared_data: Path,
    collector: Collector,
    port: int,
    name: str,
    rows: int,
    readings: int,
) -> None:
    path = shared_data / "heat_detection" / name
    recording = read_recording(path, zone=ZoneInfo("Europe/Berlin"), prefix="cow-")
    planned = plan(messages(recording.readings), Disturbance(), seed=0)
    with Publisher(host="127.0.0.1", port=port, login=LOGIN) as publisher:
        assert play(
            ((due, outgoing(message, farm=FARM)) for due, message in planned),
            publisher,
            speed=0,
        )
    arrived = {
        (uplink.device_id, one.time_us, one.name): one.value
        for delivery in collector.deliveries
        for uplink in decode(
            delivery.topic, delivery.payload, delivery.received_us, publisher=USERNAME
        )
        for one in uplink.measurements
    }
    assert len(collector.deliveries) == rows
    assert arrived == {
        (one.device_id, one.time_us, one.name): one.value for one in recording.readings
    }
    assert len(arrived) == readings
