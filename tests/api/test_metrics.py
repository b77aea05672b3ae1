"""Metrics are read with the parser of prometheus-client."""

from uuid import uuid4

import numpy as np
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from psycopg.conninfo import make_conninfo

from store import Store, ledger
from tests.api.device_app import device_client
from tests.api.problem_contract import assert_problem

COUNTS = {"received": 9, "stored": 4, "duplicate": 3, "conflict": 0, "pending": 2}


def sampled(client: TestClient) -> dict[tuple[str, str], float]:
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, sample.labels.get("outcome", "")): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def record(store: Store) -> None:
    """Record two stored messages, a conflict and one in quarantine."""
    messages = np.zeros(4, ledger.MESSAGE)
    messages["outcome"] = messages["message"] = [
        ledger.STORED,
        ledger.STORED,
        ledger.CONFLICT,
        ledger.QUARANTINED,
    ]
    messages["stored"] = [4, 3, 0, 0]
    messages["duplicate"] = [0, 1, 0, 0]
    messages["conflict"] = [0, 0, 2, 0]
    messages["seq"] = ledger.NO_SEQ
    messages["time_us"] = ledger.NO_TIME
    with store.connection() as conn:
        ledger.record(conn, messages, writer_id=uuid4(), batch_id=uuid4())


def test_metrics_of_store_and_process(store: Store) -> None:
    record(store)
    client = device_client(store, counts=lambda: COUNTS, connections=lambda: 5)
    assert sampled(client) == {
        ("heitu_database_up", ""): 1,
        ("heitu_ingest_up", ""): 1,
        ("heitu_devices_online", ""): 0,
        ("heitu_messages_received_total", ""): 4,
        ("heitu_messages_total", "stored"): 2,
        ("heitu_messages_total", "duplicate"): 0,
        ("heitu_messages_total", "conflict"): 1,
        ("heitu_messages_total", "quarantined"): 1,
        ("heitu_readings_total", "stored"): 7,
        ("heitu_readings_total", "duplicate"): 1,
        ("heitu_readings_total", "conflict"): 2,
        ("heitu_readings_total", "corrected"): 0,
        ("heitu_connections", ""): 5,
        ("heitu_queue_messages", ""): 2,
        ("heitu_process_messages_received_total", ""): 9,
        ("heitu_process_messages_total", "stored"): 4,
        ("heitu_process_messages_total", "duplicate"): 3,
        ("heitu_process_messages_total", "conflict"): 0,
        ("heitu_process_messages_total", "quarantined"): 0,
    }


def test_process_without_an_ingest(store: Store) -> None:
    metrics = sampled(device_client(store, ingest=lambda: "none"))
    assert metrics["heitu_ingest_up", ""] == 0
    assert metrics["heitu_process_messages_received_total", ""] == 0


def test_metrics_without_a_database(database_server: str) -> None:
    url = make_conninfo(database_server, dbname="heitu_no_such_database")
    with Store(url) as away:
        metrics = sampled(device_client(away, counts=lambda: COUNTS))
    assert metrics["heitu_database_up", ""] == 0
    assert metrics["heitu_queue_messages", ""] == 2
    assert ("heitu_messages_received_total", "") not in metrics


def test_unknown_parameter(store: Store) -> None:
    response = device_client(store).get("/metrics?name=x")
    assert_problem(response, 422, "Parameter invalid", "name")
