import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.gcj02 import to_gcj02, to_wgs84

# Metres a degree at latitude y, WGS 84 sphere of 111,320 m a degree.
METRES = 111_320.0


def test_forward_shift_near_changchun() -> None:
    lon, lat = to_gcj02(125.3, 43.9)
    assert float(lon) == pytest.approx(125.306458, abs=5e-7)
    assert float(lat) == pytest.approx(43.902362, abs=5e-7)


@pytest.mark.parametrize(
    ("lon", "lat", "east", "north"),
    [
        (125.30, 43.90, 518, 263),
        (124.82, 43.50, 488, 266),
        (122.84, 45.62, 457, 212),
        (129.51, 42.89, 565, 273),
    ],
)
def test_shift_in_metres(lon: float, lat: float, east: int, north: int) -> None:
    x, y = to_gcj02(lon, lat)
    assert (float(x) - lon) * METRES * np.cos(np.radians(lat)) == pytest.approx(
        east, abs=2
    )
    assert (float(y) - lat) * METRES == pytest.approx(north, abs=2)


def test_inverse_of_a_known_pair() -> None:
    lon, lat = to_wgs84([125.306458], [43.902362])
    np.testing.assert_allclose([lon[0], lat[0]], [125.3, 43.9], atol=1e-6, rtol=0)


@given(st.floats(73.5, 135.0), st.floats(18.0, 53.5))
def test_forward_undoes_inverse_inside_china(lon: float, lat: float) -> None:
    back = to_gcj02(*to_wgs84(lon, lat))
    np.testing.assert_allclose(back, (lon, lat), atol=1e-7, rtol=0)


@given(st.floats(73.5, 135.0), st.floats(18.0, 53.5))
def test_inverse_undoes_forward_inside_china(lon: float, lat: float) -> None:
    back = to_wgs84(*to_gcj02(lon, lat))
    np.testing.assert_allclose(back, (lon, lat), atol=1e-7, rtol=0)


@pytest.mark.parametrize(("lon", "lat"), [(-4.872, 41.774), (139.7, 35.7), (100, -5)])
def test_outside_china_nothing_moves(lon: float, lat: float) -> None:
    np.testing.assert_array_equal(to_gcj02(lon, lat), (lon, lat))
    np.testing.assert_array_equal(to_wgs84(lon, lat), (lon, lat))


def test_shape_is_kept() -> None:
    lon, lat = to_wgs84(np.full((2, 3), 125.0), np.full((2, 3), 44.0))
    assert lon.shape == lat.shape == (2, 3)
