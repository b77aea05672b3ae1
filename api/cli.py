"""The command line: `heitu demo`, `serve`, `ingest`, `season`, `archive` ..."""

import json
import logging
import signal
import sys
from dataclasses import asdict
from importlib import metadata
from types import TracebackType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from api.alerts_command import alerts_app, channels_app, commands_app, rules_app
from api.area_command import area_app
from api.broker_command import broker_config
from api.bulletin.command import bulletin
from api.crop_map_command import crop_map_app
from api.devices_command import devices_app
from api.edge_command import edge_app
from api.evaluate_command import evaluate
from api.field_yield_command import field_yield
from api.growth_command import growth
from api.ingest_command import export_app, ingest_app
from api.listen_command import listen, subscribe
from api.options import Data
from api.progress import Stages
from api.replay_command import replay, simulate
from api.season_command import season
from api.series_command import series_app
from api.settings import Settings, command_settings
from api.tables import print_table
from api.wofost_command import wofost
from api.yield_map_command import yield_map
from api.yield_monitor_command import yield_monitor_app
from api.yields_command import yields_app

if TYPE_CHECKING:
    from ingest.transfer import Failure

__all__ = ["app", "main"]

ROOMS = ("api", "ingest", "models", "raster", "sensors", "store")

app = typer.Typer(
    name="heitu",
    help="Heitu, agricultural data platform · 黑土农业大数据平台",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
archive_app = typer.Typer(help="The archive of scenes and products · 影像档案")
app.add_typer(archive_app, name="archive", no_args_is_help=True)
app.add_typer(ingest_app, name="ingest", no_args_is_help=True)
app.add_typer(export_app, name="export", no_args_is_help=True)
app.command()(season)
app.add_typer(crop_map_app, name="crop-map", no_args_is_help=True)
app.add_typer(area_app, name="area", no_args_is_help=True)
app.command()(growth)
app.command()(bulletin)
app.add_typer(yields_app, name="yields", no_args_is_help=True)
app.command()(evaluate)
app.add_typer(devices_app, name="devices", no_args_is_help=True)
app.add_typer(series_app, name="series", no_args_is_help=True)
app.add_typer(rules_app, name="rules", no_args_is_help=True)
app.add_typer(alerts_app, name="alerts", no_args_is_help=True)
app.add_typer(channels_app, name="channels", no_args_is_help=True)
app.add_typer(commands_app, name="commands", no_args_is_help=True)
app.command()(listen)
app.command()(subscribe)
app.command()(broker_config)
app.command()(replay)
app.command()(simulate)
app.add_typer(edge_app, name="edge")
app.command("yield-map")(yield_map)
app.command("field-yield")(field_yield)
app.command()(wofost)
app.add_typer(yield_monitor_app, name="yield-monitor", no_args_is_help=True)

Port = Annotated[
    int | None,
    typer.Option(
        min=0, max=65_535, help="HTTP port, 0 = any free · 网页端口 [HEITU_PORT]"
    ),
]
MqttPort = Annotated[
    int | None,
    typer.Option(
        min=0, max=65_535, help="MQTT port, 0 = any free · MQTT 端口 [HEITU_MQTT_PORT]"
    ),
]


def main() -> None:
    """Run the command line; an error of ours is one clear line, not a traceback."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    _check_encoding(sys.argv[1:])
    # A service manager says SIGTERM; both end the contexts in order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A hook, not an except clause: naming the rooms' errors there would import all
    # rooms, seconds of it, before the shortest command.
    sys.excepthook = _explain
    # Typer's own call would put its hook in place of ours.
    typer.main.get_command(app)(prog_name="heitu")


def _check_encoding(arguments: list[str]) -> None:
    """Refuse what no file, table or topic of ours can hold."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            typer.echo(
                f"错误 Error: the argument {argument!a} is not UTF-8: set the"
                " terminal to UTF-8 · 参数不是 UTF-8 文本，请将终端编码设为 UTF-8",
                err=True,
            )
            sys.exit(2)


def _explain(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if kind.__module__.split(".")[0] in ROOMS:
        line = f"错误 Error: {error}"
        Console(stderr=True, soft_wrap=True).print(line, style="red", markup=False)
    else:
        sys.__excepthook__(kind, error, trace)


@app.command()
def version() -> None:
    """Print the version · 版本."""
    typer.echo(metadata.version("heitu"))


@app.command()
def demo(
    data: Data = None,
    port: Port = None,
    mqtt_port: MqttPort = None,
    seed: Annotated[int, typer.Option(help="Seed of the world · 随机种子")] = 1,
    stop: Annotated[
        bool, typer.Option("--exit", help="Print one JSON line and stop · 完成后退出")
    ] = False,
) -> None:
    """Simulate Jilin, make its yields and maps, and show them · 模拟吉林演示."""
    settings = _with_ports(
        command_settings(data, port=port, mqtt_port=mqtt_port), given=(port, mqtt_port)
    )
    try:
        from api.demo import run_demo

        with Stages() as stages:
            result = run_demo(settings, stages, seed=seed, serve=not stop)
    except KeyboardInterrupt:
        typer.echo("已停止，重新运行即可继续 · stopped; run again to go on", err=True)
        raise typer.Exit(130) from None
    if stop:
        printed = asdict(result)
        faults = printed.pop("faults")
        typer.echo(json.dumps(printed))
        raise typer.Exit(1 if faults else 0)


def _with_ports(
    settings: Settings, *, given: tuple[int | None, int | None]
) -> Settings:
    """Step aside from taken ports: nobody told a demo which ones to take."""
    from api.server import port_or_free

    update = {}
    for name, asked in zip(("port", "mqtt_port"), given, strict=True):
        wanted = getattr(settings, name)
        update[name] = asked or port_or_free(settings.host, wanted)
        if wanted and not update[name]:
            typer.echo(
                f"端口 {wanted} 被占用，改用空闲端口 · port {wanted} is taken", err=True
            )
    return settings.model_copy(update=update)


@app.command()
def serve(data: Data = None, port: Port = None, mqtt_port: MqttPort = None) -> None:
    """Serve the data folder as it is · 启动平台."""
    from api.serve import serve_folder

    serve_folder(
        command_settings(data, port=port, mqtt_port=mqtt_port), Console(stderr=True)
    )


@archive_app.command("list")
def archive_list(
    collection: Annotated[
        str | None, typer.Argument(help="Collection; all if left out · 影像集")
    ] = None,
    data: Data = None,
) -> None:
    """List the scenes and products · 列出影像与产品."""
    from ingest.archive import Archive

    archive = Archive(command_settings(data).archive, create=False)
    broken: list[Exception] = []
    known = archive.collections()
    if collection is not None and collection not in known:
        raise typer.BadParameter(f"{collection!r}: one of {', '.join(known)}")
    table = Table(
        "collection 影像集",
        "item 编号",
        "date 日期",
        "assets 波段",
        "cloud % 云量",
        "simulated 模拟",
    )
    for name in [collection] if collection else known:
        for item in archive.items(name, on_invalid=broken.append):
            cloud = item.properties.get("eo:cloud_cover")
            table.add_row(
                name,
                item.id,
                f"{item.datetime:%Y-%m-%d}" if item.datetime else "",
                " ".join(item.assets),
                "" if cloud is None else f"{cloud:.0f}",
                "模拟 simulated" if item.properties.get("heitu:simulated") else "",
            )
    print_table(table)
    for error in broken:
        typer.echo(error, err=True)
    if broken:
        raise typer.Exit(1)


@archive_app.command("verify")
def archive_verify(
    repair: Annotated[
        bool, typer.Option("--repair", help="Fetch again what is broken · 重新获取")
    ] = False,
    data: Data = None,
) -> None:
    """Check every file and what a season needs of it · 校验全部文件."""
    from ingest.archive import Archive

    settings = command_settings(data)
    archive = Archive(settings.archive, create=False)
    lost: tuple[Failure, ...] = ()
    with Stages() as stages:
        faults = archive.verify(stages.counter("Checksums", "校验"))
        if repair and faults:
            from api.repair import fetch_again

            lost = fetch_again(archive, faults, settings, stages)
            faults = archive.verify(stages.counter("Checksums", "校验"))
    for failure in lost:
        typer.echo(f"{failure.item_id}: {failure.reason}", err=True)
    for fault in faults:
        place = (fault.collection or "", fault.item_id or "", fault.asset or "")
        typer.echo("\t".join((*place, fault.href, fault.problem)))
    if faults or lost:
        typer.echo(f"{max(len(faults), len(lost))} faults · 处故障", err=True)
        raise typer.Exit(1)
    typer.echo("every file is whole, every scene serves a season · 文件完好，影像可用")
