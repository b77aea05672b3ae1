from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.errors import ColumnMissing, RowsDuplicated, ShapeMismatch
from models.pixel_yield import (
    LIGHT_USE,
    CropUnknown,
    LightUse,
    SeriesInvalid,
    WeatherMissing,
    county_light,
    fapar,
    temperature_scalar,
    water_scalar,
)
from tests.models.messages import refused

NODATA = -32768
MAIZE = LIGHT_USE["maize"]
START, END = date(2025, 6, 1), date(2025, 6, 30)
DAYS = [date(2025, 6, 5), date(2025, 6, 15), date(2025, 6, 25)]


def weather(county: str = "220184", **columns: object) -> pd.DataFrame:
    days = [START + timedelta(n) for n in range(30)]
    best: dict[str, object] = {
        "county": county,
        "day": days,
        "tmin": 20.0,
        "tmax": 36.0,
        "radiation": 20.0,
    }
    return pd.DataFrame(best | columns)


def light(table: pd.DataFrame, **options: object) -> NDArray[np.float64]:
    asked: dict[str, object] = {
        "counties": ["220184"],
        "days": DAYS,
        "crop": "maize",
        "start": START,
        "end": END,
    }
    return county_light(table, **(asked | options))  # type: ignore[arg-type]


def series(*steps: int) -> NDArray[np.int16]:
    return np.array(steps, np.int16).reshape(-1, 1, 1)


def biomass_yield(light_sum: float) -> float:
    """3.8 g for 1 MJ, half of it grain, at 14 % moisture, in t/ha."""
    return light_sum * 3.8 * 0.5 / 100 / 0.86


def test_absorbed_share_of_myneni_and_williams() -> None:
    # 1.164 * 0.5 - 0.143 and 1.164 * 0.9 - 0.143.
    found = fapar([0.05, 0.5, 0.9, 1.0, np.nan])
    np.testing.assert_allclose(found[:4], [0, 0.439, 0.9046, 0.95])
    assert np.isnan(found[4])


@pytest.mark.parametrize(
    ("celsius", "scalar"),
    [(8.0, 0.0), (28.0, 1.0), (42.0, 0.0), (50.0, 0.0), (-5.0, 0.0), (18.0, 0.70588)],
)
def test_temperature_scalar_of_maize(celsius: float, scalar: float) -> None:
    # At 18: (10 * -24) / (10 * -24 - 100) = 240 / 340.
    assert temperature_scalar(celsius, MAIZE) == pytest.approx(scalar, abs=1e-5)


def test_water_scalar_of_casa() -> None:
    np.testing.assert_allclose(water_scalar([0, 0.5, 1.0, 1.4]), [0.5, 0.75, 1.0, 1.0])


def test_light_of_a_month_without_stress() -> None:
    # 30 days of 0.48 * 20 MJ at the best temperature.
    found = light(weather())
    assert found.shape == (1, 3)
    assert found.sum() == pytest.approx(288)
    # The first step has the days before it, and the ramps of 9 days to the next.
    assert found[0, 0] == pytest.approx(9.6 * (5 + 4.5))


def test_water_halves_what_drought_leaves() -> None:
    assert light(weather(water=0.0)).sum() == pytest.approx(144)


def test_the_least_scalar_counts_alone_when_asked() -> None:
    # At 18 degC 0.70588; with water 0.75 (ratio 0.5) the least is 0.70588.
    table = weather(tmin=10.0, tmax=26.0, water=0.5)
    assert light(table, combine="least").sum() == pytest.approx(288 * 240 / 340)
    assert light(table).sum() == pytest.approx(288 * 240 / 340 * 0.75)


def test_a_county_with_a_day_missing_has_no_light_and_no_yield() -> None:
    table = pd.concat([weather(), weather("220322").iloc[1:]])
    found = light(table, counties=["220184", "220322"])
    assert np.isnan(found[1]).any()
    model = LightUse(crop="maize", light=found)
    yields = model(
        {"ndvi_smooth": np.full((3, 1, 2), 8000, np.int16)}, np.array([[0, 1]], "i2")
    )
    assert np.isfinite(yields[0, 0])
    assert np.isnan(yields[0, 1])


def test_yield_of_a_constant_canopy_by_hand() -> None:
    model = LightUse(crop="maize", light=light(weather()))
    found = model({"ndvi_smooth": series(5000, 5000, 5000)}, np.zeros((1, 1), "i2"))
    assert found[0, 0] == pytest.approx(biomass_yield(0.439 * 288), rel=1e-6)


def test_the_sum_over_steps_is_the_sum_over_days() -> None:
    rng = np.random.default_rng(5)
    table = weather(radiation=rng.uniform(5, 30, 30), tmax=rng.uniform(15, 40, 30))
    ndvi = series(2000, 8800, 6000)
    model = LightUse(crop="maize", light=light(table))
    found = model({"ndvi_smooth": ndvi}, np.zeros((1, 1), "i2"))
    at = [(day - START).days for day in DAYS]
    daily = np.interp(np.arange(30), at, fapar(ndvi.ravel() / 1e4))
    warm = temperature_scalar((table["tmin"] + table["tmax"]) / 2, MAIZE)
    total = (daily * 0.48 * table["radiation"].to_numpy() * warm).sum()
    assert found[0, 0] == pytest.approx(biomass_yield(total), rel=1e-6)


def test_a_short_gap_is_filled_along_a_line() -> None:
    even = np.full((1, 11), 10.0)
    even[0, 5] = 1.0
    model = LightUse(crop="maize", light=even)
    whole = np.linspace(3000, 8000, 11).astype(np.int16)
    gap = whole.copy()
    gap[5] = NODATA
    zone = np.zeros((1, 1), np.int16)
    full = model({"ndvi_smooth": whole.reshape(-1, 1, 1)}, zone)
    filled = model({"ndvi_smooth": gap.reshape(-1, 1, 1)}, zone)
    assert filled[0, 0] == pytest.approx(full[0, 0], rel=1e-6)


def test_too_little_seen_gives_no_yield() -> None:
    model = LightUse(crop="maize", light=np.full((1, 3), 10.0))
    for steps in ((5000, NODATA, 5000), (NODATA, NODATA, NODATA)):
        found = model({"ndvi_smooth": series(*steps)}, np.zeros((1, 1), "i2"))
        assert np.isnan(found).all()


def test_a_pixel_outside_all_counties_has_no_yield() -> None:
    model = LightUse(crop="maize", light=np.ones((1, 3)))
    found = model({"ndvi_smooth": series(1, 2, 3)}, np.full((1, 1), -1, np.int16))
    assert np.isnan(found).all()


@given(seed=st.integers(0, 1000), more=st.integers(0, 3000))
def test_a_greener_series_never_yields_less(seed: int, more: int) -> None:
    rng = np.random.default_rng(seed)
    ndvi = rng.integers(-2000, 9000, (6, 3, 4)).astype(np.int16)
    model = LightUse(crop="rice", light=rng.uniform(0, 100, (2, 6)))
    zone = rng.integers(0, 2, (3, 4)).astype(np.int16)
    less = model({"ndvi_smooth": ndvi}, zone)
    greener = model({"ndvi_smooth": (ndvi + more).astype(np.int16)}, zone)
    assert (greener >= less).all()


def test_bad_input_is_refused() -> None:
    model = LightUse(crop="maize", light=np.ones((1, 3)))
    zone = np.zeros((1, 1), np.int16)
    with refused(SeriesInvalid, match="NDVI is float64"):
        model({"ndvi_smooth": np.ones((3, 1, 1))}, zone)
    with refused(ShapeMismatch, match="light of 3 steps"):
        model({"ndvi_smooth": series(1, 2)}, zone)
    with refused(ShapeMismatch, match="zone 1 has no weather"):
        model({"ndvi_smooth": series(1, 2, 3)}, zone + np.int16(1))
    with refused(CropUnknown, match="'cotton'"):
        light(weather(), crop="cotton")
    with refused(WeatherMissing, match="no county has weather for every day"):
        light(weather().iloc[:-1])
    with refused(WeatherMissing, match="no county has weather"):
        light(weather(radiation=np.nan))
    with refused(SeriesInvalid, match="increasing days"):
        light(weather(), days=DAYS[::-1])
    with refused(ColumnMissing, match="radiation"):
        light(weather().drop(columns="radiation"))
    with refused(RowsDuplicated, match="more than one row"):
        light(pd.concat([weather(), weather()]))
