import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from raster.composite import max_composite, median_composite, sorting_network

inf = np.inf
NODATA = -32768


def stack(*rows: list[float]) -> NDArray[np.float32]:
    """Observations of one index."""
    return np.array(rows, np.float32)[:, None]


def composite_of(
    observations: NDArray[np.float32], how: str = "median", *, index: int = 0
) -> tuple[list[int], list[int]]:
    pixels = observations.shape[2]
    values, counts = np.empty(pixels, np.int16), np.empty(pixels, np.uint8)
    if how == "median":
        network = sorting_network(len(observations))
        median_composite(observations, index, network, 1e4, values, counts)
    else:
        max_composite(observations, index, 1e4, values, counts)
    return values.tolist(), counts.tolist()


OBSERVATIONS = stack([0.9, inf, inf, 0.2], [0.1, 0.4, inf, 0.6], [0.5, 0.6, inf, inf])


def test_median_leaves_missing_observations_out() -> None:
    assert composite_of(OBSERVATIONS) == (
        [5000, 5000, NODATA, 4000],
        [3, 2, 0, 2],
    )


def test_maximum_leaves_missing_observations_out() -> None:
    assert composite_of(OBSERVATIONS, "max") == (
        [9000, 6000, NODATA, 6000],
        [3, 2, 0, 2],
    )


def test_each_index_has_its_own_observations() -> None:
    two = np.concatenate([stack([0.1], [0.3]), stack([inf], [0.7])], axis=1)

    assert composite_of(two, index=0) == ([2000], [2])
    assert composite_of(two, index=1) == ([7000], [1])


@pytest.mark.parametrize(
    ("value", "stored"),
    [(0.00005, 1), (0.00004, 0), (-0.25, -2500), (9.9, 32767), (-9.9, -32767)],
)
def test_a_composite_is_rounded_and_kept_off_nodata(value: float, stored: int) -> None:
    assert composite_of(stack([value]))[0] == [stored]


@pytest.mark.parametrize("size", range(1, 40))
def test_a_network_sorts_every_sequence_of_zeros_and_ones(size: int) -> None:
    # By the zero-one principle (Knuth, 5.3.4, theorem Z) it then sorts anything; the
    # sequences here are all with one change, and some random ones.
    rng = np.random.default_rng(size)
    steps = np.tril(np.ones((size, size)), -1)
    columns = np.hstack([steps, 1 - steps, rng.integers(0, 2, (size, 500))])

    for upper, lower in sorting_network(size):
        pair = np.sort(columns[[upper, lower]], axis=0)
        columns[upper], columns[lower] = pair

    assert (np.diff(columns, axis=0) >= 0).all()


# Exact in float32, so that the mean of the middle two cannot round differently.
quarters = st.integers(-4, 4).map(lambda n: n / 4) | st.just(inf)


@given(
    arrays(np.float32, st.tuples(st.integers(1, 9), st.just(5)), elements=quarters),
    st.integers(1, 60),
)
def test_median_and_maximum_equal_numpy(
    seen: NDArray[np.float32], repeats: int
) -> None:
    # Repeated, to cross the ends of strips.
    observations = np.tile(seen, (1, repeats))[:, None]
    known = np.where(np.isinf(seen), np.nan, seen)
    # numpy warns on columns without a value; a zero row keeps them out of its sight.
    empty = np.isnan(known).all(axis=0)
    filled = np.where(empty, np.float32(0), known)

    for how, oracle in (("median", np.nanmedian), ("max", np.nanmax)):
        expected = np.where(empty, NODATA, oracle(filled, axis=0) * 1e4)
        values, counts = composite_of(observations, how)
        assert values == np.tile(expected, repeats).tolist()
        assert counts == np.tile(np.isfinite(known).sum(axis=0), repeats).tolist()
