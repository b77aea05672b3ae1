"""Commands on their way to devices that come and go."""

import ast
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sensors.edge
from sensors.commands import message
from sensors.edge.commands import Commands, local_command
from store.commands import Command

NOW = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
TOPIC = "farm/f1/fan/down/command"


class Radio:
    """Reaches the devices that are there."""

    def __init__(self) -> None:
        self.there: set[str] = set()
        self.sent: list[bytes] = []

    def send(self, device_id: str, topic: str, payload: bytes, *, token: Any) -> bool:
        if device_id in self.there:
            self.sent.append(payload)
        return device_id in self.there


def commands(radio: Radio, now: list[int]) -> Commands:
    return Commands(radio, now_us=lambda: now[0])


def until(second: int) -> bytes:
    return b'{"id":"%d","valid_until":%d}' % (second, 1_767_225_600_000 + second * 1000)


def test_commands_wait_in_order_until_the_device_listens() -> None:
    radio = Radio()
    waiting = commands(radio, [NOW])
    waiting.pass_on(TOPIC, until(10))
    waiting.pass_on(TOPIC, until(20))
    assert radio.sent == []

    radio.there.add("fan")
    waiting.subscribed("fan")

    assert radio.sent == [until(10), until(20)]
    waiting.subscribed("fan")
    assert waiting.sent == 2


def test_a_command_past_its_end_is_not_sent() -> None:
    radio, now = Radio(), [NOW]
    waiting = commands(radio, now)
    waiting.pass_on(TOPIC, until(10))
    waiting.pass_on(TOPIC, until(20))

    now[0] += 15_000_000
    radio.there.add("fan")
    waiting.subscribed("fan")

    assert radio.sent == [until(20)]
    assert waiting.expired == 1


def test_a_command_whose_end_is_not_understood_does_not_wait() -> None:
    radio, now = Radio(), [NOW]
    waiting = commands(radio, now)
    waiting.pass_on(TOPIC, b'{"id":"1","valid_until":"tomorrow"}')

    now[0] += 1_000_000
    radio.there.add("fan")
    waiting.subscribed("fan")

    assert radio.sent == []
    assert waiting.expired == 1


def test_a_command_without_an_end_waits_five_minutes() -> None:
    radio, now = Radio(), [NOW]
    waiting = commands(radio, now)
    waiting.pass_on(TOPIC, b"not JSON")

    now[0] += 301_000_000
    radio.there.add("fan")
    waiting.subscribed("fan")

    assert radio.sent == []


def test_a_thousand_commands_at_most_wait() -> None:
    radio = Radio()
    waiting = commands(radio, [NOW])
    for number in range(1_005):
        waiting.pass_on(f"farm/f1/d{number % 7}/down/command", b'{"id":"%d"}' % number)

    radio.there.update(f"d{number}" for number in range(7))
    waiting.subscribed("d0")

    assert len(radio.sent) == 1_000
    assert waiting.expired == 5


def test_more_devices_than_a_thousand_have_a_command_each() -> None:
    radio = Radio()
    waiting = commands(radio, [NOW])
    for number in range(1_003):
        waiting.pass_on(f"farm/f1/d{number}/down/command", until(10))

    radio.there.update(f"d{number}" for number in range(1_003))
    waiting.subscribed("d1002")

    assert len(radio.sent) == 1_000


def test_the_platform_s_own_command_ends_when_it_says() -> None:
    radio, now = Radio(), [NOW]
    waiting = commands(radio, now)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    waiting.pass_on(
        TOPIC,
        message(
            Command(
                command_id="c-1",
                device_id="fan",
                farm="f1",
                desired={"fan": "on"},
                valid_s=60,
                forced=False,
                state="sent",
                reason=None,
                created_at=at,
                created_by="Li",
                valid_until=at + timedelta(seconds=60),
                attempts=1,
                sent_at=at,
                settled_at=None,
            )
        ),
    )

    now[0] += 61_000_000
    radio.there.add("fan")
    waiting.subscribed("fan")

    assert radio.sent == []


def test_a_command_that_is_asked_for_again_waits_once() -> None:
    radio = Radio()
    waiting = commands(radio, [NOW])
    for _ in range(3):
        waiting.pass_on(TOPIC, until(10))
    waiting.pass_on(TOPIC, until(20))

    radio.there.add("fan")
    waiting.subscribed("fan")

    assert radio.sent == [until(10), until(20)]


def test_other_topics_are_ignored() -> None:
    radio = Radio()
    radio.there.add("fan")
    waiting = commands(radio, [NOW])

    for topic in ("farm/f1/fan/up", "farm/f1/fan", "x", ""):
        waiting.pass_on(topic, until(10))

    assert radio.sent == []


def test_a_local_command() -> None:
    payload = local_command({"fan": "on"}, command_id="e-1", now_us=NOW, valid_s=60)

    assert payload == (
        b'{"id":"e-1","ts":1767225600000,'
        b'"valid_until":1767225660000,"set":{"fan":"on"}}'
    )


def test_the_agent_has_no_database() -> None:
    folder = Path(sensors.edge.__file__).parent
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = (
                [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else []
            )
            assert not {name.split(".")[0] for name in names} & {"store", "psycopg"}
