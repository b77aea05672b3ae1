from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.weather.era5_land import Era5Land, daily_amount
from ingest.weather.errors import GridUnusable, NotAccumulated, WeatherUnreadable
from tests.ingest.weather.builders import LAT, hours, new_store_file, old_store_file
from tests.ingest.wording import english

ALL = (123.0, 42.0, 126.0, 45.0)
MAY_1 = date(2026, 5, 1)

# Two UTC days and an hour; the local 1 May is from 16 to 40 of these.
MOMENTS = hours(datetime(2026, 4, 30, tzinfo=UTC), 49)

# 1 mm and 0.4 MJ/m2 an hour on 30 April UTC, half as much on 1 May; the total of a day
# stands at 00 UTC of the next.
STEPS = [24.0 if hour % 24 == 0 else float(hour % 24) for hour in range(49)]
RATES = [1.0 if hour <= 24 else 0.5 for hour in range(49)]
SUMS = np.multiply(STEPS, RATES)

# An hour before the local day and one after it are colder and warmer than any in it.
AIR = np.full(49, 283.15)
AIR[[15, 40]] = 250.0, 320.0
AIR[[16, 39]] = 275.15, 295.15

CUBE = {
    "t2m": AIR,
    "d2m": 273.15 + 10.0,
    "tp": SUMS / 1000,
    "ssrd": SUMS * 0.4e6,
    "u10": 3.0,
    "v10": -4.0,
}
EXPECTED = {
    "tmin": 2.0,
    "tmax": 22.0,
    "precipitation": 8 * 1.0 + 16 * 0.5,
    "radiation": 0.4 * (8 * 1.0 + 16 * 0.5),
    # 5 m/s at 10 m; FAO-56 table 2.9 (annex 2): times 0.748.
    "wind": 5.0 * 0.748,
    # FAO-56 table 2.3 (annex 2): 1.228 kPa at 10 degC.
    "vapour": 1.228,
}

Writer = Callable[..., Path]


def means(read: Era5Land, day: date = MAY_1) -> dict[str, float]:
    layers = read.layers(day, ALL)
    return {name: float(layer.values.mean()) for name, layer in layers.items()}


@pytest.mark.parametrize("write", [new_store_file, old_store_file])
def test_a_local_day(tmp_path: Path, write: Writer) -> None:
    read = Era5Land([write(tmp_path / "a.nc", CUBE, moments=MOMENTS)])
    assert read.faults == []
    assert read.days() == [MAY_1]
    assert read.cut_days() == [date(2026, 4, 30), date(2026, 5, 2)]
    assert means(read) == pytest.approx(EXPECTED, abs=2e-3)


def test_classic_netcdf(tmp_path: Path) -> None:
    path = old_store_file(
        tmp_path / "a.nc", CUBE, moments=MOMENTS, form="NETCDF3_CLASSIC"
    )
    assert means(Era5Land([path])) == pytest.approx(EXPECTED, abs=2e-3)


def test_final_and_preliminary_values_are_joined(tmp_path: Path) -> None:
    path = old_store_file(tmp_path / "a.nc", CUBE, moments=MOMENTS, preliminary_from=30)
    assert means(Era5Land([path])) == pytest.approx(EXPECTED, abs=2e-3)


def test_a_day_over_two_files_and_variables_apart(tmp_path: Path) -> None:
    instant = {name: CUBE[name] for name in ("t2m", "d2m", "u10", "v10")}
    sums = {name: CUBE[name] for name in ("tp", "ssrd")}
    files = []
    for cube, name in ((instant, "instant"), (sums, "accum")):
        for part in (slice(0, 24), slice(24, 49)):
            some = {
                k: v[part] if isinstance(v, np.ndarray) else v for k, v in cube.items()
            }
            path = tmp_path / f"{name}{part.start}.nc"
            files.append(new_store_file(path, some, moments=MOMENTS[part]))
    assert means(Era5Land(files)) == pytest.approx(EXPECTED, abs=2e-3)


def test_three_hours_are_not_a_day(tmp_path: Path) -> None:
    moments = [MOMENTS[i] for i in (16, 24, 40)]
    cube = {"tp": SUMS[[16, 24, 40]] / 1000}
    read = Era5Land([new_store_file(tmp_path / "a.nc", cube, moments=moments)])
    assert read.days() == []


def test_a_missing_hour_takes_its_variable_away(tmp_path: Path) -> None:
    kept = [i for i in range(49) if i != 30]
    gappy = new_store_file(
        tmp_path / "a.nc", {"t2m": AIR[kept]}, moments=[MOMENTS[i] for i in kept]
    )
    whole = new_store_file(tmp_path / "b.nc", {"tp": SUMS / 1000}, moments=MOMENTS)
    assert set(means(Era5Land([gappy, whole]))) == {"precipitation"}


def test_a_cell_that_misses_an_hour_is_missing(tmp_path: Path) -> None:
    air: Any = np.broadcast_to(AIR[:, None, None], (49, 3, 4)).copy()
    air[20, 1, 1] = np.nan
    path = new_store_file(tmp_path / "a.nc", {"t2m": air}, moments=MOMENTS)
    values = Era5Land([path]).layers(MAY_1, ALL)["tmin"].values
    assert np.argwhere(np.isnan(values)).tolist() == [[1, 1]]


def test_hourly_amounts_of_era5_are_no_sums(tmp_path: Path) -> None:
    # The sun rises and sets: an hour's amount falls where a sum would not.
    amounts = np.maximum(0, np.sin(np.arange(49) * np.pi / 12)) * 2e6
    path = new_store_file(tmp_path / "a.nc", {"ssrd": amounts}, moments=MOMENTS)
    read = Era5Land([path])
    assert read.layers(MAY_1, ALL) == {}
    (fault,) = read.faults
    assert isinstance(fault, NotAccumulated)
    assert "a.nc: radiation falls by 0.518 within an hour" in english(str(fault))


def test_light_rain_of_era5_is_not_stored_as_none(tmp_path: Path) -> None:
    # 0.05 mm in each of three hours of 1 May; a sum would not fall to 0 again.
    amounts = np.zeros(49)
    amounts[18:21] = 0.05e-3
    path = new_store_file(tmp_path / "a.nc", {"tp": amounts}, moments=MOMENTS)
    read = Era5Land([path])
    assert read.layers(MAY_1, ALL) == {}
    (fault,) = read.faults
    assert isinstance(fault, NotAccumulated)


def test_one_fall_takes_all_days_of_the_file(tmp_path: Path) -> None:
    # It rains on 5 May alone: the dry days before it are of the same doubtful file.
    moments = hours(datetime(2026, 4, 30, tzinfo=UTC), 6 * 24)
    amounts = np.zeros(len(moments))
    amounts[5 * 24 + 3] = 1e-3
    air = {"t2m": 280.0, "tp": amounts}
    read = Era5Land([new_store_file(tmp_path / "a.nc", air, moments=moments)])
    days = [date(2026, 5, day) for day in (1, 2, 3, 4)]
    assert [set(read.layers(day, ALL)) for day in days] == [{"tmin", "tmax"}] * 4
    assert len(read.faults) == 1


def test_a_fall_is_seen_where_two_parts_of_a_long_file_meet(tmp_path: Path) -> None:
    moments = hours(datetime(2026, 4, 30, 16, tzinfo=UTC), 40 * 24)
    amounts = np.zeros(len(moments))
    amounts[31 * 24 - 1] = 1e-3
    path = new_store_file(tmp_path / "a.nc", {"tp": amounts}, moments=moments)
    assert Era5Land([path]).layers(MAY_1, ALL) == {}


def test_coarse_packing_lets_a_sum_fall_by_a_step(tmp_path: Path) -> None:
    # 2 m in one hour of 30 April make the steps of the packing 0.03 mm.
    sums = np.zeros(49)
    sums[5:25], sums[25:] = 2.0, 1e-3
    path = old_store_file(tmp_path / "a.nc", {"tp": sums}, moments=MOMENTS)
    with netCDF4.Dataset(path, "a") as nc:
        nc.set_auto_mask(False)
        nc["tp"].set_auto_scale(False)
        nc["tp"][30] = nc["tp"][30] - 1
    read = Era5Land([path])
    assert "precipitation" in read.layers(MAY_1, ALL)
    assert read.faults == []


def test_cells_of_era5_are_not_those_of_era5_land(tmp_path: Path) -> None:
    lat = (43.5, 43.25, 43.0)
    path = new_store_file(tmp_path / "a.nc", {"t2m": AIR}, moments=MOMENTS, lat=lat)
    read = Era5Land([path])
    assert read.days() == []
    (fault,) = read.faults
    assert isinstance(fault, GridUnusable)
    assert "cells of 0.1 x 0.25 degree, not of 0.1" in english(str(fault))


def test_sums_that_do_not_go_on_in_the_next_file(tmp_path: Path) -> None:
    sums = np.where(np.arange(49) < 24, SUMS / 1000, 0.0)
    files = [
        new_store_file(
            tmp_path / f"{part.start}.nc", {"tp": sums[part]}, moments=MOMENTS[part]
        )
        for part in (slice(0, 24), slice(24, 49))
    ]
    read = Era5Land(files)
    assert read.layers(MAY_1, ALL) == {}
    assert "precipitation of 2026-05-01 falls by" in english(str(read.faults[0]))


def test_files_of_two_regions_do_not_make_a_day(tmp_path: Path) -> None:
    north = new_store_file(
        tmp_path / "a.nc", {"t2m": AIR[:24]}, moments=MOMENTS[:24], lat=LAT
    )
    south = new_store_file(
        tmp_path / "b.nc",
        {"t2m": AIR[24:]},
        moments=MOMENTS[24:],
        lat=[lat - 0.1 for lat in LAT],
    )
    read = Era5Land([north, south])
    assert read.layers(MAY_1, ALL) == {}
    (fault,) = read.faults
    assert isinstance(fault, GridUnusable)
    english(str(fault))


@pytest.mark.parametrize("cut", [1, 60, 2000])
def test_the_missing_end_of_a_classic_file_is_not_read_as_zero(
    tmp_path: Path, cut: int
) -> None:
    path = old_store_file(tmp_path / "a.nc", CUBE, moments=MOMENTS)
    path.write_bytes(path.read_bytes()[:-cut])
    read = Era5Land([path])
    assert read.days() == []
    (fault,) = read.faults
    assert isinstance(fault, WeatherUnreadable)
    assert "cut off" in english(str(fault))


def test_members_of_an_ensemble_are_not_mixed(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    new_store_file(path, {"t2m": 280.0}, moments=MOMENTS)
    with netCDF4.Dataset(path, "a") as nc:
        nc.createDimension("member", 2)
        shape = ("member", "valid_time", "latitude", "longitude")
        nc.createVariable("d2m", "f4", shape)[:] = 280.0
        nc["d2m"].units = "K"
    read = Era5Land([path])
    assert "vapour" not in read.layers(MAY_1, ALL)
    (fault,) = read.faults
    assert "2 values of 'member'" in english(str(fault))


@given(st.lists(st.floats(0, 5, width=32), min_size=48, max_size=48))
def test_amounts_add_up_whatever_the_hours(amounts: list[float]) -> None:
    # The sums as the archive keeps them, from amounts that end at 01 to 24 UTC twice.
    sums = np.concatenate([np.cumsum(amounts[:24]), np.cumsum(amounts[24:])])
    # Hours 16 to 40 of them; the sum at hour h stands at position h - 1.
    cube = sums[15:40].reshape(25, 1, 1)
    total = daily_amount(cube, [(16 + i) % 24 for i in range(25)], slack=1e-9)
    assert total[0, 0] == pytest.approx(sum(amounts[16:40]), abs=1e-9)


def test_rounding_does_not_make_negative_rain() -> None:
    sums = np.zeros((25, 1, 1))
    sums[:3] = 2e-5
    total = daily_amount(sums, [(16 + i) % 24 for i in range(25)], slack=0.1)
    assert total[0, 0] == 0
