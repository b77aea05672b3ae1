"""Where blocks are computed: threads of this process, or a dask cluster.

A season is a graph of blocks; who computes it is decided by what is connected while
it is computed, never by the season. ::

    with connect("tcp://127.0.0.1:8786"):
        season(items, grid, ...).compute()
"""

import asyncio
import re
import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import dask.config
from dask.system import CPU_COUNT

from raster.errors import ClusterFailed, ClusterUnreachable, WorkersDiffer
from raster.jit import source_digest

if TYPE_CHECKING:
    from distributed import Client

T = TypeVar("T")

_ADDRESS = re.compile(r"(?:tcp|tls)://(?:[\w.-]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})/?")
_USER = re.compile(r"//[^/@]*@")

# What both ends must share: the language of the pickles, the protocol, the numbers.
_SHARED = ("python", "dask", "distributed", "heitu")

_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Workers:
    """Who computes: `address` is None for the threads of this process."""

    address: str | None
    processes: int
    threads: int

    def __str__(self) -> str:
        """Say it to a person, in both languages."""
        if self.address is None:
            return f"this machine: {self.threads} threads · 本机：{self.threads} 线程"
        return (
            f"cluster {self.address}: {self.processes} workers, {self.threads} threads"
            f" · 集群 {self.address}：{self.processes} 个进程、{self.threads} 线程"
        )


@contextmanager
def connect(address: str | None, *, timeout: float = 10) -> Iterator[Workers]:
    """Compute with threads or on a cluster whatever dask computes inside.

    Parameters
    ----------
    address
        "tcp://host:port" of a dask scheduler ("tls://" with the certificates of
        dask's own configuration); None or "" for threads of this process, as many as
        dask's setting ``num_workers``, else as the machine has cores.
    timeout
        Seconds to wait for the scheduler, and then for its first worker.

    Yields
    ------
    Workers
        Who computes. On a cluster a `distributed.Client` is the current one inside,
        and closed afterwards.

    Raises
    ------
    ClusterUnreachable
        The address is not one, nobody answers there, something else than a scheduler
        answers, or no worker came.
    WorkersDiffer
        Scheduler or workers have another Python, dask or Heitu than this process.
    ClusterFailed
        The scheduler went away, or a block took several workers with it.
    """
    if not address:
        with dask.config.set(scheduler="threads"):
            yield Workers(None, 1, dask.config.get("num_workers", None) or CPU_COUNT)
        return
    _check_address(address)
    workers = _in_own_loop(_greet(address, timeout))
    # Half a second to import, which threads need not pay.
    from distributed import KilledWorker
    from distributed.scheduler import NoWorkerError

    try:
        with _client(address, timeout) as client:
            _check_code(client, address)
            with _losses_told(client):
                yield workers
    except (KilledWorker, NoWorkerError, CancelledError) as exc:
        raise _lost(address, exc) from exc


def _client(address: str, timeout: float) -> "Client":
    from distributed import Client

    try:
        client = Client(address, timeout=timeout)  # type: ignore[no-untyped-call]
    except OSError as exc:
        raise _silent(address, timeout) from exc
    # A client whose scheduler is gone walks its futures to cancel them while computing
    # threads let go of some. If it died of that, who waits would wait for ever.
    client.futures = _Walkable(client.futures)
    return client


@contextmanager
def _losses_told(client: "Client") -> Iterator[None]:
    """Give one name to what the client says once its scheduler is gone.

    Raises
    ------
    CancelledError
    """
    from distributed.client import ClosedClientError

    try:
        yield
    except (ClosedClientError, AttributeError) as exc:
        # A future made after the others were cancelled is forgotten: the client then
        # raises the error that it has not got, which is an AttributeError.
        if client.status == "running":
            raise
        raise CancelledError("cancelled, for the scheduler went away") from exc


class _Walkable(dict[Any, Any]):
    """A dict that may change, in any thread, while its values are walked."""

    def values(self) -> list[Any]:  # type: ignore[override]
        return [*super().values()]


def _check_address(address: str) -> None:
    parts = _ADDRESS.fullmatch(address)
    if parts is None or not 0 < int(parts[1]) < 65_536:
        # What is pasted here by mistake may be a database's address.
        shown = _USER.sub("//***@", address)
        raise ClusterUnreachable(
            f"{shown!r} is not the address of a dask scheduler: give tcp://HOST:PORT, "
            "as `dask scheduler` prints it, or nothing to compute with threads"
            f" · {shown!r} 不是 dask 调度器地址，请写成 tcp://主机:端口，"
            "不设置则用本机线程计算"
        )


def _in_own_loop(work: Coroutine[Any, Any, T]) -> T:
    # A notebook already runs a loop in this thread, and loops do not nest.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def _greet(address: str, timeout: float) -> Workers:
    """Ask a scheduler who it is, wait for a worker and compare versions.

    Before the client: one that cannot start leaves threads and warnings behind.
    """
    from distributed import rpc

    secrets = _secrets(address)
    async with rpc(address, timeout=timeout, connection_args=secrets) as scheduler:  # type: ignore[no-untyped-call]
        try:
            async with asyncio.timeout(timeout):
                identity = await scheduler.identity()
        except (OSError, ValueError) as exc:
            raise _silent(address, timeout) from exc
        if identity.get("type") != "Scheduler":
            raise _other(address, str(identity.get("type")))
        identity = await _with_workers(scheduler, identity, address, timeout)
        await _check_versions(scheduler, address)
    return Workers(address, identity["n_workers"], identity["total_threads"])


def _secrets(address: str) -> dict[str, Any]:
    """Read the certificates of dask's configuration, as the client will."""
    from distributed import Security

    why = "none are configured"
    try:
        secrets: dict[str, Any] = Security().get_connection_args("client")  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as exc:
        secrets, why = {}, str(exc)
    if address.startswith("tls:") and secrets.get("ssl_context") is None:
        raise ClusterUnreachable(
            f"{address} needs the certificates of dask's configuration "
            f"(distributed.comm.tls): {why}. Name them there, or use tcp:// in a "
            f"network that you trust · {address} 需要证书（{why}），请在 dask "
            "配置的 distributed.comm.tls 中填写，或在可信网络中使用 tcp://"
        )
    return secrets


async def _with_workers(
    scheduler: Any,  # noqa: ANN401
    identity: dict[str, Any],
    address: str,
    timeout: float,
) -> dict[str, Any]:
    until = time.monotonic() + timeout
    while not identity["n_workers"]:
        if time.monotonic() > until:
            raise ClusterUnreachable(
                f"the dask scheduler at {address} has had no worker for {timeout:g} s: "
                f"start some with `dask worker {address}`, then run again"
                f" · 调度器 {address} 等待 {timeout:g} 秒仍没有计算进程，请用 `dask "
                f"worker {address}` 启动后重新运行"
            )
        await asyncio.sleep(_POLL_S)
        identity = await scheduler.identity()
    return identity


async def _check_versions(scheduler: Any, address: str) -> None:  # noqa: ANN401
    from distributed.versions import get_versions

    asked = ["heitu"]
    theirs = {"the scheduler": await scheduler.versions(packages=asked)}
    theirs |= await scheduler.broadcast(
        msg={"op": "versions", "packages": asked}, on_error="ignore"
    )
    found = {who: versions["packages"] for who, versions in theirs.items()}
    # The scheduler only passes blocks on: it does without Heitu.
    found["the scheduler"] |= {"heitu": get_versions(asked)["packages"]["heitu"]}
    _refuse(version_differences(get_versions(asked)["packages"], found), address)


def version_differences(
    ours: Mapping[str, str | None], theirs: Mapping[str, Mapping[str, str | None]]
) -> list[str]:
    """Say which versions matter and differ, a line for each process and package.

    Parameters
    ----------
    ours
        Version by package of this process.
    theirs
        The same for each other process; None or absent is "not installed".
    """
    return [
        f"{who} has {name} {versions.get(name) or 'not installed'}, not {ours[name]}"
        for who, versions in theirs.items()
        for name in _SHARED
        if _release(name, versions.get(name)) != _release(name, ours[name])
    ]


def _release(package: str, version: str | None) -> str | None:
    # Pickles cross the patch releases of one Python, 3.11.7 and 3.11.9.
    if package == "python" and version is not None:
        return ".".join(version.split(".")[:2])
    return version


def _check_code(client: "Client", address: str) -> None:
    """Compare the very code: between two releases many states bear one version."""
    ours = source_digest()
    theirs = client.run(source_digest, on_error="return")
    _refuse(
        [
            f"{who} has other code of the raster package"
            for who, digest in theirs.items()
            if digest != ours
        ],
        address,
    )


def _refuse(differences: Sequence[str], address: str) -> None:
    if differences:
        raise WorkersDiffer(
            f"the dask cluster at {address} would not compute as this process does: "
            f"{'; '.join(differences)}. Install the same versions there and restart its"
            f" workers · 集群 {address} 的软件版本与本机不一致，请安装相同版本并重启"
        )


def _silent(address: str, timeout: float) -> ClusterUnreachable:
    return ClusterUnreachable(
        f"no dask scheduler answered at {address} within {timeout:g} s: start one with "
        "`dask scheduler`, or unset HEITU_DASK to compute with threads"
        f" · {timeout:g} 秒内 {address} 没有 dask 调度器应答，请先运行 `dask "
        "scheduler`，或取消 HEITU_DASK 改用本机线程"
    )


def _other(address: str, what: str) -> ClusterUnreachable:
    return ClusterUnreachable(
        f"at {address} answers a dask {what.lower()}, not the scheduler: give the "
        "address that `dask scheduler` prints"
        f" · {address} 不是调度器（{what}），请填写 `dask scheduler` 显示的地址"
    )


def _lost(address: str, exc: BaseException) -> ClusterFailed:
    why = str(exc).partition("\n")[0].rstrip(".")
    return ClusterFailed(
        f"the dask cluster at {address} broke down while computing: {why}. Look into "
        "the workers' logs, memory first, then run again"
        f" · 集群 {address} 在计算中失效，请查看计算进程日志（先看内存）后重新运行"
    )
