"""Registering devices and looking over them, for the command line and over HTTP."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
import shapely

from sensors.quantities import device_kind, quantity, stream_specs
from store import Store, credentials, devices, ledger, presence, readings
from store.counties import County
from store.devices import Device, Stream, StreamSpec

__all__ = [
    "Registration",
    "add",
    "described",
    "overview",
    "position",
    "topics",
]

_POSITION = re.compile(r"[\w.-]{0,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A device as somebody describes it; ``streams`` are pairs quantity, position.

    Without names, or a thing that it measures, its id stands for them; without
    ``gateway`` its kind decides.
    """

    device_id: str
    farm: str
    kind: str
    lon: float
    lat: float
    name_zh: str = ""
    name_en: str = ""
    thing: str = ""
    external_id: str | None = None
    gateway: bool | None = None
    simulated: bool = False
    streams: Sequence[tuple[str, str]] = ()


def topics(device_id: str, farm: str) -> dict[str, str]:
    """Return the MQTT topics of a device: up, state and down."""
    return {
        name: f"farm/{farm}/{device_id}/{level}"
        for name, level in (("up", "up"), ("state", "state"), ("down", "down/#"))
    }


def position(text: str) -> tuple[str, str]:
    """Read ``quantity@position``, as in payloads; a position may be left out.

    Raises
    ------
    ValueError
        The position cannot be one.
    """
    quantity, _, place = text.partition("@")
    if not _POSITION.fullmatch(place):
        raise ValueError(
            f"{text!r}: write QUANTITY@POSITION with letters, digits, . - and _"
            " · 测量位置格式不正确"
        )
    return quantity, place


def add(
    conn: psycopg.Connection, new: Registration, places: Sequence[County]
) -> Device:
    """Register a device in a transaction of the caller.

    The county follows from the place; a place in none of the counties has none.

    Raises
    ------
    sensors.SensorsError
        The kind or a quantity is unknown.
    store.DeviceExists, store.RowRefused
        The id is taken, or it cannot be part of a topic.
    """
    kind = device_kind(new.kind)
    device = Device(
        device_id=new.device_id,
        farm=new.farm,
        name_zh=new.name_zh or new.device_id,
        name_en=new.name_en or new.device_id,
        kind=new.kind,
        lon=new.lon,
        lat=new.lat,
        county=_county_at(places, lon=new.lon, lat=new.lat),
        simulated=new.simulated,
        created_at=datetime.now(UTC),
        external_id=new.external_id,
        gateway=kind.gateway if new.gateway is None else new.gateway,
    )
    devices.add(conn, device, _specs(new))
    return device


def _specs(new: Registration) -> list[StreamSpec]:
    """Return the streams of the kind, with those asked for in place of the usual."""
    thing = new.thing or new.device_id
    asked = [
        StreamSpec(name, quantity(name).unit, thing, position)
        for name, position in dict.fromkeys(new.streams)
    ]
    replaced = {spec.quantity for spec in asked}
    usual = stream_specs(new.kind, thing=thing)
    return [spec for spec in usual if spec.quantity not in replaced] + asked


def described(conn: psycopg.Connection, device_id: str) -> Iterator[tuple[str, str]]:
    """Yield what is known of a device, as bilingual names and values.

    Raises
    ------
    store.DeviceUnknown
    """
    device = devices.get(conn, device_id)
    yield "device 编号", device.device_id
    yield "name 名称", f"{device.name_zh} {device.name_en}"
    yield "kind 类型", device.kind + (" (gateway 网关)" if device.gateway else "")
    yield "farm 农场", device.farm
    yield "topic 主题", topics(device_id, device.farm)["up"]
    yield "place 位置", f"{device.lon:g} {device.lat:g} {device.county or ''}".rstrip()
    if device.external_id is not None:
        yield "external id 外部编号", device.external_id
    if device.simulated:
        yield "simulated 模拟", "yes 是"
    if device.disabled_at is not None:
        yield "disabled 已停用", _moment(device.disabled_at)
    yield from _streams(devices.streams(conn, device_id))
    for credential in credentials.of_device(conn, device_id):
        end = credential.valid_until
        until = f" until 至 {_moment(end)}" if end else ""
        yield "secret 密钥", f"since 签发于 {_moment(credential.issued_at)}{until}"
    yield from _heard(conn, device_id)


def _streams(streams: Sequence[Stream]) -> Iterator[tuple[str, str]]:
    """Tell streams; those that a later one took the place of, as of the past."""
    now = datetime.now(UTC)
    later: dict[tuple[str, str], datetime] = {}
    told = []
    for stream in sorted(streams, key=lambda s: (s.since, s.stream_id), reverse=True):
        name = stream.quantity + (f"@{stream.position}" if stream.position else "")
        text = f"{name} {stream.unit} {stream.thing} since 自 {_moment(stream.since)}"
        end = later.get((stream.quantity, stream.position))
        past = f" until 至 {_moment(end)}" if end else ""
        past += " (past 已结束)" if end and end <= now else ""
        later[stream.quantity, stream.position] = stream.since
        told.append(("stream 数据流", text + past))
    yield from reversed(told)


def _heard(conn: psycopg.Connection, device_id: str) -> Iterator[tuple[str, str]]:
    session = presence.find(conn, [device_id]).get(device_id)
    if session is not None and session.disconnected_at is not None:
        end = _moment(session.disconnected_at)
        yield "connection 连接", f"ended 断开 {end}: {session.reason}"
    elif session is not None:
        start = _moment(session.connected_at)
        yield "connection 连接", f"{session.address} since 自 {start}"
    for count in ledger.device_counts(conn, device_id):
        yield "last seen 最近消息", _moment(count.last_seen)
        yield (
            "messages 消息",
            f"{count.received}: stored 入库 {count.stored}, duplicate 重复"
            f" {count.duplicate}, conflict 冲突 {count.conflict}, quarantined 隔离"
            f" {count.quarantined}",
        )
    yield "missing 缺失", str(sum(map(len, ledger.gaps(conn, device_id))))
    skew = ledger.skew(conn, device_id)
    if skew is not None:
        yield "clock 时钟", f"{skew.total_seconds():+.1f} s behind 偏慢"


def overview(store: Store) -> list[tuple[str, ...]]:
    """Return id, kind, farm, names, last reading and simulated mark of each device."""
    with store.connection() as conn:
        fleet = devices.all_devices(conn)
        latest = readings.latest(conn)
    heard: dict[str, datetime] = {}
    for reading in latest:
        newest = heard.get(reading.device_id, reading.time)
        heard[reading.device_id] = max(newest, reading.time)
    return [_row(device, heard) for device in fleet]


def _row(device: Device, heard: Mapping[str, datetime]) -> tuple[str, ...]:
    time = heard.get(device.device_id)
    return (
        device.device_id,
        device.kind,
        device.farm,
        device.name_zh,
        device.name_en,
        _moment(time) if time else "从未 never",
        "模拟 simulated" if device.simulated else "",
    )


def _moment(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%SZ}"


def _county_at(places: Sequence[County], *, lon: float, lat: float) -> str | None:
    point = shapely.Point(lon, lat)
    return next((c.code for c in places if c.geometry.covers(point)), None)
