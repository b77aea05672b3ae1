"""Growth of pixels: integers of the season engine in, integers of a product out."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.errors import ShapeMismatch
from models.growth.grading import ROUNDING, Basis, Grading
from models.growth.measures import GrowthStatus
from raster.composite import NODATA
from raster.jit import kernel

__all__ = ["DEKADS_SEEN", "LAYERS", "SCALES", "grade_block", "layer_attributes", "seen"]

Short = NDArray[np.int16]

LAYERS: Final = (
    "difference",
    "vci",
    "anomaly",
    "percentile",
    "grade",
    "years",
    "status",
)
"""Layers of `grade_block`, in this order."""

SCALES: Final[Mapping[str, float]] = MappingProxyType(
    {"difference": 1e-4, "vci": 0.1, "anomaly": 1e-3, "percentile": 0.01}
)
"""Value of one step of a stored measure; the difference has that of its index."""

DEKADS_SEEN: Final = 3
"""Dekads, ending with that graded, in which a year must have been seen clear."""

# Order of the measures in the kernel.
_BASES: Final[tuple[Basis, ...]] = ("difference", "vci", "anomaly", "percentile")

_NAMES: Final = {
    "difference": "{} above the mean of the same dekad of past years",
    "vci": "vegetation condition index of the dekad, extremes of past years",
    "anomaly": "standardised anomaly of the dekad against past years",
    "percentile": "percentile rank of the dekad among past years",
    "grade": "growth grade, 1 much worse to 5 much better",
    "years": "past years with a value",
    "status": "status of the grade",
}


def seen(smooth: Short, clear: NDArray[np.uint8], *, min_clear: int) -> Short:
    """Take the last step of a season where the pixel was seen not long ago.

    Parameters
    ----------
    smooth : int16 (time, y, x)
        Smoothed index up to the dekad that is graded, nodata -32768.
    clear : uint8 (time, y, x)
        Clear observations of each step.
    min_clear : int
        Clear observations needed in the last `DEKADS_SEEN` steps.

    Returns
    -------
    int16 (y, x), nodata -32768
        Where the smoother would speak of a pixel that nobody saw, nodata.
    """
    recent = clear[-DEKADS_SEEN:].sum(axis=0, dtype=np.int64)
    return np.where(recent >= min_clear, smooth[-1], np.int16(NODATA))


def grade_block(
    current: Short, past: Short, grading: Grading, *, scale: float = 1e-4
) -> Short:
    """Grade the pixels of a block; the same numbers as `models.growth.measures`.

    Parameters
    ----------
    current : int16 (y, x)
        Index of the dekad this year, nodata -32768.
    past : int16 (year, y, x)
        The same dekad of past years, in any order.
    grading : Grading
    scale : float
        Value of one step of the index.

    Returns
    -------
    int16 (7, y, x)
        `LAYERS`: measures in steps of `SCALES` (the difference in those of the index),
        cut at ±32767, nodata -32768; grade 1 to 5 or 0 for none; years; status.

    Raises
    ------
    ShapeMismatch
        `past` is not years of `current`.
    """
    if past.shape[1:] != current.shape:
        raise ShapeMismatch(
            f"this year is {current.shape}, past years are {past.shape}: give past "
            f"years as (year, y, x) of the same grid · 今年 {current.shape} 与往年 "
            f"{past.shape} 的格网不一致"
        )
    out = np.empty((len(LAYERS), current.size), np.int16)
    _grade_pixels(
        np.ascontiguousarray(current).reshape(-1),
        np.ascontiguousarray(past).reshape(len(past), -1),
        np.asarray(grading.cuts) - ROUNDING,
        _BASES.index(grading.basis),
        grading.min_years,
        scale,
        out,
    )
    return out.reshape(len(LAYERS), *current.shape)


def layer_attributes(layer: str, *, index: str, scale: float) -> dict[str, Any]:
    """Return the CF attributes of a layer of `grade_block`."""
    attributes: dict[str, Any] = {
        "units": "%" if layer in {"vci", "percentile"} else "1",
        "grid_mapping": "spatial_ref",
        "long_name": _NAMES[layer].format(index.upper()),
    }
    if layer in SCALES:
        step = scale if layer == "difference" else SCALES[layer]
        return attributes | {"_FillValue": np.int16(NODATA), "scale_factor": step}
    if layer == "grade":
        flags = np.arange(1, 6, dtype=np.uint8)
        meanings = "much_worse worse as_usual better much_better"
        return attributes | {
            "_FillValue": np.uint8(0),
            "flag_values": flags,
            "flag_meanings": meanings,
        }
    if layer == "status":
        flags = np.array([*GrowthStatus], np.uint8)
        meanings = " ".join(status.name.lower() for status in GrowthStatus)
        return attributes | {"flag_values": flags, "flag_meanings": meanings}
    return attributes


@kernel
def _grade_pixels(
    current: Any,  # noqa: ANN401 - numba takes arrays as they come
    past: Any,  # noqa: ANN401
    cuts: Any,  # noqa: ANN401
    basis: int,
    min_years: int,
    scale: float,
    out: Any,  # noqa: ANN401
) -> None:
    found = np.empty(4)
    for pixel in range(current.size):
        now = np.int64(current[pixel])
        years = total = square = below = equal = np.int64(0)
        low, high = np.int64(32767), np.int64(-32768)
        # Sums of integers are exact: the order of the years cannot matter.
        for year in range(past.shape[0]):
            then = np.int64(past[year, pixel])
            if then == NODATA:
                continue
            years += 1
            total += then
            square += then * then
            below += then < now
            equal += then == now
            low, high = min(low, then), max(high, then)
        out[5, pixel] = years
        if now == NODATA or years < min_years:
            for layer in range(4):
                out[layer, pixel] = NODATA
            out[4, pixel] = 0
            out[6, pixel] = 3 if now == NODATA else 4
            continue
        # Times the years, so that it stays whole until the end.
        above = now * years - total
        # Of 64-bit integers: nothing cancels, as it would in floats.
        variance = (years * square - total * total) / (years * (years - 1))
        found[0] = above / years * scale
        found[1] = 100 * (now - low) / (high - low) if high > low else np.nan
        found[2] = above / years / np.sqrt(variance) if high > low else np.nan
        found[3] = 100 * (below + equal / 2) / years
        grade = 1
        for cut in cuts:
            grade += found[basis] >= cut
        undefined = np.isnan(found[basis])
        out[4, pixel] = 0 if undefined else grade
        out[6, pixel] = 5 if undefined else 1 * (now < low) + 2 * (now > high)
        for layer in range(4):
            step = scale if layer == 0 else (0.1, 0.1, 0.001, 0.01)[layer]
            # An anomaly beyond 32 deviations does not fit: cut, not wrapped.
            stored = np.rint(found[layer] / step)
            if np.isnan(stored):
                out[layer, pixel] = NODATA
            else:
                out[layer, pixel] = min(max(stored, -32767.0), 32767.0)
