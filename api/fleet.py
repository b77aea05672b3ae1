"""Registering devices and looking over them, for the command line."""

from datetime import UTC, datetime

import shapely

from sensors.quantities import stream_specs
from store import Store, counties, devices, readings
from store.counties import County
from store.devices import Device

__all__ = ["overview", "register"]


def register(
    store: Store,
    *,
    device_id: str,
    farm: str,
    kind: str,
    lon: float,
    lat: float,
    name_zh: str,
    name_en: str,
    thing: str,
) -> str:
    """Register a device with the streams of its kind; returns its MQTT topic.

    The county follows from the place; a place in none of the counties has none.

    Raises
    ------
    sensors.SensorsError
        The kind is unknown.
    store.DeviceExists, store.RowRefused
        The id is taken, or it cannot be part of a topic.
    """
    streams = stream_specs(kind, thing=thing)
    with store.connection() as conn:
        device = Device(
            device_id=device_id,
            farm=farm,
            name_zh=name_zh,
            name_en=name_en,
            kind=kind,
            lon=lon,
            lat=lat,
            county=_county_at(counties.all_counties(conn), lon=lon, lat=lat),
            simulated=False,
            created_at=datetime.now(UTC),
        )
        devices.add(conn, device, streams)
    return f"farm/{farm}/{device_id}/up"


def overview(store: Store) -> list[tuple[str, ...]]:
    """Return id, kind, farm, names, last reading and simulated mark of each device."""
    with store.connection() as conn:
        fleet = devices.all_devices(conn)
        latest = readings.latest(conn)
    heard: dict[str, datetime] = {}
    for reading in latest:
        newest = heard.get(reading.device_id, reading.time)
        heard[reading.device_id] = max(newest, reading.time)
    return [_row(device, heard.get(device.device_id)) for device in fleet]


def _row(device: Device, heard: datetime | None) -> tuple[str, ...]:
    return (
        device.device_id,
        device.kind,
        device.farm,
        device.name_zh,
        device.name_en,
        f"{heard:%Y-%m-%d %H:%M:%SZ}" if heard else "从未 never",
        "模拟 simulated" if device.simulated else "",
    )


def _county_at(places: list[County], *, lon: float, lat: float) -> str | None:
    point = shapely.Point(lon, lat)
    return next((c.code for c in places if c.geometry.covers(point)), None)
