"""Accuracies and areas, against published examples and by hand."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.area import (
    Assessment,
    FrameInvalid,
    SampleInvalid,
    Status,
    assess,
    sample_of_matrix,
)
from models.errors import ColumnMissing, RowsDuplicated

# Olofsson et al. 2014, Table 8, and section 5 for the areas: pixels of 0.09 ha.
CLASSES = ("deforestation", "forest gain", "stable forest", "stable non-forest")
MATRIX = np.array(
    [[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]], dtype=np.int64
)
PIXELS = (200_000, 150_000, 3_200_000, 6_450_000)


def olofsson() -> Assessment:
    strata = pd.DataFrame({"stratum": CLASSES, "area_ha": np.array(PIXELS) * 0.09})
    return assess(sample_of_matrix(MATRIX, CLASSES), strata)


@pytest.mark.parametrize(
    ("name", "area", "half"),
    [
        ("deforestation", 21_158, 6_158),
        ("forest gain", 11_686, 3_756),
        ("stable forest", 285_770, 15_510),
        ("stable non-forest", 581_386, 16_282),
    ],
)
def test_areas_are_those_of_olofsson(name: str, area: int, half: int) -> None:
    found = {one.name: one for one in olofsson().areas}[name]
    assert found.value is not None
    assert found.se is not None
    assert round(found.value) == area
    # The paper's intervals are 1.96 standard errors.
    assert round(1.96 * found.se) == half


def test_accuracies_are_those_of_olofsson() -> None:
    found = olofsson()
    assert found.overall.value == pytest.approx(0.95, abs=0.005)
    assert 1.96 * (found.overall.se or 0) == pytest.approx(0.02, abs=0.005)
    users = [found.users[name] for name in CLASSES]
    assert [round(one.value or 0, 2) for one in users] == [0.88, 0.73, 0.93, 0.96]
    assert [round(1.96 * (one.se or 0), 2) for one in users] == [0.07, 0.10, 0.04, 0.02]
    makers = [found.producers[name] for name in CLASSES]
    assert [round(one.value or 0, 2) for one in makers] == [0.75, 0.85, 0.93, 0.96]
    # By its equation 7 (forest gain by hand: 0.1298).
    halves = [round(1.96 * (one.se or 0), 2) for one in makers]
    assert halves == [0.21, 0.25, 0.03, 0.02]


def test_interval_of_a_rare_class_leans_upwards() -> None:
    rare = olofsson().areas[1]
    assert rare.value is not None
    assert rare.lower is not None
    assert rare.upper is not None
    assert rare.upper - rare.value > rare.value - rare.lower > 0
    # Omissions seen once in 325 samples are worth few degrees of freedom.
    assert rare.df is not None
    assert rare.df < 5


def stehman() -> Assessment:
    """Return the example of Stehman 2014, Table 2: strata are not the map classes."""
    sample = pd.DataFrame(
        {
            "stratum": list("A" * 10 + "B" * 10 + "C" * 10 + "D" * 10),
            "mapped": list(
                "A" * 7 + "BBB" + "A" + "B" * 11 + "C" * 6 + "BB" + "D" * 10
            ),
            "reference": list("AAAAACBABCABBBBBAABBCCCCCDDBBADDDDDDDCCB"),
        }
    )
    strata = pd.DataFrame(
        {"stratum": list("ABCD"), "area_ha": [40_000.0, 30_000.0, 20_000.0, 10_000.0]}
    )
    return assess(sample, strata)


def test_strata_that_are_no_classes_give_the_numbers_of_stehman() -> None:
    found = stehman()
    # Printed in the paper, and to seven digits by the R package mapac.
    assert found.overall.value == pytest.approx(0.63)
    assert found.overall.se == pytest.approx(0.085, abs=5e-4)
    users, makers = found.users, found.producers
    assert [users[name].value for name in "ABCD"] == pytest.approx(
        [0.7419355, 0.5744681, 0.5, 0.7], abs=1e-7
    )
    assert [users[name].se for name in "ABCD"] == pytest.approx(
        [0.1645627, 0.1248023, 0.2151657, 0.1527525], abs=1e-7
    )
    assert [makers[name].value for name in "ABCD"] == pytest.approx(
        [0.6571429, 0.7941176, 0.3, 0.6363636], abs=1e-7
    )
    assert [makers[name].se for name in "ABCD"] == pytest.approx(
        [0.1477318, 0.1165671, 0.1504438, 0.1623242], abs=1e-7
    )
    areas = [one.value for one in found.areas]
    assert areas == pytest.approx([35_000, 34_000, 20_000, 11_000])
    assert found.areas[0].se == pytest.approx(8_200, abs=50)
    assert found.areas[2].se == pytest.approx(6_400, abs=50)
    assert found.proportions[1, 2] == pytest.approx(0.08)


def points(rows: Sequence[tuple[str, str, str | None]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["stratum", "mapped", "reference"])


def two_strata(**areas: float) -> pd.DataFrame:
    return pd.DataFrame({"stratum": list(areas), "area_ha": list(areas.values())})


ROWS: list[tuple[str, str, str | None]] = [
    *[("a", "a", "a")] * 8,
    *[("a", "a", "b")] * 2,
    *[("b", "b", "b")] * 9,
    ("b", "b", "a"),
]


def test_area_by_hand() -> None:
    found = assess(points(ROWS), two_strata(a=100, b=300))
    # 100 x 0.8 + 300 x 0.1; (100^2 0.16 + 300^2 0.09) / 9 under the root.
    assert found.areas[0].value == pytest.approx(110)
    assert found.areas[0].se == pytest.approx((9700 / 9) ** 0.5)
    assert found.mapped_ha == {"a": 100, "b": 300}


def test_finite_population_narrows_the_error() -> None:
    strata = two_strata(a=100, b=300).assign(population=[20, 20])
    found = assess(points(ROWS), strata)
    assert found.areas[0].se == pytest.approx((9700 / 9 / 2) ** 0.5)


def test_samples_outside_and_without_answer_are_left_out_and_told() -> None:
    rows = [*ROWS, ("sea", "a", "a"), ("a", "a", None)]
    found = assess(points(rows), two_strata(a=100, b=300))
    assert found.samples == 20
    assert found.areas[0].value == pytest.approx(110)
    said = " ".join(map(str, found.notes))
    assert "1 of 22 samples lie outside" in said
    assert "22 个样本中有 1 个没有结果" in said


def test_stratum_without_sample_leaves_areas_missing() -> None:
    found = assess(points(ROWS), two_strata(a=100, b=300, c=5))
    assert {one.status for one in found.areas} == {Status.MISSING}
    assert found.areas[0].value is None
    assert "no sample in stratum c" in str(found.areas[0].reason)


def test_stratum_with_one_sample_leaves_areas_without_error() -> None:
    found = assess(
        points([*ROWS, ("c", "a", "a")]), two_strata(a=100, b=300, c=5)
    ).areas[0]
    assert found.value == pytest.approx(115)
    assert (found.se, found.lower) == (None, None)
    assert found.status is Status.LIMITED
    assert "one sample in stratum c" in str(found.reason)


def test_stratum_without_land_does_not_matter() -> None:
    found = assess(points(ROWS), two_strata(a=100, b=300, c=0))
    assert found.areas[0].status is Status.ESTIMATED


def test_class_that_was_never_seen_has_an_upper_bound_only() -> None:
    rows = [("a", "a", "b")] * 30 + [("b", "b", "b")] * 30
    found = assess(points(rows), two_strata(a=100, b=100))
    never = found.areas[0]
    assert (never.value, never.se, never.lower) == (0, None, 0)
    # Of one pool of 60 samples: 200 (1 - 0.05^(1/60)) = 9.7 ha.
    assert never.upper == pytest.approx(200 * (1 - 0.05 ** (1 / 60)))
    assert never.status is Status.LIMITED
    assert found.producers["a"].status is Status.MISSING
    assert found.producers["a"].value is None


def test_agreement_of_all_samples_is_no_certainty() -> None:
    found = assess(points([("a", "a", "a")] * 59), two_strata(a=100)).overall
    # The rule of three: with 59 good ones, one in twenty may still be bad.
    assert found.lower == pytest.approx(0.9505, abs=1e-4)
    assert found.upper == 1
    assert found.se is None


def test_large_stratum_without_the_class_widens_the_interval() -> None:
    seen = [("a", "a", "a")] * 25 + [("a", "a", "b")] * 25
    unseen = seen + [("b", "b", "b")] * 100
    alone = assess(points(seen), two_strata(a=100)).areas[0]
    both = assess(points(unseen), two_strata(a=100, b=2000)).areas[0]
    assert both.se == pytest.approx(alone.se)
    assert (both.upper or 0) > (alone.upper or 0)


@pytest.mark.parametrize("area", [-1.0, float("nan"), float("inf")])
def test_impossible_area_is_refused(area: float) -> None:
    with pytest.raises(FrameInvalid, match="0 or more"):
        assess(points(ROWS), two_strata(a=area, b=1))


def test_no_land_at_all_is_refused() -> None:
    with pytest.raises(FrameInvalid, match="one more than 0"):
        assess(points(ROWS), two_strata(a=0, b=0))


def test_no_usable_sample_is_refused() -> None:
    with pytest.raises(SampleInvalid, match="none of 20 samples"):
        assess(points(ROWS), two_strata(x=1))


def test_more_samples_than_units_are_refused() -> None:
    strata = two_strata(a=100, b=300).assign(population=[5, 20])
    with pytest.raises(FrameInvalid, match="more samples than units"):
        assess(points(ROWS), strata)


def test_missing_column_and_repeated_stratum_are_named() -> None:
    with pytest.raises(ColumnMissing, match="reference"):
        assess(points(ROWS).drop(columns="reference"), two_strata(a=1, b=1))
    with pytest.raises(RowsDuplicated, match="stratum a"):
        assess(points(ROWS), pd.concat([two_strata(a=1), two_strata(a=2)]))


def test_matrix_that_is_not_square_is_refused() -> None:
    with pytest.raises(SampleInvalid, match="error matrix"):
        sample_of_matrix(MATRIX[:2], CLASSES)


@settings(max_examples=20)
@given(st.permutations(range(20)))
def test_order_of_rows_does_not_matter(order: list[int]) -> None:
    strata = two_strata(a=100, b=300)
    shuffled = assess(points([ROWS[place] for place in order]), strata).areas
    for one, other in zip(shuffled, assess(points(ROWS), strata).areas, strict=True):
        assert one.value == pytest.approx(other.value, rel=1e-12)
        assert one.lower == pytest.approx(other.lower, rel=1e-9)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(*[st.integers(0, 30)] * 3), min_size=3, max_size=3).filter(
        lambda rows: all(sum(row) >= 2 for row in rows)
    )
)
def test_areas_add_up_and_lie_in_their_intervals(rows: list[tuple[int, ...]]) -> None:
    sample = sample_of_matrix(np.array(rows, dtype=np.int64), ("a", "b", "c"))
    found = assess(sample, two_strata(a=10, b=70, c=20))
    assert sum(one.value or 0 for one in found.areas) == pytest.approx(100)
    assert found.proportions.sum() == pytest.approx(1)
    for one in found.areas:
        assert one.lower is not None
        assert one.upper is not None
        assert 0 <= one.lower <= (one.value or 0) + 1e-9
        assert (one.value or 0) - 1e-9 <= one.upper <= 100 + 1e-9
