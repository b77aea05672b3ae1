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
from raster.grid import ALBERS_CHINA, geobox_for, lonlat_bounds
from raster.mask import MaskKind
from raster.mission import Calibration
from raster.open_files import MOST_OPEN
from raster.plane import Plane, stretched
from raster.reader import read_band, read_clear
from raster.selection import Band
from tests.raster.scenes import grid

NUMBERS = np.arange(1, 37, dtype=np.uint16).reshape(6, 6)


def put(path: Path, array: NDArray[np.generic], geobox: GeoBox) -> Band:
    write_cog(path, array, geobox, nodata=0)
    return Band("an-item", str(path), UNIT, saturated=65535)


def put_mask(path: Path, classes: NDArray[np.generic], geobox: GeoBox) -> Band:
    write_cog(path, classes, geobox, nodata=None)
    return Band("an-item", str(path), None)


UNIT = Calibration(scale=0.0001, offset=0)


def pixels_of(band: Band, geobox: GeoBox) -> NDArray[np.generic]:
    plane = read_band(band, geobox)
    return stretched(plane, (geobox.shape[0], geobox.shape[1]))


def clear_of(
    band: Band, geobox: GeoBox, *, kind: MaskKind = "SCL", cloud_buffer: float = 0
) -> NDArray[np.uint8]:
    clear = read_clear(band, geobox, kind=kind, cloud_buffer=cloud_buffer)
    return clear.reshape(geobox.shape)


def test_the_same_grid_is_read_as_it_is(tmp_path: Path) -> None:
    band = put(tmp_path / "a.tif", NUMBERS, grid(6, 6))

    pixels = pixels_of(band, grid(6, 6)[2:5, 1:3])

    np.testing.assert_array_equal(pixels, NUMBERS[2:5, 1:3])
    assert pixels.dtype == np.uint16


def test_outside_the_file_is_nodata(tmp_path: Path) -> None:
    band = put(tmp_path / "a.tif", NUMBERS, grid(6, 6))

    pixels = pixels_of(band, grid(2, 4, east=-20))
    nowhere = pixels_of(band, grid(2, 2, east=900))

    assert pixels.tolist() == [[0, 0, 1, 2], [0, 0, 7, 8]]
    assert nowhere.tolist() == [[0, 0], [0, 0]]


def test_classes_at_half_the_resolution_are_replicated(tmp_path: Path) -> None:
    classes = np.array([[4, 8], [9, 5]], np.uint8)
    band = put_mask(tmp_path / "a.tif", classes, grid(2, 2, resolution=20))

    clear = clear_of(band, grid(4, 4)[1:4, 1:4])

    assert clear.tolist() == [[1, 0, 0], [0, 1, 1], [0, 1, 1]]


def test_a_coarser_grid_gets_the_mean_of_what_was_measured(tmp_path: Path) -> None:
    numbers = np.full((6, 6), 100, np.uint16)
    numbers[:, 1::3] = 400
    numbers[:, 2::3] = np.array([0, 65535, 0, 0, 65535, 0])[:, None]
    # Of the last pixel only four ninths were measured.
    numbers[3:, 3] = [0, 0, 100]

    mean = pixels_of(
        put(tmp_path / "a.tif", numbers, grid(6, 6)), grid(2, 2, resolution=30)
    )

    # 100 and 400 average to 250; nodata and saturated numbers take no part.
    assert mean.tolist() == [[250, 250], [250, 0]]


@pytest.mark.parametrize(
    ("kind", "classes", "expected"),
    [
        # Four of nine pixels clear, the others of three kinds of cloud.
        ("SCL", [4, 4, 4, 4, 8, 9, 3, 10, 8], 0),
        ("SCL", [4, 5, 6, 7, 4, 9, 9, 9, 9], 1),
        ("SCL", [4, 0, 0, 0, 0, 0, 0, 0, 0], 0),
        # Clear in four aerosol levels and water, the rest one code of cloud.
        ("Fmask", [0, 64, 128, 192, 32, 2, 2, 2, 2], 1),
    ],
)
def test_a_coarser_pixel_is_clear_where_half_of_it_is(
    tmp_path: Path, kind: MaskKind, classes: list[int], expected: int
) -> None:
    pixels = np.array(classes, np.uint8).reshape(3, 3)
    band = put_mask(tmp_path / "a.tif", pixels, grid(3, 3))

    clear = clear_of(band, grid(1, 1, resolution=30), kind=kind)

    assert clear.tolist() == [[expected]]


def test_another_projection_is_resampled_without_blending_nodata(
    tmp_path: Path,
) -> None:
    numbers = np.full((60, 60), 3000, np.uint16)
    numbers[:, :30] = 0
    classes = np.where(np.arange(60) < 30, 4, 8) * np.ones((60, 1))
    utm50 = geobox_for(lonlat_bounds(grid(60, 60)), crs="EPSG:32650", resolution=10)

    pixels = pixels_of(put(tmp_path / "a.tif", numbers, grid(60, 60)), utm50)
    clear = clear_of(
        put_mask(tmp_path / "b.tif", classes.astype(np.uint8), grid(60, 60)), utm50
    )

    assert set(np.unique(pixels)) == {0, 3000}
    # Half of a scene of 36 ha, whatever the rotation.
    assert int((pixels == 3000).sum()) == pytest.approx(1800, rel=0.05)
    assert int(clear.sum()) == pytest.approx(1800, rel=0.05)


@pytest.mark.parametrize("resolution", [10, 17, 20, 33])
def test_blocks_read_what_the_whole_grid_reads(
    tmp_path: Path, resolution: float
) -> None:
    numbers = np.random.default_rng(1).integers(1, 9999, (300, 300), dtype=np.uint16)
    band = put(tmp_path / "a.tif", numbers, grid(300, 300))
    mask = put_mask(tmp_path / "b.tif", (numbers % 12).astype(np.uint8), grid(300, 300))
    albers = geobox_for(
        lonlat_bounds(grid(300, 300)), crs=ALBERS_CHINA, resolution=resolution
    )

    whole = pixels_of(band, albers)
    part = pixels_of(band, albers[37:60, 21:75])

    np.testing.assert_array_equal(whole[37:60, 21:75], part)
    np.testing.assert_array_equal(
        clear_of(mask, albers)[37:60, 21:75], clear_of(mask, albers[37:60, 21:75])
    )


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
        pixels_of(band, grid(600, 600, east=east))


def test_a_replaced_file_is_read_anew(tmp_path: Path) -> None:
    band = put(tmp_path / "a.tif", NUMBERS, grid(6, 6))
    pixels_of(band, grid(6, 6))

    put(tmp_path / "a.tif", NUMBERS + 100, grid(6, 6))

    pixels = pixels_of(band, grid(6, 6))
    np.testing.assert_array_equal(pixels, NUMBERS + 100)


def test_a_coarse_band_is_not_resampled(tmp_path: Path) -> None:
    band = put(tmp_path / "a.tif", NUMBERS, grid(6, 6, resolution=20))

    plane = read_band(band, grid(12, 12)[3:7, 2:6])

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


@pytest.mark.parametrize(
    ("crs", "resolution", "buffer"),
    [("EPSG:32651", 10, 200), ("EPSG:3857", 10, 200), ("EPSG:4326", 1e-4, 200)],
)
def test_a_cloud_is_grown_by_metres_on_the_ground(
    tmp_path: Path, crs: str, resolution: float, buffer: float
) -> None:
    where = geobox_for(lonlat_bounds(grid(90, 90)), crs=crs, resolution=resolution)
    classes = np.full(where.shape, 4, np.uint8)
    middle = where.shape[0] // 2, where.shape[1] // 2
    classes[middle] = 9
    band = put_mask(tmp_path / "a.tif", classes, where)

    shaded = clear_of(band, where, cloud_buffer=buffer) == 0

    # Ground size of a pixel at 43.3 N: 10 m; 10 m * cos; 8.1 m by 11.1 m.
    side = {"EPSG:32651": 10.0, "EPSG:3857": 7.28, "EPSG:4326": 8.11}[crs]
    reach = np.flatnonzero(shaded[middle[0]]) - middle[1]
    assert abs(reach).max() * side == pytest.approx(buffer, abs=side)
    assert abs(reach).max() * side >= buffer * 0.99


def test_a_buffer_grows_at_least_one_pixel(tmp_path: Path) -> None:
    classes = np.full((5, 5), 4, np.uint8)
    classes[2, 2] = 9
    band = put_mask(tmp_path / "a.tif", classes, grid(5, 5, resolution=60))

    clear = clear_of(band, grid(5, 5, resolution=60), cloud_buffer=25)

    assert (clear == 0).sum() == 5


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
        read_band(Band("an-item", str(path), UNIT), grid(6, 6))

    handles = [
        os.readlink(link)
        for link in Path("/proc/self/fd").iterdir()
        if link.is_symlink()
    ]
    assert 0 < sum(str(tmp_path) in handle for handle in handles) <= MOST_OPEN


def refused(band: Band, geobox: GeoBox | None = None) -> str:
    with pytest.raises(SceneUnreadable) as caught:
        read_band(band, geobox or grid(6, 6))
    return str(caught.value)


def test_a_file_of_another_size_than_its_item_says_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(1, 9999, (1200, 1200), dtype=np.uint16)
    path = tmp_path / "a.tif"
    put(path, noise, grid(1200, 1200))
    size = path.stat().st_size
    band = Band("an-item", str(path), UNIT, size=size)
    coarse = grid(300, 300, resolution=40)
    read_band(band, coarse)

    # The overviews stand first in the file and could still be read.
    truncate(path)

    assert f"{size // 2} bytes instead of {size}" in refused(band, coarse)


def test_a_nodata_that_file_and_item_do_not_share_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write_cog(path, NUMBERS.astype(np.int16), grid(6, 6), nodata=-9999)

    told = refused(Band("an-item", str(path), UNIT, nodata=0))

    assert "its header says nodata -9999.0, its item 0" in told


def test_a_nodata_that_the_type_cannot_hold_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write_cog(path, NUMBERS, grid(6, 6), nodata=None)

    told = refused(Band("an-item", str(path), UNIT, nodata=-9999))

    assert "nodata -9999 does not fit its uint16" in told


def test_a_file_of_several_bands_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write_cog(path, np.stack([NUMBERS] * 3), grid(6, 6), nodata=0)

    assert "it has 3 bands instead of one" in refused(Band("x", str(path), UNIT))


def test_a_mask_of_another_type_is_refused(tmp_path: Path) -> None:
    band = put_mask(tmp_path / "a.tif", NUMBERS.astype(np.int16), grid(6, 6))

    with pytest.raises(SceneUnreadable, match="a mask of type int16"):
        clear_of(band, grid(6, 6))
