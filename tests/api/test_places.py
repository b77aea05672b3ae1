import threading

import pytest
import shapely
from fastapi.testclient import TestClient

from api.app import create_app
from ingest.archive import Archive
from store import Store
from tests.api import samples
from tests.api.problem_contract import assert_problem


def test_counties_are_geojson_with_their_names(client: TestClient) -> None:
    response = client.get("/counties")
    assert response.headers["content-type"] == "application/geo+json"
    body = response.json()
    assert body["type"] == "FeatureCollection"
    assert body["attribution"]
    assert [feature["id"] for feature in body["features"]] == ["220322", "220323"]
    assert body["features"][0]["properties"] == {
        "code": "220322",
        "name_zh": "梨树县",
        "name_en": "Lishu",
        "prefecture_zh": "四平市",
        "prefecture_en": "Siping",
        "area_km2": 360.0,
    }


def test_simplified_neighbours_still_share_their_border(client: TestClient) -> None:
    features = client.get("/counties").json()["features"]
    west, east = (shapely.geometry.shape(feature["geometry"]) for feature in features)
    # The border bends by 0.00001 degrees, below the tolerance: it becomes straight.
    assert west.intersection(east).equals(
        shapely.LineString([(124.4, 43.2), (124.4, 43.4)])
    )
    assert west.area == pytest.approx(0.04)


def test_counties_that_come_after_the_start_are_served(
    store: Store, own_archive: Archive
) -> None:
    client = TestClient(create_app(store=store, archive=own_archive))
    assert client.get("/counties").json()["features"] == []
    samples.fill(store)
    assert len(client.get("/counties").json()["features"]) == 2


def test_many_first_requests_at_once_agree(
    filled_store: Store, own_archive: Archive
) -> None:
    client = TestClient(create_app(store=filled_store, archive=own_archive))
    answers: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: answers.append(client.get("/counties").content))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert len(set(answers)) == 1


def test_fields_are_geojson(client: TestClient) -> None:
    response = client.get("/fields", params={"county": "220322"})
    assert response.headers["content-type"] == "application/geo+json"
    (feature,) = response.json()["features"]
    assert feature["id"] == "F001"
    assert feature["properties"]["simulated"] is True
    shape = shapely.geometry.shape(feature["geometry"])
    assert shape.bounds == (124.30, 43.30, 124.31, 43.31)


def test_county_without_fields_is_an_empty_collection(client: TestClient) -> None:
    body = client.get("/fields", params={"county": "220323"}).json()
    assert body["features"] == []


def test_fields_of_an_unknown_county_are_404(client: TestClient) -> None:
    response = client.get("/fields", params={"county": "999999"})
    assert_problem(response, 404, "County unknown", "'999999'")
