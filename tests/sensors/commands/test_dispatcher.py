"""Commands on their way: sent, sent again, acknowledged, confirmed, expired."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest

from sensors.commands import Dispatcher, Sent
from store import commands
from tests.sensors.commands.conftest import Courier, Field
from tests.sensors.conftest import until


def test_a_command_goes_to_its_device_with_its_id_and_its_end(field: Field) -> None:
    field.courier.here.add("valve-1")
    field.order(desired={"valve": "open", "opening": 50})
    field.dispatch(1)
    assert field.courier.messages == [
        (
            "valve-1",
            "farm/meadow/valve-1/down/command",
            {
                "id": "c1",
                "ts": 1782892800000,
                "valid_until": 1782892860000,
                "set": {"valve": "open", "opening": 50},
            },
        )
    ]
    assert field.courier.tokens == [Sent("c1")]
    assert field.told() == [("queued", "Li"), ("sent", "dispatcher")]


def test_it_waits_for_a_device_that_is_away(field: Field) -> None:
    field.order()
    field.dispatch(0)
    assert field.state() == "queued"
    field.courier.here.add("valve-1")
    field.dispatch(5)
    assert field.courier.messages == []
    field.dispatch(10)
    assert len(field.courier.messages) == 1
    assert field.told() == [("queued", "Li"), ("sent", "dispatcher")]


def test_a_dispatcher_without_the_device_leaves_the_command_to_another(
    field: Field,
) -> None:
    elsewhere = Dispatcher(field.store, [Courier()], away=10, clock=field.now)
    field.courier.here.add("valve-1")
    field.order()
    elsewhere.dispatch()
    field.dispatch(1)
    assert len(field.courier.messages) == 1


def test_it_goes_out_as_soon_as_its_device_subscribes(field: Field) -> None:
    field.order()
    field.dispatch(0)
    field.courier.here.add("valve-1")
    with field.dispatcher:
        field.dispatcher.wake("valve-1")
        until(lambda: len(field.courier.messages) == 1)
    assert not field.dispatcher.running


def test_unconfirmed_it_is_sent_again_with_the_same_id(field: Field) -> None:
    field.courier.here.add("valve-1")
    field.order()
    for second in (0, 1, 14.9, 15, 29, 30):
        field.dispatch(second)
    assert len(field.courier.messages) == 3
    assert len({message["id"] for _, _, message in field.courier.messages}) == 1


def test_the_puback_is_noted_and_does_not_confirm(field: Field) -> None:
    field.courier.here.add("valve-1")
    field.order()
    field.dispatch(0)
    with field.dispatcher:
        field.dispatcher.delivered("a token of somebody else")
        field.dispatcher.delivered(Sent("c1"))
        until(lambda: field.state() == "delivered")
    field.dispatch(15)
    assert len(field.courier.messages) == 2
    assert field.state() == "delivered"


def test_an_expired_command_is_never_sent(field: Field) -> None:
    field.order(valid_s=60)
    field.courier.here.add("valve-1")
    field.dispatch(60)
    assert field.courier.messages == []
    assert field.state() == "expired"
    assert field.told()[-1] == ("expired", "dispatcher")


def test_a_confirmed_command_is_sent_no_more(field: Field) -> None:
    field.courier.here.add("valve-1")
    field.order()
    field.dispatch(0)
    field.second = 3
    assert field.report({"valve": "open"}, "c1")
    field.dispatch(20)
    assert len(field.courier.messages) == 1
    assert field.told()[-1] == ("confirmed", "device")


def test_a_dispatcher_that_died_after_its_claim_loses_nothing(field: Field) -> None:
    field.courier.here.add("valve-1")
    field.order()
    died = field.another()
    died._send = lambda due, at: None  # type: ignore[method-assign]
    died.dispatch()
    assert field.courier.messages == []
    field.dispatch(14)
    assert field.courier.messages == []
    field.dispatch(15)
    assert len(field.courier.messages) == 1


def test_many_dispatchers_send_a_command_once(field: Field) -> None:
    for number in range(40):
        field.add(f"fan-{number}", "fan")
        field.courier.here.add(f"fan-{number}")
        field.order(f"c{number}", {"fan": "on"}, device_id=f"fan-{number}")
    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(field.another().dispatch) for _ in range(12)]:
            done.result()
    assert len(field.courier.messages) == 40


def test_the_couriers_are_asked_in_their_order(field: Field) -> None:
    second = Courier()
    second.here.add("valve-1")
    field.order()
    Dispatcher(field.store, [field.courier, second], clock=field.now).dispatch()
    assert field.courier.messages == []
    assert len(second.messages) == 1


class Slow(Courier):
    """Takes a minute for each message."""

    def __init__(self, field: Field) -> None:
        super().__init__()
        self.field = field

    def send(self, device_id: str, topic: str, payload: bytes, *, token: Any) -> bool:
        self.field.second += 60
        return super().send(device_id, topic, payload, token=token)


def test_a_command_that_ends_while_others_are_sent_is_not_sent(field: Field) -> None:
    field.add("valve-2")
    courier = Slow(field)
    courier.here |= {"valve-1", "valve-2"}
    field.order("c1", valid_s=60)
    field.order("c2", device_id="valve-2", valid_s=60)
    Dispatcher(field.store, [courier], clock=field.now).dispatch()
    assert [device_id for device_id, _, _ in courier.messages] == ["valve-1"]


def test_a_command_past_its_end_is_not_claimed(field: Field) -> None:
    field.order(valid_s=60)
    field.second = 60
    with field.store.connection() as conn:
        at, pause = field.now(), timedelta(seconds=15)
        assert commands.claim(conn, at=at, pause=pause, limit=9) == []


class Choosy(Courier):
    """Raises for some devices what a client raises for a topic that is none."""

    def __init__(self, *poisoned: str) -> None:
        super().__init__()
        self.poisoned = poisoned

    def send(self, device_id: str, topic: str, payload: bytes, *, token: Any) -> bool:
        if device_id in self.poisoned:
            raise ValueError(f"no topic: {topic}")
        return super().send(device_id, topic, payload, token=token)


def test_a_command_that_cannot_be_sent_fails_and_holds_up_no_other(
    field: Field,
) -> None:
    field.add("valve-2")
    courier = Choosy("valve-1")
    courier.here.add("valve-2")
    field.order("c1")
    field.order("c2", device_id="valve-2")
    Dispatcher(field.store, [courier], clock=field.now).dispatch()
    assert [device_id for device_id, _, _ in courier.messages] == ["valve-2"]
    assert field.told("c2") == [("queued", "Li"), ("sent", "dispatcher")]
    assert field.told("c1") == [("queued", "Li"), ("failed", "dispatcher")]
    with field.store.connection() as conn:
        reason = commands.get(conn, "c1").reason
    assert reason == "cannot be sent: no topic: farm/meadow/valve-1/down/command"


def test_a_fault_of_one_round_does_not_end_the_thread(
    field: Field, caplog: pytest.LogCaptureFixture
) -> None:
    faults: list[Exception] = [ValueError("broken"), OSError("no file")]

    def broken() -> datetime:
        if faults:
            raise faults.pop(0)
        return field.now()

    field.courier.here.add("valve-1")
    field.order()
    with Dispatcher(field.store, [field.courier], period=0.01, clock=broken) as running:
        until(lambda: bool(field.courier.messages) or not running.running)
        assert running.running
    assert "ValueError: broken" in caplog.text
