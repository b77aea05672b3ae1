"""Growth of fields and counties: zonal means of every year, graded like a pixel."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from models.growth.grading import GRADES, Grading
from models.growth.measures import STATUS_REASONS, GrowthStatus, Measures, measures
from models.reasons import Reason, both
from raster.coverage import Coverage
from raster.zone_status import STATUS_WORDING, ZoneStatus
from raster.zone_sums import zone_statistics

__all__ = ["ZoneYears", "grade_zones", "growth_table", "zone_years"]

Float = NDArray[np.float64]

_PLACELESS = (ZoneStatus.OUTSIDE, ZoneStatus.TOO_SMALL, ZoneStatus.EMPTY)

GRADE_EDGES = (0.5, 1.5, 2.5, 3.5, 4.5, 5.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneYears:
    """Mean of an index in each zone and year, by crop where there was a crop map.

    Attributes
    ----------
    zones
        Labels.
    years
        int64 (year,), ascending; the last one is this year.
    mean
        float64 (year, zone), index units, NaN where too little was seen.
    seen
        float64 (year, zone), share of the zone's crop with a value.
    status
        `ZoneStatus` of each zone for what cannot change: outside, too small, empty;
        else "ok".
    shares
        float64 (zone, 5), share of the graded crop in each grade; NaN without one.
    pixels
        float64 (zone,), pixels of the crop, by share.
    """

    zones: tuple[Hashable, ...]
    years: NDArray[np.int64]
    mean: Float
    seen: Float
    status: tuple[ZoneStatus, ...]
    shares: Float
    pixels: Float


def zone_years(
    values: xr.DataArray,
    grade: xr.DataArray,
    coverage: Coverage,
    *,
    weights: NDArray[Any] | None,
    min_share: float,
    zones: Sequence[Hashable],
) -> ZoneYears:
    """Average an index over zones, every year of it.

    Parameters
    ----------
    values : (time, y, x)
        The same dekad of each year, oldest first, this year last; integers with
        ``_FillValue`` and ``scale_factor``, on dask or not.
    grade : uint8 (y, x)
        Grades of pixels, 0 for none.
    coverage
        Of the zones on that grid.
    weights : (y, x) or None
        Crop fraction of a pixel, 0..1; None counts all land.
    min_share
        Share of a zone's crop that must have a value in a year.
    zones
        Labels of the zones.
    """
    # Without attributes, so that no pixel is nodata: the whole crop counts.
    ground = xr.zeros_like(grade, dtype=np.uint8).drop_attrs()
    crop = zone_statistics(ground, coverage, weights=weights)
    means = zone_statistics(values, coverage, weights=weights)
    whole = crop["weight"].to_numpy()[:, None]
    seen = np.divide(
        means["weight"].to_numpy(),
        whole,
        # A zone without the crop has seen nothing of it.
        out=np.zeros(means["weight"].shape),
        where=whole > 0,
    )
    # A mean over the tenth of a county that was clear is not the county's.
    mean = np.where(seen >= min_share, means["mean"].to_numpy(), np.nan)
    return ZoneYears(
        zones=tuple(zones),
        years=values["time"].dt.year.to_numpy().astype(np.int64),
        mean=mean.T,
        seen=seen.T,
        status=tuple(map(_lasting, crop["status"].to_numpy().tolist())),
        shares=_shares(grade, coverage, weights),
        pixels=whole[:, 0],
    )


def _lasting(status: str) -> ZoneStatus:
    return ZoneStatus(status) if status in _PLACELESS else ZoneStatus.OK


def _shares(
    grade: xr.DataArray, coverage: Coverage, weights: NDArray[Any] | None
) -> Float:
    found = zone_statistics(
        grade, coverage, weights=weights, edges=GRADE_EDGES, nodata=0, scale=1.0
    )
    counts = found["histogram"].to_numpy()
    total = np.nansum(counts, axis=1, keepdims=True)
    shares = np.full(counts.shape, np.nan)
    np.divide(counts, total, out=shares, where=total > 0)
    return shares


def grade_zones(found: ZoneYears, grading: Grading) -> Measures:
    """Grade each zone by its mean; arrays (zone,)."""
    return measures(found.mean[-1], found.mean[:-1], grading)


def growth_table(
    found: ZoneYears, grading: Grading, *, absent: Mapping[int, Reason] | None = None
) -> pd.DataFrame:
    """Tell the growth of each zone as a table.

    Parameters
    ----------
    found
        From `zone_years`.
    grading
    absent
        Years that were wanted and have no imagery, and why.

    Returns
    -------
    DataFrame
        A row a zone: zone, value, normal, low, high, difference, vci, anomaly,
        percentile, years, grade (1 to 5, <NA> for none), grade_en, grade_zh, seen
        (share of the crop with a value this year), share_1 .. share_5, status
        (`GrowthStatus` in lower case, or a `ZoneStatus`), reason_en, reason_zh.
    """
    graded = grade_zones(found, grading)
    rows = [
        _row(found, graded, number, grading, absent or {})
        for number in range(len(found.zones))
    ]
    table = pd.DataFrame(rows)
    return table.astype({"grade": "Int64"}) if rows else table


_MEASURES = (
    *("value", "normal", "low", "high"),
    *("difference", "vci", "anomaly", "percentile"),
)


def _row(
    found: ZoneYears,
    graded: Measures,
    number: int,
    grading: Grading,
    absent: Mapping[int, Reason],
) -> dict[str, Any]:
    grade = int(graded.grade[number])
    word = GRADES[grade - 1] if grade else Reason("", "")
    status, reason = _why(found, graded, number, grading, absent)
    shares = {f"share_{i + 1}": found.shares[number, i] for i in range(len(GRADES))}
    return {
        "zone": found.zones[number],
        **{name: float(getattr(graded, name)[number]) for name in _MEASURES},
        "years": int(graded.years[number]),
        "grade": grade or None,
        "grade_en": word.en,
        "grade_zh": word.zh,
        "seen": float(found.seen[-1, number]),
        **shares,
        "status": status,
        "reason_en": reason.en,
        "reason_zh": reason.zh,
    }


def _why(
    found: ZoneYears,
    graded: Measures,
    number: int,
    grading: Grading,
    absent: Mapping[int, Reason],
) -> tuple[str, Reason]:
    place = found.status[number]
    if place is not ZoneStatus.OK:
        wording = STATUS_WORDING[place]
        return str(place), Reason(wording.en, wording.zh)
    status = GrowthStatus(int(graded.status[number]))
    reason = STATUS_REASONS[status]
    if status is GrowthStatus.NO_VALUE:
        share = found.seen[-1, number]
        reason = Reason(
            f"{reason.en}: {share:.0%} of the crop was seen, "
            f"{grading.min_share:.0%} needed",
            f"{reason.zh}：有观测的作物面积占{share:.0%}，至少需要{grading.min_share:.0%}",
        )
    elif status is GrowthStatus.FEW_YEARS:
        reason = _few(int(graded.years[number]), grading, absent)
    return status.name.lower(), reason


def _few(known: int, grading: Grading, absent: Mapping[int, Reason]) -> Reason:
    few = Reason(
        f"{known} of the {grading.min_years} past years needed have a value",
        f"有数值的往年仅{known}年，至少需要{grading.min_years}年",
    )
    if not absent:
        return few
    years = sorted(absent)
    gone = Reason(
        f"no imagery in {', '.join(map(str, years))}",
        f"{'、'.join(map(str, years))}年没有影像",
    )
    return both(few, gone) or few
