"""`heitu serve`: a platform with its page, until it is told to stop."""

from dataclasses import asdict

from fastapi import FastAPI
from rich.console import Console

from api.app import create_app
from api.device_schemas import MqttAddress
from api.platform import Platform, load_counties, open_platform
from api.sensing import mqtt_lines
from api.server import bind, serving
from api.settings import Settings
from api.waiting import until_stopped
from sensors.errors import IngestStalled

__all__ = ["platform_app", "serve_folder", "wait_until_stopped"]


def serve_folder(settings: Settings, console: Console) -> None:
    """Serve a data folder as it is.

    Raises
    ------
    StoreError, SensorsError, ApiError
        The folder is in use, the database does not start, or a port is taken.
    """
    sock = bind(settings.host, settings.port)
    with sock, open_platform(settings) as platform:
        # Without its counties a folder of real data alone would show nothing.
        load_counties(platform.store)
        with serving(platform_app(platform, settings), sock) as address:
            if not wait_until_stopped(platform, address, console):
                raise IngestStalled(
                    "a fault of its own stopped the ingest, see above: start the"
                    " platform again; what was not acknowledged is sent again"
                    " · 因内部故障停止接收，请重新启动；未确认的消息会重发"
                )


def platform_app(platform: Platform, settings: Settings) -> FastAPI:
    """Return the HTTP face of a running platform."""
    return create_app(
        store=platform.store,
        archive=platform.archive,
        counts=lambda: asdict(platform.writer.counts),
        ingest=lambda: "ok" if _takes_messages(platform) else "down",
        searches=platform.searches,
        token=settings.token,
        mqtt=MqttAddress(host=platform.host, port=platform.endpoint.port),
        connections=lambda: platform.endpoint.connections,
        growth=settings.growth,
        bulletins=settings.bulletins,
    )


def _takes_messages(platform: Platform) -> bool:
    return platform.endpoint.running and platform.writer.storing


def wait_until_stopped(platform: Platform, address: str, console: Console) -> bool:
    """Print where everything is and wait for Ctrl-C or SIGTERM.

    False when the ingest died instead.
    """
    return until_stopped(
        console,
        f"网页 Page   [bold]{address}[/]",
        *mqtt_lines(platform.host, platform.endpoint),
        alive=lambda: platform.endpoint.running and platform.writer.running,
    )
