"""Targets in two units, told from good and bad harvests."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.county.units import two_units

HARVESTS = 40 + 8 * np.random.default_rng(1).normal(size=(15, 12))
BUSHELS = 14.87
"""Bushels of wheat an acre in a tonne a hectare."""


def test_a_history_in_one_unit_is_left_alone() -> None:
    assert not two_units(HARVESTS).any()


def test_a_region_that_changes_its_unit_is_told() -> None:
    target = HARVESTS.copy()
    target[9:, 3] /= BUSHELS
    assert np.flatnonzero(two_units(target)).tolist() == [3]


def test_regions_in_another_unit_are_told_from_the_many() -> None:
    target = HARVESTS.copy()
    target[:, [2, 5]] /= BUSHELS
    assert np.flatnonzero(two_units(target)).tolist() == [2, 5]


def test_all_regions_that_change_together_are_told() -> None:
    target = HARVESTS.copy()
    target[12:] *= 67.25
    assert two_units(target).all()


@pytest.mark.parametrize("lost", [0.0, 1.0])
def test_a_lost_harvest_is_no_other_unit(lost: float) -> None:
    target = HARVESTS.copy()
    target[4, 7] = lost
    assert not two_units(target).any()


def test_regions_from_poor_to_rich_without_a_gap_are_one_unit() -> None:
    rich = np.geomspace(1, 100, 12)
    assert not two_units(HARVESTS / 40 * rich).any()


@given(st.floats(1e-3, 1e3))
def test_the_unit_itself_does_not_matter(unit: float) -> None:
    target = HARVESTS.copy()
    target[9:, 3] /= BUSHELS
    assert two_units(unit * target).sum() == 1


def test_regions_that_turn_from_kilograms_to_jin_are_told() -> None:
    # Harvests of counties differ by a tenth, not a fifth as above.
    target = 10 * np.sqrt(HARVESTS / 40)
    target[9:, [3, 8]] *= 2
    assert np.flatnonzero(two_units(target)).tolist() == [3, 8]


def test_a_year_twice_as_good_everywhere_is_no_other_unit() -> None:
    target = HARVESTS.copy()
    target[9:] *= 2
    assert not two_units(target).any()


def test_three_droughts_in_a_row_are_no_other_unit() -> None:
    target = HARVESTS.copy()
    target[12:, 3] /= 3
    assert not two_units(target).any()
