"""Credentials of devices: given, taken back, and claimed by the devices themselves."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Annotated

from fastapi import APIRouter, Body, Request, Response
from pydantic import SecretStr

from api import device_schemas, fleet
from api.problems import PROBLEM_RESPONSES
from api.rights import WRITE_RESPONSES, ClaimLocked, ClaimRefused, MayWrite
from api.routes.devices import DeviceId
from api.services import UseServices
from sensors.access import claim, new_secret
from store import claims, credentials, devices

__all__ = ["router"]

router = APIRouter(tags=["devices"], responses=PROBLEM_RESPONSES)


@router.post(
    "/devices/{device_id}/credential",
    dependencies=[MayWrite],
    responses=WRITE_RESPONSES,
)
def rotate(
    device_id: DeviceId,
    services: UseServices,
    response: Response,
    asked: Annotated[
        device_schemas.Rotation, Body(default_factory=device_schemas.Rotation)
    ],
) -> device_schemas.Credential:
    """Give a device a new secret, shown once; the one before ends after a while."""
    hours = asked.overlap_hours
    overlap = None if hours is None else timedelta(hours=hours)
    with services.store.connection() as conn:
        made = new_secret(conn, device_id, overlap=overlap)
    response.headers["Cache-Control"] = "no-store"
    return device_schemas.Credential(
        username=device_id, password=SecretStr(made.secret)
    )


@router.delete(
    "/devices/{device_id}/credential",
    dependencies=[MayWrite],
    responses=WRITE_RESPONSES,
)
def revoke(device_id: DeviceId, services: UseServices) -> device_schemas.Revoked:
    """End all secrets of a device at once; its live session is closed."""
    with services.store.connection() as conn:
        ended = credentials.revoke(conn, device_id)
    return device_schemas.Revoked(device=device_id, ended=ended)


@router.post(
    "/devices/{device_id}/claim",
    status_code=201,
    dependencies=[MayWrite],
    responses=WRITE_RESPONSES,
)
def make_claim(
    device_id: DeviceId,
    services: UseServices,
    response: Response,
    asked: Annotated[
        device_schemas.ClaimAsked, Body(default_factory=device_schemas.ClaimAsked)
    ],
) -> device_schemas.Claim:
    """Make a code with which a device gets its credential, once."""
    with services.store.connection() as conn:
        code = claims.make(conn, device_id, valid_for=asked.valid_for)
    response.headers["Cache-Control"] = "no-store"
    return device_schemas.Claim(
        device=device_id, claim=code, valid_until=datetime.now(UTC) + asked.valid_for
    )


@router.post("/provision")
def provision(
    services: UseServices,
    request: Request,
    response: Response,
    asked: device_schemas.Provision,
) -> device_schemas.Provisioned:
    """Give the holder of a claim code the identity of its device, exactly once."""
    address = request.client.host if request.client else "unknown"
    code = asked.claim.get_secret_value()
    with services.store.connection() as conn:
        if claims.locked(conn, address):
            raise ClaimLocked(
                f"too many wrong codes came from {address}: wait"
                f" {claims.LOCKED_FOR} and try again · 错误次数过多，请稍后再试"
            )
        made = claim(conn, code, hardware_id=asked.hardware_id, address=address)
        device = None if made is None else devices.get(conn, made.device_id)
    # Only now: the failure is counted, which an error inside would undo.
    if made is None or device is None:
        raise ClaimRefused(
            "the claim code is unknown, used up or expired: ask for a new one"
            " (heitu devices claim) · 认领码无效、已使用或已过期，请重新生成"
        )
    response.headers["Cache-Control"] = "no-store"
    return device_schemas.Provisioned(
        device_id=device.device_id,
        username=device.device_id,
        password=SecretStr(made.secret),
        topics=device_schemas.Topics(**fleet.topics(device.device_id, device.farm)),
        mqtt=_reachable(services.mqtt, request),
    )


def _reachable(
    mqtt: device_schemas.MqttAddress | None, request: Request
) -> device_schemas.MqttAddress | None:
    """Name the host as the device called it where MQTT listens on every address."""
    if mqtt is None or not _is_any(mqtt.host):
        return mqtt
    return mqtt.model_copy(update={"host": request.url.hostname})


def _is_any(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False
