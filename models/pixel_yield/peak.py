"""Yield by a line of the peak index (Becker-Reshef et al. 2010, RSE 114:1312)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.errors import ShapeMismatch
from models.pixel_yield.errors import NoRelation

__all__ = ["PeakIndex", "fit_peak"]

# Seasons or counties below which a line through them is chance.
MIN_PAIRS = 8

_NODATA = -32768


@dataclass(frozen=True, slots=True, kw_only=True)
class PeakIndex:
    """Yield of a pixel by the peak of its smoothed NDVI.

    Attributes
    ----------
    slope, intercept
        t/ha for 1 NDVI, t/ha.
    standard_error
        t/ha, of the yields around the line.
    lowest, highest
        NDVI the line was fitted between.
    pairs
        Number of peaks and yields it was fitted to.
    scale
        Of the int16 peaks.
    """

    inputs: ClassVar[tuple[str, ...]] = ("peak",)

    slope: float
    intercept: float
    standard_error: float
    lowest: float
    highest: float
    pairs: int
    scale: float = 1e-4

    def __call__(self, block: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Yield of a block's pixels.

        Parameters
        ----------
        block
            "peak": int16 (y, x), nodata -32768.

        Returns
        -------
        float32 (y, x), t/ha, never below 0; NaN for nodata.
        """
        peak = block["peak"]
        tonnes = self.intercept + self.slope * self.scale * peak.astype(np.float32)
        known = peak != _NODATA
        return np.where(known, np.maximum(tonnes, 0), np.nan).astype(np.float32)

    def beyond(self, block: dict[str, NDArray[Any]]) -> NDArray[np.bool_]:
        """Pixels whose peak lies outside those the line was fitted to, (y, x)."""
        peak = block["peak"] * np.float32(self.scale)
        outside = (peak < self.lowest) | (peak > self.highest)
        return np.asarray(outside & (block["peak"] != _NODATA))


def fit_peak(peaks: ArrayLike, yields: ArrayLike, *, scale: float = 1e-4) -> PeakIndex:
    """Fit the line of yields on peaks by least squares.

    Parameters
    ----------
    peaks
        (n,) NDVI, means of the crop's pixels.
    yields
        (n,) t/ha. Pairs with a NaN are left out.

    Raises
    ------
    ShapeMismatch
        Peaks and yields are not as many.
    NoRelation
        Fewer than eight pairs, equal peaks, or yields that fall with the peak.
    """
    x, y = np.asarray(peaks, np.float64), np.asarray(yields, np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise ShapeMismatch(
            f"{x.shape} peaks and {y.shape} yields: give one of each a row"
            " · 峰值与单产的数量不一致"
        )
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if len(x) < MIN_PAIRS or np.ptp(x) == 0:
        raise NoRelation(
            f"{len(x)} peaks with a yield, of {len(np.unique(x))} different values: a "
            f"line needs {MIN_PAIRS} · 只有 {len(x)} 组峰值与单产，"
            f"拟合直线至少需要 {MIN_PAIRS} 组"
        )
    slope, intercept = np.polyfit(x, y, 1)
    if slope <= 0:
        raise NoRelation(
            f"yields fall with the peak ({slope:.2f} t/ha for 1 NDVI): the peaks are "
            "not those of this crop, or the yields not of these places"
            " · 单产随峰值下降，请检查作物或地区是否对应"
        )
    error = np.sqrt(((y - intercept - slope * x) ** 2).sum() / (len(x) - 2))
    return PeakIndex(
        slope=float(slope),
        intercept=float(intercept),
        standard_error=float(error),
        lowest=float(x.min()),
        highest=float(x.max()),
        pairs=len(x),
        scale=scale,
    )
