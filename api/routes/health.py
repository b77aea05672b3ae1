"""State of the platform."""

from importlib.metadata import version

from fastapi import APIRouter
from psycopg import Connection

from api import schemas
from api.problems import PROBLEM_RESPONSES
from api.services import Services, UseServices
from store import devices, estimates

router = APIRouter(tags=["platform"], responses=PROBLEM_RESPONSES)


@router.get("/healthz")
def healthz(services: UseServices) -> schemas.Health:
    """Return the state of the platform; 503 when its database does not answer."""
    with services.store.connection() as conn:
        conn.execute("SELECT 1")
        simulated = _any_simulated(conn)
    return schemas.Health(
        status="degraded" if services.ingest() == "down" else "ok",
        version=version("heitu"),
        ingest=services.ingest(),
        readings=services.counts(),
        simulated=simulated or _any_simulated_product(services),
    )


def _any_simulated(conn: Connection) -> bool:
    return devices.any_simulated(conn) or any(
        row.simulated for row in estimates.find(conn)
    )


def _any_simulated_product(services: Services) -> bool:
    return any(product.simulated for product in services.catalogue.products())
