"""`heitu rules`, `alerts`, `channels` and `commands`."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from api.options import Data

if TYPE_CHECKING:
    import psycopg

    from sensors.alerts import Rule
    from store.alerts import Alert
    from store.commands import Value

__all__ = ["alerts_app", "channels_app", "commands_app", "rules_app"]

rules_app = typer.Typer(help="When to raise an alert · 警报规则")
alerts_app = typer.Typer(help="What was raised · 警报")
channels_app = typer.Typer(help="Who is told of alerts, and how · 通知渠道")
commands_app = typer.Typer(help="Tell valves and fans what to do · 设备命令")

RuleFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="Rule as JSON · 规则文件（JSON）")
]
By = Annotated[str, typer.Option(help="Who does this · 操作人")]
Farm = Annotated[str | None, typer.Option(help="Only of this farm · 农场")]
SeverityOption = Annotated[
    str, typer.Option(help="info, warning or critical, and above · 级别")
]


# What is stored in English, as people read it.
CHINESE = {
    "info": "提示",
    "warning": "警告",
    "critical": "严重",
    "queued": "待发",
    "sent": "已发送",
    "delivered": "已送达",
    "confirmed": "已执行",
    "expired": "已过期",
    "refused": "已拒绝",
    "failed": "失败",
    "superseded": "已被取代",
}


@rules_app.command("add")
def rules_add(file: RuleFile, by: By = "command line", data: Data = None) -> None:
    """Store a rule, in place of the one of its name · 添加或替换规则."""
    from sensors.alerts import to_json
    from store import rules

    rule = _rule(file)
    with _connected(data) as conn:
        changed = rules.put(
            conn, name=rule.name, body=to_json(rule), at=datetime.now(UTC), by=by
        )
    typer.echo(
        f"{rule.name}: stored · 已保存"
        if changed
        else f"{rule.name}: unchanged · 无变化"
    )


@rules_app.command("list")
def rules_list(data: Data = None) -> None:
    """List the rules · 列出规则."""
    from store import rules

    table = Table(
        "rule 规则",
        "kind 类型",
        "severity 级别",
        "scope 范围",
        "changed 修改时间",
        "by",
    )
    with _connected(data) as conn:
        for row in rules.all_rules(conn):
            scope = row.body.get("scope", {})
            table.add_row(
                row.name,
                str(row.body.get("condition", {}).get("type", "?")),
                _both(str(row.body.get("severity", "?"))),
                ", ".join(f"{name}={value}" for name, value in scope.items()),
                _time(row.changed_at),
                row.changed_by,
            )
    _print(table)


@rules_app.command("remove")
def rules_remove(
    name: Annotated[str, typer.Argument(help="Its name · 规则名")], data: Data = None
) -> None:
    """Remove a rule; its open alerts are cleared · 删除规则."""
    from store import rules

    with _connected(data) as conn:
        rules.remove(conn, name)
    typer.echo(f"{name}: removed · 已删除")


@rules_app.command("test")
def rules_test(
    file: RuleFile,
    hours: Annotated[
        float, typer.Option(min=0.1, max=24 * 3660, help="Last so many hours · 小时数")
    ] = 24 * 7,
    data: Data = None,
) -> None:
    """Show what a rule would have raised; nothing is stored · 在历史读数上试运行."""
    from sensors.alerts.trial import trial

    rule = _rule(file)
    end = datetime.now(UTC)
    with _connected(data) as conn:
        events = trial(conn, rule, start=end - timedelta(hours=hours), end=end)
    table = Table(
        "time 时间", "change 变化", "severity 级别", "device 设备", "text 内容"
    )
    for one in events:
        table.add_row(
            _time(one.at),
            one.event.change.value,
            _both(one.event.severity.value),
            one.target.device_id,
            f"{one.text_zh} · {one.text_en}",
        )
    _print(table)
    opened = sum(one.event.change == "opened" for one in events)
    typer.echo(f"alerts in {hours:g} h: {opened} · {hours:g} 小时内的警报：{opened}")


@alerts_app.command("list")
def alerts_list(
    farm: Farm = None,
    severity: SeverityOption = "info",
    everything: Annotated[
        bool,
        typer.Option("--all", help="Also cleared and acknowledged ones · 包括已处理的"),
    ] = False,
    summary: Annotated[
        int | None,
        typer.Option(help="The alerts that this one stands for · 汇总警报的明细"),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=100_000, help="Newest so many · 条数")
    ] = 50,
    data: Data = None,
) -> None:
    """List alerts that are open or that nobody acknowledged · 列出警报."""
    from store import alerts

    table = Table(
        "no. 编号",
        "since 开始",
        "severity 级别",
        "farm 农场",
        "device 设备",
        "state 状态",
        "text 内容",
    )
    with _connected(data) as conn:
        found = alerts.find(
            conn,
            farm=farm,
            severity=_severity(severity),
            summary_id=summary,
            settled=everything,
            limit=limit + 1,
        )
    for row in found[:limit]:
        table.add_row(*_cells(row))
    _print(table)
    if len(found) > limit:
        typer.echo(f"older ones left out: --limit {limit} · 更早的未列出")


def _cells(row: "Alert") -> tuple[str, ...]:
    return (
        str(row.alert_id),
        _time(row.opened_at),
        _both(row.severity),
        row.farm,
        row.device_id,
        _life(row),
        ("[模拟 simulated] " if row.simulated else "")
        + f"{row.text_zh} · {row.text_en}",
    )


def _life(row: "Alert") -> str:
    words = ["cleared 已解除" if row.cleared_at else "open 未解除"]
    if row.acknowledged_by:
        words.append(f"acknowledged 已确认: {row.acknowledged_by}")
    return ", ".join(words)


@alerts_app.command("acknowledge")
def alerts_acknowledge(
    number: Annotated[int, typer.Argument(min=1, help="Its number · 编号")],
    by: Annotated[str, typer.Option(help="Who looks after it · 处理人")],
    note: Annotated[str, typer.Option(help="What is being done · 备注")] = "",
    data: Data = None,
) -> None:
    """Say who looks after an alert · 确认警报."""
    from store import alerts

    with _connected(data) as conn:
        row = alerts.acknowledge(conn, number, by=by, note=note, at=datetime.now(UTC))
    typer.echo(
        f"{number}: acknowledged by {row.acknowledged_by} at"
        f" {_time(row.acknowledged_at)} · 已确认"
    )


@channels_app.command("add")
def channels_add(
    name: Annotated[str, typer.Argument(help="Name · 名称")],
    kind: Annotated[str, typer.Argument(help="webhook, email or mqtt · 类型")],
    address: Annotated[
        str,
        typer.Argument(help="URL, mail address or device id · 网址、邮箱或设备编号"),
    ],
    farm: Farm = None,
    severity: SeverityOption = "warning",
    language: Annotated[str, typer.Option(help="zh or en · 语言")] = "zh",
    per_hour: Annotated[int, typer.Option(help="Most an hour · 每小时上限")] = 60,
    secret_file: Annotated[
        Path | None,
        typer.Option(help="File with the key that signs webhooks · 签名密钥文件"),
    ] = None,
    data: Data = None,
) -> None:
    """Tell somebody of alerts from now on · 添加通知渠道."""
    from sensors.notify import channel
    from store import notifications

    made = channel(
        name=name,
        kind=kind,
        address=address,
        at=datetime.now(UTC),
        language=language,
        secret=None if secret_file is None else _text(secret_file).strip(),
        farm=farm,
        severity=severity,
        per_hour=per_hour,
    )
    with _connected(data) as conn:
        notifications.add_channel(conn, made)
        warning = _unready(conn, kind, address)
    typer.echo(f"{name}: stored · 已保存")
    if warning:
        typer.echo(warning, err=True)


def _unready(conn: "psycopg.Connection", kind: str, address: str) -> str | None:
    """Say why nothing will come of a channel as things are."""
    from api.sensor_settings import SensorSettings
    from api.settings import from_environment
    from store import devices

    known = devices.registered(conn, [address]).get(address)
    # An external id does not do: topics go by the device's own.
    if kind == "mqtt" and (known is None or known.device_id != address):
        return (
            f"warning: device {address} is not registered: nothing reaches it before"
            f" `heitu devices add` · 警告：设备 {address} 未登记，无法收到通知"
        )
    if kind == "email":
        ours = from_environment(SensorSettings)
        if not (ours.smtp_host and ours.smtp_sender):
            return (
                "warning: no mail server is set here: the platform sends mails when"
                " HEITU_SMTP_HOST and HEITU_SMTP_SENDER are set"
                " · 警告：未设置邮件服务器 HEITU_SMTP_HOST 与 HEITU_SMTP_SENDER"
            )
    return None


@channels_app.command("list")
def channels_list(data: Data = None) -> None:
    """List the channels, and how many notifications each had · 列出通知渠道."""
    from sensors.notify import shown
    from store import notifications

    table = Table(
        "name 名称",
        "kind 类型",
        "address 地址",
        "farm 农场",
        "severity 级别",
        "queued 待发",
        "sent 已发",
        "failed 失败",
    )
    with _connected(data) as conn:
        counts = notifications.queued(conn)
        for row in notifications.channels(conn):
            had = counts.get(row.name, {})
            numbers = [str(had.get(s, 0)) for s in ("queued", "sent", "failed")]
            table.add_row(
                row.name,
                row.kind,
                shown(row),
                row.farm or "*",
                _both(row.severity),
                *numbers,
            )
    _print(table)


@channels_app.command("remove")
def channels_remove(
    name: Annotated[str, typer.Argument(help="Its name · 名称")], data: Data = None
) -> None:
    """Remove a channel and what waits for it · 删除通知渠道."""
    from store import notifications

    with _connected(data) as conn:
        notifications.remove_channel(conn, name)
    typer.echo(f"{name}: removed · 已删除")


@commands_app.command("send")
def commands_send(
    device_id: Annotated[str, typer.Argument(metavar="DEVICE", help="Device · 设备")],
    wanted: Annotated[
        list[str],
        typer.Argument(metavar="ACTUATOR=STATE...", help="valve=open · 执行器=状态"),
    ],
    command_id: Annotated[
        str | None,
        typer.Option("--id", help="Its id; the same id is sent once · 命令编号"),
    ] = None,
    valid: Annotated[int, typer.Option(help="Valid for seconds · 有效期（秒）")] = 300,
    force: Annotated[
        bool, typer.Option(help="Though the present state is unknown · 强制执行")
    ] = False,
    by: By = "command line",
    data: Data = None,
) -> None:
    """Queue a command; a running platform sends it · 发送命令."""
    from uuid import uuid4

    from sensors.commands import order

    with _connected(data) as conn:
        made, _ = order(
            conn,
            device_id=device_id,
            desired=_desired(wanted),
            command_id=command_id or str(uuid4()),
            by=by,
            at=datetime.now(UTC),
            valid_s=valid,
            force=force,
        )
    typer.echo(f"{made.command_id}: {_both(made.state)}")
    if made.state == "refused":
        typer.echo(made.reason, err=True)
        raise typer.Exit(1)


@commands_app.command("list")
def commands_list(
    device: Annotated[str | None, typer.Option(help="Only of this one · 设备")] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=100_000, help="Newest so many · 条数")
    ] = 20,
    data: Data = None,
) -> None:
    """List commands, the last one first · 列出命令."""
    from store import commands

    table = Table(
        "id 编号",
        "device 设备",
        "wanted 目标",
        "state 状态",
        "made 时间",
        "by",
        "why 原因",
    )
    with _connected(data) as conn:
        for row in commands.find(conn, device_id=device, limit=limit):
            wanted = ", ".join(f"{name}={value}" for name, value in row.desired.items())
            table.add_row(
                row.command_id,
                row.device_id,
                wanted,
                _both(row.state),
                _time(row.created_at),
                row.created_by,
                row.reason or "",
            )
    _print(table)


def _desired(wanted: list[str]) -> "dict[str, Value]":
    """Read ``valve=open speed=40``: numbers are numbers, true and false truths."""
    import json

    desired: dict[str, Value] = {}
    for item in wanted:
        name, equals, text = item.partition("=")
        if not (name and equals and text):
            raise typer.BadParameter(
                f"{item!r}: write it as valve=open · 应写作 valve=open"
            )
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text
        desired[name] = value if isinstance(value, bool | int | float) else text
    return desired


def _rule(file: Path) -> "Rule":
    from sensors.alerts import from_text

    return from_text(_text(file))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file}: {error} · 无法读取文件") from None


def _severity(severity: str) -> str:
    known = ("info", "warning", "critical")
    if severity not in known:
        raise typer.BadParameter(f"{severity!r}: one of {', '.join(known)} · 级别无效")
    return severity


@contextmanager
def _connected(data: Path | None) -> "Iterator[psycopg.Connection]":
    from api.settings import command_settings
    from store import open_store

    settings = command_settings(data)
    with (
        open_store(data=settings.data, url=settings.url) as store,
        store.connection() as conn,
    ):
        yield conn


def _both(word: str) -> str:
    return f"{word} {CHINESE[word]}" if word in CHINESE else word


def _time(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%MZ}"


def _print(table: Table) -> None:
    # Wide enough for a file or a pipe; a terminal has its own width.
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    console.print(table)
