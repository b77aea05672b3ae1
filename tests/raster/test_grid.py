import pytest
import shapely
from pyproj import Transformer

from raster.errors import GridInvalid
from raster.grid import ALBERS_CHINA, geobox_for, lonlat_bounds
from tests.raster.scenes import UTM, grid

JILIN = (121.6, 40.8, 131.4, 46.4)


def test_pixel_edges_are_multiples_of_the_resolution() -> None:
    geobox = geobox_for(JILIN, crs=ALBERS_CHINA, resolution=250)

    left, bottom, right, top = geobox.boundingbox.bbox
    assert [edge % 250 for edge in (left, bottom, right, top)] == [0, 0, 0, 0]
    assert (geobox.resolution.x, geobox.resolution.y) == (250, -250)


def test_the_grid_holds_the_whole_rectangle_not_only_its_corners() -> None:
    # Around the central meridian both long sides sag between their corners.
    china = (80.0, 20.0, 130.0, 50.0)

    geobox = geobox_for(china, crs=ALBERS_CHINA, resolution=250)

    to_albers = Transformer.from_crs("EPSG:4326", ALBERS_CHINA, always_xy=True)
    outline = shapely.segmentize(shapely.box(*china), 0.01)
    xs, ys = to_albers.transform(*shapely.get_coordinates(outline).T)
    left, bottom, right, top = geobox.boundingbox.bbox
    assert left <= xs.min() < left + 250
    assert right - 250 < xs.max() <= right
    assert bottom <= ys.min() < bottom + 250
    assert top - 250 < ys.max() <= top


def test_bounds_of_a_grid_in_degrees() -> None:
    west, south, east, north = lonlat_bounds(grid())

    # The corner (600000, 4800000) of UTM 51N, by the proj command.
    assert (west, north) == pytest.approx((124.233812, 43.346200), abs=1e-5)
    assert 0 < east - west < 0.0005
    assert 0 < north - south < 0.0005


@pytest.mark.parametrize(
    ("bounds", "resolution"), [((10, 0, 5, 1), 10), ((0, 0, 1, 1), 0)]
)
def test_an_impossible_grid_is_refused(
    bounds: tuple[float, float, float, float], resolution: float
) -> None:
    with pytest.raises(GridInvalid, match="no grid for bounds"):
        geobox_for(bounds, crs=UTM, resolution=resolution)
