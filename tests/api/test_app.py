"""What holds for the application as a whole."""

from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator

from api.problems import add_problem_handlers
from api.routes.page import add_page
from tests.api import samples
from tests.api.problem_contract import SERVER_PATH, assert_problem

ROUTES = {
    "/healthz",
    "/completeness",
    "/counties",
    "/counties/{code}/bulletin",
    "/counties/{code}/bulletins",
    "/counties/{code}/estimates",
    "/counties/{code}/growth",
    "/growth",
    "/estimates",
    "/statistics",
    "/runs/{run_id}",
    "/products",
    "/products/{product_id}/tilejson.json",
    "/products/{product_id}/tiles/{tileMatrixSetId}/{z}/{x}/{y}.{format}",
    "/products/{product_id}/point",
    "/season",
    "/fields",
    "/devices",
    "/devices/{device_id}",
    "/devices/{device_id}/readings",
    "/devices/{device_id}/series",
    "/devices/{device_id}/gaps",
    "/devices/{device_id}/counts",
    "/devices/{device_id}/credential",
    "/devices/{device_id}/claim",
    "/devices/{device_id}/commands",
    "/devices/{device_id}/state",
    "/counts",
    "/quarantine",
    "/quarantine/replay",
    "/provision",
    "/metrics",
    "/rules",
    "/rules/{name}",
    "/alerts",
    "/alerts/{alert_id}",
    "/alerts/{alert_id}/acknowledge",
}


def test_openapi_lists_every_route_and_no_other(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == ROUTES


def test_openapi_declares_problems_of_every_route(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    for path in document["paths"].values():
        for operation in path.values():
            for status in ("404", "422"):
                assert operation["responses"][status]["content"] == {
                    "application/problem+json": {
                        "schema": {"$ref": "#/components/schemas/Problem"}
                    }
                }


@pytest.mark.parametrize(
    ("path", "media"),
    [
        ("/estimates?f=json", "application/json"),
        ("/counties", "application/geo+json"),
        ("/fields", "application/geo+json"),
        ("/devices", "application/json"),
        ("/products", "application/json"),
        ("/products/maize-2026-10m/tilejson.json", "application/json"),
    ],
)
def test_answers_keep_to_the_schema_they_declare(
    client: TestClient, path: str, media: str
) -> None:
    document = client.get("/openapi.json").json()
    route = path.split("?")[0].replace("maize-2026-10m", "{product_id}")
    success = document["paths"][route]["get"]["responses"]["200"]["content"]
    schema = success[media]["schema"] | {"components": document["components"]}
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(client.get(path).json())


def test_every_reference_in_openapi_resolves(client: TestClient) -> None:
    response = client.get("/openapi.json")
    known = {
        f"#/components/schemas/{n}" for n in response.json()["components"]["schemas"]
    }
    used = {part.split('"')[0] for part in response.text.split('"$ref":"')[1:]}
    assert used - known == set()


def test_csv_is_declared(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    success = document["paths"]["/estimates"]["get"]["responses"]["200"]["content"]
    assert set(success) == {"application/json", "text/csv"}


@pytest.mark.parametrize("path", sorted(ROUTES))
def test_no_answer_holds_a_path_of_the_server(client: TestClient, path: str) -> None:
    address = path.format(
        run_id=samples.RUN_ID,
        product_id="maize-2026-10m",
        device_id="ws-01",
        name="no-rule",
        alert_id=1,
        code="220322",
        tileMatrixSetId="WebMercatorQuad",
        z=1,
        x=0,
        y=0,
        format="png",
    )
    at = samples.lonlat(samples.FINE, samples.CLEAR)
    queries: dict[str, dict[str, Any]] = {
        "/season": at | {"year": 2026},
        "/completeness": {"county": "220322", "year": 2026},
        "/counties/{code}/estimates": {"crop": "maize"},
        "/products/{product_id}/point": at,
    }
    response = client.get(address, params=queries.get(path, {}))
    assert not SERVER_PATH.search(response.text)
    assert response.headers["cache-control"] in {"no-cache", "no-store"}


def test_long_answers_are_compressed(client: TestClient) -> None:
    assert client.get("/openapi.json").headers["content-encoding"] == "gzip"


def test_unknown_address_is_a_problem(client: TestClient) -> None:
    response = client.get("/nothing/here")
    assert_problem(response, 404, "Not Found", "/nothing/here")


def test_missing_part_of_the_page_is_a_problem(client: TestClient) -> None:
    response = client.get("/static/nothing.js")
    assert_problem(response, 404, "Not Found", "/static/nothing.js")


def page_app(folder: Path) -> TestClient:
    app = FastAPI()
    add_problem_handlers(app)
    add_page(app, folder)
    return TestClient(app)


def test_page_and_its_bundle_are_served(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<title>黑土</title>", encoding="utf-8")
    (tmp_path / "app.js").write_text("'use strict'", encoding="utf-8")
    client = page_app(tmp_path)
    assert client.get("/").text == "<title>黑土</title>"
    assert client.get("/static/app.js").text == "'use strict'"


def test_page_that_is_not_built_says_how_to_build_it(tmp_path: Path) -> None:
    response = page_app(tmp_path / "static").get("/")
    assert response.status_code == 503
    assert "make page" in response.json()["detail"]
