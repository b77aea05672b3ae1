"""`heitu listen` and `heitu subscribe`: the ingest alone, without page and models."""

from contextlib import ExitStack
from typing import Annotated

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
    from api.sensing import open_listening
    from api.sensor_settings import read_sensor_settings
    from api.settings import command_settings
    from api.waiting import until_stopped
    from store import open_store

    settings = command_settings(data, mqtt_port=mqtt_port)
    with ExitStack() as stack:
        store = stack.enter_context(open_store(data=settings.data, url=settings.url))
        endpoint, _ = stack.enter_context(
            open_listening(store, settings, read_sensor_settings())
        )
        until_stopped(
            Console(stderr=True), f"设备 MQTT   {settings.host}:{endpoint.port}"
        )


def subscribe(data: Data = None) -> None:
    """Take readings from an MQTT broker · 从 MQTT 服务接收数据."""
    from api.sensing import open_subscribing
    from api.sensor_settings import read_sensor_settings
    from api.settings import command_settings
    from api.waiting import until_stopped
    from store import open_store

    settings, ours = command_settings(data), read_sensor_settings()
    with ExitStack() as stack:
        store = stack.enter_context(open_store(data=settings.data, url=settings.url))
        stack.enter_context(open_subscribing(store, ours))
        until_stopped(
            Console(stderr=True), f"来自 MQTT   {ours.broker_host}:{ours.broker_port}"
        )
