"""`heitu edge`: the agent of a farm gateway, and how it stands."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from sensors.edge import Edge, Status

__all__ = ["edge_app"]

# Seconds between two states of the status line.
REFRESH_S = 1.0
# Seconds after which a status nobody renewed is of a process that is gone.
STALE_S = 10

COUNTERS_ZH = {
    "received": "收到",
    "rewritten": "补写时间",
    "undecodable": "无法解码",
    "made": "写入队列",
    "forwarded": "已转发",
    "refused": "被拒收",
    "dropped": "已丢弃",
    "queued": "待转发",
}

edge_app = typer.Typer(
    help="Agent of a farm gateway: keep and forward · 农场网关：缓存并转发"
)

ConfigFile = Annotated[
    Path,
    typer.Option("--config", metavar="FILE", help="TOML file · 配置文件"),
]


@edge_app.callback(invoke_without_command=True)
def edge(context: typer.Context, config: ConfigFile = Path("edge.toml")) -> None:
    """Take messages of the farm's devices and forward them · 接收并转发农场设备消息."""
    if context.invoked_subcommand is not None:
        return
    from sensors.edge import Edge, EdgeError, load

    with Edge(load(config)) as agent:
        console = Console(stderr=True)
        console.print(
            f"devices connect to port {agent.port} · 设备连接端口 {agent.port}"
        )
        try:
            _watch(agent, console)
        except KeyboardInterrupt:
            console.print("stopping · 正在停止")
            return
        fault = agent.status.fault
    # It stopped by itself: a service manager is to start it again.
    raise EdgeError(
        f"the agent stopped: {fault or 'see the log above'} · 边缘代理已停止"
    )


@edge_app.command()
def status(config: ConfigFile = Path("edge.toml")) -> None:
    """Show what waits, what went and what was lost · 显示缓存与转发状态."""
    import time

    from sensors.edge import load, read_counts, read_status

    folder = load(config).folder
    counts = read_counts(folder)
    if counts is None:
        typer.echo(
            f"no queue in {folder}: the agent never ran"
            f" · {folder} 中没有队列，代理尚未运行过"
        )
        raise typer.Exit(1)
    last = read_status(folder)
    running = last is not None and time.time() - last.at_us / 1e6 < STALE_S
    table = Table(show_header=False)
    table.add_row("agent · 代理", "running · 运行中" if running else "stopped · 已停止")
    if last is not None and running:
        for name, value in _live(last).items():
            table.add_row(name, value)
    for name, count in counts.items():
        table.add_row(f"{name} · {COUNTERS_ZH[name]}", str(count))
    Console().print(table)


def _watch(agent: "Edge", console: Console) -> None:
    import time

    with console.status("") as line:
        while agent.running:
            line.update(_line(agent.status))
            time.sleep(REFRESH_S)


def _line(status: "Status") -> str:
    counts = status.counts
    where = "connected · 已连接" if status.connected else "line down · 断线"
    parts = [
        where,
        f"queued 待发 {counts['queued']}",
        f"forwarded 已发 {counts['forwarded']}",
        f"devices 设备 {status.devices}",
    ]
    if lost := counts["dropped"] + counts["refused"]:
        parts.append(f"dropped or refused 丢弃或拒收 {lost}")
    if status.fault is not None:
        parts.append("queue full · 队列已满")
    return " | ".join(parts)


def _live(status: "Status") -> dict[str, str]:
    share = status.used_bytes / status.max_bytes
    live = {
        "line · 线路": "connected · 已连接" if status.connected else "down · 断线",
        "devices · 设备": str(status.devices),
        "disk · 磁盘": f"{status.used_bytes / 1_048_576:.1f} MiB ({share:.0%})",
    }
    if status.problem is not None:
        live["problem · 问题"] = status.problem
    if status.fault is not None:
        live["fault · 故障"] = status.fault
    if status.oldest_us is not None:
        waited = max(0, status.at_us - status.oldest_us) // 1_000_000
        live["oldest waits · 最早一条已等"] = f"{waited} s"
    return live
