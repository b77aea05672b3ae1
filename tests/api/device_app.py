"""The routes about devices alone, as a program on this machine calls them."""

from types import SimpleNamespace
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr
from titiler.core.middleware import CacheControlMiddleware

from api.device_schemas import MqttAddress
from api.known_parameters import refuse_unknown_parameters
from api.problems import add_problem_handlers
from api.rights import DEVICE_PROBLEMS
from api.routes import devices, metrics, provision
from store import Store

HERE = "http://127.0.0.1:8421"


def device_client(
    store: Store,
    *,
    token: str | None = None,
    address: str = "127.0.0.1",
    url: str = HERE,
    **services: Any,
) -> TestClient:
    """Return a client at an address, of an application at a URL."""
    app = FastAPI()
    app.state.services = SimpleNamespace(
        **{
            "store": store,
            "token": SecretStr(token) if token else None,
            "mqtt": MqttAddress(host="192.0.2.1", port=1883),
            "counts": dict,
            "ingest": lambda: "ok",
            "connections": lambda: 0,
        }
        | services
    )
    app.add_middleware(CacheControlMiddleware, cachecontrol="no-cache")
    add_problem_handlers(app, DEVICE_PROBLEMS)
    for router in (devices.router, provision.router, metrics.router):
        app.include_router(router, dependencies=[Depends(refuse_unknown_parameters)])
    return TestClient(
        app, base_url=url, client=(address, 50_000), raise_server_exceptions=False
    )
