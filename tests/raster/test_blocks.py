import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr

from raster.blocks import Block, BlockPlan, run_tasks
from raster.errors import GridInvalid, SettingInvalid
from tests.raster.lazy import computed, lazy_season, values


def plane(array: da.Array) -> xr.Dataset:
    return xr.Dataset({"a": (("y", "x"), array)})


def squares(count: int) -> Iterator[Callable[[], int]]:
    for number in range(count):
        yield lambda number=number: number**2  # type: ignore[misc]


def test_blocks_cover_the_grid_row_by_row(tmp_path: Path) -> None:
    plan = BlockPlan(lazy_season(tmp_path / "log", chunk=16))

    assert len(plan) == 4
    assert (plan.shape, plan.side) == ((20, 30), (16, 16))
    assert list(plan) == [
        Block(0, 0, slice(0, 16), slice(0, 16)),
        Block(0, 1, slice(0, 16), slice(16, 30)),
        Block(1, 0, slice(16, 20), slice(0, 16)),
        Block(1, 1, slice(16, 20), slice(16, 30)),
    ]


def test_a_task_computes_all_variables_of_its_block_once(tmp_path: Path) -> None:
    plan = BlockPlan(lazy_season(tmp_path / "log", seasons=2))
    block = Block(1, 2, slice(10, 20), slice(20, 30))

    found = plan.task(block).compute()

    assert computed(tmp_path / "log") == [(1, 2)]
    assert list(found) == ["ndvi", "clear_count", "sos"]
    for name, array in found.items():
        expected = values(seasons=2)[name][..., 10:20, 20:30]
        np.testing.assert_array_equal(array, expected)


def test_a_task_carries_only_its_own_part_of_the_graph(tmp_path: Path) -> None:
    few = BlockPlan(lazy_season(tmp_path / "log", chunk=10))
    many = BlockPlan(lazy_season(tmp_path / "log", chunk=2))

    assert len(many) == 25 * len(few)
    assert len(many.task(next(iter(many))).graph) == len(
        few.task(next(iter(few))).graph
    )


def test_a_block_of_another_shape_than_promised_is_an_error() -> None:
    wrong = da.map_blocks(  # type: ignore[no-untyped-call]
        lambda: np.zeros((1, 4), np.int16), chunks=((4,), (4,)), dtype=np.int16
    )
    plan = BlockPlan(plane(wrong))

    with pytest.raises(GridInvalid, match=r"int16 of shape \(1, 4\), not int16 of"):
        plan.task(next(iter(plan))).compute()


def test_a_block_of_another_type_than_promised_is_an_error() -> None:
    wrong = da.map_blocks(  # type: ignore[no-untyped-call]
        lambda: np.zeros((4, 4)), chunks=((4,), (4,)), dtype=np.int16
    )
    plan = BlockPlan(plane(wrong))

    with pytest.raises(GridInvalid, match="float64"):
        plan.task(next(iter(plan))).compute()


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (xr.Dataset(), "these have 0 kinds"),
        (xr.Dataset({"a": (("y", "x"), np.zeros((2, 2)))}), "not lazy"),
        (xr.Dataset({"a": (("x", "y"), da.zeros((2, 2)))}), "has dims"),
        (plane(da.zeros((4, 4), chunks=((1, 3), (4,)))), "of one size"),
        (plane(da.zeros((5, 4), chunks=((2, 1, 2), (4,)))), "of one size"),
        (
            xr.Dataset(
                {"a": (("time", "y", "x"), da.zeros((4, 2, 2), chunks=(2, 2, 2)))}
            ),
            "rechunk it",
        ),
        (
            xr.Dataset(
                {
                    "a": (("y", "x"), da.zeros((4, 4), chunks=2)),
                    "b": (("y", "x"), da.zeros((4, 4), chunks=4)),
                }
            ),
            "these have 2 kinds",
        ),
    ],
)
def test_a_dataset_in_other_blocks_is_refused(
    dataset: xr.Dataset, message: str
) -> None:
    with pytest.raises(SettingInvalid, match=message):
        BlockPlan(dataset)


def test_every_result_is_recorded_and_counted() -> None:
    recorded: list[int] = []
    ticks: list[int] = []

    run_tasks(
        squares(9), record=recorded.append, tick=lambda: ticks.append(1), workers=3
    )

    assert sorted(recorded) == [number**2 for number in range(9)]
    assert len(ticks) == 9


@pytest.mark.parametrize("workers", [1, 3])
def test_no_more_tasks_are_under_way_than_workers(workers: int) -> None:
    lock = threading.Lock()
    taken: list[int] = []
    recorded: list[int] = []
    ahead: list[int] = []

    def tasks() -> Iterator[Callable[[], int]]:
        for number in range(10):
            with lock:
                taken.append(number)
                # The one that is being taken is not under way yet.
                ahead.append(len(taken) - 1 - len(recorded))
            yield lambda number=number: number  # type: ignore[misc]

    run_tasks(tasks(), record=recorded.append, tick=lambda: None, workers=workers)

    assert max(ahead) < workers
    assert len(recorded) == 10


def test_the_first_failure_stops_the_work_but_not_what_is_under_way() -> None:
    failed = threading.Event()
    recorded: list[str] = []
    begun: list[str] = []
    ticks: list[int] = []

    def fail() -> str:
        failed.set()
        raise GridInvalid("broken")

    def slow() -> str:
        assert failed.wait(60)
        return "slow"

    def tasks() -> Iterator[Callable[[], Any]]:
        for task in (slow, fail, lambda: "late", lambda: "later"):
            begun.append("")
            yield task

    with pytest.raises(GridInvalid, match="broken"):
        run_tasks(
            tasks(), record=recorded.append, tick=lambda: ticks.append(1), workers=2
        )

    assert "slow" in recorded
    assert "later" not in recorded
    assert len(ticks) <= len(recorded)


def test_dask_settings_choose_the_threads() -> None:
    threads: set[str] = set()

    def name() -> None:
        threads.add(threading.current_thread().name)

    with dask.config.set(scheduler="synchronous"):
        run_tasks(iter([name] * 9), record=lambda _: None, tick=lambda: None)

    assert len(threads) == 1


def test_workers_must_be_at_least_one() -> None:
    with pytest.raises(SettingInvalid, match="0 workers"):
        run_tasks(iter([]), record=print, tick=lambda: None, workers=0)
