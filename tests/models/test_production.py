import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.production import (
    Quantity,
    QuantityInvalid,
    error_of,
    interval_of,
    latest_with_error,
    product,
    shared_share,
    total,
    total_product,
    weighted_mean,
)

positive = st.floats(0.01, 1e6)
share = st.floats(0.0, 1.0)


def test_product_of_independent_estimates_is_goodmans() -> None:
    # Goodman 1960, equation 2: 10^2 0.5^2 + 8^2 1^2 + 0.5^2 1^2 = 89.25.
    made = product(Quantity(10.0, 1.0), Quantity(8.0, 0.5))
    assert made.value == 80.0
    assert made.error == pytest.approx(math.sqrt(89.25))


def test_product_of_correlated_estimates_is_that_of_drawn_normals() -> None:
    rng = np.random.default_rng(7)
    drawn = rng.multivariate_normal([10, 8], [[1, 0.3], [0.3, 0.25]], 400_000)
    made = product(Quantity(10.0, 1.0), Quantity(8.0, 0.5), correlation=0.6)
    tonnes = drawn.prod(axis=1)
    assert made.value == pytest.approx(tonnes.mean(), rel=1e-3)
    assert made.error == pytest.approx(tonnes.std(), rel=5e-3)


def test_correlation_outside_its_range_is_refused() -> None:
    with pytest.raises(QuantityInvalid, match=r"1\.5 is no correlation"):
        product(Quantity(1.0, 0.1), Quantity(1.0, 0.1), correlation=1.5)


@pytest.mark.parametrize("value", [math.nan, -1.0, math.inf])
def test_quantity_that_cannot_be_is_refused(value: float) -> None:
    with pytest.raises(QuantityInvalid, match="非负"):
        Quantity(value, 1.0)


@pytest.mark.parametrize("error", [math.nan, -0.1, math.inf])
def test_error_that_cannot_be_is_refused(error: float) -> None:
    with pytest.raises(QuantityInvalid, match="standard error"):
        Quantity(1.0, error)


def test_interval_of_80_percent_reaches_1_28_errors() -> None:
    # The 0.9 quantile of the normal law is 1.28155.
    assert error_of(value=8.0, upper=9.28155, interval=0.8) == pytest.approx(1.0, 1e-5)


def test_interval_holds_as_many_products_as_it_says() -> None:
    rng = np.random.default_rng(11)
    drawn = rng.normal(120_000, 6_000, 200_000) * rng.normal(8.0, 0.9, 200_000)
    made = product(Quantity(120_000.0, 6_000.0), Quantity(8.0, 0.9))
    lower, upper = interval_of(made, interval=0.8)
    assert np.mean((lower <= drawn) & (drawn <= upper)) == pytest.approx(0.8, abs=0.01)


@given(positive, st.floats(0.0, 3.0))
def test_interval_is_positive_and_holds_the_value(
    value: float, relative: float
) -> None:
    lower, upper = interval_of(Quantity(value, value * relative), interval=0.9)
    assert 0 <= lower <= value <= upper


def test_nothing_grown_is_nothing_produced() -> None:
    made = product(Quantity(0.0, 0.0), Quantity(8.0, 0.5))
    assert interval_of(made, interval=0.8) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("shared", "error"), [(0.0, 5.0), (1.0, 7.0), (0.5, math.sqrt(37.0))]
)
def test_errors_of_counties_add_up_as_far_as_they_are_shared(
    shared: float, error: float
) -> None:
    made = total([Quantity(10.0, 3.0), Quantity(20.0, 4.0)], shared=shared)
    assert made.value == 30.0
    assert made.error == pytest.approx(error)


@given(st.lists(st.tuples(positive, positive), min_size=1, max_size=8), share)
def test_total_is_never_surer_than_independent_counties(
    parts: list[tuple[float, float]], shared: float
) -> None:
    counties = [Quantity(value, error) for value, error in parts]
    alone = total(counties, shared=0.0).error
    assert total(counties, shared=shared).error >= alone * (1 - 1e-9)


def test_share_of_an_error_is_from_0_to_1() -> None:
    with pytest.raises(QuantityInvalid, match="share of an error"):
        total([Quantity(1.0, 1.0)], shared=1.2)


def test_yield_of_a_region_is_weighted_by_area() -> None:
    parts = [Quantity(9.0, 0.3), Quantity(6.0, 0.4)]
    made = weighted_mean(parts, [200.0, 100.0], shared=1.0)
    assert made.value == pytest.approx(8.0)
    # 0.3 * 2/3 + 0.4 * 1/3
    assert made.error == pytest.approx(1 / 3)


def test_region_without_area_has_no_mean_yield() -> None:
    with pytest.raises(QuantityInvalid, match="not all 0"):
        weighted_mean([Quantity(9.0, 0.3)], [0.0], shared=0.0)


def errors(*, year: float, county: float, years: int = 12) -> NDArray[np.float64]:
    rng = np.random.default_rng(5)
    shared = rng.normal(0, year, (years, 1)) if year else np.zeros((years, 1))
    return shared + rng.normal(0, county, (years, 40))


def test_errors_without_a_year_in_common_are_hardly_shared() -> None:
    assert shared_share(errors(year=0.0, county=1.0)) < 0.05


def test_errors_of_years_alone_are_shared_wholly() -> None:
    assert shared_share(errors(year=1.0, county=0.01)) > 0.99


def test_shared_share_is_rarely_below_the_truth() -> None:
    rng = np.random.default_rng(3)
    found = [
        shared_share(rng.normal(0, 1, (6, 1)) + rng.normal(0, 1, (6, 30)))
        for _ in range(400)
    ]
    # One time in ten, by its definition.
    assert np.mean(np.array(found) < 0.5) == pytest.approx(0.1, abs=0.05)


def test_total_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(500):
        past = rng.normal(0, 0.7, (6, 1)) + rng.normal(0, 0.7, (6, 30))
        shared = shared_share(past)
        now = rng.normal(0, 0.7) + rng.normal(0, 0.7, 30)
        made = total([Quantity(8.0, 0.99)] * 30, shared=shared)
        lower, upper = interval_of(made, interval=0.8)
        held += lower <= float((8.0 + now).sum()) <= upper
    assert held / 500 >= 0.8


@pytest.mark.parametrize("shape", [(0, 5), (2, 5), (6, 1)])
def test_too_few_errors_are_taken_to_be_shared_wholly(shape: tuple[int, int]) -> None:
    assert shared_share(np.ones(shape)) == 1.0


def test_latest_area_has_the_error_that_areas_had() -> None:
    # Changes of one year: +10 %, -10 % in one county, none in the other.
    areas = np.array([[100.0, 50.0], [110.0, 50.0], [99.0, 50.0]])
    values, wrong = latest_with_error(areas, ahead=1)
    assert values.tolist() == [99.0, 50.0]
    spread = math.sqrt((0.1**2 + 0.1**2) / 4)
    assert wrong == pytest.approx([99.0 * spread, 50.0 * spread])


def test_older_area_has_the_error_of_more_years() -> None:
    areas = np.array([[100.0, 100.0], [100.0, 120.0], [np.nan, 100.0]])
    values, wrong = latest_with_error(areas, ahead=1)
    assert values.tolist() == [100.0, 100.0]
    # Over two years only the second county was seen: no change at all.
    assert wrong[0] == 0.0
    assert wrong[1] > 10.0


def test_area_never_seen_to_change_has_no_error() -> None:
    values, wrong = latest_with_error(np.array([[100.0, np.nan]]), ahead=1)
    assert values[0] == 100.0
    assert np.isnan(values[1])
    assert np.isnan(wrong).all()


def test_shares_of_their_own_add_up_part_by_part() -> None:
    # 3^2 + 4^2, and 2 x 3 x sqrt(0.25) x 4 x sqrt(1) between the two.
    made = total([Quantity(10.0, 3.0), Quantity(20.0, 4.0)], shared=[0.25, 1.0])
    assert made.error == pytest.approx(math.sqrt(37.0))


def test_one_county_has_the_error_of_its_product() -> None:
    area, grown = Quantity(10.0, 1.0), Quantity(8.0, 0.5)
    made = total_product([area], [grown], areas_shared=0.7, yields_shared=0.7)
    assert made == product(area, grown)


def test_production_of_surveyed_counties_shares_the_error_of_yields_alone() -> None:
    areas = [Quantity(100.0, 10.0), Quantity(200.0, 10.0)]
    yields = [Quantity(8.0, 1.0), Quantity(6.0, 0.5)]
    made = total_product(areas, yields, areas_shared=0.0, yields_shared=1.0)
    assert made.value == 2000.0
    # Yields: (100 x 1 + 200 x 0.5)^2. Areas: (8 x 10)^2 + (6 x 10)^2. Of both at
    # once: (10 x 1)^2 + (10 x 0.5)^2.
    assert made.error == pytest.approx(math.sqrt(40_000 + 10_000 + 125))


def test_total_production_is_as_wrong_as_drawn_counties_are() -> None:
    rng = np.random.default_rng(8)
    x, sx = np.array([100.0, 80.0, 50.0]), np.array([12.0, 6.0, 9.0])
    y, sy = np.array([8.0, 7.0, 9.0]), np.array([0.8, 0.9, 0.5])
    # The first area is surveyed, the others drift together by half of their variance.
    own = np.array([0.0, 0.5, 0.5])

    def drawn(
        level: NDArray[np.float64], spread: NDArray[np.float64], c: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        of_year = rng.normal(size=(400_000, 1))
        of_county = rng.normal(size=(400_000, 3))
        return level + spread * (of_year * np.sqrt(c) + of_county * np.sqrt(1 - c))

    tonnes = (drawn(x, sx, own) * drawn(y, sy, np.full(3, 0.6))).sum(axis=1)
    made = total_product(
        [Quantity(*pair) for pair in zip(x.tolist(), sx.tolist(), strict=True)],
        [Quantity(*pair) for pair in zip(y.tolist(), sy.tolist(), strict=True)],
        areas_shared=own.tolist(),
        yields_shared=0.6,
    )
    assert made.value == pytest.approx(tonnes.mean(), rel=1e-3)
    assert made.error == pytest.approx(tonnes.std(), rel=5e-3)
