import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import spsolve

from raster.smooth import interpolate, observed_span, whittaker

nan = np.nan


def sparse_whittaker(y: NDArray[np.float32], smoothing: float) -> NDArray[np.float64]:
    """Eilers (2003) as printed, one series at a time."""
    weights = np.isfinite(y).astype(float)
    differences = sparse.csr_array(np.diff(np.eye(len(y)), n=2, axis=0))
    system = sparse.diags_array(weights) + smoothing * differences.T @ differences
    solved: NDArray[np.float64] = spsolve(
        sparse.csc_array(system), weights * np.nan_to_num(y)
    )
    return solved


@pytest.mark.parametrize("steps", [3, 4, 21, 73])
@pytest.mark.parametrize("smoothing", [0.5, 10.0, 1000.0])
def test_whittaker_equals_a_sparse_solve(steps: int, smoothing: float) -> None:
    rng = np.random.default_rng(steps)
    series = rng.uniform(-0.2, 1, (steps, 40)).astype(np.float32)
    series[rng.uniform(size=series.shape) < 0.5] = nan
    series[:2] = 0.3

    smooth = whittaker(series, smoothing=smoothing)

    expected = [sparse_whittaker(column, smoothing) for column in series.T]
    np.testing.assert_allclose(smooth, np.array(expected).T, atol=1e-5)


@given(
    st.floats(-1, 1, width=32),
    st.lists(st.booleans(), min_size=3, max_size=30).filter(lambda seen: sum(seen) > 1),
)
def test_a_constant_series_has_a_constant_smooth(
    value: float, seen: list[bool]
) -> None:
    series = np.where(seen, np.float32(value), np.float32(nan))[:, None]

    smooth = whittaker(series, smoothing=10.0)

    np.testing.assert_allclose(smooth, value, atol=1e-5)


def test_fewer_than_two_values_have_no_smooth_and_harm_no_neighbour() -> None:
    series = np.full((5, 3), nan, np.float32)
    series[1, 1] = 0.5
    series[[0, 4], 2] = [0.1, 0.5]

    smooth = whittaker(series, smoothing=10.0)

    assert np.isnan(smooth[:, :2]).all()
    np.testing.assert_allclose(smooth[:, 2], [0.1, 0.2, 0.3, 0.4, 0.5], atol=1e-6)


def test_interpolation_joins_values_over_uneven_times() -> None:
    series = np.array([[nan], [0.2], [nan], [nan], [0.8], [nan]], np.float32)
    times = np.array([0, 10, 20, 50, 70, 80], np.float32)

    filled = interpolate(series, times)

    np.testing.assert_allclose(filled[:, 0], [nan, 0.2, 0.3, 0.6, 0.8, nan], rtol=1e-6)


def test_observed_span_reaches_from_first_to_last_value() -> None:
    series = np.array([[nan, 1], [1, nan], [nan, nan], [1, nan], [nan, nan]])

    span = observed_span(series.astype(np.float32))

    assert span[:, 0].tolist() == [False, True, True, True, False]
    assert span[:, 1].tolist() == [True, False, False, False, False]
