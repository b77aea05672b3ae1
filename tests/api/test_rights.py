from collections.abc import Mapping

import pytest
from fastapi.testclient import TestClient

from store import Store, devices
from tests.api.device_app import device_client
from tests.api.problem_contract import assert_problem

NEW = {"id": "p1", "kind": "soil-probe", "lon": 124.3, "lat": 43.3}
JSON = {"content-type": "application/json"}
BODY = b'{"id": "p1", "kind": "soil-probe", "lon": 124.3, "lat": 43.3}'


def registered(store: Store) -> int:
    with store.connection() as conn:
        return len(devices.all_devices(conn))


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8421"),
        ("127.0.0.1", "http://localhost:8421"),
        ("127.8.8.8", "http://localhost"),
        ("::1", "http://[::1]:8421"),
        ("::ffff:127.0.0.1", "http://127.0.0.1:8421"),
    ],
)
def test_program_on_this_machine_may_write(
    store: Store, address: str, url: str
) -> None:
    client = device_client(store, address=address, url=url)
    assert client.post("/devices", json=NEW).status_code == 201
    assert registered(store) == 1


def test_own_page_may_write(store: Store) -> None:
    headers = {"origin": "http://127.0.0.1:8421", "sec-fetch-site": "same-origin"}
    client = device_client(store)
    assert client.post("/devices", json=NEW, headers=headers).status_code == 201


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::1", "::ffff:192.0.2.7"])
def test_other_machines_may_not(store: Store, address: str) -> None:
    response = device_client(store, address=address).post("/devices", json=NEW)
    assert_problem(response, 403, "Write refused", address, "HEITU_TOKEN")
    assert registered(store) == 0


@pytest.mark.parametrize(
    ("headers", "mention"),
    [
        # A page of a name that was rebound to 127.0.0.1.
        ({**JSON, "host": "evil.example:8421"}, "evil.example"),
        ({**JSON, "host": ""}, "host"),
        ({**JSON, "origin": "https://evil.example"}, "evil.example"),
        ({**JSON, "origin": "null"}, "null"),
        # Another port is another origin.
        ({**JSON, "origin": "http://127.0.0.1:9999"}, "9999"),
        ({**JSON, "origin": "https://127.0.0.1:8421"}, "https"),
        ({**JSON, "sec-fetch-site": "cross-site"}, "elsewhere"),
        ({**JSON, "sec-fetch-site": "same-site"}, "elsewhere"),
        # What a form can send.
        ({"content-type": "text/plain"}, "application/json"),
        ({"content-type": "application/x-www-form-urlencoded"}, "application/json"),
        ({}, "application/json"),
        # A proxy here speaks for anybody.
        ({**JSON, "x-forwarded-for": "127.0.0.1"}, "127.0.0.1"),
        ({**JSON, "forwarded": "for=127.0.0.1"}, "127.0.0.1"),
    ],
)
def test_forged_request_is_refused(
    store: Store, headers: Mapping[str, str], mention: str
) -> None:
    response = device_client(store).post(
        "/devices", content=BODY, headers=dict(headers)
    )
    assert_problem(response, 403, "Write refused", mention)
    assert registered(store) == 0


def test_token_lets_in_from_anywhere(store: Store) -> None:
    client = device_client(
        store, token="a-token", address="192.0.2.7", url="https://farm.example"
    )
    headers = {"authorization": "Bearer a-token"}
    assert client.post("/devices", json=NEW, headers=headers).status_code == 201


@pytest.mark.parametrize(
    "header", [None, "Bearer b-token", "Bearer", "a-token", "Basic a-token", "Bearer é"]
)
def test_without_the_token_nobody_may_write(store: Store, header: str | None) -> None:
    client = device_client(store, token="a-token")
    headers = {b"authorization": header.encode("latin-1")} if header else {}
    response = client.post("/devices", json=NEW, headers=headers)
    assert_problem(response, 401, "Token wrong", "HEITU_TOKEN")
    assert "a-token" not in response.text
    assert registered(store) == 0


WRITES = [
    ("POST", "/devices"),
    ("POST", "/devices/p1/credential"),
    ("DELETE", "/devices/p1/credential"),
    ("POST", "/devices/p1/claim"),
    ("POST", "/quarantine/replay"),
]


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_every_write_needs_the_right(store: Store, method: str, path: str) -> None:
    away = device_client(store, address="192.0.2.7")
    response = away.request(method, path, headers=JSON, content=b"{}")
    assert_problem(response, 403, "Write refused")
    locked = device_client(store, token="a-token")
    response = locked.request(method, path, headers=JSON, content=b"{}")
    assert_problem(response, 401, "Token wrong")


def test_every_route_that_writes_is_listed(store: Store) -> None:
    client = device_client(store)
    assert isinstance(client, TestClient)
    paths = client.get("/openapi.json").json()["paths"]
    writing = {
        (method.upper(), path)
        for path, operations in paths.items()
        for method in operations
        if method != "get"
    }
    # The claim code itself is the right to provision.
    listed = {(m, p.replace("p1", "{device_id}")) for m, p in WRITES}
    assert writing == listed | {("POST", "/provision")}
