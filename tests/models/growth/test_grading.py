"""Five grades with limits that are nobody's standard."""

from typing import get_args

import numpy as np
import pytest

from models.errors import ValueInvalid
from models.growth import GRADES, LIMITS, Basis, Grading, grade_of
from tests.models.messages import in_both_languages, refused

BASES: tuple[Basis, ...] = get_args(Basis)


def test_a_value_on_a_limit_has_the_better_grade() -> None:
    values = np.array([-0.081, -0.08, -0.03, 0.0, 0.03, 0.08])
    assert grade_of(values, Grading()).tolist() == [1, 2, 3, 3, 4, 5]


def test_a_limit_is_met_though_subtraction_rounds() -> None:
    # 0.61 - 0.58 is 0.030000000000000027, 0.58 - 0.61 less than -0.03.
    assert grade_of(np.array([0.58 - 0.61]), Grading()).tolist() == [3]


def test_no_value_has_no_grade() -> None:
    assert grade_of(np.array([np.nan]), Grading()).tolist() == [0]


def test_other_limits_make_other_grades() -> None:
    wide = Grading(limits=(-0.4, -0.2, 0.2, 0.4))
    assert grade_of(np.array([-0.1, 0.3]), wide).tolist() == [3, 4]


def test_every_measure_has_limits_and_every_grade_both_languages() -> None:
    assert [Grading(basis=basis).cuts for basis in BASES] == [*LIMITS.values()]
    assert all(in_both_languages(str(grade)) for grade in GRADES)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"basis": "ndvi"}, "unknown measure 'ndvi'"),
        ({"limits": (0.0, 0.0, 1.0, 2.0)}, "four finite numbers"),
        ({"limits": (0.0, 1.0, 2.0, np.inf)}, "four finite numbers"),
        ({"min_years": 1}, "min_years 1"),
        ({"min_clear": -1}, "min_clear -1"),
        ({"min_share": 0.0}, r"min_share 0\.0"),
    ],
)
def test_settings_that_grade_nothing_are_refused(
    settings: dict[str, object], named: str
) -> None:
    with refused(ValueInvalid, match=named):
        Grading(**settings)  # type: ignore[arg-type]
