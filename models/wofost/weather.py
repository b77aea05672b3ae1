"""Daily weather of a county as WOFOST takes it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.tables import require_columns
from models.wofost.errors import WofostWeatherInvalid
from models.wofost.package import pcse_module

__all__ = ["CountyWeather", "county_weather"]

Float = NDArray[np.float64]

# Of the Angstrom formula, which WOFOST uses for cloudiness (FAO 56, equation 35).
_ANGSTROM = (0.25, 0.50)
# FAO 56, chapter 3: the world's mean wind at 2 m.
_WIND = 2.0


@dataclass(frozen=True, slots=True)
class CountyWeather:
    """Weather ready for WOFOST.

    Attributes
    ----------
    provider
        A ``pcse.base.WeatherDataProvider``.
    assumed
        What was not measured: "wind" (2 m/s), "humidity" (saturated at the minimum
        temperature, FAO 56, equation 48).
    """

    provider: Any
    assumed: tuple[str, ...]


def county_weather(
    table: pd.DataFrame, *, lat: float, lon: float, elevation: float
) -> CountyWeather:
    """Bring the daily weather of one county to WOFOST's variables and units.

    Parameters
    ----------
    table
        day, tmin, tmax (degC), precipitation (mm), radiation (MJ/m2), and perhaps
        wind (m/s at 2 m) and humidity (mean relative, %). Consecutive days.
    lat, lon
        Degrees, WGS 84.
    elevation
        m above sea level.

    Raises
    ------
    WofostMissing, ColumnMissing
    WofostWeatherInvalid
        A day or a value is missing, or a value cannot be true.
    """
    needed = ["day", "tmin", "tmax", "precipitation", "radiation"]
    require_columns(table, needed, table="weather")
    days = pd.to_datetime(table["day"]).sort_values()
    if days.empty or not (days.diff().dropna() == pd.Timedelta(days=1)).all():
        raise WofostWeatherInvalid(
            f"the weather has {len(days)} rows that are not one a day without gap: "
            "bring in the days that are missing · 气象数据不是逐日连续，请补全"
        )
    base = pcse_module("pcse.base")
    util = pcse_module("pcse.util")
    provider = base.WeatherDataProvider()
    provider.latitude, provider.longitude, provider.elevation = lat, lon, elevation
    rows, assumed = _rows(table.loc[days.index])
    site = {"LAT": lat, "LON": lon, "ELEV": elevation}
    for day, row in zip(days.dt.date, rows, strict=True):
        measured = {
            name: row[name] for name in ("TMIN", "TMAX", "IRRAD", "VAP", "WIND")
        }
        try:
            open_water, soil, canopy = util.reference_ET(
                DAY=day,
                LAT=lat,
                ELEV=elevation,
                ANGSTA=_ANGSTROM[0],
                ANGSTB=_ANGSTROM[1],
                **measured,
            )
            # mm of FAO are cm here.
            demand = {"E0": open_water / 10, "ES0": soil / 10, "ET0": canopy / 10}
            container = base.WeatherDataContainer(DAY=day, **site, **row, **demand)
        except (ValueError, pcse_module("pcse.exceptions").PCSEError) as exc:
            raise WofostWeatherInvalid(
                f"{day}: {exc}. Correct the weather of that day"
                f" · {day} 的气象数据无效，请更正"
            ) from exc
        provider._store_WeatherDataContainer(container, day)
    return CountyWeather(provider, assumed)


def _rows(table: pd.DataFrame) -> tuple[list[dict[str, float]], tuple[str, ...]]:
    """Values of each day in WOFOST's units, and what had to be assumed."""
    low, high = table["tmin"].to_numpy(float), table["tmax"].to_numpy(float)
    absent = tuple(name for name in ("wind", "humidity") if not _known(table, name))
    damp = _saturated(low)
    if "humidity" not in absent:
        mean = (_saturated(low) + _saturated(high)) / 2
        damp = mean * table["humidity"].to_numpy(float) / 100
    wind = np.full(len(low), _WIND)
    if "wind" not in absent:
        wind = table["wind"].to_numpy(float)
    columns = {
        "TMIN": low,
        "TMAX": high,
        "IRRAD": table["radiation"].to_numpy(float) * 1e6,
        "RAIN": table["precipitation"].to_numpy(float) / 10,
        "VAP": damp,
        "WIND": wind,
    }
    values = np.stack(list(columns.values()), axis=1)
    if not np.isfinite(values).all() or (low > high).any():
        raise WofostWeatherInvalid(
            "a day lacks a value, or its minimum is above its maximum temperature: "
            "correct the weather · 某日缺少数值，或最低气温高于最高气温，请更正"
        )
    return [dict(zip(columns, row, strict=True)) for row in values.tolist()], absent


def _known(table: pd.DataFrame, column: str) -> bool:
    return bool(column in table and table[column].notna().all())


def _saturated(celsius: Float) -> Float:
    """Saturation vapour pressure, hPa (FAO 56, equation 11)."""
    return np.asarray(6.108 * np.exp(17.27 * celsius / (celsius + 237.3)))
