"""Devices and their streams."""

import re
from collections.abc import Collection, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, LiteralString

import psycopg
from psycopg.rows import class_row

from store.errors import DeviceExists, DeviceUnknown, RowRefused

__all__ = [
    "Conflict",
    "Device",
    "Registered",
    "Stream",
    "StreamSpec",
    "add",
    "add_stream",
    "all_devices",
    "any_simulated",
    "conflicts",
    "disable",
    "enable",
    "get",
    "is_text",
    "move",
    "page",
    "registered",
    "streams",
]


@dataclass(frozen=True, slots=True)
class Device:
    """A device at a place (EPSG:4326, degrees) on a farm.

    ``external_id`` is what a network calls it, for example its devEUI. A gateway may
    speak for the other devices of its farm. A disabled device is let in no more.
    """

    device_id: str
    farm: str
    name_zh: str
    name_en: str
    kind: str
    lon: float
    lat: float
    county: str | None
    simulated: bool
    created_at: datetime
    external_id: str | None = None
    gateway: bool = False
    disabled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """A stream to be made: one quantity, its UCUM unit, and the thing measured.

    ``position`` tells several sensors of one quantity apart: a depth, a node; without
    ``@``, which stands before it in payloads.
    """

    quantity: str
    unit: str
    thing: str
    position: str = ""


@dataclass(frozen=True, slots=True)
class Stream:
    """One quantity of one thing measured, by one device, from a time on."""

    stream_id: int
    device_id: str
    quantity: str
    unit: str
    thing: str
    position: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Registered:
    """What the ingest needs to know of a device.

    ``number`` stands for the id where rows are many. Of several streams with the same
    quantity and position, a reading belongs to the newest whose ``since`` is not after
    it, or to the oldest; ``streams`` are by quantity, position, since and id.
    """

    device_id: str
    number: int
    farm: str
    kind: str
    simulated: bool
    streams: tuple[Stream, ...]
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Conflict:
    """A second value for a moment that already has one, which stays."""

    device_id: str
    quantity: str
    unit: str
    thing: str
    position: str
    time: datetime
    stored: float | None
    value: float
    received_at: datetime


_COLUMNS: LiteralString = (
    "device_id, farm, name_zh, name_en, kind, lon, lat, county, simulated, created_at,"
    " external_id, gateway, disabled_at"
)
_STREAM: LiteralString = "stream_id, device_id, quantity, unit, thing, position, since"
_EUI = re.compile(r"[0-9A-Fa-f]{16}")


def add(
    conn: psycopg.Connection, device: Device, specs: Sequence[StreamSpec]
) -> list[Stream]:
    """Register a device with its streams, which begin when it was created.

    Raises
    ------
    DeviceExists
        The id or the external id is taken; nothing was changed.
    """
    external_id = device.external_id and _external(device.external_id)
    values = {**_fields(device), "external_id": external_id}
    with conn.transaction(), conn.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO device ({_COLUMNS}) SELECT %(device_id)s, %(farm)s,"
            " %(name_zh)s, %(name_en)s, %(kind)s, %(lon)s, %(lat)s, %(county)s,"
            " %(simulated)s, %(created_at)s, %(external_id)s, %(gateway)s,"
            # Ids and external ids share the names that messages come under.
            " %(disabled_at)s WHERE NOT EXISTS (SELECT FROM device WHERE"
            " external_id = %(device_id)s OR device_id = %(external_id)s)"
            " ON CONFLICT DO NOTHING",
            values,
        )
        if not cursor.rowcount:
            raise _taken(conn, device.device_id, external_id)
        _add_streams(cursor, device.device_id, specs, since=device.created_at)
    return streams(conn, device.device_id)


def add_stream(
    conn: psycopg.Connection,
    device_id: str,
    spec: StreamSpec,
    *,
    since: datetime | None = None,
) -> Stream:
    """Give a device one more stream, from a time on: now when left out.

    Raises
    ------
    DeviceUnknown
    RowRefused
        The device has a stream of this quantity and position.
    """
    get(conn, device_id)
    known = streams(conn, device_id)
    if any((s.quantity, s.position) == (spec.quantity, spec.position) for s in known):
        place = f" at {spec.position}" if spec.position else ""
        raise RowRefused(
            f"device {device_id!r} measures {spec.quantity}{place} already: move the"
            f" device, or choose another position · 设备 {device_id} 已有此测量项"
        )
    with conn.cursor() as cursor:
        _add_streams(cursor, device_id, [spec], since=since or datetime.now(UTC))
    return streams(conn, device_id)[-1]


def move(
    conn: psycopg.Connection, device_id: str, *, thing: str, since: datetime
) -> list[Stream]:
    """Let a device measure another thing from a time on; returns its new streams.

    What it measured before stays with what it was measured of.

    Raises
    ------
    DeviceUnknown
    RowRefused
        It has readings at or after ``since``: sent again, they would count twice.
    """
    get(conn, device_id)
    with conn.transaction(), conn.cursor() as cursor:
        # Two moves at once would not see each other's streams.
        cursor.execute(
            "SELECT FROM device WHERE device_id = %s FOR UPDATE", [device_id]
        )
        last = _last_reading(cursor, device_id)
        newest = _newest(streams(conn, device_id))
        begun = max((stream.since for stream in newest), default=None)
        latest = max((time for time in (last, begun) if time is not None), default=None)
        # Redelivered messages find the stream by their time: that must not change.
        if latest is not None and latest >= since:
            raise RowRefused(
                f"device {device_id!r} has readings or a move at"
                f" {latest.isoformat()}: move it from a later time on, not from"
                f" {since.isoformat()} · 设备 {device_id} 在该时间之后已有数据"
            )
        specs = [StreamSpec(s.quantity, s.unit, thing, s.position) for s in newest]
        _add_streams(cursor, device_id, specs, since=since)
    return [s for s in streams(conn, device_id) if s.since == since]


def disable(conn: psycopg.Connection, device_id: str) -> None:
    """Let a device in no more; its data stay.

    Raises
    ------
    DeviceUnknown
    """
    get(conn, device_id)
    conn.execute(
        "UPDATE device SET disabled_at = clock_timestamp()"
        " WHERE device_id = %s AND disabled_at IS NULL",
        [device_id],
    )


def enable(conn: psycopg.Connection, device_id: str) -> None:
    """Let a disabled device in again.

    Raises
    ------
    DeviceUnknown
    """
    get(conn, device_id)
    conn.execute(
        "UPDATE device SET disabled_at = NULL WHERE device_id = %s", [device_id]
    )


def all_devices(conn: psycopg.Connection) -> list[Device]:
    """Return all devices by farm and id."""
    with conn.cursor(row_factory=class_row(Device)) as cursor:
        cursor.execute(f"SELECT {_COLUMNS} FROM device ORDER BY farm, device_id")
        return cursor.fetchall()


def page(
    conn: psycopg.Connection, *, limit: int, after: str | None = None
) -> list[Device]:
    """Return the first ``limit`` devices by id, of those after an id when given."""
    with conn.cursor(row_factory=class_row(Device)) as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM device"
            " WHERE %(after)s::text IS NULL OR device_id > %(after)s"
            " ORDER BY device_id LIMIT %(limit)s",
            {"after": after, "limit": limit},
        )
        return cursor.fetchall()


def any_simulated(conn: psycopg.Connection) -> bool:
    """Whether a device is simulated."""
    row = conn.execute("SELECT EXISTS (SELECT FROM device WHERE simulated)").fetchone()
    return bool(row and row[0])


def get(conn: psycopg.Connection, device_id: str) -> Device:
    """Return the device with an id.

    Raises
    ------
    DeviceUnknown
    """
    with conn.cursor(row_factory=class_row(Device)) as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM device WHERE device_id = %s", [device_id]
        )
        device = cursor.fetchone()
    if device is None:
        raise DeviceUnknown(
            f"no device has the id {device_id!r}: `heitu devices list` shows those"
            f" there are · 没有编号为 {device_id} 的设备"
        )
    return device


def registered(
    conn: psycopg.Connection, names: Collection[str]
) -> dict[str, Registered]:
    """Return the devices that have these ids or external ids, by the names asked.

    Names that no device has are left out. One query, however many names.
    """
    asked = [name for name in names if is_text(name)]
    rows = conn.execute(
        "SELECT device.device_id, number, farm, kind, simulated, external_id,"
        " disabled_at IS NOT NULL, stream_id, device.device_id, quantity, unit,"
        " thing, position, since FROM device LEFT JOIN stream USING (device_id)"
        " WHERE device.device_id = ANY(%(ids)s) OR external_id = ANY(%(external)s)"
        # By number first: of many rows, comparing texts would take most of the time.
        " ORDER BY number, quantity, position, since, stream_id",
        {"ids": asked, "external": [_external(name) for name in asked]},
    )
    by_id: dict[str, Registered] = {}
    by_external: dict[str, Registered] = {}
    for (device_id, external_id), group in groupby(rows, key=itemgetter(0, 5)):
        by_id[device_id] = device = _registered(list(group))
        if external_id is not None:
            by_external[external_id] = device
    # No name is both: `add` sees to that.
    answer = {n: by_id.get(n) or by_external.get(_external(n)) for n in asked}
    return {name: device for name, device in answer.items() if device is not None}


def streams(conn: psycopg.Connection, device_id: str | None = None) -> list[Stream]:
    """Return the streams of a device, or of all, by stream id."""
    with conn.cursor(row_factory=class_row(Stream)) as cursor:
        cursor.execute(
            f"SELECT {_STREAM} FROM stream"
            " WHERE %(device)s::text IS NULL OR device_id = %(device)s"
            " ORDER BY stream_id",
            {"device": device_id},
        )
        return cursor.fetchall()


def is_text(name: str) -> bool:
    """Whether PostgreSQL's text can hold a name: no NUL, no lone surrogate."""
    return "\0" not in name and not any("\ud800" <= c <= "\udfff" for c in name)


def conflicts(
    conn: psycopg.Connection, device_id: str | None = None, *, limit: int
) -> list[Conflict]:
    """Return readings that contradict the stored ones, the latest received first.

    ``stored`` is None where the stored reading is kept no longer.
    """
    with conn.cursor(row_factory=class_row(Conflict)) as cursor:
        cursor.execute(
            "SELECT device_id, quantity, unit, thing, position, other.time,"
            " reading.value AS stored, other.value, other.received_at"
            " FROM reading_conflict AS other JOIN stream USING (stream_id)"
            " LEFT JOIN reading ON reading.stream_id = other.stream_id"
            " AND reading.time = other.time"
            " WHERE %(device)s::text IS NULL OR device_id = %(device)s"
            " ORDER BY other.received_at DESC, other.time DESC, stream.stream_id,"
            " other.value"
            " LIMIT %(limit)s",
            {"device": device_id, "limit": limit},
        )
        return cursor.fetchall()


def _fields(device: Device) -> dict[str, Any]:
    return dict(zip(Device.__dataclass_fields__, astuple(device), strict=True))


def _registered(rows: Sequence[tuple[Any, ...]]) -> Registered:
    """Make a device of its rows: seven columns of its own, seven of a stream."""
    device_id, number, farm, kind, simulated, _, disabled = rows[0][:7]
    # A device without streams is one row of nulls.
    known = tuple(Stream(*row[7:]) for row in rows if row[7] is not None)
    return Registered(device_id, number, farm, kind, simulated, known, disabled)


def _add_streams(
    cursor: psycopg.Cursor,
    device_id: str,
    specs: Sequence[StreamSpec],
    *,
    since: datetime,
) -> None:
    cursor.executemany(
        "INSERT INTO stream (device_id, quantity, unit, thing, position, since)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        [(device_id, s.quantity, s.unit, s.thing, s.position, since) for s in specs],
    )


def _newest(known: Sequence[Stream]) -> list[Stream]:
    """Return the stream that counts now for each quantity and position."""
    # Later ones take the place of earlier ones in the dictionary.
    ordered = sorted(known, key=lambda stream: (stream.since, stream.stream_id))
    return list({(s.quantity, s.position): s for s in ordered}.values())


def _last_reading(cursor: psycopg.Cursor, device_id: str) -> datetime | None:
    cursor.execute(
        "SELECT max(newest.time) FROM stream CROSS JOIN LATERAL ("
        " SELECT time FROM reading WHERE reading.stream_id = stream.stream_id"
        " ORDER BY time DESC LIMIT 1) AS newest WHERE device_id = %s",
        [device_id],
    )
    row = cursor.fetchone()
    return row[0] if row else None


def _taken(
    conn: psycopg.Connection, device_id: str, external_id: str | None
) -> DeviceExists:
    if device_id in registered(conn, [device_id]):
        return DeviceExists(
            f"a device {device_id!r} is already registered: choose another"
            f" id · 设备 {device_id} 已存在，请换一个编号"
        )
    return DeviceExists(
        f"a device with the external id {external_id!r} is already registered: choose"
        f" another · 外部编号 {external_id} 已存在，请换一个"
    )


def _external(name: str) -> str:
    """Spell an external id as stored: networks do not agree on the case of an EUI."""
    return name.lower() if _EUI.fullmatch(name) else name
