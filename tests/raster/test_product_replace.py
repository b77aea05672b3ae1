"""A product that takes the place of another, or that nothing can be written of."""

import errno
import json
import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from raster.errors import (
    DiskFull,
    NoClearPixel,
    ProductBusy,
    SceneUnreadable,
    WriteFailed,
)
from raster.product import write_season
from tests.raster.lazy import (
    BLOCKS,
    assert_whole,
    computed,
    fail_at,
    lazy_season,
    names,
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_an_older_product_stays_until_the_new_one_is_whole(
    log: Path, out: Path
) -> None:
    write_season(lazy_season(log), out, product_id="rice")
    (out / "rice" / "note.txt").write_text("old")
    seen: list[bool] = []

    write_season(
        lazy_season(log, lineage=["S2_2"]),
        out,
        product_id="rice",
        progress=lambda *_: seen.append((out / "rice" / "note.txt").exists()),
    )

    assert all(seen)
    assert_whole(out)
    content = json.loads((out / "rice" / "rice.json").read_text())
    assert content["properties"]["heitu:lineage"]["scenes"] == ["S2_2"]
    assert not (out / "rice" / "note.txt").exists()


def test_a_failed_replacement_keeps_the_older_product(log: Path, out: Path) -> None:
    write_season(lazy_season(log), out, product_id="rice")
    other = lazy_season(log, lineage=["S2_2"], hook=fail_at(0, 0))

    with pytest.raises(SceneUnreadable):
        write_season(other, out, product_id="rice")

    shutil.rmtree(out / ".rice.part")
    assert_whole(out)


def test_a_replacement_that_died_between_its_renames_is_put_back(
    log: Path, out: Path
) -> None:
    write_season(lazy_season(log), out, product_id="rice")
    (out / ".rice.part").mkdir()
    (out / "rice").rename(out / ".rice.part" / "older")

    other = lazy_season(log, lineage=["S2_2"], hook=fail_at(0, 0))
    with pytest.raises(SceneUnreadable):
        write_season(other, out, product_id="rice")

    shutil.rmtree(out / ".rice.part")
    assert_whole(out)


def test_a_rename_that_fails_puts_the_older_product_back(
    log: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_season(lazy_season(log), out, product_id="rice")
    rename = Path.rename

    def stubborn(path: Path, target: Path) -> Path:
        if path.name == "product":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", stubborn)
    with pytest.raises(WriteFailed, match="Input/output error"):
        write_season(lazy_season(log, lineage=["S2_2"]), out, product_id="rice")

    shutil.rmtree(out / ".rice.part")
    assert_whole(out)


def test_a_second_process_is_told_who_is_writing(log: Path, out: Path) -> None:
    def meanwhile(done: int, total: int) -> None:
        if done == 1:
            with pytest.raises(
                ProductBusy, match=r"product rice.* · 产品 rice"
            ) as busy:
                write_season(lazy_season(log), out, product_id="rice")
            assert busy.value.pid == os.getpid()

    write_season(lazy_season(log), out, product_id="rice", progress=meanwhile)

    assert_whole(out)


def test_two_products_are_written_side_by_side(log: Path, out: Path) -> None:
    def meanwhile(done: int, total: int) -> None:
        if done == 1:
            write_season(lazy_season(log), out, product_id="maize")

    write_season(lazy_season(log), out, product_id="rice", progress=meanwhile)

    assert names(out) == ["maize", "rice"]


def test_a_full_disk_keeps_the_blocks_and_the_older_product(
    tmp_path: Path, log: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_season(lazy_season(tmp_path / "first"), out, product_id="rice")
    other = lazy_season(log, lineage=["S2_2"])

    def fill(done: int, total: int) -> None:
        if done == 2:
            monkeypatch.setattr(os, "fsync", _no_space)

    with pytest.raises(DiskFull, match=r"no space left.* · 磁盘已满"):
        write_season(other, out, product_id="rice", progress=fill, workers=1)
    monkeypatch.undo()
    assert names(out) == [".rice.part", "rice"]

    write_season(other, out, product_id="rice")

    # What was computed while the disk was full is computed again, and no more.
    assert len(computed(log)) == BLOCKS + 1
    assert_whole(out)


def _no_space(descriptor: int) -> NoReturn:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def small_files() -> Iterator[None]:
    """Let no file of this process grow past 2 kB, not even a log of the tests."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_file_that_cannot_grow_is_an_error(log: Path, out: Path) -> None:
    dataset = lazy_season(log)

    with small_files(), pytest.raises(WriteFailed, match="File too large"):
        write_season(dataset, out, product_id="rice")

    assert "rice" not in names(out)


def test_a_read_only_target_is_named(
    log: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = lazy_season(log)

    def read_only(*_: object) -> NoReturn:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "mkdir", read_only)
    with pytest.raises(WriteFailed, match=r"rice: Read-only file system.* · 无法写入"):
        write_season(dataset, out, product_id="rice")


def test_a_target_below_a_file_is_named(log: Path, out: Path) -> None:
    out.write_text("a file")

    with pytest.raises(WriteFailed, match="cannot write"):
        write_season(lazy_season(log), out, product_id="rice")


def test_a_season_never_clear_leaves_an_older_product(log: Path, out: Path) -> None:
    write_season(lazy_season(log), out, product_id="rice")

    with pytest.raises(NoClearPixel):
        write_season(lazy_season(log, clear=False), out, product_id="rice")

    assert_whole(out)
