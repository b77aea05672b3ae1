"""A lazy dataset block by block: each block's tasks computed once, few at a time.

Every block carries only its own few tasks of the graph, so that thousands of blocks
cost no more than one after the other, on threads or on the workers of a cluster.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    CancelledError,
    Executor,
    Future,
    ThreadPoolExecutor,
    wait,
)
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, TypeVar

import dask
import numpy as np
import xarray as xr
from dask.local import get_sync
from dask.optimization import cull
from dask.system import CPU_COUNT
from numpy.typing import NDArray

from raster.errors import ClusterFailed, GridInvalid, SettingInvalid

Arrays = dict[str, NDArray[Any]]
Result = TypeVar("Result")

# A worker of a cluster that ends a block finds the next one waiting.
_QUEUED_PER_THREAD = 2


@dataclass(frozen=True, slots=True)
class Block:
    """One part of the grid: its place among the blocks, and its pixels."""

    row: int
    column: int
    y: slice
    x: slice

    @property
    def place(self) -> tuple[int, int]:
        """(row, column) among the blocks."""
        return self.row, self.column

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.y.stop - self.y.start, self.x.stop - self.x.start


@dataclass(frozen=True, slots=True)
class BlockTask:
    """What computes the variables of one block, wherever it is sent."""

    block: Block
    graph: dict[Any, Any]
    keys: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, np.dtype[Any]]

    def compute(self) -> Arrays:
        """Compute all variables of the block in this thread.

        Raises
        ------
        GridInvalid
            A task gave another shape or type than it promised.
        RasterError
            Whatever the tasks raise, e.g. SceneUnreadable.
        """
        found = dict(
            zip(self.keys, get_sync(self.graph, [*self.keys.values()]), strict=True)
        )
        for name, array in found.items():
            # A store would stretch a smaller array over the block without a word.
            if array.shape != self.shapes[name] or array.dtype != self.dtypes[name]:
                raise GridInvalid(
                    f"{name} of the block at row {self.block.row}, column "
                    f"{self.block.column} is {array.dtype} of shape {array.shape}, not "
                    f"{self.dtypes[name]} of shape {self.shapes[name]}; give tasks "
                    "that keep the shape and type of their variable"
                    f" · 第 {self.block.row} 行第 {self.block.column} 列分块的 {name} "
                    f"为 {array.dtype} {array.shape}，应为 {self.dtypes[name]} "
                    f"{self.shapes[name]}，请检查其计算任务"
                )
        return found


def slices(sides: Sequence[int]) -> list[slice]:
    """Give the pixels of each block along one axis, by the blocks' sides."""
    stops = accumulate(sides)
    return [slice(stop - side, stop) for side, stop in zip(sides, stops, strict=True)]


class BlockPlan:
    """The blocks of a lazy dataset, and the tasks of each.

    Parameters
    ----------
    dataset
        Variables on dask with dims (..., "y", "x"), all cut into the same regular
        blocks of y and x and not cut along other dims.

    Raises
    ------
    SettingInvalid
        No variables, or they are not such.
    """

    def __init__(self, dataset: xr.Dataset) -> None:
        self._arrays = {str(name): v for name, v in dataset.data_vars.items()}
        chunks = {_spatial_chunks(name, array) for name, array in self._arrays.items()}
        if len(chunks) != 1:
            raise SettingInvalid(
                f"a product needs variables in equal blocks, these have {len(chunks)} "
                "kinds; choose some variables, and one chunk size for all"
                f" · 产品的各变量须分块一致，现有 {len(chunks)} 种分块，请选择变量并"
                "统一分块大小"
            )
        self._rows, self._columns = (slices(sides) for sides in chunks.pop())
        self._graph = dict(dataset.__dask_graph__())  # type: ignore[no-untyped-call]

    def __len__(self) -> int:
        return len(self._rows) * len(self._columns)

    def __iter__(self) -> Iterator[Block]:
        for row, y in enumerate(self._rows):
            for column, x in enumerate(self._columns):
                yield Block(row, column, y, x)

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of the grid in pixels."""
        return self._rows[-1].stop, self._columns[-1].stop

    @property
    def side(self) -> tuple[int, int]:
        """(height, width) of a block in pixels; the last ones may be smaller."""
        return self._rows[0].stop, self._columns[0].stop

    def task(self, block: Block) -> BlockTask:
        """Cut the tasks of one block out of the graph."""
        keys = {
            name: (array.data.name, *(0 for _ in array.shape[:-2]), *block.place)
            for name, array in self._arrays.items()
        }
        graph, _ = cull(self._graph, [*keys.values()])  # type: ignore[no-untyped-call]
        return BlockTask(
            block,
            graph,
            keys,
            {name: (*a.shape[:-2], *block.shape) for name, a in self._arrays.items()},
            {name: array.dtype for name, array in self._arrays.items()},
        )


def run_tasks(
    tasks: Iterator[Callable[[], Result]],
    *,
    record: Callable[[Result], None],
    tick: Callable[[], None],
    workers: int | None = None,
) -> None:
    """Run tasks a few at a time, on the current dask client or on threads.

    Parameters
    ----------
    tasks
        Taken one by one, as there is room; picklable if there is a dask client.
    record, tick
        Called in this thread for every task that succeeded, in the order in which
        they end; `tick` not any more once something has failed.
    workers
        Threads; None for one a processor. A client has its own.

    Raises
    ------
    ClusterFailed
        The workers died over a task again and again, or the scheduler is gone.
    BaseException
        What a task raised, or Ctrl-C. No task is begun after it, and on threads
        those under way are waited for and recorded.
    """
    client = _client()
    count = _thread_count(workers)
    pool: Executor = client.get_executor(pure=False) if client else _threads(count)
    watch = _cluster_watched if client else nullcontext
    running: set[Future[Result]] = set()
    try:
        for task in tasks:
            running.add(pool.submit(task))
            room = _room(client) if client else count
            while len(running) >= room:
                _collect(running, watch, record, tick)
        while running:
            _collect(running, watch, record, tick)
    finally:
        begun = {future for future in running if not future.cancel()}
        for future in wait(begun).done:
            if future.exception() is None:
                record(future.result())
        pool.shutdown(wait=False)


def _collect(
    running: set[Future[Result]],
    watch: Callable[[], AbstractContextManager[None]],
    record: Callable[[Result], None],
    tick: Callable[[], None],
) -> None:
    """Wait until some tasks have ended, and take them out of `running`."""
    for future in wait(running, return_when=FIRST_COMPLETED).done:
        running.discard(future)
        with watch():
            result = future.result()
        record(result)
        tick()


@contextmanager
def _cluster_watched() -> Iterator[None]:
    from distributed import KilledWorker

    try:
        yield
    except (KilledWorker, CancelledError) as exc:
        raise ClusterFailed(
            f"the dask cluster was lost in the middle of the work ({exc}): see its "
            "workers' logs, often they lack memory, so choose smaller blocks or fewer "
            "threads a worker. Run again: finished blocks are kept"
            " · dask 集群中途失效，请查看工作进程日志（常因内存不足）后重新运行，"
            "已完成的分块会保留"
        ) from exc


def _client() -> Any:  # noqa: ANN401 - distributed is imported only where it is used
    """Return the dask client that is current, if any."""
    distributed = sys.modules.get("distributed")
    if distributed is None or dask.config.get("scheduler", "distributed") not in {
        "distributed",
        "dask.distributed",
    }:
        return None
    try:
        return distributed.default_client()
    except ValueError:
        return None


def _room(client: Any) -> int:  # noqa: ANN401
    # Asked anew each time: workers come and go.
    threads: int = sum(client.nthreads().values())
    return max(2, _QUEUED_PER_THREAD * threads)


def _thread_count(workers: int | None) -> int:
    if workers is not None and workers < 1:
        raise SettingInvalid(
            f"{workers} workers: choose at least 1, or None"
            f" · 线程数 {workers} 无效，请至少取 1，或用 None"
        )
    if dask.config.get("scheduler", None) in {"synchronous", "sync", "single-threaded"}:
        return 1
    return int(workers or dask.config.get("num_workers", None) or CPU_COUNT)


def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="block")


def _spatial_chunks(name: str, array: xr.DataArray) -> tuple[tuple[int, ...], ...]:
    chunks = array.chunks
    if array.dims[-2:] != ("y", "x") or chunks is None:
        raise SettingInvalid(
            f"{name} has dims {array.dims} and is "
            f"{'lazy' if chunks else 'not lazy'}; a product is made from the lazy "
            "result of a season, with dims (..., y, x)"
            f" · 变量 {name} 的维度为 {array.dims}，产品须由延迟计算、维度为 "
            "(..., y, x) 的生长季结果生成"
        )
    spatial = chunks[-2:]
    cut = [sides for sides in chunks[:-2] if len(sides) != 1]
    uneven = [s for s in spatial if len({*s[:-1]}) > 1 or s[-1] > s[0]]
    if cut or uneven:
        raise SettingInvalid(
            f"{name} is cut into blocks {chunks}; they must be of one size in y and x "
            "and hold all of the other dims: rechunk it"
            f" · 变量 {name} 的分块为 {chunks}，y、x 方向须大小一致，其他维度不可切分，"
            "请重新分块"
        )
    return spatial
