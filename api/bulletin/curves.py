"""The course of an index over a zone, dekad by dekad, this year and past ones."""

from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from api.growth_request import GrowthRequest, season_start
from api.season_product import SeasonRequest
from raster.block import CLEAR_COUNT, SMOOTH
from raster.coverage import Coverage
from raster.season import season
from raster.zone_sums import zone_statistics

__all__ = ["curves", "season_end"]


def season_end(year: int) -> date:
    """Return the last day that the course of a past season is drawn to."""
    return date(year, 10, 31)


def curves(
    request: GrowthRequest, zone: Coverage, *, share: NDArray[np.float32] | None
) -> pd.DataFrame:
    """Average the smoothed index of a zone in every dekad.

    Past seasons are whole, this one ends with its dekad: the bands of a chart go on
    where the year has not been. The grade does not use them, see `GrowthRequest`.

    Parameters
    ----------
    request
        Whose years, scenes and grid are taken.
    zone
        One zone on the request's grid.
    share
        (y, x) share of the crop, None for all land.

    Returns
    -------
    DataFrame
        A column a year, in order; index: first day of the dekad as text "MM-DD". NaN
        where less than the grading's `min_share` of the crop has a value.
    """
    current = request.day.year
    found = {
        year: _curve(
            request,
            zone,
            year=year,
            end=request.dekad.end if year == current else season_end(year),
            share=share,
        )
        for year in request.seasons
    }
    return pd.DataFrame(found).sort_index()


def _curve(
    request: GrowthRequest,
    zone: Coverage,
    *,
    year: int,
    end: date,
    share: NDArray[np.float32] | None,
) -> pd.Series:
    asked = SeasonRequest(
        archive=request.archive,
        place=request.place,
        start=season_start(year),
        end=end,
        collection=request.collections[year],
        options={},
    )
    smooth = request.index + SMOOTH
    lazy = season(
        asked.scenes[1],
        request.geobox,
        start=season_start(year),
        end=end,
        variables=(smooth, CLEAR_COUNT),
        index=request.index,
        verify=request.verify,
    )
    means = zone_statistics(lazy[smooth], zone, weights=share)
    weight = means["weight"].to_numpy()[0]
    enough = weight >= request.grading.min_share * _whole(zone, share)
    mean = np.where(enough, means["mean"].to_numpy()[0], np.nan)
    days = pd.DatetimeIndex(lazy["time"].to_numpy()).strftime("%m-%d")
    return pd.Series(mean, index=days)


def _whole(zone: Coverage, share: NDArray[np.float32] | None) -> float:
    """Pixels of the crop in the zone, by share."""
    ground = np.zeros(zone.geobox.shape, np.uint8)
    whole = zone_statistics(ground, zone, weights=share)["weight"]
    # Without any crop nothing is enough.
    return float(whole.to_numpy()[0]) or np.inf
