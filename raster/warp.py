"""Pixels of a file on a grid of another projection or origin.

GDAL's own bilinear warp takes some 170 ns a pixel where nodata has to be left out,
six times as long as decoding it. All bands and dates of a tile lie on one grid, so
here the way from block to file is found once, at control points, and shared.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from raster.errors import GridInvalid
from raster.jit import kernel

Coordinates = NDArray[np.float64]

# Pixels between control points, halved until straight lines between them are right
# to a hundredth of a pixel of the file.
_FIRST_SPACING = 16
_TOLERANCE = 0.01

# Share of a pixel's weight that must have been measured.
_HALF = np.float32(0.5)

_OUTSIDE = -1e9


@dataclass(frozen=True, slots=True, eq=False)
class Mapping:
    """Where the pixels of a block lie in a file.

    Attributes
    ----------
    columns, rows
        float64, position of every `spacing`-th pixel centre in pixels of the file,
        from its upper left corner; straight lines between them.
    spacing
        Pixels of the block between control points.
    first
        Row and column of the block's first pixel among the control points' pixels.
        Control points lie on multiples of `spacing` of the grid's own count, so that
        a pixel finds the same place whatever block it is computed in.
    """

    columns: Coordinates
    rows: Coordinates
    spacing: int
    first: tuple[int, int]

    @property
    def window(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom of the file's pixels that a block needs."""
        seen = self.columns > _OUTSIDE
        if not seen.any():
            return 0, 0, 0, 0
        columns, rows = self.columns[seen], self.rows[seen]
        # One more pixel on each side for the neighbours in the interpolation.
        return (
            math.floor(columns.min()) - 1,
            math.floor(rows.min()) - 1,
            math.floor(columns.max()) + 2,
            math.floor(rows.max()) + 2,
        )


@lru_cache(maxsize=64)
def mapping(source: GeoBox, target: GeoBox) -> Mapping:
    """Find where the pixels of `target` lie in `source`.

    Raises
    ------
    GridInvalid
        One of the grids has no CRS.
    """
    if source.crs is None or target.crs is None:
        raise GridInvalid(
            "a grid without CRS cannot be laid over another: give it one"
            " · 网格没有坐标系，无法与其他网格对应，请指定"
        )
    spacing = _FIRST_SPACING
    while True:
        first, columns, rows = _control_points(source, target, spacing)
        fits = max(_bend(columns), _bend(rows)) <= _TOLERANCE
        if fits or spacing == 1:
            lost = ~(np.isfinite(columns) & np.isfinite(rows))
            columns[lost] = rows[lost] = _OUTSIDE
            return Mapping(columns, rows, spacing, first)
        spacing //= 2


def _control_points(
    source: GeoBox, target: GeoBox, spacing: int
) -> tuple[tuple[int, int], Coordinates, Coordinates]:
    height, width = target.shape
    # A quarter, so that neither grids on pixel edges nor on centres meet a rounding.
    count = ~target.affine @ (0.0, 0.0)
    column, row = (-math.floor(number + 0.25) % spacing for number in count)
    # Points around the block, so that every pixel lies between two, and three at least
    # to see a curve by.
    x = np.arange(-column, width + 2 * spacing, spacing) + 0.5
    y = np.arange(-row, height + 2 * spacing, spacing) + 0.5
    to_world: Any = target.affine
    world = to_world @ tuple(np.meshgrid(x, y))
    if source.crs != target.crs:
        way = transformer(str(target.crs), str(source.crs))
        world = way.transform(*world)
    columns, rows = ~source.affine @ world
    return (row, column), np.asarray(columns), np.asarray(rows)


@lru_cache(maxsize=64)
def transformer(source: str, target: str) -> Transformer:
    """Give a transformer of coordinates in the order x, y; making one takes long."""
    return Transformer.from_crs(source, target, always_xy=True)


def _bend(points: Coordinates) -> float:
    """Bound how far a straight line between control points departs from the curve.

    A parabola departs by an eighth of its second difference.
    """
    across = np.abs(np.diff(points, n=2, axis=0)).max(initial=0)
    along = np.abs(np.diff(points, n=2, axis=1)).max(initial=0)
    bend = (across + along) / 8
    return float(bend) if np.isfinite(bend) else math.inf


def sample(
    pixels: NDArray[Any],
    way: Mapping,
    shape: tuple[int, int],
    *,
    left: int,
    top: int,
    nodata: float,
    saturated: float | None = None,
    blend: bool = True,
) -> NDArray[Any]:
    """Take the pixels of a block out of a window of a file.

    Parameters
    ----------
    pixels
        (rows, columns) of the file, from column `left` and row `top` on.
    way
        From the block to the file.
    shape
        (height, width) of the block.
    nodata, saturated
        Numbers that are no measurement: they never blend into a neighbour.
    blend
        Interpolate bilinearly between the measured ones of the four nearest pixels;
        else take the nearest.

    Returns
    -------
    (y, x) in the dtype of `pixels`. `nodata` where less than half the weight of the
    four was measured, or outside.
    """
    result = np.empty(shape, pixels.dtype)
    bad = nodata if saturated is None else saturated
    limits = np.array([left, top, nodata, bad], np.float64)
    take = _blend if blend else _nearest
    take(pixels, way.columns, way.rows, way.spacing, way.first, limits, result)
    return result


@kernel
def _follow(
    columns: Coordinates,
    rows: Coordinates,
    spacing: int,
    first: tuple[int, int],
    y: int,
    place: Coordinates,
) -> None:
    """Positions of one row of the block: `place` is float64 (2, width), column, row."""
    width, line = place.shape[1], (y + first[0]) // spacing
    down = ((y + first[0]) % spacing) / spacing
    for part in range((width + first[1] + spacing - 1) // spacing):
        start = part * spacing - first[1]
        end = min(start + spacing, width)
        for axis in range(2):
            points = columns if axis == 0 else rows
            one = points[line, part] * (1 - down) + points[line + 1, part] * down
            other = (
                points[line, part + 1] * (1 - down) + points[line + 1, part + 1] * down
            )
            step = (other - one) / spacing
            for x in range(max(start, 0), end):
                place[axis, x] = one + step * (x - start)


@kernel
def _nearest(
    pixels: NDArray[Any],
    columns: Coordinates,
    rows: Coordinates,
    spacing: int,
    first: tuple[int, int],
    limits: Coordinates,
    result: NDArray[Any],
) -> None:
    height, width = pixels.shape
    place = np.empty((2, result.shape[1]))
    nothing = pixels.dtype.type(limits[2])
    for y in range(result.shape[0]):
        _follow(columns, rows, spacing, first, y, place)
        for x in range(result.shape[1]):
            column, row = place[0, x] - limits[0], place[1, x] - limits[1]
            if 0 <= column < width and 0 <= row < height:
                result[y, x] = pixels[int(row), int(column)]
            else:
                result[y, x] = nothing


@kernel
def _blend(
    pixels: NDArray[Any],
    columns: Coordinates,
    rows: Coordinates,
    spacing: int,
    first: tuple[int, int],
    limits: Coordinates,
    result: NDArray[Any],
) -> None:
    height, width = pixels.shape
    place = np.empty((2, result.shape[1]))
    nodata, saturated = np.float32(limits[2]), np.float32(limits[3])
    nothing = pixels.dtype.type(limits[2])
    for y in range(result.shape[0]):
        _follow(columns, rows, spacing, first, y, place)
        for x in range(result.shape[1]):
            # From the centre of the upper left of the four pixels.
            column, row = place[0, x] - limits[0] - 0.5, place[1, x] - limits[1] - 0.5
            result[y, x] = nothing
            if -1 < column < width and -1 < row < height:
                i, j = int(np.floor(row)), int(np.floor(column))
                right, below = np.float32(column - j), np.float32(row - i)
                total = weight = np.float32(0)
                for k in range(4):
                    m, n = i + (k >> 1), j + (k & 1)
                    if 0 <= m < height and 0 <= n < width:
                        number = np.float32(pixels[m, n])
                        share = (below if k >> 1 else 1 - below) * (
                            right if k & 1 else 1 - right
                        )
                        if number != nodata and number != saturated:
                            total += share * number
                            weight += share
                if weight >= _HALF:
                    result[y, x] = pixels.dtype.type(
                        np.floor(total / weight + np.float32(0.5))
                    )


def reduce(
    pixels: NDArray[Any],
    way: Mapping,
    shape: tuple[int, int],
    *,
    nodata: float,
    saturated: float | None = None,
) -> tuple[Coordinates, NDArray[np.int64]]:
    """Add up the pixels of a window of a file that lie in each pixel of a block.

    Parameters
    ----------
    pixels
        (rows, columns) of the window.
    way
        From the window's pixels to the block, the other way round than for `sample`.
    shape
        (height, width) of the block.
    nodata, saturated
        Numbers that are no measurement.

    Returns
    -------
    float64 (y, x) sums and int64 (y, x) numbers of the measured pixels whose centre
    lies in a pixel of the block.
    """
    sums, counts = np.zeros(shape), np.zeros(shape, np.int64)
    limits = np.array([nodata, nodata if saturated is None else saturated])
    _gather(pixels, way.columns, way.rows, way.spacing, way.first, limits, sums, counts)
    return sums, counts


@kernel
def _gather(
    pixels: NDArray[Any],
    columns: Coordinates,
    rows: Coordinates,
    spacing: int,
    first: tuple[int, int],
    limits: Coordinates,
    sums: Coordinates,
    counts: NDArray[np.int64],
) -> None:
    height, width = sums.shape
    place = np.empty((2, pixels.shape[1]))
    for y in range(pixels.shape[0]):
        _follow(columns, rows, spacing, first, y, place)
        for x in range(pixels.shape[1]):
            number = np.float64(pixels[y, x])
            inside = (0 <= place[0, x] < width) and (0 <= place[1, x] < height)
            if inside and number != limits[0] and number != limits[1]:
                row, column = int(place[1, x]), int(place[0, x])
                sums[row, column] += number
                counts[row, column] += 1
