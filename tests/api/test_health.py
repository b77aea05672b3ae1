from importlib.metadata import version

from fastapi.testclient import TestClient

from api.app import create_app
from ingest.archive import Archive
from store import Store
from tests.api.problem_contract import assert_problem


def test_health_tells_version_counters_and_simulated(client: TestClient) -> None:
    assert client.get("/healthz").json() == {
        "status": "ok",
        "version": version("heitu"),
        "database": "ok",
        "ingest": "none",
        "readings": {"sent": 3},
        "simulated": True,
    }


def test_ingest_that_is_down_degrades_the_health(
    store: Store, own_archive: Archive
) -> None:
    app = create_app(store=store, archive=own_archive, ingest=lambda: "down")
    body = TestClient(app).get("/healthz").json()
    assert (body["status"], body["ingest"]) == ("degraded", "down")


def test_nothing_simulated_is_not_called_so(store: Store, own_archive: Archive) -> None:
    client = TestClient(create_app(store=store, archive=own_archive, counts=None))
    body = client.get("/healthz").json()
    assert (body["simulated"], body["readings"]) == (False, {})


def test_simulated_rows_alone_are_told(
    filled_store: Store, own_archive: Archive
) -> None:
    client = TestClient(create_app(store=filled_store, archive=own_archive))
    assert client.get("/healthz").json()["simulated"] is True


def test_simulated_products_alone_are_told(store: Store, archive: Archive) -> None:
    client = TestClient(create_app(store=store, archive=archive))
    assert client.get("/healthz").json()["simulated"] is True


def test_database_that_is_gone_is_503(store: Store, own_archive: Archive) -> None:
    client = TestClient(create_app(store=store, archive=own_archive, counts=None))
    store.close()
    assert_problem(client.get("/healthz"), 503, "Database unavailable")
