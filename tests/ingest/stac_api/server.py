"""A stand-in for imagery providers: STAC API, files by byte ranges, access tokens.

A real HTTP server on 127.0.0.1, for real clients, with faults to switch on::

    with StandIn(folder, [item, ...]) as server:
        server.api.page_size = 2
        server.fail("/stac/search", status=429, retry_after="0")
        server.fail("/files/*.tif", cut_after=1000, times=2)
        server.require_signature()
        ...                      # server.api_url, server.file_url("B04.tif")
        server.seen              # what was asked and answered; server.forget()

- ``/stac``: STAC API (`StacApi`), search by GET and POST;
- ``/files/NAME``: files of the folder, HEAD and GET, ranges, ETag, If-Range;
- ``/sas/token/COLLECTION``: tokens as Planetary Computer gives them, to be added to
  the URL of a file as its query;
- ``/oauth/token``: access tokens of an account, as OAuth 2.0 has them.
"""

import json
import socket
import socketserver
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from fnmatch import fnmatchcase
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Self, cast
from urllib.parse import parse_qs, unquote, urlsplit

from shapely.errors import ShapelyError

from tests.ingest.stac_api.api import ItemDict, StacApi

__all__ = ["Fault", "Seen", "StandIn"]


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with a request; fields left alone stay as they should be.

    Attributes
    ----------
    status
        Answered in place of the content, with `retry_after` where given.
    body
        Sent in place of the content, with its true length.
    cut_after
        Bytes of the body after which the connection is closed.
    ignore_range
        The whole file comes, with status 200.
    etag
        Another version of the file.
    """

    status: int | None = None
    retry_after: str | None = None
    body: bytes | None = None
    cut_after: int | None = None
    ignore_range: bool = False
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """A request and its answer: status, and bytes of body really sent."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: Any
    status: int
    sent: int


@dataclass(slots=True)
class _Planned:
    """A fault with the requests it waits for: `skip` go well, then `left` do not."""

    pattern: str
    fault: Fault
    skip: int
    left: float


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    file: Path | None = None
    offset: int = 0
    length: int = 0


class StandIn:
    """The server, running from `__enter__` to `__exit__` on a free port.

    Parameters
    ----------
    folder : Path, optional
        Its files are served.
    items : sequence of dict
        STAC items of the API.

    Attributes
    ----------
    api : StacApi
        Items and paging, to be changed at will.
    clock_ahead : timedelta
        How far the server's clock, by its Date header and its tokens, is ahead.
    token_life : timedelta
        From a token's making to its ``msft:expiry``.
    """

    def __init__(
        self, folder: Path | None = None, items: Sequence[ItemDict] = ()
    ) -> None:
        self.folder = folder
        self.api = StacApi(list(items))
        self._seen: list[Seen] = []
        self._busy = 0
        self.clock_ahead = timedelta()
        self.token_life = timedelta(hours=1)
        self.tokens: list[str] = []
        self.valid_tokens: set[str] | None = None
        self._planned: list[_Planned] = []
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._server = _Server(self)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,)).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.close_connections()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def api_url(self) -> str:
        return f"{self.url}/stac"

    @property
    def sas_url(self) -> str:
        return f"{self.url}/sas"

    def file_url(self, name: str) -> str:
        return f"{self.url}/files/{name}"

    @property
    def seen(self) -> list[Seen]:
        """All requests, in the order in which their answers were finished.

        Waits until nothing is being answered: a client has the last byte before the
        server knows of it.
        """
        with self._idle:
            self._idle.wait_for(lambda: self._busy == 0, timeout=5)
            return list(self._seen)

    def forget(self) -> None:
        """Begin `seen` anew."""
        with self._lock:
            self._seen.clear()

    def fail(
        self,
        pattern: str,
        *,
        times: int | None = 1,
        after: int = 0,
        status: int | None = None,
        retry_after: str | None = None,
        body: bytes | None = None,
        cut_after: int | None = None,
        ignore_range: bool = False,
        etag: str | None = None,
    ) -> None:
        """Let requests go wrong whose path matches `pattern`, as in fnmatch.

        The first `after` of them go well, the next `times` do not (None = for ever).
        """
        fault = Fault(status, retry_after, body, cut_after, ignore_range, etag)
        left = float("inf") if times is None else times
        with self._lock:
            self._planned.append(_Planned(pattern, fault, after, left))

    def mend(self) -> None:
        """Forget all faults of `fail`."""
        with self._lock:
            self._planned.clear()

    def require_signature(self) -> None:
        """Refuse files with 403 unless the query of the URL is a token given out."""
        self.valid_tokens = set(self.tokens)

    def expire_tokens(self) -> None:
        """Let no token given out so far be good any more."""
        self.valid_tokens = set()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.clock_ahead

    def paths(self) -> list[str]:
        return [request.path for request in self.seen]

    @property
    def bytes_sent(self) -> int:
        """Bytes of all files' contents sent."""
        return sum(one.sent for one in self.seen if one.path.startswith("/files/"))

    def _fault(self, path: str) -> Fault:
        with self._lock:
            for planned in self._planned:
                if not fnmatchcase(path, planned.pattern) or planned.left <= 0:
                    continue
                if planned.skip > 0:
                    planned.skip -= 1
                    continue
                planned.left -= 1
                return planned.fault
        return Fault()

    def _token(self) -> dict[str, str]:
        with self._lock:
            expiry = (self.now() + self.token_life).replace(microsecond=0, tzinfo=None)
            token = f"se={expiry.isoformat()}Z&sig=secret-{len(self.tokens)}"
            self.tokens.append(token)
            if self.valid_tokens is not None:
                self.valid_tokens.add(token)
        return {"msft:expiry": f"{expiry.isoformat()}Z", "token": token}

    @contextmanager
    def _answering(self) -> Iterator[None]:
        with self._lock:
            self._busy += 1
        try:
            yield
        finally:
            with self._idle:
                self._busy -= 1
                self._idle.notify_all()

    def _note(self, seen: Seen) -> None:
        with self._lock:
            self._seen.append(seen)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, owner: StandIn) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.owner = owner
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        with self._lock:
            for connection in self._open:
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that hang up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        with self._owner._answering():
            self._serve()

    do_HEAD = do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass

    def date_time_string(self, timestamp: float | None = None) -> str:
        return format_datetime(self._owner.now(), usegmt=True)

    @property
    def _owner(self) -> StandIn:
        return cast("_Server", self.server).owner

    def _serve(self) -> None:
        path = unquote(urlsplit(self.path).path)
        body = self._body()
        fault = self._owner._fault(path)
        answer = self._faulty(fault) or self._answer(path, body, fault)
        length = answer.length if answer.file else len(answer.body)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        sent = 0
        try:
            if self.command != "HEAD":
                sent = self._send(answer, length, fault.cut_after)
        finally:
            self._note(path, body, answer.status, sent)

    def _send(self, answer: _Answer, length: int, cut_after: int | None) -> int:
        count = length if cut_after is None else min(length, cut_after)
        if count < length:
            self.close_connection = True
        if answer.file is None:
            self.wfile.write(answer.body[:count])
        elif count:
            with answer.file.open("rb") as file:
                self.connection.sendfile(file, answer.offset, count)
        return count

    def _note(self, path: str, body: object, status: int, sent: int) -> None:
        query = urlsplit(self.path).query
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._owner._note(Seen(self.command, path, query, headers, body, status, sent))

    def _body(self) -> Any:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        is_json = "json" in self.headers.get("Content-Type", "")
        return json.loads(body) if body and is_json else body or None

    def _faulty(self, fault: Fault) -> _Answer | None:
        if fault.status is None and fault.body is None:
            return None
        headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
        body = b'{"code": "Fault"}' if fault.body is None else fault.body
        headers["Content-Type"] = "application/json"
        return _Answer(fault.status or HTTPStatus.OK, headers, body)

    def _answer(self, path: str, body: Any, fault: Fault) -> _Answer:
        room, _, rest = path.strip("/").partition("/")
        if room == "stac":
            return self._stac(rest, body)
        if room == "sas" and rest.startswith("token/"):
            return _json(self._owner._token())
        if room == "oauth":
            token = self._owner._token()["token"]
            life = self._owner.token_life.total_seconds()
            return _json({"access_token": token, "expires_in": life})
        if room == "files":
            return self._file(rest, fault)
        return _json(None)

    def _stac(self, path: str, body: Any) -> _Answer:
        api, base = self._owner.api, self._owner.api_url
        match path.split("/"):
            case [""]:
                return _json(api.landing(base))
            case ["conformance"]:
                return _json({"conformsTo": api.landing(base)["conformsTo"]})
            case ["api"]:
                kind = "application/vnd.oai.openapi+json;version=3.0"
                return _Answer(HTTPStatus.OK, {"Content-Type": kind}, b"{}")
            case ["api.html"]:
                return _Answer(HTTPStatus.OK, {"Content-Type": "text/html"}, b"<html>")
            case ["collections"]:
                return _json(api.collections(base))
            case ["collections", name]:
                return _json(api.collection(base, name))
            case ["collections", name, "items", item_id]:
                return _json(api.item(name, item_id))
            case ["search"]:
                return self._search(body)
        return _json(None)

    def _search(self, body: Any) -> _Answer:
        api, base = self._owner.api, self._owner.api_url
        try:
            if self.command == "POST":
                return _json(api.search(base, body or {}, "POST"))
            return _json(api.search(base, _asked(self.path), "GET"))
        except (AttributeError, KeyError, TypeError, ValueError, ShapelyError) as exc:
            return _json({"description": str(exc)}, HTTPStatus.BAD_REQUEST)

    def _file(self, name: str, fault: Fault) -> _Answer:
        owner = self._owner
        valid = owner.valid_tokens
        if valid is not None and urlsplit(self.path).query not in valid:
            return _json({"error": "not signed"}, HTTPStatus.FORBIDDEN)
        if owner.folder is None or not (file := owner.folder / name).is_file():
            return _json(None)
        size = file.stat().st_size
        etag = fault.etag or f'"{file.stat().st_mtime_ns:x}-{size:x}"'
        headers = {
            "ETag": etag,
            "Content-Type": "application/octet-stream",
            "Accept-Ranges": "none" if fault.ignore_range else "bytes",
        }
        asked = None if fault.ignore_range else self._range(size, etag)
        if asked is None:
            return _Answer(HTTPStatus.OK, headers, file=file, length=size)
        first, last = asked
        if first > last:
            headers["Content-Range"] = f"bytes */{size}"
            return _Answer(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers)
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        status = HTTPStatus.PARTIAL_CONTENT
        return _Answer(status, headers, b"", file, first, last - first + 1)

    def _range(self, size: int, etag: str) -> tuple[int, int] | None:
        """Give first and last byte asked for; None = the whole file."""
        unit, _, span = self.headers.get("Range", "").partition("=")
        if unit != "bytes" or "," in span:
            return None
        if self.headers.get("If-Range", etag) != etag:
            return None
        first, _, last = span.partition("-")
        if not first:
            return max(size - int(last), 0), size - 1
        return int(first), min(int(last or size), size - 1)


def _json(content: object, status: int = HTTPStatus.OK) -> _Answer:
    """Answer with a document; None is not found."""
    if content is None:
        status, content = HTTPStatus.NOT_FOUND, {"code": "NotFound"}
    features = isinstance(content, dict) and "Feature" in content.get("type", "")
    kind = "application/geo+json" if features else "application/json"
    headers = {"Content-Type": kind}
    return _Answer(status, headers, json.dumps(content).encode())


def _asked(target: str) -> dict[str, Any]:
    """Parameters of a search by GET, in the form of a search by POST."""
    asked: dict[str, Any] = {
        name: values[0] for name, values in parse_qs(urlsplit(target).query).items()
    }
    for name in ("collections", "ids"):
        if name in asked:
            asked[name] = asked[name].split(",")
    if "bbox" in asked:
        asked["bbox"] = [float(number) for number in asked["bbox"].split(",")]
    if "intersects" in asked:
        asked["intersects"] = json.loads(asked["intersects"])
    return asked
