"""`heitu listen` and `heitu subscribe`: the ingest alone, without page and models."""

from contextlib import ExitStack
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from api.options import Data

__all__ = ["listen", "subscribe"]

MqttPort = Annotated[
    int | None,
    typer.Option(
        min=0, max=65_535, help="MQTT port, 0 = any free · MQTT 端口 [HEITU_MQTT_PORT]"
    ),
]


def listen(data: Data = None, mqtt_port: MqttPort = None) -> None:
    """Take readings from devices over MQTT, and nothing else · 只接收设备数据."""
    from api.sensing import mqtt_lines, open_listening
    from api.sensor_settings import SensorSettings
    from api.settings import command_settings, from_environment
    from api.waiting import until_stopped
    from store import open_store

    settings = command_settings(data, mqtt_port=mqtt_port)
    with ExitStack() as stack:
        store = stack.enter_context(open_store(data=settings.data, url=settings.url))
        endpoint, writer = stack.enter_context(
            open_listening(store, settings, from_environment(SensorSettings))
        )
        console = Console(stderr=True)
        if not until_stopped(
            console,
            *mqtt_lines(settings.host, endpoint),
            alive=lambda: endpoint.running and writer.running,
        ):
            _give_up(console)


def subscribe(data: Data = None) -> None:
    """Take readings from an MQTT broker · 从 MQTT 服务接收数据."""
    from api.sensing import open_subscribing
    from api.sensor_settings import SensorSettings
    from api.settings import command_settings, from_environment
    from api.waiting import until_stopped
    from store import open_store

    settings, ours = command_settings(data), from_environment(SensorSettings)
    with ExitStack() as stack:
        store = stack.enter_context(open_store(data=settings.data, url=settings.url))
        _, writer = stack.enter_context(open_subscribing(store, ours))
        console = Console(stderr=True)
        if not until_stopped(
            console,
            f"来自 MQTT   {ours.broker_host}:{ours.broker_port}",
            alive=lambda: writer.running,
        ):
            _give_up(console)


def _give_up(console: Console) -> NoReturn:
    """End in failure, so that a service manager starts it again."""
    console.print(
        "stopped by a fault of its own, see above: start it again; what was not"
        " acknowledged is sent again · 因内部故障停止，请重新启动；未确认的消息会重发"
    )
    raise typer.Exit(1)
