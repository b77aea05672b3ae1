"""Reports of devices: kept once, newest state, what they confirm."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import psycopg
import pytest

from store import Store, commands
from tests.sensors.commands.conftest import START, Field
from tests.sensors.conftest import until


@pytest.fixture
def field(store: Store) -> Field:
    field = Field(store)
    field.add("valve-1")
    field.courier.here.add("valve-1")
    field.order()
    field.dispatch(10)
    return field


def test_a_report_is_kept_once(field: Field) -> None:
    assert field.report({"valve": "open"}, second=5)
    assert not field.report({"valve": "open"}, second=5)
    assert field.report({"valve": "closed"}, second=5)
    assert field.report({"valve": "open"}, second=6)


def test_the_newest_value_of_each_actuator_is_its_state(field: Field) -> None:
    field.report({"valve": "open", "opening": 40}, second=8)
    field.report({"valve": "closed"}, second=9)
    field.report({"valve": "open"}, second=7)
    with field.store.connection() as conn:
        state = commands.reported_state(conn, "valve-1")
    assert {name: (one.value, one.time.second) for name, one in state.items()} == {
        "valve": ("closed", 9),
        "opening": (40, 8),
    }


def test_a_report_that_names_the_command_confirms_it(field: Field) -> None:
    field.report({"valve": "open"}, "c1", second=2)
    assert field.state() == "confirmed"


def test_a_report_that_names_it_and_says_otherwise_does_not(field: Field) -> None:
    field.report({"valve": "closed"}, "c1", second=12)
    assert field.state() == "sent"


def test_a_report_that_names_it_and_says_nothing_of_its_actuators_does_not(
    field: Field,
) -> None:
    field.report({"battery": 2.5}, "c1")
    assert field.state() == "sent"


def test_one_id_for_two_devices_at_once_is_a_conflict(field: Field) -> None:
    field.add("valve-2")
    with ThreadPoolExecutor(1) as pool:
        with field.store.connection() as first, first.transaction():
            create(first, "valve-1")
            second = pool.submit(field.order, "c2", device_id="valve-2")
            until(partial(_waits, field.store))
        with pytest.raises(commands.CommandConflict):
            second.result()
    with field.store.connection() as conn:
        assert commands.get(conn, "c2").device_id == "valve-1"


def create(conn: psycopg.Connection, device_id: str) -> None:
    commands.create(
        conn,
        command_id="c2",
        device_id=device_id,
        desired={"valve": "open"},
        valid_s=60,
        forced=True,
        by="Li",
        at=START,
    )


def _waits(store: Store) -> bool:
    with store.connection() as conn:
        row = conn.execute(
            "SELECT FROM pg_stat_activity WHERE datname = current_database()"
            " AND wait_event_type = 'Lock'"
        ).fetchone()
    return row is not None


def test_the_desired_state_after_sending_confirms(field: Field) -> None:
    field.second = 12
    field.report({"valve": "open"}, second=9)
    assert field.state() == "sent"
    field.report({"valve": "open"}, second=11)
    assert field.state() == "confirmed"


def test_a_report_of_another_device_confirms_nothing(field: Field) -> None:
    field.add("valve-2")
    field.second = 12
    field.report({"valve": "open"}, "c1", device_id="valve-2")
    assert field.state() == "sent"


def test_what_is_not_sent_yet_is_not_confirmed_by_chance(field: Field) -> None:
    field.order("later", {"opening": 20})
    field.second = 20
    field.report({"opening": 20})
    assert field.state("later") == "queued"


def test_all_actuators_of_a_command_must_agree(field: Field) -> None:
    field.order("both", {"valve": "open", "opening": 20})
    field.dispatch(20)
    field.report({"opening": 20}, second=21)
    assert field.state("both") == "sent"
    field.report({"opening": 20, "valve": "open"}, second=22)
    assert field.state("both") == "confirmed"


def test_a_settled_command_stays_so(field: Field) -> None:
    field.dispatch(60)
    assert field.state() == "expired"
    field.report({"valve": "open"}, "c1", second=61)
    with field.store.connection() as conn:
        assert not commands.delivered(conn, "c1", at=field.now())
        assert not commands.fail(conn, "c1", reason="x", by="Li", at=field.now())
    assert field.state() == "expired"


def test_a_command_can_be_given_up(field: Field) -> None:
    with field.store.connection() as conn:
        assert commands.fail(conn, "c1", reason="flood", by="Li", at=field.now())
    assert field.told()[-1] == ("failed", "Li")


def test_an_unknown_command_is_an_error(store: Store) -> None:
    with store.connection() as conn, pytest.raises(commands.CommandUnknown):
        commands.get(conn, "nothing")


def test_commands_are_listed_newest_first(field: Field) -> None:
    field.order("c2", {"valve": "closed"})
    with field.store.connection() as conn:
        every = commands.find(conn, device_id="valve-1", limit=9)
        still = commands.find(conn, open_only=True, limit=9)
    assert [c.command_id for c in every] == ["c2", "c1"]
    assert [c.command_id for c in still] == ["c2"]


def test_true_is_not_one(field: Field) -> None:
    """Python and jsonb call them equal; a device does not."""
    given: dict[str, Any] = {
        "command_id": "c3",
        "device_id": "valve-1",
        "valid_s": 60,
        "forced": True,
        "by": "Li",
        "at": field.now(),
    }
    with field.store.connection() as conn:
        commands.create(conn, desired={"a": True}, **given)
        with pytest.raises(commands.CommandConflict):
            commands.create(conn, desired={"a": 1}, **given)
