from datetime import date
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from ingest.weather.agera5 import Agera5
from ingest.weather.errors import (
    GridElsewhere,
    GridUnusable,
    HeldTwice,
    UnitUnknown,
    WeatherUnreadable,
)
from tests.ingest.weather.builders import (
    LAT,
    LON,
    MAY_DAY,
    SHAPE,
    agera5_day,
    agera5_file,
)
from tests.ingest.wording import english

MAY_1, MAY_2 = date(2026, 5, 1), date(2026, 5, 2)
ALL = (123.0, 42.0, 126.0, 45.0)
TMIN = "Temperature_Air_2m_Min_24h"


def test_a_day_in_our_units(tmp_path: Path) -> None:
    read = Agera5(agera5_day(tmp_path, MAY_1))
    layers = read.layers(MAY_1, ALL)
    assert read.faults == []
    assert read.days() == [MAY_1]
    assert {layer.values.shape for layer in layers.values()} == {SHAPE}
    means = {name: float(layer.values.mean()) for name, layer in layers.items()}
    assert means == pytest.approx(
        {
            "tmin": 5.0,
            "tmax": 20.0,
            "precipitation": 1.5,
            "radiation": 20.0,
            # FAO-56 table 2.9 (annex 2): 10 m to 2 m is times 0.748.
            "wind": 4.0 * 0.748,
            "vapour": 0.8,
        },
        abs=1e-3,
    )


def test_a_file_of_one_moment_without_a_time_axis(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w") as nc:
        nc.createVariable("time", "i8", ()).units = "days since 2026-05-01"
        nc["time"][...] = 0
        for name, centres in (("lat", LAT), ("lon", LON)):
            nc.createDimension(name, len(centres))
            nc.createVariable(name, "f8", (name,))[:] = centres
        nc.createVariable(TMIN, "f4", ("lat", "lon")).units = "K"
        nc[TMIN][:] = 273.15 + np.arange(12.0).reshape(SHAPE)
    read = Agera5([path])
    values = read.layers(MAY_1, ALL)["tmin"].values
    assert values.ravel() == pytest.approx(np.arange(12.0), abs=1e-4)
    assert read.faults == []


def test_a_variable_along_none_of_several_moments(tmp_path: Path) -> None:
    path = agera5_file(tmp_path / "a.nc", {}, days=[MAY_1, MAY_2])
    with netCDF4.Dataset(path, "a") as nc:
        nc.createVariable(TMIN, "f4", ("lat", "lon")).units = "K"
    good = agera5_file(tmp_path / "b.nc", {TMIN: 280.0}, days=[MAY_1])
    read = Agera5([path, good])
    (fault,) = read.faults
    assert isinstance(fault, WeatherUnreadable)
    assert "no axis time" in english(str(fault))
    assert "tmin" in read.layers(MAY_1, ALL)


def test_latitudes_of_a_projected_grid_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w") as nc:
        for name, size in (("time", 1), ("y", 3), ("x", 4)):
            nc.createDimension(name, size)
        nc.createVariable("time", "i8", ("time",)).units = "days since 2026-05-01"
        nc["time"][:] = 0
        for name in ("lat", "lon"):
            nc.createVariable(name, "f8", ("y", "x"))[:] = 43.0
        nc.createVariable(TMIN, "f4", ("time", "y", "x")).units = "K"
    (fault,) = Agera5([path]).faults
    assert isinstance(fault, GridUnusable)
    assert "its lat has 2 dimensions" in english(str(fault))


def test_the_grid_lies_where_its_centres_say(tmp_path: Path) -> None:
    layer = Agera5(agera5_day(tmp_path, MAY_1)).layers(MAY_1, ALL)["tmin"]
    box = layer.grid.geobox.boundingbox
    assert (box.left, box.right) == pytest.approx((123.95, 124.35))
    assert (box.bottom, box.top) == pytest.approx((43.15, 43.45))


NUMBERS = 273.15 + np.arange(12.0).reshape(1, *SHAPE)


def test_only_the_window_is_read(tmp_path: Path) -> None:
    path = agera5_file(tmp_path / "a.nc", {TMIN: NUMBERS}, days=[MAY_1])
    layer = Agera5([path]).layers(MAY_1, (124.11, 43.16, 124.21, 43.29))["tmin"]
    assert layer.values == pytest.approx(np.array([[5, 6], [9, 10]]), abs=1e-4)
    assert (layer.grid.west, layer.grid.north) == (124.05, 43.35)


def test_a_grid_from_south_to_north_is_turned(tmp_path: Path) -> None:
    path = agera5_file(
        tmp_path / "a.nc", {TMIN: NUMBERS[:, ::-1]}, days=[MAY_1], lat=LAT[::-1]
    )
    layer = Agera5([path]).layers(MAY_1, (124.11, 43.16, 124.21, 43.29))["tmin"]
    assert layer.values == pytest.approx(np.array([[5, 6], [9, 10]]), abs=1e-4)
    assert layer.grid.north == 43.35


def test_longitudes_to_360_are_west(tmp_path: Path) -> None:
    lon = [359.7, 359.8, 359.9, 360.0]
    path = agera5_file(tmp_path / "a.nc", {TMIN: NUMBERS}, days=[MAY_1], lon=lon)
    layer = Agera5([path]).layers(MAY_1, (-0.24, 43, -0.16, 44))["tmin"]
    assert layer.values[0] == pytest.approx([1.0], abs=1e-4)


def test_fill_values_are_missing(tmp_path: Path) -> None:
    holes = NUMBERS.copy()
    holes[0, 1, 2] = np.nan
    path = agera5_file(tmp_path / "a.nc", {TMIN: holes}, days=[MAY_1])
    values = Agera5([path]).layers(MAY_1, ALL)["tmin"].values
    assert np.argwhere(np.isnan(values)).tolist() == [[1, 2]]


def test_several_days_and_variables_in_one_file(tmp_path: Path) -> None:
    two = {
        name: np.array([value, value + 1])[:, None, None]
        for name, value in MAY_DAY.items()
    }
    path = agera5_file(tmp_path / "a.nc", two, days=[MAY_1, MAY_2])
    read = Agera5([path])
    assert read.days() == [MAY_1, MAY_2]
    assert read.layers(MAY_2, ALL)["tmax"].values.max() == pytest.approx(21, abs=1e-4)


def test_names_and_units_of_version_2(tmp_path: Path) -> None:
    values = {"Wind_Speed_10m_Mean_24h": 4.0, "Vapour_Pressure_Mean_24h": 8.0}
    units = {"Wind_Speed_10m_Mean_24h": "m s-1", "Vapour_Pressure_Mean_24h": "hPa"}
    path = agera5_file(tmp_path / "a.nc", values, days=[MAY_1], units=units)
    read = Agera5([path])
    assert read.variables() == {"wind", "vapour"}
    assert read.layers(MAY_1, ALL)["vapour"].values[0, 0] == pytest.approx(0.8)


def test_dew_point_where_there_is_no_vapour_pressure(tmp_path: Path) -> None:
    name = "Dew_Point_Temperature_2m_Mean"
    path = agera5_file(
        tmp_path / "a.nc", {name: 273.15 + 17}, days=[MAY_1], units={name: "K"}
    )
    # FAO-56 table 2.3 (annex 2): 1.938 kPa at 17 degC.
    vapour = Agera5([path]).layers(MAY_1, ALL)["vapour"].values
    assert vapour[0, 0] == pytest.approx(1.938, abs=1e-3)


def test_a_day_of_which_some_files_lack(tmp_path: Path) -> None:
    files = agera5_day(tmp_path, MAY_1)
    layers = Agera5(files[:2]).layers(MAY_1, ALL)
    assert sorted(layers) == ["tmax", "tmin"]


@pytest.mark.parametrize("unit", ["degF", None, "mm"])
def test_unknown_unit(tmp_path: Path, unit: str | None) -> None:
    path = agera5_file(
        tmp_path / "a.nc", {TMIN: 280.0}, days=[MAY_1], units={TMIN: unit}
    )
    (fault,) = Agera5([path]).faults
    assert isinstance(fault, UnitUnknown)
    assert (fault.variable, fault.unit) == (TMIN, unit)
    assert str(path) in english(str(fault))


def test_two_files_of_one_day(tmp_path: Path) -> None:
    first = agera5_file(tmp_path / "a.nc", {TMIN: 280.0}, days=[MAY_1])
    second = agera5_file(tmp_path / "b.nc", {TMIN: 281.0}, days=[MAY_2, MAY_1])
    read = Agera5([second, first])
    (fault,) = read.faults
    assert isinstance(fault, HeldTwice)
    assert (fault.path, fault.other) == (second, first)
    assert read.days() == [MAY_1]


def test_one_day_twice_in_a_file(tmp_path: Path) -> None:
    path = agera5_file(tmp_path / "a.nc", {TMIN: 280.0}, days=[MAY_1, MAY_1])
    (fault,) = Agera5([path]).faults
    assert isinstance(fault, HeldTwice)


@pytest.mark.parametrize("share", [0.5, 0.99])
def test_a_cut_file_is_named_and_the_rest_goes_on(tmp_path: Path, share: float) -> None:
    files = agera5_day(tmp_path, MAY_1)
    whole = files[0].read_bytes()
    files[0].write_bytes(whole[: int(len(whole) * share)])
    read = Agera5(files)
    (fault,) = read.faults
    assert isinstance(fault, WeatherUnreadable)
    assert str(files[0]) in english(str(fault))
    assert "tmax" in read.layers(MAY_1, ALL)


def test_a_file_that_fails_while_it_is_read(tmp_path: Path) -> None:
    files = agera5_day(tmp_path, MAY_1)
    read = Agera5(files)
    files[0].write_bytes(b"junk")
    layers = read.layers(MAY_1, ALL)
    assert "tmin" not in layers
    assert "tmax" in layers
    assert [fault.path for fault in read.faults] == [files[0]]


@pytest.mark.parametrize(
    ("lon", "lat"), [((124.0, 124.1, 124.3, 124.4), LAT), (LON, (43.4,))]
)
def test_irregular_grid(
    tmp_path: Path, lon: tuple[float, ...], lat: tuple[float, ...]
) -> None:
    path = agera5_file(tmp_path / "a.nc", {TMIN: 280.0}, days=[MAY_1], lon=lon, lat=lat)
    (fault,) = Agera5([path]).faults
    assert isinstance(fault, GridUnusable)
    english(str(fault))


def test_a_grid_of_another_place(tmp_path: Path) -> None:
    read = Agera5([agera5_file(tmp_path / "a.nc", {TMIN: 280.0}, days=[MAY_1])])
    assert read.layers(MAY_1, (10, 50, 11, 51)) == {}
    (fault,) = read.faults
    assert isinstance(fault, GridElsewhere)
    english(str(fault))


def test_a_zip_archive_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    # The end record of an empty archive.
    path.write_bytes(b"PK\x05\x06" + bytes(18))
    (fault,) = Agera5([path]).faults
    assert "unpack it" in english(str(fault))
