"""The routes about alerts alone, over a store that a test may change."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

from api import problems
from api.alert_schemas import ALERT_PROBLEMS
from api.known_parameters import refuse_unknown_parameters
from api.rights import DEVICE_PROBLEMS, MayWrite
from api.routes import alerts, commands, rules
from store import Store

RULE = {
    "name": "heat",
    "severity": "warning",
    "scope": {"quantity": "air_temperature"},
    "condition": {"type": "threshold", "side": "above", "level": 30.0},
    "text_zh": "{thing} 过热",
    "text_en": "{thing} is too hot",
}


@contextmanager
def client_of(
    store: Store, monkeypatch: pytest.MonkeyPatch, *, trusted: bool = True
) -> Iterator[TestClient]:
    """Yield a client that may write, or one from somewhere else."""
    app = FastAPI()
    app.state.services = SimpleNamespace(store=store, token=None)
    table = {**problems.PROBLEMS, **DEVICE_PROBLEMS, **ALERT_PROBLEMS}
    monkeypatch.setattr(problems, "PROBLEMS", table)
    problems.add_problem_handlers(app)
    for router in (alerts.router, commands.router, rules.router):
        app.include_router(router, dependencies=[Depends(refuse_unknown_parameters)])
    if trusted:
        assert MayWrite.dependency is not None
        app.dependency_overrides[MayWrite.dependency] = lambda: None
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client
