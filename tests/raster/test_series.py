import errno
import hashlib
import os
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given
from hypothesis import strategies as st

from raster.blocks import Arrays, Block, BlockPlan
from raster.errors import DiskFull, WriteFailed
from raster.series import BlockStore, chunk_side
from tests.raster.lazy import lazy_season, values
from tests.raster.scenes import grid


def made(tmp_path: Path, *, chunk: int = 10) -> tuple[BlockStore, list[Block]]:
    dataset = lazy_season(tmp_path / "log", chunk=chunk)
    store = BlockStore.of(tmp_path / "work", dataset)
    plan = BlockPlan(dataset)
    store.create(dataset, plan)
    return store, list(plan)


def part(block: Block) -> Arrays:
    return {name: array[..., block.y, block.x] for name, array in values().items()}


def test_variables_over_time_are_series_and_others_maps(tmp_path: Path) -> None:
    store, _ = made(tmp_path)

    assert store.series == ("ndvi", "clear_count")
    assert store.maps == ("sos",)


def test_blocks_make_up_the_series(tmp_path: Path) -> None:
    store, blocks = made(tmp_path)

    for block in blocks:
        store.write(block, part(block))

    stored = xr.open_zarr(store.product / "season.zarr", mask_and_scale=False)
    np.testing.assert_array_equal(stored["ndvi"], values()["ndvi"])
    for block in blocks:
        np.testing.assert_array_equal(
            store.read_map("sos", block), values()["sos"][block.y, block.x]
        )


def test_what_is_not_written_is_nodata(tmp_path: Path) -> None:
    store, _ = made(tmp_path)

    stored = xr.open_zarr(store.product / "season.zarr")

    assert bool(stored["ndvi"].isnull().all())
    assert bool((stored["clear_count"] == 0).all())


def test_a_file_a_block_and_variable_with_size_and_sha256(tmp_path: Path) -> None:
    store, blocks = made(tmp_path)

    files = store.write(blocks[4], part(blocks[4]))

    assert set(files) == {
        "product/season.zarr/ndvi/c/0/1/1",
        "product/season.zarr/clear_count/c/0/1/1",
        "maps.zarr/sos/c/1/1",
    }
    for name, (size, digest) in files.items():
        content = (store.work / name).read_bytes()
        assert size == len(content)
        assert digest == hashlib.sha256(content).hexdigest()
    assert store.holds(files)


def test_a_block_of_nothing_has_no_file(tmp_path: Path) -> None:
    store, blocks = made(tmp_path)

    assert store.write(blocks[0], part(blocks[0])) == {}


def test_a_block_can_be_written_again(tmp_path: Path) -> None:
    store, blocks = made(tmp_path)
    once = store.write(blocks[3], part(blocks[3]))

    assert store.write(blocks[3], part(blocks[3])) == once


def test_a_block_of_nothing_takes_the_place_of_another(tmp_path: Path) -> None:
    store, blocks = made(tmp_path)
    store.write(blocks[0], part(blocks[3]))

    assert store.write(blocks[0], part(blocks[0])) == {}
    stored = xr.open_zarr(store.product / "season.zarr")
    assert bool(stored["ndvi"].isnull().all())


def test_the_files_are_zarr_3_with_a_shard_a_block(tmp_path: Path) -> None:
    where = grid(300, 700)
    dataset = lazy_season(tmp_path / "log", geobox=where, chunk=256)
    store = BlockStore.of(tmp_path / "work", dataset)

    store.create(dataset, BlockPlan(dataset))

    array = zarr.open_array(store.product / "season.zarr" / "ndvi", mode="r")
    assert array.metadata.zarr_format == 3
    assert (array.shards, array.chunks) == ((3, 256, 256), (3, 128, 128))
    assert array.dtype == np.int16
    assert array.fill_value == -32768
    assert array.metadata.dimension_names == ("time", "y", "x")


def test_what_is_swept_is_what_is_not_kept(tmp_path: Path) -> None:
    store, blocks = made(tmp_path)
    kept = store.write(blocks[4], part(blocks[4]))
    other = store.write(blocks[5], part(blocks[5]))

    store.sweep(kept)

    assert store.holds(kept)
    assert not any((store.work / name).exists() for name in other)


def test_a_cut_file_is_not_held(tmp_path: Path) -> None:
    store, blocks = made(tmp_path)
    files = store.write(blocks[4], part(blocks[4]))
    (store.work / next(iter(files))).write_bytes(b"cut")

    assert not store.holds(files)


def test_an_altered_file_of_the_same_size_is_there_and_not_held(
    tmp_path: Path,
) -> None:
    store, blocks = made(tmp_path)
    files = store.write(blocks[4], part(blocks[4]))
    path = store.work / next(iter(files))
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])

    assert store.has(files)
    assert not store.holds(files)


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    store, blocks = made(tmp_path)
    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(DiskFull, match="finished blocks are kept"):
        store.write(blocks[4], part(blocks[4]))


def test_a_store_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    store, blocks = made(tmp_path)
    elsewhere = BlockStore(tmp_path / "elsewhere", store.series, store.maps)

    with pytest.raises(WriteFailed, match="cannot write"):
        elsewhere.write(blocks[4], part(blocks[4]))


@given(side=st.integers(1, 4096), blocks=st.integers(2, 9))
def test_chunks_divide_the_shard_they_share(side: int, blocks: int) -> None:
    chunk = chunk_side(side, blocks)

    assert side % chunk == 0
    assert chunk == side or 32 <= chunk <= 128


@pytest.mark.parametrize(
    ("side", "blocks", "chunk"),
    [
        (1024, 9, 128),
        (512, 2, 128),
        (1000, 2, 125),
        (997, 2, 997),
        (64, 2, 64),
        (997, 1, 128),
        (100, 1, 100),
    ],
)
def test_chunks_are_about_128_pixels(side: int, blocks: int, chunk: int) -> None:
    assert chunk_side(side, blocks) == chunk
