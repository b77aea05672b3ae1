"""A stand-in for NASA POWER's daily point API, on 127.0.0.1."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.ingest.weather.builders import power_answer


@dataclass
class PowerServer:
    """What it was asked, and how it misbehaves.

    `troubles` holds, for the next requests, a status with headers, or "cut" for a body
    that ends early.
    """

    url: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)
    troubles: list[tuple[int, dict[str, str]] | str] = field(default_factory=list)
    changes: dict[str, Any] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    moved: float = 0.0

    def answer(self, query: dict[str, str]) -> dict[str, Any]:
        first, last = (
            date.fromisoformat(f"{d[:4]}-{d[4:6]}-{d[6:]}")
            for d in (query["start"], query["end"])
        )
        days = [
            f"{first + timedelta(days=i):%Y%m%d}"
            for i in range((last - first).days + 1)
        ]
        there = [day for day in days if day not in self.lost]
        point = float(query["longitude"]) + self.moved, float(query["latitude"])
        return power_answer(point, there, **self.changes)


@contextmanager
def power_server() -> Iterator[PowerServer]:
    """Serve until the block ends."""
    state = PowerServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {k: v[0] for k, v in parse_qs(parts.query).items()}
            state.asked.append(query)
            trouble = state.troubles.pop(0) if state.troubles else None
            if isinstance(trouble, tuple):
                self._send(trouble[0], b"{}", trouble[1])
            elif parts.path != "/api/temporal/daily/point":
                self._send(404, b"{}", {})
            else:
                body = json.dumps(state.answer(query)).encode()
                self._send(200, body, {}, short=trouble == "cut")

        def _send(
            self,
            status: int,
            body: bytes,
            headers: dict[str, str],
            *,
            short: bool = False,
        ) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if short else body)
            self.close_connection = short

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
