from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import numpy as np
import psycopg
import pytest
from fastapi.testclient import TestClient

from sensors.access import StoreAuthenticator, new_secret
from sensors.endpoint.authentication import Login, Principal
from store import Store, devices, ledger, presence, quarantine, readings
from store.devices import Device, StreamSpec
from store.quarantine import Refused
from store.readings import ReadingRow
from tests.api.device_app import device_client
from tests.api.problem_contract import assert_problem
from tests.api.samples import NOW

READINGS = "/devices/ws-01/readings"


def iso(hours_ago: float) -> str:
    return (NOW - timedelta(hours=hours_ago)).isoformat().replace("+00:00", "Z")


def test_device_shows_its_newest_reading(client: TestClient) -> None:
    assert client.get("/devices").json() == {
        "devices": [
            {
                "id": "ws-01",
                "external_id": None,
                "farm": "lishu",
                "name_zh": "一号气象站",
                "name_en": "Weather station 1",
                "kind": "weather-station",
                "gateway": False,
                "lon": 124.3,
                "lat": 43.3,
                "county": "220322",
                "simulated": True,
                "disabled": False,
                "online": False,
                "last_seen": iso(1),
                "latest": [
                    {
                        "quantity": "air_temperature",
                        "unit": "Cel",
                        "thing": "farm",
                        "position": "",
                        "value": 3.5,
                        "time": iso(1),
                        "flag": 1,
                    }
                ],
                "counts": None,
            }
        ],
        "next": None,
    }


def test_readings_are_of_the_last_day_when_nothing_is_asked(
    client: TestClient,
) -> None:
    body = client.get(READINGS).json()
    assert [row["value"] for row in body["readings"]] == [2.5, 3.5]
    assert (body["device"], body["truncated"]) == ("ws-01", False)
    assert body["simulated"] is True


def test_readings_of_a_period(client: TestClient) -> None:
    response = client.get(READINGS, params={"from": iso(31), "to": iso(1.5)})
    assert [row["value"] for row in response.json()["readings"]] == [1.5, 2.5]


def test_cut_readings_are_marked(client: TestClient) -> None:
    body = client.get(READINGS, params={"limit": 1}).json()
    assert (len(body["readings"]), body["truncated"]) == (1, True)
    body = client.get(READINGS, params={"limit": 2}).json()
    assert (len(body["readings"]), body["truncated"]) == (2, False)


def test_quantity_selects_streams(client: TestClient) -> None:
    body = client.get(READINGS, params={"quantity": "soil_moisture"}).json()
    assert body["readings"] == []


@pytest.mark.parametrize("name", ["from", "to"])
def test_time_without_offset_is_422_and_says_how(client: TestClient, name: str) -> None:
    response = client.get(READINGS, params={name: "2026-07-01T08:00:00"})
    assert_problem(
        response, 422, "Parameter invalid", f"query parameter {name}: ", "%2B08:00"
    )


def test_period_that_ends_before_it_starts_is_422(client: TestClient) -> None:
    response = client.get(READINGS, params={"from": iso(1), "to": iso(2)})
    assert_problem(response, 422, "Period invalid", "after to")


def test_limit_has_a_ceiling(client: TestClient) -> None:
    response = client.get(READINGS, params={"limit": 100_001})
    assert_problem(response, 422, "Parameter invalid", "parameter limit", "100000")


@pytest.mark.parametrize("device", ["ws-99", "weather_station.2"])
def test_unknown_device_is_404(client: TestClient, device: str) -> None:
    response = client.get(f"/devices/{device}/readings")
    assert_problem(response, 404, "Device unknown", device)


def test_device_id_of_an_impossible_form_is_422(client: TestClient) -> None:
    response = client.get("/devices/%00/readings")
    assert_problem(response, 422, "Parameter invalid", "path parameter device_id")


def test_end_before_all_time_is_an_answer_not_a_fault(client: TestClient) -> None:
    response = client.get("/devices/ws-01/readings?to=0001-01-01T00:00:00Z")
    assert_problem(response, 422, "Period invalid", "0001-01-01")


MAY = datetime(2026, 5, 1, tzinfo=UTC)
JULY = datetime(2026, 7, 1, tzinfo=UTC)
PROBE = Device("p1", "f1", "探头", "Probe", "soil-probe", 124, 43, None, False, MAY)
DEPTHS = [StreamSpec("soil_moisture", "m3/m3", "plot-1", p) for p in ("0.1", "0.3")]
NEW = {"id": "p2", "kind": "soil-probe", "lon": 124.3, "lat": 43.3}


def add_probe(store: Store) -> list[int]:
    """Register a probe with two depths; returns their streams."""
    with store.connection() as conn:
        return [s.stream_id for s in devices.add(conn, PROBE, DEPTHS)]


def count(conn: psycopg.Connection, seqs: list[int]) -> None:
    """Let the ledger see messages of the probe, each two seconds late."""
    number = devices.registered(conn, ["p1"])["p1"].number
    messages = np.zeros(len(seqs), ledger.MESSAGE)
    messages["device"] = number
    messages["stored"] = 2
    messages["seq"] = seqs
    messages["time_us"] = [1_782_864_000_000_000 + seq * 1_000_000 for seq in seqs]
    messages["received_us"] = messages["time_us"] + 2_000_000
    ledger.record(conn, messages, writer_id=uuid4(), batch_id=uuid4())


def test_pages_of_devices(store: Store) -> None:
    with store.connection() as conn:
        for name in "abcde":
            devices.add(conn, replace(PROBE, device_id=name), [])
    client = device_client(store)
    first = client.get("/devices", params={"limit": 2}).json()
    assert ([d["id"] for d in first["devices"]], first["next"]) == (["a", "b"], "b")
    rest = client.get("/devices", params={"after": "b"}).json()
    assert ([d["id"] for d in rest["devices"]], rest["next"]) == (list("cde"), None)


@pytest.mark.parametrize("query", ["limit=0", "limit=10001", "after=%00", "page=2"])
def test_page_that_cannot_be(client: TestClient, query: str) -> None:
    assert_problem(client.get(f"/devices?{query}"), 422, "Parameter invalid")


def test_device_that_is_connected_and_counted(store: Store) -> None:
    add_probe(store)
    session = presence.Presence("p1", "192.0.2.9", JULY, None, None)
    with store.connection() as conn:
        count(conn, [1, 2])
        presence.record(conn, [session], listener="endpoint")
    with store.connection() as conn:
        ledger.fold(conn)
    (device,) = device_client(store).get("/devices?counts=true").json()["devices"]
    assert device["online"] is True
    assert device["last_seen"] == "2026-07-01T00:00:04Z"
    assert device["counts"] == {
        "received": 2,
        "stored": 2,
        "duplicate": 0,
        "conflict": 0,
        "quarantined": 0,
        "readings_received": 4,
        "readings_stored": 4,
        "readings_duplicate": 0,
        "readings_conflict": 0,
        "readings_corrected": 0,
    }


def test_one_device_in_full(store: Store) -> None:
    add_probe(store)
    with store.connection() as conn:
        new_secret(conn, "p1")
        devices.move(conn, "p1", thing="plot-2", since=JULY)
    response = device_client(store).get("/devices/p1")
    body = response.json()
    assert [(s["position"], s["thing"]) for s in body["streams"]] == [
        ("0.1", "plot-1"),
        ("0.3", "plot-1"),
        ("0.1", "plot-2"),
        ("0.3", "plot-2"),
    ]
    assert body["created_at"] == "2026-05-01T00:00:00Z"
    assert (body["session"], body["last_seen"]) == (None, None)
    assert [each["valid_until"] for each in body["credentials"]] == [None]
    assert "$7$" not in response.text


@pytest.mark.parametrize(
    "path", ["", "/readings", "/series?quantity=battery", "/gaps", "/counts"]
)
def test_no_such_device(client: TestClient, path: str) -> None:
    assert_problem(client.get(f"/devices/p9{path}"), 404, "Device unknown", "p9")


@pytest.mark.parametrize("path", ["", "/series?quantity=battery", "/gaps", "/counts"])
def test_no_such_id(client: TestClient, path: str) -> None:
    assert_problem(client.get(f"/devices/a%20b{path}"), 422, "Parameter invalid")


def test_readings_arrive_where_they_were_taken(store: Store) -> None:
    shallow, deep = add_probe(store)
    with store.connection() as conn:
        readings.write(
            conn,
            [
                ReadingRow(shallow, JULY, 0.25, 1, JULY),
                ReadingRow(deep, JULY, 0.5, 1, JULY),
            ],
        )
    (device,) = device_client(store).get("/devices").json()["devices"]
    assert {r["position"]: r["value"] for r in device["latest"]} == {
        "0.1": 0.25,
        "0.3": 0.5,
    }


def of_july(store: Store) -> TestClient:
    """Return a client of readings at 15:30, 16:00 and, bad, 16:30 UTC on 1 July."""
    stream, _ = add_probe(store)
    rows = [
        ReadingRow(stream, JULY + timedelta(hours=hours), value, flag, JULY)
        for hours, value, flag in ((15.5, 1.0, 1), (16, 2.0, 1), (16.5, 9.0, 4))
    ]
    with store.connection() as conn:
        readings.write(conn, rows)
    return device_client(store)


def test_hours_of_a_quantity(store: Store) -> None:
    query = {
        "quantity": "soil_moisture",
        "from": "2026-07-01T15:00:00Z",
        "to": "2026-07-01T18:00:00Z",
    }
    body = of_july(store).get("/devices/p1/series", params=query).json()
    shallow, deep = body["series"]
    assert (shallow["position"], shallow["unit"]) == ("0.1", "m3/m3")
    assert [(b["time"], b["mean"], b["n"], b["bad_n"]) for b in shallow["buckets"]] == [
        ("2026-07-01T15:00:00Z", 1.0, 1, 0),
        ("2026-07-01T16:00:00Z", 2.0, 1, 1),
    ]
    assert deep["buckets"] == []


def test_days_begin_at_local_midnight(store: Store) -> None:
    query = {
        "quantity": "soil_moisture",
        "step": "1d",
        "from": "2026-07-01T00:00:00+08:00",
        "to": "2026-07-03T00:00:00+08:00",
    }
    body = of_july(store).get("/devices/p1/series", params=query).json()
    # 16:00 UTC is midnight in Jilin.
    assert [(b["time"], b["last"]) for b in body["series"][0]["buckets"]] == [
        ("2026-06-30T16:00:00Z", 1.0),
        ("2026-07-01T16:00:00Z", 2.0),
    ]


def test_hour_without_a_good_reading_has_no_value(store: Store) -> None:
    stream, _ = add_probe(store)
    with store.connection() as conn:
        readings.write(conn, [ReadingRow(stream, JULY, 9.0, 4, JULY)])
    query = {"quantity": "soil_moisture", "to": "2026-07-01T01:00:00Z"}
    body = device_client(store).get("/devices/p1/series", params=query).json()
    (bucket,) = body["series"][0]["buckets"]
    assert (bucket["n"], bucket["bad_n"], bucket["mean"]) == (0, 1, None)


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("", "Parameter invalid"),
        ("quantity=A%20b", "Parameter invalid"),
        ("quantity=battery&step=2h", "Parameter invalid"),
        ("quantity=battery&from=2026-07-01T00:00:00", "Parameter invalid"),
        ("quantity=battery&from=2020-01-01T00:00:00Z", "Period invalid"),
        ("quantity=battery&step=1d&to=0001-01-01T00:00:00Z", "Period invalid"),
    ],
)
def test_series_that_cannot_be(client: TestClient, query: str, title: str) -> None:
    assert_problem(client.get(f"/devices/ws-01/series?{query}"), 422, title)


@pytest.mark.parametrize(
    "route",
    ["series?quantity=battery&", "series?quantity=battery&step=1d&", "readings?"],
)
@pytest.mark.parametrize(
    "period",
    [
        "from=0001-01-01T00:00:00%2B08:00&to=0001-01-02T00:00:00%2B08:00",
        "from=9999-12-30T00:00:00Z&to=9999-12-31T23:30:00Z",
    ],
)
def test_times_at_the_ends_of_the_calendar_have_no_readings(
    client: TestClient, route: str, period: str
) -> None:
    answer = client.get(f"/devices/ws-01/{route}{period}")
    assert answer.status_code == 200
    body = answer.json()
    parts = body["series"] if "series" in body else [{"buckets": body["readings"]}]
    assert all(part["buckets"] == [] for part in parts)


def test_gaps_and_clock(store: Store) -> None:
    add_probe(store)
    with store.connection() as conn:
        count(conn, [1, 2, 5, 7])
    with store.connection() as conn:
        ledger.fold(conn)
    client = device_client(store)
    assert client.get("/devices/p1/gaps").json() == {
        "device": "p1",
        "missing": 3,
        "gaps": [{"first": 3, "last": 4}, {"first": 6, "last": 6}],
    }
    counts = client.get("/devices/p1/counts").json()
    assert counts["clock_skew_s"] == 2.0
    assert counts["counts"]["received"] == 4
    assert counts["last_time"] == "2026-07-01T00:00:07Z"


def test_device_never_heard_has_counted_nothing(store: Store) -> None:
    add_probe(store)
    body = device_client(store).get("/devices/p1/counts").json()
    assert body["counts"]["received"] == 0
    assert (body["last_seen"], body["clock_skew_s"]) == (None, None)


def test_counts_in_total_and_of_this_process(store: Store) -> None:
    add_probe(store)
    with store.connection() as conn:
        count(conn, [1, 2, 3])
    body = device_client(store, counts=lambda: {"received": 2}).get("/counts").json()
    assert body["total"]["received"] == body["total"]["stored"] == 3
    assert body["process"] == {"received": 2}


def test_registered_device_can_log_in(store: Store) -> None:
    response = device_client(store).post("/devices", json=NEW)
    assert response.status_code == 201
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["location"] == "/devices/p2"
    body = response.json()
    assert body["topics"] == {
        "up": "farm/home/p2/up",
        "state": "farm/home/p2/state",
        "down": "farm/home/p2/down/#",
    }
    login = Login("p2", "", body["credential"]["password"].encode(), "127.0.0.1")
    answers = StoreAuthenticator(store).authenticate([login])
    assert answers == [Principal("p2", "home")]


def test_registered_with_depths_and_without_credential(store: Store) -> None:
    streams = [{"quantity": "soil_moisture", "position": p} for p in ("0.1", "0.3")]
    new: dict[str, Any] = {**NEW, "streams": streams, "credential": False}
    client = device_client(store)
    assert client.post("/devices", json=new).json()["credential"] is None
    body = client.get("/devices/p2").json()
    assert [(s["quantity"], s["position"]) for s in body["streams"]] == [
        ("soil_temperature", ""),
        ("battery", ""),
        ("soil_moisture", "0.1"),
        ("soil_moisture", "0.3"),
    ]
    assert body["credentials"] == []


def test_device_registered_twice(store: Store) -> None:
    client = device_client(store)
    assert client.post("/devices", json=NEW).status_code == 201
    assert_problem(client.post("/devices", json=NEW), 409, "Device exists", "p2")


@pytest.mark.parametrize(
    ("change", "title"),
    [
        ({"id": "a/b"}, "Parameter invalid"),
        ({"id": ""}, "Parameter invalid"),
        ({"farm": "+"}, "Parameter invalid"),
        ({"lat": 91}, "Parameter invalid"),
        ({"colour": "red"}, "Parameter invalid"),
        ({"name_zh": "a\u0000"}, "Parameter invalid"),
        ({"streams": [{"quantity": "battery", "position": "@"}]}, "Parameter invalid"),
        ({"kind": "toaster"}, "Device kind unknown"),
        ({"streams": [{"quantity": "colour"}]}, "Quantity unknown"),
    ],
)
def test_device_that_cannot_be(
    store: Store, change: dict[str, Any], title: str
) -> None:
    client = device_client(store)
    assert_problem(client.post("/devices", json={**NEW, **change}), 422, title)
    assert client.get("/devices").json()["devices"] == []


def test_quarantine_is_shown_and_replayed(store: Store) -> None:
    message = Refused(
        "farm/home/p2/up",
        b'{"ts": "2026-07-01T00:00:00Z", "readings": {"battery": 3.6}}',
        "device 'p2' is unknown",
        1_782_864_000_000_000,
    )
    with store.connection() as conn:
        quarantine.add(conn, [message, replace(message, payload=b"\xff")])
    client = device_client(store)
    shown = client.get("/quarantine").json()["messages"]
    assert {m["payload"] for m in shown} == {
        "eyJ0cyI6ICIyMDI2LTA3LTAxVDAwOjAwOjAwWiIsICJyZWFkaW5ncyI6IHsi"
        "YmF0dGVyeSI6IDMuNn19",
        "/w==",
    }
    assert client.post("/quarantine/replay", json={}).json()["still"] == 2
    client.post("/devices", json=NEW)
    body = client.post("/quarantine/replay", json={}).json()
    assert body == {"stored": 1, "duplicate": 0, "conflict": 0, "still": 1}
    assert len(client.get("/quarantine").json()["messages"]) == 1


def test_device_is_registered_as_simulated(store: Store) -> None:
    client = device_client(store)
    assert client.post("/devices", json={**NEW, "simulated": True}).status_code == 201
    assert client.get("/devices").json()["devices"][0]["simulated"] is True


def test_replay_without_a_body_is_of_all(store: Store) -> None:
    client = device_client(store, token="t")
    headers = {"Authorization": "Bearer t"}
    response = client.post("/quarantine/replay", headers=headers)
    assert response.status_code == 200
    assert response.json()["still"] == 0


def test_replay_of_nothing_known(store: Store) -> None:
    client = device_client(store)
    body = client.post("/quarantine/replay", json={"ids": [99]}).json()
    assert body == {"stored": 0, "duplicate": 0, "conflict": 0, "still": 0}
    response = client.post("/quarantine/replay", json={"ids": ["all"]})
    assert_problem(response, 422, "Parameter invalid")
    assert_problem(client.get("/quarantine?limit=0"), 422, "Parameter invalid")
