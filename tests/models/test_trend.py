import numpy as np
import pytest
from scipy.stats import theilslopes

from models.panel import Panel
from models.trend import fit_trend, pooled_slope


def panel(yields: list[list[float]], years: list[int]) -> Panel:
    values = np.array(yields, dtype=float)
    return Panel(
        years=np.array(years),
        counties=tuple(f"22000{i}" for i in range(values.shape[1])),
        yields=values,
        features=np.empty((*values.shape, 0)),
    )


def test_a_straight_line_is_continued() -> None:
    trend = fit_trend(panel([[5.0], [6.0], [7.0]], [2001, 2002, 2003]))
    assert trend.level.tolist() == [6.0]
    assert trend.slope == pytest.approx(1 / 6)
    assert (trend.table(np.array([2004])) * trend.level).item() == pytest.approx(8.0)


def test_one_bad_year_moves_nothing() -> None:
    yields = [[5.0], [5.1], [5.2], [0.4], [5.4], [5.5], [5.6]]
    trend = fit_trend(panel(yields, list(range(2001, 2008))))
    assert trend.slope * trend.level.item() == pytest.approx(0.1, rel=0.01)
    assert (trend.table(np.array([2008])) * trend.level).item() == pytest.approx(
        5.7, rel=0.005
    )


def test_the_slope_of_one_county_is_that_of_theil_and_sen() -> None:
    years = np.array([2001, 2002, 2005, 2006, 2010])
    values = np.array([3.0, 3.4, 3.1, 3.9, 4.4])
    expected = theilslopes(values, years).slope
    assert pooled_slope(values[:, None], years=years) == pytest.approx(expected)


def test_the_pooled_slope_compares_years_within_a_county_only() -> None:
    # Slopes: 1, 1, 1 in the first county, 4 in the second; the step between them
    # of 100 is nobody's slope.
    values = np.array([[1.0, np.nan], [2.0, 101.0], [3.0, 105.0]])
    assert pooled_slope(values, years=np.array([2001, 2002, 2003])) == 1.0


def test_a_strong_county_gains_more() -> None:
    growth = 1 + 0.02 * np.arange(5.0)
    yields = (np.array([5.0, 10.0]) * growth[:, None]).tolist()
    trend = fit_trend(panel(yields, list(range(2001, 2006))))
    expected = [[5.0 * 1.1, 10.0 * 1.1]]
    assert np.allclose(trend.table(np.array([2006])) * trend.level, expected)


def test_a_falling_trend_stops_at_zero() -> None:
    trend = fit_trend(panel([[3.0], [2.0], [1.0]], [2001, 2002, 2003]))
    assert trend.table(np.array([2010])).item() == 0.0


def test_a_single_year_has_no_slope() -> None:
    trend = fit_trend(panel([[3.0, np.nan]], [2001]))
    assert trend.slope == 0.0
    assert trend.table(np.array([2002]))[0, 0] == 1.0
    assert np.isnan(trend.table(np.array([2002]))[0, 1])
