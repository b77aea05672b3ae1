"""Files and grids whose pixels are not square, as those in degrees."""

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from raster.cog import write_cog
from raster.grid import geobox_for, lonlat_bounds
from raster.mission import Calibration
from raster.reader import read_band, read_clear
from raster.selection import Band
from tests.raster.scenes import UTM, grid

METRES = grid(200, 200)

# A thousandth of a degree is 81 m by 111 m here.
DEGREES = GeoBox((10, 15), Affine(1e-3, 0, 124.24, 0, -1e-3, 43.344), "EPSG:4326")
FINE_DEGREES = geobox_for(lonlat_bounds(METRES), crs="EPSG:4326", resolution=1e-4)
HECTARES = grid(12, 12, resolution=100, east=400)


def put(path: Path, numbers: NDArray[np.generic], geobox: GeoBox) -> Band:
    write_cog(path, numbers, geobox, nodata=0)
    return Band("an-item", str(path), Calibration(scale=0.0001, offset=0))


def put_mask(path: Path, classes: NDArray[np.generic], geobox: GeoBox) -> Band:
    write_cog(path, classes, geobox, nodata=None)
    return Band("an-item", str(path), None)


def tenths(shape: tuple[int, int], share: int) -> NDArray[np.bool_]:
    """Mark so many of any ten pixels side by side."""
    rows, columns = np.indices(shape)
    marked: NDArray[np.bool_] = (3 * rows + columns) % 10 < share
    return marked


# One of DEGREES holds 8.1 by 11.1 of METRES, one of HECTARES 12.3 by 9.0 of
# FINE_DEGREES: by their widths alone, half of them would be 36 and 68 in a hundred.
@pytest.mark.parametrize(
    ("source", "target"), [(METRES, DEGREES), (FINE_DEGREES, HECTARES)]
)
@pytest.mark.parametrize(("share", "counts"), [(4, False), (6, True)])
def test_half_of_a_pixel_is_half_of_its_area(
    tmp_path: Path, source: GeoBox, target: GeoBox, share: int, *, counts: bool
) -> None:
    some = tenths((source.shape[0], source.shape[1]), share)
    band = put(tmp_path / "a.tif", np.where(some, 5000, 0).astype(np.uint16), source)
    mask = put_mask(tmp_path / "b.tif", np.where(some, 4, 9).astype(np.uint8), source)

    clear = read_clear(mask, target, kind="SCL", cloud_buffer=0)

    assert set(clear.tolist()) == {int(counts)}
    assert set(np.unique(read_band(band, target).pixels)) == {5000 if counts else 0}


def test_exactly_half_of_a_long_pixel_is_enough(tmp_path: Path) -> None:
    # Five rows of two, of ten pixels in one of 20 m by 50 m: no whole number is the
    # square root of ten.
    some = np.indices((20, 20))[1] % 2
    band = put(tmp_path / "a.tif", (5000 * some).astype(np.uint16), grid(20, 20))
    mask = put_mask(tmp_path / "b.tif", (9 - 5 * some).astype(np.uint8), grid(20, 20))
    long = GeoBox((4, 10), Affine(20, 0, 600_000, 0, -50, 4_800_000), UTM)

    clear = read_clear(mask, long, kind="SCL", cloud_buffer=0)

    assert set(clear.tolist()) == {1}
    assert set(np.unique(read_band(band, long).pixels)) == {5000}


def test_blocks_of_long_pixels_read_what_the_whole_grid_reads(tmp_path: Path) -> None:
    numbers = np.random.default_rng(1).integers(1, 9999, METRES.shape, dtype=np.uint16)
    band = put(tmp_path / "a.tif", numbers, METRES)
    long = GeoBox((100, 10), Affine(200, 0, 600_000, 0, -20, 4_800_000), UTM)

    whole = read_band(band, long).pixels
    part = read_band(band, long[10:20, 4:6]).pixels

    # Twenty by two pixels, from the file's corner on.
    assert whole[0, 0] == np.floor(numbers[:2, :20].mean() + 0.5)
    np.testing.assert_array_equal(whole[10:20, 4:6], part)
