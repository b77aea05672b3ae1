"""Products written by the worker processes of a real dask cluster."""

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import dask
import pytest
from distributed import Client, LocalCluster

from raster.errors import ClusterFailed, SceneUnreadable
from raster.product import write_season
from tests.raster.lazy import BLOCKS, Hook, assert_whole, computed, lazy_season


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Two worker processes of a thread each; one that dies is replaced."""
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0"
        ) as cluster,
        Client(cluster) as client,  # type: ignore[no-untyped-call]
    ):
        yield client


def note_process(folder: Path, row: int, column: int) -> None:
    (folder / str(os.getpid())).touch()


def die(marker: Path, times: int, row: int, column: int) -> None:
    deaths = len(list(marker.parent.glob(f"{marker.name}-*")))
    if (row, column) == (0, 1) and deaths < times:
        Path(f"{marker}-{deaths}").touch()
        os.kill(os.getpid(), signal.SIGKILL)


def refuse(row: int, column: int) -> None:
    if (row, column) == (1, 1):
        raise SceneUnreadable("a scene is cut · 影像损坏", item_id="S2_1")


def write(tmp_path: Path, hook: Hook) -> list[int]:
    """Write the product; tell how many blocks were done at each step."""
    calls: list[int] = []
    write_season(
        lazy_season(tmp_path / "log", hook=hook),
        tmp_path / "out",
        product_id="rice",
        progress=lambda done, _: calls.append(done),
    )
    return calls


@pytest.mark.usefixtures("client")
def test_workers_write_what_threads_write(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    pids.mkdir()

    calls = write(tmp_path, partial(note_process, pids))

    assert calls == list(range(BLOCKS + 1))
    assert str(os.getpid()) not in {path.name for path in pids.iterdir()}
    assert_whole(tmp_path / "out")


@pytest.mark.usefixtures("client")
def test_a_worker_that_is_killed_costs_one_block(tmp_path: Path) -> None:
    write(tmp_path, partial(die, tmp_path / "died", 1))

    assert computed(tmp_path / "log").count((0, 1)) == 2
    assert_whole(tmp_path / "out")


@pytest.mark.usefixtures("client")
def test_a_block_that_kills_every_worker_is_an_error_that_keeps_the_rest(
    tmp_path: Path,
) -> None:
    with pytest.raises(ClusterFailed, match=r"cluster was lost.* · dask 集群"):
        write(tmp_path, partial(die, tmp_path / "died", 99))

    calls = write(tmp_path, partial(die, tmp_path / "died", 0))
    assert calls[-1] == BLOCKS
    assert_whole(tmp_path / "out")


@pytest.mark.usefixtures("client")
def test_the_error_of_a_block_travels_from_the_worker(tmp_path: Path) -> None:
    with pytest.raises(SceneUnreadable, match="a scene is cut"):
        write(tmp_path, refuse)


@pytest.mark.usefixtures("client")
def test_threads_can_be_asked_for_beside_a_cluster(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    pids.mkdir()

    with dask.config.set(scheduler="threads"):
        write(tmp_path, partial(note_process, pids))

    assert [path.name for path in pids.iterdir()] == [str(os.getpid())]
