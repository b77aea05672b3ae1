"""Features of a season that is not over: what was known on a day, in each year alike.

A forecast of June may learn only from what past years had shown in June, so every year
of the history is cut at the same day of the calendar, and each day has its own model.
"""

from collections.abc import Sequence
from datetime import date
from typing import Final

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from models.errors import SeasonInvalid, ShapeMismatch, ValueInvalid
from models.features import (
    CROPS,
    PURITY,
    SEASON_FEATURES,
    extreme_degree_days,
    growing_degree_days,
)
from models.tables import require_columns, require_unique
from raster.season import SMOOTHING
from raster.smooth import whittaker
from raster.zonal import zone_mean

__all__ = [
    "HARVEST",
    "SEASON_TO_DATE",
    "lead_days",
    "lead_name",
    "same_day",
    "season_to_date",
    "weather_names_to_date",
    "weather_to_date",
]

HARVEST: Final = (9, 30)
"""Month and day from which on lead times are counted back, for every crop."""

SEASON_TO_DATE: Final = ("peak", "integral", "latest")
"""Names of the features of `season_to_date` that a model reads."""

# A sum over fewer days says more of the calendar than of the year.
FEWEST_DAYS = 10

# Pixels behind a step of a county's curve count like so many observations of a pixel.
FULL_WEIGHT = 4

# Fewer steps make no curve.
FEWEST_STEPS = 3

_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august"),
    *("september", "october", "november", "december"),
)

_READ = ("tmin", "tmax", "precipitation", "radiation")

# Feature -> daily quantity, and first and last month and day of its sum.
_SUMS: Final = {
    "gdd10": ("gdd10", (5, 1), HARVEST),
    "edd30": ("edd30", (5, 1), HARVEST),
    "precipitation_may_jun": ("precipitation", (5, 1), (6, 30)),
    "precipitation_jul_aug": ("precipitation", (7, 1), (8, 31)),
    "precipitation_sep": ("precipitation", (9, 1), HARVEST),
    "radiation": ("radiation", (5, 1), HARVEST),
}


def same_day(day: date, year: int) -> date:
    """Return the day of another year; 28 February for the 29th of a leap year."""
    if (day.month, day.day) == (2, 29):
        return date(year, 2, 28)
    return day.replace(year=year)


def lead_days(as_of: date, *, year: int) -> int:
    """Return how many days `as_of` lies before the harvest of `year`, 0 from it on."""
    return max(0, (date(year, *HARVEST) - as_of).days)


def lead_name(as_of: date, *, year: int) -> str:
    """Return a lead time's name: the month of `as_of`, "harvest" from October on."""
    if as_of > date(year, *HARVEST):
        return "harvest"
    return _MONTHS[as_of.month - 1]


def weather_names_to_date(until: date) -> tuple[str, ...]:
    """Return the features that `weather_to_date` can give of a season up to a day."""
    return tuple(
        name
        for name, (_, first, _) in _SUMS.items()
        if (until - date(until.year, *first)).days + 1 >= FEWEST_DAYS
    )


def weather_to_date(weather: pd.DataFrame, *, until: date) -> pd.DataFrame:
    """Return the growing season's weather of a year from May up to a day.

    Parameters
    ----------
    weather : DataFrame
        county, day, tmin, tmax (deg C), precipitation (mm), radiation (MJ m-2), a row
        for each county and day, in any order; other years and later days are ignored.
    until : date
        Last day, of the year that is asked for.

    Returns
    -------
    DataFrame
        A row for each county of `weather`, sorted: county and `weather_names_to_date`,
        which are the sums of `models.features.weather_features` as far as they had
        come. NaN when a single day is absent.

    Raises
    ------
    ColumnMissing, RowsDuplicated
    ValueInvalid
        A day's minimum is above its maximum.
    """
    require_columns(weather, ("county", "day", *_READ), table="weather")
    day = pd.to_datetime(weather["day"])
    known = (day >= pd.Timestamp(until.year, 5, 1)) & (day <= pd.Timestamp(until))
    season = weather.loc[known].assign(day=day[known])
    _check(season)
    low, high = season["tmin"].to_numpy(float), season["tmax"].to_numpy(float)
    season = season.assign(
        gdd10=growing_degree_days(tmin=low, tmax=high),
        edd30=extreme_degree_days(tmin=low, tmax=high),
    )
    columns = {
        name: _sum(season, *_SUMS[name], until=until)
        for name in weather_names_to_date(until)
    }
    counties = pd.Index(sorted(weather["county"].unique()), name="county")
    return pd.DataFrame(columns, index=counties).reset_index()


def _check(season: pd.DataFrame) -> None:
    require_unique(season, ("county", "day"), table="weather")
    wrong = season["tmin"] > season["tmax"]
    if wrong.any():
        row = season.loc[wrong].iloc[0]
        raise ValueInvalid(
            f"weather of county {row['county']} on {row['day']:%Y-%m-%d}: tmin "
            f"{row['tmin']} is above tmax {row['tmax']}; correct the day or drop it"
            " · 气象数据中最低气温高于最高气温，请改正或删去这一天"
        )


def _sum(
    season: pd.DataFrame,
    quantity: str,
    first: tuple[int, int],
    last: tuple[int, int],
    *,
    until: date,
) -> pd.Series:
    """Return the sum by county, NaN unless every day up to `until` is known."""
    start, end = date(until.year, *first), min(date(until.year, *last), until)
    days = (end - start).days + 1
    within = season["day"].between(pd.Timestamp(start), pd.Timestamp(end))
    return season.loc[within].groupby("county")[quantity].sum(min_count=days)


def season_to_date(
    season: xr.Dataset,
    *,
    zones: NDArray[np.int16],
    fractions: NDArray[np.uint8],
    county_codes: Sequence[str],
) -> pd.DataFrame:
    """Return how far each crop of each county had come by the end of an open season.

    The start, peak and end of a season are known only when it is over. What is known
    before is a curve: in each step the mean smoothed NDVI, weighted by crop fraction,
    over the pixels of which the crop holds at least `PURITY` per cent and whose own
    curve has begun and not yet ended, for the last clouds end it early. Smoothed once
    more (`raster.smooth.whittaker`, by how many pixels are behind a step) it runs on to
    the last step, and gives the features.

    Parameters
    ----------
    season : Dataset
        As `raster.season.season` returns it, with ndvi_smooth and clear_count (time, y,
        x) and time_bnds, made from acquisitions up to the day and no later one.
    zones : int16 (y, x)
        Position of the pixel's county in `county_codes`, -1 outside all.
    fractions : uint8 (3, y, x)
        Per cent of `CROPS`, in that order; above 100 (255) where unknown.
    county_codes : Sequence of str

    Returns
    -------
    DataFrame
        The columns of `season_features`: county, crop, peak (highest NDVI so far),
        integral (NDVI day since 1 May), sos, pos and eos always NaN, pixels (count with
        a curve), clear_share; and latest (NDVI at the end). Sorted by county and crop;
        without a curve the features are NaN.

    Raises
    ------
    SeasonInvalid
        A variable is absent, or does not say which integer means nodata.
    ShapeMismatch
        The arrays are not of one grid.
    """
    _check_season(season)
    shape = season["ndvi_smooth"].shape[1:]
    if zones.shape != shape or fractions.shape != (len(CROPS), *shape):
        raise ShapeMismatch(
            f"season {shape}, zones {zones.shape}, fractions {fractions.shape}: "
            f"make all on one grid, fractions as ({len(CROPS)}, y, x) · 网格不一致"
        )
    # One pass over the scenes for all crops.
    whole = season[["ndvi_smooth", "clear_count", "time_bnds"]].compute()
    tables = [
        _crop(whole, zones=zones, percent=percent, count=len(county_codes)).assign(
            county=list(county_codes), crop=crop
        )
        for crop, percent in zip(CROPS, fractions, strict=True)
    ]
    columns = ["county", "crop", *SEASON_FEATURES, "latest", "pixels", "clear_share"]
    rows = pd.concat(tables).sort_values(["county", "crop"], ignore_index=True)
    return rows[columns]


def _check_season(season: xr.Dataset) -> None:
    absent = {"ndvi_smooth", "clear_count", "time_bnds"} - {*season.variables}
    if absent or "_FillValue" not in season["ndvi_smooth"].attrs:
        lacks = ", ".join(sorted(map(str, absent))) or "_FillValue of ndvi_smooth"
        raise SeasonInvalid(
            f"the season has no {lacks}: ask raster.season for it, and pass it as "
            "raster.season returns it, not decoded · 生长季数据缺少变量"
        )


def _crop(
    season: xr.Dataset,
    *,
    zones: NDArray[np.int16],
    percent: NDArray[np.uint8],
    count: int,
) -> pd.DataFrame:
    crop = np.flatnonzero((zones >= 0) & (percent >= PURITY) & (percent <= 100))
    zone, weight = zones.ravel()[crop], percent.ravel()[crop].astype(np.float64)
    raw = season["ndvi_smooth"]
    steps = len(raw)
    numbers = raw.to_numpy().reshape(steps, -1)[:, crop]
    known = numbers != raw.attrs["_FillValue"]
    clear = season["clear_count"].to_numpy().reshape(steps, -1)[:, crop] > 0
    whole = np.bincount(zone, weight, minlength=count).astype(np.float64)
    mean, share = _curves(numbers, known, zone=zone, weight=weight, whole=whole)
    scale = float(raw.attrs.get("scale_factor", 1.0))
    return pd.DataFrame(
        {
            **_of_curves(_run_on(mean * scale, share), season),
            **dict.fromkeys(("sos", "pos", "eos"), np.full(count, np.nan)),
            "pixels": np.bincount(zone[known.any(axis=0)], minlength=count),
            "clear_share": zone_mean(
                clear.mean(axis=0), weight, zone, count=count
            ).mean,
        }
    )


def _curves(
    numbers: NDArray[np.int16],
    known: NDArray[np.bool_],
    *,
    zone: NDArray[np.int16],
    weight: NDArray[np.float64],
    whole: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and share of the weight that is known, (step, county)."""
    mean = np.full((len(numbers), whole.size), np.nan)
    share = np.zeros_like(mean)
    for step, (row, here) in enumerate(zip(numbers, known, strict=True)):
        part = np.where(here, weight, 0.0)
        weights = np.bincount(zone, part, minlength=whole.size)
        sums = np.bincount(zone, part * row, minlength=whole.size)
        np.divide(sums, weights, out=mean[step], where=weights > 0)
        np.divide(weights, whole, out=share[step], where=whole > 0)
    return mean, share


def _run_on(
    mean: NDArray[np.float64], share: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Smooth the curves and run them on to the ends; NaN with too few steps."""
    counts = np.ceil(share * FULL_WEIGHT).astype(np.uint8)
    enough = (counts > 0).sum(axis=0) >= FEWEST_STEPS
    smooth = whittaker(mean.astype(np.float32), smoothing=SMOOTHING, weights=counts)
    return np.where(enough, smooth, np.nan).astype(np.float64)


def _of_curves(
    curves: NDArray[np.float64], season: xr.Dataset
) -> dict[str, NDArray[np.float64]]:
    bounds = season["time_bnds"].to_numpy()
    days = (bounds[:, 1] - bounds[:, 0]) / np.timedelta64(1, "D")
    # April's clear days are few and its fields bare.
    month = season["time"].dt.month.to_numpy()
    grown = np.where(month >= 5, days, 0.0)
    return {
        "peak": curves.max(axis=0),
        # A curve run on as a line can fall below bare soil.
        "integral": grown @ curves.clip(min=0.0),
        "latest": curves[-1],
    }
