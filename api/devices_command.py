"""`heitu devices`: register devices, look over them, give and take credentials."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from api.options import Data
from api.settings import command_settings
from api.tables import print_table

if TYPE_CHECKING:
    import psycopg

    from sensors.access import NewCredential
    from sensors.quantities import Actuator
    from store import Store

__all__ = ["devices_app"]

devices_app = typer.Typer(help="Sensors of farms and herds · 农田与牛群设备")

DeviceId = Annotated[str, typer.Argument(metavar="DEVICE", help="Its id · 设备编号")]
NoCredential = Annotated[
    bool, typer.Option("--no-credential", help="Make no secret · 不生成密钥")
]
NewId = Annotated[str, typer.Argument(help="Id, also its topic · 设备编号")]
Kind = Annotated[str, typer.Option(help="Profile, see `devices kinds` · 类型")]
Longitude = Annotated[
    float, typer.Option(min=-180, max=180, help="Longitude, WGS 84 · 经度")
]
Latitude = Annotated[
    float, typer.Option(min=-90, max=90, help="Latitude, WGS 84 · 纬度")
]
ChineseName = Annotated[str, typer.Option(help="Chinese name · 中文名")]
EnglishName = Annotated[str, typer.Option(help="English name · 英文名")]
Farm = Annotated[str, typer.Option(help="Farm · 农场")]
Thing = Annotated[str, typer.Option(help="What it measures: a field, a cow · 测量对象")]
ExternalId = Annotated[
    str | None, typer.Option(help="Name in a network: devEUI · 外部编号")
]
Gateway = Annotated[
    bool | None,
    typer.Option(
        "--gateway/--no-gateway", help="Speaks for its farm; as its kind · 网关"
    ),
]
Simulated = Annotated[
    bool,
    typer.Option("--simulated", help="Its readings are not measured here · 模拟数据"),
]
Streams = Annotated[
    list[str] | None,
    typer.Option(
        metavar="QUANTITY@POSITION",
        help="In place of the profile's; repeat for more depths · 测量位置",
    ),
]


@devices_app.command("add")
def add(
    device_id: NewId,
    kind: Kind,
    lon: Longitude,
    lat: Latitude,
    name_zh: ChineseName = "",
    name_en: EnglishName = "",
    farm: Farm = "home",
    thing: Thing = "",
    external_id: ExternalId = None,
    gateway: Gateway = None,
    simulated: Simulated = False,
    stream: Streams = None,
    no_credential: NoCredential = False,
    data: Data = None,
) -> None:
    """Register a device; print the topic it publishes to, and its secret · 登记设备.

    The topic goes to the standard output. The secret goes to the standard error, once:
    it is not kept anywhere.
    """
    from api.fleet import Registration, add, topics
    from sensors.access import new_secret
    from store import counties

    registration = Registration(
        device_id=device_id,
        kind=kind,
        lon=lon,
        lat=lat,
        name_zh=name_zh,
        name_en=name_en,
        farm=farm,
        thing=thing,
        external_id=external_id,
        gateway=gateway,
        simulated=simulated,
        streams=_positions(stream or []),
    )
    with _connection(data) as conn:
        add(conn, registration, counties.all_counties(conn))
        made = None if no_credential else new_secret(conn, device_id)
    typer.echo(topics(device_id, farm)["up"])
    if made is not None:
        _tell(made)


@devices_app.command("import")
def import_devices(
    file: Annotated[Path, typer.Argument(help="CSV: id, kind, lon, lat · 设备表")],
    secrets: Annotated[
        Path | None,
        typer.Option(help="New CSV for the secrets, of its owner alone · 密钥输出文件"),
    ] = None,
    no_credential: NoCredential = False,
    data: Data = None,
) -> None:
    """Register many devices, all or none · 批量登记设备.

    Columns besides: name_zh, name_en, farm, thing, external_id, gateway and simulated
    (yes, no) and streams (QUANTITY@POSITION, separated by blanks).
    """
    from api.device_list import add_all, read_list, write_secrets

    if (secrets is None) != no_credential:
        raise typer.BadParameter(
            "say where the secrets go with --secrets FILE, or --no-credential"
            " · 请用 --secrets 指定密钥文件，或使用 --no-credential"
        )
    with _connection(data) as conn:
        registrations = read_list(conn, file)
        made = add_all(conn, registrations, credentials=secrets is not None)
        # Before the COMMIT: a secret that cannot be written must not count.
        if secrets is not None:
            write_secrets(secrets, made)
    typer.echo(f"{len(registrations)} devices registered · 个设备已登记")


@devices_app.command("list")
def list_devices(data: Data = None) -> None:
    """List the devices and when each was last heard · 列出设备."""
    from api.fleet import overview

    table = Table(
        "device 编号",
        "kind 类型",
        "farm 农场",
        "名称",
        "name",
        "last reading 最近读数",
        "simulated 模拟",
    )
    with _store(data) as store:
        for row in overview(store):
            table.add_row(*row)
    print_table(table)


@devices_app.command("show")
def show(device_id: DeviceId, data: Data = None) -> None:
    """Show all there is to know about a device · 查看设备."""
    from api.fleet import described

    with _connection(data) as conn:
        for name, value in described(conn, device_id):
            typer.echo(f"{name}: {value}")


@devices_app.command("kinds")
def kinds() -> None:
    """List the profiles: what they measure, what can be set · 列出设备类型."""
    from sensors.quantities import DEVICE_KINDS

    table = Table("kind", "类型", "quantities 测量量", "can be set 可控制")
    for name, kind in DEVICE_KINDS.items():
        settable = "; ".join(map(_settable, kind.actuators))
        table.add_row(name, kind.name_zh, " ".join(kind.quantities), settable)
    print_table(table)


@devices_app.command("quarantine")
def quarantined(
    limit: Annotated[int, typer.Option(min=1, help="Newest so many · 条数")] = 20,
    replay: Annotated[
        bool, typer.Option("--replay", help="Try all of them again · 全部重试")
    ] = False,
    data: Data = None,
) -> None:
    """List messages that could not be stored, and why · 列出隔离的消息."""
    from sensors.writer import replay_quarantine
    from store import quarantine

    with _store(data) as store:
        if replay:
            done = replay_quarantine(store)
            typer.echo(
                f"stored 入库 {done.stored}, duplicate 重复 {done.duplicate},"
                f" conflict 冲突 {done.conflict}, still here 仍隔离 {done.still}"
            )
        table = Table("received 时间", "topic 主题", "count 次数", "reason 原因")
        with store.connection() as conn:
            for row in quarantine.newest(conn, limit):
                table.add_row(
                    _time(row.last_received_at), row.topic, str(row.count), row.reason
                )
    print_table(table)


@devices_app.command("rotate")
def rotate(
    device_id: DeviceId,
    overlap_days: Annotated[
        float, typer.Option(min=0, help="The old secret stays valid · 旧密钥保留天数")
    ] = 7.0,
    finish: Annotated[
        bool,
        typer.Option(
            "--finish", help="End the old one now, make none · 立即停用旧密钥"
        ),
    ] = False,
    data: Data = None,
) -> None:
    """Give a device a new secret, printed once · 更换密钥."""
    from sensors.access import new_secret
    from store import credentials

    with _connection(data) as conn:
        if finish:
            ended = credentials.retire(conn, device_id)
            typer.echo(f"old secrets ended: {ended} · 已失效旧密钥：{ended}")
            return
        made = new_secret(conn, device_id, overlap=timedelta(days=overlap_days))
    _tell(made)


@devices_app.command("revoke")
def revoke(device_id: DeviceId, data: Data = None) -> None:
    """End all secrets of a device and close its connection · 吊销密钥."""
    from store import credentials

    with _connection(data) as conn:
        ended = credentials.revoke(conn, device_id)
    typer.echo(f"secrets ended: {ended} · 已吊销密钥：{ended}")


@devices_app.command("disable")
def disable(
    device_id: DeviceId,
    enable: Annotated[
        bool, typer.Option("--undo", help="Let it in again · 恢复接入")
    ] = False,
    data: Data = None,
) -> None:
    """Let a device in no more; its data stay · 停用设备."""
    from store import devices

    with _connection(data) as conn:
        (devices.enable if enable else devices.disable)(conn, device_id)
    typer.echo("enabled · 已恢复" if enable else "disabled · 已停用")


@devices_app.command("move")
def move(
    device_id: DeviceId,
    thing: Annotated[str, typer.Option(help="What it measures now · 新的测量对象")],
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M:%S%z"],
            metavar="TIME",
            help="2026-07-01T08:00:00+08:00; now if left out · 起始时间",
        ),
    ] = None,
    data: Data = None,
) -> None:
    """Let a device measure another thing from now on; history stays · 更换测量对象."""
    from store import devices

    moment = since or datetime.now(UTC)
    with _connection(data) as conn:
        streams = devices.move(conn, device_id, thing=thing, since=moment)
    typer.echo(f"{len(streams)} streams since {_time(moment)} · 条数据流已更换对象")


@devices_app.command("claim")
def claim(
    device_id: DeviceId,
    days: Annotated[
        float, typer.Option(min=0.001, max=365, help="Valid so long · 有效天数")
    ] = 7.0,
    data: Data = None,
) -> None:
    """Print a code with which the device gets its secret, once · 生成认领码."""
    from store import claims

    with _connection(data) as conn:
        code = claims.make(conn, device_id, valid_for=timedelta(days=days))
    typer.echo(code)
    typer.echo(
        'the device sends it once: POST /provision {"claim": ..., "hardware_id": ...}'
        " · 设备凭此码领取一次密钥",
        err=True,
    )


@devices_app.command("gaps")
def gaps(device_id: DeviceId, data: Data = None) -> None:
    """List the numbered messages of a device that did not come · 缺失的消息."""
    from store import ledger

    with _connection(data) as conn:
        missing = ledger.gaps(conn, device_id)
    for gap in missing:
        typer.echo(f"{gap[0]}" if len(gap) == 1 else f"{gap[0]}-{gap[-1]}")
    typer.echo(f"{sum(map(len, missing))} missing · 条缺失", err=True)


@devices_app.command("conflicts")
def conflicts(
    device_id: Annotated[
        str | None, typer.Argument(help="One device; all if left out · 设备编号")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Newest so many · 条数")] = 20,
    data: Data = None,
) -> None:
    """List readings that contradict the stored ones · 列出冲突的读数."""
    from store import devices

    table = Table(
        "device 编号",
        "quantity 测量量",
        "position 位置",
        "time 时间",
        "stored 已存",
        "refused 未采用",
        "received 接收",
    )
    with _connection(data) as conn:
        if device_id is not None:
            devices.get(conn, device_id)
        for row in devices.conflicts(conn, device_id, limit=limit):
            table.add_row(
                row.device_id,
                row.quantity,
                row.position,
                _time(row.time),
                "" if row.stored is None else f"{row.stored:g} {row.unit}",
                f"{row.value:g} {row.unit}",
                _time(row.received_at),
            )
    print_table(table)


@contextmanager
def _store(data: Path | None) -> "Iterator[Store]":
    from store import open_store

    settings = command_settings(data)
    with open_store(data=settings.data, url=settings.url) as store:
        yield store


@contextmanager
def _connection(data: Path | None) -> "Iterator[psycopg.Connection]":
    with _store(data) as store, store.connection() as conn:
        yield conn


def _positions(given: list[str]) -> list[tuple[str, str]]:
    from api.fleet import position

    try:
        return [position(text) for text in given]
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _settable(actuator: "Actuator") -> str:
    if not actuator.values:
        return f"{actuator.name}: {actuator.low:g} to {actuator.high:g}" + (
            f" {actuator.unit}" if actuator.unit else ""
        )
    values = (str(v).lower() if isinstance(v, bool) else v for v in actuator.values)
    return f"{actuator.name}: {', '.join(values)}"


def _tell(made: "NewCredential") -> None:
    """Print a secret, on the standard error: what a pipe keeps, others may read."""
    typer.echo(f"username 用户名: {made.device_id}", err=True)
    typer.echo(f"password 密码: {made.secret}", err=True)
    typer.echo(
        "shown this once, kept hashed: store it in the device now"
        " · 仅显示一次，请立即写入设备",
        err=True,
    )


def _time(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
