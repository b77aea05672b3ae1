import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from raster.cog import write_cog
from raster.errors import SceneUnreadable
from raster.grid import geobox_for, lonlat_bounds
from raster.reader import MAX_OPEN, read_band
from raster.scene import Band
from tests.raster.scenes import grid

NUMBERS = np.arange(1, 37, dtype=np.uint16).reshape(6, 6)


def put(path: Path, array: NDArray[np.generic], geobox: GeoBox) -> Band:
    write_cog(path, array, geobox, nodata=0)
    return Band("an-item", str(path), None)


def test_the_same_grid_is_read_as_it_is(tmp_path: Path) -> None:
    band = put(tmp_path / "a.tif", NUMBERS, grid(6, 6))

    pixels = read_band(band, grid(6, 6)[2:5, 1:3], kind="reflectance")

    np.testing.assert_array_equal(pixels, NUMBERS[2:5, 1:3])
    assert pixels.dtype == np.uint16


def test_outside_the_file_is_nodata(tmp_path: Path) -> None:
    band = put(tmp_path / "a.tif", NUMBERS, grid(6, 6))

    pixels = read_band(band, grid(2, 4, east=-20), kind="reflectance")
    nowhere = read_band(band, grid(2, 2, east=900), kind="reflectance")

    assert pixels.tolist() == [[0, 0, 1, 2], [0, 0, 7, 8]]
    assert nowhere.tolist() == [[0, 0], [0, 0]]


def test_classes_at_half_the_resolution_are_replicated(tmp_path: Path) -> None:
    classes = np.array([[4, 8], [5, 9]], np.uint8)
    band = put(tmp_path / "a.tif", classes, grid(2, 2, resolution=20))

    pixels = read_band(band, grid(4, 4)[1:4, 1:4], kind="classes")

    assert pixels.tolist() == [[4, 8, 8], [5, 9, 9], [5, 9, 9]]


def test_a_coarser_grid_gets_mean_reflectance_and_majority_class(
    tmp_path: Path,
) -> None:
    numbers = np.full((6, 6), 100, np.uint16)
    numbers[:, 1::3] = 400
    numbers[:, 2::3] = 0
    classes = np.full((6, 6), 4, np.uint8)
    classes[1::3] = 9
    coarse = grid(2, 2, resolution=30)

    mean = read_band(
        put(tmp_path / "a.tif", numbers, grid(6, 6)), coarse, kind="reflectance"
    )
    majority = read_band(
        put(tmp_path / "b.tif", classes, grid(6, 6)), coarse, kind="classes"
    )

    # 100 and 400 average to 250; the nodata third takes no part.
    assert mean.tolist() == [[250, 250], [250, 250]]
    assert majority.tolist() == [[4, 4], [4, 4]]


def test_another_projection_is_resampled_without_blending_nodata(
    tmp_path: Path,
) -> None:
    numbers = np.full((60, 60), 3000, np.uint16)
    numbers[:, :30] = 0
    classes = np.where(np.arange(60) < 30, 4, 8) * np.ones((60, 1))
    utm50 = geobox_for(lonlat_bounds(grid(60, 60)), crs="EPSG:32650", resolution=10)

    pixels = read_band(
        put(tmp_path / "a.tif", numbers, grid(60, 60)), utm50, kind="reflectance"
    )
    seen = read_band(
        put(tmp_path / "b.tif", classes.astype(np.uint8), grid(60, 60)),
        utm50,
        kind="classes",
    )

    assert set(np.unique(pixels)) == {0, 3000}
    assert set(np.unique(seen)) == {0, 4, 8}
    # Half of a scene of 36 ha, and the classes' halves, whatever the rotation.
    assert (pixels == 3000).sum() == pytest.approx(1800, rel=0.05)
    assert (seen == 4).sum() == pytest.approx(1800, rel=0.05)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def scribble(path: Path) -> None:
    with rasterio.open(path) as file:
        start = int(file.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1))
    with path.open("r+b") as raw:
        raw.seek(start)
        raw.write(b"\xff" * 1500)


@pytest.mark.parametrize("damage", [truncate, scribble, Path.unlink])
@pytest.mark.parametrize("east", [0, 5])
def test_a_damaged_file_is_named(
    tmp_path: Path, damage: Callable[[Path], None], east: float
) -> None:
    noise = np.random.default_rng(1).integers(1, 9999, (600, 600), dtype=np.uint16)
    path = tmp_path / "a.tif"
    band = put(path, noise, grid(600, 600))
    damage(path)

    # An offset of 5 m takes the way through the warper.
    with pytest.raises(SceneUnreadable, match=r"cannot read .*a\.tif of item an-"):
        read_band(band, grid(600, 600, east=east), kind="reflectance")


def test_a_replaced_file_is_read_anew(tmp_path: Path) -> None:
    band = put(tmp_path / "a.tif", NUMBERS, grid(6, 6))
    read_band(band, grid(6, 6), kind="reflectance")

    put(tmp_path / "a.tif", NUMBERS + 100, grid(6, 6))

    pixels = read_band(band, grid(6, 6), kind="reflectance")
    np.testing.assert_array_equal(pixels, NUMBERS + 100)


def test_open_files_are_bounded(tmp_path: Path) -> None:
    put(tmp_path / "a.tif", NUMBERS, grid(6, 6))

    for i in range(MAX_OPEN + 20):
        path = shutil.copy(tmp_path / "a.tif", tmp_path / f"{i}.tif")
        read_band(Band("an-item", str(path), None), grid(6, 6), kind="classes")

    handles = [
        os.readlink(link)
        for link in Path("/proc/self/fd").iterdir()
        if link.is_symlink()
    ]
    assert sum(str(tmp_path) in handle for handle in handles) == MAX_OPEN
