import numpy as np
import pytest
import shapely
from pyproj import Transformer

from models.errors import ShapeMismatch
from models.pixel_yield import WithinError, field_yields
from raster import ALBERS_CHINA, geobox_for
from raster.coverage import Coverage, coverage
from tests.models.messages import refused

GRID = geobox_for((124.5, 43.5, 124.53, 43.52), crs=ALBERS_CHINA, resolution=100)
PIXELS = np.full(GRID.shape, 6000, np.uint16)
PIXELS[:, 6:] = 8000
ONE = np.array([7.0]), np.array([0.7])


def square(left: float, top: float, width: float, height: float) -> shapely.Geometry:
    """Pixels from the upper left corner of the grid."""
    x, y = GRID.boundingbox.left, GRID.boundingbox.top
    box = shapely.box(
        *(x + 100 * left, y - 100 * (top + height)),
        *(x + 100 * (left + width), y - 100 * top),
    )
    to_degrees = Transformer.from_crs(ALBERS_CHINA, "EPSG:4326", always_xy=True)
    return shapely.transform(box, to_degrees.transform, interleaved=False)


def over(*squares: shapely.Geometry) -> Coverage:
    return coverage(GRID, list(squares))


def test_a_field_across_two_yields_has_their_mean_by_area() -> None:
    # One and a half columns of 6 t/ha, half a column of 8.
    found = field_yields(PIXELS, over(square(4.5, 2, 2, 4)), fields=["a"]).iloc[0]
    assert found["yield_t_ha"] == pytest.approx((1.5 * 6 + 0.5 * 8) / 2, rel=1e-4)
    assert found["pixels"] == pytest.approx(8, rel=1e-4)
    assert found["area_ha"] == pytest.approx(8, rel=1e-3)
    assert (found["status"], found["error"]) == ("ok", "unknown")
    assert np.isnan([found["sd_t_ha"], found["lower"], found["upper"]]).all()


def test_a_field_has_the_interval_of_its_county_and_the_model() -> None:
    found = field_yields(
        PIXELS,
        over(square(1, 1, 4, 4)),
        fields=[7],
        zones=np.zeros(GRID.shape, np.int16),
        county_values=ONE[0],
        county_sds=ONE[1],
        within=WithinError(field=0.5, pixel=0.8),
    ).iloc[0]
    # A tenth of 6, the field's 0.5, and 0.8 over the root of 16 pixels.
    sd = np.sqrt(0.36 + 0.25 + 0.04)
    assert found["sd_t_ha"] == pytest.approx(sd, rel=1e-4)
    assert found["upper"] == pytest.approx(6 + 1.6448536 * sd, rel=1e-4)
    assert found["error"] == "full"


def test_fields_without_an_honest_number_say_why() -> None:
    empty = PIXELS.copy()
    empty[10:14, :] = 65535
    shapes = (
        square(-50, 2, 4, 4),
        square(2, 10, 4, 4),
        square(2, 2, 1.5, 1.5),
        square(2, 8, 4, 4),
    )
    found = field_yields(empty, over(*shapes), fields=list("abcd"))
    assert found["status"].tolist() == ["outside", "no_data", "few_pixels", "partial"]
    assert np.isnan(found["yield_t_ha"][:2]).all()
    assert found["yield_t_ha"][3] == pytest.approx(6.0)
    assert found["reason_zh"].str.contains(r"[\u4e00-\u9fff]").all()


def test_the_crop_fraction_weighs_the_pixels() -> None:
    weight = np.where(np.arange(GRID.shape.x) < 6, 1.0, 0.5) * np.ones(GRID.shape)
    found = field_yields(
        PIXELS, over(square(4, 2, 4, 4)), fields=["a"], weight=weight
    ).iloc[0]
    assert found["yield_t_ha"] == pytest.approx((6 + 0.5 * 8) / 1.5, rel=1e-4)


def test_a_field_outside_all_counties_has_no_interval() -> None:
    found = field_yields(
        PIXELS,
        over(square(1, 1, 4, 4)),
        fields=["a"],
        zones=np.full(GRID.shape, -1, np.int16),
        county_values=ONE[0],
        county_sds=ONE[1],
    ).iloc[0]
    assert found["error"] == "unknown"
    assert found["yield_t_ha"] == pytest.approx(6.0)


def test_ids_must_be_as_many_as_fields() -> None:
    with refused(ShapeMismatch, match="2 ids for 1 fields"):
        field_yields(PIXELS, over(square(1, 1, 4, 4)), fields=["a", "b"])
