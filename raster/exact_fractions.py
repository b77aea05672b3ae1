"""Exact shares of pixels under polygons, from exactextract, as runs of equal share."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
import shapely
from exactextract import exact_extract  # type: ignore[import-untyped]
from exactextract.feature import (  # type: ignore[import-untyped]
    Feature,
    FeatureSource,
)
from exactextract.raster import RasterSource  # type: ignore[import-untyped]
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from raster.errors import GeometryInvalid

LONGEST = 256
"""Pixels of the longest run; runs end at columns that are multiples of it."""

# exactextract keeps some 30 bytes for every pixel of a polygon's rectangle.
_AT_ONCE = 1 << 20

# Sides of the tiles a larger rectangle is cut into: most tiles of a county at 10 m
# are then wholly inside or outside, and need no exact arithmetic.
_COARSE, _FINE = 2048, 256

_Cells = tuple[NDArray[np.signedinteger], NDArray[np.floating]]
"""Numbers of the cells under a polygon, and the share of each."""

# What a tile's border, moved by rounding, leaves in the pixels of the next tile.
_NOTHING = 1e-7


@dataclass(frozen=True, slots=True)
class ZoneRuns:
    """Stretches of grid rows under one polygon with one share, each array (runs,).

    Attributes
    ----------
    zone, row, col, length
        int32: number of the polygon, first pixel, pixels to the right.
    weight
        float32: share of each pixel that is covered.
    """

    zone: NDArray[np.int32]
    row: NDArray[np.int32]
    col: NDArray[np.int32]
    length: NDArray[np.int32]
    weight: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Window:
    top: int
    left: int
    bottom: int
    right: int

    @property
    def cells(self) -> int:
        return max(0, self.bottom - self.top) * max(0, self.right - self.left)

    def cut(self, other: "_Window") -> "_Window":
        return _Window(
            max(self.top, other.top),
            max(self.left, other.left),
            min(self.bottom, other.bottom),
            min(self.right, other.right),
        )

    def tiles(self, side: int) -> "list[_Window]":
        return [
            _Window(top, left, top + side, left + side).cut(self)
            for top in range(self.top // side * side, self.bottom, side)
            for left in range(self.left // side * side, self.right, side)
        ]


def zone_runs(polygons: Sequence[BaseGeometry], geobox: GeoBox) -> ZoneRuns:
    """Shares of the pixels of a grid under polygons.

    Parameters
    ----------
    polygons
        Valid polygons or multipolygons in the grid's CRS.
    geobox
        North-up grid; what lies beyond it is left out.

    Returns
    -------
    ZoneRuns
        Every pixel of a polygon with a share above 1e-7 once; in the order of the grid,
        so that sums over all polygons read a raster from top to bottom.

    Raises
    ------
    GeometryInvalid
        Shares cannot be computed that come to the area of a polygon.
    """
    height, width = geobox.shape
    grid = _Window(0, 0, height, width)
    parts = [_none()]
    batch: list[tuple[int, BaseGeometry]] = []
    cells = 0
    for zone, polygon in enumerate(polygons):
        for part, window in _split(polygon, geobox, grid):
            if part is None:
                parts.append(_full(zone, window))
                continue
            batch.append((zone, part))
            cells += window.cells
            if cells >= _AT_ONCE:
                parts.append(_exact(batch, geobox))
                batch, cells = [], 0
    parts.append(_exact(batch, geobox))
    return _ordered(parts)


def _ordered(parts: Sequence[ZoneRuns]) -> ZoneRuns:
    names = [field.name for field in fields(ZoneRuns)]
    columns = [np.concatenate([getattr(p, name) for p in parts]) for name in names]
    _, row, col, *_ = columns
    order = np.argsort(row.astype(np.int64) << 32 | col, kind="stable")
    return ZoneRuns(*(column[order] for column in columns))


def _split(
    polygon: BaseGeometry, geobox: GeoBox, within: _Window
) -> Iterator[tuple[BaseGeometry | None, _Window]]:
    """Parts of a polygon small enough for one go; None for a window all covered."""
    window = _around(polygon, geobox).cut(within)
    if window.cells <= _AT_ONCE:
        if window.cells:
            yield polygon, window
        return
    side = _COARSE if window.cells > _COARSE**2 else _FINE
    tiles = window.tiles(side)
    boxes = np.array([shapely.box(*_bounds(geobox, tile)) for tile in tiles])
    shapely.prepare(polygon)
    whole = shapely.contains_properly(polygon, boxes)
    touched = shapely.intersects(polygon, boxes) & ~whole
    for i in np.flatnonzero(whole):
        yield None, tiles[i]
    for i in np.flatnonzero(touched):
        clipped = _polygonal(shapely.intersection(polygon, boxes[i]))
        yield from _split(clipped, geobox, tiles[i])


def _polygonal(geometry: BaseGeometry) -> BaseGeometry:
    """Leave out the points and lines where a polygon only touches a box."""
    if geometry.geom_type in {"Polygon", "MultiPolygon"}:
        return geometry
    parts = shapely.get_parts(geometry)
    return shapely.MultiPolygon([p for p in parts if p.geom_type == "Polygon"])


def _around(polygon: BaseGeometry, geobox: GeoBox) -> _Window:
    if polygon.is_empty:
        return _Window(0, 0, 0, 0)
    affine = geobox.affine
    west, south, east, north = polygon.bounds
    edges = [
        (north - affine.f) / affine.e,
        (west - affine.c) / affine.a,
        (south - affine.f) / affine.e,
        (east - affine.c) / affine.a,
    ]
    # A polygon far away must not overflow the integers.
    limit = max(geobox.shape) + 1
    top, left, bottom, right = (min(max(edge, -1.0), limit) for edge in edges)
    return _Window(int(top), int(left), int(np.ceil(bottom)), int(np.ceil(right)))


def _bounds(geobox: GeoBox, window: _Window) -> tuple[float, float, float, float]:
    west, north = geobox.affine * (window.left, window.top)
    east, south = geobox.affine * (window.right, window.bottom)
    return west, south, east, north


def _exact(batch: Sequence[tuple[int, BaseGeometry]], geobox: GeoBox) -> ZoneRuns:
    if not batch:
        return _none()
    cells = _CellNumbers(geobox)
    found = _extract(cells, [polygon for _, polygon in batch])
    _mend(found, [polygon for _, polygon in batch], cells, geobox)
    numbers, shares = [number for number, _ in found], [share for _, share in found]
    sizes = [len(number) for number in numbers]
    zone = np.repeat(np.array([zone for zone, _ in batch], np.int32), sizes)
    return _encoded(
        zone,
        np.concatenate(numbers),
        np.concatenate(shares).astype(np.float32),
        cells.shift,
    )


def _extract(cells: "_CellNumbers", polygons: Sequence[BaseGeometry]) -> list[_Cells]:
    """Return the numbers of the cells under each polygon, and their shares."""
    features = exact_extract(cells, _Polygons(polygons), ["values", "coverage"])
    found = [feature["properties"] for feature in features]
    return [(one["values"], one["coverage"]) for one in found]


def _mend(
    found: list[_Cells],
    polygons: Sequence[BaseGeometry],
    cells: "_CellNumbers",
    geobox: GeoBox,
) -> None:
    """Compute again, in place, where the shares do not come to the polygon's area.

    exactextract 0.3.0 takes a vertex some 1e-10 pixel beside the corner of a pixel
    for the corner on one side and not on the other, and loses or doubles whole
    pixels. Moved by a millionth of a pixel, the polygon has no such vertex.

    Raises
    ------
    GeometryInvalid
        The shares do not come to the area even so.
    """
    size = geobox.affine.a
    for wrong in _uncovered(found, polygons, geobox):
        moved = shapely.transform(polygons[wrong], lambda xy: xy + 1e-6 * size)
        found[wrong] = _extract(cells, [moved])[0]
    if still := _uncovered(found, polygons, geobox):
        x, y = polygons[still[0]].centroid.coords[0]
        raise GeometryInvalid(
            f"the pixels under the polygon at {x:.6g}, {y:.6g} do not come to its area:"
            " simplify it or round its coordinates"
            " · 多边形像元份额之和与其面积不符，请简化或规整坐标"
        )


def _uncovered(
    found: Sequence[_Cells], polygons: Sequence[BaseGeometry], geobox: GeoBox
) -> list[int]:
    """Return the polygons whose shares differ from their area on the grid."""
    sums = np.array([np.sum(share, dtype=np.float64) for _, share in found])
    rows, columns = geobox.shape
    grid = shapely.box(*_bounds(geobox, _Window(0, 0, rows, columns)))
    shapely.prepare(grid)
    inside = np.array(polygons)
    over = ~shapely.covers(grid, inside)
    inside[over] = shapely.intersection(inside[over], grid)
    areas = shapely.area(inside) / abs(geobox.affine.a * geobox.affine.e)
    # Shares are float32, and clipping rounds as well.
    return np.flatnonzero(np.abs(sums - areas) > 1e-3 + 1e-5 * areas).tolist()


def _encoded(
    zone: NDArray[np.int32],
    number: NDArray[np.signedinteger],
    weight: NDArray[np.float32],
    shift: int,
) -> ZoneRuns:
    kept = weight > _NOTHING
    if not kept.all():
        zone, number, weight = zone[kept], number[kept], weight[kept]
    begins = number % LONGEST == 0
    begins[:1] = True
    begins[1:] |= number[1:] != number[:-1] + 1
    begins[1:] |= weight[1:] != weight[:-1]
    begins[1:] |= zone[1:] != zone[:-1]
    first = np.flatnonzero(begins)
    return ZoneRuns(
        zone[first],
        (number[first] >> shift).astype(np.int32),
        (number[first] & ((1 << shift) - 1)).astype(np.int32),
        np.diff(first, append=len(number)).astype(np.int32),
        weight[first],
    )


def _full(zone: int, window: _Window) -> ZoneRuns:
    """Make the runs of a rectangle that is covered whole."""
    begin = np.arange(window.left // LONGEST * LONGEST, window.right, LONGEST)
    end = np.minimum(begin + LONGEST, window.right)
    begin = np.maximum(begin, window.left)
    rows = np.arange(window.top, window.bottom, dtype=np.int32)
    count = len(begin) * len(rows)
    return ZoneRuns(
        np.full(count, zone, np.int32),
        np.repeat(rows, len(begin)),
        np.tile(begin.astype(np.int32), len(rows)),
        np.tile((end - begin).astype(np.int32), len(rows)),
        np.ones(count, np.float32),
    )


def _none() -> ZoneRuns:
    return _full(0, _Window(0, 0, 0, 0))


class _CellNumbers(RasterSource):  # type: ignore[misc]
    """A raster whose values are the numbers of its own cells, so none is read.

    A number is ``row << shift | column``. One column more than there are keeps the
    last cell of a row and the first of the next from following each other.
    """

    def __init__(self, geobox: GeoBox) -> None:
        super().__init__()
        height, width = geobox.shape
        self._extent = tuple(geobox.boundingbox.bbox)
        self._res = (abs(geobox.affine.a), abs(geobox.affine.e))
        self.shift = width.bit_length()
        fits = height << self.shift <= np.iinfo(np.int32).max
        self._dtype = np.dtype(np.int32 if fits else np.int64)

    def extent(self) -> tuple[float, ...]:
        return self._extent

    def res(self) -> tuple[float, float]:
        return self._res

    def nodata_value(self) -> None:
        return None

    def srs_wkt(self) -> None:
        return None

    def read_window(
        self, x0: int, y0: int, nx: int, ny: int
    ) -> NDArray[np.signedinteger]:
        rows = np.arange(y0, y0 + ny, dtype=self._dtype) << self.shift
        return rows[:, np.newaxis] + np.arange(x0, x0 + nx, dtype=self._dtype)


class _Polygon(Feature):  # type: ignore[misc]
    """A feature in WKB, which exactextract reads twice as fast as GeoJSON."""

    def __init__(self, polygon: BaseGeometry) -> None:
        super().__init__()
        self._polygon = polygon

    def geometry(self) -> bytes:
        wkb: bytes = shapely.to_wkb(self._polygon)
        return wkb

    def fields(self) -> list[str]:
        return []


class _Polygons(FeatureSource):  # type: ignore[misc]
    def __init__(self, polygons: Sequence[BaseGeometry]) -> None:
        super().__init__()
        self._polygons = polygons

    def count(self) -> int:
        return len(self._polygons)

    def __iter__(self) -> Iterator[_Polygon]:
        return map(_Polygon, self._polygons)

    def srs_wkt(self) -> None:
        return None
