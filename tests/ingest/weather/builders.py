"""Small weather files in the forms of the Climate Data Store and of NASA POWER."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import netCDF4
import numpy as np

# Four columns and three rows of cells of 0.1 degree around 124.2 E 43.3 N.
LON = (124.0, 124.1, 124.2, 124.3)
LAT = (43.4, 43.3, 43.2)
SHAPE = (len(LAT), len(LON))

# Variable, unit and long name, from the header of a file of version 1.1.
AGERA5 = {
    "Temperature_Air_2m_Min_24h": "K",
    "Temperature_Air_2m_Max_24h": "K",
    "Precipitation_Flux": "mm d-1",
    "Solar_Radiation_Flux": "J m-2 d-1",
    "Wind_Speed_10m_Mean": "m s-1",
    "Vapour_Pressure_Mean": "hPa",
}

MAY_DAY: dict[str, float] = {
    "Temperature_Air_2m_Min_24h": 278.15,
    "Temperature_Air_2m_Max_24h": 293.15,
    "Precipitation_Flux": 1.5,
    "Solar_Radiation_Flux": 20e6,
    "Wind_Speed_10m_Mean": 4.0,
    "Vapour_Pressure_Mean": 8.0,
}


def agera5_file(
    path: Path,
    values: Mapping[str, Any],
    *,
    days: Sequence[date],
    lat: Sequence[float] = LAT,
    lon: Sequence[float] = LON,
    units: Mapping[str, str | None] | None = None,
) -> Path:
    """Write one file of version 1.1; each value is a number or (time, lat, lon)."""
    with netCDF4.Dataset(path, "w") as nc:
        nc.Conventions = "CF-1.7"
        for name, size in (("time", len(days)), ("lon", len(lon)), ("lat", len(lat))):
            nc.createDimension(name, size)
        time = nc.createVariable("time", "i8", ("time",))
        time.units, time.calendar = "days since 1900-01-01", "proleptic_gregorian"
        time[:] = [(day - date(1900, 1, 1)).days for day in days]
        for name, centres in (("lon", lon), ("lat", lat)):
            nc.createVariable(name, "f8", (name,), fill_value=np.nan)[:] = centres
        for name, value in values.items():
            shape = ("time", "lat", "lon")
            variable = nc.createVariable(name, "f4", shape, fill_value=-9999.0)
            unit = {**AGERA5, **(units or {})}[name]
            if unit is not None:
                variable.units = unit
            variable.temporal_aggregation = "00-00LT"
            filled = np.broadcast_to(value, (len(days), len(lat), len(lon)))
            variable[:] = np.ma.masked_invalid(filled)
    return path


def agera5_day(
    folder: Path,
    day: date,
    *,
    lat: Sequence[float] = LAT,
    lon: Sequence[float] = LON,
    **changes: Any,
) -> list[Path]:
    """Write the six files of a day, named as the Climate Data Store does."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        agera5_file(
            folder / f"{name.replace('_', '-')}_C3S-glob-agric_AgERA5_"
            f"{day:%Y%m%d}_final-v1.1.area-subset.nc",
            {name: changes.get(name, value)},
            days=[day],
            lat=lat,
            lon=lon,
        )
        for name, value in MAY_DAY.items()
    ]


ERA5_LAND = {
    "t2m": "K",
    "d2m": "K",
    "tp": "m",
    "ssrd": "J m**-2",
    "u10": "m s**-1",
    "v10": "m s**-1",
}


def hours(start: datetime, count: int) -> list[datetime]:
    return [start + i * timedelta(hours=1) for i in range(count)]


def new_store_file(
    path: Path,
    values: Mapping[str, Any],
    *,
    moments: Sequence[datetime],
    lat: Sequence[float] = LAT,
    units: Mapping[str, str] | None = None,
) -> Path:
    """Write ERA5-Land as the store gives it since 2024; values (time,) or a number."""
    with netCDF4.Dataset(path, "w") as nc:
        sizes = {"valid_time": len(moments), "latitude": len(lat), "longitude": 4}
        for name, size in sizes.items():
            nc.createDimension(name, size)
        nc.createVariable("number", "i8", ())[...] = 0
        time = nc.createVariable("valid_time", "i8", ("valid_time",))
        time.units, time.calendar = "seconds since 1970-01-01", "proleptic_gregorian"
        time[:] = [int(moment.timestamp()) for moment in moments]
        nc.createVariable("latitude", "f8", ("latitude",), fill_value=np.nan)[:] = lat
        nc.createVariable("longitude", "f8", ("longitude",))[:] = LON
        version = nc.createVariable("expver", str, ("valid_time",))
        version[:] = np.array(["0001"] * len(moments), dtype=object)
        for name, value in values.items():
            variable = nc.createVariable(
                name, "f4", tuple(sizes), fill_value=np.nan, zlib=True
            )
            variable.units = (units or ERA5_LAND)[name]
            variable[:] = _spread(value, tuple(sizes.values()))
    return path


def old_store_file(
    path: Path,
    values: Mapping[str, Any],
    *,
    moments: Sequence[datetime],
    preliminary_from: int | None = None,
    form: Literal["NETCDF3_64BIT_OFFSET", "NETCDF3_CLASSIC"] = "NETCDF3_64BIT_OFFSET",
) -> Path:
    """Write ERA5-Land as the store gave it until 2024: NetCDF-3, packed into int16.

    With `preliminary_from` the file has a dimension ``expver``: final values (1) up to
    that time, preliminary ones (5) after, each missing where the other is there.
    """
    with netCDF4.Dataset(path, "w", format=form) as nc:
        sizes = {"time": len(moments), "latitude": len(LAT), "longitude": len(LON)}
        for name, size in sizes.items():
            nc.createDimension(name, size)
        for name, centres in (("longitude", LON), ("latitude", LAT)):
            axis = nc.createVariable(name, "f4", (name,))
            axis.units = "degrees_east" if name == "longitude" else "degrees_north"
            axis[:] = centres
        time = nc.createVariable("time", "i4", ("time",))
        time.units, time.calendar = "hours since 1900-01-01 00:00:00.0", "gregorian"
        first = datetime(1900, 1, 1, tzinfo=UTC)
        time[:] = [int((moment - first).total_seconds() // 3600) for moment in moments]
        shape = tuple(sizes)
        if preliminary_from is not None:
            nc.createDimension("expver", 2)
            nc.createVariable("expver", "i4", ("expver",))[:] = [1, 5]
            shape = ("time", "expver", "latitude", "longitude")
        for name, value in values.items():
            cube = _spread(value, tuple(sizes.values()))
            variable = nc.createVariable(name, "i2", shape, fill_value=-32767)
            spread = float(np.nanmax(cube) - np.nanmin(cube)) or 1.0
            variable.scale_factor = spread / 65_000
            variable.add_offset = float(np.nanmin(cube)) + spread / 2
            variable.units = ERA5_LAND[name]
            variable.missing_value = np.int16(-32767)
            if preliminary_from is not None:
                final = np.arange(len(moments))[:, None, None] < preliminary_from
                cube = np.stack(
                    [np.where(final, cube, np.nan), np.where(final, np.nan, cube)], 1
                )
            # Packing casts what is masked too, and NaN has no integer.
            hole = np.isnan(cube)
            whole = np.where(hole, variable.add_offset, cube)
            variable[:] = np.ma.masked_array(whole, hole)
    return path


def _spread(value: Any, shape: tuple[int, ...]) -> Any:
    """A number, (time,) or (time, y, x) over the whole cube."""
    array = np.asarray(value, np.float64)
    if array.ndim == 1:
        array = array[:, None, None]
    return np.broadcast_to(array, shape).copy()


POWER_UNITS = {
    "T2M_MIN": "C",
    "T2M_MAX": "C",
    "PRECTOTCORR": "mm/day",
    "ALLSKY_SFC_SW_DWN": "MJ/m^2/day",
    "WS2M": "m/s",
    "WS10M": "m/s",
    "T2MDEW": "C",
    "RH2M": "%",
}

POWER_DAY = {
    "T2M_MIN": 5.0,
    "T2M_MAX": 20.0,
    "PRECTOTCORR": 1.5,
    "ALLSKY_SFC_SW_DWN": 20.0,
    "WS2M": 3.0,
    "T2MDEW": 3.5,
}


def power_feature(
    point: tuple[float, float], days: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [*point, 171.59]},
        "properties": {"parameter": days},
    }


def power_answer(
    point: tuple[float, float] = (124.25, 43.25),
    days: Sequence[str] = ("20260501",),
    *,
    fill: float = -999.0,
    standard: str = "LST",
    units: Mapping[str, str] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """Answer of the point API; a change is a number, numbers by day, or None."""
    given = {k: v for k, v in {**POWER_DAY, **changes}.items() if v is not None}
    series = {
        name: value if isinstance(value, dict) else dict.fromkeys(days, value)
        for name, value in given.items()
    }
    known = {**POWER_UNITS, **(units or {})}
    return {
        **power_feature(point, series),
        "header": {
            "title": "NASA/POWER Source Native Resolution Daily Data",
            "api": {"version": "v2.8.9", "name": "POWER Daily API"},
            "sources": ["MERRA2", "SYN1DEG"],
            "fill_value": fill,
            "time_standard": standard,
            "start": min(days),
            "end": max(days),
        },
        "messages": [],
        "parameters": {
            name: {"units": known[name], "longname": name} for name in series
        },
        "times": {"data": 0.9, "process": 0.02},
    }


def write_json(path: Path, answer: Any) -> Path:
    path.write_text(json.dumps(answer))
    return path
