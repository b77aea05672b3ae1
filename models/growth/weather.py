"""Daily weather of one place as complete years, and sums over parts of them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from models.errors import ValueInvalid
from models.tables import require_columns, require_unique

__all__ = ["PlaceWeather", "place_weather"]

_NUMBERS = ("tmin", "tmax", "precipitation")

Window = tuple[date, date]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceWeather:
    """Daily weather of one place; every day from first to last has a row.

    Attributes
    ----------
    daily : DataFrame
        Index: days without a gap; tmin, tmax (deg C), precipitation (mm), float64,
        NaN where not known.
    latitude : float
        Degrees, for the evaporation.
    """

    daily: pd.DataFrame
    latitude: float

    def until(self, day: date) -> date | None:
        """Return the last day, not after `day`, on which all numbers are known."""
        whole = self.daily.loc[: pd.Timestamp(day), list(_NUMBERS)].dropna()
        return None if whole.empty else whole.index[-1].date()

    def part(self, window: Window) -> pd.DataFrame:
        """Return the days of a window, NaN where there are none."""
        days = pd.date_range(*window)
        return self.daily.reindex(days)

    def gaps(self, window: Window) -> int:
        """Count the days of a window that lack a number."""
        return int(self.part(window)[list(_NUMBERS)].isna().any(axis=1).sum())

    def total(
        self, measure: Callable[[pd.DataFrame], pd.Series], window: Window
    ) -> float:
        """Sum a measure over a window; NaN when one of its days is not known."""
        if window[1] < window[0]:
            return 0.0
        # A sum over the known days would be a cooler, drier season.
        return float(measure(self.part(window)).sum(skipna=False))


def place_weather(weather: pd.DataFrame, *, latitude: float) -> PlaceWeather:
    """Lay the weather of one place out day by day.

    Parameters
    ----------
    weather : DataFrame
        day, tmin, tmax (deg C), precipitation (mm), a row a day in any order; missing
        days and NaN stay missing.
    latitude : float
        Degrees north.

    Raises
    ------
    ColumnMissing, RowsDuplicated
    ValueInvalid
        No latitude of the earth, a minimum above its maximum, or rain below 0.
    """
    require_columns(weather, ("day", *_NUMBERS), table="weather")
    require_unique(weather, ("day",), table="weather")
    if not -90 <= latitude <= 90:
        raise ValueInvalid(
            f"latitude {latitude}: give degrees from -90 to 90"
            f" · 纬度 {latitude} 应在 -90 至 90 度之间"
        )
    rows = weather.assign(day=pd.to_datetime(weather["day"])).set_index("day")
    rows = rows[list(_NUMBERS)].astype("float64").sort_index()
    _check(rows)
    if rows.empty:
        return PlaceWeather(daily=rows, latitude=latitude)
    days = pd.date_range(rows.index[0], rows.index[-1])
    # Infinite readings are broken ones, and would make every sum of theirs infinite.
    whole = rows.reindex(days).replace([np.inf, -np.inf], np.nan)
    return PlaceWeather(daily=whole, latitude=latitude)


def _check(rows: pd.DataFrame) -> None:
    wrong = (rows["tmin"] > rows["tmax"]) | (rows["precipitation"] < 0)
    if wrong.any():
        day, row = rows.index[wrong][0], rows.loc[wrong].iloc[0]
        raise ValueInvalid(
            f"weather of {day:%Y-%m-%d}: tmin {row['tmin']}, tmax {row['tmax']}, "
            f"precipitation {row['precipitation']} cannot be; correct the day or drop "
            f"it · {day:%Y-%m-%d} 的气象数据不合理，请改正或删去这一天"
        )
