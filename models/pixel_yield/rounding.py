"""Yields in whole kg/ha whose mean over a county is still the county's."""

import numpy as np
from numpy.typing import NDArray

from models.errors import YieldTooLarge
from models.pixel_yield.spread import used_pixels

__all__ = ["NODATA", "SCALE", "quantise"]

NODATA = 65535
SCALE = 0.001
"""t/ha in one step: a map stores kg/ha."""

# Of a county's mean; a tenth of what is promised.
_CLOSE = 1e-7
_MOST_EXCHANGES = 8


def quantise(
    yields: NDArray[np.float32],
    *,
    fraction: NDArray[np.floating],
    zones: NDArray[np.int16],
) -> NDArray[np.uint16]:
    """Round a yield map to whole kg/ha without moving the mean of a county.

    Rounding alone moves a county's mean by chance. The error is fed back: pixels
    rounded the wrong way take the other step until the fraction-weighted sums agree.
    Every pixel stays within 1 kg/ha of its yield; the mean of a county of 1,000
    pixels or more stays within 1e-6 of itself. In a smaller one pixels of unequal
    fractions step against each other until it does; where all fractions are equal, no
    whole numbers may: `county_map` tells which counties those are.

    Parameters
    ----------
    yields : float32 (y, x)
        t/ha, NaN where there is none; from `spread`.
    fraction, zones
        As given to `spread`.

    Returns
    -------
    uint16 (y, x)
        kg/ha (t/ha = `SCALE` * value), `NODATA` where there is none.

    Raises
    ------
    YieldTooLarge
        A yield is above 65.533 t/ha.
    """
    exact = yields.astype(np.float64) / SCALE
    known = used_pixels(exact, fraction, zones)
    if known.any() and exact[known].max() > NODATA - 2:
        raise YieldTooLarge(
            f"a pixel holds {exact[known].max() * SCALE:.1f} t/ha, which kg/ha in "
            "uint16 cannot: look for a county whose canopy index is almost 0"
            " · 像元单产过大，请检查冠层指数接近 0 的县"
        )
    # Rounded first: only what rounding did to the mean has to be paid back.
    whole = np.rint(exact[known])
    zone, weight = zones[known], fraction[known].astype(np.float64)
    rest = exact[known] - whole
    for pixels in _by_zone(zone):
        steps = _feedback(rest[pixels], weight[pixels])
        near = _CLOSE * float(weight[pixels] @ exact[known][pixels])
        whole[pixels] += _exchanged(steps, rest[pixels], weight[pixels], near=near)
    result = np.full(yields.shape, NODATA, dtype=np.uint16)
    result[known] = whole
    return result


def _by_zone(zone: NDArray[np.int16]) -> list[NDArray[np.intp]]:
    # One sort, not one mask per county over the whole grid.
    order = np.argsort(zone, kind="stable")
    starts = np.flatnonzero(np.diff(zone[order])) + 1
    return np.split(order, starts)


def _feedback(
    rest: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the step (-1, 0, 1) of each pixel that cancels the sum of weight * rest.

    `rest` is exact - rounded, in -0.5..0.5. Only pixels rounded the wrong way step;
    their weights come to twice the sum or more, so there are always enough.
    """
    direction = np.sign(weight @ rest)
    left = abs(float(weight @ rest))
    steps = np.zeros_like(rest)
    waiting = np.flatnonzero(direction * rest > 0)
    while (fitting := waiting[weight[waiting] <= left]).size:
        paid = np.cumsum(weight[fitting])
        full = int(np.searchsorted(paid, left, side="right"))
        steps[fitting[:full]] = direction
        left -= float(paid[full - 1])
        waiting = waiting[steps[waiting] == 0]
    # What is left is below every weight; one more step may still halve it.
    if waiting.size:
        lightest = waiting[np.argmin(weight[waiting])]
        steps[lightest] = direction if weight[lightest] < 2 * left else 0.0
    return steps


def _exchanged(
    steps: NDArray[np.float64],
    rest: NDArray[np.float64],
    weight: NDArray[np.float64],
    *,
    near: float,
) -> NDArray[np.float64]:
    """Step a pixel up and another down while that brings the sum nearer.

    Only where the sum is off by more than `near`: a county of few pixels, whose single
    steps are too coarse. Of unequal weights one up and one down is a finer step.
    """
    for _ in range(_MOST_EXCHANGES):
        left = float(weight @ (rest - steps))
        # As before, no pixel leaves the two whole numbers its yield lies between.
        up = np.flatnonzero(steps < (rest > 0))
        down = np.flatnonzero(-steps < (rest < 0))
        if abs(left) <= near or not up.size or not down.size:
            break
        down = down[np.argsort(weight[down])]
        place = np.searchsorted(weight[down], weight[up] - left)
        beside = np.clip([place - 1, place], 0, len(down) - 1)
        error = np.abs(left - weight[up] + weight[down[beside]])
        side, one = np.unravel_index(error.argmin(), error.shape)
        if error[side, one] >= abs(left):
            break
        steps[up[one]] += 1
        steps[down[beside[side, one]]] -= 1
    return steps
