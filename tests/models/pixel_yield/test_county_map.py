import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from models import ValueInvalid
from models.pixel_yield import (
    NODATA,
    STATUS_WORDING,
    MapStatus,
    area_weights,
    county_map,
)
from raster import ALBERS_CHINA, geobox_for
from tests.models.messages import refused

NAN = np.nan


def row(*values: float) -> NDArray[np.float32]:
    return np.array([values], np.float32)


def zones(*values: int) -> NDArray[np.int16]:
    return np.array([values], np.int16)


def mean_of(
    pixels: NDArray[np.uint16], weight: NDArray[np.floating], where: NDArray[np.bool_]
) -> float:
    known = where & (pixels != NODATA)
    return float(np.average(pixels[known] / 1000, weights=weight[known].astype(float)))


def test_what_the_cap_takes_the_other_pixels_get() -> None:
    # Without the cap 2, 4 and 12; at 8 the last one loses 4, which the others share
    # in proportion 1 : 2.
    made = county_map(
        row(1, 2, 6), row(1, 1, 1), zones(0, 0, 0), np.array([6.0]), potential=8.0
    )
    np.testing.assert_allclose(made.yields, [[10 / 3, 20 / 3, 8]], rtol=1e-6)
    assert made.fits[0].capped == pytest.approx(1 / 3)
    assert made.fits[0].mean == pytest.approx(6.0, abs=1e-9)


def test_a_cap_that_sends_others_to_the_cap_reaches_them_too() -> None:
    # Uncapped 1.4, 9.8, 9.8; capped at 8: 5 to 8 and 8, and 5 to the first.
    made = county_map(
        row(1, 7, 7), row(1, 1, 1), zones(0, 0, 0), np.array([7.0]), potential=8.0
    )
    np.testing.assert_allclose(made.yields, [[5, 8, 8]], rtol=1e-6)


def test_an_estimate_above_the_potential_gives_a_status_and_no_map() -> None:
    made = county_map(row(1, 2), row(1, 1), zones(0, 0), np.array([9.0]), potential=8.0)
    assert np.isnan(made.yields).all()
    assert (made.pixels == NODATA).all()
    assert made.fits[0].status is MapStatus.ABOVE_POTENTIAL


def test_every_county_has_a_status() -> None:
    made = county_map(
        row(1, 2, 3, 0, 4, 5, NAN),
        row(1, 1, 1, 1, 0, NAN, 1),
        zones(0, 0, 1, 2, 3, 4, 5),
        np.array([5.0, NAN, 6.0, 7.0, 8.0, 9.0, 9.5]),
    )
    assert [fit.status for fit in made.fits] == [
        MapStatus.OK,
        MapStatus.NO_ESTIMATE,
        MapStatus.NO_CANOPY,
        MapStatus.NO_PIXEL,
        MapStatus.NO_CROP_MAP,
        MapStatus.NO_IMAGERY,
        MapStatus.NO_CROP_MAP,
    ]
    assert [fit.pixels for fit in made.fits] == [2, 0, 0, 0, 0, 0, 0]
    assert np.isnan([fit.mean for fit in made.fits[1:]]).all()
    assert (made.pixels[0, 2:] == NODATA).all()
    assert set(STATUS_WORDING) == set(MapStatus)


def test_the_share_of_the_crop_that_was_seen_is_told() -> None:
    made = county_map(
        row(1, NAN, NAN), row(0.2, 0.3, 0.5), zones(0, 0, 0), np.array([6.0])
    )
    assert made.fits[0].seen == pytest.approx(0.2)


def test_whole_kilograms_that_miss_the_estimate_are_told() -> None:
    # Two whole pixels add up to even multiples of half a kilogram only.
    made = county_map(row(1, 1), row(1, 1), zones(0, 0), np.array([5.00025]))
    (fit,) = made.fits
    assert fit.status is MapStatus.ROUNDED
    assert abs(fit.mean - 5.00025) == pytest.approx(0.00025)
    assert fit.difference == pytest.approx(fit.mean / 5.00025 - 1)


@given(seed=st.integers(0, 2**32), size=st.integers(30, 200), value=st.floats(2, 12))
def test_a_small_county_of_unequal_fractions_is_exact(
    seed: int, size: int, value: float
) -> None:
    rng = np.random.default_rng(seed)
    index = rng.uniform(0.5, 1.0, (1, size)).astype(np.float32)
    weight = rng.integers(10, 101, (1, size)).astype(np.float32) / 100
    zone = np.zeros((1, size), np.int16)
    (fit,) = county_map(index, weight, zone, np.array([value])).fits
    assert fit.status is MapStatus.OK
    assert fit.mean == pytest.approx(value, rel=1e-6)


@st.composite
def provinces(
    draw: st.DrawFn,
) -> tuple[
    NDArray[np.float32], NDArray[np.float32], NDArray[np.int16], NDArray[np.float64]
]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    count = draw(st.integers(1, 6))
    shape = (draw(st.integers(1, 60)), draw(st.integers(1, 60)))
    index = rng.uniform(0.05, 1.0, shape).astype(np.float32)
    index[rng.random(shape) < draw(st.floats(0, 0.5))] = NAN
    weight = (rng.integers(0, 101, shape) / 100).astype(np.float32)
    zone = rng.integers(-1, count, shape).astype(np.int16)
    return index, weight, zone, rng.uniform(2, 12, count)


@given(made=provinces(), potential=st.sampled_from([np.inf, 25.0, 14.0]))
def test_pixels_of_every_positive_index_add_up_to_the_county(
    made: tuple[
        NDArray[np.float32], NDArray[np.float32], NDArray[np.int16], NDArray[np.float64]
    ],
    potential: float,
) -> None:
    index, weight, zone, values = made
    found = county_map(index, weight, zone, values, potential=potential)
    assert (np.isnan(found.yields) == (found.pixels == NODATA)).all()
    assert not (np.isfinite(found.yields) & ~(np.isfinite(index) & (weight > 0))).any()
    assert np.nanmax(found.yields, initial=0) <= potential * (1 + 1e-6)
    for county, fit in enumerate(found.fits):
        inside = zone == county
        if fit.status is MapStatus.OK:
            assert mean_of(found.pixels, weight, inside) == pytest.approx(
                values[county], rel=1e-6
            )
        else:
            assert fit.pixels == 0 or 0 < abs(fit.difference) < 5e-4


@given(made=provinces(), power=st.integers(-8, 8))
@settings(max_examples=30)
def test_the_unit_of_the_index_changes_nothing(
    made: tuple[
        NDArray[np.float32], NDArray[np.float32], NDArray[np.int16], NDArray[np.float64]
    ],
    power: int,
) -> None:
    index, weight, zone, values = made
    one = county_map(index, weight, zone, values, potential=14.0)
    other = county_map(index * np.float32(2.0**power), *made[1:], potential=14.0)
    np.testing.assert_array_equal(one.pixels, other.pixels)


@given(made=provinces())
@settings(max_examples=30)
def test_more_canopy_is_never_less_yield_within_a_county(
    made: tuple[
        NDArray[np.float32], NDArray[np.float32], NDArray[np.int16], NDArray[np.float64]
    ],
) -> None:
    index, _, zone, values = made
    found = county_map(*made, potential=14.0)
    for county in range(len(values)):
        mine = (zone == county) & np.isfinite(found.yields)
        order = np.argsort(index[mine])
        assert (np.diff(found.yields[mine][order]) >= -1e-5).all()


def test_a_higher_estimate_lifts_every_pixel() -> None:
    rng = np.random.default_rng(3)
    index = rng.uniform(0.2, 1, (10, 10)).astype(np.float32)
    ones, zone = np.ones_like(index), np.zeros((10, 10), np.int16)
    low = county_map(index, ones, zone, np.array([6.0]), potential=9.0).yields
    high = county_map(index, ones, zone, np.array([7.0]), potential=9.0).yields
    assert (high >= low).all()


def test_a_potential_of_nothing_is_refused() -> None:
    for wrong in (0.0, -1.0, NAN):
        with refused(ValueInvalid, match="potential yield"):
            county_map(row(1), row(1), zones(0), np.array([5.0]), potential=wrong)


def test_pixels_of_degrees_weigh_by_their_ground() -> None:
    # A degree of longitude is shorter in the north: nearly cos 46.5 / cos 40.5.
    degrees = GeoBox.from_bbox((124, 40, 125, 47), "EPSG:4326", resolution=1.0)
    weight = area_weights(np.ones(degrees.shape), degrees)
    assert weight.max() == 1
    assert weight[0, 0] == pytest.approx(
        np.cos(np.radians(46.5)) / np.cos(np.radians(40.5)), rel=2e-3
    )


def test_pixels_of_equal_area_weigh_by_their_fraction() -> None:
    albers = geobox_for((124, 43, 124.1, 43.1), crs=ALBERS_CHINA, resolution=1000)
    fraction = np.random.default_rng(1).random(albers.shape)
    np.testing.assert_array_equal(area_weights(fraction, albers), fraction)
