"""Rules over HTTP."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Response

from api import alert_schemas as schemas
from api.problems import PROBLEM_RESPONSES
from api.rights import MayWrite
from api.services import UseServices
from sensors.alerts import from_json, to_json
from store import rules as stored_rules

__all__ = ["router"]

router = APIRouter(tags=["alerts"], responses=PROBLEM_RESPONSES)


@router.get("/rules")
def rules(services: UseServices) -> schemas.Rules:
    """Return all rules by name."""
    with services.store.connection() as conn:
        rows = stored_rules.all_rules(conn)
    return schemas.Rules(rules=[schemas.Rule.model_validate(row) for row in rows])


@router.post("/rules", status_code=201, dependencies=[MayWrite])
def put_rule(
    body: Annotated[dict[str, Any], Body(description="The rule")],
    services: UseServices,
    response: Response,
) -> dict[str, Any]:
    """Store a rule, in place of the one of its name; 200 when it is there already.

    A changed rule begins anew: its open alerts are cleared.
    """
    rule = from_json(body)
    stored = to_json(rule)
    with services.store.connection() as conn:
        changed = stored_rules.put(
            conn, name=rule.name, body=stored, at=datetime.now(UTC), by="http"
        )
    if not changed:
        response.status_code = 200
    return stored


@router.delete("/rules/{name}", status_code=204, dependencies=[MayWrite])
def remove_rule(
    name: Annotated[str, Path(pattern=r"^[a-z][a-z0-9_-]{0,63}$")],
    services: UseServices,
) -> None:
    """Remove a rule; its open alerts are cleared."""
    with services.store.connection() as conn:
        stored_rules.remove(conn, name)
