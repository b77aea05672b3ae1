"""Yields of fields: exact means of the pixels they cover."""

from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import norm

from models.errors import ShapeMismatch
from models.pixel_yield.rounding import NODATA, SCALE
from models.pixel_yield.uncertainty import WithinError, field_sd
from raster.coverage import Coverage
from raster.zone_status import STATUS_WORDING
from raster.zone_sums import zone_statistics

__all__ = ["field_yields"]

# Pixels a field must fill for its mean to be its own and not its neighbours'.
MIN_PIXELS = 4.0

_MIXED = (
    "fewer than four pixels: the neighbours' yield is mixed in",
    "不足四个像元，混有相邻地块",
)


def field_yields(
    pixels: NDArray[np.uint16],
    coverage: Coverage,
    *,
    fields: Sequence[Hashable],
    weight: NDArray[np.floating] | None = None,
    zones: NDArray[np.int16] | None = None,
    county_values: NDArray[np.float64] | None = None,
    county_sds: NDArray[np.float64] | None = None,
    within: WithinError | None = None,
    level: float = 0.9,
) -> pd.DataFrame:
    """Mean yield of each field, with its interval and status.

    Parameters
    ----------
    pixels
        uint16 (y, x), kg/ha, of `county_map`.
    coverage
        Of the fields on the grid of `pixels`, `raster.coverage.coverage`.
    fields
        Ids, in the order of the coverage.
    weight
        (y, x), crop fraction; None to count every pixel whole.
    zones, county_values, county_sds
        As `pixel_sd` takes them; without them there is no interval.
    within
        Error of the model within a county; None where nobody has measured it.
    level
        Of the interval.

    Returns
    -------
    DataFrame
        ``field``, ``yield_t_ha``, ``sd_t_ha``, ``lower``, ``upper``, ``pixels`` (with
        a yield, by their share in the field), ``area_ha``, ``error`` ("full",
        "county_only" for a lower bound, "unknown"), ``status`` (of
        `raster.ZoneStatus`, or "few_pixels"), ``reason_en``, ``reason_zh``.

    Raises
    ------
    ShapeMismatch
        Not as many ids as fields.
    GridInvalid
        An array is not on the coverage's grid.
    """
    if len(fields) != len(coverage.pixels):
        raise ShapeMismatch(
            f"{len(fields)} ids for {len(coverage.pixels)} fields: give one each"
            " · 地块编号数量与地块不符"
        )
    found = zone_statistics(
        pixels, coverage, nodata=NODATA, scale=SCALE, weights=weight
    )
    mean, count = found["mean"].to_numpy(), found["weight"].to_numpy()
    sd, error = np.full(len(mean), np.nan), "unknown"
    if zones is not None and county_values is not None and county_sds is not None:
        county = _counties(coverage, zones, len(county_values))
        sd, said = field_sd(
            mean, county, count, county_values, county_sds, within=within
        )
        error = str(said)
    reach = norm.ppf((1 + level) / 2) * sd
    return pd.DataFrame(
        {
            "field": list(fields),
            "yield_t_ha": mean,
            "sd_t_ha": sd,
            "lower": np.maximum(mean - reach, 0),
            "upper": mean + reach,
            "pixels": count,
            "area_ha": found["area"].to_numpy() / 1e4,
            "error": np.where(np.isfinite(sd), error, "unknown"),
            **_statuses(found, few=np.isfinite(mean) & (count < MIN_PIXELS)),
        }
    )


def _statuses(found: xr.Dataset, *, few: NDArray[np.bool_]) -> dict[str, list[str]]:
    """Columns of status and reason."""
    status = found["status"].to_numpy().tolist()
    reasons = [STATUS_WORDING[each] for each in status]
    rows = list(zip(few.tolist(), status, reasons, strict=True))
    return {
        "status": ["few_pixels" if f else str(each) for f, each, _ in rows],
        "reason_en": [_MIXED[0] if f else reason.en for f, _, reason in rows],
        "reason_zh": [_MIXED[1] if f else reason.zh for f, _, reason in rows],
    }


def _counties(
    coverage: Coverage, zones: NDArray[np.int16], count: int
) -> NDArray[np.intp]:
    """Position of the county that holds most of each field, -1 for none."""
    shares = coverage.matrix().tocoo()
    county = zones.ravel()[shares.col]
    inside = county >= 0
    pair = shares.row[inside].astype(np.intp) * count + county[inside]
    size = len(coverage.pixels) * count
    held = np.bincount(pair, shares.data[inside], size).reshape(-1, count)
    return np.where(held.max(axis=1) > 0, held.argmax(axis=1), -1)
