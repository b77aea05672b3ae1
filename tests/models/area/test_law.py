"""The law of estimators, on fewer surveys than the benchmark's thousand."""

import numpy as np
import pytest

from bench.yields_areas import (
    drawn_segments,
    frame_of,
    law,
    make_world,
    point_survey,
    segment_survey,
    true_areas,
)

SURVEYS = 150


@pytest.fixture(scope="module")
def laws() -> dict[str, dict[str, float]]:
    world, random = make_world(2, side=600), np.random.default_rng(11)
    frame, true = frame_of(world.cells, "stratum"), true_areas(world)
    points, segments = [], []
    for _ in range(SURVEYS):
        points.append(point_survey(world, random))
        segments.append(
            segment_survey(drawn_segments(world.cells, random), frame, "auto")
        )
    found = {"points": law(points, true), "segments": law(segments, true)}
    return {
        f"{kind} {name}": one
        for kind, laws in found.items()
        for name, one in laws.items()
    }


def test_estimates_are_unbiased(laws: dict[str, dict[str, float]]) -> None:
    # The mean of 150 surveys has a standard error of 0.08 of theirs.
    assert {name for name, one in laws.items() if abs(one["bias"]) > 0.3} == set()


def test_intervals_cover_what_they_claim(laws: dict[str, dict[str, float]]) -> None:
    # Of 150 intervals of 95 %, 0.018 is the standard deviation of their coverage.
    coverage = [one["coverage"] for one in laws.values()]
    assert min(coverage) > 0.88
    assert np.mean(coverage) == pytest.approx(0.95, abs=0.02)


def test_stated_errors_are_the_real_ones(laws: dict[str, dict[str, float]]) -> None:
    assert [one["stated"] for one in laws.values()] == pytest.approx([1] * 8, abs=0.2)
