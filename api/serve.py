"""`heitu serve`: a platform with its page, until it is told to stop."""

from dataclasses import asdict

from fastapi import FastAPI
from rich.console import Console

from api.app import create_app
from api.device_schemas import MqttAddress
from api.platform import Platform, load_counties, open_platform
from api.server import bind, serving
from api.settings import Settings
from api.waiting import until_stopped

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
            wait_until_stopped(platform, address, console)


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
    )


def _takes_messages(platform: Platform) -> bool:
    return platform.endpoint.running and platform.writer.running


def wait_until_stopped(platform: Platform, address: str, console: Console) -> None:
    """Print where everything is and wait for Ctrl-C or SIGTERM."""
    until_stopped(
        console,
        f"网页 Page   [bold]{address}[/]",
        f"设备 MQTT   {platform.host}:{platform.endpoint.port}",
    )
