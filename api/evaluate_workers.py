"""One function applied in worker processes, each with one thread."""

import multiprocessing
import os
import pickle
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from api.errors import ApiError

__all__ = ["WorkerLost", "cores", "spread_out"]

Item = TypeVar("Item")
Result = TypeVar("Result")

# Set once in each worker: the function carries the table, which is large.
_task: list[Callable[[Any], Any]] = []


class WorkerLost(ApiError):
    """A worker process ended before its work was done."""


def cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def spread_out(
    function: Callable[[Item], Result], items: Sequence[Item], *, workers: int
) -> Iterator[Result]:
    """Yield function(item) in the order of the items, from several processes.

    With one worker or one item it is computed here. Stopped early, by Ctrl-C too, the
    workers end at once.

    Raises
    ------
    WorkerLost
        A process was killed, as a machine short of memory does.
    """
    workers = min(workers, len(items))
    if workers <= 1:
        yield from map(function, items)
        return
    with tempfile.TemporaryDirectory(prefix="heitu-") as folder:
        # By file: sent through a pipe, it would hold up the start of the processes.
        task = Path(folder, "task.pickle")
        task.write_bytes(pickle.dumps(function))
        yield from _in_processes(task, items, workers=workers)


def _in_processes(task: Path, items: Sequence[Any], *, workers: int) -> Iterator[Any]:
    before = multiprocessing.active_children()
    pool = ProcessPoolExecutor(
        workers,
        # Forked threads of BLAS and OpenMP would hang.
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(task,),
    )
    finished = False
    try:
        # Within: an interrupt held back arrives when this ends.
        with _interrupts_later():
            futures = [pool.submit(_apply, item) for item in items]
        for future in futures:
            yield future.result()
        finished = True
    except BrokenProcessPool as exc:
        raise WorkerLost(
            "a worker process was lost, perhaps for want of memory: close other"
            " programs and run again · 工作进程意外结束，可能是内存不足，请重新运行"
        ) from exc
    finally:
        if not finished:
            _end(before)
        pool.shutdown()


@contextmanager
def _interrupts_later() -> Iterator[None]:
    """Hold Ctrl-C back, and from the processes started meanwhile for good.

    It reaches the whole group; a traceback from each worker would tell nothing.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end(before: list[multiprocessing.process.BaseProcess]) -> None:
    """End the worker processes that were not there `before`."""
    for process in multiprocessing.active_children():
        if process not in before:
            process.terminate()


def _begin(task: Path) -> None:
    # Only a thread pool that is loaded can be limited.
    import sklearn.ensemble  # noqa: F401
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    _task.append(pickle.loads(task.read_bytes()))


def _apply(item: Any) -> Any:  # noqa: ANN401
    return _task[0](item)
