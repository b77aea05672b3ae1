"""Devices, what they measured, and what became of their messages."""

import base64
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import numpy as np
import psycopg
from fastapi import APIRouter, Body, Path, Query, Response
from pydantic import AwareDatetime, SecretStr

from api import device_schemas, fleet, schemas
from api.errors import PeriodInvalid
from api.problems import PROBLEM_RESPONSES
from api.rights import WRITE_RESPONSES, MayWrite
from api.services import UseServices
from sensors.access import new_secret
from sensors.writer import replay_quarantine
from store import counties, credentials, ledger, presence, quarantine, readings
from store import devices as stored_devices
from store.series.buckets import LOCAL_HOURS

__all__ = ["DeviceId", "router"]

router = APIRouter(tags=["devices"], responses=PROBLEM_RESPONSES)

# No reading is outside of these; near the years 1 and 9999 hours cannot be told.
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
DEFAULT_PERIOD = timedelta(hours=24)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Hours of a year, days of a lifetime.
MOST_BUCKETS = 10_000
STEPS = {"1h": timedelta(hours=1), "1d": timedelta(days=1)}
DEFAULT_BUCKETS = {"1h": 7 * 24, "1d": 90}

DeviceId = Annotated[str, Path(pattern=r"^[\w.:-]{1,128}$")]
Start = Annotated[
    AwareDatetime | None,
    Query(alias="from", description="ISO 8601 with offset; 24 h before `to`"),
]
End = Annotated[
    AwareDatetime | None,
    Query(alias="to", description="ISO 8601 with offset; now when left out"),
]


@router.get("/devices")
def devices(
    services: UseServices,
    limit: Annotated[int | None, Query(ge=1, le=10_000)] = None,
    after: Annotated[str | None, Query(max_length=128, pattern=r"^[^\x00]*$")] = None,
    counts: bool = False,
) -> device_schemas.Devices:
    """Return devices, each with the newest reading of each of its streams.

    All by farm and id; with `limit` or `after` a page of them by id.
    """
    with services.store.connection() as conn:
        if limit is None and after is None:
            rows, more = stored_devices.all_devices(conn), False
        else:
            limit = limit or 1000
            rows = stored_devices.page(conn, limit=limit + 1, after=after)
            rows, more = rows[:limit], len(rows) > limit
        shown = _shown(conn, rows, counts=counts)
    return device_schemas.Devices(
        devices=shown, next=rows[-1].device_id if more else None
    )


@router.post(
    "/devices", status_code=201, dependencies=[MayWrite], responses=WRITE_RESPONSES
)
def register_device(
    services: UseServices, new: device_schemas.NewDevice, response: Response
) -> device_schemas.Registered:
    """Register a device; its secret is shown here and never again."""
    with services.store.connection() as conn:
        fleet.add(conn, new.registration(), counties.all_counties(conn))
        secret = new_secret(conn, new.id).secret if new.credential else None
    response.headers["Cache-Control"] = "no-store"
    response.headers["Location"] = f"/devices/{new.id}"
    return device_schemas.Registered(
        id=new.id,
        topics=device_schemas.Topics(**fleet.topics(new.id, new.farm)),
        credential=device_schemas.Credential(
            username=new.id, password=SecretStr(secret)
        )
        if secret is not None
        else None,
    )


@router.get("/devices/{device_id}")
def device(device_id: DeviceId, services: UseServices) -> device_schemas.DeviceDetail:
    """Return all there is to know about a device; secrets are not known here."""
    with services.store.connection() as conn:
        row = stored_devices.get(conn, device_id)
        (shown,) = _shown(conn, [row], counts=True)
        streams = stored_devices.streams(conn, device_id)
        session = presence.find(conn, [device_id]).get(device_id)
        valid = credentials.of_device(conn, device_id)
    schema = device_schemas
    return schema.DeviceDetail(
        **dict(shown),
        created_at=row.created_at,
        disabled_at=row.disabled_at,
        streams=[schema.Stream.model_validate(stream) for stream in streams],
        session=schema.Session.model_validate(session) if session else None,
        credentials=[schema.ValidCredential.model_validate(each) for each in valid],
    )


@router.get("/devices/{device_id}/readings")
def device_readings(
    device_id: DeviceId,
    services: UseServices,
    start: Start = None,
    end: End = None,
    quantity: Annotated[str | None, Query(pattern=r"^[a-z0-9_]{1,64}$")] = None,
    limit: Annotated[int, Query(ge=1, le=100_000)] = 10_000,
) -> schemas.Readings:
    """Return readings with from <= time < to, oldest first.

    `truncated` says that the limit left out newer ones: ask again from the last time.
    """
    start, end = _period(start, end, default=DEFAULT_PERIOD)
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


@router.get("/devices/{device_id}/series")
def device_series(
    device_id: DeviceId,
    services: UseServices,
    quantity: Annotated[str, Query(pattern=r"^[a-z0-9_]{1,64}$")],
    start: Start = None,
    end: End = None,
    step: Literal["1h", "1d"] = "1h",
) -> device_schemas.Series:
    """Return hours, or local days (UTC+8), of a quantity: those that begin in the time.

    A week of hours or 90 days when no time is asked.
    """
    start, end = _period(start, end, default=STEPS[step] * DEFAULT_BUCKETS[step])
    if (end - start) / STEPS[step] > MOST_BUCKETS:
        raise PeriodInvalid(
            f"from {start.isoformat()} to {end.isoformat()} are more than"
            f" {MOST_BUCKETS} steps of {step}: ask for less · 时间范围过长"
        )
    with services.store.connection() as conn:
        row = stored_devices.get(conn, device_id)
        streams = [
            stream
            for stream in stored_devices.streams(conn, device_id)
            if stream.quantity == quantity
        ]
        buckets = _buckets(conn, [s.stream_id for s in streams], start, end, step)
    return device_schemas.Series(
        device=device_id,
        quantity=quantity,
        step=step,
        simulated=row.simulated,
        series=[
            device_schemas.StreamSeries(
                thing=stream.thing,
                position=stream.position,
                unit=stream.unit,
                buckets=_of_stream(buckets, stream.stream_id),
            )
            for stream in streams
        ],
    )


@router.get("/devices/{device_id}/gaps")
def device_gaps(device_id: DeviceId, services: UseServices) -> device_schemas.Gaps:
    """Return which numbered messages of a device did not come."""
    with services.store.connection() as conn:
        gaps = ledger.gaps(conn, device_id)
    return device_schemas.Gaps(
        device=device_id,
        missing=sum(map(len, gaps)),
        gaps=[device_schemas.Gap(first=gap[0], last=gap[-1]) for gap in gaps],
    )


@router.get("/devices/{device_id}/counts")
def device_counts(
    device_id: DeviceId, services: UseServices
) -> device_schemas.DeviceCounts:
    """Return where the messages of a device ended, and how its clock goes."""
    with services.store.connection() as conn:
        skew = ledger.skew(conn, device_id)
        counted = ledger.device_counts(conn, device_id)
    found = counted[0] if counted else None
    return device_schemas.DeviceCounts(
        device=device_id,
        counts=_counts(found),
        last_seen=found.last_seen if found else None,
        last_time=found.last_time if found else None,
        clock_skew_s=None if skew is None else skew.total_seconds(),
    )


@router.get("/counts")
def counts(services: UseServices) -> device_schemas.Counts:
    """Return where all messages ended, since ever and in this process."""
    with services.store.connection() as conn:
        total = ledger.totals(conn)
    return device_schemas.Counts(total=_counts(total), process=services.counts())


@router.get("/quarantine")
def quarantined(
    services: UseServices, limit: Annotated[int, Query(ge=1, le=1000)] = 20
) -> device_schemas.Quarantine:
    """Return messages that could not be stored, the latest first."""
    with services.store.connection() as conn:
        rows = quarantine.newest(conn, limit)
    return device_schemas.Quarantine(
        messages=[
            device_schemas.Quarantined(
                id=row.quarantine_id,
                topic=row.topic,
                payload=base64.b64encode(row.payload).decode(),
                truncated=row.truncated,
                reason=row.reason,
                first_received_at=row.first_received_at,
                last_received_at=row.last_received_at,
                count=row.count,
                device=row.device_id,
            )
            for row in rows
        ]
    )


@router.post("/quarantine/replay", dependencies=[MayWrite], responses=WRITE_RESPONSES)
def replay(
    services: UseServices,
    asked: Annotated[
        device_schemas.Replay, Body(default_factory=device_schemas.Replay)
    ],
) -> device_schemas.Replayed:
    """Try messages in quarantine again; those that can be stored now leave it."""
    done = replay_quarantine(services.store, ids=asked.ids)
    return device_schemas.Replayed.model_validate(done)


def _shown(
    conn: psycopg.Connection, rows: Sequence[stored_devices.Device], *, counts: bool
) -> list[device_schemas.Device]:
    """Complete devices by what is known of them elsewhere, in a few queries for all."""
    ids = [row.device_id for row in rows]
    latest = _latest(conn, ids)
    sessions = presence.find(conn, ids)
    counted = {
        count.device_id: count
        for count in ledger.device_counts(conn, ids[0] if len(ids) == 1 else None)
    }
    return [
        _device(
            row,
            latest[row.device_id],
            sessions.get(row.device_id),
            counted.get(row.device_id),
            counts=counts,
        )
        for row in rows
    ]


def _latest(
    conn: psycopg.Connection, device_ids: Sequence[str]
) -> dict[str, list[schemas.Reading]]:
    """Return the newest reading of each stream, by device, then by stream."""
    known = stored_devices.registered(conn, device_ids)
    streams = {s.stream_id: s for device in known.values() for s in device.streams}
    newest = readings.recent(conn, sorted(streams), count=1)
    latest: dict[str, list[schemas.Reading]] = defaultdict(list)
    for stream_id, time_us, value, flag in zip(
        newest.stream_id.tolist(),
        newest.time_us.tolist(),
        newest.value.tolist(),
        newest.flag.tolist(),
        strict=True,
    ):
        stream = streams[stream_id]
        latest[stream.device_id].append(
            schemas.Reading(
                quantity=stream.quantity,
                unit=stream.unit,
                thing=stream.thing,
                position=stream.position,
                value=value,
                time=_time(time_us),
                flag=flag,
            )
        )
    return latest


def _device(
    row: stored_devices.Device,
    latest: list[schemas.Reading],
    session: presence.Presence | None,
    counted: ledger.DeviceCount | None,
    *,
    counts: bool,
) -> device_schemas.Device:
    # A reading without a count was stored past the ingest.
    heard = max((reading.time for reading in latest), default=None)
    return device_schemas.Device(
        id=row.device_id,
        external_id=row.external_id,
        farm=row.farm,
        name_zh=row.name_zh,
        name_en=row.name_en,
        kind=row.kind,
        gateway=row.gateway,
        lon=row.lon,
        lat=row.lat,
        county=row.county,
        simulated=row.simulated,
        disabled=row.disabled_at is not None,
        online=session is not None and session.online,
        last_seen=counted.last_seen if counted else heard,
        latest=latest,
        counts=_counts(counted) if counts else None,
    )


def _counts(counted: ledger.Total | None) -> device_schemas.MessageCounts:
    none = ledger.Total(0, 0, 0, 0, 0, 0, 0, 0)
    return device_schemas.MessageCounts.model_validate(counted or none)


def _period(
    start: datetime | None, end: datetime | None, *, default: timedelta
) -> tuple[datetime, datetime]:
    end = end or datetime.now(UTC)
    start = start or max(end, EARLIEST + default) - default
    if start > end:
        raise PeriodInvalid(
            f"from {start.isoformat()} is after to {end.isoformat()}"
            f" · 起始时间晚于结束时间"
        )
    return _within(start), _within(end)


def _within(time: datetime) -> datetime:
    return min(max(time, EARLIEST), LATEST)


def _buckets(
    conn: psycopg.Connection,
    stream_ids: Sequence[int],
    start: datetime,
    end: datetime,
    step: Literal["1h", "1d"],
) -> readings.Buckets:
    if step == "1h":
        return readings.hourly(conn, stream_ids, start, end)
    ahead = timedelta(hours=LOCAL_HOURS)
    # A day that began before the time is not part of it, as an hour is not.
    first, last = (-(-(t + ahead - EPOCH) // STEPS["1d"]) for t in (start, end))
    days = [EPOCH.date() + timedelta(days=day) for day in (first, last)]
    return readings.daily(conn, stream_ids, days[0], days[1])


def _of_stream(
    buckets: readings.Buckets, stream_id: int
) -> list[device_schemas.Bucket]:
    return [
        device_schemas.Bucket(
            time=_time(int(buckets.start_us[i])),
            n=int(buckets.n[i]),
            bad_n=int(buckets.bad_n[i]),
            mean=_value(buckets.mean[i]),
            min=_value(buckets.min[i]),
            max=_value(buckets.max[i]),
            last=_value(buckets.last[i]),
        )
        for i in np.flatnonzero(buckets.stream_id == stream_id).tolist()
    ]


def _value(value: np.float64) -> float | None:
    return None if np.isnan(value) else float(value)


def _time(time_us: int) -> datetime:
    return EPOCH + timedelta(microseconds=time_us)
