"""A value against past years, by hand and by scipy."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import percentileofscore

from models.errors import ShapeMismatch
from models.growth import Grading, GrowthStatus, Measures, grade_block, measures
from models.growth.pixels import SCALES
from models.growth.pixels import seen as seen_lately
from tests.models.messages import refused

PAST = [0.5, 0.6, 0.7, 0.8, 0.9]
NODATA = -32768


def of_one(value: float, past: list[float], **settings: Any) -> Measures:
    return measures(
        np.array([value]), np.array(past, float)[:, None], Grading(**settings)
    )


def test_measures_are_those_worked_by_hand() -> None:
    # Mean 0.7, range 0.5 to 0.9, standard deviation sqrt(0.1 / 4) = 0.158114.
    found = of_one(0.8, PAST)
    assert found.normal[0] == pytest.approx(0.7)
    assert found.difference[0] == pytest.approx(0.1)
    assert found.vci[0] == pytest.approx(75.0)
    assert found.anomaly[0] == pytest.approx(0.632456, abs=1e-6)
    # Three below, one equal, one above.
    assert found.percentile[0] == pytest.approx(70.0)
    assert (found.grade[0], found.years[0]) == (5, 5)


def test_vci_is_that_of_kogans_definition_outside_the_past_range() -> None:
    assert of_one(0.4, PAST).vci[0] == pytest.approx(-25.0)
    assert of_one(1.0, PAST).vci[0] == pytest.approx(125.0)


@pytest.mark.parametrize(
    ("value", "status"),
    [
        (0.7, GrowthStatus.OK),
        (0.49, GrowthStatus.BELOW),
        (0.91, GrowthStatus.ABOVE),
        (np.nan, GrowthStatus.NO_VALUE),
    ],
)
def test_status_tells_what_lies_beyond_the_past(
    value: float, status: GrowthStatus
) -> None:
    assert of_one(value, PAST).status[0] == status


def test_two_years_of_history_make_no_grade_and_no_measure() -> None:
    found = of_one(0.7, [0.5, 0.9, np.nan, np.nan, np.nan])
    assert found.status[0] == GrowthStatus.FEW_YEARS
    assert (found.grade[0], found.years[0]) == (0, 2)
    for name in ("normal", "difference", "vci", "anomaly", "percentile"):
        assert np.isnan(getattr(found, name)[0])


def test_a_year_without_imagery_is_left_out_of_the_mean() -> None:
    found = of_one(0.7, [*PAST, np.nan])
    assert (found.normal[0], found.years[0]) == (pytest.approx(0.7), 5)


def test_past_years_that_are_equal_make_no_anomaly_and_no_vci() -> None:
    found = of_one(0.7, [0.6] * 5, basis="vci")
    assert np.isnan(found.vci[0])
    assert np.isnan(found.anomaly[0])
    assert (found.grade[0], found.status[0]) == (0, GrowthStatus.FLAT)


def test_shapes_that_differ_are_refused() -> None:
    with refused(ShapeMismatch, match="give past years as"):
        measures(np.zeros(2), np.zeros((5, 3)), Grading())


def test_percentile_and_anomaly_are_those_of_scipy_and_pandas() -> None:
    numbers = np.random.default_rng(3)
    past, current = numbers.uniform(0.2, 0.9, (9, 50)), numbers.uniform(0.2, 0.9, 50)
    found = measures(current, past, Grading())
    frame = pd.DataFrame(past)
    assert found.anomaly == pytest.approx(
        ((current - frame.mean()) / frame.std()).to_numpy()
    )
    assert found.percentile == pytest.approx(
        [percentileofscore(past[:, i], current[i], kind="mean") for i in range(50)]
    )


index = st.integers(1000, 9000)
years = st.lists(index, min_size=5, max_size=12)


def stored(value: int, past: list[int], grading: Grading) -> list[int]:
    block = grade_block(
        np.array([[value]], np.int16), np.array(past, np.int16)[:, None, None], grading
    )
    return [int(number) for number in block[:, 0, 0]]


@given(index, years, st.integers(-900, 900))
def test_a_constant_added_to_all_years_changes_nothing(
    value: int, past: list[int], more: int
) -> None:
    grading = Grading()
    shifted = stored(value + more, [one + more for one in past], grading)
    assert shifted == stored(value, past, grading)


@given(index, years, st.randoms(use_true_random=False))
def test_the_order_of_past_years_changes_nothing(
    value: int, past: list[int], random: Any
) -> None:
    mixed = past.copy()
    random.shuffle(mixed)
    assert stored(value, past, Grading()) == stored(value, mixed, Grading())
    scaled = of_one(value / 1e4, [one / 1e4 for one in past])
    again = of_one(value / 1e4, [one / 1e4 for one in mixed])
    assert scaled.anomaly.tolist() == again.anomaly.tolist() or np.isnan(
        scaled.anomaly[0]
    )


@given(years, st.data())
def test_vci_is_within_0_and_100_inside_the_past_range(
    past: list[int], data: st.DataObject
) -> None:
    value = data.draw(st.integers(min(past), max(past)))
    vci = stored(value, past, Grading())[1]
    assert vci == NODATA if min(past) == max(past) else 0 <= vci <= 1000


@pytest.mark.parametrize("basis", ["difference", "vci", "anomaly", "percentile"])
def test_pixels_have_the_numbers_of_zones(basis: Any) -> None:
    numbers = np.random.default_rng(1)
    current = numbers.integers(2000, 9000, (20, 30)).astype(np.int16)
    past = numbers.integers(2000, 9000, (8, 20, 30)).astype(np.int16)
    past[numbers.random(past.shape) < 0.3] = NODATA
    current[numbers.random(current.shape) < 0.1] = NODATA
    grading = Grading(basis=basis)
    block = grade_block(current, past, grading)
    wanted = measures(_physical(current), _physical(past), grading)
    for layer, (name, step) in enumerate(SCALES.items()):
        found = np.where(block[layer] == NODATA, np.nan, block[layer] * step)
        assert found == pytest.approx(getattr(wanted, name), abs=step, nan_ok=True)
    assert (block[4] == wanted.grade).all()
    assert (block[5] == wanted.years).all()
    assert (block[6] == wanted.status).all()


def _physical(stored: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.where(stored == NODATA, np.nan, stored * 1e-4)


def test_a_measure_too_large_for_its_integers_is_cut_not_wrapped() -> None:
    # 1 step between past years, 8000 above them: VCI of 800,000 per cent.
    assert stored(9000, [1000, 1000, 1000, 1000, 1001], Grading())[1] == 32767


def test_blocks_that_differ_are_refused() -> None:
    with refused(ShapeMismatch, match="same grid"):
        grade_block(
            np.zeros((2, 2), np.int16), np.zeros((5, 2, 3), np.int16), Grading()
        )


def test_a_pixel_that_nobody_saw_lately_has_no_value() -> None:
    smooth = np.array([[[5000, 5000]]] * 4, np.int16)
    clear = np.zeros((4, 1, 2), np.uint8)
    clear[0, 0, 0] = 1  # too long ago
    clear[2, 0, 1] = 1
    assert seen_lately(smooth, clear, min_clear=1).tolist() == [[NODATA, 5000]]
    assert seen_lately(smooth, clear, min_clear=0).tolist() == [[5000, 5000]]
