import numpy as np

from models import ShapeMismatch
from models.pixel_yield import METHOD_WORDING, Method, canopy_index, fit_peak
from tests.models.messages import refused

NAN = np.nan
ZONES = np.array([[0, 0, 0, 1, 1, 2, -1]], np.int16)
WEIGHT = np.ones(ZONES.shape, np.float32)
PEAK = np.array([[8000, 6000, -32768, 7000, 5000, -32768, 9000]], np.int16)
LIGHT = np.array([[9.0, NAN, 7.0, NAN, NAN, NAN, NAN]], np.float32)


def test_a_county_follows_light_use_or_the_peak_and_never_both() -> None:
    index, methods = canopy_index(LIGHT, PEAK, WEIGHT, ZONES, count=3, line=None)
    assert methods == (Method.LIGHT_USE, Method.PEAK, Method.NONE)
    expected = np.array([[9.0, NAN, 7.0, 0.7, 0.5, NAN, 0.9]])
    np.testing.assert_allclose(index, expected, rtol=1e-6)
    assert set(METHOD_WORDING) == set(Method)


def test_light_use_of_a_corner_gives_way_to_the_peak_of_the_county() -> None:
    zones = np.zeros((1, 3), np.int16)
    peak, light = np.array([[8000, 7000, 6000]], np.int16), np.array([[9.0, NAN, NAN]])
    index, methods = canopy_index(
        light.astype(np.float32), peak, np.ones((1, 3)), zones, count=1, line=None
    )
    assert methods == (Method.PEAK,)
    np.testing.assert_allclose(index, [[0.8, 0.7, 0.6]], rtol=1e-6)


def test_the_peaks_line_is_taken_where_there_is_one() -> None:
    # t/ha = 20 NDVI - 8
    line = fit_peak(np.linspace(0.5, 0.8, 8), np.linspace(2.0, 8.0, 8))
    index, methods = canopy_index(LIGHT, PEAK, WEIGHT, ZONES, count=3, line=line)
    assert methods[1] is Method.PEAK_LINE
    np.testing.assert_allclose(index[0, 3:5], [6.0, 2.0], rtol=1e-5)


def test_arrays_of_two_grids_are_refused() -> None:
    with refused(ShapeMismatch, match="make all on one grid"):
        canopy_index(LIGHT[:, :2], PEAK, WEIGHT, ZONES, count=3, line=None)
