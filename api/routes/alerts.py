"""Alerts over HTTP."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query

from api import alert_schemas as schemas
from api.problems import PROBLEM_RESPONSES
from api.rights import MayWrite
from api.services import UseServices
from store import alerts as stored_alerts

__all__ = ["router"]

router = APIRouter(tags=["alerts"], responses=PROBLEM_RESPONSES)

AlertId = Annotated[int, Path(ge=1, le=2**63 - 1)]
Name = Annotated[str | None, Query(max_length=128)]


@router.get("/alerts")
def alerts(
    services: UseServices,
    farm: Name = None,
    device: Name = None,
    rule: Name = None,
    severity: Annotated[
        schemas.Severity | None, Query(description="This one and those above")
    ] = None,
    summary: Annotated[
        int | None,
        Query(ge=1, le=2**63 - 1, description="Alerts that a summary stands for"),
    ] = None,
    settled: Annotated[
        bool, Query(description="Also those cleared and acknowledged")
    ] = False,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
) -> schemas.Alerts:
    """Return alerts that are open or unacknowledged, the last noticed first."""
    with services.store.connection() as conn:
        # One more than asked for, to know whether there are more.
        rows = stored_alerts.find(
            conn,
            farm=farm,
            device_id=device,
            rule=rule,
            severity=severity,
            summary_id=summary,
            settled=settled,
            limit=limit + 1,
        )
    return schemas.Alerts(
        alerts=[schemas.Alert.model_validate(row) for row in rows[:limit]],
        truncated=len(rows) > limit,
    )


@router.get("/alerts/{alert_id}")
def alert(alert_id: AlertId, services: UseServices) -> schemas.AlertDetail:
    """Return an alert and what happened to it."""
    with services.store.connection() as conn:
        row = stored_alerts.get(conn, alert_id)
        changes = stored_alerts.history(conn, alert_id)
    return schemas.AlertDetail(
        alert=schemas.Alert.model_validate(row),
        history=[schemas.AlertChange.model_validate(change) for change in changes],
    )


@router.post("/alerts/{alert_id}/acknowledge", dependencies=[MayWrite])
def acknowledge(
    alert_id: AlertId, body: schemas.Acknowledgement, services: UseServices
) -> schemas.Alert:
    """Note who looks after an alert; the first acknowledgement stays."""
    with services.store.connection() as conn:
        row = stored_alerts.acknowledge(
            conn, alert_id, by=body.by, note=body.note, at=datetime.now(UTC)
        )
    return schemas.Alert.model_validate(row)
