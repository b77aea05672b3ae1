"""Daily weather of counties as dekads, the columns that the county model reads."""

from datetime import date
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.features import extreme_degree_days
from models.tables import require_columns, require_unique

__all__ = ["DEKAD_MEANS", "DEKAD_SUMS", "dekads"]

DEKAD_MEANS: Final = ("tmin", "tmax", "radiation")
DEKAD_SUMS: Final = ("precipitation", "edd30")

# Days of a month after which a dekad begins; the third one runs to the month's end.
_STARTS = np.array([1, 11, 21])
# Every year has the dekads of this one, or leap years would have columns of their own.
_COMMON_YEAR = 2001


def dekads(weather: pd.DataFrame) -> pd.DataFrame:
    """Average or add up daily weather over days 1 to 10, 11 to 20 and 21 to the end.

    Parameters
    ----------
    weather : DataFrame
        county, day, tmin, tmax (deg C), precipitation (mm), radiation (MJ m-2), a
        row for each county and day, in any order.

    Returns
    -------
    DataFrame
        A row for each county and year, sorted: county, year and a column for each
        quantity and dekad, as tmax_d191 after the day of a common year that ends it:
        means of `DEKAD_MEANS`, sums of `DEKAD_SUMS`, where edd30 are degree days
        above 30 deg C. NaN where a single day is absent, so a dekad that is not over
        is not known.

    Raises
    ------
    ColumnMissing, RowsDuplicated
    """
    needed = ("county", "day", "tmin", "tmax", "precipitation", "radiation")
    require_columns(weather, needed, table="weather")
    require_unique(weather, ("county", "day"), table="weather")
    day = pd.to_datetime(weather["day"])
    low, high = (weather[name].to_numpy(float) for name in ("tmin", "tmax"))
    rows = weather[[*needed[:1], *needed[2:]]].assign(
        edd30=extreme_degree_days(tmin=low, tmax=high),
        year=day.dt.year,
        dekad=_dekad(day),
    )
    groups = rows.groupby(["county", "year", "dekad"])
    known = pd.concat(
        [groups[[*DEKAD_MEANS]].mean(), groups[[*DEKAD_SUMS]].sum()], axis=1
    )
    # A mean leaves out what is NaN: a day without a reading is an absent day.
    given = groups[[*needed[2:], "edd30"]].count()
    whole = _length(known.index.to_frame())
    wide = known.where(given[known.columns].eq(whole, axis=0)).unstack("dekad")
    names = [
        f"{quantity}_d{_last_day(int(dekad)):03d}"
        for quantity, dekad in zip(
            wide.columns.get_level_values(0),
            wide.columns.get_level_values(1),
            strict=True,
        )
    ]
    return wide.set_axis(names, axis=1).reset_index()


def _dekad(day: pd.Series) -> NDArray[np.int64]:
    """Return the position of each day's dekad in its year, 0 to 35."""
    third = np.searchsorted(_STARTS, day.dt.day, side="right") - 1
    return np.asarray((day.dt.month - 1) * 3 + third, dtype=np.int64)


def _length(keys: pd.DataFrame) -> NDArray[np.int64]:
    """Return how many days each dekad of a year has."""
    month = keys["dekad"] // 3 + 1
    first = pd.to_datetime({"year": keys["year"], "month": month, "day": 1})
    rest = first.dt.days_in_month - 20
    return np.where(keys["dekad"] % 3 == 2, rest, 10).astype(np.int64)


def _last_day(dekad: int) -> int:
    month, third = divmod(dekad, 3)
    if third < 2:
        return date(_COMMON_YEAR, month + 1, 10 * (third + 1)).timetuple().tm_yday
    following = date(_COMMON_YEAR + (month == 11), (month + 1) % 12 + 1, 1)
    return date.fromordinal(following.toordinal() - 1).timetuple().tm_yday
