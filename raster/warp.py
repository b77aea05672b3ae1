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
_FIRST_SPACING = 64
_TOLERANCE = 0.01

_OUTSIDE = -1e9


@dataclass(frozen=True, slots=True, eq=False)
class Mapping:
    """Where the pixels of a block lie in a file.

    Attributes
    ----------
    columns, rows
        float64, position of every `spacing`-th pixel centre of the block in pixels of
        the file, from its upper left corner; straight lines between them.
    spacing
        Pixels of the block between control points.
    """

    columns: Coordinates
    rows: Coordinates
    spacing: int

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
        columns, rows = _control_points(source, target, spacing)
        fits = max(_bend(columns), _bend(rows)) <= _TOLERANCE
        if fits or spacing == 1:
            lost = ~(np.isfinite(columns) & np.isfinite(rows))
            columns[lost] = rows[lost] = _OUTSIDE
            return Mapping(columns, rows, spacing)
        spacing //= 2


def _control_points(
    source: GeoBox, target: GeoBox, spacing: int
) -> tuple[Coordinates, Coordinates]:
    height, width = target.shape
    # One point past the last pixel, so that every pixel lies between two.
    x = np.arange(0, width + spacing, spacing) + 0.5
    y = np.arange(0, height + spacing, spacing) + 0.5
    world = target.affine @ tuple(np.meshgrid(x, y))
    if source.crs != target.crs:
        way = transformer(str(target.crs), str(source.crs))
        world = way.transform(*world)
    columns, rows = ~source.affine @ world
    return np.asarray(columns), np.asarray(rows)


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
    take(pixels, way.columns, way.rows, way.spacing, limits, result)
    return result


@kernel
def _follow(
    columns: Coordinates, rows: Coordinates, spacing: int, y: int, place: Coordinates
) -> None:
    """Positions of one row of the block: `place` is float64 (2, width), column, row."""
    width, line = place.shape[1], y // spacing
    down = (y % spacing) / spacing
    for part in range((width + spacing - 1) // spacing):
        start = part * spacing
        end = min(start + spacing, width)
        for axis in range(2):
            points = columns if axis == 0 else rows
            first = points[line, part] * (1 - down) + points[line + 1, part] * down
            last = (
                points[line, part + 1] * (1 - down) + points[line + 1, part + 1] * down
            )
            step = (last - first) / spacing
            for x in range(end - start):
                place[axis, start + x] = first + step * x


@kernel
def _nearest(
    pixels: NDArray[Any],
    columns: Coordinates,
    rows: Coordinates,
    spacing: int,
    limits: Coordinates,
    result: NDArray[Any],
) -> None:
    height, width = pixels.shape
    place = np.empty((2, result.shape[1]))
    nothing = pixels.dtype.type(limits[2])
    for y in range(result.shape[0]):
        _follow(columns, rows, spacing, y, place)
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
    limits: Coordinates,
    result: NDArray[Any],
) -> None:
    height, width = pixels.shape
    place = np.empty((2, result.shape[1]))
    nodata, saturated = np.float32(limits[2]), np.float32(limits[3])
    nothing = pixels.dtype.type(limits[2])
    for y in range(result.shape[0]):
        _follow(columns, rows, spacing, y, place)
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
                if weight >= np.float32(0.5):
                    result[y, x] = pixels.dtype.type(
                        np.floor(total / weight + np.float32(0.5))
                    )
