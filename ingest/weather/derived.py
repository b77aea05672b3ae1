"""From daily weather: degree days, frost dates, reference evapotranspiration."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
import pandas as pd
import pyet
from numpy.typing import ArrayLike, NDArray

from ingest.weather.errors import SeriesUnusable
from ingest.weather.fao56 import mean_saturation_pressure

__all__ = [
    "DegreeDayMethod",
    "FrostDates",
    "frost_dates",
    "growing_degree_days",
    "reference_evapotranspiration",
]

Float = NDArray[np.float64]

DegreeDayMethod = Literal["mean", "mcmaster-wilhelm-1", "mcmaster-wilhelm-2"]
"""How a day's mean temperature is taken; see `growing_degree_days`."""

# More reaches the ground nowhere on earth: the unit is another one.
_MOST_RADIATION = 50.0


def growing_degree_days(
    tmin: ArrayLike,
    tmax: ArrayLike,
    *,
    base: float,
    upper: float | None = None,
    method: DegreeDayMethod = "mcmaster-wilhelm-1",
) -> Float:
    """Growing degree days of single days; sum them over a season.

    McMaster, G. S., Wilhelm, W. W. (1997): Growing degree-days: one equation, two
    interpretations. Agricultural and Forest Meteorology 87, 291-300. The two
    interpretations differ on days that cross the base: name the method wherever the
    sum is shown.

    Parameters
    ----------
    tmin, tmax
        degC, any equal shapes; NaN gives NaN.
    base, upper
        degC; below `base` nothing grows, above `upper` (if given) nothing more.
    method
        "mean": (tmin + tmax) / 2 - base as it stands, negative on cold days.
        "mcmaster-wilhelm-1": the mean of the day is brought into [base, upper].
        "mcmaster-wilhelm-2": tmin and tmax each are, before the mean is taken.

    Returns
    -------
    float64, degC d, of the shape of `tmin`.

    Raises
    ------
    SeriesUnusable
        `upper` is not above `base`, or is given with "mean".
    """
    _check_limits(base, upper, method)
    low, high = np.asarray(tmin, np.float64), np.asarray(tmax, np.float64)
    if method == "mcmaster-wilhelm-2":
        low, high = np.clip(low, base, upper), np.clip(high, base, upper)
    mean = (low + high) / 2
    if method == "mcmaster-wilhelm-1":
        mean = np.clip(mean, base, upper)
    return np.asarray(mean - base, np.float64)


def _check_limits(base: float, upper: float | None, method: DegreeDayMethod) -> None:
    if upper is None:
        return
    if method == "mean" or not base < upper:
        raise SeriesUnusable(
            f"no degree days from base {base} to upper {upper} by {method!r}: the "
            "plain mean has no upper limit, and the limit lies above the base"
            f" · 积温基点 {base}、上限 {upper}、方法 {method} 无法计算"
        )


@dataclass(frozen=True, slots=True)
class FrostDates:
    """Last frost of spring and first of autumn, and what may be wrong with them.

    Attributes
    ----------
    last_spring, first_autumn
        None where no day was as cold.
    spring_gaps, autumn_gaps
        Days without a minimum temperature between that frost and midsummer (in the
        whole half year, where there was none): a frost on one of them would change
        the date. The date is sure where this is 0.
    """

    last_spring: date | None
    first_autumn: date | None
    spring_gaps: int
    autumn_gaps: int


def frost_dates(tmin: pd.Series, *, year: int, threshold: float) -> FrostDates:
    """Find the last frost before and the first frost after 1 July (northern year).

    Parameters
    ----------
    tmin
        Minimum temperature, degC, by day (DatetimeIndex), each day once; other years
        may be in it.
    threshold
        degC; a day is a frost day at this temperature or below. In air at 2 m: 0 for
        air frost, 2 is in use for frost at the ground.

    Raises
    ------
    SeriesUnusable
        A day occurs twice.
    """
    spring = _half(tmin, f"{year}-01-01", f"{year}-06-30")
    # Turned round, so that both halves are walked away from midsummer.
    last, spring_gaps = _nearest_frost(spring[::-1], threshold)
    autumn = _half(tmin, f"{year}-07-01", f"{year}-12-31")
    first, autumn_gaps = _nearest_frost(autumn, threshold)
    return FrostDates(last, first, spring_gaps, autumn_gaps)


def _half(tmin: pd.Series, start: str, end: str) -> pd.Series:
    if tmin.index.has_duplicates:
        twice = tmin.index[tmin.index.duplicated()][0]
        raise SeriesUnusable(
            f"{twice:%Y-%m-%d} occurs twice among the temperatures: keep one value a "
            f"day · {twice:%Y-%m-%d} 的气温出现两次，每天只能有一个值"
        )
    return tmin.reindex(pd.date_range(start, end))


def _nearest_frost(tmin: pd.Series, threshold: float) -> tuple[date | None, int]:
    """First frost of a series, and how many days before it are not known."""
    cold = np.flatnonzero(tmin.to_numpy() <= threshold)
    end = int(cold[0]) if len(cold) else len(tmin)
    day = tmin.index[end].date() if len(cold) else None
    return day, int(tmin.iloc[:end].isna().sum())


def reference_evapotranspiration(
    weather: pd.DataFrame, *, elevation: float, latitude: float
) -> pd.Series:
    """Compute reference evapotranspiration by FAO-56 Penman-Monteith (equation 6).

    Computed by pyet (Vremec, Collenteur, Birk 2024, Geosci. Model Dev. 17, 7083). A day
    that lacks any of its numbers has none: nothing is put in for missing wind or
    humidity, neither the 2 m/s nor the dew point at tmin that FAO-56 would allow for
    want of better. Whoever wants those puts them into the table and says so.

    Parameters
    ----------
    weather
        Days (DatetimeIndex) with tmin, tmax (degC), radiation (MJ/m2), wind (m/s at
        2 m) and humidity (mean relative, %), as `store.weather` keeps them.
    elevation
        Metres above the sea, for the air pressure.
    latitude
        Degrees, for the radiation above the air.

    Returns
    -------
    Series, float64, mm a day, on the index of `weather`.

    Raises
    ------
    SeriesUnusable
        A column is missing, or radiation is in another unit.
    """
    _check_weather(weather)
    whole = weather[_NEEDED].astype("float64").dropna()
    if whole.empty:
        return pd.Series(np.nan, index=weather.index, name="et0")
    saturated = mean_saturation_pressure(whole["tmin"], whole["tmax"])
    et0 = pyet.pm_fao56(
        (whole["tmin"] + whole["tmax"]) / 2,
        whole["wind"],
        rs=whole["radiation"],
        tmin=whole["tmin"],
        tmax=whole["tmax"],
        ea=whole["humidity"] / 100 * saturated,
        elevation=float(elevation),
        lat=float(np.radians(latitude)),
    )
    series: pd.Series = et0.reindex(weather.index).rename("et0")
    return series


_NEEDED = ["tmin", "tmax", "radiation", "wind", "humidity"]


def _check_weather(weather: pd.DataFrame) -> None:
    lacking = [name for name in _NEEDED if name not in weather.columns]
    if lacking:
        raise SeriesUnusable(
            f"no evapotranspiration without {', '.join(lacking)}: add the columns"
            f" · 缺少 {', '.join(lacking)}，无法计算参考蒸散量"
        )
    most = weather["radiation"].max()
    if most > _MOST_RADIATION:
        raise SeriesUnusable(
            f"radiation of {most:g} is not in MJ/m2 a day · 辐射 {most:g} 的单位不是 "
            "MJ/m2/天"
        )
