"""`heitu serve` as its users meet it: over HTTP and MQTT, from other processes."""

import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.demo.conftest import Demo, heitu

PAHO_PUBLISH = """
import sys
from paho.mqtt.publish import single
host, port, username, password, topic, payload = sys.argv[1:]
login = {"username": username, "password": password}
single(topic, payload, qos=1, hostname=host, port=int(port), auth=login)
"""


@dataclass(frozen=True, slots=True)
class Served:
    """A running platform."""

    process: subprocess.Popen[str]
    page: str
    broker: tuple[str, int]

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.page + path, timeout=60) as answer:
            body: bytes = answer.read()
            return body

    def json(self, path: str) -> Any:
        return json.loads(self.get(path))


@pytest.fixture(scope="module")
def served(demo: Demo) -> Iterator[Served]:
    with _serving(demo.data) as running:
        yield running


@contextmanager
def _serving(data: Path) -> Iterator[Served]:
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", "from api.cli import main; main()", "serve"),
            *("--data", str(data), "--port", "0", "--mqtt-port", "0"),
        ],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert process.stderr is not None
    head = "".join(process.stderr.readline() for _ in range(3))
    page, mqtt = re.search(r"http://\S+", head), re.search(r"MQTT\s+(\S+):(\d+)", head)
    assert page, head
    assert mqtt, head
    yield Served(process, page[0], (mqtt[1], int(mqtt[2])))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_counties_are_the_sixty_of_jilin(served: Served) -> None:
    features = served.json("counties")["features"]
    codes = {feature["id"] for feature in features}
    assert len(codes) == 60
    lishu = next(f for f in features if f["id"] == "220322")
    assert lishu["properties"]["name_zh"] == "梨树县"


def test_department_reads_csv_with_intervals(served: Served) -> None:
    text = served.get("estimates?crop=maize&year=2026&f=csv").decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 60
    whole = [row for row in rows if row["OBS_STATUS"] == "P"]
    assert len(whole) > 40
    for row in whole:
        low, value, high = (
            float(row[name]) for name in ("LOWER_80", "OBS_VALUE", "UPPER_80")
        )
        assert low < value < high


def test_yield_map_has_tiles_over_the_window(served: Served) -> None:
    products = {p["id"]: p for p in served.json("products")["products"]}
    window = products["yield-maize-2026-10m"]
    west, south, east, north = window["bbox"]
    assert window["simulated"] is True
    tilejson = served.json(f"products/{window['id']}/tilejson.json")
    tile = _tile_url(tilejson, lon=(west + east) / 2, lat=(south + north) / 2, zoom=12)
    with urllib.request.urlopen(tile, timeout=60) as answer:
        assert answer.read(8) == b"\x89PNG\r\n\x1a\n"


def test_clicked_pixel_has_a_season(served: Served) -> None:
    products = {p["id"]: p for p in served.json("products")["products"]}
    west, south, east, north = products["yield-maize-2026-10m"]["bbox"]
    lon, lat = (west + east) / 2, (south + north) / 2
    season = served.json(f"season?lon={lon}&lat={lat}&year=2026")
    assert season["collection"] == "sim-s2-10m"
    assert season["simulated"] is True
    assert len(season["dates"]) == 21
    assert season["observations"]


def test_reading_of_another_client_comes_back_over_http(
    served: Served, demo: Demo
) -> None:
    device = _registered(demo, f"test-{os.getpid()}")
    now = datetime.now(UTC).isoformat()
    document = {"seq": 1, "ts": now, "readings": {"air_temperature": -7.25}}
    _publish(served.broker, device, json.dumps(document))
    address = f"devices/{device.username}/readings"
    found = _until(lambda: served.json(address)["readings"])
    assert [(r["quantity"], r["value"]) for r in found] == [("air_temperature", -7.25)]


def test_unreadable_payload_is_quarantined_and_counted(
    served: Served, demo: Demo
) -> None:
    device = _registered(demo, f"broken-{os.getpid()}")
    before = served.json("healthz")["readings"]["quarantined"]
    _publish(served.broker, device, "not json")
    _until(lambda: served.json("healthz")["readings"]["quarantined"] > before)
    listed = heitu("devices", "quarantine", "--data", str(demo.data))
    assert device.topic in listed.stdout


def test_second_platform_on_the_folder_is_refused(served: Served, demo: Demo) -> None:
    ran = heitu("demo", "--exit", "--data", str(demo.data))
    assert ran.returncode == 1
    assert f"process {served.process.pid}" in ran.stderr


@dataclass(frozen=True, slots=True)
class Registered:
    """What `heitu devices add` says of a device."""

    username: str
    password: str
    topic: str


def _registered(demo: Demo, device_id: str) -> Registered:
    """Register a weather station."""
    added = heitu(
        *("devices", "add", device_id, "--kind", "weather-station"),
        *("--lon", "124.34", "--lat", "43.31", "--data", str(demo.data)),
    )
    assert added.returncode == 0, added.stderr
    secret = re.search(r"password 密码: (\S+)", added.stderr)
    assert secret, added.stderr
    return Registered(device_id, secret[1], added.stdout.strip())


def _publish(broker: tuple[str, int], device: Registered, payload: str) -> None:
    """Publish with Mosquitto's client where there is one, else with paho."""
    host, port = broker[0], str(broker[1])
    login = (device.username, device.password)
    if mosquitto := shutil.which("mosquitto_pub"):
        where = ["-h", host, "-p", port, "-q", "1", "-u", login[0], "-P", login[1]]
        command = [mosquitto, *where, "-t", device.topic, "-m", payload]
    else:
        told = [host, port, *login, device.topic, payload]
        command = [sys.executable, "-c", PAHO_PUBLISH, *told]
    subprocess.run(command, check=True, timeout=60)


def _until(look: Callable[[], Any], *, seconds: float = 30) -> Any:
    """Look again until there is something; fail when the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
    raise AssertionError(f"nothing came within {seconds} s")


def _tile_url(tilejson: dict[str, Any], *, lon: float, lat: float, zoom: int) -> str:
    """Address of the tile over a place (OSM slippy map formula)."""
    from math import asinh, floor, pi, radians, tan

    side = 2**zoom
    x = floor((lon + 180) / 360 * side)
    y = floor((1 - asinh(tan(radians(lat))) / pi) / 2 * side)
    template: str = tilejson["tiles"][0]
    return template.format(z=zoom, x=x, y=y)


def test_a_folder_that_never_saw_the_demo_has_its_counties() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="heitu-serve-") as folder,
        _serving(Path(folder)) as fresh,
    ):
        assert len(fresh.json("counties")["features"]) == 60
        coverage = fresh.json("completeness?county=220184&year=2025")
        assert {row["expected"] for row in coverage["dekads"]} == {None}
