import numpy as np
import pytest
import shapely
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from shapely.geometry.base import BaseGeometry

from raster.errors import GeometryInvalid, GridInvalid
from raster.grid import ALBERS_CHINA, geobox_for
from raster.zonal import zone_index, zone_mean
from tests.raster.scenes import UTM, grid

DEGREES = GeoBox.from_bbox((0, 0, 3, 3), "EPSG:4326", resolution=1)


def test_a_pixel_belongs_to_the_polygon_that_holds_its_centre() -> None:
    zones = zone_index(
        DEGREES, [shapely.box(0, 0, 1.4, 3), shapely.box(1.4, 0, 2.6, 1.6)]
    )

    assert zones.dtype == np.int16
    assert zones.tolist() == [[0, -1, -1], [0, 1, 1], [0, 1, 1]]


def test_where_polygons_overlap_the_earlier_one_wins() -> None:
    zones = zone_index(DEGREES, [shapely.box(0, 0, 1, 3), shapely.box(0, 0, 3, 3)])

    assert zones.tolist() == [[0, 1, 1]] * 3


def test_polygons_are_projected_to_the_grid() -> None:
    utm = grid(4, 4)
    to_lonlat = Transformer.from_crs(UTM, "EPSG:4326", always_xy=True)
    left_half = shapely.transform(
        utm[:, :2].extent.geom, to_lonlat.transform, interleaved=False
    )

    zones = zone_index(utm, [left_half])

    assert zones.tolist() == [[0, 0, -1, -1]] * 4


def test_a_long_edge_bends_with_the_projection() -> None:
    geobox = geobox_for((122, 42, 131, 46), crs=ALBERS_CHINA, resolution=2000)
    cell = shapely.box(122, 43, 131, 45)

    zones = zone_index(geobox, [cell])

    ys, xs = np.nonzero(zones == 0)
    to_lonlat = Transformer.from_crs(ALBERS_CHINA, "EPSG:4326", always_xy=True)
    centres = geobox.coordinates
    _, latitudes = to_lonlat.transform(centres["x"].values[xs], centres["y"].values[ys])
    assert latitudes.min() > 42.999
    assert latitudes.max() < 45.001
    # The cell is 9 by 2 degrees at 44 N; a chord between its corners would lose 4 %.
    assert len(ys) * 4 == pytest.approx(159_800, rel=0.005)


@pytest.mark.parametrize(
    "geometry",
    [shapely.Point(0, 0), shapely.Polygon(), shapely.LineString([(0, 0), (1, 1)])],
)
def test_only_polygons_are_zones(geometry: BaseGeometry) -> None:
    with pytest.raises(GeometryInvalid, match="geometry 0 is"):
        zone_index(DEGREES, [geometry])


def test_no_polygons_leave_every_pixel_outside() -> None:
    assert (zone_index(DEGREES, []) == -1).all()


def test_weighted_means() -> None:
    values = np.array([[1.0, 3.0, 10.0], [np.nan, 5.0, 20.0], [9.0, 9.0, 9.0]])
    weights = np.array([[1.0, 3.0, 0.5], [1.0, 0.0, 1.5], [np.nan, 1.0, 1.0]])
    zones = np.array([[0, 0, 1], [0, 0, 1], [2, -1, -1]], np.int16)

    means = zone_mean(values, weights, zones, count=4)

    np.testing.assert_allclose(means.mean, [2.5, 17.5, np.nan, np.nan])
    np.testing.assert_allclose(means.weight, [4.0, 2.0, 0.0, 0.0])


def test_a_mean_refuses_arrays_of_different_grids() -> None:
    zones = np.zeros((2, 2), np.int16)

    with pytest.raises(GridInvalid, match="must share one grid"):
        zone_mean(np.ones((2, 3)), np.ones((2, 2)), zones, count=1)


@pytest.mark.parametrize(("weight", "count"), [(-1.0, 1), (1.0, 0)])
def test_a_mean_refuses_negative_weights_and_unknown_zones(
    weight: float, count: int
) -> None:
    zones = np.zeros((2, 2), np.int16)

    with pytest.raises(GridInvalid, match="a weight is negative, or a zone"):
        zone_mean(np.ones((2, 2)), np.full((2, 2), weight), zones, count=count)


def test_grid_of_zones_needs_a_crs() -> None:
    with pytest.raises(GridInvalid, match="no CRS"):
        zone_index(GeoBox((2, 2), DEGREES.affine, None), [])
