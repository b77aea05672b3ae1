"""From the endpoint to the disk, when the disk has no room for a while."""

from collections.abc import Sequence
from pathlib import Path

from sensors.alerts import Change, from_json
from sensors.delivery import Delivery
from sensors.edge.config import LocalRule
from sensors.edge.inbox import Inbox
from sensors.edge.local_rules import LocalRules, Step
from sensors.edge.queue import Entry, Queue, QueueFull
from tests.sensors.conftest import until

NOW = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
HOT = b'{"ts":"2026-01-01T00:00:00Z","readings":{"air_temperature":30}}'
RULE = {
    "name": "hot",
    "severity": "warning",
    "text_zh": "热",
    "text_en": "hot",
    "condition": {"type": "threshold", "side": "above", "level": 28},
    "scope": {"quantity": "air_temperature"},
}


class FullAtFirst(Queue):
    """Has room from the second time on that it is asked."""

    refusals = 1

    def write(self, entry: Entry) -> None:
        if self.refusals:
            self.refusals -= 1
            raise QueueFull("no room")
        super().write(entry)


class Door:
    """Remembers what was settled."""

    def __init__(self) -> None:
        self.acknowledged: list[bytes] = []

    def settled(self, deliveries: Sequence[Delivery]) -> None:
        self.acknowledged += [delivery.payload for delivery in deliveries]


def test_a_rule_sees_a_message_that_is_written_at_the_second_try(
    tmp_path: Path,
) -> None:
    queue, door, steps = FullAtFirst(tmp_path, max_bytes=4 << 20), Door(), list[Step]()
    rules = LocalRules(
        [LocalRule(from_json(RULE))],
        farm="f1",
        gateway="gw",
        devices={},
        streams={},
        states={},
    )
    inbox = Inbox(
        queue,
        rules,
        farm="f1",
        act=steps.append,
        on_written=lambda: None,
        now_us=lambda: NOW,
    )
    with inbox:
        inbox.put([Delivery("farm/f1/a/up", HOT, NOW, door, None, "a", "f1")])
        until(lambda: queue.refusals == 0)
        inbox.room()
        until(lambda: bool(door.acknowledged))
    queue.close()
    changes = [each.event.change for step in steps for each in step.happenings]
    assert changes == [Change.OPENED]
