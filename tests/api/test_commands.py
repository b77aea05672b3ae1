from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from store import Store
from tests.api.alert_cases import client_of
from tests.sensors.commands.conftest import Field

WANTED: dict[str, Any] = {"id": "c1", "set": {"valve": "open"}, "force": True}
URL = "/devices/valve-1/commands"


@pytest.fixture
def client(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    Field(store).add("valve-1")
    with client_of(store, monkeypatch) as client:
        yield client


def test_a_command_is_made_once(client: TestClient) -> None:
    first = client.post(URL, json=WANTED)
    assert first.status_code == 201
    assert first.json()["state"] == "queued"
    again = client.post(URL, json=WANTED)
    assert (again.status_code, again.json()) == (200, first.json())
    other = client.post(URL, json=WANTED | {"set": {"valve": "closed"}})
    assert (other.status_code, other.json()["title"]) == (409, "Command conflict")
    listed = client.get(URL).json()
    assert [command["id"] for command in listed["commands"]] == ["c1"]


def test_the_id_may_stand_in_the_header(client: TestClient) -> None:
    body = {"set": {"opening": 40}, "force": True}
    answer = client.post(URL, json=body, headers={"Idempotency-Key": "k-1"})
    assert answer.status_code == 201
    assert answer.json()["id"] == "k-1"
    assert answer.json()["set"] == {"opening": 40}


def test_without_an_id_or_with_two_there_is_no_command(client: TestClient) -> None:
    body = {"set": {"valve": "open"}, "force": True}
    assert "needs an id" in client.post(URL, json=body).json()["detail"]
    answer = client.post(URL, json=WANTED, headers={"Idempotency-Key": "c2"})
    assert answer.status_code == 422
    assert "differ" in answer.json()["detail"]
    assert client.get(URL).json()["commands"] == []


def test_an_unknown_state_refuses_and_keeps_the_refusal(client: TestClient) -> None:
    answer = client.post(URL, json=WANTED | {"force": False})
    assert answer.status_code == 409
    assert answer.json()["title_zh"] == "命令被拒绝"
    assert "never reported" in answer.json()["detail"]
    (kept,) = client.get(URL).json()["commands"]
    assert kept["state"] == "refused"


@pytest.mark.parametrize(
    "body",
    [
        {"id": "c1", "set": {}},
        {"id": "c1", "set": {"valve": "half"}},
        {"id": "c1", "set": {"valve": None}},
        {"id": "a b", "set": {"valve": "open"}},
        {"id": "c1", "set": {"valve": "open"}, "valid_s": 0},
        {"id": "c1", "set": {"valve": "open"}, "vaild_s": 10},
    ],
)
def test_what_cannot_be_is_refused(client: TestClient, body: dict[str, Any]) -> None:
    assert client.post(URL, json=body).status_code == 422


def test_an_unknown_device_is_not_found(client: TestClient) -> None:
    assert client.post("/devices/x/commands", json=WANTED).status_code == 404
    assert client.get("/devices/x/commands").status_code == 404
    assert client.get("/devices/x/state").status_code == 404


def test_the_reported_state_is_shown(store: Store, client: TestClient) -> None:
    assert client.get("/devices/valve-1/state").json()["state"] == {}
    Field(store).report({"valve": "open", "opening": 40.5})
    state = client.get("/devices/valve-1/state").json()["state"]
    assert state["valve"] == {
        "value": "open",
        "time": "2026-07-01T08:00:00Z",
        "received_at": "2026-07-01T08:00:00Z",
    }
    assert state["opening"]["value"] == 40.5
