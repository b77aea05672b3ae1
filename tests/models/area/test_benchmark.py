"""Counties that are made to add up to their frame."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.area import AreaEstimate, Status, benchmarked


def an_area(value: float | None, se: float | None, **changes: Any) -> AreaEstimate:
    parts: dict[str, Any] = {
        "name": "maize",
        "domain": "220122",
        "value": value,
        "se": se,
        "lower": None,
        "upper": None,
        "interval": 0.95,
        "df": 18.0,
        "samples": 6,
        "method": "fay-herriot",
        "status": Status.ESTIMATED,
    }
    return AreaEstimate(**{**parts, **changes})


def test_counties_are_scaled_to_the_frame() -> None:
    # 300 + 100 to 420: times 1.05; the move of 15 joins an error of 20 as 25.
    first, second = benchmarked(
        [an_area(300.0, 20.0), an_area(100.0, 12.0)], an_area(420.0, 15.0, domain="")
    )
    assert (first.value, second.value) == pytest.approx((315.0, 105.0))
    assert (first.se, second.se) == pytest.approx((25.0, 13.0))
    # The 0.975 quantile of t with 18 degrees of freedom is 2.1009.
    assert first.upper == pytest.approx(315 + 2.1009 * 25, abs=0.01)
    assert first.method == "fay-herriot+benchmark"
    assert "times 1.050" in str(first.reason)


@given(st.lists(st.floats(1.0, 1e4), min_size=1, max_size=9), st.floats(0.9, 1.1))
def test_counties_add_up_to_the_frame(values: list[float], factor: float) -> None:
    whole = an_area(sum(values) * factor, sum(values))
    found = benchmarked([an_area(one, one / 10) for one in values], whole)
    assert sum(one.value or 0 for one in found) == pytest.approx(whole.value)


def test_frame_too_far_from_its_counties_is_told_and_moves_none() -> None:
    (found,) = benchmarked([an_area(300.0, 3.0)], an_area(330.0, 4.0))
    assert (found.value, found.se, found.status) == (300.0, 3.0, Status.LIMITED)
    assert "add up to 300 ha, the frame is 330 ha" in str(found.reason)


@pytest.mark.parametrize(
    ("county", "whole"),
    [
        (an_area(300.0, 3.0), an_area(None, None)),
        (an_area(300.0, 3.0), an_area(301.0, None)),
        (an_area(300.0, None), an_area(301.0, 3.0)),
        (an_area(0.0, 3.0), an_area(0.0, 3.0)),
    ],
)
def test_counties_that_cannot_be_moved_stay_as_they_are(
    county: AreaEstimate, whole: AreaEstimate
) -> None:
    assert benchmarked([county], whole) == [county]
