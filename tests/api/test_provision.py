from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from fastapi.testclient import TestClient

from api.device_schemas import MqttAddress
from sensors.access import StoreAuthenticator, new_secret
from sensors.endpoint.authentication import Login, Principal, Refusal
from store import Store, claims, devices
from store.devices import Device
from tests.api.device_app import device_client
from tests.api.problem_contract import assert_problem

MAY = datetime(2026, 5, 1, tzinfo=UTC)
COLLAR = Device(
    "c1", "f1", "项圈", "Collar", "cattle-collar", 124, 43, None, False, MAY
)


@pytest.fixture
def herd(store: Store) -> Store:
    """Store with a collar."""
    with store.connection() as conn:
        devices.add(conn, COLLAR, [])
    return store


def may_enter(store: Store, secret: str) -> bool:
    login = Login("c1", "", secret.encode(), "127.0.0.1")
    (answer,) = StoreAuthenticator(store).authenticate([login])
    assert answer in (Principal("c1", "f1"), Refusal.CREDENTIALS)
    return answer == Principal("c1", "f1")


def a_claim(store: Store) -> str:
    response = device_client(store).post("/devices/c1/claim", json={})
    assert response.status_code == 201
    assert response.headers["cache-control"] == "no-store"
    return str(response.json()["claim"])


def a_device(store: Store, address: str = "192.0.2.50") -> TestClient:
    """Return a client as a device in the fields has it."""
    return device_client(store, address=address, url="http://farm.example:8421")


def test_claim_and_rotation_need_no_body(herd: Store) -> None:
    client = device_client(herd, token="t")
    headers = {"Authorization": "Bearer t"}
    assert client.post("/devices/c1/claim", headers=headers).status_code == 201
    assert client.post("/devices/c1/credential", headers=headers).status_code == 200


def test_code_sent_as_anything_but_json_is_not_repeated(herd: Store) -> None:
    text = '{"claim": "F9WT-N2MF", "hardware_id": "AA"}'
    response = a_device(herd).post(
        "/provision", content=text, headers={"Content-Type": "text/plain"}
    )
    assert_problem(
        response, 422, "Parameter invalid", "Content-Type: application/json", "body: "
    )
    assert "F9WT" not in response.text


def test_code_without_a_body_names_no_empty_field(herd: Store) -> None:
    response = a_device(herd).post("/provision")
    assert_problem(
        response, 422, "Parameter invalid", "body: Field required; send JSON"
    )


def test_claim_becomes_an_identity_once(herd: Store) -> None:
    asked = {"claim": a_claim(herd), "hardware_id": "AA:BB:CC"}
    response = a_device(herd).post("/provision", json=asked)
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert may_enter(herd, body.pop("password"))
    assert body == {
        "device_id": "c1",
        "username": "c1",
        "topics": {
            "up": "farm/f1/c1/up",
            "state": "farm/f1/c1/state",
            "down": "farm/f1/c1/down/#",
        },
        "mqtt": {"host": "192.0.2.1", "port": 1883, "tls": False},
    }
    again = a_device(herd).post("/provision", json=asked)
    assert_problem(again, 403, "Claim refused", "used up")


def test_one_of_two_devices_at_once(herd: Store) -> None:
    code = a_claim(herd)
    client = a_device(herd)

    def ask(n: int) -> int:
        asked = {"claim": code, "hardware_id": f"hw-{n}"}
        return client.post("/provision", json=asked).status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(ask, range(6))) == [200] + [403] * 5


def test_host_is_as_the_device_called_it(herd: Store) -> None:
    asked = {"claim": a_claim(herd), "hardware_id": "hw"}
    client = device_client(
        herd,
        address="192.0.2.50",
        url="http://farm.example:8421",
        mqtt=MqttAddress(host="0.0.0.0", port=8883, tls=True),
    )
    assert client.post("/provision", json=asked).json()["mqtt"] == {
        "host": "farm.example",
        "port": 8883,
        "tls": True,
    }


def test_no_door_for_devices(herd: Store) -> None:
    asked = {"claim": a_claim(herd), "hardware_id": "hw"}
    response = device_client(herd, mqtt=None).post("/provision", json=asked)
    assert response.json()["mqtt"] is None


def test_guesses_lock_an_address_and_spare_the_claim(herd: Store) -> None:
    code = a_claim(herd)
    wrong = {"claim": "WRONG", "hardware_id": "hw"}
    for _ in range(claims.ATTEMPTS):
        assert_problem(
            a_device(herd).post("/provision", json=wrong), 403, "Claim refused"
        )
    asked = {"claim": code, "hardware_id": "hw"}
    locked = a_device(herd).post("/provision", json=asked)
    assert_problem(locked, 429, "Too many claims", "192.0.2.50", "0:15:00")
    elsewhere = a_device(herd, "192.0.2.51").post("/provision", json=asked)
    assert elsewhere.status_code == 200


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"claim": "A-SECRET-CLAIM", "hardware_id": ""},
        {"claim": "A-SECRET-CLAIM", "hardware_id": "a\nb"},
        {"claim": "", "hardware_id": "hw"},
        {"claim": "C" * 101, "hardware_id": "hw"},
        {"claim": "A", "hardware_id": "hw", "admin": True},
    ],
)
def test_provisioning_that_cannot_be(store: Store, asked: dict[str, object]) -> None:
    response = a_device(store).post("/provision", json=asked)
    assert_problem(response, 422, "Parameter invalid")
    assert "A-SECRET-CLAIM" not in response.text


def test_rotation_keeps_the_secret_before(herd: Store) -> None:
    with herd.connection() as conn:
        old = new_secret(conn, "c1").secret
    response = device_client(herd).post("/devices/c1/credential", json={})
    assert response.headers["cache-control"] == "no-store"
    assert may_enter(herd, response.json()["password"])
    assert may_enter(herd, old)


def test_rotation_without_overlap(herd: Store) -> None:
    with herd.connection() as conn:
        old = new_secret(conn, "c1").secret
    body = {"overlap_hours": 0}
    response = device_client(herd).post("/devices/c1/credential", json=body)
    assert may_enter(herd, response.json()["password"])
    assert not may_enter(herd, old)


def test_revocation_ends_all(herd: Store) -> None:
    with herd.connection() as conn:
        secret = new_secret(conn, "c1").secret
    client = device_client(herd)
    assert client.delete("/devices/c1/credential").json() == {
        "device": "c1",
        "ended": 1,
    }
    assert not may_enter(herd, secret)
    assert client.delete("/devices/c1/credential").json()["ended"] == 0


WRITES = [
    ("POST", "credential"),
    ("DELETE", "credential"),
    ("POST", "claim"),
]


@pytest.mark.parametrize(("method", "what"), WRITES)
def test_no_such_device(store: Store, method: str, what: str) -> None:
    json: dict[str, str] | None = {} if method == "POST" else None
    response = device_client(store).request(method, f"/devices/c9/{what}", json=json)
    assert_problem(response, 404, "Device unknown", "c9")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/devices/c1/credential", {"overlap_hours": -1}),
        ("/devices/c1/credential", {"password": "mine"}),
        ("/devices/c1/claim", {"valid_hours": 0}),
        ("/devices/c1/claim", {"valid_hours": "long"}),
        ("/devices/c%20/claim", {}),
    ],
)
def test_wrong_input(herd: Store, path: str, body: dict[str, object]) -> None:
    assert_problem(device_client(herd).post(path, json=body), 422, "Parameter invalid")
