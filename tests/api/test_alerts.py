from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from store import Store
from tests.api.alert_cases import client_of
from tests.store.test_alerts import new, opened


@pytest.fixture
def client(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    with client_of(store, monkeypatch) as client:
        yield client


def test_alerts_are_filtered_and_cut_off_visibly(
    store: Store, client: TestClient
) -> None:
    for number in range(3):
        opened(store, new(f"stream:{number}", minute=number))
    answer = client.get("/alerts", params={"limit": 2, "farm": "meadow"}).json()
    assert [alert["id"] for alert in answer["alerts"]] == [3, 2]
    assert answer["truncated"] is True
    assert answer["alerts"][0]["text_zh"] == "热"
    loud = client.get("/alerts", params={"severity": "critical"}).json()
    assert loud == {"alerts": [], "truncated": False}


def test_the_alerts_of_a_summary_are_asked_for_by_its_number(
    store: Store, client: TestClient
) -> None:
    summary = opened(store, new("summary:meadow"))
    member = opened(store, new(), summary_id=summary)
    (seen,) = client.get("/alerts").json()["alerts"]
    assert seen["id"] == summary
    (below,) = client.get("/alerts", params={"summary": summary}).json()["alerts"]
    assert (below["id"], below["summary_id"]) == (member, summary)


def test_an_alert_is_acknowledged_by_somebody(store: Store, client: TestClient) -> None:
    number = opened(store, new())
    body = {"by": "Li", "note": "on my way"}
    answer = client.post(f"/alerts/{number}/acknowledge", json=body)
    assert answer.status_code == 200
    assert answer.json()["acknowledged_by"] == "Li"
    detail = client.get(f"/alerts/{number}").json()
    assert detail["alert"] == answer.json()
    assert [change["change"] for change in detail["history"]] == [
        "opened",
        "acknowledged",
    ]


@pytest.mark.parametrize("body", [{}, {"by": ""}, {"by": "Li", "notes": "x"}])
def test_an_acknowledgement_names_somebody(
    store: Store, client: TestClient, body: dict[str, str]
) -> None:
    number = opened(store, new())
    answer = client.post(f"/alerts/{number}/acknowledge", json=body)
    assert answer.status_code == 422


def test_an_unknown_alert_is_not_found(client: TestClient) -> None:
    for answer in (
        client.get("/alerts/7"),
        client.post("/alerts/7/acknowledge", json={"by": "Li"}),
    ):
        assert answer.status_code == 404
        assert answer.json()["title"] == "Alert unknown"


@pytest.mark.parametrize(
    "query", ["severity=loud", "limit=0", "fram=x", "summary=99999999999999999999"]
)
def test_a_wrong_parameter_is_refused(client: TestClient, query: str) -> None:
    assert client.get(f"/alerts?{query}").status_code == 422
