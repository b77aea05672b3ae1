"""A yield map from a season's canopy, the estimates of its counties, and crop cuts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from api.ground import Ground
from api.reasons import Warned
from api.yield_map_light import drawn, light_of
from api.yield_map_truth import Judged, Truth, judged
from models.features import CROPS
from models.pixel_yield import (
    NODATA,
    SCALE,
    CalibrationStatus,
    CountyMap,
    ErrorStatus,
    Method,
    PeakIndex,
    area_weights,
    canopy_index,
    county_map,
    county_sd,
    pixel_sd,
)
from store.estimates import Estimate

__all__ = ["Counties", "YieldMap", "counties_of", "cut_to", "make_yield_map"]

# No pixel yields more, t/ha: assumed, above whole fields of the north-east, below
# single record plots. What the cap takes the county's other pixels get.
POTENTIAL: Mapping[str, float] = {"maize": 20.0, "rice": 15.0, "soybean": 7.0}

# Share of a county's crop below which its pixels are a corner and not the county.
_FEW_SEEN = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Counties:
    """What the pixels of each county have to add up to.

    Attributes
    ----------
    values, sds
        float64 (county,), t/ha; NaN where there is none.
    reasons
        Why there is no value, by the position of the county.
    simulated
        Whether any of them is.
    """

    values: NDArray[np.float64]
    sds: NDArray[np.float64]
    reasons: Mapping[int, str]
    simulated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class YieldMap:
    """A yield map with its uncertainty and its account.

    Attributes
    ----------
    county_map
        Pixels and what became of each county.
    uncertainty
        uint16 (y, x), standard deviation in kg/ha, 65535 where it is not known.
    holds
        What the uncertainty holds.
    methods
        Pixel model of each county.
    truth
        What crop cuts said of it; None without any.
    warnings
        What a reader has to know.
    """

    county_map: CountyMap
    uncertainty: NDArray[np.uint16]
    holds: ErrorStatus
    methods: tuple[Method, ...]
    truth: Judged | None
    warnings: tuple[Warned, ...]


def counties_of(rows: Sequence[Estimate], codes: Sequence[str]) -> Counties:
    """Lay the yield estimates of one crop and year in the order of the counties."""
    known = {row.county: row for row in rows}
    found = [known.get(code) for code in codes]
    return Counties(
        values=np.array([None if e is None else e.value for e in found], np.float64),
        sds=np.array([_sd(e) for e in found], np.float64),
        reasons={
            i: row.reason
            for i, row in enumerate(found)
            if row is not None and row.value is None and row.reason
        },
        simulated=any(row.simulated for row in found if row is not None),
    )


def make_yield_map(
    computed: xr.Dataset,
    ground: Ground,
    counties: Counties,
    *,
    crop: str,
    line: PeakIndex | None,
    whole: bool,
    truth: Truth | None = None,
) -> YieldMap:
    """Map the yield of a crop so that pixels add up to their counties.

    Parameters
    ----------
    computed
        ``peak`` and the layers of `api.yield_map_light`, eager.
    counties
        In the order of the ground's.
    line
        Line of the peak for counties without light use.
    whole
        Whether the light use reaches the end of the season.
    truth
        Crop cuts or cleaned combine data.
    """
    share = drawn(ground.known_fraction(CROPS.index(crop)))
    weight, zones = area_weights(share, ground.geobox), ground.zones
    light, peak = light_of(computed, crop), computed["peak"].to_numpy()
    index, methods = canopy_index(
        light, peak, weight, zones, count=len(ground.codes), line=line
    )

    def scaled(of: NDArray[np.floating]) -> CountyMap:
        return county_map(of, weight, zones, counties.values, potential=POTENTIAL[crop])

    made = scaled(index)
    said = None
    if truth is not None:
        said = judged(truth, made.yields, ground.geobox)
        if said.calibration.status is CalibrationStatus.CALIBRATED:
            made = scaled(said.calibration(made.yields))
            said = said.after(made.yields)
    sd, holds = pixel_sd(
        made.yields,
        zones,
        counties.values,
        counties.sds,
        within=None if said is None else said.within,
    )
    return YieldMap(
        county_map=made,
        uncertainty=_whole(sd),
        holds=holds,
        methods=methods,
        truth=said,
        warnings=_warnings(made, methods, holds, said, whole=whole),
    )


def cut_to(made: YieldMap, part: tuple[slice, slice]) -> YieldMap:
    """Cut the pixels to a part of the grid; the account is still of whole counties."""
    whole = made.county_map
    return replace(
        made,
        county_map=replace(
            whole, yields=whole.yields[part], pixels=whole.pixels[part].copy()
        ),
        uncertainty=made.uncertainty[part].copy(),
    )


def _sd(row: Estimate | None) -> float:
    if row is None or row.lower is None or row.upper is None or row.interval is None:
        return float("nan")
    return float(county_sd(row.lower, row.upper, level=row.interval))


def _whole(sd: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Round to kg/ha, upwards: a deviation is rather told too large than too small."""
    steps = np.ceil(sd / np.float32(SCALE))
    known = np.isfinite(steps) & (steps < NODATA)
    return np.where(known, steps, NODATA).astype(np.uint16)


def _warnings(
    made: CountyMap,
    methods: Sequence[Method],
    holds: ErrorStatus,
    truth: Judged | None,
    *,
    whole: bool,
) -> tuple[Warned, ...]:
    drawn_counties = [
        (method, fit)
        for method, fit in zip(methods, made.fits, strict=True)
        if fit.pixels
    ]
    lit = [method is Method.LIGHT_USE for method, _ in drawn_counties]
    corners = sum(fit.seen < _FEW_SEEN for _, fit in drawn_counties)
    said: list[Warned] = []
    if any(lit):
        said.append(NO_WATER)
    if any(lit) and not whole:
        said.append(TO_DATE)
    if lit and not all(lit):
        said.append(_by_peak(len(lit) - sum(lit)))
    if corners:
        said.append(_corners(corners))
    if holds is ErrorStatus.COUNTY_ONLY:
        said.append(COUNTY_ONLY)
    return (*said, *(() if truth is None else truth.warnings))


NO_WATER = Warned(
    "light use without water: no evapotranspiration is stored, so drought shows only "
    "as far as it takes leaves",
    "光能利用模型未计水分胁迫（无蒸散数据），干旱仅通过叶片减少反映",
)
TO_DATE = Warned(
    "the season is not over: light use up to the last scene or day of weather",
    "生长季尚未结束，光能利用截至最近的影像或气象日期",
)
COUNTY_ONLY = Warned(
    "the uncertainty holds the county's error alone and is a lower bound: crop cuts "
    "(--samples) tell the error within counties",
    "不确定性只含县级误差，为下限；县内误差需测产样本（--samples）给出",
)


def _by_peak(count: int) -> Warned:
    return Warned(
        f"{count} counties without daily weather follow the peak NDVI",
        f"{count} 个县缺少逐日气象数据，按 NDVI 峰值分配",
    )


def _corners(count: int) -> Warned:
    return Warned(
        f"in {count} counties under half of the crop was seen: those pixels carry the "
        "estimate of the whole county",
        f"{count} 个县可见的作物像元不足一半，由其承担全县估计值",
    )
