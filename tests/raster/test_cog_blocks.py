"""COGs written at once and from block to block: the two must not differ."""

import errno
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio import shutil as rasterio_shutil
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioIOError
from rio_cogeo.cogeo import cog_validate

from raster.cog import Blocks, CogOptions, write_cog, write_cog_blocks
from raster.errors import DiskFull, GridInvalid, SettingInvalid, WriteFailed
from tests.raster.scenes import grid

BIG = grid(1200, 1100)


@pytest.fixture
def ramp() -> NDArray[np.uint16]:
    values = np.arange(1200 * 1100, dtype=np.uint32).reshape(1200, 1100) % 5000
    return (values + 1).astype(np.uint16)


def cut(array: NDArray[Any], *, side: int = 300) -> Blocks:
    """Parts of an array, none of which meets the blocks of the file."""
    height, width = array.shape[-2:]
    for y in range(0, height, side):
        for x in range(0, width, side):
            part = slice(y, min(y + side, height)), slice(x, min(x + side, width))
            yield part, array[(..., *part)]


def write_whole(
    path: Path, array: NDArray[Any], nodata: float | None, **options: Any
) -> None:
    if options.pop("mask", False):
        options["mask"] = array != nodata
    write_cog(path, array, BIG, nodata=nodata, **options)


def write_parts(
    path: Path, array: NDArray[Any], nodata: float | None, **options: Any
) -> None:
    count = 1 if array.ndim == 2 else len(array)
    write_cog_blocks(
        path,
        cut(array),
        BIG,
        dtype=array.dtype,
        count=count,
        nodata=nodata,
        **options,
    )


both = pytest.mark.parametrize("write", [write_whole, write_parts])
Write = Callable[..., None]


@both
def test_a_masked_raster_is_a_valid_cog(tmp_path: Path, write: Write) -> None:
    values = np.random.default_rng(1).integers(-32768, -32760, BIG.shape, dtype="int16")

    write(tmp_path / "a.tif", values, -32768, mask=True)

    assert cog_validate(tmp_path / "a.tif", strict=True) == (True, [], [])
    with rasterio.open(tmp_path / "a.tif") as file:
        np.testing.assert_array_equal(file.read(1), values)
        np.testing.assert_array_equal(file.read_masks(1) > 0, values != -32768)
        assert file.mask_flag_enums == ([MaskFlags.per_dataset],)
        assert file.overviews(1) == [2, 4]
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


@both
def test_overviews_and_their_mask_agree_on_gaps(tmp_path: Path, write: Write) -> None:
    values = np.full(BIG.shape, -32768, np.int16)
    # One of four pixels, then all of them, then none.
    values[1:400:2, 1::2] = 400
    values[400:800] = 400

    write(tmp_path / "a.tif", values, -32768, mask=True)

    with rasterio.open(tmp_path / "a.tif", overview_level=0) as file:
        expected = np.full(file.shape, -32768, np.int16)
        expected[:400] = 400
        np.testing.assert_array_equal(file.read(1), expected)
        np.testing.assert_array_equal(file.read_masks(1) > 0, expected == 400)


@both
def test_classes_have_a_palette(tmp_path: Path, write: Write) -> None:
    values = (np.arange(1200 * 1100).reshape(BIG.shape) % 5).astype(np.uint8)
    colours = {1: (200, 30, 20), 4: (9, 8, 7, 128)}

    write(
        tmp_path / "a.tif",
        values,
        0,
        mask=True,
        colormap=colours,
        overview_resampling="mode",
    )

    assert cog_validate(tmp_path / "a.tif", strict=True)[0]
    with rasterio.open(tmp_path / "a.tif") as file:
        np.testing.assert_array_equal(file.read(1), values)
        assert file.colorinterp == (ColorInterp.palette,)
        assert file.colormap(1)[1] == (200, 30, 20, 255)


@both
@pytest.mark.parametrize(
    ("colour", "count", "expected"),
    [
        ("gray", 1, (ColorInterp.gray,)),
        ("rgb", 3, (ColorInterp.red, ColorInterp.green, ColorInterp.blue)),
    ],
)
def test_bands_have_the_colour_they_are_given(
    tmp_path: Path,
    write: Write,
    colour: str,
    count: int,
    expected: tuple[ColorInterp, ...],
) -> None:
    write(tmp_path / "a.tif", np.ones((count, *BIG.shape), "u1"), None, colour=colour)

    with rasterio.open(tmp_path / "a.tif") as file:
        assert file.colorinterp == expected


@both
def test_names_scale_units_and_tags_are_kept(tmp_path: Path, write: Write) -> None:
    options: CogOptions = {
        "scale": 0.01,
        "offset": 3,
        "units": "day",
        "descriptions": ["sos 1", "sos 2"],
        "tags": {"HEITU_RUN": "r7"},
    }

    write(tmp_path / "a.tif", np.ones((2, *BIG.shape), np.int16), 0, **options)

    with rasterio.open(tmp_path / "a.tif") as file:
        assert file.scales == (0.01, 0.01)
        assert file.offsets == (3, 3)
        assert file.units == ("day", "day")
        assert file.descriptions == ("sos 1", "sos 2")
        assert file.tags()["HEITU_RUN"] == "r7"


def test_a_file_written_in_parts_is_the_file_written_at_once(
    tmp_path: Path, ramp: NDArray[np.uint16]
) -> None:
    write_whole(tmp_path / "whole.tif", ramp, 0)
    write_parts(tmp_path / "parts.tif", ramp, 0)

    whole, parts = (tmp_path / name for name in ("whole.tif", "parts.tif"))
    for level in (None, 0, 1):
        options = {} if level is None else {"overview_level": level}
        with rasterio.open(whole, **options) as a, rasterio.open(parts, **options) as b:
            np.testing.assert_array_equal(a.read(), b.read())
            assert a.profile == b.profile


def test_parts_must_make_up_the_grid(tmp_path: Path, ramp: NDArray[np.uint16]) -> None:
    parts = list(cut(ramp))[:-1]

    with pytest.raises(GridInvalid, match="give every part of it once"):
        write_cog_blocks(tmp_path / "a.tif", parts, BIG, dtype="uint16", nodata=0)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("part", "array"),
    [
        ((slice(0, 2), slice(0, 3)), np.ones((3, 3), np.uint8)),
        ((slice(1, 4), slice(0, 3)), np.ones((3, 3), np.uint8)),
        ((slice(0, 3), slice(0, 3)), np.ones((3, 3), np.int16)),
        ((slice(0, 3), slice(0, 3)), np.ones((2, 3, 3), np.uint8)),
    ],
)
def test_a_part_that_does_not_fit_is_refused(
    tmp_path: Path, part: tuple[slice, slice], array: NDArray[Any]
) -> None:
    with pytest.raises(GridInvalid, match="does not fit the grid"):
        write_cog_blocks(
            tmp_path / "a.tif", [(part, array)], grid(), dtype="uint8", nodata=0
        )


@pytest.mark.parametrize(("count", "nodata"), [(2, 0), (1, None)])
def test_a_mask_in_parts_needs_one_band_and_nodata(
    tmp_path: Path, count: int, nodata: float | None
) -> None:
    with pytest.raises(SettingInvalid, match="a mask is made of nodata"):
        write_cog_blocks(
            tmp_path / "a.tif",
            [],
            grid(),
            dtype="uint8",
            count=count,
            nodata=nodata,
            mask=True,
        )


def test_parts_that_fail_leave_the_older_file(
    tmp_path: Path, ramp: NDArray[np.uint16]
) -> None:
    write_parts(tmp_path / "a.tif", ramp, 0)

    def broken() -> Blocks:
        yield from list(cut(ramp))[:2]
        raise ValueError("the source is broken")

    with pytest.raises(ValueError, match="the source is broken"):
        write_cog_blocks(tmp_path / "a.tif", broken(), BIG, dtype="uint16", nodata=0)

    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]
    with rasterio.open(tmp_path / "a.tif") as file:
        np.testing.assert_array_equal(file.read(1), ramp)


@pytest.fixture
def noise() -> NDArray[np.int16]:
    return np.random.default_rng(1).integers(-9999, 9999, BIG.shape, dtype=np.int16)


# GDAL reports a write that fails, but not one that fails while the file is closed:
# its last tiles, or the head of the file.
@pytest.mark.parametrize("short", [1, 1_000, 20_000, 300_000, 2_000_000])
def test_a_file_that_lacks_its_end_is_never_put_in_place(
    tmp_path: Path, noise: NDArray[np.int16], short: int
) -> None:
    write_parts(tmp_path / "whole.tif", noise, -32768)
    size = (tmp_path / "whole.tif").stat().st_size
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size - short, limits[1]))
    try:
        with pytest.raises(WriteFailed, match=r"cannot write .*a\.tif.* · 无法写入"):
            write_parts(tmp_path / "a.tif", noise, -32768)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert [path.name for path in tmp_path.iterdir()] == ["whole.tif"]


def test_a_pixel_lost_on_the_way_is_noticed(
    tmp_path: Path, noise: NDArray[np.int16], monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = rasterio_shutil.copy

    def spoil(source: Path, target: Path, **options: Any) -> None:
        with rasterio.open(source, "r+") as file:
            file.write(np.zeros((1, 1), np.int16), 1, window=((700, 701), (900, 901)))
        copy(source, target, **options)

    noise[700, 900] = 5
    monkeypatch.setattr(rasterio_shutil, "copy", spoil)
    with pytest.raises(WriteFailed, match="what was stored is not what was given"):
        write_parts(tmp_path / "a.tif", noise, -32768)


def test_a_disk_that_gdal_found_full_is_named(
    tmp_path: Path, noise: NDArray[np.int16], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        monkeypatch.setattr(os, "fsync", full)
        raise RasterioIOError("TIFFAppendToStrip:Write error at scanline 512")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(rasterio_shutil, "copy", fail)

    with pytest.raises(DiskFull, match="no space left"):
        write_parts(tmp_path / "a.tif", noise, -32768)

    assert list(tmp_path.iterdir()) == []
