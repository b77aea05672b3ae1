"""The HTTP face: one FastAPI application over the store and the archive."""

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI
from pydantic import SecretStr
from starlette.middleware.gzip import GZipMiddleware
from titiler.core.middleware import CacheControlMiddleware

from api import schemas
from api.alert_schemas import ALERT_PROBLEMS
from api.catalogue import Catalogue
from api.county_table import CountyTable
from api.device_schemas import MqttAddress
from api.known_parameters import refuse_unknown_parameters
from api.problems import add_problem_handlers
from api.rights import DEVICE_PROBLEMS
from api.routes import (
    alerts,
    commands,
    completeness,
    counties,
    devices,
    estimates,
    health,
    metrics,
    page,
    products,
    provision,
    rules,
    season,
)
from api.routes import growth as growth_routes
from api.services import IngestState, Services
from ingest.archive import Archive
from store import Store

__all__ = ["create_app"]

ROUTERS = (
    health.router,
    counties.router,
    estimates.router,
    growth_routes.router,
    season.router,
    completeness.router,
    devices.router,
    provision.router,
    metrics.router,
    rules.router,
    alerts.router,
    commands.router,
)


def create_app(
    *,
    store: Store,
    archive: Archive,
    counts: Callable[[], dict[str, Any]] | None = None,
    ingest: Callable[[], IngestState] = lambda: "none",
    searches: Path | None = None,
    token: SecretStr | None = None,
    mqtt: MqttAddress | None = None,
    connections: Callable[[], int] = lambda: 0,
    growth: Path | None = None,
    bulletins: Path | None = None,
) -> FastAPI:
    """Make the application.

    Parameters
    ----------
    store
        Open store; the caller closes it after the server has stopped.
    archive
        Scenes and products.
    counts
        Returns the counters of the sensor ingest; None when this process has none.
    ingest
        Returns whether the sensor ingest takes messages.
    searches
        Folder of what catalogues said they have, for the completeness of scenes.
    token
        What those who change something have to show; None: this machine alone may.
    mqtt
        Where devices connect; None where this process has no endpoint.
    connections
        Returns how many devices are connected to this process.
    growth, bulletins
        Folders in which `heitu growth` and `heitu bulletin` write.

    Returns
    -------
    FastAPI
        Every error is ``application/problem+json``. Answers are revalidated, except
        tiles whose address names their run, which never change.
    """
    app = _Api(
        title="Heitu 黑土",
        version=version("heitu"),
        summary="Agricultural data of one province: yields, seasons, maps, devices",
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = Services(
        store=store,
        counties=CountyTable(store),
        catalogue=Catalogue(archive),
        counts=counts or dict,
        ingest=ingest,
        searches=searches,
        token=token,
        mqtt=mqtt,
        connections=connections,
        growth=growth,
        bulletins=bulletins,
    )
    app.add_middleware(CacheControlMiddleware, cachecontrol="no-cache")
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)
    add_problem_handlers(app, DEVICE_PROBLEMS, ALERT_PROBLEMS)
    for router in ROUTERS:
        app.include_router(router, dependencies=[Depends(refuse_unknown_parameters)])
    # Its tile route comes from titiler, under a path the check does not know.
    app.include_router(products.router)
    page.add_page(app)
    return app


class _Api(FastAPI):
    """Adds to the OpenAPI document the one model that no route returns."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        document = super().openapi()
        document["components"]["schemas"]["Problem"] = (
            schemas.Problem.model_json_schema()
        )
        return document
