"""A real ingest, killed in the middle of a scene, and what the next run makes of it."""

import copy
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import rasterio

from ingest.archive import Archive
from tests.ingest.small_world import PLACE, SmallWorld, at
from tests.ingest.stac_api.server import StandIn

DAY = "2025-06-01"
COLLECTION = "sentinel-2-c1-l2a"


@pytest.fixture
def world(tmp_path: Path) -> SmallWorld:
    return SmallWorld(tmp_path / "provider")


@pytest.fixture
def server(world: SmallWorld) -> Iterator[StandIn]:
    item = world.add(DAY)
    with StandIn(world.folder) as running:
        at(running, copy.deepcopy(item))
        yield running


def _ingest(server: StandIn, data: Path) -> subprocess.Popen[str]:
    box = [f"{edge:.6f}" for edge in PLACE.buffer(-0.005).bounds]
    words = ["ingest", "scenes", "--bbox", *box, "--year", "2025", "--whole"]
    words += ["--url", server.api_url, "--data", str(data)]
    program = "from api.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", program, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )


def _until_refused(server: StandIn) -> None:
    """Wait until a file was refused: by then the other bands have come."""
    while all(seen.status != 503 for seen in server.seen):
        Event().wait(0.05)


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_the_next_run_goes_on_from_a_killed_one(
    server: StandIn, world: SmallWorld, tmp_path: Path, kill: signal.Signals
) -> None:
    # The last band is put off for a minute, in which the process is killed.
    server.fail(f"/files/{DAY}/B08.tif", status=503, retry_after="60", times=None)
    first = _ingest(server, tmp_path / "data")
    _until_refused(server)
    first.send_signal(kill)
    output, _ = first.communicate(timeout=60)
    assert first.returncode == (-kill if kill == signal.SIGKILL else 130), output
    archive = Archive(tmp_path / "data/archive")
    assert archive.collections() == []
    server.mend()
    before = len(server.paths())
    second = _ingest(server, tmp_path / "data")
    output, _ = second.communicate(timeout=60)
    assert second.returncode == 0, output
    files = [path for path in server.paths()[before:] if "/files/" in path]
    assert {path.rpartition("/")[2] for path in files} == {"B08.tif"}
    (item,) = archive.items(COLLECTION)
    for key in ("B04", "B08"):
        with rasterio.open(item.assets[key].href) as file:
            np.testing.assert_array_equal(file.read(1), world.pixels(DAY, key))
    assert archive.verify() == []


def test_two_real_runs_at_once_leave_one_whole_scene(
    server: StandIn, tmp_path: Path
) -> None:
    runs = [_ingest(server, tmp_path / "data") for _ in range(2)]
    said = [run.communicate(timeout=120)[0] for run in runs]
    # The second finds the scene there, or in the hands of the first.
    codes = sorted(run.returncode for run in runs)
    assert codes in ([0, 0], [0, 1]), said
    archive = Archive(tmp_path / "data/archive")
    assert len(archive.items(COLLECTION)) == 1
    assert archive.verify() == []
