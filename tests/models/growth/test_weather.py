"""Signals of heat, cold, frost, drought and wetness, by hand and by other libraries."""

from collections.abc import Callable
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import fisk, norm

from models.errors import RowsDuplicated, ValueInvalid
from models.growth import (
    CALENDARS,
    Level,
    PlaceWeather,
    Signal,
    SignalStatus,
    calendar_of,
    hargreaves,
    place_weather,
    standardised_balance,
    temperature_signals,
    water_signals,
)
from models.growth.signals import compared, counted
from models.reasons import Reason
from tests.models.messages import refused

YEARS = range(2020, 2026)
DAY = date(2026, 7, 31)
A_SIGNAL = Signal(key="x", name=Reason("x", "某"), unit="1")


def weather(
    change: Callable[[pd.DataFrame], Any] | None = None, *, years: Any = YEARS
) -> PlaceWeather:
    """10 to 20 deg C and 2 mm every day, a little warmer and wetter year by year."""
    days = pd.date_range(f"{min(years)}-01-01", "2026-12-31")
    rows = pd.DataFrame({"day": days, "tmin": 10.0, "tmax": 20.0, "precipitation": 2.0})
    odd = days.year.isin([*years][::2])
    rows.loc[odd, "precipitation"] += 0.2
    rows.loc[odd, "tmax"] += 1.0
    if change is not None:
        change(rows)
    return place_weather(rows, latitude=43.3)


def on(rows: pd.DataFrame, first: str, last: str) -> Any:
    return rows["day"].between(first, last)


def signals(found: PlaceWeather, *, crop: str = "maize", day: date = DAY) -> Any:
    settings: dict[str, Any] = {"day": day, "past_years": [*YEARS], "min_years": 5}
    rows = [
        *temperature_signals(found, calendar=calendar_of(crop), **settings),
        *water_signals(found, **settings),
    ]
    return {row.key: row for row in rows}


def test_degree_days_are_summed_from_the_first_of_may() -> None:
    # 92 days of (10 + 20) / 2 - 10.
    signal = signals(weather())["gdd10"]
    assert signal.value == pytest.approx(92 * 5)
    assert signal.years == 6


def test_a_missing_day_leaves_no_sum_of_the_season() -> None:
    def lose(rows: pd.DataFrame) -> None:
        rows.loc[on(rows, "2026-06-10", "2026-06-10"), "tmax"] = np.nan

    signal = signals(weather(lose))["gdd10"]
    assert (signal.value, signal.level) == (None, None)
    assert signal.status is SignalStatus.MISSING


def test_a_row_that_is_absent_is_a_missing_day_too() -> None:
    whole = weather().daily.reset_index(names="day")
    gone = whole[whole["day"] != pd.Timestamp("2026-07-02")]
    found = signals(place_weather(gone, latitude=43.3))
    assert found["rain_season"].status is SignalStatus.MISSING


def test_two_past_years_make_no_normal() -> None:
    def lose(rows: pd.DataFrame) -> None:
        rows.loc[on(rows, "2020-01-01", "2023-12-31"), ["tmin", "tmax"]] = np.nan

    signal = signals(weather(lose))["gdd10"]
    assert (signal.status, signal.level) == (SignalStatus.NO_NORMAL, None)
    assert signal.reason is not None
    assert signal.reason.en == "2 of the 5 past years needed are known"


def test_a_cold_season_warns_of_too_few_degree_days() -> None:
    def cool(rows: pd.DataFrame) -> None:
        rows.loc[on(rows, "2026-05-01", "2026-07-31"), "tmax"] = 14.0

    assert signals(weather(cool))["gdd10"].level is Level.WARNING


def test_two_degree_days_of_heat_ask_for_nothing_though_no_year_had_them() -> None:
    def warm(rows: pd.DataFrame) -> None:
        rows.loc[on(rows, "2026-07-10", "2026-07-12"), "tmax"] = 33.0

    signal = signals(weather(warm))["edd30"]
    assert signal.normal == pytest.approx(0)
    assert signal.value == pytest.approx(2, abs=1.5)
    assert signal.level is Level.NONE


def test_heat_counts_only_in_the_stage_it_harms() -> None:
    def heat(rows: pd.DataFrame) -> None:
        rows.loc[on(rows, "2026-07-10", "2026-07-19"), "tmax"] = 35.0

    # Silking from 15 July: five of the ten days.
    signal = signals(weather(heat))["heat_tasselling_and_silking"]
    assert (signal.value, signal.level) == (5.0, Level.WARNING)


def test_one_frost_in_a_sensitive_stage_warns() -> None:
    def freeze(rows: pd.DataFrame) -> None:
        rows.loc[on(rows, "2026-06-02", "2026-06-02"), "tmin"] = -0.1

    signal = signals(weather(freeze))["frost_seedling"]
    assert (signal.value, signal.level) == (1.0, Level.WARNING)


def test_cool_days_at_heading_harm_rice() -> None:
    def cool(rows: pd.DataFrame) -> None:
        rows.loc[on(rows, "2026-04-01", "2026-07-31"), "tmax"] = 31.0
        rows.loc[on(rows, "2026-07-26", "2026-07-28"), "tmax"] = 29.0

    signal = signals(weather(cool), crop="rice")["cold_heading_and_flowering"]
    assert (signal.value, signal.level) == (3.0, Level.WATCH)


def test_last_frost_is_the_latest_cold_day_before_july() -> None:
    def freeze(rows: pd.DataFrame) -> None:
        for day in ("2026-04-02", "2026-05-09"):
            rows.loc[on(rows, day, day), "tmin"] = 0.0
        for year in YEARS:
            rows.loc[on(rows, f"{year}-04-20", f"{year}-04-20"), "tmin"] = -2.0

    signal = signals(weather(freeze))["last_frost"]
    # 9 May is day 129, 20 April day 110, counted as in a common year.
    assert signal.value == 129
    assert signal.normal == pytest.approx(110)
    assert signal.level is Level.WARNING


def test_a_frost_date_is_unsure_behind_a_missing_day() -> None:
    def freeze(rows: pd.DataFrame) -> None:
        rows.loc[on(rows, "2026-05-09", "2026-05-09"), "tmin"] = 0.0
        rows.loc[on(rows, "2026-05-20", "2026-05-20"), "tmin"] = np.nan

    assert signals(weather(freeze))["last_frost"].status is SignalStatus.MISSING


def test_rain_of_thirty_days_ends_with_the_day_asked() -> None:
    def storm(rows: pd.DataFrame) -> None:
        rows.loc[on(rows, "2026-07-01", "2026-07-01"), "precipitation"] = 100.0
        rows.loc[on(rows, "2026-07-02", "2026-07-02"), "precipitation"] = 60.0

    found = signals(weather(storm))
    assert found["rain_30"].value == pytest.approx(29 * 2.0 + 60)
    assert (found["heavy_rain"].value, found["heavy_rain"].level) == (1, Level.WATCH)


def test_dry_spell_is_the_longest_run_of_dry_days() -> None:
    def dry(rows: pd.DataFrame) -> None:
        rows.loc[on(rows, "2026-07-03", "2026-07-18"), "precipitation"] = 0.9
        rows.loc[on(rows, "2026-07-20", "2026-07-25"), "precipitation"] = 0.0

    signal = signals(weather(dry))["dry_spell"]
    assert (signal.value, signal.level) == (16.0, Level.WATCH)


def test_a_drought_has_a_spei_below_minus_one_and_says_the_record_is_short() -> None:
    numbers = np.random.default_rng(5)

    def dry(rows: pd.DataFrame) -> None:
        rows["precipitation"] = numbers.gamma(0.5, 6.0, len(rows))
        rows.loc[on(rows, "2026-05-01", "2026-07-31"), "precipitation"] = 0.0

    signal = signals(weather(dry))["spei_90"]
    assert signal.value is not None
    assert signal.value < -1.5
    assert (signal.level, signal.status) == (Level.WARNING, SignalStatus.SHORT)
    assert signal.reason is not None
    assert "fitted to 6 years, 30 are advised" in signal.reason.en


def test_spei_finds_the_deviate_of_a_known_log_logistic_climate() -> None:
    # Truth: shape 8, location -300 mm, scale 250 mm. The law of large numbers does
    # the rest; the fit has 4,000 balances.
    climate = fisk(8, loc=-300, scale=250)
    past = climate.rvs(4000, random_state=11)
    for balance in (-130.0, -50.0, 60.0):
        value, cut = standardised_balance(balance, past)
        assert value == pytest.approx(norm.ppf(climate.cdf(balance)), abs=0.1)
        assert not cut


def test_spei_beyond_what_the_past_can_tell_is_cut_and_says_so() -> None:
    past = np.random.default_rng(2).normal(0, 20, 200)
    value, cut = standardised_balance(-500.0, past)
    assert value == pytest.approx(-3.0, abs=0.01)
    assert cut


def test_spei_of_equal_years_is_not_a_number() -> None:
    assert np.isnan(standardised_balance(1.0, np.ones(50))[0])


def test_hargreaves_is_that_of_fao_56_example_20() -> None:
    # Lyon, 45 43 N, July: Tmax 26.6, Tmin 14.8 gives 5.0 mm a day (Allen et al. 1998,
    # FAO Irrigation and Drainage Paper 56, example 20).
    july = pd.DataFrame(
        {
            "day": pd.date_range("2025-07-15", periods=1),
            "tmin": 14.8,
            "tmax": 26.6,
            "precipitation": 0.0,
        }
    )
    found = hargreaves(place_weather(july, latitude=45 + 43 / 60))
    assert found.tolist() == pytest.approx([5.0], abs=0.05)


def test_hargreaves_without_temperature_is_nan() -> None:
    days = pd.date_range("2025-07-01", periods=2)
    rows = pd.DataFrame({"day": days, "precipitation": 1.0, "tmin": np.nan})
    found = hargreaves(place_weather(rows.assign(tmax=20.0), latitude=43))
    assert found.isna().all()


@pytest.mark.parametrize(
    ("change", "named"),
    [({"tmin": 21.0}, "2025-07-01: tmin 21"), ({"precipitation": -1.0}, "cannot be")],
)
def test_weather_that_cannot_be_is_refused(
    change: dict[str, float], named: str
) -> None:
    days = pd.date_range("2025-07-01", periods=2)
    rows = pd.DataFrame({"day": days, "tmin": 10.0, "tmax": 20.0, "precipitation": 0.0})
    with refused(ValueInvalid, match=named):
        place_weather(rows.assign(**change), latitude=43.0)


def test_a_day_told_twice_is_refused() -> None:
    days = pd.to_datetime(["2025-07-01", "2025-07-01"])
    rows = pd.DataFrame({"day": days, "tmin": 10.0, "tmax": 20.0, "precipitation": 0.0})
    with refused(RowsDuplicated, match="2025-07-01"):
        place_weather(rows, latitude=43.0)


def test_a_29th_of_february_is_compared_with_the_28th() -> None:
    found = place_weather(
        weather(years=range(2018, 2024)).daily.reset_index(names="day"), latitude=43
    )
    rows = water_signals(
        found, day=date(2024, 2, 29), past_years=[*range(2018, 2024)], min_years=5
    )
    assert rows[0].years == 6


def test_days_behind_the_normal_are_graded_by_standard_deviations() -> None:
    # Past 9, 10, 11, 10, 10: mean 10, standard deviation 0.7071.
    past = [9.0, 10.0, 11.0, 10.0, 10.0]
    for value, level in ((10.7, "none"), (10.8, "watch"), (11.1, "warning")):
        found = compared(A_SIGNAL, value, past, alarm="high", min_years=5)
        assert found.level == level
    below = compared(A_SIGNAL, 8.0, past, alarm="high", min_years=5)
    assert (below.level, below.departure) == (Level.NONE, -2.0)


def test_rounding_in_the_last_digit_is_no_departure() -> None:
    found = compared(A_SIGNAL, 0.3, [0.1 + 0.2] * 5, alarm="both", min_years=5)
    assert found.level is Level.NONE


def test_any_departure_from_years_that_never_differed_warns() -> None:
    found = compared(A_SIGNAL, 1.0, [0.0] * 5, alarm="high", min_years=5)
    assert found.level is Level.WARNING
    same = compared(A_SIGNAL, 0.0, [0.0] * 5, alarm="high", min_years=5)
    assert same.level is Level.NONE


def test_a_count_that_is_not_known_is_missing() -> None:
    found = counted(A_SIGNAL, float("nan"), cuts=(1, 2))
    assert found.status is SignalStatus.MISSING


@pytest.mark.parametrize("crop", CALENDARS)
def test_stages_of_a_crop_follow_one_another_without_a_gap(crop: str) -> None:
    windows = [stage.window(2025) for stage in CALENDARS[crop].stages]
    for (_, last), (first, _) in pairwise(windows):
        assert (first - last).days == 1


def test_no_calendar_claims_to_be_verified() -> None:
    assert not any(calendar.verified for calendar in CALENDARS.values())


def test_a_day_has_the_stage_it_is_in() -> None:
    stage = CALENDARS["maize"].stage_at(date(2026, 7, 25))
    assert stage is not None
    assert stage.name.zh == "抽雄吐丝期"
    assert CALENDARS["maize"].stage_at(date(2026, 1, 1)) is None
