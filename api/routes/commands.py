"""Commands to devices over HTTP."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Response

from api import alert_schemas as schemas
from api.problems import PROBLEM_RESPONSES
from api.rights import MayWrite
from api.services import UseServices
from sensors.commands import CommandInvalid, order
from store import commands as stored_commands
from store import devices

__all__ = ["router"]

router = APIRouter(tags=["commands"], responses=PROBLEM_RESPONSES)

DeviceId = Annotated[str, Path(pattern=r"^[\w.:-]{1,128}$")]


@router.post("/devices/{device_id}/commands", status_code=201, dependencies=[MayWrite])
def command(
    device_id: DeviceId,
    body: schemas.NewCommand,
    services: UseServices,
    response: Response,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> schemas.Command:
    """Queue a command; 200 when the same one is there already.

    409 where the device's present state is not known and the command is not forced.
    """
    command_id = _id(body.id, idempotency_key)
    with services.store.connection() as conn:
        made, new = order(
            conn,
            device_id=device_id,
            desired=body.set,
            command_id=command_id,
            by=body.by,
            at=datetime.now(UTC),
            valid_s=body.valid_s,
            force=body.force,
        )
    if made.state == "refused":
        raise schemas.CommandRefused(f"{made.command_id}: {made.reason}")
    if not new:
        response.status_code = 200
    return schemas.Command.model_validate(made)


def _id(given: str | None, header: str | None) -> str:
    if given is not None and header is not None and given != header:
        raise CommandInvalid(
            f"the id {given!r:.80} and the header Idempotency-Key {header!r:.80}"
            " differ: give one of them · id 与 Idempotency-Key 不一致"
        )
    chosen = given if given is not None else header
    if chosen is None:
        raise CommandInvalid(
            "a command needs an id, in the body or as header Idempotency-Key, so that"
            " sending it again does nothing twice · 命令需要编号"
        )
    return chosen


@router.get("/devices/{device_id}/commands")
def commands(
    device_id: DeviceId,
    services: UseServices,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
) -> schemas.Commands:
    """Return the commands of a device, the last made first."""
    with services.store.connection() as conn:
        devices.get(conn, device_id)
        rows = stored_commands.find(conn, device_id=device_id, limit=limit + 1)
    return schemas.Commands(
        commands=[schemas.Command.model_validate(row) for row in rows[:limit]],
        truncated=len(rows) > limit,
    )


@router.get("/devices/{device_id}/state")
def state(device_id: DeviceId, services: UseServices) -> schemas.DeviceState:
    """Return the newest reported state of each actuator of a device."""
    with services.store.connection() as conn:
        device = devices.get(conn, device_id)
        reported = stored_commands.reported_state(conn, device_id)
    return schemas.DeviceState(
        device=device_id,
        state={
            name: schemas.ReportedState.model_validate(one)
            for name, one in reported.items()
        },
        simulated=device.simulated,
    )
