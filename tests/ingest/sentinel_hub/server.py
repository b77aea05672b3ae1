"""A stand-in for Sentinel Hub: tokens, catalogue and Process API on 127.0.0.1.

The pixels are made from their place, so that a test can say what each must be
(`digital_number`, `scene_class`); nothing of it is real imagery::

    with HubServer() as hub:
        hub.fail("process", Fault(status=429, headers={"Retry-After": "2500"}))
        hub.expire_tokens()
        ...
        hub.seen["process"]          # the bodies of the requests
"""

import base64
import io
import json
import re
import tarfile
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, quote_plus

import numpy as np
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import geometry_mask
from rasterio.io import MemoryFile
from shapely.geometry import shape

CLIENT_ID = "heitu-test"
# With characters that JSON and forms write otherwise.
CLIENT_SECRET = 's3cr3t/5up3r"h1dd3n+p455phr453'
TOKEN = "/auth/realms/main/protocol/openid-connect/token"
SEARCH = "/api/v1/catalog/1.0.0/search"
PROCESS = "/api/v1/process"
_NAMES = {TOKEN: "token", SEARCH: "search", PROCESS: "process"}
_BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09")
BANDS = (*_BANDS, "B11", "B12")

Rasters = dict[str, NDArray[Any]]


def digital_number(
    band: str, x: NDArray[Any], y: NDArray[Any], pixel: float
) -> NDArray[Any]:
    """Give the number of ESA's product at the middle of pixels; some are below 1000."""
    columns, rows = np.floor(x / pixel), np.floor(y / pixel)
    place = (columns * 7 + rows * 13 + BANDS.index(band) * 1001) % 9000
    number: NDArray[Any] = (1 + place).astype(np.int64)
    return number


def scene_class(x: NDArray[Any], y: NDArray[Any], pixel: float) -> NDArray[Any]:
    """Class of the scene classification, 2 to 10."""
    columns, rows = np.floor(x / pixel), np.floor(y / pixel)
    code: NDArray[Any] = (2 + (columns + 3 * rows) % 9).astype(np.uint8)
    return code


@dataclass(frozen=True, slots=True)
class Tile:
    """One product that the service has."""

    item_id: str
    acquired: str
    footprint: shapely.Geometry
    """In metres of the UTM zone `epsg`."""
    epsg: int
    geometry: dict[str, Any] | None
    data_path: str
    cloud: float = 10.0
    extra: dict[str, Any] = field(default_factory=dict)

    def entry(self) -> dict[str, Any]:
        return {
            "stac_version": "1.0.0",
            "type": "Feature",
            "id": self.item_id,
            "geometry": self.geometry,
            "properties": {
                "datetime": self.acquired,
                "platform": f"sentinel-2{self.item_id[2].lower()}",
                "instruments": ["msi"],
                "constellation": "sentinel-2",
                "gsd": 10,
                "eo:cloud_cover": self.cloud,
                "proj:epsg": self.epsg,
            },
            "assets": {"data": {"href": f"{self.data_path}/", "title": "s3"}},
            "collection": "sentinel-2-l2a",
            "links": [],
            **self.extra,
        }


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one request; what is left alone stays as it should be.

    Attributes
    ----------
    status, headers, body
        Answered in place of the content. In `body`, ``{token}``, ``{secret}`` and
        ``{form}`` are what was sent: a service that repeats what must not be seen.
    cut_after
        Bytes of the true body after which the connection is closed.
    change
        Is given the answer, rasters or page, and gives another.
    """

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    cut_after: int | None = None
    change: Callable[[Any], Any] | None = None


class HubServer:
    """The three endpoints in a thread; closed at the end of its context."""

    def __init__(self, tiles: tuple[Tile, ...] = ()) -> None:
        self.tiles = list(tiles)
        self.page_size = 100
        self.token_life: int | None = 3600
        # What a server whose clock is wrong says beside ``expires_in``.
        self.token_extra: dict[str, Any] = {}
        self.seen: dict[str, list[Any]] = defaultdict(list)
        self.tokens: list[str] = []
        self._good: set[str] = set()
        self._faults: dict[str, deque[Fault]] = defaultdict(deque)
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def token_url(self) -> str:
        return self.url + TOKEN

    def fail(self, endpoint: str, fault: Fault, *, times: int = 1) -> None:
        """Let the next requests to an endpoint fail: token, search or process."""
        self._faults[endpoint].extend([fault] * times)

    def expire_tokens(self) -> None:
        """Accept none of the tokens given so far."""
        self._good.clear()

    def next_fault(self, endpoint: str) -> Fault:
        with self._lock:
            waiting = self._faults[endpoint]
            return waiting.popleft() if waiting else Fault()

    def accepts(self, token: str) -> bool:
        return token in self._good

    def new_token(self) -> dict[str, Any]:
        with self._lock:
            claims = base64.urlsafe_b64encode(b'{"n":%d}' % len(self.tokens)).decode()
            token = f"eyJhbGciOi.{claims}.signature-of-{len(self.tokens)}"
            self.tokens.append(token)
            self._good.add(token)
        life = {} if self.token_life is None else {"expires_in": self.token_life}
        return {
            "access_token": token,
            "token_type": "Bearer",
            **life,
            **self.token_extra,
        }

    def page(self, asked: dict[str, Any]) -> dict[str, Any]:
        west, south, east, north = asked["bbox"]
        start, end = asked["datetime"].split("/")
        box = shapely.box(west, south, east, north)
        entries = [
            tile.entry()
            for tile in self.tiles
            if _time(start) <= _time(tile.acquired) <= _time(end)
            and (tile.geometry is None or shape(tile.geometry).intersects(box))
        ]
        first = int(asked.get("next", 0))
        last = first + min(self.page_size, asked["limit"])
        found = entries[first:last]
        more = {"next": last} if last < len(entries) else {}
        context = {**more, "limit": asked["limit"], "returned": len(found)}
        return {"type": "FeatureCollection", "features": found, "context": context}

    def parts(self, asked: dict[str, Any]) -> Rasters:
        """Rasters of the outputs, ``userdata`` and the transform."""
        (data,) = asked["input"]["data"]
        script = _read_script(asked["evalscript"])
        tiles = self._scenes(data, script)
        x, y, transform = _pixels(asked)
        pixel = transform.a
        valid = np.zeros(x.shape, bool)
        if tiles:
            valid = ~geometry_mask([tiles[0].footprint], x.shape, transform)
        declared = script["meaning"]
        shift = -round(declared["offset"] / 0.0001) if declared["offset"] else 0
        negative = not data["processing"]["harmonizeValues"]
        optical = []
        for band in script["optical"]:
            # Reflectance as the service computes it, then the script's own formula.
            reflectance = (digital_number(band, x, y, pixel) - _shift_of(tiles)) / 1e4
            reflectance = reflectance if negative else np.maximum(reflectance, 0)
            number = np.clip(np.round(1e4 * reflectance) + shift, 0, 65535)
            optical.append(np.where(valid, number, 0).astype("uint16"))
        rasters: dict[str, Any] = {"dataMask": valid.astype("uint8")[np.newaxis]}
        if optical:
            rasters["values"] = np.stack(optical)
        if "SCL" in {output["id"] for output in script["output"]}:
            classes = np.where(valid, scene_class(x, y, pixel), 0).astype("uint8")
            rasters["SCL"] = classes[np.newaxis]
        rasters["userdata"] = {**declared, "tiles": [tile.data_path for tile in tiles]}
        rasters["transform"] = transform
        rasters["crs"] = asked["input"]["bounds"]["properties"]["crs"].split("/")[-1]
        return rasters

    def _scenes(self, data: dict[str, Any], script: dict[str, Any]) -> list[Tile]:
        times = data["dataFilter"]["timeRange"]
        start, end = _time(times["from"]), _time(times["to"])
        return [
            tile
            for tile in self.tiles
            if start <= _time(tile.acquired) <= end
            and (
                tile.data_path == script["path"]
                or script["meaning"]["product"] in tile.data_path
            )
        ]


def _shift_of(tiles: list[Tile]) -> int:
    """Shift of the numbers in the files: by the baseline in the product's name."""
    baseline = re.search(r"_N(\d{4})_", tiles[0].item_id) if tiles else None
    return 1000 if baseline and baseline[1] >= "0400" else 0


def _read_script(text: str) -> dict[str, Any]:
    constants = dict(re.findall(r"^const (\w+) = (.*);$", text, re.MULTILINE))
    setup = re.search(r"function setup\(\) \{\s*return (.*);\s*\}", text)
    assert text.startswith("//VERSION=3")
    assert setup
    return {
        "meaning": json.loads(constants["MEANING"]),
        "path": json.loads(constants["PATH"]),
        "optical": json.loads(constants["OPTICAL"]),
        **json.loads(setup[1]),
    }


def _pixels(asked: dict[str, Any]) -> tuple[NDArray[Any], NDArray[Any], Affine]:
    west, south, east, north = asked["input"]["bounds"]["bbox"]
    width, height = asked["output"]["width"], asked["output"]["height"]
    assert 0 < max(width, height) <= 2500
    across, down = (east - west) / width, (north - south) / height
    x = west + (np.arange(width) + 0.5) * across
    y = north - (np.arange(height) + 0.5) * down
    grid_x, grid_y = np.meshgrid(x, y)
    return grid_x, grid_y, Affine(across, 0, west, 0, -down, north)


def packed(parts: Rasters) -> bytes:
    """TAR of GeoTIFFs and JSON, as the Process API answers several outputs."""
    files = {"userdata.json": json.dumps(parts["userdata"]).encode()}
    for name in parts.keys() - {"userdata", "transform", "crs"}:
        files[f"{name}.tif"] = _tiff(parts[name], parts)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def _tiff(array: NDArray[Any], parts: Rasters) -> bytes:
    count, height, width = array.shape
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            count=count,
            height=height,
            width=width,
            dtype=array.dtype.name,
            crs=rasterio.CRS.from_epsg(int(str(parts["crs"]))),
            transform=parts["transform"],
            compress="deflate",
        ) as file:
            file.write(array)
        return bytes(memory.getbuffer())


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _handler(hub: HubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            endpoint = _NAMES[self.path]
            body = self.rfile.read(int(self.headers["Content-Length"]))
            fault = hub.next_fault(endpoint)
            sent = self.headers.get("Authorization", "").removeprefix("Bearer ")
            if endpoint == "token":
                hub.seen[endpoint].append(None)
            else:
                hub.seen[endpoint].append(json.loads(body))
            if fault.status is not None:
                text = fault.body.replace("{token}", sent)
                text = text.replace("{secret}", json.dumps(CLIENT_SECRET)[1:-1])
                text = text.replace("{form}", quote_plus(CLIENT_SECRET))
                self._answer(fault.status, text.encode(), fault)
            elif endpoint == "token":
                self._token(parse_qs(body.decode()), fault)
            elif not hub.accepts(sent):
                # Some gateways repeat what they were given.
                text = f'{{"error": {{"status": 401, "message": "no: {sent}"}}}}'
                self._answer(401, text.encode(), fault)
            else:
                self._content(endpoint, json.loads(body), fault)

        def _token(self, form: dict[str, list[str]], fault: Fault) -> None:
            known = (form["client_id"], form["client_secret"]) == (
                [CLIENT_ID],
                [CLIENT_SECRET],
            )
            if known and form["grant_type"] == ["client_credentials"]:
                self._answer(200, json.dumps(hub.new_token()).encode(), fault)
            else:
                self._answer(401, b'{"error": "invalid_client"}', fault)

        def _content(self, endpoint: str, asked: Any, fault: Fault) -> None:
            made = hub.page(asked) if endpoint == "search" else hub.parts(asked)
            changed = fault.change(made) if fault.change else made
            if isinstance(changed, bytes):
                content = changed
            elif endpoint == "search":
                content = json.dumps(changed).encode()
            else:
                content = packed(changed)
            self._answer(200, content, fault)

        def _answer(self, status: int, content: bytes, fault: Fault) -> None:
            self.send_response_only(status)
            for name, value in fault.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if fault.cut_after is None:
                self.wfile.write(content)
            else:
                self.wfile.write(content[: fault.cut_after])
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
