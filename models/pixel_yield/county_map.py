"""Maps whose pixels add up to each county's estimate, and what became of each county.

Ratio benchmarking (`models.pixel_yield.spread`) with a cap at what the crop can yield,
in whole kg/ha, and a status for every county.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from models.errors import ValueInvalid
from models.pixel_yield.rounding import NODATA, SCALE, quantise
from models.pixel_yield.spread import spread
from raster.pixel_area import pixel_areas

__all__ = [
    "STATUS_WORDING",
    "CountyFit",
    "CountyMap",
    "MapStatus",
    "area_weights",
    "county_map",
]

Float = NDArray[np.float64]

EXACT = 1e-6
"""Largest relative difference between a county's estimate and its pixels' mean."""


class MapStatus(StrEnum):
    """What became of a county."""

    OK = "ok"
    ROUNDED = "rounded"
    NO_ESTIMATE = "no_estimate"
    NO_CROP_MAP = "no_crop_map"
    NO_PIXEL = "no_pixel"
    NO_IMAGERY = "no_imagery"
    NO_CANOPY = "no_canopy"
    ABOVE_POTENTIAL = "above_potential"


STATUS_WORDING: dict[MapStatus, tuple[str, str]] = {
    MapStatus.OK: ("pixels add up to the estimate", "像元与县值一致"),
    MapStatus.ROUNDED: (
        "too few pixels: whole kg/ha miss the estimate",
        "像元太少，取整后与县值略有差异",
    ),
    MapStatus.NO_ESTIMATE: ("no estimate of the county", "没有县级估计值"),
    MapStatus.NO_PIXEL: ("an estimate but no pixel of the crop", "没有该作物的像元"),
    MapStatus.NO_CROP_MAP: ("no crop map over the county", "没有覆盖该县的作物图"),
    MapStatus.NO_IMAGERY: ("no imagery of the crop's pixels", "作物像元没有影像"),
    MapStatus.NO_CANOPY: ("no pixel with a canopy index above 0", "没有有效冠层指数"),
    MapStatus.ABOVE_POTENTIAL: (
        "the estimate is above what the crop can yield there",
        "县值超过作物潜力",
    ),
}


@dataclass(frozen=True, slots=True)
class CountyFit:
    """What a county's pixels hold.

    Attributes
    ----------
    status
        See `STATUS_WORDING`.
    target, mean
        t/ha: the estimate, and the weighted mean of the map's whole kg/ha; NaN where
        there is none.
    difference
        ``mean / target - 1``.
    pixels
        Pixels with a yield.
    capped
        Share of their weight that the cap holds.
    seen
        Share of the crop's weight in the county that has an index; NaN without crop.
        What is not seen is not in the mean: a small share makes a county of its corner.
    """

    status: MapStatus
    target: float
    mean: float
    difference: float
    pixels: int
    capped: float
    seen: float


@dataclass(frozen=True, slots=True, eq=False)
class CountyMap:
    """A yield map and its account.

    Attributes
    ----------
    yields
        float32 (y, x), t/ha, NaN where there is none.
    pixels
        uint16 (y, x), kg/ha, 65535 where there is none.
    fits
        One a county, in the order of the values given.
    """

    yields: NDArray[np.float32]
    pixels: NDArray[np.uint16]
    fits: tuple[CountyFit, ...]


def area_weights(
    fraction: NDArray[np.floating], geobox: GeoBox
) -> NDArray[np.floating]:
    """Crop fraction times ground area, relative to the largest pixel: 0..1, (y, x).

    For grids whose pixels differ in area; on an equal-area grid it is the fraction.
    """
    height, width = geobox.shape
    rows, cols = np.divmod(np.arange(height * width), width)
    area = pixel_areas(geobox, rows + 0.5, cols + 0.5).reshape(height, width)
    if np.ptp(area) <= 1e-9 * area.max():
        return fraction
    return np.asarray(fraction * (area / area.max()))


def county_map(
    index: NDArray[np.floating],
    weight: NDArray[np.floating],
    zones: NDArray[np.int16],
    county_values: Float,
    *,
    potential: float = np.inf,
) -> CountyMap:
    """Spread each county's yield over its pixels in proportion to an index.

    Within a county pixel = min(factor * index, potential), with the factor for which
    the weighted mean is the county's value: what the cap takes, the other pixels get.

    Parameters
    ----------
    index
        (y, x), a pixel model's yield or another canopy index; NaN where there is none,
        below 0 counts as 0.
    weight
        (y, x), 0..1: crop fraction, or `area_weights`; NaN where no map says.
    zones
        int16 (y, x), position in `county_values`, -1 outside all.
    county_values
        float64 (county,), t/ha; NaN where there is no estimate.
    potential
        Highest yield of a pixel, t/ha.

    Returns
    -------
    CountyMap
        Also of whole kg/ha the weighted mean of each county is its value to 1e-6,
        or its status is ``rounded``.

    Raises
    ------
    ValueInvalid
        The potential is not above 0, and as `models.pixel_yield.spread.spread`.
    ShapeMismatch, YieldTooLarge
        As `models.pixel_yield.spread.spread` and `quantise`.
    """
    if not potential > 0:
        raise ValueInvalid(
            f"potential yield {potential} t/ha: give a number above 0"
            " · 潜在单产须大于 0"
        )
    values = np.asarray(county_values, np.float64)
    yields = spread(index, weight, zones, values)
    capped = np.zeros(yields.shape, bool)
    too_high = _cap(yields, capped, weight, zones, values, potential)
    pixels = quantise(yields, fraction=weight, zones=zones)
    seen = np.isfinite(index)
    fits = _fits(pixels, capped, seen, weight, zones, values, too_high)
    return CountyMap(yields=yields, pixels=pixels, fits=fits)


def _cap(
    yields: NDArray[np.float32],
    capped: NDArray[np.bool_],
    weight: NDArray[np.floating],
    zones: NDArray[np.int16],
    values: Float,
    potential: float,
) -> set[int]:
    """Cap the counties that reach above the potential; returns those that cannot be."""
    known = np.isfinite(yields)
    reaching = np.unique(zones[known & (yields > potential)]).tolist()
    too_high = set()
    for zone in reaching:
        mine = known & (zones == zone)
        own, heavy = yields[mine].astype(np.float64), weight[mine].astype(np.float64)
        share = _capped(own, heavy, total=values[zone] * heavy.sum(), most=potential)
        if share is None:
            too_high.add(zone)
            yields[mine] = np.nan
        else:
            yields[mine] = share
            capped[mine] = share >= potential
    return too_high


def _capped(own: Float, weight: Float, *, total: float, most: float) -> Float | None:
    """Find ``min(k * own, most)`` whose weighted sum is `total`; None if there is none.

    The pixels at the cap are the largest ones: the fewest for which the factor of the
    others brings none above the cap.
    """
    order = np.argsort(-own, kind="stable")
    at_cap = np.concatenate([[0.0], np.cumsum(weight[order])])
    below = np.cumsum((weight * own)[order][::-1])[::-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        factors = (total - most * at_cap[:-1]) / below
    fits = (factors >= 0) & (factors * own[order] <= most * (1 + 1e-12))
    if not fits.any():
        return None
    return np.asarray(np.minimum(factors[np.argmax(fits)] * own, most))


def _fits(
    pixels: NDArray[np.uint16],
    capped: NDArray[np.bool_],
    seen: NDArray[np.bool_],
    weight: NDArray[np.floating],
    zones: NDArray[np.int16],
    values: Float,
    too_high: set[int],
) -> tuple[CountyFit, ...]:
    """Account for every county from the integers of the finished map."""
    inside = zones >= 0
    mapped = inside & np.isfinite(weight)
    there = mapped & (weight > 0)

    def counted(where: NDArray[np.bool_]) -> NDArray[np.intp]:
        return np.bincount(zones[where], minlength=values.size)

    def weighed(where: NDArray[np.bool_], each: NDArray[np.number] | None) -> Float:
        heavy = weight[where].astype(np.float64)
        whole = heavy if each is None else heavy * each[where]
        return np.asarray(np.bincount(zones[where], whole, values.size), np.float64)

    known = there & (pixels != NODATA)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = weighed(known, pixels) / weighed(known, None) * SCALE
        held = weighed(known & capped, None) / weighed(known, None)
        share = weighed(there & seen, None) / weighed(there, None)
        difference = np.where(values > 0, mean / values - 1, mean)
    count = counted(known)
    lacking = _lacking(counted(mapped), counted(there), counted(there & seen))
    return tuple(
        CountyFit(
            _status(value, difference[i], lacking[i], count[i], i in too_high),
            value,
            float(mean[i]),
            float(difference[i]),
            int(count[i]),
            float(held[i]) if count[i] else 0.0,
            float(share[i]),
        )
        for i, value in enumerate(values.tolist())
    )


def _lacking(
    mapped: NDArray[np.intp], crop: NDArray[np.intp], seen: NDArray[np.intp]
) -> list[MapStatus]:
    """Say of each county what it would lack if it had no map."""
    return [
        MapStatus.NO_CROP_MAP
        if not m
        else MapStatus.NO_PIXEL
        if not c
        else MapStatus.NO_IMAGERY
        if not s
        else MapStatus.NO_CANOPY
        for m, c, s in zip(mapped, crop, seen, strict=True)
    ]


def _status(
    value: float, difference: float, lacking: MapStatus, count: int, too_high: bool
) -> MapStatus:
    if count:
        return MapStatus.OK if abs(difference) <= EXACT else MapStatus.ROUNDED
    if np.isnan(value):
        return MapStatus.NO_ESTIMATE
    return MapStatus.ABOVE_POTENTIAL if too_high else lacking
