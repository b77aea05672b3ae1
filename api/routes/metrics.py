"""Counters for Prometheus (text format 0.0.4)."""

from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.problems import PROBLEM_RESPONSES
from api.services import Services, UseServices
from store import DatabaseUnavailable, ledger, presence

__all__ = ["router"]

router = APIRouter(tags=["platform"], responses=PROBLEM_RESPONSES)

MESSAGES = ("stored", "duplicate", "conflict", "quarantined")
READINGS = ("stored", "duplicate", "conflict", "corrected")
# Seconds: Prometheus gives up after ten.
PATIENCE = 2.0


@router.get("/metrics", response_class=Response)
def metrics(services: UseServices) -> Response:
    """Return all counters; without its database those of this process.

    No label names a device: a herd would make a series each. /devices/ID/counts has
    what one device sent.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Platform(services))
    # The type is given with its charset, which Starlette would add again.
    return Response(
        generate_latest(registry),
        headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"},
    )


class _Platform(Collector):
    """All metrics of one moment."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterator[Metric]:
        """Yield each metric with its values."""
        total, online = self._stored()
        yield GaugeMetricFamily(
            "heitu_database_up",
            "Whether the database answers.",
            value=0 if total is None else 1,
        )
        yield GaugeMetricFamily(
            "heitu_ingest_up",
            "Whether messages of devices are taken.",
            value=1 if self._services.ingest() == "ok" else 0,
        )
        if total is not None:
            yield from _totals(total)
            yield GaugeMetricFamily(
                "heitu_devices_online", "Devices connected anywhere.", value=online
            )
        yield from _process(self._services)

    def _stored(self) -> tuple[ledger.Total | None, int]:
        try:
            with self._services.store.connection(timeout=PATIENCE) as conn:
                return ledger.totals(conn), presence.online(conn)
        except (DatabaseUnavailable, psycopg.InterfaceError):
            return None, 0


def _totals(total: ledger.Total) -> Iterator[Metric]:
    yield CounterMetricFamily(
        "heitu_messages_received",
        "Messages that ended somewhere, since the database was made.",
        value=total.received,
    )
    yield _by_outcome(
        "heitu_messages",
        "Messages by where they ended, since the database was made.",
        {name: getattr(total, name) for name in MESSAGES},
    )
    yield _by_outcome(
        "heitu_readings",
        "Readings by where they ended, since the database was made.",
        {name: getattr(total, f"readings_{name}") for name in READINGS},
    )


def _process(services: Services) -> Iterator[Metric]:
    counts = services.counts()
    yield GaugeMetricFamily(
        "heitu_connections",
        "Devices connected to this process.",
        value=services.connections(),
    )
    yield GaugeMetricFamily(
        "heitu_queue_messages",
        "Messages that arrived in this process and are not stored yet.",
        value=counts.get("pending", 0),
    )
    yield CounterMetricFamily(
        "heitu_process_messages_received",
        "Messages that arrived, since the start of this process.",
        value=counts.get("received", 0),
    )
    yield _by_outcome(
        "heitu_process_messages",
        "Messages by where they ended, since the start of this process.",
        {name: counts.get(name, 0) for name in MESSAGES},
    )


def _by_outcome(name: str, text: str, values: Mapping[str, Any]) -> Metric:
    family = CounterMetricFamily(name, text, labels=["outcome"])
    for outcome, value in values.items():
        family.add_metric([outcome], value)
    return family
