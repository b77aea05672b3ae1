from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from store import Store
from tests.api.alert_cases import RULE, client_of


@pytest.fixture
def client(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    with client_of(store, monkeypatch) as client:
        yield client


def test_a_rule_is_stored_listed_and_removed(client: TestClient) -> None:
    answer = client.post("/rules", json=RULE)
    assert answer.status_code == 201
    assert answer.json()["condition"] == RULE["condition"]
    assert client.post("/rules", json=RULE).status_code == 200
    (listed,) = client.get("/rules").json()["rules"]
    assert (listed["name"], listed["changed_by"]) == ("heat", "http")
    assert listed["rule"] == answer.json()
    assert client.delete("/rules/heat").status_code == 204
    assert client.get("/rules").json() == {"rules": []}


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"levle": 3}, "rule.levle is unknown"),
        ({"severity": "loud"}, "severity is 'loud'"),
        ({"name": "Bad Name"}, "use 1-64 of a-z"),
        ({"scope": {}}, "the scope is empty"),
        ({"scope": {"farm": "meadow"}}, "needs a quantity or a stream_id"),
        ({"scope": {"stream_id": 1.5}}, "scope.stream_id is 1.5, not a number"),
        ({"condition": {"type": "magic"}}, "condition.type is 'magic'"),
        ({"condition": {"type": "threshold", "side": "above"}}, "level is missing"),
        ({"text_en": "{secret}"}, "holds {secret}"),
        ({"text_en": None}, "rule.text_en is missing"),
        ({"duration_s": -1}, "duration_s is -1 seconds"),
        ({"flags": [1, 7]}, "flags are [1, 7]"),
        ({"flags": [True]}, "no list of whole numbers"),
        ({"group": {"openings": 0}}, "group.openings is 0"),
        ({"remind_s": 5}, "remind_s is 5 seconds, not 60"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_by_name(
    client: TestClient, change: dict[str, Any], detail: str
) -> None:
    answer = client.post("/rules", json=RULE | change)
    assert answer.status_code == 422
    assert answer.json()["title"] == "Rule invalid"
    assert detail in answer.json()["detail"]
    assert "规则无效" in answer.json()["detail"]


def test_an_expression_that_is_no_condition_is_refused(client: TestClient) -> None:
    formula = {
        "type": "formula",
        "expression": "__import__('os')",
        "inputs": {"t": {"quantity": "air_temperature"}},
    }
    scope = {"farm": "meadow"}
    answer = client.post("/rules", json=RULE | {"condition": formula, "scope": scope})
    assert answer.status_code == 422
    assert "is not allowed" in answer.json()["detail"]


def test_an_unknown_rule_is_not_found(client: TestClient) -> None:
    answer = client.delete("/rules/nothing")
    assert answer.status_code == 404
    assert answer.json()["title_zh"] == "未知的规则"


def test_not_everybody_may_write(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with client_of(store, monkeypatch, trusted=False) as client:
        assert client.post("/rules", json=RULE).status_code == 403
        assert client.delete("/rules/heat").status_code == 403
        acknowledge = client.post("/alerts/1/acknowledge", json={"by": "Li"})
        assert acknowledge.status_code == 403
        command = {"id": "c1", "set": {"valve": "open"}}
        assert client.post("/devices/v/commands", json=command).status_code == 403
        assert client.get("/rules").json() == {"rules": []}
