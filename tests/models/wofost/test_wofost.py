"""WOFOST against the reference runs that pcse brings along."""

import logging
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.errors import ColumnMissing
from models.wofost import (
    Growing,
    LeafArea,
    SettingUnknown,
    SimulationFailed,
    UseStatus,
    WofostMissing,
    WofostWeatherInvalid,
    assimilate,
    county_weather,
    kalman,
    reference_maize,
    simulate,
)
from models.wofost.package import pcse_module
from models.wofost.run import Mode, _reference_cases
from tests.models.messages import refused

GRID, YEAR, MAIZE = 31031, 2000, 2

# pcse's own log calls are of a deprecated spelling.
pytestmark = pytest.mark.filterwarnings("ignore:The 'warn' method:DeprecationWarning")


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    try:
        pcse_module("pcse")
    except WofostMissing:
        pytest.skip("the extra wofost (pcse) is not installed")


def reference_weather() -> Any:
    with closing(_reference_cases()) as conn:
        return pcse_module("pcse.tests.db_input").GridWeatherDataProvider(
            conn, grid_no=GRID
        )


def reference_season() -> Growing:
    with closing(_reference_cases()) as conn:
        (campaign,) = pcse_module("pcse.tests.db_input").AgroManagementDataProvider(
            conn, GRID, MAIZE, YEAR
        )
    calendar = next(iter(campaign.values()))["CropCalendar"]
    return Growing(
        start=calendar["crop_start_date"],
        end=calendar["crop_end_date"] or date(YEAR, 12, 31),
        begins=calendar["crop_start_type"],
    )


def benchmark(mode: str) -> pd.DataFrame:
    with closing(_reference_cases()) as conn:
        rows = conn.execute(
            "SELECT day, LAI, TWSO FROM wofost_unittest_benchmarks WHERE crop_no=?"
            " AND grid_no=? AND simulation_mode=? AND member_id=0 ORDER BY day",
            (MAIZE, GRID, mode),
        ).fetchall()
    return pd.DataFrame(rows, columns=["day", "LAI", "TWSO"])


@pytest.mark.parametrize(
    ("mode", "name"), [("potential", "pp"), ("water_limited", "wlp")]
)
def test_grain_maize_is_the_reference_run_day_by_day(mode: Mode, name: str) -> None:
    run = simulate(
        reference_maize(), reference_weather(), reference_season(), mode=mode
    )
    expected = benchmark(name)
    daily = run.daily.assign(day=run.daily["day"].astype(str)).set_index("day")
    found = daily.loc[expected["day"]]
    np.testing.assert_allclose(found["LAI"], expected["LAI"], atol=0.005)
    np.testing.assert_allclose(found["TWSO"], expected["TWSO"], atol=0.05)
    assert run.storage == pytest.approx(expected["TWSO"].iloc[-1], abs=0.05)
    assert run.yield_t_ha() == pytest.approx(run.storage / 860)


def as_table() -> pd.DataFrame:
    """Lay the reference weather out as the weather of a county."""
    provider, rows = reference_weather(), []
    for offset in range(366):
        day = date(YEAR, 1, 1) + timedelta(offset)
        weather = provider(day)
        rows.append(
            {
                "day": day,
                "tmin": weather.TMIN,
                "tmax": weather.TMAX,
                "precipitation": weather.RAIN * 10,
                "radiation": weather.IRRAD / 1e6,
                "wind": weather.WIND,
                "humidity": 75.0,
            }
        )
    return pd.DataFrame(rows)


PLACE = {"lat": 37.4, "lon": -4.03, "elevation": 457.0}


def test_weather_of_a_county_gives_the_reference_yield() -> None:
    # Without water stress neither humidity nor wind counts.
    weather = county_weather(as_table(), **PLACE)
    assert weather.assumed == ()
    run = simulate(
        reference_maize(), weather.provider, reference_season(), mode="potential"
    )
    expected = benchmark("pp")["TWSO"].iloc[-1]
    assert run.storage == pytest.approx(expected, rel=0.01)


def test_what_the_weather_lacks_is_assumed_and_told() -> None:
    table = as_table().drop(columns="humidity").assign(wind=np.nan)
    assert county_weather(table, **PLACE).assumed == ("wind", "humidity")


def test_bad_weather_is_refused() -> None:
    table = as_table()
    with refused(WofostWeatherInvalid, match="not one a day without gap"):
        county_weather(table.drop(index=100), **PLACE)
    with refused(WofostWeatherInvalid, match="not one a day"):
        county_weather(table.iloc[:0], **PLACE)
    with refused(WofostWeatherInvalid, match="lacks a value"):
        county_weather(table.assign(radiation=np.nan), **PLACE)
    with refused(ColumnMissing, match="radiation"):
        county_weather(table.drop(columns="radiation"), **PLACE)
    with refused(WofostWeatherInvalid, match="2000-01-01"):
        county_weather(table.assign(radiation=500.0), **PLACE)


def test_a_season_beyond_the_weather_fails_with_a_reason() -> None:
    weather = county_weather(as_table().iloc[:150], **PLACE)
    with refused(SimulationFailed, match="WOFOST stopped"):
        simulate(
            reference_maize(), weather.provider, reference_season(), mode="potential"
        )


def test_unknown_settings_are_refused() -> None:
    season, weather = reference_season(), reference_weather()
    with refused(SettingUnknown, match="parameter 'TSUM9'"):
        simulate(reference_maize(TSUM9=1), weather, season, mode="potential")
    with refused(SettingUnknown, match="mode 'wet'"):
        simulate(reference_maize(), weather, season, mode="wet")  # type: ignore[arg-type]
    with refused(SettingUnknown, match="4 members"):
        assimilate(reference_maize(), weather, season, [], mode="potential", members=4)
    faulty = [LeafArea(day=season.start, value=np.nan, sd=0.1)]
    with refused(SettingUnknown, match="leaf area nan"):
        assimilate(reference_maize(), weather, season, faulty, mode="potential")


def test_the_filter_of_a_certain_and_of_a_worthless_observation() -> None:
    members = np.array([2.0, 3.0, 4.0])
    seen = np.array([5.0, 5.0, 5.0])
    np.testing.assert_allclose(kalman(members, seen, sd=1e-9), seen)
    np.testing.assert_allclose(kalman(members, seen, sd=1e9), members)
    # Variance 1 of the members, 1 of the observation: half way.
    np.testing.assert_allclose(kalman(members, seen, sd=1.0), [3.5, 4.0, 4.5])


def test_observed_leaf_area_moves_the_yield() -> None:
    season, weather = reference_season(), reference_weather()
    # Half the season is enough to see it, and quick.
    season = replace(season, end=season.start + timedelta(95))
    options: dict[str, Any] = {"mode": "potential", "members": 5, "seed": 3}
    free = assimilate(reference_maize(), weather, season, [], **options)
    thin = LeafArea(day=season.start + timedelta(45), value=0.3, sd=0.05)
    early = LeafArea(day=season.start - timedelta(5), value=1.0, sd=0.1)
    seen = assimilate(reference_maize(), weather, season, [thin, early], **options)
    assert seen.used == (UseStatus.OUTSIDE_SEASON, UseStatus.USED)
    assert seen.mean < 0.9 * free.mean
    assert free.sd > 0
    assert len(set(free.yields)) == 5


def test_importing_it_leaves_loggers_and_output_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logger = logging.getLogger("heitu.test")
    handlers = logging.getLogger().handlers[:]
    pcse_module("pcse.models")
    assert not logger.disabled
    assert logging.getLogger().handlers == handlers
    assert capsys.readouterr().out == ""


def test_without_the_package_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def absent(name: str, *_: object) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("importlib.import_module", absent)
    with refused(WofostMissing, match=r"heitu\[wofost\]") as error:
        pcse_module("pcse")
    assert isinstance(error.value, ImportError)
    assert isinstance(error.value.__cause__, ModuleNotFoundError)
