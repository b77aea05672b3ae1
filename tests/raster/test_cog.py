import errno
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from raster.cog import write_cog
from raster.errors import DiskFull, GridInvalid, SettingInvalid, WriteFailed
from raster.grid import ALBERS_CHINA
from tests.raster.scenes import grid

BIG = grid(1200, 1100)


@pytest.fixture
def ramp() -> NDArray[np.uint16]:
    values = np.arange(1200 * 1100, dtype=np.uint32).reshape(1200, 1100) % 5000
    return (values + 1).astype(np.uint16)


def test_a_written_array_comes_back_the_same(
    tmp_path: Path, ramp: NDArray[np.uint16]
) -> None:
    write_cog(tmp_path / "a.tif", ramp, BIG, nodata=0)

    with rasterio.open(tmp_path / "a.tif") as file:
        assert file.dtypes == ("uint16",)
        assert file.nodata == 0
        assert GeoBox.from_rio(file) == BIG
        np.testing.assert_array_equal(file.read(1), ramp)


def test_the_file_is_laid_out_as_a_cog(
    tmp_path: Path, ramp: NDArray[np.uint16]
) -> None:
    write_cog(tmp_path / "a.tif", ramp, BIG, nodata=0)

    with rasterio.open(tmp_path / "a.tif") as file:
        assert file.block_shapes == [(512, 512)]
        assert file.overviews(1) == [2, 4]
        structure = file.tags(ns="IMAGE_STRUCTURE")
        headers = [
            int(file.get_tag_item("IFD_OFFSET", "TIFF", bidx=1, ovr=level))
            for level in (None, 0, 1)
        ]
        pixels = [
            int(file.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1, ovr=level))
            for level in (None, 0, 1)
        ]
    assert structure["LAYOUT"] == "COG"
    assert (structure["COMPRESSION"], structure["PREDICTOR"]) == ("ZSTD", "2")
    # Headers first, then pixels from the coarsest overview to the full image.
    assert [*headers, *pixels[::-1]] == sorted(headers + pixels)


def test_bands_names_scale_offset_and_tags_are_kept(tmp_path: Path) -> None:
    cube = np.arange(18, dtype=np.int16).reshape(2, 3, 3)

    write_cog(
        tmp_path / "a.tif",
        cube,
        grid(),
        nodata=-32768,
        scale=0.0001,
        offset=-0.1,
        descriptions=["B04", "B08"],
        tags={"simulated": "true"},
    )

    with rasterio.open(tmp_path / "a.tif") as file:
        np.testing.assert_array_equal(file.read(), cube)
        assert file.scales == (0.0001, 0.0001)
        assert file.offsets == (-0.1, -0.1)
        assert file.descriptions == ("B04", "B08")
        assert file.tags()["simulated"] == "true"


def test_an_equal_area_grid_survives_the_file(tmp_path: Path) -> None:
    albers = GeoBox.from_bbox(
        (1_500_000, 4_900_000, 1_500_750, 4_900_750), ALBERS_CHINA, resolution=250
    )

    write_cog(tmp_path / "a.tif", np.ones((3, 3), np.uint8), albers, nodata=None)

    with rasterio.open(tmp_path / "a.tif") as file:
        assert GeoBox.from_rio(file) == albers


def test_overviews_average_only_valid_pixels(tmp_path: Path) -> None:
    values = np.zeros((1024, 1024), np.uint16)
    values[::2] = 400

    write_cog(tmp_path / "a.tif", values, grid(1024, 1024), nodata=0)

    with rasterio.open(tmp_path / "a.tif", overview_level=0) as file:
        assert set(np.unique(file.read(1))) == {400}


def test_overviews_of_classes_hold_no_new_class(tmp_path: Path) -> None:
    values = np.full((1024, 1024), 4, np.uint8)
    values[1::2, 1::2] = 8

    write_cog(
        tmp_path / "a.tif",
        values,
        grid(1024, 1024),
        nodata=0,
        overview_resampling="mode",
    )

    with rasterio.open(tmp_path / "a.tif", overview_level=0) as file:
        assert set(np.unique(file.read(1))) == {4}


def test_an_array_of_another_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GridInvalid, match=r"\(1, 2, 2\) does not fit.*\(3, 3\)"):
        write_cog(tmp_path / "a.tif", np.ones((2, 2), np.uint8), grid(), nodata=0)


def test_descriptions_must_match_the_bands(tmp_path: Path) -> None:
    with pytest.raises(GridInvalid, match="2 descriptions for 1 bands"):
        write_cog(
            tmp_path / "a.tif",
            np.ones((3, 3), np.uint8),
            grid(),
            nodata=0,
            descriptions=["a", "b"],
        )


@pytest.fixture
def small_files() -> Iterator[None]:
    """Let no file of this process grow past 64 kB."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.usefixtures("small_files")
def test_a_write_that_fails_halfway_keeps_the_older_file(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write_cog(path, np.ones((3, 3), np.uint8), grid(), nodata=0)
    noise = np.random.default_rng(1).integers(1, 9999, BIG.shape, dtype=np.uint16)

    with pytest.raises(WriteFailed, match="cannot write"):
        write_cog(path, noise, BIG, nodata=0)

    assert [file.name for file in tmp_path.iterdir()] == ["a.tif"]
    with rasterio.open(path) as file:
        assert file.shape == (3, 3)


def test_a_full_disk_is_named_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(DiskFull, match="no space left to write") as caught:
        write_cog(tmp_path / "a.tif", np.ones((3, 3), np.uint8), grid(), nodata=0)

    assert caught.value.path == tmp_path / "a.tif"
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(WriteFailed, match="No such file or directory"):
        write_cog(
            tmp_path / "no" / "a.tif", np.ones((3, 3), np.uint8), grid(), nodata=0
        )


def test_nodata_inside_the_mask_is_masked_all_the_same(tmp_path: Path) -> None:
    values = np.array([[0, 5, 6]] * 3, np.uint8)
    mask = np.array([[True, True, False]] * 3)

    write_cog(tmp_path / "a.tif", values, grid(), nodata=0, mask=mask)

    with rasterio.open(tmp_path / "a.tif") as file:
        assert (file.read_masks(1)[0] > 0).tolist() == [False, True, False]


def test_nan_as_nodata_is_masked(tmp_path: Path) -> None:
    values = np.array([[np.nan, 5, 6]] * 3, np.float32)

    write_cog(
        tmp_path / "a.tif",
        values,
        grid(),
        nodata=float("nan"),
        mask=np.ones((3, 3), bool),
    )

    with rasterio.open(tmp_path / "a.tif") as file:
        assert (file.read_masks(1)[0] > 0).tolist() == [False, True, True]


def test_bands_with_gaps_of_their_own_have_no_common_mask(tmp_path: Path) -> None:
    values = np.array([[[0, 1, 1]] * 3, [[1, 1, 1]] * 3], np.uint8)

    with pytest.raises(GridInvalid, match="one mask for all"):
        write_cog(
            tmp_path / "a.tif", values, grid(), nodata=0, mask=np.ones((3, 3), bool)
        )


@pytest.mark.parametrize("mask", [np.ones((2, 3), bool), np.ones((3, 3), np.uint8)])
def test_a_mask_of_another_kind_is_refused(tmp_path: Path, mask: NDArray[Any]) -> None:
    with pytest.raises(GridInvalid, match="give bool of shape"):
        write_cog(
            tmp_path / "a.tif", np.ones((3, 3), "u1"), grid(), nodata=0, mask=mask
        )


@pytest.mark.parametrize(
    ("count", "options", "message"),
    [
        (3, {"colormap": {1: (1, 2, 3)}}, "one band of uint8 or uint16"),
        (1, {"colormap": {1: (1, 2, 3)}}, "mean of two classes is no class"),
        (1, {"colour": "rgb"}, "does not fit 1 bands"),
        (3, {"colour": "gray"}, "does not fit 3 bands"),
        (1, {"colour": "gray", "colormap": {1: (1, 2, 3)}}, "beside a colour map"),
    ],
)
def test_colours_the_bands_cannot_have_are_refused(
    tmp_path: Path, count: int, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingInvalid, match=message):
        write_cog(
            tmp_path / "a.tif",
            np.ones((count, 3, 3), "u1"),
            grid(),
            nodata=0,
            **options,
        )
