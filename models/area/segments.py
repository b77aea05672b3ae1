"""Crop areas from the surveyed segments of a stratified area frame."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.area import reasons
from models.area.errors import FrameInvalid, SampleInvalid
from models.area.quantiles import (
    degrees_of_freedom,
    satterthwaite,
    symmetric_bounds,
    unseen_bound,
)
from models.area.result import AreaEstimate, Status
from models.reasons import Reason, both
from models.tables import require_columns, require_unique

__all__ = [
    "RATIO_LEAST",
    "REGRESSION_LEAST",
    "Method",
    "Stratum",
    "crop_area",
    "strata_of",
    "total_area",
]

Float = NDArray[np.float64]
Method = Literal["auto", "direct", "ratio", "regression"]

# Segments a stratum needs: USDA NASS regresses from 10 on (and from 5 in need).
REGRESSION_LEAST = 10
RATIO_LEAST = 5
# What a method cannot do without: a variance, and for a line one segment more.
_LEAST = {"direct": 2, "ratio": 3, "regression": 4}
# Of the spread of a map: less is rounding.
_SAME = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """Surveyed segments of a stratum, and what is known of all of it.

    Attributes
    ----------
    name
        Of the stratum.
    surveyed
        float64 (segments,): area of the crop found on the ground, ha.
    mapped
        float64 (segments,): area of the crop on the map in the same segments, ha;
        None without a map.
    population
        Segments of the stratum in the frame.
    mapped_mean
        Mean of the map's area over all of them, ha; None without a map.
    """

    name: str
    surveyed: Float
    mapped: Float | None
    population: int
    mapped_mean: float | None


@dataclass(frozen=True, slots=True)
class _Total:
    value: float
    variance: float
    df: float
    method: str
    segments: int
    direct_variance: float
    flat: bool = False


def crop_area(
    sample: pd.DataFrame,
    frame: pd.DataFrame,
    *,
    crop: str,
    method: Method = "auto",
    interval: float = 0.95,
) -> AreaEstimate:
    """Estimate the area of one crop in the whole frame.

    Parameters
    ----------
    sample
        A row a surveyed segment: `segment_id`, `stratum`, `{crop}_ha` (as
        `store.ground.Segment` has them) and, for ratio and regression,
        `{crop}_map_ha`. Segments without a figure for the crop are left out.
    frame
        A row a stratum: `stratum`, `segments` in the frame, and for ratio and
        regression `{crop}_map_ha`, the map's total over them; perhaps `area_ha` of
        land, which no estimate exceeds.
    method
        As in `total_area`.
    interval
        Nominal coverage, in 0..1.

    Returns
    -------
    AreaEstimate
        ha; named by the crop.

    Raises
    ------
    models.errors.ColumnMissing, models.errors.RowsDuplicated
    FrameInvalid
        A number of the frame is negative, no number, or smaller than the sample's.
    SampleInvalid
        A segment is of no stratum of the frame, or its figure is negative.
    """
    strata, lost = strata_of(sample, frame, crop=crop)
    land = float(frame["area_ha"].sum()) if "area_ha" in frame else np.inf
    note = reasons.left_out(lost, of=len(sample)) if lost else None
    return total_area(
        strata, name=crop, method=method, interval=interval, land_ha=land, note=note
    )


def strata_of(
    sample: pd.DataFrame, frame: pd.DataFrame, *, crop: str
) -> tuple[list[Stratum], int]:
    """Group a sample by the strata of its frame, and count what has no figure.

    Parameters, Raises
    ------------------
    As in `crop_area`.
    """
    found, mapped = f"{crop}_ha", f"{crop}_map_ha"
    require_columns(sample, ("segment_id", "stratum", found), table="segments")
    require_columns(frame, ("stratum", "segments"), table="frame")
    require_unique(sample, ("segment_id",), table="segments")
    require_unique(frame, ("stratum",), table="frame")
    known = sample.loc[sample[found].notna()]
    _check_figures(known, found)
    if mapped in sample and mapped in frame:
        _check_figures(known, mapped)
    names = frame["stratum"].astype(str).to_numpy()
    of = known["stratum"].astype(str).to_numpy()
    if strange := sorted({*of} - {*names}):
        raise SampleInvalid(
            f"segments of stratum {', '.join(strange)}, which the frame does not have; "
            f"it has {', '.join(names)} · 样方所在层 {'、'.join(strange)} 不在抽样框中"
        )
    sizes = frame["segments"].to_numpy(np.float64)
    surveyed = known[found].to_numpy(np.float64)
    said, totals = None, np.full(len(names), np.nan)
    if mapped in known and mapped in frame:
        said = known[mapped].to_numpy(np.float64)
        totals = frame[mapped].to_numpy(np.float64)
    made = []
    for place in np.argsort(names, kind="stable"):
        own = of == names[place]
        _check_size(names[place], sizes[place], int(own.sum()))
        if said is not None:
            _check_total(names[place], totals[place], mapped)
        if sizes[place]:
            made.append(
                Stratum(
                    name=str(names[place]),
                    surveyed=surveyed[own],
                    mapped=None if said is None else said[own],
                    population=int(sizes[place]),
                    mapped_mean=(
                        None if said is None else float(totals[place] / sizes[place])
                    ),
                )
            )
    return made, len(sample) - len(known)


def total_area(
    strata: Sequence[Stratum],
    *,
    name: str,
    method: Method = "auto",
    interval: float = 0.95,
    land_ha: float = np.inf,
    note: Reason | None = None,
) -> AreaEstimate:
    """Add up the strata of a frame, each estimated by itself.

    Direct expansion: N mean(y), variance N^2 (1 - f) s^2 / n (Cochran 1977, Sampling
    Techniques, 5.3). Ratio: N X mean(y) / mean(x) (6.2). Regression: N (mean(y) + b
    (X - mean(x))), b = cov(x, y) / var(x) (7.4). Both are biased where few segments
    hold a rare crop, and their usual variances too small; so bias and variance are
    the jackknife's (6.17; Quenouille 1956, Biometrika 43:353), which leaves out one
    segment at a time. Intervals by t with Satterthwaite's degrees of freedom, of at
    most n - 1 a stratum (fewer where a few segments carry the variance of a direct
    expansion), n - 2 with a regression.

    Parameters
    ----------
    strata
        Each with segments in the frame.
    name
        Of the crop.
    method
        "auto" regresses a stratum with `REGRESSION_LEAST` segments, takes the ratio
        from `RATIO_LEAST`, else expands; without a map it expands.
    interval
        Nominal coverage, in 0..1.
    land_ha
        No more than there is of land.
    note
        Put before the reason.

    Returns
    -------
    AreaEstimate
        Missing where a stratum has no segment; without standard error where one has
        too few, or where no segment differs from what the others say.
    """
    if empty := [one.name for one in strata if not len(one.surveyed)]:
        return _nothing(strata, name, interval, both(note, reasons.no_samples(empty)))
    totals = [_total(one, method) for one in strata]
    why = both(note, _why(totals, strata, method))
    limited = note is not None
    if (value := sum(one.value for one in totals)) < 0:
        # Cut to 0 in the result; the reason keeps what the regression said.
        why, limited = both(why, reasons.below_zero(value)), True
    if single := [one.name for one in strata if _unknowable(one)]:
        # One stratum without a variance leaves the whole sum without one.
        why, limited = both(why, reasons.one_sample(single)), True
    made = _added(totals, name=name, interval=interval, land_ha=land_ha)
    if not single and _all_alike(strata, made):
        return _alike(strata, made, note=why, land_ha=land_ha)
    if single:
        made = replace(made, se=None, lower=None, upper=None, df=None, efficiency=None)
    status = Status.LIMITED if limited else Status.ESTIMATED
    return replace(made, status=status, reason=why)


def _added(
    totals: "Sequence[_Total]", *, name: str, interval: float, land_ha: float
) -> AreaEstimate:
    """Add up strata, all of which have a variance."""
    value = sum(one.value for one in totals)
    variance = np.array([one.variance for one in totals])
    df = float(satterthwaite(variance, np.array([one.df for one in totals])))
    se = float(np.sqrt(variance.sum()))
    lower, upper = symmetric_bounds(value, se, df, interval=interval, most=land_ha)
    # What the same segments would have told without a map: the map's worth.
    direct = sum(one.direct_variance for one in totals)
    return AreaEstimate(
        name=name,
        value=min(max(value, 0.0), land_ha),
        se=se,
        lower=lower,
        upper=upper,
        interval=interval,
        df=df if np.isfinite(df) else None,
        samples=sum(one.segments for one in totals),
        method="+".join(dict.fromkeys(one.method for one in totals)),
        status=Status.ESTIMATED,
        efficiency=direct / se**2 if se > 0 else None,
    )


def _all_alike(strata: Sequence[Stratum], made: AreaEstimate) -> bool:
    """Whether the segments show no error, though they are not the whole frame."""
    whole = all(len(one.surveyed) == one.population for one in strata)
    assert made.se is not None
    assert made.value is not None
    return not whole and made.se <= _SAME * made.value


def _alike(
    strata: Sequence[Stratum],
    made: AreaEstimate,
    *,
    note: Reason | None,
    land_ha: float,
) -> AreaEstimate:
    """Take the error off a sum of strata without any spread, for it is not known.

    A crop that no segment has is bounded by the segments that could hold it unseen.
    """
    bare = replace(made, se=None, lower=None, upper=None, df=None, efficiency=None)
    bare = replace(bare, status=Status.LIMITED, reason=both(note, reasons.ALIKE))
    if any(one.surveyed.any() for one in strata) or not np.isfinite(land_ha):
        return bare
    sizes = np.array([float(one.population) for one in strata])
    counts = np.array([float(len(one.surveyed)) for one in strata])
    share = unseen_bound(sizes / sizes.sum(), counts, interval=made.interval)
    said = reasons.unseen(int(counts.sum()))
    return replace(bare, lower=0.0, upper=share * land_ha, reason=both(note, said))


def _check_figures(known: pd.DataFrame, column: str) -> None:
    values = known[column].to_numpy(np.float64)
    wrong = ~np.isfinite(values) | (values < 0)
    if wrong.any():
        raise SampleInvalid(
            f"segment {known['segment_id'].to_numpy()[wrong][0]} has {column} "
            f"{values[wrong][0]}: an area is a number, 0 or more"
            f" · 样方的 {column} 应为非负数"
        )


def _check_size(name: str, size: float, surveyed: int) -> None:
    if not (np.isfinite(size) and size == int(size) and size >= surveyed):
        raise FrameInvalid(
            f"stratum {name} has {size:g} segments in the frame and {surveyed} in the "
            "sample: give a whole number, no fewer than were surveyed"
            f" · 层 {name} 的抽样框样方数 {size:g} 有误"
        )


def _check_total(name: str, total: float, column: str) -> None:
    if not (np.isfinite(total) and total >= 0):
        raise FrameInvalid(
            f"stratum {name} has {column} {total}: an area is a number, 0 or more"
            f" · 层 {name} 的 {column} 应为非负数"
        )


def _chosen(one: Stratum, method: Method) -> str:
    if one.mapped is None:
        return "direct"
    if method != "auto":
        return method
    count = len(one.surveyed)
    if count >= REGRESSION_LEAST:
        return "regression"
    return "ratio" if count >= RATIO_LEAST else "direct"


def _total(one: Stratum, method: Method) -> _Total:
    chosen, count = _chosen(one, method), len(one.surveyed)
    direct = _direct(one)
    if chosen == "direct" or count < _LEAST[chosen]:
        return direct
    return (_regression if chosen == "regression" else _ratio)(one, direct)


def _direct(one: Stratum) -> _Total:
    count, size = len(one.surveyed), one.population
    # A stratum surveyed whole, by its one segment, has no sampling error.
    variance = float(one.surveyed.var(ddof=1)) if count > 1 else 0.0
    variance *= size**2 * (1 - count / size) / count
    value = size * float(one.surveyed.mean())
    df = _df(one.surveyed - one.surveyed.mean(), count - 1)
    return _Total(value, variance, df, "direct", count, variance)


def _df(residual: Float, most: int) -> float:
    """Degrees of freedom that the spread of residuals is worth, at most n - 1 or so.

    A rare crop makes long tails: a few segments carry the variance.
    """
    count, second = len(residual), float((residual**2).mean())
    if count < 2 or not second > 0:
        return max(most, 1)
    kurtosis = np.array([float((residual**4).mean()) / second**2])
    return min(float(degrees_of_freedom(kurtosis, np.array([count]))[0]), most)


def _flat(direct: _Total) -> _Total:
    return _Total(
        direct.value,
        direct.variance,
        direct.df,
        "direct",
        direct.segments,
        direct.direct_variance,
        flat=True,
    )


def _ratio(one: Stratum, direct: _Total) -> _Total:
    x, y, mean = _pair(one)
    # Leaving one out must leave some of the crop on the map.
    if not (x.sum() - x).min() > 0:
        return _flat(direct)
    without = mean * (y.sum() - y) / (x.sum() - x)
    return _jackknifed(
        one, mean * y.sum() / x.sum(), without, spare=1, kind="ratio", direct=direct
    )


def _regression(one: Stratum, direct: _Total) -> _Total:
    x, y, mean = _pair(one)
    dx, dy, count = x - x.mean(), y - y.mean(), len(y)
    squares, products = float(dx @ dx), float(dx @ dy)
    # Sums about the mean of all but one segment, for each of them.
    # Refitting n times costs n regressions; these updates of the sums are exact.
    rest = squares - dx**2 * count / (count - 1)
    if not rest.min() > _SAME * squares:
        return _flat(direct)
    slopes = (products - dx * dy * count / (count - 1)) / rest
    whole = y.mean() + products / squares * (mean - x.mean())
    without = (y.mean() - dy / (count - 1)) + slopes * (
        mean - x.mean() + dx / (count - 1)
    )
    return _jackknifed(one, whole, without, spare=2, kind="regression", direct=direct)


def _pair(one: Stratum) -> tuple[Float, Float, float]:
    assert one.mapped is not None
    assert one.mapped_mean is not None
    return one.mapped, one.surveyed, one.mapped_mean


def _jackknifed(
    one: Stratum,
    whole: float,
    without: Float,
    *,
    spare: int,
    kind: str,
    direct: _Total,
) -> _Total:
    """Total of a stratum from its mean by all segments, and by all but each of them."""
    count, size = len(without), one.population
    left = 1 - count / size
    # A sample that is nearly the whole stratum has nearly no bias to take off.
    mean = whole + left * (count - 1) * (whole - float(without.mean()))
    about = without - without.mean()
    variance = left * (count - 1) / count * float(about @ about)
    return _Total(
        size * mean,
        size**2 * variance,
        count - spare,
        kind,
        count,
        direct.direct_variance,
    )


def _unknowable(one: Stratum) -> bool:
    """Whether a stratum has no variance, though it was not surveyed whole."""
    return len(one.surveyed) == 1 < one.population


def _why(
    totals: Sequence[_Total], strata: Sequence[Stratum], method: Method
) -> Reason | None:
    flat = [
        stratum.name
        for total, stratum in zip(totals, strata, strict=True)
        if total.flat
    ]
    fewest: dict[str, int] = {}
    for total, stratum in zip(totals, strata, strict=True):
        # Who asked for direct expansion needs no reason for getting it.
        short = method in ("auto", "regression") and stratum.mapped is not None
        if short and not total.flat and total.method != "regression":
            fewest[total.method] = min(
                total.segments, fewest.get(total.method, total.segments)
            )
    said = [
        reasons.used(
            kind,
            count,
            least=REGRESSION_LEAST if kind == "ratio" else RATIO_LEAST,
        )
        for kind, count in fewest.items()
    ]
    return both(*said, reasons.still_map(flat) if flat else None)


def _nothing(
    strata: Sequence[Stratum], name: str, interval: float, reason: Reason | None
) -> AreaEstimate:
    return AreaEstimate.missing(
        name,
        samples=sum(len(one.surveyed) for one in strata),
        interval=interval,
        reason=reason,
    )
