from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from ingest.simulated import (
    HISTORY,
    PROVINCE,
    CountyNotDescribed,
    GridNotCovered,
    World,
    crop_fractions,
)
from ingest.simulated.land_cover import COVERS, TABLE, cover_of
from ingest.simulated.landscape import (
    Surface,
    make_landscape,
    province_geobox,
    sample,
)
from raster.grid import ALBERS_CHINA, geobox_for
from store.counties import County


@pytest.fixture(scope="module")
def province(jilin: Sequence[County]) -> Surface:
    land = make_landscape(3, jilin)
    return sample(land, province_geobox(jilin, 1000.0), jilin)


def county_means(surface: Surface, count: int) -> np.ndarray:
    pixels = np.bincount(surface.county, minlength=count)
    sums = [np.bincount(surface.county, row, minlength=count) for row in surface.cover]
    return np.stack(sums, axis=1) / pixels[:, None]


def test_every_county_of_jilin_is_described(jilin: Sequence[County]) -> None:
    assert sorted(TABLE) == [county.code for county in jilin]


def test_shares_of_the_table_add_up() -> None:
    for code in TABLE:
        assert sum(TABLE[code][: len(COVERS)]) == pytest.approx(100, abs=0.2)


def test_the_province_grows_what_jilin_grows(province: Surface) -> None:
    hectares = dict(zip(COVERS, province.cover.sum(axis=1) * 100.0, strict=True))
    assert hectares["maize"] == pytest.approx(4.4e6, rel=0.05)
    assert hectares["rice"] == pytest.approx(0.83e6, rel=0.08)
    assert hectares["soybean"] == pytest.approx(0.33e6, rel=0.15)
    assert sum(hectares.values()) == pytest.approx(19.1e6, rel=0.002)


def test_shares_of_a_pixel_add_up_to_one(province: Surface) -> None:
    np.testing.assert_allclose(province.cover.sum(axis=0), 1.0, atol=1e-4)
    assert province.cover.min() >= 0.0


def test_county_means_follow_the_table(
    province: Surface, jilin: Sequence[County]
) -> None:
    wanted = np.array([cover_of(county.code).shares for county in jilin])
    error = np.abs(county_means(province, len(jilin)) - wanted)
    large = np.array([county.area_km2 > 1000 for county in jilin])
    assert error[large].max() < 0.01
    assert error.max() < 0.06


def test_two_grids_see_one_landscape(world: World) -> None:
    fine = county_means(world.surfaces[PROVINCE], 3)
    coarse = county_means(world.surfaces[HISTORY], 3)
    np.testing.assert_allclose(fine, coarse, atol=0.006)


def test_fractions_are_smooth_over_five_kilometres(province: Surface) -> None:
    maize = province.spread(province.cover[0], outside=np.nan).astype(float)
    step = maize[:, 1:] - maize[:, :-1]
    far = maize[:, 20:] - maize[:, :-20]
    assert np.nanstd(step) < 0.3 * np.nanstd(far)


def test_fractions_are_percent_with_255_outside(world: World) -> None:
    fractions = crop_fractions(world, world.grids[PROVINCE])
    outside = (fractions == 255).all(axis=0)
    assert fractions.dtype == np.uint8
    assert 0 < outside.mean() < 0.8
    assert fractions[:, ~outside].sum(axis=0).max() <= 102
    np.testing.assert_array_equal(fractions[0] == 255, outside)


def test_any_other_grid_is_sampled(world: World) -> None:
    geobox = geobox_for((124.2, 43.3, 124.3, 43.4), crs="EPSG:32651", resolution=500.0)
    fractions = crop_fractions(world, geobox)
    assert fractions.shape == (3, *geobox.shape)
    assert 30 < fractions[0].mean() < 90


def test_a_grid_elsewhere_is_refused(world: World) -> None:
    geobox = geobox_for((110.0, 30.0, 110.1, 30.1), crs=ALBERS_CHINA, resolution=1000.0)
    with pytest.raises(GridNotCovered, match="touches no county"):
        crop_fractions(world, geobox)


def test_an_unknown_county_is_refused(neighbours: Sequence[County]) -> None:
    foreign = replace(neighbours[0], code="110101")
    with pytest.raises(CountyNotDescribed, match="110101") as caught:
        World(1, 2026, [foreign], history=2)
    assert caught.value.code == "110101"
