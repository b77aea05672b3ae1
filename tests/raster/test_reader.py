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
from raster.plane import Plane, stretched
from raster.reader import MOST_OPEN, Kind, read_band
from raster.selection import Band
from tests.raster.scenes import grid

NUMBERS = np.arange(1, 37, dtype=np.uint16).reshape(6, 6)


def put(path: Path, array: NDArray[np.generic], geobox: GeoBox) -> Band:
    write_cog(path, array, geobox, nodata=0)
    return Band("an-item", str(path), None)


def pixels_of(
    band: Band, geobox: GeoBox, *, kind: Kind = "reflectance"
) -> NDArray[np.generic]:
    plane, _ = read_band(band, geobox, kind=kind)
    return stretched(plane, (geobox.shape[0], geobox.shape[1]))


def test_the_same_grid_is_read_as_it_is(tmp_path: Path) -> None:
    band = put(tmp_path / "a.tif", NUMBERS, grid(6, 6))

    pixels = pixels_of(band, grid(6, 6)[2:5, 1:3], kind="reflectance")

    np.testing.assert_array_equal(pixels, NUMBERS[2:5, 1:3])
    assert pixels.dtype == np.uint16


def test_outside_the_file_is_nodata(tmp_path: Path) -> None:
    band = put(tmp_path / "a.tif", NUMBERS, grid(6, 6))

    pixels = pixels_of(band, grid(2, 4, east=-20), kind="reflectance")
    nowhere = pixels_of(band, grid(2, 2, east=900), kind="reflectance")

    assert pixels.tolist() == [[0, 0, 1, 2], [0, 0, 7, 8]]
    assert nowhere.tolist() == [[0, 0], [0, 0]]


def test_classes_at_half_the_resolution_are_replicated(tmp_path: Path) -> None:
    classes = np.array([[4, 8], [5, 9]], np.uint8)
    band = put(tmp_path / "a.tif", classes, grid(2, 2, resolution=20))

    pixels = pixels_of(band, grid(4, 4)[1:4, 1:4], kind="classes")

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

    mean = pixels_of(
        put(tmp_path / "a.tif", numbers, grid(6, 6)), coarse, kind="reflectance"
    )
    majority = pixels_of(
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

    pixels = pixels_of(
        put(tmp_path / "a.tif", numbers, grid(60, 60)), utm50, kind="reflectance"
    )
    seen = pixels_of(
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
        pixels_of(band, grid(600, 600, east=east), kind="reflectance")


def test_a_replaced_file_is_read_anew(tmp_path: Path) -> None:
    band = put(tmp_path / "a.tif", NUMBERS, grid(6, 6))
    pixels_of(band, grid(6, 6), kind="reflectance")

    put(tmp_path / "a.tif", NUMBERS + 100, grid(6, 6))

    pixels = pixels_of(band, grid(6, 6), kind="reflectance")
    np.testing.assert_array_equal(pixels, NUMBERS + 100)


def test_a_coarse_band_is_not_resampled(tmp_path: Path) -> None:
    band = put(tmp_path / "a.tif", NUMBERS, grid(6, 6, resolution=20))

    plane, _ = read_band(band, grid(12, 12)[3:7, 2:6])

    # Rows 3 to 6 of 10 m begin in the lower half of the second row of 20 m.
    assert (plane.factor, plane.row, plane.column) == (2, 1, 0)
    np.testing.assert_array_equal(plane.pixels, NUMBERS[1:4, 1:3])


@pytest.mark.parametrize("factor", [1, 2, 3, 6])
def test_a_plane_is_stretched_as_by_repetition(factor: int) -> None:
    for row in range(factor):
        for column in range(factor):
            plane = Plane(NUMBERS, factor, row, column)
            whole = NUMBERS.repeat(factor, axis=0).repeat(factor, axis=1)

            block = stretched(plane, (5, 5))

            expected = whole[row : row + 5, column : column + 5]
            np.testing.assert_array_equal(block, expected)


def test_a_margin_is_read_in_whole_pixels_of_the_file(tmp_path: Path) -> None:
    band = put(tmp_path / "a.tif", NUMBERS, grid(6, 6, resolution=20))

    plane, wide = read_band(band, grid(12, 12)[4:8, 4:8], kind="classes", margin=45)

    assert wide == 2
    np.testing.assert_array_equal(plane.pixels, NUMBERS)


def test_a_margin_on_another_grid_is_in_its_pixels(tmp_path: Path) -> None:
    band = put(tmp_path / "a.tif", NUMBERS, grid(6, 6))

    plane, wide = read_band(
        band, grid(2, 2).translate_pix(0.5, 0), kind="classes", margin=10
    )

    assert (wide, plane.pixels.shape, plane.factor) == (1, (4, 4), 1)


def test_a_coarser_grid_is_served_by_the_overview(tmp_path: Path) -> None:
    pixels = np.full((1200, 1200), 1000, np.uint16)
    path = tmp_path / "a.tif"
    band = put(path, pixels, grid(1200, 1200))
    # The file itself is spoilt: only its overview of half the size can be read.
    with rasterio.open(path) as file:
        offsets = [
            int(file.get_tag_item(f"BLOCK_OFFSET_{x}_{y}", "TIFF", bidx=1))
            for x in range(3)
            for y in range(3)
        ]
    with path.open("r+b") as raw:
        for start in offsets:
            raw.seek(start)
            raw.write(b"\xff" * 8)

    half = pixels_of(band, grid(600, 600, resolution=20))

    assert half.shape == (600, 600)
    assert set(np.unique(half)) == {1000}
    with pytest.raises(SceneUnreadable):
        pixels_of(band, grid(1200, 1200))


def test_open_files_are_bounded(tmp_path: Path) -> None:
    put(tmp_path / "a.tif", NUMBERS, grid(6, 6))

    for i in range(MOST_OPEN + 20):
        path = shutil.copy(tmp_path / "a.tif", tmp_path / f"{i}.tif")
        read_band(Band("an-item", str(path), None), grid(6, 6), kind="classes")

    handles = [
        os.readlink(link)
        for link in Path("/proc/self/fd").iterdir()
        if link.is_symlink()
    ]
    assert 0 < sum(str(tmp_path) in handle for handle in handles) <= MOST_OPEN
