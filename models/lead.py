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

from models.errors import SeasonInvalid
from models.features import GROWN, check_grid, pixels_of_crop, table_of_crops
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
]

HARVEST: Final = GROWN[1]
"""Month and day from which on lead times are counted back, for every crop."""

SEASON_TO_DATE: Final = ("peak", "integral", "latest")
"""Names of the features of `season_to_date` that a model reads."""

# Pixels behind a step of a county's curve count like so many observations of a pixel.
FULL_WEIGHT = 4

# Fewer steps make no curve.
FEWEST_STEPS = 3

_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august"),
    *("september", "october", "november", "december"),
)


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
    over the pixels that speak for it (`models.features.pixels_of_crop`) and whose own
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
        The arrays are not of one grid, or a zone has no county code.
    """
    _check_season(season)
    count = len(county_codes)
    shape = season["ndvi_smooth"].shape[1:]
    check_grid(shape, zones=zones, fractions=fractions, count=count)
    # One pass over the scenes for all crops.
    whole = season[["ndvi_smooth", "clear_count", "time_bnds"]].compute()
    return table_of_crops(
        lambda percent: _crop(whole, zones=zones, percent=percent, count=count),
        fractions=fractions,
        county_codes=county_codes,
    )


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
    crop, zone, weight = pixels_of_crop(zones, percent)
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
