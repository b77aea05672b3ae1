from datetime import date
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from ingest.archive import Archive
from store import Store
from tests.api import samples
from tests.api.problem_contract import assert_problem

Body = dict[str, Any]


def season(client: TestClient, place: dict[str, float], year: int = 2026) -> Body:
    response = client.get("/season", params=place | {"year": year})
    assert response.status_code == 200, response.text
    body: Body = response.json()
    return body


def test_observations_are_the_clear_dates(client: TestClient) -> None:
    body = season(client, samples.lonlat(samples.FINE, samples.CLEAR))
    found = {
        date.fromisoformat(row["date"]): row["ndvi"] for row in body["observations"]
    }
    assert found == samples.FINE_2026


def test_finest_collection_wins(client: TestClient) -> None:
    body = season(client, samples.lonlat(samples.FINE, samples.CLEAR))
    assert (body["collection"], body["resolution_m"]) == ("fine", 10.0)
    assert (body["status"], body["simulated"]) == ("ok", True)


def test_coarser_collection_serves_where_the_finest_ends(client: TestClient) -> None:
    body = season(client, samples.lonlat(samples.COARSE, samples.ONLY_COARSE))
    assert (body["collection"], body["resolution_m"]) == ("coarse", 250.0)
    assert body["observations"] == [{"date": "2026-07-15", "ndvi": 0.6}]


def test_coarser_collection_serves_years_the_finest_lacks(client: TestClient) -> None:
    body = season(client, samples.lonlat(samples.FINE, samples.CLEAR), year=2025)
    assert body["collection"] == "coarse"


def test_dekads_run_from_april_to_october(client: TestClient) -> None:
    body = season(client, samples.lonlat(samples.FINE, samples.CLEAR))
    assert body["dates"][:4] == ["2026-04-01", "2026-04-11", "2026-04-21", "2026-05-01"]
    assert (len(body["dates"]), body["dates"][-1]) == (21, "2026-10-21")
    july = body["dates"].index("2026-07-11")
    assert body["ndvi"][july] == 0.8
    assert body["clear_count"][july] == 1
    assert body["ndvi"][july + 1] is None
    assert body["clear_count"][july + 1] == 0
    assert len(body["ndvi_smooth"]) == 21


def test_season_starts_before_its_peak_and_ends_after(client: TestClient) -> None:
    body = season(client, samples.lonlat(samples.FINE, samples.CLEAR))
    assert "2026-05-01" < body["sos"] < body["pos"] < body["eos"] < "2026-10-31"
    assert 0.75 < body["peak"] < 0.95
    assert body["integral"] > 50


def test_pixel_that_is_never_clear_is_a_status(client: TestClient) -> None:
    body = season(client, samples.lonlat(samples.FINE, samples.CLOUDED))
    assert body["status"] == "no-clear-observation"
    assert body["observations"] == []
    assert set(body["ndvi"]) == set(body["ndvi_smooth"]) == {None}
    assert body["sos"] is body["pos"] is body["eos"] is None
    assert body["peak"] is body["integral"] is None


def test_point_outside_all_scenes_is_404(client: TestClient) -> None:
    response = client.get("/season", params={"lon": 100, "lat": 30, "year": 2026})
    assert_problem(response, 404, "Point outside", "lon 100.0, lat 30.0")


def test_year_without_scenes_names_the_years_that_exist(client: TestClient) -> None:
    place = samples.lonlat(samples.FINE, samples.CLEAR)
    response = client.get("/season", params=place | {"year": 2024})
    mention = "no data for 2024; years that exist: 2025, 2026"
    assert_problem(response, 404, "No data for the year", mention)


@pytest.mark.parametrize(
    ("name", "value"), [("lon", "200"), ("lat", "nan"), ("lat", "91"), ("year", "26")]
)
def test_impossible_place_or_year_is_422(
    client: TestClient, name: str, value: str
) -> None:
    params = {"lon": "124.3", "lat": "43.3", "year": "2026"} | {name: value}
    response = client.get("/season", params=params)
    assert_problem(response, 422, "Parameter invalid", f"query parameter {name}: ")


def test_damaged_scene_is_named_without_its_path(
    store: Store, own_archive: Archive
) -> None:
    day = date(2026, 7, 15)
    samples.add_scenes(own_archive, "fine", samples.FINE, {day: 0.8})
    own_archive.refresh_links()
    (item,) = own_archive.items("fine")
    with open(item.assets["B08"].href, "r+b") as file:
        file.truncate(200)
    client = TestClient(create_app(store=store, archive=own_archive))
    place = samples.lonlat(samples.FINE, samples.CLEAR)
    response = client.get("/season", params=place | {"year": 2026})
    assert_problem(response, 500, "Scene unreadable", "'fine-20260715'")
