from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from ingest.simulated import PROVINCE, CropUnknown, World, true_yield
from ingest.simulated.crops import all_phenology
from ingest.simulated.land_cover import CROPS, cover_of
from ingest.simulated.weather import Weather, make_weather
from ingest.simulated.yields import Yields, make_yields, water_balance
from raster.zonal import zone_index, zone_mean
from store.counties import County


@pytest.fixture(scope="module")
def province(jilin: Sequence[County]) -> tuple[Weather, Yields]:
    lon = np.array([county.geometry.centroid.x for county in jilin])
    lat = np.array([county.geometry.centroid.y for county in jilin])
    weather = make_weather(9, range(2005, 2027), lon, lat)
    codes = [county.code for county in jilin]
    phases = all_phenology(weather)
    return weather, make_yields(9, weather, phases, codes=codes, lat=lat)


def crop_area(jilin: Sequence[County], crop: str) -> np.ndarray:
    position = CROPS.index(crop)
    return np.array([c.area_km2 * cover_of(c.code).shares[position] for c in jilin])


@pytest.mark.parametrize(
    ("crop", "low", "high"),
    [("maize", 7.0, 7.7), ("rice", 7.8, 8.3), ("soybean", 1.9, 2.3)],
)
def test_the_province_yields_what_jilin_yields(
    province: tuple[Weather, Yields],
    jilin: Sequence[County],
    crop: str,
    low: float,
    high: float,
) -> None:
    value = province[1].value[crop].mean(axis=0)
    assert low < np.average(value, weights=crop_area(jilin, crop)) < high


def test_central_counties_reach_nine_to_ten(
    province: tuple[Weather, Yields], jilin: Sequence[County]
) -> None:
    codes = [county.code for county in jilin]
    for code in ("220322", "220184", "220182"):  # 梨树, 公主岭, 榆树
        mean = province[1].value["maize"][:, codes.index(code)].mean()
        assert 8.5 < mean < 10.0


@pytest.mark.parametrize("crop", CROPS)
def test_years_differ_by_about_a_tenth(
    province: tuple[Weather, Yields], crop: str
) -> None:
    value = province[1].value[crop]
    variation = value.std(axis=0) / value.mean(axis=0)
    assert 0.07 < np.median(variation) < 0.13


def test_technology_adds_a_percent_a_year(
    province: tuple[Weather, Yields],
) -> None:
    weather, yields = province
    noise_free = yields.value["maize"] / yields.vigour["maize"] ** (1 / 0.8)
    slope = np.polyfit(weather.years, np.log(noise_free).mean(axis=1), 1)[0]
    assert slope == pytest.approx(0.01, abs=0.002)


def test_drought_and_cold_cost_yield(province: tuple[Weather, Yields]) -> None:
    weather, yields = province
    change = np.diff(np.log(yields.vigour["maize"]), axis=0)
    stress = np.diff(water_balance(weather, np.full(60, 44.0))[0], axis=0)
    assert np.corrcoef(change.ravel(), stress.ravel())[0, 1] < -0.3
    cool = np.isin(weather.years, list(weather.cool))
    rice = yields.vigour["rice"]
    assert rice[cool].mean() < rice[~cool].mean() - 0.04


def test_the_canopy_tells_much_of_the_yield_but_not_all(
    province: tuple[Weather, Yields],
) -> None:
    weather, yields = province
    trend = 1.01 ** (weather.years - weather.years.mean())
    value = np.log(yields.value["maize"] / trend[:, None])
    vigour = np.log(yields.vigour["maize"])
    value, vigour = value - value.mean(axis=0), vigour - vigour.mean(axis=0)
    assert 0.8 < np.corrcoef(value.ravel(), vigour.ravel())[0, 1] < 0.99


def test_a_dry_bucket_is_stressed_and_a_full_one_overflows() -> None:
    def season(rain: float) -> tuple[float, float]:
        shape = (1, 366, 1)
        weather = Weather(
            np.array([2000]), np.full(shape, 15.0), np.full(shape, 27.0),
            np.full(shape, rain), np.full(shape, 20.0),
            frozenset(), frozenset(), frozenset(),
        )  # fmt: skip
        stress, excess = water_balance(weather, np.array([44.0]))
        return float(stress[0, 0]), float(excess[0, 0])

    assert season(0.0)[0] > 0.7
    assert season(0.0)[1] == 0.0
    assert season(20.0)[0] == 0.0
    # 62 days of 20 mm less an evaporation of 4-6 mm a day.
    assert 62 * 14 < season(20.0)[1] < 62 * 16


def test_county_truth_is_the_weighted_mean_of_the_pixels(
    world: World, neighbours: Sequence[County]
) -> None:
    truth = world.truth().set_index(["county", "crop", "year"])["yield_t_ha"]
    geobox = world.grids[PROVINCE]
    zones = zone_index(geobox, [county.geometry for county in neighbours])
    surface = world.surfaces[PROVINCE]
    for k, crop in enumerate(CROPS):
        share = surface.spread(surface.cover[k], outside=0).astype(float)
        pixels = true_yield(world, geobox, crop)
        means = zone_mean(pixels, share, zones, count=3).mean
        for county, mean in zip(neighbours, means, strict=True):
            assert mean == pytest.approx(truth[(county.code, crop, 2026)], rel=1e-4)


def test_true_yield_is_missing_outside_the_counties(world: World) -> None:
    pixels = true_yield(world, world.grids[PROVINCE], "maize")
    assert pixels.dtype == np.float32
    assert np.isnan(pixels).sum() == pixels.size - len(world.surfaces[PROVINCE].index)


def test_an_unknown_crop_is_refused(world: World) -> None:
    with pytest.raises(CropUnknown, match="wheat"):
        true_yield(world, world.grids[PROVINCE], "wheat")


def test_statistics_are_the_past_truth_with_a_small_error(world: World) -> None:
    rows = pd.DataFrame(
        [
            (s.county, s.crop, s.year, s.yield_t_ha, s.area_ha)
            for s in world.statistics()
        ],
        columns=["county", "crop", "year", "survey", "survey_ha"],
    )
    both = rows.merge(world.truth(), on=["county", "crop", "year"], validate="1:1")
    assert sorted(set(rows["year"])) == [2022, 2023, 2024, 2025]
    assert len(both) == len(rows) == 3 * 3 * 4
    error = both["survey"] / both["yield_t_ha"] - 1
    assert 0.008 < error.std() < 0.025
    assert (both["survey_ha"] / both["area_ha"] - 1).abs().max() < 0.05
    assert all(s.simulated and "simulated" in s.source for s in world.statistics())


def test_areas_agree_with_the_polygons(
    world: World, neighbours: Sequence[County]
) -> None:
    truth = world.truth()
    for county in neighbours:
        row = truth.query("county == @county.code and crop == 'maize' and year == 2026")
        share = row["area_ha"].item() / (county.area_km2 * 100)
        assert share == pytest.approx(cover_of(county.code).shares[0], abs=0.01)


def test_a_crop_that_is_nearly_absent_has_no_row(jilin: Sequence[County]) -> None:
    jiangyuan = [county for county in jilin if county.code == "220605"]
    crops = set(World(1, 2026, jiangyuan, history=1).truth()["crop"])
    assert crops == {"maize", "soybean"}
