import numpy as np
import pytest
import rasterio.warp
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.enums import Resampling
from scipy.ndimage import map_coordinates

from raster.errors import GridInvalid
from raster.grid import ALBERS_CHINA, geobox_for, lonlat_bounds
from raster.warp import mapping, sample
from tests.raster.scenes import grid

TILE = grid(300, 300)


def smooth_field(seed: int) -> NDArray[np.uint16]:
    coarse = np.random.default_rng(seed).uniform(100, 9000, (12, 12))
    y, x = np.mgrid[0:300, 0:300] / 300 * 11
    return map_coordinates(coarse, [y, x], order=1).astype(np.uint16)


def positions(source: GeoBox, target: GeoBox) -> tuple[NDArray[np.float64], ...]:
    """Column and row in `source` of every pixel centre of `target`, point by point."""
    y, x = np.mgrid[0 : target.shape[0], 0 : target.shape[1]] + 0.5
    way = Transformer.from_crs(str(target.crs), str(source.crs), always_xy=True)
    columns, rows = ~source.affine @ way.transform(*(target.affine @ (x, y)))
    return np.asarray(columns), np.asarray(rows)


def inside(target: GeoBox, margin: int = 40) -> GeoBox:
    """Middle of a grid, all of it over the tile."""
    height, width = target.shape
    return target[margin * 2 : height - margin * 2, margin * 2 : width - margin * 2]


def over_tile(crs: str, resolution: float) -> GeoBox:
    return inside(
        geobox_for(lonlat_bounds(TILE), crs=crs, resolution=resolution),
        margin=round(400 / resolution) if resolution > 1 else 40,
    )


@pytest.mark.parametrize(
    ("crs", "resolution"), [(ALBERS_CHINA, 10), ("EPSG:32652", 7), ("EPSG:32651", 13)]
)
def test_control_points_lead_every_pixel_to_its_place(
    crs: str, resolution: float
) -> None:
    target = over_tile(crs, resolution)
    columns = np.arange(300)[None].repeat(300, axis=0).astype(np.uint16)
    way = mapping(TILE, target)

    across = sample(columns, way, shape(target), left=0, top=0, nodata=-1, blend=False)
    down = sample(columns.T, way, shape(target), left=0, top=0, nodata=-1, blend=False)

    exact_columns, exact_rows = positions(TILE, target)
    # A pixel whose centre falls within a hundredth of an edge may go either way.
    for found, exact in ((across, exact_columns), (down, exact_rows)):
        near_edge = np.abs(exact - np.round(exact)) < 0.01
        assert (found == np.floor(exact))[~near_edge].all()


def shape(target: GeoBox) -> tuple[int, int]:
    return target.shape[0], target.shape[1]


@pytest.mark.parametrize("seed", range(3))
def test_bilinear_equals_scipy(seed: int) -> None:
    target = over_tile(ALBERS_CHINA, 10)
    field = smooth_field(seed)

    found = sample(field, mapping(TILE, target), shape(target), left=0, top=0, nodata=0)

    columns, rows = positions(TILE, target)
    expected = map_coordinates(
        field.astype(float), [rows - 0.5, columns - 0.5], order=1
    )
    # The field rises by at most 400 a pixel, and a place is right to a hundredth.
    np.testing.assert_allclose(found, expected, atol=5)


def test_bilinear_is_near_what_gdal_finds() -> None:
    target = over_tile("EPSG:32650", 10)
    field = smooth_field(7)
    expected = np.zeros(target.shape, np.uint16)
    rasterio.warp.reproject(
        field,
        expected,
        src_transform=TILE.affine,
        src_crs=str(TILE.crs),
        dst_transform=target.affine,
        dst_crs=str(target.crs),
        resampling=Resampling.bilinear,
    )

    found = sample(field, mapping(TILE, target), shape(target), left=0, top=0, nodata=0)

    # GDAL's own way is approximate, to an eighth of a pixel.
    np.testing.assert_allclose(found, expected, atol=60)


@pytest.mark.parametrize("bad", [0, 65535])
def test_what_was_not_measured_blends_into_no_neighbour(bad: int) -> None:
    field = np.full((20, 20), 3000, np.uint16)
    field[:, :10] = bad
    target = grid(18, 18).translate_pix(0.5, 0.5)

    found = sample(
        field,
        mapping(grid(20, 20), target),
        (18, 18),
        left=0,
        top=0,
        nodata=0,
        saturated=65535,
    )

    # Half a pixel on: the pixel at the edge still has half its weight measured.
    assert set(np.unique(found)) == {0, 3000}
    assert (found[:, 9:] == 3000).all()
    assert (found[:, :9] == 0).all()


@given(st.integers(0, 30), st.integers(0, 30), st.floats(0, 0.99), st.booleans())
def test_a_window_gives_what_the_whole_file_gives(
    column: int, row: int, part: float, blend: bool
) -> None:
    field = np.random.default_rng(1).integers(1, 9999, (40, 40), dtype=np.uint16)
    target = grid(8, 8).translate_pix(column + part, row + part)
    way = mapping(grid(40, 40), target)
    left, top, right, bottom = way.window
    left, top = max(left, 0), max(top, 0)

    whole = sample(field, way, (8, 8), left=0, top=0, nodata=0, blend=blend)
    part_of_it = sample(
        np.ascontiguousarray(field[top:bottom, left:right]),
        way,
        (8, 8),
        left=left,
        top=top,
        nodata=0,
        blend=blend,
    )

    np.testing.assert_array_equal(whole, part_of_it)


def test_a_block_beside_the_file_is_nodata() -> None:
    target = grid(4, 4, east=9000)
    field = np.ones((3, 3), np.uint16)

    found = sample(field, mapping(grid(), target), (4, 4), left=0, top=0, nodata=0)

    assert not found.any()


def test_a_grid_without_crs_is_refused() -> None:
    with pytest.raises(GridInvalid, match="without CRS"):
        mapping(GeoBox((3, 3), grid().affine, None), grid())
