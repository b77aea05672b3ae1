"""`heitu replay` and `heitu simulate`: recorded and simulated devices that publish."""

import os
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer
from rich.console import Console
from rich.table import Table

from api.progress import Stages

if TYPE_CHECKING:
    from sensors.publisher import Login
    from sensors.replay import Disturbance, Message, Recording
    from store.devices import Device

__all__ = ["replay", "simulate"]

PASSWORD = "HEITU_MQTT_PASSWORD"

Host = Annotated[str, typer.Option(help="MQTT broker or platform · MQTT 服务地址")]
BrokerPort = Annotated[
    int, typer.Option("--port", min=1, max=65_535, help="Its port · 端口")
]
Username = Annotated[
    str | None, typer.Option(help="User name: of a device or gateway · 用户名")
]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help=f"File with the password, or set {PASSWORD} · 密码文件",
    ),
]
UseTls = Annotated[bool, typer.Option("--tls", help="Encrypt the line · 加密连接")]
CaFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Certificates to trust, PEM · 信任的证书"),
]
Version = Annotated[
    int, typer.Option("--mqtt", min=4, max=5, help="4 = 3.1.1, 5 = 5.0 · MQTT 版本")
]
Seed = Annotated[
    int, typer.Option(help="Of chance; the same gives the same · 随机种子")
]


RecordedFile = Annotated[Path, typer.Argument(help="CSV or Excel · 记录文件")]
Farm = Annotated[str, typer.Option(help="Farm of the devices · 农场")]
Prefix = Annotated[str, typer.Option(help="Put before the devices' names · 设备名前缀")]
Zone = Annotated[
    str, typer.Option(help="Of times without an offset · 无时区时间的时区")
]
Loss = Annotated[float, typer.Option(min=0, max=1, help="Share never sent · 丢失比例")]
Duplicate = Annotated[
    float, typer.Option(min=0, max=1, help="Share sent twice · 重复比例")
]
Disorder = Annotated[
    float, typer.Option(min=0, help="Delayed by up to so many s · 乱序秒数")
]
Skew = Annotated[float, typer.Option(help="Clocks fast by so many s · 时钟偏差秒数")]
Speed = Annotated[
    float, typer.Option(min=0, help="Times real time; 0: no waiting · 倍速")
]
PlanOnly = Annotated[
    bool, typer.Option("--plan", help="Say what would be sent · 只列出内容")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on where it stopped · 断点续传")
]
BookmarkFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Where it says how far it came · 进度文件"),
]


def replay(
    file: RecordedFile,
    farm: Farm,
    prefix: Prefix = "",
    zone: Zone = "Asia/Shanghai",
    loss: Loss = 0.0,
    duplicate: Duplicate = 0.0,
    disorder: Disorder = 0.0,
    skew: Skew = 0.0,
    seed: Seed = 0,
    speed: Speed = 0.0,
    plan_only: PlanOnly = False,
    resume: Resume = False,
    bookmark: BookmarkFile = None,
    host: Host = "127.0.0.1",
    port: BrokerPort = 1883,
    username: Username = None,
    password_file: PasswordFile = None,
    tls: UseTls = False,
    ca_file: CaFile = None,
    mqtt: Version = 5,
) -> None:
    """Publish a recorded file as if its devices sent it now · 重放记录文件.

    Times stay those of the recording. The devices must be registered; register them
    as simulated unless they and their readings are your own.
    """
    from sensors.replay import Disturbance, messages, read_recording

    _check_level("--farm", farm)
    recording = read_recording(file, zone=_zone(zone), prefix=prefix)
    recorded = messages(recording.readings)
    _say_clock_changes(recording.clock_changes, zone)
    if plan_only:
        _show(recording, recorded)
        return
    disturbance = Disturbance(loss, duplicate, disorder, skew)
    settings = {"farm": farm, "prefix": prefix, "zone": zone, "seed": seed}
    _replay(
        recorded,
        disturbance,
        farm=farm,
        seed=seed,
        speed=speed,
        mark=_Mark(file, bookmark, settings | asdict(disturbance), resume=resume),
        connection=_Connection(
            host, port, _login(username, password_file, tls, ca_file, mqtt)
        ),
    )


def simulate(
    cows: Annotated[
        int, typer.Option(min=0, max=9_999, help="Herd size · 牛群头数")
    ] = 24,
    start: Annotated[
        datetime | None, typer.Option(help="From when, UTC; now if left out · 起始时间")
    ] = None,
    end: Annotated[
        datetime | None,
        typer.Option(help="Until when, UTC; goes on if left out · 结束时间"),
    ] = None,
    step: Annotated[
        float, typer.Option(min=0.1, help="Seconds between readings · 间隔秒数")
    ] = 600.0,
    seed: Seed = 220_322,
    host: Host = "127.0.0.1",
    port: BrokerPort = 1883,
    username: Username = None,
    password_file: PasswordFile = None,
    tls: UseTls = False,
    ca_file: CaFile = None,
    mqtt: Version = 5,
) -> None:
    """Publish a simulated village and herd · 模拟村庄与牛群.

    A past period at once, the present at its own pace; --start without --end catches
    up and goes on. Everything is marked simulated in the store.
    """
    from sensors.simulated import village

    connection = _Connection(
        host, port, _login(username, password_file, tls, ca_file, mqtt)
    )
    fleet = [device for device, _ in village(cows=cows)]
    first, last = _utc(start), _utc(end)
    if last is not None and (first is None or last <= first):
        raise typer.BadParameter("--end must come after --start · 结束须晚于起始")
    with _interruptible():
        if first is not None:
            _past(fleet, connection, first, last, step=step, seed=seed)
        if last is None:
            _live(fleet, connection, step=step, seed=seed)


class _Connection:
    """Where to publish, and as whom."""

    def __init__(self, host: str, port: int, login: "Login") -> None:
        self.host = host
        self.port = port
        self.login = login


class _Mark:
    """The bookmark of a replay, if one is asked for."""

    def __init__(
        self,
        file: Path,
        path: Path | None,
        settings: dict[str, object],
        *,
        resume: bool,
    ) -> None:
        from sensors.replay import Bookmark, fingerprint

        self._bookmark: Bookmark | None = None
        if resume or path is not None:
            place = path or file.with_name(f"{file.name}.heitu-replay")
            self._bookmark = Bookmark(place, fingerprint(file, settings))
        self.begun = self._bookmark.read() if self._bookmark and resume else 0

    def write(self, acknowledged: int) -> None:
        if self._bookmark is not None:
            self._bookmark.write(acknowledged)


def _replay(
    recorded: "Sequence[Message]",
    disturbance: "Disturbance",
    *,
    farm: str,
    seed: int,
    speed: float,
    mark: _Mark,
    connection: _Connection,
) -> None:
    from sensors.publisher import Publisher
    from sensors.replay import outgoing, plan, play

    def planned() -> Iterator[tuple[int, "Message"]]:
        return plan(recorded, disturbance, seed=seed)

    total = sum(1 for _ in planned())
    publisher = Publisher(
        host=connection.host, port=connection.port, login=connection.login
    )
    with _interruptible(), publisher, Stages() as stages:
        bar = stages.counter("Messages", "消息")
        try:
            play(
                (
                    (due_us, outgoing(message, farm=farm, skew_s=disturbance.skew_s))
                    for due_us, message in planned()
                ),
                publisher,
                speed=speed,
                skip=mark.begun,
                progress=_both(mark.write, lambda done: bar(done, total)),
            )
        finally:
            # Also after an error: what was acknowledged need not be sent again.
            mark.write(mark.begun + publisher.acknowledged)
    done = mark.begun + publisher.acknowledged
    typer.echo(
        f"{done} of {total} messages acknowledged · 已确认 {done}/{total} 条消息"
    )


def _both(
    first: Callable[[int], None], second: Callable[[int], None]
) -> Callable[[int], None]:
    def tell(done: int) -> None:
        first(done)
        second(done)

    return tell


def _past(
    fleet: "Sequence[Device]",
    connection: _Connection,
    first: datetime,
    last: datetime | None,
    *,
    step: float,
    seed: int,
) -> None:
    from sensors.publisher import publish
    from sensors.simulated import messages

    sent = publish(
        messages(
            fleet,
            start=first,
            end=last or datetime.now(UTC),
            step=timedelta(seconds=step),
            seed=seed,
        ),
        host=connection.host,
        port=connection.port,
        login=connection.login,
    )
    typer.echo(
        f"{sent.messages} messages, {sent.readings} readings acknowledged"
        f" · 已确认 {sent.messages} 条消息、{sent.readings} 个读数"
    )


def _live(
    fleet: "Sequence[Device]", connection: _Connection, *, step: float, seed: int
) -> None:
    from sensors.feed import Feed

    feed = Feed(
        fleet,
        host=connection.host,
        port=connection.port,
        login=connection.login,
        step=timedelta(seconds=step),
        seed=seed,
    )
    with feed:
        typer.echo(
            f"{len(fleet)} devices every {step:g} s; Ctrl+C stops"
            f" · {len(fleet)} 台设备，按 Ctrl+C 停止"
        )
        Event().wait()


@contextmanager
def _interruptible() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(
            "stopped; a replay with --resume goes on from here with the same command"
            " · 已停止；带 --resume 的重放用同一命令即可继续",
            err=True,
        )
        raise typer.Exit(130) from None


def _say_clock_changes(rows: int, zone: str) -> None:
    if rows:
        typer.echo(
            f"{rows} rows fall into an hour that the clocks of {zone} skip or repeat:"
            " read as if they had not been changed yet"
            f" · {rows} 行处于夏令时切换时段，按切换前的时间读取",
            err=True,
        )


def _show(recording: "Recording", recorded: "Sequence[Message]") -> None:
    """Say what a file holds, device by device: what is to be registered."""
    quantities: dict[str, dict[str, int]] = {}
    for reading in recording.readings:
        counts = quantities.setdefault(reading.device_id, {})
        counts[reading.name] = counts.get(reading.name, 0) + 1
    table = Table("device 设备", "readings 读数")
    for device_id, counts in sorted(quantities.items()):
        said = ", ".join(f"{name} {count}" for name, count in counts.items())
        table.add_row(device_id, said)
    console = Console()
    for column in table.columns:
        column.overflow = "fold"
    console.print(table) if console.is_terminal else Console(width=200).print(table)
    first, last = (_day(recorded[index].time_us) for index in (0, -1))
    typer.echo(
        f"{len(quantities)} devices, {len(recorded)} messages,"
        f" {len(recording.readings)} readings, {first} to {last} UTC"
        f" · {len(quantities)} 台设备，{len(recorded)} 条消息"
    )


def _day(time_us: int) -> str:
    return f"{datetime.fromtimestamp(time_us // 1_000_000, UTC):%Y-%m-%d %H:%M}"


def _login(
    username: str | None,
    password_file: Path | None,
    tls: bool,
    ca_file: Path | None,
    version: int,
) -> "Login":
    from sensors.publisher import Login

    wire: Literal[4, 5] = 5 if version == 5 else 4
    return Login(
        username=username,
        password=_password(password_file),
        tls=_context(ca_file) if tls or ca_file else None,
        version=wire,
    )


def _password(file: Path | None) -> str | None:
    if file is None:
        return os.environ.get(PASSWORD)
    try:
        # An editor ends the line; a password does not.
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(
            f"--password-file {file} cannot be read · 无法读取密码文件"
        ) from error


def _context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise typer.BadParameter(
            f"--ca-file {ca_file} holds no PEM certificate · 不是 PEM 证书文件"
        ) from error


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise typer.BadParameter(
            f"--zone {name!r}: give a name such as Asia/Shanghai or UTC · 未知时区"
        ) from error


def _check_level(option: str, text: str) -> None:
    if not text or not text.isprintable() or set(text) & set("/+#"):
        raise typer.BadParameter(
            f"{option} {text!r} cannot stand in a topic · 不能用于主题"
        )


def _utc(time: datetime | None) -> datetime | None:
    return time and time.replace(tzinfo=UTC)
