"""A product that was interrupted: what is kept, what is computed again."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pystac
import pytest
import xarray as xr

from raster.errors import (
    SceneUnreadable,
    WriteFailed,
)
from raster.files import remove
from raster.product import write_season
from raster.season import season
from tests.raster.lazy import (
    BLOCKS,
    assert_whole,
    computed,
    fail_at,
    lazy_season,
    names,
)
from tests.raster.scenes import grid, write_scene

ROOT = Path(__file__).resolve().parents[2]
ALL = [(row, column) for row in range(2) for column in range(3)]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def work(out: Path) -> Path:
    """The working folder of the one product that is under way."""
    (folder,) = (out / ".rice.part").iterdir()
    return folder


def journal(out: Path) -> Path:
    return work(out) / "journal"


def interrupt_after(count: int) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        if done == count:
            raise KeyboardInterrupt

    return progress


def interrupted(log: Path, out: Path, *, after: int = 2) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_season(
            lazy_season(log),
            out,
            product_id="rice",
            progress=interrupt_after(after),
            workers=1,
        )


def test_an_interrupt_keeps_the_blocks_and_leaves_no_product(
    log: Path, out: Path
) -> None:
    interrupted(log, out)

    assert names(out) == [".rice.part"]
    assert computed(log) == [(0, 0), (0, 1)]
    assert len(journal(out).read_text().splitlines()) == 1 + 2


def test_the_next_call_computes_only_the_rest(log: Path, out: Path) -> None:
    interrupted(log, out)
    calls: list[tuple[int, int]] = []

    write_season(
        lazy_season(log),
        out,
        product_id="rice",
        progress=lambda done, total: calls.append((done, total)),
    )

    assert computed(log) == ALL
    assert calls == [(done, BLOCKS) for done in range(2, BLOCKS + 1)]
    assert_whole(out)


def test_the_item_of_a_resumed_product_counts_all_blocks(log: Path, out: Path) -> None:
    whole = write_season(lazy_season(log), out / "whole", product_id="rice")
    interrupted(log, out)

    resumed = write_season(lazy_season(log), out, product_id="rice")

    assert resumed.properties == whole.properties
    assert {key: asset.extra_fields for key, asset in resumed.assets.items()} == {
        key: asset.extra_fields for key, asset in whole.assets.items()
    }


def test_a_signal_stops_within_a_block(log: Path, out: Path) -> None:
    def strike(row: int, column: int) -> None:
        if (row, column) == (0, 2):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        write_season(lazy_season(log, hook=strike), out, product_id="rice", workers=1)

    # The block under way is waited for and kept; no other is begun.
    assert computed(log) == [(0, 0), (0, 1), (0, 2)]
    write_season(lazy_season(log), out, product_id="rice")
    assert computed(log) == ALL


def killed(log: Path, out: Path) -> None:
    """Have a process die in the fourth block."""
    script = f"""
import os, signal
from pathlib import Path
from raster.files import remove
from raster.product import write_season
from tests.raster.lazy import lazy_season

def kill(row, column):
    if (row, column) == (1, 0):
        os.kill(os.getpid(), signal.SIGKILL)

write_season(lazy_season(Path({str(log)!r}), hook=kill), Path({str(out)!r}),
             product_id="rice", workers=1)
"""
    log.mkdir()
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False)
    assert run.returncode == -signal.SIGKILL


def test_a_killed_process_is_resumed(log: Path, out: Path) -> None:
    killed(log, out)
    assert names(out) == [".rice.lock", ".rice.part"]
    assert computed(log) == ALL[:4]

    write_season(lazy_season(log), out, product_id="rice")

    # The block under way when the process died is computed again.
    assert computed(log) == sorted([*ALL, (1, 0)])
    assert_whole(out)


@pytest.mark.parametrize(
    "name", ["product/season.zarr/ndvi/c/0/0/1", "maps.zarr/sos/c/0/1"]
)
def test_a_finished_block_with_one_other_byte_is_computed_again(
    log: Path, out: Path, name: str
) -> None:
    killed(log, out)
    path = work(out) / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    write_season(lazy_season(log), out, product_id="rice")

    assert computed(log) == sorted([*ALL, (0, 1), (1, 0)])
    assert_whole(out)


def test_a_failed_block_is_named_and_the_others_are_kept(log: Path, out: Path) -> None:
    broken = lazy_season(log, hook=fail_at(1, 1))
    with pytest.raises(SceneUnreadable, match="a scene is cut"):
        write_season(broken, out, product_id="rice", workers=1)
    assert names(out) == [".rice.part"]

    write_season(lazy_season(log), out, product_id="rice")

    assert computed(log) == sorted([*ALL, (1, 1)])
    assert_whole(out)


def test_another_season_starts_anew(log: Path, out: Path) -> None:
    interrupted(log, out)
    first = work(out)

    with pytest.raises(KeyboardInterrupt):
        write_season(
            lazy_season(log, lineage=["S2_1", "S2_2"]),
            out,
            product_id="rice",
            progress=interrupt_after(1),
            workers=1,
        )

    assert computed(log) == [(0, 0), (0, 0), (0, 1)]
    assert not first.exists()


@pytest.mark.parametrize(
    "other",
    [
        {"chunk": 5},
        {"seasons": 2},
        {"geobox": grid(20, 30, east=10)},
        {"lineage": []},
    ],
)
def test_what_makes_another_season(
    log: Path, out: Path, other: dict[str, object]
) -> None:
    interrupted(log, out)
    calls: list[int] = []

    write_season(
        lazy_season(log, **other),  # type: ignore[arg-type]
        out,
        product_id="rice",
        progress=lambda done, _: calls.append(done),
    )

    assert calls[0] == 0


def test_a_block_half_written_is_computed_again(log: Path, out: Path) -> None:
    interrupted(log, out)
    store = work(out) / "product" / "season.zarr"
    shard = store / "ndvi" / "c" / "0" / "1" / "2"
    shard.parent.mkdir(parents=True)
    shard.write_bytes(b"half")
    shard.with_suffix(".0123.partial").write_bytes(b"half")

    write_season(lazy_season(log), out, product_id="rice")

    assert computed(log) == ALL
    assert_whole(out)
    assert not list((out / "rice").rglob("*.partial"))


def test_what_a_stray_worker_leaves_is_no_part_of_the_product(
    log: Path, out: Path
) -> None:
    def leave(done: int, total: int) -> None:
        if done == total:
            folder = work(out) / "product" / "season.zarr" / "ndvi" / "c" / "0" / "1"
            (folder / "2.0123.partial").write_bytes(b"half")

    write_season(lazy_season(log), out, product_id="rice", progress=leave)

    assert not list((out / "rice").rglob("*.partial"))


def test_a_file_lost_before_the_end_is_an_error_not_a_gap(log: Path, out: Path) -> None:
    def lose(done: int, total: int) -> None:
        if done == total:
            store = work(out) / "product" / "season.zarr"
            remove(store / "ndvi" / "c" / "0" / "1" / "2")

    with pytest.raises(WriteFailed, match=r"1/2 is gone or cut.* · .*缺失"):
        write_season(lazy_season(log), out, product_id="rice", progress=lose)

    write_season(lazy_season(log), out, product_id="rice")
    assert computed(log) == sorted([*ALL, (1, 2)])
    assert_whole(out)


def test_a_finished_block_whose_file_is_cut_is_computed_again(
    log: Path, out: Path
) -> None:
    interrupted(log, out)
    shard = work(out) / "product" / "season.zarr" / "ndvi" / "c" / "0" / "0" / "1"
    shard.write_bytes(shard.read_bytes()[:-1])

    write_season(lazy_season(log), out, product_id="rice")

    assert computed(log) == sorted([*ALL, (0, 1)])
    assert_whole(out)


def test_an_altered_journal_line_counts_as_not_there(log: Path, out: Path) -> None:
    interrupted(log, out, after=3)
    head, first, second, third = journal(out).read_text().splitlines(keepends=True)
    altered = second.replace('"seen":', '"seen":1')
    assert altered != second
    # The last line lacks its end, as after a power cut.
    journal(out).write_text(head + first + altered + third[:-1])

    write_season(lazy_season(log), out, product_id="rice")

    assert computed(log) == sorted([*ALL, (0, 1), (0, 2)])
    assert_whole(out)


@pytest.mark.parametrize("content", [b"", b"\x00\xff\x1c\n\x0b" * 99])
def test_a_journal_of_garbage_starts_anew(log: Path, out: Path, content: bytes) -> None:
    interrupted(log, out)
    journal(out).write_bytes(content)

    write_season(lazy_season(log), out, product_id="rice")

    assert computed(log) == sorted([*ALL, (0, 0), (0, 1)])
    assert_whole(out)


def test_a_store_without_a_journal_starts_anew(log: Path, out: Path) -> None:
    interrupted(log, out)
    journal(out).unlink()

    write_season(lazy_season(log), out, product_id="rice")

    assert_whole(out)


@pytest.mark.parametrize("lost", ["product/season.zarr", "maps.zarr/sos/zarr.json"])
def test_a_journal_without_its_store_starts_anew(
    log: Path, out: Path, lost: str
) -> None:
    interrupted(log, out)
    remove(work(out) / lost)

    write_season(lazy_season(log), out, product_id="rice")

    assert_whole(out)


def test_a_damaged_scene_is_named_and_finished_blocks_need_no_scene(
    tmp_path: Path, out: Path
) -> None:
    where = grid(16, 48)
    west, east = grid(16, 16), grid(16, 16, east=320)
    items: list[pystac.Item] = [
        write_scene(
            tmp_path,
            f"2025-05-0{day}",
            red=500,
            nir=1500 + 500 * day,
            geobox=half,
            item_id=f"{side}_{day}",
        )
        for day in (1, 2, 3)
        for side, half in (("west", west), ("east", east))
    ]
    dataset = season(
        items,
        where,
        start=date(2025, 5, 1),
        end=date(2025, 5, 31),
        variables=["ndvi", "clear_count"],
        chunk=16,
    )
    scene = tmp_path / "east_2_B08.tif"
    whole = scene.read_bytes()
    scene.write_bytes(whole[:200])
    with pytest.raises(SceneUnreadable, match="east_2"):
        write_season(dataset, out, product_id="rice", workers=1)

    scene.write_bytes(whole)
    for path in tmp_path.glob("west*.tif"):
        path.unlink()
    write_season(dataset, out, product_id="rice")

    stored = xr.open_zarr(out / "rice" / "season.zarr")
    assert stored["clear_count"].sum() == 3 * 16 * 32
