import numpy as np
import pytest

from models.errors import ShapeMismatch
from models.pixel_yield import NoRelation, PeakIndex, fit_peak
from tests.models.messages import refused

LINE = PeakIndex(
    slope=12.0,
    intercept=-2.0,
    standard_error=0.4,
    lowest=0.5,
    highest=0.9,
    pairs=10,
)


def test_yields_along_the_line() -> None:
    peak = np.array([[8000, 5000, 1000, -32768]], np.int16)
    found = LINE({"peak": peak})
    np.testing.assert_allclose(found[0, :3], [7.6, 4.0, 0.0], rtol=1e-6)
    assert np.isnan(found[0, 3])
    assert LINE.beyond({"peak": peak}).tolist() == [[False, False, True, False]]


def test_a_line_against_its_textbook_example() -> None:
    # Anscombe 1973, first set: y = 3.00 + 0.500 x, residual standard error 1.237.
    x = [10, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5]
    y = [8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68]
    found = fit_peak([*x, np.nan], [*y, 5.0])
    assert found.slope == pytest.approx(0.500, abs=5e-4)
    assert found.intercept == pytest.approx(3.00, abs=5e-3)
    assert found.standard_error == pytest.approx(1.237, abs=5e-4)
    assert (found.lowest, found.highest, found.pairs) == (4.0, 14.0, 11)


def test_what_is_no_line_is_refused() -> None:
    with refused(NoRelation, match="7 peaks"):
        fit_peak(np.arange(7), np.arange(7))
    with refused(NoRelation, match="1 different"):
        fit_peak(np.ones(9), np.arange(9))
    with refused(NoRelation, match="fall with the peak"):
        fit_peak(np.arange(9), -np.arange(9))
    with refused(ShapeMismatch, match="one of each"):
        fit_peak([1, 2], [1])
