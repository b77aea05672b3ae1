"""Where samples lie."""

import numpy as np
import pytest
from numpy.typing import NDArray

from models.area import DesignImpossible
from models.area.layout import (
    Drawing,
    add_counts,
    cell_counts,
    crop_strata,
    draw_segments,
    spaced,
)

MAP = np.random.default_rng(3).integers(0, 4, (60, 50)).astype(np.uint8)
COUNTS = add_counts([MAP], nodata=0)


def test_pixels_are_counted_over_blocks_without_nodata() -> None:
    blocks = [MAP[:13], MAP[13:]]
    expected = {code: int(np.count_nonzero(code == MAP)) for code in (1, 2, 3)}
    assert add_counts(blocks, nodata=0) == expected


def drawn(cut: int, *, seed: int = 5) -> list[tuple[int, int, int, int]]:
    drawing = Drawing.of(COUNTS, {1: 7, 3: 5}, seed=seed, spare=False)
    found = []
    for start in range(0, 60, cut):
        for code, (order, rows, columns) in drawing.find(
            MAP[start : start + cut]
        ).items():
            found += [
                (code, int(o), int(r) + start, int(c))
                for o, r, c in zip(order, rows, columns, strict=True)
            ]
    return sorted(found)


def test_drawn_pixels_are_of_their_class_and_differ() -> None:
    found = drawn(60)
    assert [code for code, *_ in found] == [1] * 7 + [3] * 5
    assert all(MAP[row, column] == code for code, _, row, column in found)
    assert len({(row, column) for *_, row, column in found}) == 12


def test_drawing_does_not_depend_on_blocks_but_on_the_seed() -> None:
    assert drawn(60) == drawn(7)
    assert drawn(60) != drawn(60, seed=6)


def test_every_pixel_of_a_class_is_as_likely() -> None:
    small = np.array([[1, 1, 2, 1, 1]], dtype=np.uint8)
    hits = np.zeros(5)
    for seed in range(2000):
        drawing = Drawing.of({1: 4, 2: 1}, {1: 2}, seed=seed, spare=False)
        hits[drawing.find(small)[1][2]] += 1
    assert hits[2] == 0
    # 1000 expected, 22 the standard deviation.
    assert np.abs(hits[[0, 1, 3, 4]] - 1000).max() < 90


def test_class_with_fewer_pixels_is_refused() -> None:
    with pytest.raises(DesignImpossible, match="class 9, which has 0 pixels"):
        Drawing.of(COUNTS, {9: 1}, seed=1, spare=False)


def places() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    return np.array([[0.0, 0], [0, 5], [0, 100], [0, 52], [0, 200]]), np.array(
        [1, 0, 2, 3, 4]
    )


def test_points_keep_their_distance_in_the_order_of_the_drawing() -> None:
    points, order = places()
    kept = spaced(points, order, wanted=3, least_m=50, taken=np.zeros((0, 2)))
    assert kept.tolist() == [1, 2, 4]
    near = spaced(points, order, wanted=2, least_m=50, taken=points[1:2])
    assert near.tolist() == [2, 4]


def test_points_that_cannot_keep_their_distance_are_refused() -> None:
    points, order = places()
    with pytest.raises(DesignImpossible, match="only 3 of 4"):
        spaced(points, order, wanted=4, least_m=50, taken=np.zeros((0, 2)))


def test_pixels_of_squares_are_counted() -> None:
    grid = np.array([[1, 1, 2, 2], [1, 3, 2, 3]], dtype=np.uint8)
    found = cell_counts(grid, side=2, codes=np.array([1, 2, 3]))
    assert found.tolist() == [[[3, 0, 1], [0, 3, 1]]]


def test_segments_are_stratified_by_their_crop() -> None:
    found = crop_strata(np.array([0.0, 0.149, 0.15, 0.6, 1.0]), (0.15, 0.5))
    assert found.tolist() == [0, 0, 1, 2, 2]


def test_segments_are_drawn_within_strata() -> None:
    strata = np.array([0, 1, 1, 0, 1, 1])
    found = draw_segments(strata, {0: 1, 1: 3}, seed=2)
    assert sorted(strata[found]) == [0, 1, 1, 1]
    assert found.tolist() == draw_segments(strata, {0: 1, 1: 3}, seed=2).tolist()
    with pytest.raises(DesignImpossible, match="which has 2"):
        draw_segments(strata, {0: 3}, seed=2)
