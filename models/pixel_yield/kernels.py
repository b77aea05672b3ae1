"""Compiled sums of a block's series, pixel by pixel."""

import numpy as np
from numpy.typing import NDArray

from raster.jit import kernel

__all__ = ["sum_light"]


@kernel
def sum_light(
    series: NDArray[np.int16],
    zone: NDArray[np.int16],
    light: NDArray[np.float64],
    line: tuple[float, float, float],
    nodata: int,
    least: float,
    out: NDArray[np.float32],
) -> None:
    """Sum absorbed light: clip(line of NDVI) times the light of each step.

    Parameters
    ----------
    series
        (time, pixels).
    zone
        (pixels,), row of `light`, negative for none.
    light
        (zones, time).
    line
        Slope in raw values, intercept, and upper limit of the absorbed share.
    nodata
        Raw value. A gap is filled linearly between its ends, and by the nearest value
        at the ends of the series.
    least
        Share of the light that must fall on steps with a value.
    out
        (pixels,), NaN where too little is known.
    """
    steps, pixels = series.shape
    slope, intercept, highest = line
    for p in range(pixels):
        z = zone[p]
        out[p] = np.nan
        if z < 0:
            continue
        total, seen, absorbed = 0.0, 0.0, 0.0
        last = -1
        before = 0.0
        for t in range(steps):
            total += light[z, t]
            if series[t, p] == nodata:
                continue
            here = min(max(slope * series[t, p] + intercept, 0.0), highest)
            absorbed += here * light[z, t]
            seen += light[z, t]
            for gap in range(last + 1, t):
                share = 1.0 if last < 0 else (gap - last) / (t - last)
                absorbed += (share * here + (1 - share) * before) * light[z, gap]
            last, before = t, here
        for gap in range(last + 1, steps):
            absorbed += before * light[z, gap]
        # A comparison that NaN fails: a county without weather gives no number.
        if total > 0 and seen >= least * total:
            out[p] = absorbed
