"""Seasons on a real cluster: a scheduler and two workers, each its own process."""

# distributed says that it is typed and leaves most of its functions without types.
# mypy: disable-error-code="no-untyped-call"

import inspect
import os
import pickle
import queue
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pystac
import pytest
import xarray as xr
from dask.delayed import delayed
from distributed import Client, LocalCluster, as_completed, default_client, futures_of

import raster.errors
from raster import cluster
from raster.cluster import Workers, connect, version_differences
from raster.errors import (
    ClusterFailed,
    ClusterUnreachable,
    RasterError,
    SceneUnreadable,
    WorkersDiffer,
)
from raster.season import season
from tests.raster.scenes import grid, write_scene

ROOT = Path(cluster.__file__).parents[1]
SUMMER: dict[str, Any] = {"start": date(2026, 4, 1), "end": date(2026, 10, 31)}
LARGE = grid(150, 150)
FREE_PORT = "127.0.0.1:0"
BLOCK = 30
"""Side of a block: 25 of them, so that a worker killed early leaves work behind."""

Cluster = tuple[str, dict[int, subprocess.Popen[str]]]
"""Address of a scheduler, and its workers by process id."""


@contextmanager
def process(*arguments: str, env: dict[str, str] | None = None) -> Iterator[Any]:
    """Run a module of Python until the block ends; its stderr is a pipe of text."""
    with subprocess.Popen(
        [sys.executable, "-P", "-m", *arguments],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env=os.environ | (env or {}),
    ) as running:
        try:
            yield running
        finally:
            running.kill()


@contextmanager
def scheduler() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run `dask scheduler` on a free port; gives its address and process."""
    where = ("--host", "127.0.0.1", "--port", "0")
    quiet = ("--no-dashboard", "--dashboard-address", "127.0.0.1:0")
    with process("dask", "scheduler", *where, *quiet) as running:
        yield said(running, r"Scheduler at: +(tcp://\S+)"), running


@contextmanager
def worker(
    address: str, *, env: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run `dask worker` with one thread until it has joined the scheduler."""
    options = ("--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--no-dashboard")
    with process("dask", "worker", address, *options, env=env) as running:
        said(running, r"(Starting established connection)")
        yield running


def said(running: subprocess.Popen[str], pattern: str) -> str:
    """Wait for a line of its log."""
    assert running.stderr is not None
    lines = []
    for line in running.stderr:
        lines.append(line)
        if match := re.search(pattern, line):
            return match[1]
    raise AssertionError("".join(lines))


@pytest.fixture(scope="module")
def two_workers() -> Iterator[Cluster]:
    """Two workers, of which one test kills one; any other needs at least one."""
    with ExitStack() as stack:
        address, _ = stack.enter_context(scheduler())
        started = [stack.enter_context(worker(address)) for _ in range(2)]
        yield address, {each.pid: each for each in started}


@pytest.fixture
def no_workers() -> Iterator[str]:
    """Address of a scheduler in this process without any worker."""
    with LocalCluster(
        n_workers=0, processes=False, protocol="tcp://", dashboard_address=FREE_PORT
    ) as local:
        yield local.scheduler_address


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> list[pystac.Item]:
    """Eight cloudy scenes of random fields, on the grid `LARGE`."""
    folder = tmp_path_factory.mktemp("scenes")
    rng = np.random.default_rng(11)
    return [
        write_scene(
            folder,
            f"2026-{month:02}-{day:02}",
            red=rng.integers(200, 2000, LARGE.shape),
            nir=rng.integers(2000, 6000, LARGE.shape),
            scl=rng.choice([4, 4, 5, 9], LARGE.shape),
            geobox=LARGE,
        )
        for month in (5, 6, 7, 8)
        for day in (3, 18)
    ]


def test_a_season_survives_a_killed_worker_bit_by_bit(
    items: list[pystac.Item],
    two_workers: Cluster,
) -> None:
    address, processes = two_workers
    lazy = season(items, LARGE, **SUMMER, chunk=BLOCK)
    with connect(None):
        expected = lazy.compute()

    with connect(address) as workers:
        client = default_client()
        pids = client.run(os.getpid)
        events: queue.Queue[tuple[float, dict[str, Any]]] = queue.Queue()
        client.subscribe_topic("all", events.put)
        running = lazy.persist()
        victim = _holder_beside_another(client, running)
        processes[pids[victim]].kill()
        processes[pids[victim]].wait()
        found = running.compute()
        gone = _removed(events)

    assert workers == Workers(address, processes=2, threads=2)
    assert set(pids.values()) == set(processes)
    assert gone["worker"] == victim
    # It took finished blocks with it, which the other one computed again.
    assert gone["lost-computed-tasks"]
    xr.testing.assert_identical(found, expected)


def _holder_beside_another(client: Client, running: xr.Dataset) -> str:
    """Wait until both workers have finished blocks; gives one of the two."""
    blocks = futures_of(running)
    for _ in as_completed(blocks):
        holders = {at for places in client.who_has(blocks).values() for at in places}
        if len(holders) == 2:
            return str(min(holders))
    raise AssertionError("one worker did everything")


def _removed(events: queue.Queue[tuple[float, dict[str, Any]]]) -> dict[str, Any]:
    while True:
        _, event = events.get(timeout=30)
        if event.get("action") == "remove-worker":
            return event


def test_an_error_on_a_worker_arrives_as_itself(
    tmp_path: Path, two_workers: Cluster
) -> None:
    items = [write_scene(tmp_path, "2026-05-06", red=1000, nir=3000, item_id="torn")]
    red = Path(items[0].assets["B04"].href)
    red.write_bytes(red.read_bytes()[:-60])
    lazy = season(items, grid(), **SUMMER, variables=["ndvi"])

    with (
        connect(two_workers[0]),
        pytest.raises(SceneUnreadable, match=f"cannot read {red}") as caught,
    ):
        lazy.compute()

    assert (caught.value.item_id, caught.value.href) == ("torn", str(red))


def test_a_scheduler_that_dies_is_a_clear_error(items: list[pystac.Item]) -> None:
    with (
        scheduler() as (address, running),
        worker(address),
        pytest.raises(ClusterFailed, match="broke down while computing") as caught,
    ):
        _compute_until_killed(items, address, running)

    english, chinese = str(caught.value).split(" · ")
    assert "cancelled" in english
    assert "请" in chinese


def test_computing_after_the_scheduler_died_is_the_same_error() -> None:
    with (
        scheduler() as (address, running),
        worker(address),
        pytest.raises(ClusterFailed, match="cancelled, for the scheduler went away"),
    ):
        _compute_when_closed(address, running)


def test_a_future_made_while_the_scheduler_goes_away_is_the_same_error() -> None:
    with (
        scheduler() as (address, running),
        worker(address),
        pytest.raises(ClusterFailed, match="cancelled, for the scheduler went away"),
    ):
        _gather_when_lost(address, running)


def test_a_mistake_beside_a_scheduler_that_lives_stays_itself(
    two_workers: Cluster,
) -> None:
    with pytest.raises(AttributeError, match="no_such"), connect(two_workers[0]):
        time.no_such  # type: ignore[attr-defined]  # noqa: B018


def test_futures_may_go_while_the_client_cancels_them() -> None:
    with (
        LocalCluster(
            n_workers=1, processes=False, protocol="tcp://", dashboard_address=FREE_PORT
        ) as local,
        connect(local.scheduler_address),
    ):
        client = default_client()
        futures = client.map(float, range(3))
        for _ in client.futures.values():
            client.futures.popitem()
        assert len(futures) == 3


def _compute_until_killed(
    items: list[pystac.Item], address: str, running: subprocess.Popen[str]
) -> None:
    with connect(address, timeout=1):
        computing = season(items, LARGE, **SUMMER, chunk=BLOCK).persist()
        next(as_completed(futures_of(computing)))
        running.kill()
        running.wait()
        computing.compute()


def _compute_when_closed(address: str, running: subprocess.Popen[str]) -> None:
    with connect(address, timeout=1):
        client = default_client()
        running.kill()
        while client.status != "closed":
            time.sleep(0.05)
        delayed(float)(1).compute()


def _gather_when_lost(address: str, running: subprocess.Popen[str]) -> None:
    with connect(address, timeout=1):
        client = default_client()
        future = client.submit(time.sleep, 60)
        running.kill()
        while client.status == "running":
            time.sleep(0.01)
        # As one that was made a moment later.
        future._state.exception = None
        client.gather(future)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1:8786",
        "http://127.0.0.1:8786",
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:99999",
        "tcp://127.0.0.1:0",
        "tcp://two words:8786",
    ],
)
def test_an_address_that_is_none_is_refused_at_once(address: str) -> None:
    with (
        pytest.raises(ClusterUnreachable, match="give tcp://HOST:PORT") as caught,
        connect(address),
    ):
        pass

    assert address in str(caught.value)


def test_a_password_pasted_by_mistake_is_not_shown() -> None:
    with (
        pytest.raises(ClusterUnreachable) as caught,
        connect("postgresql://ann:s3cret@db:5432/heitu"),
    ):
        pass

    assert "s3cret" not in str(caught.value)
    assert "db:5432" in str(caught.value)


@pytest.mark.parametrize(
    ("configured", "why"), [(None, "none are configured"), ("/no/cert.pem", "No such")]
)
def test_certificates_that_are_not_there(configured: str | None, why: str) -> None:
    tls = "distributed.comm.tls"
    files = {f"{tls}.ca-file": configured, f"{tls}.client.cert": configured}
    with (
        dask.config.set(files),
        pytest.raises(ClusterUnreachable, match=f"needs the certificates.*{why}"),
        connect("tls://127.0.0.1:8786"),
    ):
        pass


@pytest.mark.parametrize("listening", [True, False])
def test_no_scheduler_at_the_address(listening: bool) -> None:
    # One that accepts and says nothing is no scheduler either.
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        if not listening:
            server.close()
        with (
            pytest.raises(ClusterUnreachable, match=f"answered at {address}") as caught,
            connect(address, timeout=0.3),
        ):
            pass

    assert "没有 dask 调度器应答" in str(caught.value)


def test_a_scheduler_without_workers(no_workers: str) -> None:
    with (
        pytest.raises(ClusterUnreachable, match=f"`dask worker {no_workers}`") as found,
        connect(no_workers, timeout=0.3),
    ):
        pass

    assert "没有计算进程" in str(found.value)


def test_the_address_of_a_worker_is_not_that_of_the_scheduler() -> None:
    with LocalCluster(
        n_workers=1, processes=False, protocol="tcp://", dashboard_address=FREE_PORT
    ) as local:
        address = local.workers[0].address
        with (
            pytest.raises(ClusterUnreachable, match=f"{address} answers a dask worker"),
            connect(address, timeout=1),
        ):
            pass


def test_a_worker_with_another_release_is_refused(
    tmp_path: Path, no_workers: str
) -> None:
    (tmp_path / "heitu-0.0.9.dist-info").mkdir()
    metadata = "Metadata-Version: 2.1\nName: heitu\nVersion: 0.0.9\n"
    (tmp_path / "heitu-0.0.9.dist-info" / "METADATA").write_text(metadata)

    with (
        worker(no_workers, env={"PYTHONPATH": str(tmp_path)}),
        pytest.raises(WorkersDiffer, match=r"has heitu 0\.0\.9, not ") as caught,
        connect(no_workers),
    ):
        pass

    assert "请安装相同版本" in str(caught.value)


def test_a_worker_with_other_code_of_the_same_release_is_refused(
    tmp_path: Path, no_workers: str
) -> None:
    copy = shutil.copytree(Path(cluster.__file__).parent, tmp_path / "raster")
    with (copy / "dekad.py").open("a") as file:
        file.write("\n# Another state.\n")

    with (
        worker(no_workers, env={"PYTHONPATH": str(tmp_path)}),
        pytest.raises(WorkersDiffer, match="has other code of the raster package"),
        connect(no_workers),
    ):
        pass


def test_patch_releases_of_python_go_together_and_missing_packages_do_not() -> None:
    ours = {
        "python": "3.11.7.final.0",
        "dask": "2026.8.0",
        "distributed": "2026.8.0",
        "heitu": "0.1.0",
        "numpy": "2.4.6",
    }

    assert version_differences(ours, {"a": ours | {"python": "3.11.9.final.0"}}) == []
    assert version_differences(ours, {"a": ours | {"numpy": "2.4.5"}}) == []
    assert version_differences(
        ours, {"a": ours | {"python": "3.12.1.final.0"}, "b": ours | {"heitu": None}}
    ) == [
        "a has python 3.12.1.final.0, not 3.11.7.final.0",
        "b has heitu not installed, not 0.1.0",
    ]


@pytest.mark.parametrize("address", [None, ""])
def test_without_an_address_threads_compute(address: str | None) -> None:
    # A client that somebody left current is not what was asked for.
    with (
        LocalCluster(
            n_workers=1, processes=False, dashboard_address=FREE_PORT
        ) as local,
        Client(local),
        dask.config.set(num_workers=3),
        connect(address) as workers,
    ):
        thread = delayed(threading.current_thread)().name.compute()

    assert workers == Workers(None, processes=1, threads=3)
    assert thread.startswith("ThreadPoolExecutor")
    assert str(workers) == "this machine: 3 threads · 本机：3 线程"


def test_the_client_is_closed_and_no_longer_current(two_workers: Cluster) -> None:
    with connect(two_workers[0]) as workers:
        client = default_client()

    assert client.status == "closed"
    with pytest.raises(ValueError, match="No clients found"):
        default_client()
    assert str(workers).startswith(f"cluster {two_workers[0]}: ")


def _errors() -> Iterator[type[RasterError]]:
    for module in (raster.errors, cluster):
        for value in vars(module).values():
            if inspect.isclass(value) and issubclass(value, RasterError):
                yield value


@pytest.mark.parametrize("kind", dict.fromkeys(_errors()))
def test_errors_travel_with_all_they_say(kind: type[RasterError]) -> None:
    names = [
        name
        for name, parameter in inspect.signature(kind.__init__).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    ]
    said = {name: 7 if name == "pid" else Path(f"{name}.tif") for name in names}
    error = kind("English · 中文", **said)

    found = pickle.loads(pickle.dumps(error))

    assert type(found) is kind
    assert (str(found), vars(found)) == ("English · 中文", said)
