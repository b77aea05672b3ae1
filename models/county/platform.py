"""The stack on the tables of the platform: statistics, daily weather, imagery."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import pandas as pd

from models.county.dekads import dekads
from models.county.forecast import Forecast, forecast
from models.county.season import ENOUGH, LOOK_BACK
from models.county.status import Judgement, judge
from models.county.table import Table, read_table
from models.features import GROWN
from models.lead import same_day
from models.panel import KEY, YIELD, check_history
from models.reasons import Reason, both, extrapolation

__all__ = [
    "FEWEST_YEARS",
    "LONGEST_LEAD",
    "MODEL_VERSION",
    "CountyStack",
    "county_stacks",
    "weather_read",
]

MODEL_VERSION: Final = "county-stack/1"

FEWEST_YEARS: Final = 15
"""Years with yields and weather below which a crop has no stack: the last five test it,
and the first of these is forecast from the ten before it, the fewest that show which
of several learners to believe."""

LONGEST_LEAD: Final = 3
"""Years after the end of the history beyond which its level is a guess."""

LONGEST_DEKAD: Final = 11
"""Days from the 21st to the end of the longest month."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountyStack:
    """One crop's counties and years, each cut at the same day of the calendar.

    Attributes
    ----------
    crop : str
    table : yields (t/ha), dekads of weather, and imagery where there is any
    until : last day of the season that is known, of a common year
    """

    crop: str
    table: Table
    until: int

    def predict(self, year: int, *, interval: float) -> pd.DataFrame:
        """Estimate a year of the table from those before it.

        Parameters
        ----------
        year : int
        interval : nominal coverage, in 0..1

        Returns
        -------
        DataFrame
            As `models.county_yield.CountyYieldModel.predict`, a row for each county
            of the table, by code.
        """
        found = forecast(self.table, year=year, until=self.until, interval=interval)
        late = extrapolation([], lead=self._lead(year))
        rows = [_row(found, k, one, late) for k, one in enumerate(judge(found))]
        keys = {"county": self.table.regions, "crop": self.crop, "year": year}
        return pd.DataFrame(keys).join(pd.DataFrame(rows, dtype=object).astype(_KINDS))

    def _lead(self, year: int) -> int | None:
        known = np.isfinite(self.table.target).any(axis=1) & (self.table.years < year)
        lead = year - int(self.table.years[known].max(initial=0))
        return lead if lead > LONGEST_LEAD else None


_KINDS = dict.fromkeys(("value", "lower", "upper"), "float64")


def _row(
    found: Forecast, place: int, judged: Judgement, late: Reason | None
) -> dict[str, object]:
    """Return one county's numbers, or none of them, as the platform words it."""
    numbers = {name: getattr(found, name)[place] for name in _KINDS}
    # The store keeps no endless interval: such an estimate is none.
    if judged.status == "missing" or not np.isfinite([*numbers.values()]).all():
        numbers, status, reason = (
            dict.fromkeys(_KINDS, np.nan),
            "missing",
            judged.reason,
        )
    else:
        status, reason = "forecast", both(judged.reason, late)
    text = None if reason is None else str(reason)
    return {**numbers, "status": status, "reason": text}


def county_stacks(
    history: pd.DataFrame,
    current: pd.DataFrame,
    weather: pd.DataFrame,
    *,
    as_of: date,
    imagery: Sequence[str] = (),
) -> dict[str, CountyStack]:
    """Return the stack of each crop whose history is long enough for one.

    Each year is known by its weather in whole dekads (`models.county.dekads`) up to
    the same day of the calendar, 30 September at the latest, by that of the autumn
    before, and by imagery.

    Parameters
    ----------
    history : DataFrame
        county, crop, year, yield_t_ha (t/ha) and `imagery`; past years only.
    current : DataFrame
        county, crop, year and `imagery`: the rows to estimate, of one year.
    weather : DataFrame
        county, day, tmin, tmax (deg C), precipitation (mm), radiation (MJ m-2), a row
        for each county and day; later days are ignored.
    as_of : last day of the data, of the year to estimate
    imagery : names of further features that change from year to year

    Returns
    -------
    dict
        Crop -> stack; without those that have yields and weather in fewer than
        `FEWEST_YEARS` years.

    Raises
    ------
    ColumnMissing, RowsDuplicated, ValueInvalid
    """
    check_history(history, features=imagery)
    known = history.loc[history[YIELD].notna()]
    years = known.groupby("crop")["year"].nunique()
    crops = years.index[years >= FEWEST_YEARS]
    if crops.empty:
        return {}
    until = _last_day(as_of)
    read = weather.loc[weather_read(weather, as_of=as_of)]
    # Sorted, or the last bit of a mean would tell the order of the rows.
    read = read.sort_values(["county", "day"], ignore_index=True)
    table = dekads(read).set_index(["county", "year"])
    seen = _weather_known(table, until=until)
    return {
        str(crop): CountyStack(
            crop=str(crop),
            table=_table(known, current, table, crop=str(crop), imagery=imagery),
            until=until,
        )
        for crop in crops
        if _years_with_weather(known.loc[known["crop"] == crop], seen) >= FEWEST_YEARS
    }


def weather_read(weather: pd.DataFrame, *, as_of: date) -> "pd.Series[bool]":
    """Tell which rows of daily weather a stack reads.

    Those up to the day of the calendar, and the autumns that the years after look
    back on.

    Parameters
    ----------
    weather : DataFrame
        With a column day.
    as_of : last day of the data, of the year to estimate
    """
    day = pd.to_datetime(weather["day"])
    number, until = day.dt.day_of_year, _last_day(as_of)
    # A leap year has a day more.
    autumn = number > 366 - LOOK_BACK - LONGEST_DEKAD
    return (day <= pd.Timestamp(as_of)) & ((number <= until + 1) | autumn)


def _last_day(as_of: date) -> int:
    """Return the day of a common year up to which the season is known."""
    last = min((as_of.month, as_of.day), GROWN[1])
    # 29 February counts as the 28th.
    return same_day(date(2000, *last), 2001).timetuple().tm_yday


def _weather_known(weather: pd.DataFrame, *, until: int) -> "pd.Series[bool]":
    """Tell of which counties and years enough of the season up to the day is known."""
    season = [name for name in weather.columns if int(name[-3:]) <= until]
    return weather[season].notna().mean(axis=1) >= ENOUGH


def _years_with_weather(known: pd.DataFrame, seen: "pd.Series[bool]") -> int:
    """Count the years in which at least half of the yields have their weather."""
    rows = pd.MultiIndex.from_frame(known[["county", "year"]])
    share = seen.reindex(rows, fill_value=False).groupby(level="year").mean()
    return int((share >= 0.5).sum())


def _table(
    known: pd.DataFrame,
    current: pd.DataFrame,
    weather: pd.DataFrame,
    *,
    crop: str,
    imagery: Sequence[str],
) -> Table:
    """Return every county and year from the first yield to the year to estimate."""
    rows = pd.concat([known, current])[[*KEY, YIELD, *imagery]]
    rows = rows.loc[rows["crop"] == crop].drop(columns="crop")
    years = range(int(rows["year"].min()), int(rows["year"].max()) + 1)
    # A year without a yield still is the one before another, with its autumn.
    every = pd.MultiIndex.from_product(
        [sorted(rows["county"].unique()), years], names=["county", "year"]
    )
    whole = rows.set_index(["county", "year"]).reindex(every).join(weather)
    return read_table(whole.reset_index(), region="county", year="year", target=YIELD)
