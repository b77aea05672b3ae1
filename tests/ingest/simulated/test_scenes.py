from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta

import numpy as np
import pytest

from ingest.simulated import (
    HISTORY,
    PROVINCE,
    WINDOW,
    Rendered,
    ScenePlan,
    World,
    crop_fractions,
    render,
    scene_plans,
)
from ingest.simulated.clouds import sun_position
from store.counties import County

CLEAR = (4, 5, 6)
BANDS = ("B02", "B03", "B04", "B05", "B08", "B11", "B12", "SCL")


@pytest.fixture(scope="module")
def window_scenes(world: World) -> list[tuple[ScenePlan, Rendered]]:
    plans = [plan for plan in scene_plans(world) if plan.collection == WINDOW]
    return [(plan, render(world, plan)) for plan in plans]


def reflectance(scene: Rendered, band: str) -> np.ndarray:
    data = scene.bands[band]
    assert data.scale is not None
    assert data.offset is not None
    return data.array * data.scale + data.offset


def ndvi(scene: Rendered) -> np.ndarray:
    red, nir = reflectance(scene, "B04"), reflectance(scene, "B08")
    return np.asarray((nir - red) / (nir + red))


def scl(scene: Rendered) -> np.ndarray:
    """Scene classes on the grid of B04."""
    classes = scene.bands["SCL"].array
    factor = scene.bands["B04"].array.shape[0] // classes.shape[0]
    return classes.repeat(factor, axis=0).repeat(factor, axis=1)


def curve(
    world: World, scenes: list[tuple[ScenePlan, Rendered]], crop: int
) -> list[tuple[int, float]]:
    """Day of the year and median NDVI of a crop's clear window pixels."""
    grown = crop_fractions(world, world.grids[WINDOW])[crop] == 100
    points = []
    for plan, scene in scenes:
        clear = grown & np.isin(scl(scene), CLEAR)
        if clear.sum() > 300:
            day = plan.acquired.timetuple().tm_yday
            points.append((day, float(np.median(ndvi(scene)[clear]))))
    return points


def test_plans_cover_the_season_of_each_collection(world: World) -> None:
    plans = scene_plans(world)
    assert len({plan.item_id for plan in plans}) == len(plans)
    for collection, years in ((WINDOW, [2026]), (PROVINCE, [2026])):
        found = [plan for plan in plans if plan.collection == collection]
        assert sorted({plan.acquired.year for plan in found}) == years
        assert len({plan.acquired.date() for plan in found}) >= 18
        assert found[0].bands == BANDS
    for year in range(2022, 2026):
        found = [
            p for p in plans if p.collection == HISTORY and p.acquired.year == year
        ]
        assert len({plan.acquired.date() for plan in found}) >= 18
        assert found[0].bands == ("B04", "B08", "SCL")


def test_dates_lie_on_a_five_day_lattice_from_april_to_october(world: World) -> None:
    for collection in (WINDOW, PROVINCE):
        times = [p.acquired for p in scene_plans(world) if p.collection == collection]
        steps = np.diff([time.date().toordinal() for time in times])
        assert times == sorted(times)
        assert all(time.tzinfo is UTC and time.hour == 2 for time in times)
        assert times[0].month >= 4
        assert times[-1].month <= 10
        assert set(steps % 5) == {0}
        assert timedelta(days=int(steps.max())) <= timedelta(days=20)


def test_bands_are_numbers_with_an_offset(world: World) -> None:
    plan = next(plan for plan in scene_plans(world) if plan.collection == PROVINCE)
    scene = render(world, plan)
    assert tuple(scene.bands) == BANDS
    outside = crop_fractions(world, plan.geobox)[0] == 255
    for name, data in scene.bands.items():
        assert data.nodata == 0
        assert data.geobox == plan.geobox
        np.testing.assert_array_equal(data.array == 0, outside)
        if name == "SCL":
            assert data.array.dtype == np.uint8
            assert (data.scale, data.offset) == (None, None)
        else:
            assert data.array.dtype == np.uint16
            assert (data.scale, data.offset) == (1e-4, -0.1)


def test_the_window_has_coarse_bands_at_20_m(
    window_scenes: list[tuple[ScenePlan, Rendered]],
) -> None:
    bands = window_scenes[0][1].bands
    for name in BANDS:
        coarse = name in ("B05", "B11", "B12", "SCL")
        assert bands[name].array.shape == ((768, 768) if coarse else (1536, 1536))
        assert bands[name].geobox.resolution.x == (20.0 if coarse else 10.0)
    assert all(band.array.min() > 0 for band in bands.values())


def test_maize_has_its_season(
    world: World, window_scenes: list[tuple[ScenePlan, Rendered]]
) -> None:
    points = curve(world, window_scenes, 0)
    assert all(0.12 < value < 0.25 for day, value in points if day < 135)
    assert 0.82 < max(value for _, value in points) < 0.92
    high = [day for day, value in points if value > 0.8]
    assert 182 <= high[0] <= 205  # the canopy closes in July
    assert 228 <= high[-1] <= 255  # and turns from late August
    assert all(value < 0.4 for day, value in points if day > 283)


def test_paddies_are_under_water_when_transplanted(
    world: World, window_scenes: list[tuple[ScenePlan, Rendered]]
) -> None:
    rice = dict(curve(world, window_scenes, 1))
    june = [value for day, value in rice.items() if 143 <= day <= 160]
    assert june
    assert max(june) < 0.15
    assert 0.75 < max(rice.values()) < 0.9


def test_soybean_ripens_before_maize(
    world: World, window_scenes: list[tuple[ScenePlan, Rendered]]
) -> None:
    maize, soybean = (dict(curve(world, window_scenes, k)) for k in (0, 2))
    late = [day for day in maize if 262 <= day <= 278 and day in soybean]
    assert late
    assert all(soybean[day] < maize[day] for day in late)


def test_clear_pixels_of_a_crop_differ_by_noise_and_vigour_only(
    world: World, window_scenes: list[tuple[ScenePlan, Rendered]]
) -> None:
    maize = crop_fractions(world, world.grids[WINDOW])[0] == 100
    for plan, scene in window_scenes:
        if 205 <= plan.acquired.timetuple().tm_yday <= 235:
            values = ndvi(scene)[maize & np.isin(scl(scene), CLEAR)]
            assert values.std() < 0.045
            assert np.percentile(values, 0.5) > 0.6


def test_clouds_are_bright_and_shadows_dark(
    window_scenes: list[tuple[ScenePlan, Rendered]],
) -> None:
    for _, scene in window_scenes:
        classes, blue = scl(scene)[::2, ::2], reflectance(scene, "B02")[::2, ::2]
        nir, water = reflectance(scene, "B08")[::2, ::2], 6
        clear = np.isin(classes, CLEAR) & (classes != water)
        if (classes == 9).sum() > 1000 and clear.sum() > 1000:
            assert blue[classes == 9].min() > 0.3
            assert blue[clear].max() < 0.2
        if (classes == 3).sum() > 1000 and clear.sum() > 1000:
            assert np.median(nir[classes == 3]) < 0.8 * np.median(nir[clear])


def test_cloud_cover_varies_and_is_the_counted_one(
    window_scenes: list[tuple[ScenePlan, Rendered]],
) -> None:
    covers = []
    for _, scene in window_scenes:
        counted = 100 * np.isin(scene.bands["SCL"].array, (8, 9, 10)).mean()
        # The property counts 10 m pixels, SCL is every other one.
        assert scene.properties["eo:cloud_cover"] == pytest.approx(counted, abs=0.5)
        covers.append(counted)
    assert 3 < min(covers) < 15
    assert 40 < max(covers) < 85


def test_the_sun_stands_in_the_south_east_at_the_overpass() -> None:
    zenith, azimuth = sun_position(172)  # 21 June, 10:36 solar time, 43.6 N
    # By hand, declination 23.44, hour angle -21: sin(elevation) = 0.8946,
    # cos(azimuth) = (0.3978 - 0.8946 * 0.6896) / (0.4469 * 0.7242) = -0.677.
    assert 90 - zenith == pytest.approx(63.5, abs=0.3)
    assert azimuth == pytest.approx(132.6, abs=0.5)


def test_every_scene_says_that_it_is_simulated(
    window_scenes: list[tuple[ScenePlan, Rendered]],
) -> None:
    for plan, scene in window_scenes:
        assert plan.collection.startswith("sim-")
        assert plan.item_id.startswith("sim-")
        assert scene.properties["heitu:simulated"] is True
        assert scene.properties["s2:processing_baseline"] == "05.11"
        assert scene.properties["platform"].endswith("simulated")


def test_both_grids_see_the_same_ndvi(world: World) -> None:
    season = [p for p in scene_plans(world) if p.collection == PROVINCE]
    fine = min(season[8:16], key=lambda p: cloud_cover(render(world, p)))
    bands = ("B04", "B08", "SCL")
    skies = [
        ScenePlan(HISTORY, f"sky {i}", fine.acquired, world.grids[HISTORY], bands)
        for i in range(12)
    ]
    coarse = min(skies, key=lambda p: cloud_cover(render(world, p)))
    means = [county_ndvi(world, plan) for plan in (fine, coarse)]
    np.testing.assert_allclose(means[0], means[1], atol=0.02)


def cloud_cover(scene: Rendered) -> float:
    return float(scene.properties["eo:cloud_cover"])


def county_ndvi(world: World, plan: ScenePlan) -> np.ndarray:
    scene, surface = render(world, plan), world.surfaces[plan.collection]
    clear = np.isin(scene.bands["SCL"].array, CLEAR).reshape(-1)[surface.index]
    values = ndvi(scene).reshape(-1)[surface.index]
    sums = np.bincount(surface.county[clear], values[clear], minlength=3)
    return np.asarray(sums / np.bincount(surface.county[clear], minlength=3))


def test_a_seed_is_a_picture(world: World, neighbours: Sequence[County]) -> None:
    def picture(seed: int) -> np.ndarray:
        other = World(seed, 2026, neighbours, history=4)
        plan = next(p for p in scene_plans(other) if p.collection == HISTORY)
        return render(other, plan).bands["B08"].array

    plan = next(plan for plan in scene_plans(world) if plan.collection == HISTORY)
    mine = render(world, plan).bands["B08"].array
    np.testing.assert_array_equal(picture(11), mine)
    assert not np.array_equal(picture(12), mine)


def test_threads_render_what_one_renders(
    world: World, window_scenes: list[tuple[ScenePlan, Rendered]]
) -> None:
    some = window_scenes[:4]
    with ThreadPoolExecutor(2) as pool:
        scenes = list(pool.map(lambda pair: render(world, pair[0]), some))
    for (_, alone), threaded in zip(some, scenes, strict=True):
        for name, band in alone.bands.items():
            np.testing.assert_array_equal(band.array, threaded.bands[name].array)
