"""County areas from the segments of a frame: direct, and with strength borrowed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from models.area import reasons
from models.area.errors import FrameInvalid
from models.area.quantiles import symmetric_bounds
from models.area.result import AreaEstimate, Status
from models.area.segments import strata_of
from models.area.small_area import FayHerriot, fay_herriot
from models.reasons import Reason, both
from models.tables import require_columns, require_unique

__all__ = ["COUNTIES_LEAST", "county_areas", "small_county_areas"]

Float = NDArray[np.float64]

# Fewer areas than this tell nothing of the variance between them.
COUNTIES_LEAST = 8
# A spread of fewer segments is not to be relied on.
SEGMENTS_LEAST = 5


@dataclass(frozen=True, slots=True)
class _County:
    code: str
    segments: int
    sampled: int
    mean: float
    variance: float
    """Of the mean; NaN where one segment or none was surveyed."""
    mapped: float
    """Mean of the map over the same segments, weighted alike; NaN without a map."""


def county_areas(
    sample: pd.DataFrame,
    frame: pd.DataFrame,
    counties: pd.DataFrame,
    *,
    crop: str,
    interval: float = 0.95,
) -> list[AreaEstimate]:
    """Expand the segments of each county by themselves.

    A county is a domain of the strata: N_d times the weighted mean of its segments,
    weights N_h / n_h, linearised variance over whole strata (Särndal, Swensson &
    Wretman 1992, Model Assisted Survey Sampling, 10.3; Cochran 1977, 5A.14), times
    m / (m - 1) for the m segments of the county, which the linearisation forgets.

    Parameters
    ----------
    sample, frame, crop, interval
        As in `models.area.segments.crop_area`; the sample also has `county`, a code
        or None.
    counties
        A row a county: `county`, `segments` of the frame that belong to it.

    Returns
    -------
    list of AreaEstimate
        In the order of `counties`: missing without a segment, without standard error
        with one, limited with fewer than `SEGMENTS_LEAST`.

    Raises
    ------
    As `models.area.segments.crop_area`.
    """
    return [
        _direct_estimate(county, crop=crop, interval=interval)
        for county in _direct(sample, frame, counties, crop=crop)
    ]


def small_county_areas(
    sample: pd.DataFrame,
    frame: pd.DataFrame,
    counties: pd.DataFrame,
    *,
    crop: str,
    interval: float = 0.95,
) -> list[AreaEstimate]:
    """Predict each county's area from its segments, the map and the other counties.

    The model of Fay and Herriot on means a segment, ha, with the map's mean over all
    segments of the county as covariate. The direct mean is first moved along the
    line through the segments of all counties, by how much the map of the county's
    sample differs from that of the whole county. Its sampling variance is the
    residual one of all counties over the county's number of segments, since a few
    segments tell no variance of their own.

    Parameters
    ----------
    sample, frame, counties, crop, interval
        As in `county_areas`; `counties` also has `{crop}_map_ha`, the map's total
        over the county's segments.

    Returns
    -------
    list of AreaEstimate
        In the order of `counties`; a county without a segment gets the line through
        the others, and says so. Where counties are too few for a model, each one's
        moved mean with its pooled variance, limited, and none without a segment.

    Raises
    ------
    As `models.area.segments.crop_area`.
    """
    mapped = _map_means(sample, counties, column=f"{crop}_map_ha")
    found = _direct(sample, frame, counties, crop=crop)
    line = _Line.through(sample, crop)
    if line is None:
        return [
            _with(_direct_estimate(one, crop=crop, interval=interval), reasons.NO_LINE)
            for one in found
        ]
    direct, variances = line.moved(found, mapped)
    visited = np.array([one.sampled > 0 for one in found])
    known = int(visited.sum())
    # Counties that are all alike on the map draw no line either.
    if known < COUNTIES_LEAST or not np.ptp(mapped[visited]) > 0:
        return [
            _assisted(one, mean, variance, line, crop=crop, interval=interval)
            if one.sampled
            else _with(_empty(one, crop, interval), _few(known))
            for one, mean, variance in zip(
                found, direct.tolist(), variances.tolist(), strict=True
            )
        ]
    covariates = np.column_stack([np.ones(len(found)), mapped])
    fit = fay_herriot(direct, variances, covariates)
    return [
        _predicted(one, fit, place, crop=crop, interval=interval)
        for place, one in enumerate(found)
    ]


def _map_means(sample: pd.DataFrame, counties: pd.DataFrame, *, column: str) -> Float:
    """Mean of the map a segment, ha, over all segments of each county."""
    require_columns(counties, ("county", "segments", column), table="counties")
    require_columns(sample, (column,), table="segments")
    mapped: Float = counties[column].to_numpy(np.float64) / _sizes(counties)
    if not np.isfinite(mapped).all():
        raise FrameInvalid(
            f"a county has no {column}: the map has to cover all of the frame"
            f" · 某县缺少 {column}，地图应覆盖全部抽样框"
        )
    return mapped


def _direct(
    sample: pd.DataFrame, frame: pd.DataFrame, counties: pd.DataFrame, *, crop: str
) -> list[_County]:
    require_columns(sample, ("county",), table="segments")
    require_columns(counties, ("county", "segments"), table="counties")
    require_unique(counties, ("county",), table="counties")
    strata, _ = strata_of(sample, frame, crop=crop)
    sizes = _sizes(counties)
    kept = sample.loc[sample[f"{crop}_ha"].notna()]
    stratum = kept["stratum"].to_numpy(str)
    count = {one.name: len(one.surveyed) for one in strata}
    size = {one.name: one.population for one in strata}
    mapped = kept.get(f"{crop}_map_ha", pd.Series(np.nan, index=kept.index))
    drawn = _Segments(
        y=kept[f"{crop}_ha"].to_numpy(np.float64),
        mapped=np.asarray(mapped, dtype=np.float64),
        weights=np.array([size[name] / count[name] for name in stratum]),
        stratum=stratum,
        left={name: 1 - count[name] / size[name] for name in count},
    )
    of = kept["county"].astype(str).to_numpy()
    return [
        drawn.county(str(code), int(n), of == str(code))
        for code, n in zip(counties["county"], sizes, strict=True)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Segments:
    """All surveyed segments with a figure: ha on the ground and map, design weights.

    ``left`` is the part of each stratum that was not sampled.
    """

    y: Float
    mapped: Float
    weights: Float
    stratum: NDArray[np.str_]
    left: dict[str, float]

    def county(self, code: str, segments: int, mine: NDArray[np.bool_]) -> _County:
        """Weighted means over the segments that are `mine`, and their variance."""
        sampled = int(mine.sum())
        if sampled > segments:
            raise FrameInvalid(
                f"county {code} has {segments} segments in the frame and {sampled} in"
                f" the sample: correct one · 县 {code} 的样方数超过抽样框，请更正"
            )
        if not sampled:
            return _County(code, segments, 0, np.nan, np.nan, np.nan)
        weights = self.weights[mine] / self.weights[mine].sum()
        mean = float(weights @ self.y[mine])
        mapped = float(weights @ self.mapped[mine])
        variance = self._variance(mean, mine) if sampled > 1 else np.nan
        return _County(code, segments, sampled, mean, variance, mapped)

    def _variance(self, mean: float, mine: NDArray[np.bool_]) -> float:
        """Linearised variance of a county's mean: its size is an estimate as well."""
        sampled, whole = int(mine.sum()), self.weights[mine].sum()
        # Segments of other counties count as 0: the sample of a county is of random
        # size, which is part of the error.
        residual = np.where(mine, self.weights * (self.y - mean), 0) / whole
        variance = 0.0
        for name in np.unique(self.stratum[mine]):
            own = residual[self.stratum == name]
            # One segment in a stratum: its square stands in for what cannot be known.
            about = own - own.mean() if len(own) > 1 else own
            spare = len(own) / max(len(own) - 1, 1)
            variance += self.left[str(name)] * spare * float(about @ about)
        return variance * sampled / (sampled - 1)


def _sizes(counties: pd.DataFrame) -> Float:
    sizes = counties["segments"].to_numpy(np.float64)
    if not (np.isfinite(sizes) & (sizes > 0)).all():
        raise FrameInvalid(
            "a county has no segment in the frame: leave it out of the counties"
            " · 某县在抽样框中没有样方，请从县表中去掉"
        )
    return sizes


@dataclass(frozen=True, slots=True)
class _Line:
    """What a hectare on the map is worth on the ground, within counties."""

    slope: float
    variance: float
    spare: int

    @classmethod
    def through(cls, sample: pd.DataFrame, crop: str) -> "_Line | None":
        """Fit the segments about the means of their counties; None where too few."""
        kept = sample.loc[sample[f"{crop}_ha"].notna() & sample["county"].notna()]
        columns = kept[[f"{crop}_map_ha", f"{crop}_ha"]].astype(np.float64)
        # Within counties: between them the map may err by region, which a slope through
        # all would take for its own.
        about = columns - columns.groupby(kept["county"].astype(str)).transform("mean")
        x, y = about.to_numpy().T
        # A mean for each county and a slope are spent before the residuals are counted.
        spare = len(kept) - kept["county"].nunique() - 1
        if spare < 1 or not x @ x > 0:
            return None
        slope = float(x @ y / (x @ x))
        variance = float(((y - slope * x) ** 2).sum()) / spare
        # A perfect fit would claim counties without any error.
        return cls(slope, variance, spare) if variance > 0 else None

    def moved(self, found: Sequence[_County], mapped: Float) -> tuple[Float, Float]:
        """Means moved to the map of the whole county, and their sampling variances.

        The map's mean over the sample has the weights of the mean that is moved:
        strata that are sampled more densely would else shift every county.
        """
        sampled = np.array([one.sampled for one in found])
        sizes = np.array([one.segments for one in found])
        of_sample = np.array([one.mapped for one in found])
        means = np.array([one.mean for one in found])
        # A county surveyed whole has no sampling error, which no model can take.
        left = np.maximum(1 - sampled / sizes, 1e-6)
        variances = self.variance * left / np.maximum(sampled, 1)
        return means + self.slope * (mapped - of_sample), variances


def _direct_estimate(county: _County, *, crop: str, interval: float) -> AreaEstimate:
    if not county.sampled:
        return _empty(county, crop, interval)
    value = county.mean * county.segments
    base = AreaEstimate(
        name=crop,
        domain=county.code,
        value=value,
        se=None,
        lower=None,
        upper=None,
        interval=interval,
        df=None,
        samples=county.sampled,
        method="direct",
        status=Status.LIMITED,
        reason=reasons.SINGLE,
    )
    if county.sampled == 1:
        return base
    se = float(np.sqrt(county.variance)) * county.segments
    lower, upper = symmetric_bounds(value, se, county.sampled - 1, interval=interval)
    # Stated with its error, which is itself an error of a few segments.
    few = county.sampled < SEGMENTS_LEAST
    return replace(
        base,
        se=se,
        lower=lower,
        upper=upper,
        df=float(county.sampled - 1),
        status=Status.LIMITED if few else Status.ESTIMATED,
        reason=reasons.few_segments(county.sampled) if few else None,
    )


def _assisted(
    county: _County,
    mean: float,
    variance: float,
    line: _Line,
    *,
    crop: str,
    interval: float,
) -> AreaEstimate:
    """Give a county's own mean, moved along the line, with the pooled variance."""
    value, se = mean * county.segments, float(np.sqrt(variance)) * county.segments
    lower, upper = symmetric_bounds(value, se, line.spare, interval=interval)
    return AreaEstimate(
        name=crop,
        domain=county.code,
        value=max(value, 0.0),
        se=se,
        lower=lower,
        upper=upper,
        interval=interval,
        df=float(line.spare),
        samples=county.sampled,
        method="regression",
        status=Status.LIMITED,
        reason=both(
            reasons.pooled(county.sampled),
            reasons.below_zero(value) if value < 0 else None,
        ),
    )


def _few(known: int) -> Reason:
    return reasons.few_counties(known, least=COUNTIES_LEAST)


def _empty(county: _County, crop: str, interval: float) -> AreaEstimate:
    return AreaEstimate.missing(
        crop, domain=county.code, interval=interval, reason=reasons.NO_SEGMENT
    )


def _with(estimate: AreaEstimate, why: Reason) -> AreaEstimate:
    return replace(estimate, reason=both(estimate.reason, why))


def _predicted(
    county: _County, fit: FayHerriot, place: int, *, crop: str, interval: float
) -> AreaEstimate:
    value = float(fit.values[place]) * county.segments
    se = float(np.sqrt(fit.mse[place])) * county.segments
    # t and not the normal law: the variance between counties rests on so few of them.
    df = fit.areas - len(fit.beta)
    quantile = float(stats.t.ppf((1 + interval) / 2, df)) * se
    why = [
        reasons.NO_SEGMENT_LINE if not county.sampled else None,
        reasons.pooled(county.sampled) if county.sampled else None,
        reasons.NO_VARIATION if fit.variance == 0 else None,
        reasons.below_zero(value) if value < 0 else None,
    ]
    limited = not county.sampled or value < 0
    return AreaEstimate(
        name=crop,
        domain=county.code,
        value=max(value, 0.0),
        se=se,
        lower=max(value - quantile, 0.0),
        upper=max(value + quantile, 0.0),
        interval=interval,
        df=float(df),
        samples=county.sampled,
        method="fay-herriot" if county.sampled else "synthetic",
        status=Status.LIMITED if limited else Status.ESTIMATED,
        reason=both(*why),
    )
