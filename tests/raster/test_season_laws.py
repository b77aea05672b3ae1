"""What must hold for any season, whatever the scenes."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from raster.season import season
from tests.raster.scenes import grid, write_scene

WHERE = grid(6, 5)
SUMMER: dict[str, Any] = {"start": date(2026, 4, 1), "end": date(2026, 8, 31)}
DAYS = [f"2026-{month:02}-{day:02}" for month in (4, 5, 6, 7) for day in (2, 9, 22)]
PERCENT = st.integers(1, 60)


def noisy_scene(
    folder: Path, day: str, seed: int, *, clear: bool = True, item_id: str = ""
) -> pystac.Item:
    rng = np.random.default_rng(seed)
    classes = [4, 5, 6, 7, 9] if clear else [0, 1, 2, 3, 8, 9, 10, 11]
    return write_scene(
        folder,
        day,
        red=rng.integers(0, 3000, WHERE.shape),
        nir=rng.integers(0, 6000, WHERE.shape),
        scl=rng.choice(classes, WHERE.shape),
        geobox=WHERE,
        item_id=item_id,
    )


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> list[pystac.Item]:
    folder = tmp_path_factory.mktemp("laws")
    scenes = [noisy_scene(folder, day, seed) for seed, day in enumerate(DAYS)]
    again = noisy_scene(folder, DAYS[3], 99, item_id=f"S2_{DAYS[3]}_reprocessed")
    return [*scenes, again]


@pytest.fixture(scope="module")
def expected(items: list[pystac.Item]) -> xr.Dataset:
    return season(items, WHERE, **SUMMER).compute(scheduler="synchronous")


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(len(DAYS) + 1)))
def test_the_order_of_items_changes_nothing(
    items: list[pystac.Item], expected: xr.Dataset, order: list[int]
) -> None:
    result = season([items[i] for i in order], WHERE, **SUMMER)

    xr.testing.assert_identical(result.compute(scheduler="synchronous"), expected)


@settings(max_examples=10, deadline=None)
@given(day=st.dates(date(2026, 4, 1), date(2026, 8, 31)), seed=st.integers(0, 999))
def test_a_masked_observation_changes_nothing(
    items: list[pystac.Item],
    expected: xr.Dataset,
    tmp_path_factory: pytest.TempPathFactory,
    day: date,
    seed: int,
) -> None:
    cloudy = noisy_scene(
        tmp_path_factory.mktemp("cloudy"),
        # Another time of day: an item of the same second would be a reprocessing.
        f"{day}T02:40:00+00:00",
        seed,
        clear=False,
        item_id="S2_cloudy",
    )

    result = season([*items, cloudy], WHERE, **SUMMER)

    assert "S2_cloudy" in result.attrs.pop("lineage")
    same = expected.drop_attrs(deep=False).assign_attrs(result.attrs)
    xr.testing.assert_identical(result.compute(scheduler="synchronous"), same)


@settings(max_examples=5, deadline=None)
@given(red=PERCENT, nir=PERCENT)
def test_a_constant_field_has_a_constant_season(
    tmp_path_factory: pytest.TempPathFactory, red: int, nir: int
) -> None:
    folder = tmp_path_factory.mktemp("constant")
    scenes = [
        write_scene(folder, day, red=red * 100, nir=nir * 100) for day in DAYS[::3]
    ]

    result = season(scenes, grid(), **SUMMER).compute(scheduler="synchronous")

    smooth = result.ndvi_smooth.to_numpy()
    found = smooth[smooth != -32768]
    assert found.size > 0
    np.testing.assert_allclose(found, 10_000 * (nir - red) / (nir + red), atol=1)
