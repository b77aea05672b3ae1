"""A folder by byte ranges over HTTP, in a process of its own.

``python bench/range_server.py FOLDER`` prints its port and serves until it is killed.
The kernel copies the bytes (sendfile), as in any web server worth measuring against.
"""

import re
import sys
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

RANGE = re.compile(r"bytes=(\d+)-(\d+)")
FOLDER = Path(sys.argv[1])


class Handler(BaseHTTPRequestHandler):
    """Answers GET with a range of a file, or all of it."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Send the bytes that are asked for."""
        with (FOLDER / Path(self.path).name).open("rb") as file:
            size = file.seek(0, 2)
            asked = RANGE.fullmatch(self.headers.get("Range", ""))
            first, last = (int(n) for n in asked.groups()) if asked else (0, size - 1)
            last = min(last, size - 1)
            self.send_response(206 if asked else 200)
            if asked:
                self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
            self.send_header("Content-Length", str(last - first + 1))
            self.end_headers()
            self.wfile.flush()
            # GDAL hangs up when it has seen enough.
            with suppress(BrokenPipeError, ConnectionResetError):
                self.connection.sendfile(file, first, last - first + 1)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
