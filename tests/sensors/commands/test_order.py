"""What may be commanded, and what is refused."""

import pytest

from sensors.commands import CommandInvalid
from store.commands import CommandConflict, Value
from store.errors import DeviceUnknown
from tests.sensors.commands.conftest import Field


@pytest.mark.parametrize(
    ("desired", "reason"),
    [
        ({"motor": "on"}, "no actuator 'motor'; they have: valve, opening"),
        ({"valve": "half"}, "it takes closed, open"),
        ({"valve": True}, "it takes closed, open"),
        ({"opening": 101}, "it takes 0 to 100"),
        ({"opening": float("nan")}, "it takes 0 to 100"),
        ({"opening": True}, "it takes 0 to 100"),
    ],
)
def test_what_the_device_cannot_do_is_refused(
    field: Field, desired: dict[str, Value], reason: str
) -> None:
    with pytest.raises(CommandInvalid, match=reason):
        field.order(desired=desired)


@pytest.mark.parametrize("command_id", ["", "a b", "x" * 65, "../up", "阀"])
def test_an_id_is_plain(field: Field, command_id: str) -> None:
    with pytest.raises(CommandInvalid, match="letters, digits"):
        field.order(command_id)


@pytest.mark.parametrize("valid_s", [0, -1, 7 * 86_400 + 1])
def test_a_command_ends(field: Field, valid_s: int) -> None:
    with pytest.raises(CommandInvalid, match="1 to 604800 seconds"):
        field.order(valid_s=valid_s)


def test_a_device_without_actuators_takes_no_command(field: Field) -> None:
    field.add("probe-1", "soil-probe")
    with pytest.raises(CommandInvalid, match="they have: none"):
        field.order(device_id="probe-1")


def test_an_unknown_device_takes_no_command(field: Field) -> None:
    with pytest.raises(DeviceUnknown):
        field.order(device_id="valve-9")


def test_a_state_never_reported_refuses_the_command(field: Field) -> None:
    field.courier.here.add("valve-1")
    command = field.order(force=False)
    assert command.state == "refused"
    assert "was never reported: force the command" in (command.reason or "")
    field.dispatch(1)
    assert field.courier.messages == []


def test_a_stale_state_refuses_the_command(field: Field) -> None:
    field.report({"valve": "closed"})
    field.second = 7200
    assert field.order("fresh", force=False).state == "queued"
    field.second = 7201
    command = field.order("late", force=False)
    assert command.state == "refused"
    assert "7201 s ago, more than 7200 s" in (command.reason or "")
    assert field.order("forced").state == "queued"


def test_a_refused_command_leaves_the_open_one_alone(field: Field) -> None:
    field.order("first")
    field.order("second", force=False)
    assert field.state("first") == "queued"


def test_the_same_id_with_the_same_content_is_the_same_command(field: Field) -> None:
    first = field.order()
    field.second = 30
    assert field.order() == first


@pytest.mark.parametrize(
    "other",
    [
        {"desired": {"valve": "closed"}},
        {"valid_s": 61},
        {"force": False},
    ],
)
def test_the_same_id_with_another_content_is_refused(
    field: Field, other: dict[str, object]
) -> None:
    field.order()
    with pytest.raises(CommandConflict, match="exists with another content"):
        field.order(**other)  # type: ignore[arg-type]


def test_a_newer_command_supersedes_the_open_one_of_its_actuator(field: Field) -> None:
    field.courier.here.add("valve-1")
    field.order("first")
    field.dispatch(0)
    field.order("other", {"opening": 30})
    field.order("second", {"valve": "closed"})
    assert field.state("first") == "superseded"
    assert field.state("other") == "queued"
    field.dispatch(20)
    ids = [message["id"] for _, _, message in field.courier.messages]
    assert ids == ["first", "other", "second"]
