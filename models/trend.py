"""Robust yield trend: one slope for all counties of a crop, one level per county."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.panel import Panel, column_median


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """Trend in units of each county's level, so a strong county gains more a year.

    Attributes
    ----------
    level : float64 (county,), median yield in t/ha, NaN where none or not above 0
    intercept : float64 (county,), yield / level in `reference_year`
    slope : change of yield / level per year, the same for every county
    reference_year : int
    """

    level: NDArray[np.float64]
    intercept: NDArray[np.float64]
    slope: float
    reference_year: int

    def relative(
        self, years: NDArray[np.int64], *, county: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Return the trend as yield / level, never below 0.

        `years` and `county`, positions of counties, are broadcast together.
        """
        elapsed = years - self.reference_year
        return np.maximum(self.intercept[county] + self.slope * elapsed, 0.0)

    def table(self, years: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the trend of all counties as yield / level, (year, county)."""
        return self.relative(years[:, None], county=np.arange(self.level.size))


def fit_trend(panel: Panel) -> Trend:
    """Fit a trend to the years of `panel` and to no other year.

    The slope is the median of the slopes between all pairs of years within all
    counties (Theil 1950; Sen 1968, JASA 63:1379; pooled over strata as in Hirsch,
    Slack & Smith 1982, Water Resour. Res. 18:107). Ten years of one county say
    little about its own slope. The intercept is the median of the county's
    departures from that slope. With a single year the slope is 0.
    """
    median = column_median(panel.yields)
    # A level of 0 would make every other year infinitely good.
    level = np.where(median > 0, median, np.nan)
    relative = panel.yields / level
    slope = pooled_slope(relative, years=panel.years)
    reference_year = int(panel.years[-1])
    # The median again, so that one drought does not lower the county for good.
    departures = relative - slope * (panel.years - reference_year)[:, None]
    return Trend(
        level=level,
        intercept=column_median(departures),
        slope=slope,
        reference_year=reference_year,
    )


def pooled_slope(values: NDArray[np.float64], *, years: NDArray[np.int64]) -> float:
    """Return the median slope per year over pairs of years within each column.

    Parameters
    ----------
    values : float64 (year, county), NaN where unknown
    years : int64 (year,), distinct

    Returns
    -------
    float
        0.0 where no county has two years.
    """
    early, late = np.triu_indices(years.size, k=1)
    # Pairs of rows serve all counties at once; gaps turn into NaN slopes.
    slopes = (values[late] - values[early]) / (years[late] - years[early])[:, None]
    known = slopes[np.isfinite(slopes)]
    return float(np.median(known)) if known.size else 0.0
