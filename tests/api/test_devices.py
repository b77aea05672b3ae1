from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

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
                "farm": "lishu",
                "name_zh": "一号气象站",
                "name_en": "Weather station 1",
                "kind": "weather-station",
                "lon": 124.3,
                "lat": 43.3,
                "county": "220322",
                "simulated": True,
                "last_seen": iso(1),
                "latest": [
                    {
                        "quantity": "air_temperature",
                        "unit": "Cel",
                        "thing": "farm",
                        "value": 3.5,
                        "time": iso(1),
                        "flag": 1,
                    }
                ],
            }
        ]
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
