"""Pixels of a file beside the pixels of a block, at their own resolution.

A band of 20 m lies under a block of 10 m as it was read; whoever needs a row of it
stretches that row in the first cache, so that no resampled copy fills the memory.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raster.jit import kernel

Byte = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Plane:
    """Pixels of a file that lie under a block.

    Attributes
    ----------
    pixels
        (rows, columns), the file's own pixels.
    factor
        Pixels of the block along one of the file's.
    row, column
        Pixels of the block that the first of the file's reaches up and left of the
        block: ``0 <= row < factor``, ``0 <= column < factor``.
    """

    pixels: NDArray[Any]
    factor: int = 1
    row: int = 0
    column: int = 0

    @property
    def layout(self) -> tuple[int, int, int]:
        """What the kernels need to know of it: factor, row, column."""
        return self.factor, self.row, self.column


@kernel
def stretch_row(
    source: NDArray[Any], factor: int, column: int, result: NDArray[Any]
) -> None:
    """Repeat each value `factor` times, leaving out the first `column`."""
    width = result.size
    if factor == 1 and column == 0:
        for x in range(width):
            result[x] = source[x]
    elif factor == 2 and column == 0:
        # Written in pairs, because a division by two would not be vectorised.
        for x in range(width // 2):
            result[2 * x] = source[x]
            result[2 * x + 1] = source[x]
        if width % 2:
            result[width - 1] = source[width // 2]
    else:
        for x in range(width):
            result[x] = source[(x + column) // factor]


@kernel
def _stretch(
    pixels: NDArray[Any], layout: tuple[int, int, int], result: NDArray[Any]
) -> None:
    factor, row, column = layout
    for y in range(result.shape[0]):
        stretch_row(pixels[(y + row) // factor], factor, column, result[y])


def stretched(plane: Plane, shape: tuple[int, int]) -> NDArray[Any]:
    """Pixels of a plane on the pixels of its block, (y, x) in the plane's type.

    For masks, which are a byte a pixel; bands are stretched row by row.
    """
    if plane.layout == (1, 0, 0) and plane.pixels.shape == shape:
        return plane.pixels
    result = np.empty(shape, plane.pixels.dtype)
    _stretch(plane.pixels, plane.layout, result)
    return result
