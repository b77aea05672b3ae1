"""From several observations of a step to one composite.

Observations are float32 (observations, indices, pixels) with `MISSING` where a pixel
was not seen clear; a composite of one index is int16 (pixels,) with a scale, and comes
with the number of observations behind each pixel, uint8 (pixels,).
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from raster.jit import STRIP, P, kernel

Float = NDArray[np.float32]
Counts = NDArray[np.uint8]
Stored = NDArray[np.int16]
Network = NDArray[np.int32]

NODATA = -32768
_NODATA = np.int16(NODATA)
_LARGEST = np.float32(32767)

MISSING = np.float32(np.inf)

_HALF = np.float32(0.5)


@lru_cache(maxsize=64)
def sorting_network(size: int) -> Network:
    """Comparisons that sort any `size` values: Batcher's merge exchange.

    Returns
    -------
    int32 (comparisons, 2), pairs i < j to be exchanged when out of order (Knuth, The
    Art of Computer Programming 3, algorithm 5.2.2M). The order does not depend on the
    values, so a whole strip goes through at once, without a branch.
    """
    pairs: list[tuple[int, int]] = []
    top = 1 << max(size - 1, 0).bit_length() >> 1
    p = top
    while p > 0:
        q, r, d = top, 0, p
        while True:
            pairs += [(i, i + d) for i in range(size - d) if i & p == r]
            if q == p:
                break
            d, q, r = q - p, q >> 1, p
        p >>= 1
    return np.array(pairs, np.int32).reshape(-1, 2)


@kernel
def to_int16(value: np.float32, inverse_scale: np.float32) -> np.int16:
    """Scale, round half up and limit to int16; missing and NaN become nodata."""
    scaled = np.floor(value * inverse_scale + _HALF)
    limited = min(max(scaled, -_LARGEST), _LARGEST)
    known = abs(value) < MISSING
    return np.int16(limited) if known else _NODATA


@kernel
def median_composite(
    observations: Float,
    index: int,
    network: Network,
    inverse_scale: float,
    composite: Stored,
    counts: Counts,
) -> None:
    """Fill a composite with the median of each pixel's observations.

    Parameters
    ----------
    observations
        Of all indices; left unchanged.
    index
        Number of the one wanted.
    network
        `sorting_network` of as many observations.
    inverse_scale
        Steps of the composite's int16 in one.
    composite, counts
        (pixels,), filled; of an even number the mean of the middle two.
    """
    size, _, pixels = observations.shape
    strip = np.empty(size * STRIP, np.float32)
    count, low, high = (
        np.empty(STRIP, np.int32),
        np.empty(STRIP, np.float32),
        np.empty(STRIP, np.float32),
    )
    inverse = np.float32(inverse_scale)
    for start in range(0, pixels, STRIP):
        wide = min(STRIP, pixels - start)
        _take(observations, index, start, wide, strip, count)
        for k in range(len(network)):
            _exchange(strip, np.uint64(network[k, 0]), np.uint64(network[k, 1]))
        _middle(strip, count, low, high)
        values, numbers = composite[start : start + wide], counts[start : start + wide]
        for p in range(np.uint64(wide)):
            values[p] = to_int16(_HALF * (low[p] + high[p]), inverse)
            numbers[p] = np.uint8(count[p])


@kernel
def _take(
    observations: Float,
    index: int,
    start: int,
    wide: int,
    strip: Float,
    count: NDArray[np.int32],
) -> None:
    """Copy a strip of one index and count what each pixel has."""
    for p in range(P):
        count[p] = np.int32(0)
    for i in range(observations.shape[0]):
        row, source = np.uint64(i) * P, observations[i, index, start : start + wide]
        for p in range(np.uint64(wide)):
            strip[row + p] = source[p]
            count[p] += np.int32(1) if source[p] < MISSING else np.int32(0)


@kernel
def _exchange(strip: Float, upper: np.uint64, lower: np.uint64) -> None:
    one, other = upper * P, lower * P
    for p in range(P):
        first, second = strip[one + p], strip[other + p]
        strip[one + p] = min(first, second)
        strip[other + p] = max(first, second)


@kernel
def _middle(strip: Float, count: NDArray[np.int32], low: Float, high: Float) -> None:
    """Pick the middle two of each sorted column; what is missing sits above."""
    for p in range(P):
        low[p] = MISSING
        high[p] = MISSING
    for i in range(np.uint64(strip.size) // P):
        row, at = np.uint64(i) * P, np.int32(i)
        for p in range(P):
            value = strip[row + p]
            low[p] = value if (count[p] - 1) >> 1 == at else low[p]
            high[p] = value if count[p] >> 1 == at else high[p]


@kernel
def max_composite(
    observations: Float,
    index: int,
    inverse_scale: float,
    composite: Stored,
    counts: Counts,
) -> None:
    """Fill a composite with the highest observation; parameters as for the median."""
    size, _, pixels = observations.shape
    inverse = np.float32(inverse_scale)
    highest, count = np.empty(STRIP, np.float32), np.empty(STRIP, np.int32)
    for start in range(0, pixels, STRIP):
        wide = min(STRIP, pixels - start)
        for p in range(P):
            highest[p] = -MISSING
            count[p] = np.int32(0)
        for i in range(size):
            source = observations[i, index, start : start + wide]
            for p in range(np.uint64(wide)):
                seen = source[p] < MISSING
                highest[p] = max(highest[p], source[p]) if seen else highest[p]
                count[p] += np.int32(1) if seen else np.int32(0)
        values, numbers = composite[start : start + wide], counts[start : start + wide]
        for p in range(np.uint64(wide)):
            values[p] = to_int16(highest[p], inverse)
            numbers[p] = np.uint8(count[p])
