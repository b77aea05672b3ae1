"""Devices and their readings."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime

from api import schemas
from api.errors import PeriodInvalid
from api.problems import PROBLEM_RESPONSES
from api.services import UseServices
from store import devices as stored_devices
from store import readings

router = APIRouter(tags=["devices"], responses=PROBLEM_RESPONSES)

# A day before the year 1 cannot be told.
EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
DEFAULT_PERIOD = timedelta(hours=24)


@router.get("/devices")
def devices(services: UseServices) -> schemas.Devices:
    """Return all devices, each with the newest reading of each of its streams."""
    with services.store.connection() as conn:
        rows = stored_devices.all_devices(conn)
        newest = readings.latest(conn)
    latest = defaultdict(list)
    for reading in newest:
        latest[reading.device_id].append(reading)
    return schemas.Devices(
        devices=[_device(row, latest[row.device_id]) for row in rows]
    )


def _device(
    row: stored_devices.Device, latest: Sequence[readings.StreamReading]
) -> schemas.Device:
    return schemas.Device(
        id=row.device_id,
        farm=row.farm,
        name_zh=row.name_zh,
        name_en=row.name_en,
        kind=row.kind,
        lon=row.lon,
        lat=row.lat,
        county=row.county,
        simulated=row.simulated,
        last_seen=max((reading.time for reading in latest), default=None),
        latest=[schemas.Reading.model_validate(reading) for reading in latest],
    )


@router.get("/devices/{device_id}/readings")
def device_readings(
    device_id: Annotated[str, Path(pattern=r"^[\w.:-]{1,128}$")],
    services: UseServices,
    start: Annotated[
        AwareDatetime | None,
        Query(alias="from", description="ISO 8601 with offset; 24 h before `to`"),
    ] = None,
    end: Annotated[
        AwareDatetime | None,
        Query(alias="to", description="ISO 8601 with offset; now when left out"),
    ] = None,
    quantity: Annotated[str | None, Query(pattern=r"^[a-z0-9_]{1,64}$")] = None,
    limit: Annotated[int, Query(ge=1, le=100_000)] = 10_000,
) -> schemas.Readings:
    """Return readings with from <= time < to, oldest first.

    `truncated` says that the limit left out newer ones: ask again from the last time.
    """
    end = end or datetime.now(UTC)
    start = start or max(end, EARLIEST) - DEFAULT_PERIOD
    if start > end:
        raise PeriodInvalid(
            f"from {start.isoformat()} is after to {end.isoformat()}"
            f" · 起始时间晚于结束时间"
        )
    with services.store.connection() as conn:
        device = stored_devices.get(conn, device_id)
        # One more than asked for, to know whether there are more.
        rows = readings.between(
            conn, device_id, start=start, end=end, quantity=quantity, limit=limit + 1
        )
    return schemas.Readings(
        device=device_id,
        readings=[schemas.Reading.model_validate(row) for row in rows[:limit]],
        truncated=len(rows) > limit,
        simulated=device.simulated,
    )
