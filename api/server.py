"""The HTTP server as a context: bound, started and stopped cleanly."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from api.errors import PortTaken, ServerFailed

__all__ = ["bind", "port_or_free", "serving"]

_POLL_SECONDS = 0.1


def bind(host: str, port: int) -> socket.socket:
    """Listen on a TCP port; who connects waits until `serving` answers.

    Raises
    ------
    PortTaken
        Another program listens there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        # Only a listening socket keeps others away from the port.
        sock.listen()
    except OSError as exc:
        sock.close()
        raise PortTaken(
            f"cannot listen on {host}:{port} ({exc.strerror}): choose another with"
            " --port, or --port 0 for any free one"
            f" · 端口 {port} 被占用，请用 --port 另选，或 --port 0 任选空闲端口"
        ) from exc
    return sock


def port_or_free(host: str, port: int) -> int:
    """Return the port, or 0 (any free one) where another program has it."""
    try:
        bind(host, port).close()
    except PortTaken:
        return 0
    return port


@contextmanager
def serving(app: FastAPI, sock: socket.socket) -> Iterator[str]:
    """Serve `app` on a bound socket in a thread; yields its address.

    The server runs beside the caller, who decides when to stop: uvicorn's own signal
    handling would end the process before sensors and store are closed in order.
    """
    host, port = sock.getsockname()[:2]
    config = uvicorn.Config(app, log_level="warning", lifespan="off")
    server = _Server(config)
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [sock]}, name="http", daemon=True
    )
    thread.start()
    while not server.ready.wait(_POLL_SECONDS):
        if not thread.is_alive():
            raise ServerFailed(
                f"the HTTP server on {host}:{port} did not start; the log says why"
                f" · 网页服务 {host}:{port} 未能启动，原因见日志"
            )
    try:
        yield f"http://{f'[{host}]' if ':' in host else host}:{port}/"
    finally:
        server.should_exit = True
        thread.join()
        sock.close()


class _Server(uvicorn.Server):
    """uvicorn's server that says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell the waiting thread."""
        await super().startup(sockets=sockets)
        self.ready.set()
