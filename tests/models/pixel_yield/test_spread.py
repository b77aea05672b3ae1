import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models import ShapeMismatch, ValueInvalid, YieldTooLarge
from models.pixel_yield import NODATA, quantise, spread
from tests.models.messages import refused

NAN = np.nan


def grid(*rows: list[float]) -> NDArray[np.float32]:
    return np.array(rows, dtype=np.float32)


def zones(*rows: list[int]) -> NDArray[np.int16]:
    return np.array(rows, dtype=np.int16)


def weighted_mean(values: NDArray[np.floating], weight: NDArray[np.floating]) -> float:
    known = np.isfinite(values) & (weight > 0)
    weights = weight[known].astype(float)
    return float(np.average(values[known].astype(float), weights=weights))


def test_two_counties_by_hand() -> None:
    # County 0: weighted mean index (0.5 * 2 + 1 * 5) / 1.5 = 4, so 8 t/ha is
    # twice the index; county 1: mean 3, so 6 t/ha is twice it too.
    result = spread(
        grid([2, 5], [2, 4]),
        grid([0.5, 1], [1, 1]),
        zones([0, 0], [1, 1]),
        np.array([8.0, 6.0]),
    )
    assert result.dtype == np.float32
    assert result.tolist() == [[4.0, 10.0], [4.0, 8.0]]


@pytest.mark.parametrize(
    ("index", "fraction", "zone"),
    [(NAN, 1.0, 0), (3.0, 0.0, 0), (3.0, NAN, 0), (3.0, 1.0, -1)],
    ids=["no index", "no crop", "unknown crop", "no county"],
)
def test_a_pixel_without_ground_is_empty_and_counts_for_nothing(
    index: float, fraction: float, zone: int
) -> None:
    result = spread(
        grid([2, 4, index]), grid([1, 1, fraction]), zones([0, 0, zone]), np.array([6])
    )
    assert result[0, :2].tolist() == [4.0, 8.0]
    assert np.isnan(result[0, 2])


def test_a_county_without_an_estimate_is_empty() -> None:
    result = spread(grid([2, 4]), grid([1, 1]), zones([0, 1]), np.array([NAN, 5.0]))
    assert np.isnan(result[0, 0])
    assert result[0, 1] == 5.0


@pytest.mark.parametrize("index", [NAN, 0.0, -0.1])
def test_a_county_without_a_canopy_is_empty_and_not_flat(index: float) -> None:
    result = spread(grid([index, index]), grid([1, 1]), zones([0, 0]), np.array([5.0]))
    assert np.isnan(result).all()


def test_no_pixel_is_negative() -> None:
    result = spread(grid([-4, 2]), grid([1, 1]), zones([0, 0]), np.array([5.0]))
    assert result.tolist() == [[0.0, 10.0]]


def test_bad_input_is_refused() -> None:
    index, fraction, zone = grid([1, 2]), grid([1, 1]), zones([0, 0])
    with refused(ShapeMismatch, match=r"zones \(1, 1\)"):
        spread(index, fraction, zone[:, :1], np.array([5.0]))
    with refused(ShapeMismatch, match="zone 0 has no county"):
        spread(index, fraction, zone, np.array([]))
    with refused(ValueInvalid, match="divide per cent by 100"):
        spread(index, fraction * 100, zone, np.array([5.0]))
    with refused(ValueInvalid, match="0 or more"):
        spread(index, fraction, zone, np.array([-5.0]))


Map = tuple[
    NDArray[np.float32], NDArray[np.float32], NDArray[np.int16], NDArray[np.float64]
]


@st.composite
def maps(draw: st.DrawFn) -> Map:
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = (draw(st.integers(1, 40)), draw(st.integers(1, 40)))
    count = draw(st.integers(1, 5))
    index = random.uniform(-0.1, 1.0, shape).astype(np.float32)
    index[random.random(shape) < draw(st.floats(0, 0.9))] = NAN
    fraction = (random.integers(0, 101, shape) / 100).astype(np.float32)
    zone = random.integers(-1, count, shape).astype(np.int16)
    return index, fraction, zone, random.uniform(0.1, 15.0, count)


@given(made=maps())
def test_pixels_add_up_to_the_county(made: Map) -> None:
    index, fraction, zone, values = made
    result = spread(*made)
    for county, value in enumerate(values):
        inside = zone == county
        known = inside & np.isfinite(result)
        if known.any():
            mean = weighted_mean(result[inside], fraction[inside])
            assert mean == pytest.approx(value, rel=1e-6)
        else:
            assert not (inside & (index > 0) & (fraction > 0)).any()


@given(made=maps(), seed=st.integers(0, 1000))
def test_the_place_of_a_pixel_does_not_matter(made: Map, seed: int) -> None:
    index, fraction, zone, values = made
    order = np.random.default_rng(seed).permutation(index.size)
    moved = spread(
        index.ravel()[order], fraction.ravel()[order], zone.ravel()[order], values
    )
    np.testing.assert_allclose(moved, spread(*made).ravel()[order], rtol=1e-6)


@given(made=maps(), power=st.integers(-10, 10))
def test_the_unit_of_the_index_does_not_matter(made: Map, power: int) -> None:
    index, fraction, zone, values = made
    scaled = spread(index * np.float32(2.0**power), fraction, zone, values)
    np.testing.assert_allclose(scaled, spread(*made), rtol=1e-6)


def test_whole_kilograms() -> None:
    # 0.3 kg/ha too low in each of the five: 1.5 in all, so one of them steps up,
    # and half a step is left.
    result = quantise(
        grid([5.0003] * 5 + [NAN]), fraction=grid([1] * 6), zones=zones([0] * 6)
    )
    assert result.dtype == np.uint16
    assert sorted(result[0, :5].tolist()) == [5000, 5000, 5000, 5000, 5001]
    assert result[0, 5] == NODATA == 65535


def test_a_step_is_weighed_by_fraction() -> None:
    # Rounding loses 0.4 * (1 + 0.5 + 0.5) = 0.8 kg: the full pixel is too much,
    # one half pixel leaves 0.3, the second would leave -0.2: nearer.
    result = quantise(
        grid([5.0004, 5.0004, 5.0004]),
        fraction=grid([1, 0.5, 0.5]),
        zones=zones([0, 0, 0]),
    )
    assert result.tolist() == [[5000, 5001, 5001]]


@given(made=maps())
def test_every_pixel_stays_within_a_kilogram(made: Map) -> None:
    _, fraction, zone, _ = made
    yields = np.minimum(spread(*made), np.float32(60.0))
    result = quantise(yields, fraction=fraction, zones=zone)
    known = result != NODATA
    assert (known == np.isfinite(yields)).all()
    moved = result[known] - yields[known].astype(float) * 1000
    assert np.abs(moved).max(initial=0.0) <= 1.0 + 1e-6


@given(seed=st.integers(0, 2**32), value=st.floats(1.0, 12.0), uniform=st.booleans())
@settings(deadline=None)
def test_whole_kilograms_keep_the_mean_of_a_county(
    seed: int, value: float, uniform: bool
) -> None:
    random = np.random.default_rng(seed)
    index = random.uniform(0.5, 1.0, (50, 20)).astype(np.float32)
    fraction = random.integers(1, 101, index.shape).astype(np.float32) / 100
    fraction = np.ones_like(fraction) if uniform else fraction
    zone = np.zeros(index.shape, dtype=np.int16)
    yields = spread(index, fraction, zone, np.array([value]))
    whole = quantise(yields, fraction=fraction, zones=zone)
    assert weighted_mean(whole * 0.001, fraction) == pytest.approx(value, rel=1e-6)


def test_a_yield_that_does_not_fit_is_refused() -> None:
    with refused(YieldTooLarge, match=r"65\.6 t/ha"):
        quantise(grid([65.6]), fraction=grid([1]), zones=zones([0]))
