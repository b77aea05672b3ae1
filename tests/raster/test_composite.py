import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from raster.composite import Calibration, is_measured, median, ndvi, reflectance
from raster.mask import is_clear


def test_reflectance_is_scaled_and_shifted() -> None:
    numbers = np.array([1000, 1500, 11000], np.uint16)

    result = reflectance(numbers, Calibration(scale=0.0001, offset=-0.1))

    assert result.dtype == np.float32
    np.testing.assert_allclose(result, [0.0, 0.05, 1.0], atol=1e-7)


@pytest.mark.parametrize(
    ("red", "nir", "expected"),
    [
        (0.05, 0.45, 0.8),
        (0.2, 0.2, 0.0),
        (0.3, 0.1, -0.5),
        (-0.01, 0.2, 1.0),
        (0.0, 0.0, np.nan),
        (-0.05, 0.02, np.nan),
    ],
)
def test_ndvi(red: float, nir: float, expected: float) -> None:
    result = ndvi(np.array([red], np.float32), np.array([nir], np.float32))

    np.testing.assert_allclose(result, [expected], rtol=1e-6)


def test_nodata_and_saturated_numbers_are_no_measurement() -> None:
    numbers = np.array([0, 1, 65534, 65535], np.uint16)

    assert is_measured(numbers).tolist() == [False, True, True, False]


def test_only_ground_classes_are_clear() -> None:
    clear = is_clear(np.arange(12, dtype=np.uint8))

    assert np.flatnonzero(clear).tolist() == [4, 5, 6, 7]


def test_median_leaves_missing_observations_out() -> None:
    nan = np.nan
    observations = np.array(
        [[0.9, nan, nan, 0.2], [0.1, 0.4, nan, 0.6], [0.5, 0.6, nan, nan]], np.float32
    )

    np.testing.assert_allclose(median(observations), [0.5, 0.5, nan, 0.4], rtol=1e-6)


# Exact in float32, so that the mean of the middle two cannot round differently.
quarters = st.integers(-4, 4).map(lambda n: n / 4) | st.just(float("nan"))


@given(arrays(np.float32, st.tuples(st.integers(1, 7), st.just(5)), elements=quarters))
def test_median_equals_numpy(
    observations: np.ndarray[tuple[int, int], np.dtype[np.float32]],
) -> None:
    # numpy warns on columns without a value; a zero row keeps them out of its sight.
    empty = np.isnan(observations).all(axis=0)
    expected = np.nanmedian(np.where(empty, np.float32(0), observations), axis=0)

    np.testing.assert_array_equal(
        median(observations), np.where(empty, np.nan, expected)
    )
