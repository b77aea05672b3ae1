import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Geod, Transformer

from raster.errors import GridInvalid
from raster.grid import ALBERS_CHINA
from raster.pixel_area import pixel_areas

WGS84 = Geod(ellps="WGS84")
EVERYWHERE = np.array([0.5, 17.5, 39.5])


def geodesic_areas(geobox: GeoBox) -> list[float]:
    """m² of the pixels on the diagonal `EVERYWHERE`, edges densified."""
    to_lonlat = Transformer.from_crs(str(geobox.crs), "EPSG:4326", always_xy=True)
    areas = []
    for at in EVERYWHERE.astype(int):
        pixel = shapely.segmentize(geobox[at : at + 1, at : at + 1].extent.geom, 0.02)
        outline = shapely.transform(pixel, to_lonlat.transform, interleaved=False)
        areas.append(abs(WGS84.geometry_area_perimeter(outline)[0]))
    return areas


def test_a_degree_at_the_equator_and_at_the_pole() -> None:
    whole = GeoBox.from_bbox((0, -90, 1, 90), "EPSG:4326", resolution=1)

    areas = pixel_areas(whole, np.array([89.5, 0.5, 179.5]), np.zeros(3))

    cell = shapely.segmentize(shapely.box(0, 0, 1, 1), 0.001)
    assert areas[0] == pytest.approx(
        abs(WGS84.geometry_area_perimeter(cell)[0]), rel=1e-7
    )
    assert areas[1] == pytest.approx(areas[2])
    assert 360 * pixel_areas(whole, np.arange(180) + 0.5, np.zeros(180)).sum() == (
        # Surface of the WGS 84 ellipsoid (NIMA TR8350.2).
        pytest.approx(510_065_621_724_089, rel=1e-9)
    )


def test_a_sphere() -> None:
    sphere = "+proj=longlat +R=6371000 +no_defs"
    whole = GeoBox.from_bbox((0, -90, 1, 90), sphere, resolution=1)

    areas = pixel_areas(whole, np.arange(180) + 0.5, np.zeros(180))

    assert 360 * areas.sum() == pytest.approx(4 * np.pi * 6_371_000**2)


@pytest.mark.parametrize(
    ("crs", "left", "top", "resolution"),
    [
        ("EPSG:4326", 125.0, 44.0, 0.01),
        ("EPSG:32651", 300_000, 4_900_000, 2000),
        ("EPSG:3857", 13_900_000, 5_500_000, 1000),
        (ALBERS_CHINA, 1_500_000, 4_500_000, 1000),
        # US survey feet.
        ("EPSG:2263", 900_000, 200_000, 1000),
    ],
)
def test_areas_are_those_on_the_ellipsoid(
    crs: str, left: float, top: float, resolution: float
) -> None:
    affine = Affine(resolution, 0, left, 0, -resolution, top)
    geobox = GeoBox((40, 40), affine, crs)

    areas = pixel_areas(geobox, EVERYWHERE, EVERYWHERE)

    assert areas == pytest.approx(geodesic_areas(geobox), rel=2e-6)


def test_an_equal_area_grid_has_one_area() -> None:
    affine = Affine(250, 0, 1_500_000, 0, -250, 4_500_000)
    geobox = GeoBox((40, 40), affine, ALBERS_CHINA)

    assert pixel_areas(geobox, EVERYWHERE, EVERYWHERE).tolist() == [62_500] * 3


def test_a_grid_beyond_its_projection_is_refused() -> None:
    globe = GeoBox.from_bbox(
        (0, 0, 9_000_000, 9_000_000), "+proj=ortho +lon_0=0", resolution=1_000_000
    )

    with pytest.raises(GridInvalid, match="beyond where"):
        pixel_areas(globe, EVERYWHERE[:1], EVERYWHERE[:1])


def test_a_grid_without_crs_is_refused() -> None:
    with pytest.raises(GridInvalid, match="no CRS"):
        pixel_areas(GeoBox((2, 2), Affine.identity(), None), np.ones(1), np.ones(1))
