"""How many samples, against the worked example of Olofsson et al. 2014."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.area import DesignImpossible, allocate, points_needed, segments_needed
from models.area.sample_size import Allocation

WEIGHTS = np.array([0.02, 0.015, 0.32, 0.645])


def test_points_for_an_overall_accuracy_are_those_of_olofsson() -> None:
    expected = np.array([0.7, 0.6, 0.9, 0.95])
    assert points_needed(WEIGHTS, expected, se=0.01) == 641


def test_proportional_allocation_is_that_of_olofsson() -> None:
    found = allocate(641, WEIGHTS, method="proportional")
    assert found.tolist() == [13, 10, 205, 413]


def test_rare_classes_get_their_minimum_and_the_rest_is_in_proportion() -> None:
    # The paper rounds the last two to 165 and 325.
    assert allocate(640, WEIGHTS, minimum=75).tolist() == [75, 75, 162, 328]


def test_neyman_goes_by_weight_times_deviation() -> None:
    found = allocate(
        90, np.array([0.5, 0.5]), method="neyman", deviations=np.array([0.1, 0.2])
    )
    assert found.tolist() == [30, 60]


def test_no_stratum_gets_more_than_it_has() -> None:
    found = allocate(
        100,
        np.array([10.0, 90.0]),
        method="equal",
        populations=np.array([10, 90]),
    )
    assert found.tolist() == [10, 90]


def test_stratum_without_land_gets_none() -> None:
    assert allocate(10, np.array([1.0, 0.0]), minimum=5).tolist() == [10, 0]


@given(
    st.lists(st.integers(1, 1000), min_size=1, max_size=8),
    st.sampled_from(["olofsson", "proportional", "equal", "neyman"]),
    st.floats(0, 1),
    st.integers(0, 40),
)
def test_allocation_adds_up_within_its_bounds(
    sizes: list[int], method: Allocation, part: float, minimum: int
) -> None:
    populations = np.array(sizes)
    least = np.minimum(minimum, populations)
    total = int(least.sum() + part * (populations.sum() - least.sum()))
    found = allocate(
        total,
        populations.astype(float),
        method=method,
        deviations=np.sqrt(populations),
        minimum=minimum,
        populations=populations,
    )
    assert found.sum() == total
    assert (found >= least).all()
    assert (found <= populations).all()


def test_segments_for_a_wanted_cv_by_hand() -> None:
    # (100 x 10)^2 / ((0.05 x 100 x 20)^2 + 100 x 10^2) = 50.
    found = segments_needed(
        np.array([100.0]), np.array([20.0]), np.array([10.0]), cv=0.05
    )
    assert found == 50


@pytest.mark.parametrize(
    ("shares", "se"), [([0.5, 1.2], 0.01), ([0.5, np.nan], 0.01), ([0.5, 0.5], 0.0)]
)
def test_impossible_precision_is_refused(shares: list[float], se: float) -> None:
    with pytest.raises(DesignImpossible, match="standard error"):
        points_needed(np.array([0.5, 0.5]), np.array(shares), se=se)


def test_too_few_samples_for_the_minimum_are_refused() -> None:
    with pytest.raises(DesignImpossible, match="ask for 200 to"):
        allocate(150, WEIGHTS)


def test_crop_that_is_nowhere_expected_is_refused() -> None:
    with pytest.raises(DesignImpossible, match="expected area"):
        segments_needed(np.array([9.0]), np.array([0.0]), np.array([1.0]), cv=0.05)


def test_neyman_without_deviations_is_refused() -> None:
    with pytest.raises(DesignImpossible, match="Neyman"):
        allocate(10, WEIGHTS, method="neyman", minimum=0)
