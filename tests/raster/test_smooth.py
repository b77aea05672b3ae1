import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import spsolve

from raster.errors import SettingInvalid
from raster.smooth import interpolate, whittaker

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


@given(st.integers(1, 300), st.integers(0, 2**32 - 1))
def test_a_series_is_smoothed_alike_wherever_it_stands(pixels: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    series = rng.uniform(0, 1, (9, pixels)).astype(np.float32)
    series[rng.uniform(size=series.shape) < 0.3] = nan

    smooth = whittaker(series, smoothing=2.0)

    alone = whittaker(series[:, -1:], smoothing=2.0)
    np.testing.assert_array_equal(smooth[:, -1:], alone)


def test_a_weight_of_two_counts_as_two_observations() -> None:
    series = np.array([[0.2], [0.8], [0.1], [0.7], [0.4]], np.float32)
    weights = np.array([[1], [2], [1], [3], [0]], np.uint8)

    smooth = whittaker(series, smoothing=3.0, weights=weights)

    # numpy.linalg.solve of (W + 3 D'D) z = W y.
    differences = np.diff(np.eye(5), n=2, axis=0)
    system = np.diag([1.0, 2, 1, 3, 0]) + 3 * differences.T @ differences
    expected = np.linalg.solve(system, weights[:, 0] * series[:, 0].astype(float))
    np.testing.assert_allclose(smooth[:, 0], expected, atol=1e-6)


def test_what_has_no_weight_changes_nothing() -> None:
    series = np.array([[0.2], [0.8], [0.1], [0.7]], np.float32)
    weights = np.array([[1], [0], [1], [1]], np.uint8)
    other = series.copy()
    other[1] = 1e6

    np.testing.assert_array_equal(
        whittaker(series, smoothing=1.0, weights=weights),
        whittaker(other, smoothing=1.0, weights=weights),
    )


def test_a_long_gap_costs_no_digits() -> None:
    series = np.full((73, 1), nan, np.float32)
    series[[0, 3, 70, 72], 0] = [0.2, 0.3, 0.6, 0.5]

    smooth = whittaker(series, smoothing=1e4)

    expected = sparse_whittaker(series[:, 0], 1e4)
    np.testing.assert_allclose(smooth[:, 0], expected, atol=1e-6)


@pytest.mark.parametrize(("smoothing", "rows"), [(0, 5), (-1, 5), (1, 4)])
def test_settings_out_of_range_are_refused(smoothing: float, rows: int) -> None:
    with pytest.raises(SettingInvalid, match="one weight a value"):
        whittaker(
            np.zeros((5, 1), np.float32),
            smoothing=smoothing,
            weights=np.ones((rows, 1), np.uint8),
        )
