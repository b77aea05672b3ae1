"""Crop areas from segments, by hand and by law."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from models.area import FrameInvalid, SampleInvalid, Status, county_areas, crop_area


def segments(
    maize: Sequence[float | None],
    mapped: list[float] | None = None,
    *,
    stratum: str = "1",
    start: int = 0,
) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "segment_id": [f"S{start + place}" for place in range(len(maize))],
            "stratum": stratum,
            "maize_ha": pd.array(maize, dtype="float64"),
        }
    )
    return table if mapped is None else table.assign(maize_map_ha=mapped)


def frame(**sizes: int) -> pd.DataFrame:
    return pd.DataFrame({"stratum": list(sizes), "segments": list(sizes.values())})


def test_direct_expansion_by_hand() -> None:
    found = crop_area(segments([10, 20, 30, 40]), frame(**{"1": 20}), crop="maize")
    # 20 x 25; 20^2 (1 - 4/20) (500 / 3) / 4 under the root.
    assert found.value == pytest.approx(500)
    se = (400 * 0.8 * 500 / 3 / 4) ** 0.5
    assert found.se == pytest.approx(se)
    assert found.method == "direct"
    assert found.cv == pytest.approx(se / 500)
    assert found.lower is not None
    # Of even numbers three degrees of freedom: kurtosis 1.64.
    half = stats.t.ppf(0.975, 3) * se
    assert found.lower == pytest.approx(500 - half)


def test_strata_add_up() -> None:
    sample = pd.concat(
        [segments([10, 20, 30]), segments([1, 2, 3, 4], stratum="2", start=3)]
    )
    found = crop_area(sample, frame(**{"1": 10, "2": 100}), crop="maize")
    assert found.value == pytest.approx(10 * 20 + 100 * 2.5)
    first, second = 100 * 0.7 * 100 / 3, 10_000 * 0.96 * (5 / 3) / 4
    assert found.se == pytest.approx((first + second) ** 0.5)


def test_census_has_no_error() -> None:
    found = crop_area(segments([10, 20, 30]), frame(**{"1": 3}), crop="maize")
    assert (found.value, found.se) == (60, 0)
    assert (found.lower, found.upper) == (60, 60)


X = [5.0, 8, 12, 20, 25, 33, 41, 52, 60, 71]
Y = [6.1, 7.0, 14.2, 19.1, 28.0, 31.2, 44.5, 50.3, 66.0, 70.2]


def jackknifed(size: int, mean: float, line: Any) -> tuple[float, float]:
    """Spell out the jackknife: fit again without each segment."""
    x, y, n = np.array(X), np.array(Y), len(X)
    whole = line(x, y, mean)
    parts = [line(np.delete(x, i), np.delete(y, i), mean) for i in range(n)]
    left = 1 - n / size
    value = whole + left * (n - 1) * (whole - np.mean(parts))
    variance = left * (n - 1) / n * np.sum((np.array(parts) - np.mean(parts)) ** 2)
    return size * value, size * variance**0.5


def fitted(x: Any, y: Any, mean: float) -> float:
    slope, intercept = np.polyfit(x, y, 1)
    return float(intercept + slope * mean)


def scaled(x: Any, y: Any, mean: float) -> float:
    return float(mean * y.sum() / x.sum())


@pytest.mark.parametrize(
    ("method", "line"), [("regression", fitted), ("ratio", scaled)]
)
def test_estimators_with_a_map_are_the_jackknife_spelled_out(
    method: Any, line: Any
) -> None:
    table = frame(**{"1": 200}).assign(maize_map_ha=200 * 36.0)
    found = crop_area(segments([*Y], X), table, crop="maize", method=method)
    value, se = jackknifed(200, 36.0, line)
    assert found.value == pytest.approx(value)
    assert found.se == pytest.approx(se)
    assert found.method == method
    assert found.efficiency is not None
    assert found.efficiency > 20


@pytest.mark.parametrize(
    ("count", "method"), [(10, "regression"), (9, "ratio"), (5, "ratio"), (4, "direct")]
)
def test_method_follows_the_number_of_segments(count: int, method: str) -> None:
    table = frame(**{"1": 200}).assign(maize_map_ha=200 * 30.0)
    found = crop_area(segments([*Y[:count]], X[:count]), table, crop="maize")
    assert found.method == method
    assert ("fewer than" in str(found.reason)) == (method != "regression")


def test_map_that_never_varies_is_not_used() -> None:
    table = frame(**{"1": 200}).assign(maize_map_ha=0.0)
    found = crop_area(segments([*Y], [0.0] * 10), table, crop="maize")
    assert found.method == "direct"
    assert "直接扩大估计" in str(found.reason)


def test_area_below_zero_is_told() -> None:
    mapped = [float(value) for value in range(40, 50)]
    table = frame(**{"1": 100}).assign(maize_map_ha=0.0)
    maize: list[float | None] = [value - 39.5 for value in mapped]
    found = crop_area(segments(maize, mapped), table, crop="maize")
    assert (found.value, found.status) == (0, Status.LIMITED)
    assert "an area is 0 or more" in str(found.reason)


def test_stratum_without_segment_leaves_the_area_missing() -> None:
    found = crop_area(
        segments([10, 20]), frame(**{"1": 20, "2": 5, "3": 0}), crop="maize"
    )
    assert (found.value, found.status) == (None, Status.MISSING)
    assert "no sample in stratum 2" in str(found.reason)


def test_stratum_with_one_segment_leaves_the_area_without_error() -> None:
    sample = pd.concat([segments([10, 20]), segments([7], stratum="2", start=2)])
    found = crop_area(sample, frame(**{"1": 20, "2": 5}), crop="maize")
    assert (found.value, found.se, found.status) == (335, None, Status.LIMITED)
    assert "层 2 只有一个样本" in str(found.reason)


def test_segment_without_a_figure_is_no_zero() -> None:
    found = crop_area(segments([10, None, 30]), frame(**{"1": 20}), crop="maize")
    assert (found.value, found.samples, found.status) == (400, 2, Status.LIMITED)
    assert "1 of 3 samples have no answer" in str(found.reason)


def test_segments_that_are_all_alike_tell_no_error() -> None:
    found = crop_area(segments([20, 20, 20]), frame(**{"1": 100}), crop="maize")
    assert (found.value, found.se, found.lower) == (2000, None, None)
    assert found.status is Status.LIMITED


def test_crop_that_no_segment_has_is_bounded_by_what_goes_unseen() -> None:
    land = frame(**{"1": 100}).assign(area_ha=10_000.0)
    found = crop_area(segments([0.0] * 30), land, crop="maize")
    # 1 - 0.05^(1/30), near the rule of three: at most 9.5 % of the land.
    assert found.upper == pytest.approx(950.3, abs=0.1)
    assert (found.value, found.se, found.status) == (0, None, Status.LIMITED)


def test_no_more_crop_than_land() -> None:
    table = frame(**{"1": 20}).assign(area_ha=450.0)
    found = crop_area(segments([10, 20, 30, 40]), table, crop="maize")
    assert (found.value, found.upper) == (450, 450)


@pytest.mark.parametrize("value", [-1.0, float("inf")])
def test_impossible_figure_is_refused(value: float) -> None:
    with pytest.raises(SampleInvalid, match="segment S1 has maize_ha"):
        crop_area(segments([10, value]), frame(**{"1": 20}), crop="maize")


@pytest.mark.parametrize("size", [1, 2.5, float("nan")])
def test_impossible_frame_is_refused(size: float) -> None:
    table = pd.DataFrame({"stratum": ["1"], "segments": [size]})
    with pytest.raises(FrameInvalid, match="segments in the frame"):
        crop_area(segments([10, 20]), table, crop="maize")


def test_segment_of_an_unknown_stratum_is_refused() -> None:
    with pytest.raises(SampleInvalid, match="stratum 9"):
        crop_area(segments([1, 2], stratum="9"), frame(**{"1": 20}), crop="maize")


def county_sample() -> pd.DataFrame:
    table = segments([10, 20, 30, 40, 50])
    return table.assign(county=["220184"] * 3 + ["220381", ""])


COUNTIES = pd.DataFrame({"county": ["220184", "220381", "220104"], "segments": 10})


def test_counties_are_expanded_by_their_own_segments() -> None:
    known, single, empty = county_areas(
        county_sample(), frame(**{"1": 50}), COUNTIES, crop="maize"
    )
    assert known.value == pytest.approx(200)
    assert (known.samples, known.status) == (3, Status.LIMITED)
    # 10^2 x 0.9 x 5/4 x (100 + 0 + 100) / 3^2 x 3/2 under the root.
    assert known.se == pytest.approx((100 * 0.9 * 1.25 * 200 / 9 * 1.5) ** 0.5)
    assert single.value == pytest.approx(400)
    assert single.se is None
    assert "one segment in this county" in str(single.reason)
    assert (empty.value, empty.status) == (None, Status.MISSING)
    assert str(empty.reason) == "no segment in this county · 本县没有样方"


@settings(max_examples=20)
@given(st.permutations(range(10)), st.floats(0.1, 100))
def test_unit_and_order_do_not_matter(order: list[int], factor: float) -> None:
    table = frame(**{"1": 200}).assign(maize_map_ha=200 * 36.0)
    plain = crop_area(segments([*Y], X), table, crop="maize")
    moved = crop_area(
        segments([Y[i] * factor for i in order], [X[i] for i in order]),
        table,
        crop="maize",
    )
    assert moved.value == pytest.approx((plain.value or 0) * factor)
    assert moved.se == pytest.approx((plain.se or 0) * factor)
