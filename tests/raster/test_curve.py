import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from raster.curve import PHENOLOGY, Curves, curves, integral_scale
from raster.phenology import season_dates
from raster.smooth import whittaker

NODATA = -32768
TIMES = np.arange(13, dtype=np.float32) * 10


def found(*values: float | None, **settings: object) -> Curves:
    """Curves of one pixel, its values joined by straight lines."""
    stored = [NODATA if v is None else round(v * 10_000) for v in values]
    composites = np.array(stored, np.int16)[:, None]
    weights = (composites != NODATA).astype(np.uint8)
    chosen = {"smoothing": 0, "threshold": 0.25} | settings
    return curves(
        composites,
        weights,
        TIMES[: len(values)],
        scale=1e-4,
        limits=(-1, 1),
        **chosen,  # type: ignore[arg-type]
    )


def told(result: Curves, season: int = 0) -> dict[str, int]:
    values = result.seasons[season, :, 0].tolist()
    return dict(zip(PHENOLOGY, values, strict=True))


def test_a_season_is_told_in_days_and_steps_of_the_scale() -> None:
    result = found(0.2, 0.2, 0.4, 0.8, 0.6, 0.4, 0.4)

    # Left level 0.35 on day 17.5, right level 0.5 on day 45; halves are rounded up.
    assert told(result) == {
        "sos": 18,
        "pos": 30,
        "eos": 45,
        "los": 27,
        "peak": 8000,
        "base": 3000,
        "amplitude": 5000,
        # Trapezoids 0.375 * 2.5 + 0.6 * 10 + 0.7 * 10 + 0.55 * 5 over the days.
        "integral": round(50 * (0.375 * 2.5 + 6 + 7 + 2.75)),
    }


def test_a_pixel_with_two_composites_has_nothing() -> None:
    result = found(0.2, None, 0.8, None, None)

    assert set(told(result).values()) == {NODATA}
    assert set(result.series.ravel().tolist()) == {NODATA}


def test_a_series_ends_with_its_observations() -> None:
    result = found(None, 0.2, None, 0.8, 0.4, None)

    assert result.series[:, 0].tolist() == [NODATA, 2000, 5000, 8000, 4000, NODATA]


TWO = (0.12, 0.3, 0.5, 0.7, 0.5, 0.3, 0.2, 0.4, 0.7, 0.9, 0.5, 0.3, 0.1)


def test_two_seasons_are_parted_at_their_valley() -> None:
    result = found(*TWO, seasons=2)

    first, second = told(result, 0), told(result, 1)
    # The valley, 0.2 on day 60, is the low of the first's right and second's left.
    assert (first["pos"], first["peak"], first["base"]) == (30, 7000, 1600)
    assert (second["pos"], second["peak"], second["base"]) == (90, 9000, 1500)
    # Levels 0.12 + 0.145, 0.2 + 0.125; 0.2 + 0.175, 0.1 + 0.2.
    assert (first["sos"], first["eos"]) == (8, 49)
    assert (second["sos"], second["eos"]) == (69, 110)


def test_the_greater_season_may_come_first() -> None:
    result = found(*TWO[::-1], seasons=2)

    assert (told(result, 0)["pos"], told(result, 1)["pos"]) == (30, 90)
    assert (told(result, 0)["peak"], told(result, 1)["peak"]) == (9000, 7000)


def test_a_ripple_is_no_second_season() -> None:
    result = found(0.1, 0.5, 0.9, 0.5, 0.3, 0.4, 0.3, 0.1, 0.1, seasons=2)

    assert told(result, 0) == told(found(0.1, 0.5, 0.9, 0.5, 0.3, 0.4, 0.3, 0.1, 0.1))
    assert set(told(result, 1).values()) == {NODATA}


def test_what_was_not_asked_is_not_computed() -> None:
    result = found(*TWO, wants_series=False, wants_seasons=False)

    assert result.series.size == 0
    assert result.seasons.size == 0


def random_composites(
    seed: int, pixels: int
) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    rng = np.random.default_rng(seed)
    values = rng.integers(-2000, 10_000, (13, pixels)).astype(np.int16)
    weights = rng.integers(0, 4, values.shape).astype(np.uint8)
    values[weights == 0] = NODATA
    return values, weights


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 300))
def test_curves_are_what_smoother_and_phenology_give(seed: int, pixels: int) -> None:
    composites, weights = random_composites(seed, pixels)

    result = curves(
        composites,
        weights,
        TIMES,
        scale=1e-4,
        limits=(-1, 1),
        smoothing=1.0,
        threshold=0.25,
    )

    floats = np.where(composites == NODATA, np.nan, composites * 1e-4)
    series = whittaker(floats.astype(np.float32), smoothing=1.0, weights=weights)
    series = series.clip(-1, 1)
    known = np.cumsum(weights, axis=0) * np.cumsum(weights[::-1], axis=0)[::-1] > 0
    series[~known | ((weights > 0).sum(axis=0) < 3)] = np.nan
    stored = np.where(np.isnan(series), NODATA, series * 1e4)
    np.testing.assert_allclose(result.series, stored, atol=0.51)
    dates = season_dates(series, TIMES, threshold=0.25)
    for name, scale in (
        ("sos", 1),
        ("pos", 1),
        ("eos", 1),
        ("peak", 1e4),
        ("base", 1e4),
    ):
        expected = getattr(dates, name) * scale
        ours = result.seasons[0, PHENOLOGY.index(name)]
        np.testing.assert_allclose(
            ours, np.where(np.isnan(expected), NODATA, expected), atol=0.51
        )


@pytest.mark.parametrize("pixels", [1, 127, 128, 129, 300])
def test_a_pixel_does_not_depend_on_its_neighbours(pixels: int) -> None:
    composites, weights = random_composites(7, 300)
    chosen = {
        "scale": 1e-4,
        "limits": (-1.0, 1.0),
        "smoothing": 1.0,
        "threshold": 0.25,
        "seasons": 2,
    }

    whole = curves(composites, weights, TIMES, **chosen)  # type: ignore[arg-type]
    part = curves(
        np.ascontiguousarray(composites[:, -pixels:]),
        np.ascontiguousarray(weights[:, -pixels:]),
        TIMES,
        **chosen,  # type: ignore[arg-type]
    )

    np.testing.assert_array_equal(whole.series[:, -pixels:], part.series)
    np.testing.assert_array_equal(whole.seasons[..., -pixels:], part.seasons)


@pytest.mark.parametrize(("highest", "scale"), [(1, 0.02), (3.2, 0.05), (30, 0.5)])
def test_an_integral_of_a_whole_year_is_held(highest: float, scale: float) -> None:
    assert integral_scale((-1, highest)) == scale
    assert highest * 366 / scale <= 32767
