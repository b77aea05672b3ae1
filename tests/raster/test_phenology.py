import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from raster.phenology import season_dates

nan = np.nan
TIMES = np.array([0, 10, 20, 30, 40, 50, 60], np.float32)


def column(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32)[:, None]


def test_dates_of_a_triangle() -> None:
    series = column(0.2, 0.2, 0.4, 0.8, 0.6, 0.4, 0.4)

    dates = season_dates(series, TIMES, threshold=0.25)

    # Left level 0.2 + 0.25 * 0.6 = 0.35, right level 0.4 + 0.25 * 0.4 = 0.5.
    assert dates.sos[0] == pytest.approx(17.5)
    assert dates.pos[0] == 30
    assert dates.eos[0] == pytest.approx(45)
    assert dates.peak[0] == pytest.approx(0.8)


def test_the_crossing_nearest_to_the_peak_counts() -> None:
    series = column(0.1, 0.5, 0.1, 0.9, 0.1, 0.5, 0.1)

    dates = season_dates(series, TIMES, threshold=0.5)

    assert dates.sos[0] == pytest.approx(25)
    assert dates.eos[0] == pytest.approx(35)


def test_the_first_of_two_equal_peaks_is_the_peak() -> None:
    dates = season_dates(column(0, 0.8, 0.8, 0.8, 0.8, 0, 0), TIMES, threshold=0.25)

    assert (dates.pos[0], dates.eos[0]) == (10, pytest.approx(47.5))


def test_a_peak_at_the_edge_has_no_date_on_that_side() -> None:
    dates = season_dates(
        column(nan, nan, 0.9, 0.5, 0.1, nan, nan), TIMES, threshold=0.25
    )

    assert dates.pos[0] == 20
    assert np.isnan(dates.sos[0])
    assert dates.eos[0] == pytest.approx(35)


@pytest.mark.parametrize("value", [nan, 0.3])
def test_a_flat_or_empty_series_has_no_season(value: float) -> None:
    dates = season_dates(column(*[value] * 7), TIMES, threshold=0.25)

    assert np.isnan([dates.sos[0], dates.eos[0]]).all()
    assert np.isnan(dates.peak[0]) == np.isnan(value)


@given(
    st.lists(st.floats(0, 1, width=32), min_size=7, max_size=7),
    st.floats(0.05, 0.95),
)
def test_start_peak_and_end_stand_in_order(values: list[float], share: float) -> None:
    dates = season_dates(column(*values), TIMES, threshold=share)

    assert not dates.sos[0] > dates.pos[0]
    assert not dates.eos[0] < dates.pos[0]


def test_integral_of_a_triangle_between_its_dates() -> None:
    dates = season_dates(column(0, 0, 0, 1, 0, 0, 0), TIMES, threshold=0.25)

    # From 0.25 up to 1 and down again, 7.5 days on each side of the peak.
    assert (dates.sos[0], dates.eos[0]) == (22.5, 37.5)
    assert dates.integral[0] == pytest.approx(0.625 * 15)


def test_integral_counts_nothing_below_zero() -> None:
    series = column(-1, -1, -1, 0.5, -1, -1, -1)

    dates = season_dates(series, TIMES, threshold=0.25)

    # Level -0.625, crossed 7.5 days from the peak; above zero for the nearest third.
    assert (dates.sos[0], dates.eos[0]) == (22.5, 37.5)
    # Each value below zero counts as zero before lines are drawn: 0 to 0.5 in 10 days.
    assert dates.integral[0] == pytest.approx(2 * (0.125 + 0.5) / 2 * 7.5)


def test_base_is_the_mean_of_both_sides_lows() -> None:
    dates = season_dates(
        column(0.2, 0.1, 0.4, 0.8, 0.6, 0.3, 0.4), TIMES, threshold=0.25
    )

    assert dates.base[0] == pytest.approx(0.2)


def test_without_both_dates_there_is_no_base_and_no_integral() -> None:
    dates = season_dates(
        column(nan, nan, 0.9, 0.5, 0.1, nan, nan), TIMES, threshold=0.25
    )

    assert np.isnan([dates.base[0], dates.integral[0]]).all()


@given(st.integers(1, 300), st.integers(0, 2**32 - 1))
def test_a_season_is_found_alike_wherever_it_stands(pixels: int, seed: int) -> None:
    series = np.random.default_rng(seed).uniform(0, 1, (7, pixels)).astype(np.float32)

    all_dates = season_dates(series, TIMES, threshold=0.25)
    alone = season_dates(series[:, -1:], TIMES, threshold=0.25)

    for name in ("sos", "pos", "eos", "peak", "base", "integral"):
        last = getattr(all_dates, name)[-1:]
        np.testing.assert_array_equal(last, getattr(alone, name))
