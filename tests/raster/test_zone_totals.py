"""Totals over zones: what must hold for any raster, and block by block."""

from itertools import product
from typing import Any

import dask
import numpy as np
import pytest
import shapely
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from odc.geo.xr import wrap_xr
from shapely.geometry.base import BaseGeometry

from raster.coverage import coverage
from raster.errors import GridInvalid, SettingInvalid
from raster.zone_sums import statistics, zone_statistics
from raster.zone_totals import ZoneTotals, zone_totals
from tests.raster.test_coverage import FINE, star, tilings
from tests.raster.test_zone_sums import STARS, noise

WEIGHTS = coverage(FINE, STARS)
VALUES = noise("int16")
CROPS = np.random.default_rng(8).integers(0, 4, FINE.shape).astype(np.uint8)
FRACTION = np.random.default_rng(9).random(FINE.shape).astype(np.float32)
ASKED: dict[str, Any] = {"nodata": 99, "edges": [0, 20, 60], "with_tables": True}
WHOLE = zone_totals(VALUES, WEIGHTS, **ASKED)

ARRAYS = ("inside", "cover", "full", "ground", "total", "weight", "area", "counts")


def assert_same(ours: ZoneTotals, expected: ZoneTotals) -> None:
    for name in ARRAYS:
        mine, other = getattr(ours, name), getattr(expected, name)
        np.testing.assert_allclose(mine, other, rtol=1e-9, err_msg=name)
    assert ours.tables is not None
    assert expected.tables is not None
    np.testing.assert_array_equal(ours.tables.indptr, expected.tables.indptr)
    np.testing.assert_array_equal(ours.tables.values, expected.tables.values)
    np.testing.assert_allclose(ours.tables.weights, expected.tables.weights)


@settings(max_examples=20, deadline=None)
@given(polygons=tilings())
def test_zones_that_tile_the_grid_share_its_sum_out(
    polygons: list[BaseGeometry],
) -> None:
    totals = zone_totals(VALUES, coverage(FINE, polygons), nodata=99)

    valid = VALUES != 99
    np.testing.assert_allclose(
        totals.total.sum(axis=0), (VALUES * valid).sum(axis=(1, 2)), rtol=1e-6
    )
    np.testing.assert_allclose(
        totals.weight.sum(axis=0), valid.sum(axis=(1, 2)), rtol=1e-6
    )


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(4)))
def test_dates_change_nothing_of_each_other(order: list[int]) -> None:
    permuted = zone_statistics(
        VALUES[order], WEIGHTS, nodata=99, quantiles=[0.3], edges=[0, 20, 60]
    )

    straight = statistics(WHOLE, quantiles=[0.3])
    xr.testing.assert_equal(permuted, straight.isel(time=order))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_what_lies_under_no_data_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    hidden = np.where(VALUES == 99, np.nan, VALUES + 0.5)
    anything = rng.choice([np.nan, np.inf, -np.inf, -5.0], VALUES.shape)

    ours = zone_totals(np.where(VALUES == 99, anything, hidden), WEIGHTS, nodata=-5)

    expected = zone_totals(hidden, WEIGHTS)
    np.testing.assert_array_equal(ours.total, expected.total)
    np.testing.assert_array_equal(ours.weight, expected.weight)


@settings(max_examples=10, deadline=None)
@given(row=st.integers(0, 19), col=st.integers(0, 29))
def test_pixels_outside_all_zones_change_nothing(row: int, col: int) -> None:
    touched = WEIGHTS.matrix().toarray().reshape(-1, *FINE.shape)[:, row, col].any()
    values = VALUES.copy()
    values[:, row, col] = 7

    changed = zone_totals(values, WEIGHTS, nodata=99)

    same = np.array_equal(changed.total, WHOLE.total) and np.array_equal(
        changed.weight, WHOLE.weight
    )
    assert same or touched


def blocks(row: int, col: int) -> list[tuple[slice, slice]]:
    rows = (slice(0, row), slice(row, 20))
    return list(product(rows, (slice(0, col), slice(col, 30))))


@settings(max_examples=15, deadline=None)
@given(row=st.integers(1, 19), col=st.integers(1, 29))
def test_totals_of_blocks_add_up(row: int, col: int) -> None:
    parts = [
        zone_totals(VALUES[:, rows, cols], coverage(FINE[rows, cols], STARS), **ASKED)
        for rows, cols in blocks(row, col)
    ]

    assert_same((parts[3] + parts[0]) + (parts[1] + parts[2]), WHOLE)


def test_an_overlap_of_blocks_is_noticed() -> None:
    part = zone_totals(VALUES[:, :9], WEIGHTS.window(slice(0, 9), slice(0, 30)))
    rest = zone_totals(VALUES[:, 3:], WEIGHTS.window(slice(3, 20), slice(0, 30)))

    with pytest.raises(GridInvalid, match="the blocks overlap"):
        statistics(part + rest)


@pytest.mark.parametrize(
    "other",
    [
        zone_totals(VALUES, coverage(FINE, STARS[:2]), **ASKED),
        zone_totals(VALUES, WEIGHTS, classes=CROPS, codes=(1,), **ASKED),
        zone_totals(VALUES[:2], WEIGHTS, **ASKED),
        zone_totals(VALUES, WEIGHTS, **{**ASKED, "edges": [0, 10, 60]}),
        zone_totals(VALUES, WEIGHTS, **{**ASKED, "with_tables": False}),
    ],
)
def test_totals_of_different_things_do_not_add_up(other: ZoneTotals) -> None:
    with pytest.raises(SettingInvalid, match="add up only over the same"):
        WHOLE + other


def lazy(values: NDArray[Any], chunks: tuple[int, ...]) -> xr.DataArray:
    days = ["2026-05-01", "2026-05-11", "2026-05-21", "2026-06-01"]
    array = wrap_xr(values, FINE, time=days if values.ndim == 3 else None)
    return array.chunk(dict(zip(array.dims, chunks, strict=True)))


@pytest.mark.parametrize("chunks", [(4, 7, 11), (1, 20, 30), (3, 1, 30)])
def test_a_dask_array_is_summed_block_by_block(chunks: tuple[int, int, int]) -> None:
    assert_same(zone_totals(lazy(VALUES, chunks), WEIGHTS, **ASKED), WHOLE)


def test_a_lazy_plane_without_dates() -> None:
    totals = zone_totals(lazy(VALUES[0], (7, 11)), WEIGHTS, nodata=99)

    np.testing.assert_allclose(totals.total, WHOLE.total[:, :1])


@pytest.mark.parametrize("lazily", [True, False])
def test_classes_and_weights_go_along_with_the_blocks(lazily: bool) -> None:
    classes = lazy(CROPS, (5, 30)) if lazily else CROPS
    weights = lazy(FRACTION, (20, 9)) if lazily else FRACTION

    ours = zone_totals(
        lazy(VALUES, (4, 7, 11)),
        WEIGHTS,
        classes=classes,
        codes=(3, 0),
        weights=weights,
        **ASKED,
    )

    refined = WEIGHTS.refine(classes=CROPS, codes=(3, 0), weights=FRACTION)
    assert_same(ours, zone_totals(VALUES, refined, **ASKED))


def test_a_refined_coverage_serves_blocks() -> None:
    refined = WEIGHTS.refine(classes=CROPS, codes=(3, 0), weights=FRACTION)

    ours = zone_totals(lazy(VALUES, (4, 7, 11)), refined, **ASKED)

    assert_same(ours, zone_totals(VALUES, refined, **ASKED))


def test_blocks_refuse_to_refine_twice() -> None:
    refined = WEIGHTS.refine(weights=FRACTION)

    with pytest.raises(SettingInvalid, match="refined already"):
        zone_totals(lazy(VALUES, (4, 7, 11)), refined, weights=FRACTION)


def test_blocks_refuse_weights_of_another_shape() -> None:
    with pytest.raises(GridInvalid, match="do not fit values"):
        zone_totals(lazy(VALUES, (4, 7, 11)), WEIGHTS, weights=FRACTION[:, :5])


def test_blocks_without_a_zone_are_not_computed() -> None:
    seen: list[tuple[int, int]] = []

    def computed(block: NDArray[Any], block_info: Any = None) -> NDArray[Any]:
        if block_info:
            seen.append(block_info[0]["chunk-location"][1:])
        return block

    corner = coverage(FINE, [shapely.box(2.1, 0.1, 2.9, 0.9)])
    values = lazy(VALUES, (4, 10, 10))
    values = values.copy(data=values.data.map_blocks(computed, meta=VALUES[:0]))
    with dask.config.set(scheduler="synchronous"):
        totals = zone_totals(values, corner, nodata=99)

    # The first block gives the shape of the result even where no zone is.
    assert sorted(seen) == [(0, 0), (1, 2)]
    assert totals.inside == pytest.approx(64)


def test_zones_beside_the_grid_leave_nothing_but_their_status() -> None:
    far = coverage(FINE, [shapely.box(7, 7, 9, 9)])

    result = zone_statistics(lazy(VALUES, (4, 7, 11)), far, nodata=99)

    assert (result["status"] == "outside").all()


def test_no_zones_at_all() -> None:
    result = zone_statistics(
        VALUES, coverage(FINE, []), nodata=99, quantiles=[0.5], edges=[0, 1]
    )

    assert result.sizes == {"zone": 0, "time": 4, "bin": 1, "q": 1}


def test_many_small_zones_like_one_at_a_time() -> None:
    rng = np.random.default_rng(3)
    centres = shapely.points(rng.uniform((0, 0), (3, 2), (40, 2)))
    fields = [*shapely.buffer(centres, 0.17), star(5)]

    together = zone_totals(VALUES, coverage(FINE, fields), **ASKED)

    for zone in (0, 17, 40):
        alone = zone_totals(VALUES, coverage(FINE, [fields[zone]]), **ASKED)
        np.testing.assert_allclose(together.total[zone], alone.total[0])
        np.testing.assert_allclose(together.counts[zone], alone.counts[0])
        assert together.tables is not None
        assert alone.tables is not None
        asked = np.array([0.2, 0.9])
        np.testing.assert_allclose(
            together.tables.quantiles(asked).reshape(41, 4, 2)[zone],
            alone.tables.quantiles(asked),
        )
