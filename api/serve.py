"""`heitu serve`: a platform with its page, until it is told to stop."""

import signal
import threading
from dataclasses import asdict

from fastapi import FastAPI
from rich.console import Console

from api.app import create_app
from api.platform import Platform, load_counties, open_platform
from api.server import bind, serving
from api.settings import Settings

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
        with serving(platform_app(platform), sock) as address:
            wait_until_stopped(platform, address, console)


def platform_app(platform: Platform) -> FastAPI:
    """Return the HTTP face of a running platform."""
    return create_app(
        store=platform.store,
        archive=platform.archive,
        counts=lambda: asdict(platform.subscriber.counts),
        ingest=lambda: "ok" if _takes_messages(platform) else "down",
        searches=platform.searches,
    )


def _takes_messages(platform: Platform) -> bool:
    return platform.broker.running and platform.subscriber.running


def wait_until_stopped(platform: Platform, address: str, console: Console) -> None:
    """Print where everything is and wait for Ctrl-C or SIGTERM."""
    broker = platform.broker
    console.print(f"网页 Page   [bold]{address}[/]", highlight=False)
    console.print(f"设备 MQTT   {broker.host}:{broker.port}", highlight=False)
    console.print("按 Ctrl-C 停止 · Ctrl-C stops")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        # A signal to the whole group comes twice; the second must not cut this short.
        for again in (signal.SIGINT, signal.SIGTERM):
            signal.signal(again, signal.SIG_IGN)
        console.print("正在停止 · stopping")
