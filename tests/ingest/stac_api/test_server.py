"""The stand-in is what it stands for: a STAC API, and files by ranges (RFC 9110)."""

import json
import subprocess
import sys

import pytest
import urllib3
from shapely.geometry import mapping

from tests.ingest.stac_api.items import FIELD, earth_search
from tests.ingest.stac_api.server import StandIn

CONTENT = bytes(range(200))


def test_stac_api_validator_has_no_objection(server: StandIn) -> None:
    server.api.items = [earth_search(f"2025-06-{n:02}") for n in range(1, 16)]
    command = [sys.executable, "-m", "stac_api_validator", "--root-url", server.api_url]
    for conformance in ("core", "item-search"):
        command += ["--conformance", conformance]
    command += ["--collection", "sentinel-2-c1-l2a"]
    command += ["--geometry", json.dumps(mapping(FIELD))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Errors: none" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("headers", "status", "body", "span"),
    [
        ({}, 200, CONTENT, None),
        ({"Range": "bytes=10-19"}, 206, CONTENT[10:20], "bytes 10-19/200"),
        ({"Range": "bytes=190-"}, 206, CONTENT[190:], "bytes 190-199/200"),
        ({"Range": "bytes=-5"}, 206, CONTENT[195:], "bytes 195-199/200"),
        ({"Range": "bytes=150-900"}, 206, CONTENT[150:], "bytes 150-199/200"),
        ({"Range": "bytes=200-"}, 416, b"", "bytes */200"),
        ({"Range": "bytes=0-9", "If-Range": '"old"'}, 200, CONTENT, None),
    ],
)
def test_ranges(
    server: StandIn,
    headers: dict[str, str],
    status: int,
    body: bytes,
    span: str | None,
) -> None:
    assert server.folder is not None
    (server.folder / "x").write_bytes(CONTENT)
    with urllib3.PoolManager() as pool:
        answer = pool.request("GET", server.file_url("x"), headers=headers)
        assert (answer.status, answer.data) == (status, body)
        assert answer.headers.get("Content-Range") == span
        head = pool.request("HEAD", server.file_url("x"), headers=headers)
        assert head.headers["Content-Length"] == str(len(body))
    assert [seen.sent for seen in server.seen] == [len(body), 0]
