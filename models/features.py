"""Features of counties, from the season of their pixels and from their weather."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Final

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from models.errors import SeasonInvalid, ShapeMismatch, ValueInvalid
from models.tables import require_columns, require_unique
from raster.zonal import zone_mean

CROPS = ("maize", "rice", "soybean")
SEASON_FEATURES = ("peak", "integral", "sos", "pos", "eos")
GROWN: Final = ((5, 1), (9, 30))
"""Month and day of the first and the last day of which the weather counts."""

# Feature -> daily quantity, and first and last month and day of its sum.
_SUMS: Final = {
    "gdd10": ("gdd10", *GROWN),
    "edd30": ("edd30", *GROWN),
    "precipitation_may_jun": ("precipitation", (5, 1), (6, 30)),
    "precipitation_jul_aug": ("precipitation", (7, 1), (8, 31)),
    "precipitation_sep": ("precipitation", (9, 1), (9, 30)),
    "radiation": ("radiation", *GROWN),
}
WEATHER_FEATURES = tuple(_SUMS)
FEATURES = SEASON_FEATURES + WEATHER_FEATURES

# Per cent of a pixel that a crop must hold to speak for it. Below a fifth the
# signal is that of the neighbours; a majority rule would leave soybean, grown
# in scattered fields, with no pixel at all in most counties at 250 m.
PURITY = 20

# A sum over fewer days says more of the calendar than of the year.
FEWEST_DAYS = 10

_WEATHER = ("tmin", "tmax", "precipitation", "radiation")


def season_features(
    season: xr.Dataset,
    *,
    zones: NDArray[np.int16],
    fractions: NDArray[np.uint8],
    county_codes: Sequence[str],
) -> pd.DataFrame:
    """Return the mean season of each crop in each county.

    Means are weighted by crop fraction, over the pixels of which the crop holds
    at least `PURITY` per cent and which have all of `SEASON_FEATURES`.

    Parameters
    ----------
    season : Dataset
        As `raster.season.season` returns it, with `SEASON_FEATURES` (y, x) and
        clear_count (time, y, x); eager or on dask, then computed once.
    zones : int16 (y, x)
        Position of the pixel's county in `county_codes`, -1 outside all.
    fractions : uint8 (3, y, x)
        Per cent of `CROPS`, in that order; above 100 (255) where unknown.
    county_codes : Sequence of str

    Returns
    -------
    DataFrame
        county, crop, peak (NDVI), integral (NDVI day), sos, pos, eos (days since
        the start of the season asked for), pixels (count that contributed),
        clear_share (share of the crop's pixels and steps with a clear
        observation; NaN without a pixel of the crop). A row for every county and
        crop, sorted; without a pixel the features are NaN and pixels is 0.

    Raises
    ------
    SeasonInvalid
        A variable is absent, or does not say which integer means nodata.
    ShapeMismatch
        The arrays are not of one grid, or a zone has no county code.
    """
    absent = {*SEASON_FEATURES, "clear_count"} - set(season.data_vars)
    if absent:
        raise SeasonInvalid(
            f"the season has no variable {', '.join(sorted(absent))}: "
            "ask raster.season for it · 生长季数据缺少变量"
        )
    count = len(county_codes)
    check_grid(season["peak"].shape, zones=zones, fractions=fractions, count=count)
    # Reduced before computing, so that a lazy season is never whole in memory.
    clear = (season["clear_count"] > 0).mean("time", dtype=np.float32)
    pixels = season[list(SEASON_FEATURES)].assign(clear=clear).compute()
    return table_of_crops(
        lambda percent: _crop_features(
            pixels, zones=zones, percent=percent, count=count
        ),
        fractions=fractions,
        county_codes=county_codes,
    )


def table_of_crops(
    of_crop: Callable[[NDArray[np.uint8]], pd.DataFrame],
    *,
    fractions: NDArray[np.uint8],
    county_codes: Sequence[str],
) -> pd.DataFrame:
    """Return county, crop and the columns of `of_crop`, sorted by county and crop.

    Parameters
    ----------
    of_crop : makes a row for each of `county_codes` from the per cent of a crop
    fractions : uint8 (3, y, x), per cent of `CROPS`
    county_codes : Sequence of str
    """
    tables = [
        of_crop(percent).assign(county=list(county_codes), crop=crop)
        for crop, percent in zip(CROPS, fractions, strict=True)
    ]
    rows = pd.concat(tables).sort_values(["county", "crop"], ignore_index=True)
    return rows[["county", "crop", *rows.columns.drop(["county", "crop"])]]


def check_grid(
    shape: tuple[int, ...],
    *,
    zones: NDArray[np.int16],
    fractions: NDArray[np.uint8],
    count: int,
) -> None:
    """Raise `ShapeMismatch` where zones or fractions are not of a season's grid.

    Or where a zone is none of the `count` counties.
    """
    if zones.shape != shape or fractions.shape != (len(CROPS), *shape):
        raise ShapeMismatch(
            f"season {shape}, zones {zones.shape}, fractions {fractions.shape}: "
            f"make all on one grid, fractions as ({len(CROPS)}, y, x) · 网格不一致"
        )
    if zones.size and zones.max() >= count:
        raise ShapeMismatch(
            f"zone {zones.max()} has no county: only {count} county codes are given"
            f" · 分区 {zones.max()} 没有对应的县代码"
        )


def pixels_of_crop(
    zones: NDArray[np.int16], percent: NDArray[np.uint8]
) -> tuple[NDArray[np.intp], NDArray[np.int16], NDArray[np.float64]]:
    """Return flat positions, zones and weights of the pixels that speak for a crop.

    Those in a zone of which it holds at least `PURITY` per cent; the weight is that.
    """
    crop = np.flatnonzero((zones >= 0) & (percent >= PURITY) & (percent <= 100))
    return crop, zones.ravel()[crop], percent.ravel()[crop].astype(np.float64)


def _crop_features(
    pixels: xr.Dataset,
    *,
    zones: NDArray[np.int16],
    percent: NDArray[np.uint8],
    count: int,
) -> pd.DataFrame:
    crop, zone, weight = pixels_of_crop(zones, percent)
    values = {name: _physical(pixels[name], crop) for name in SEASON_FEATURES}
    # One set of pixels for all features: a date and a peak of different fields mislead.
    whole = np.logical_and.reduce([np.isfinite(v) for v in values.values()])
    clear = pixels["clear"].to_numpy().ravel()[crop]
    means = {
        name: zone_mean(value[whole], weight[whole], zone[whole], count=count).mean
        for name, value in values.items()
    }
    return pd.DataFrame(
        {
            **means,
            "pixels": np.bincount(zone[whole], minlength=count),
            "clear_share": zone_mean(clear, weight, zone, count=count).mean,
        }
    )


def _physical(variable: xr.DataArray, chosen: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the values of the chosen pixels in their unit, NaN for nodata."""
    raw = variable.to_numpy().ravel()[chosen]
    if raw.dtype.kind == "f":
        return raw.astype(np.float64)
    if raw.dtype.kind not in "iu" or "_FillValue" not in variable.attrs:
        raise SeasonInvalid(
            f"season variable {variable.name} ({raw.dtype}) does not say which integer "
            "means nodata: pass the season as raster.season returns it, not decoded"
            " · 生长季变量没有说明缺测值"
        )
    values = raw * float(variable.attrs.get("scale_factor", 1.0))
    return np.where(raw == variable.attrs["_FillValue"], np.nan, values)


def weather_names(until: date) -> tuple[str, ...]:
    """Return the features that `weather_features` can give of a season up to a day."""
    return tuple(
        name
        for name, (_, first, _) in _SUMS.items()
        if (until - date(until.year, *first)).days + 1 >= FEWEST_DAYS
    )


def weather_features(weather: pd.DataFrame, *, until: date) -> pd.DataFrame:
    """Return the growing season's weather of a year, May to September, up to a day.

    Parameters
    ----------
    weather : DataFrame
        county, day, tmin, tmax (deg C), precipitation (mm), radiation (MJ m-2), a
        row for each county and day, in any order; other years and later days are
        ignored.
    until : date
        Last day, of the year that is asked for; from 30 September on all of it.

    Returns
    -------
    DataFrame
        A row for each county of `weather`, sorted: county and `weather_names`. gdd10,
        growing degree days (deg C day, `growing_degree_days`); edd30, degree days
        above 30 deg C (`extreme_degree_days`); precipitation_may_jun,
        precipitation_jul_aug, precipitation_sep (mm); radiation (MJ m-2); all as far
        as their sums had come. A feature is NaN when a single day it needs is absent:
        part of a season is not a small season.

    Raises
    ------
    ColumnMissing, RowsDuplicated
    ValueInvalid
        A day's minimum is above its maximum.
    """
    require_columns(weather, ("county", "day", *_WEATHER), table="weather")
    day = pd.to_datetime(weather["day"])
    first, last = (pd.Timestamp(until.year, *one) for one in GROWN)
    known = day.between(first, min(last, pd.Timestamp(until)))
    season = weather.loc[known].assign(day=day[known])
    _check_weather(season)
    low, high = season["tmin"].to_numpy(float), season["tmax"].to_numpy(float)
    season = season.assign(
        gdd10=growing_degree_days(tmin=low, tmax=high),
        edd30=extreme_degree_days(tmin=low, tmax=high),
    )
    columns = {
        name: _sum(season, *_SUMS[name], until=until) for name in weather_names(until)
    }
    counties = pd.Index(sorted(weather["county"].unique()), name="county")
    return pd.DataFrame(columns, index=counties).reset_index()


def _check_weather(season: pd.DataFrame) -> None:
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


def growing_degree_days(
    *, tmin: NDArray[np.float64], tmax: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return growing degree days of each day, base 10 and ceiling 30 deg C.

    Both temperatures are held within 10..30 before they are averaged (method 2 of
    McMaster & Wilhelm 1997, Agric. For. Meteorol. 87:291; the 86/50 method of
    maize).
    """
    low, high = np.clip(tmin, 10.0, 30.0), np.clip(tmax, 10.0, 30.0)
    return (low + high) / 2 - 10.0


def extreme_degree_days(
    *, tmin: NDArray[np.float64], tmax: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return degree days above 30 deg C of each day, on a sine from tmin to tmax.

    Baskerville & Emin 1969, Ecology 50:514. A day of 20..36 deg C spends its
    afternoon above 30 though its mean is 28.
    """
    mean, swing = (tmax + tmin) / 2, (tmax - tmin) / 2
    # Clipped, the crossing angle also serves days wholly below (+90 degrees) or
    # above (-90 degrees) the threshold; a day without a swing is one or the other.
    ratio = np.sign(30.0 - mean)
    np.divide(30.0 - mean, swing, out=ratio, where=swing > 0)
    crossing = np.arcsin(ratio.clip(-1.0, 1.0))
    area = (mean - 30.0) * (np.pi / 2 - crossing) + swing * np.cos(crossing)
    return np.asarray(area / np.pi)
