"""Devices and their streams."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row

from store.errors import DeviceExists, DeviceUnknown


@dataclass(frozen=True, slots=True)
class Device:
    """A device at a place (EPSG:4326, degrees) on a farm."""

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


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """A stream to be made: one quantity, its UCUM unit, and the thing measured."""

    quantity: str
    unit: str
    thing: str


@dataclass(frozen=True, slots=True)
class Stream:
    """One quantity of one thing measured, by one device."""

    stream_id: int
    device_id: str
    quantity: str
    unit: str
    thing: str


def add(
    conn: psycopg.Connection, device: Device, specs: Sequence[StreamSpec]
) -> list[Stream]:
    """Register a device with its streams.

    Raises
    ------
    DeviceExists
        The id is taken; nothing was changed.
    """
    with conn.transaction(), conn.cursor() as cursor:
        cursor.execute(
            "INSERT INTO device (device_id, farm, name_zh, name_en, kind, lon, lat,"
            " county, simulated, created_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            astuple(device),
        )
        if not cursor.rowcount:
            raise DeviceExists(
                f"a device {device.device_id!r} is already registered: choose another"
                f" id · 设备 {device.device_id} 已存在，请换一个编号"
            )
        cursor.executemany(
            "INSERT INTO stream (device_id, quantity, unit, thing)"
            " VALUES (%s, %s, %s, %s)",
            [(device.device_id, s.quantity, s.unit, s.thing) for s in specs],
        )
    return streams(conn, device.device_id)


def all_devices(conn: psycopg.Connection) -> list[Device]:
    """Return all devices by farm and id."""
    with conn.cursor(row_factory=class_row(Device)) as cursor:
        cursor.execute(
            "SELECT device_id, farm, name_zh, name_en, kind, lon, lat, county,"
            " simulated, created_at FROM device ORDER BY farm, device_id"
        )
        return cursor.fetchall()


def get(conn: psycopg.Connection, device_id: str) -> Device:
    """Return the device with an id.

    Raises
    ------
    DeviceUnknown
    """
    with conn.cursor(row_factory=class_row(Device)) as cursor:
        cursor.execute(
            "SELECT device_id, farm, name_zh, name_en, kind, lon, lat, county,"
            " simulated, created_at FROM device WHERE device_id = %s",
            [device_id],
        )
        device = cursor.fetchone()
    if device is None:
        raise DeviceUnknown(
            f"no device has the id {device_id!r}: `heitu devices list` shows those"
            f" there are · 没有编号为 {device_id} 的设备"
        )
    return device


def streams(conn: psycopg.Connection, device_id: str | None = None) -> list[Stream]:
    """Return the streams of a device, or of all, by stream id."""
    with conn.cursor(row_factory=class_row(Stream)) as cursor:
        cursor.execute(
            "SELECT stream_id, device_id, quantity, unit, thing FROM stream"
            " WHERE %(device)s::text IS NULL OR device_id = %(device)s"
            " ORDER BY stream_id",
            {"device": device_id},
        )
        return cursor.fetchall()
