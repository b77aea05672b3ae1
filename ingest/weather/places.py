"""Places that want weather, and their means over grids by exact shares of cells."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from ingest.ground.values import headers_of, text
from ingest.ground.vector import read_layer
from ingest.weather.errors import PlacesUnusable
from ingest.weather.holdings import Layer
from ingest.weather.netcdf import Bounds, Grid
from raster.coverage import coverage
from raster.pixel_area import pixel_areas
from store.counties import County

__all__ = ["GridMeans", "Places", "fields_of", "places_of_counties"]

Float = NDArray[np.float64]

# float32 shares of a place that is seen wholly may sum to a little less than 1.
_ROUNDING = 1e-6

_POLYGONS = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)


@dataclass(frozen=True, slots=True)
class Places:
    """Counties or fields: their ids, and polygons or points in EPSG:4326."""

    ids: tuple[str, ...]
    geometries: tuple[shapely.Geometry, ...]

    @property
    def bounds(self) -> Bounds:
        """Rectangle around all of them, degrees, a little wider for points."""
        west, south, east, north = shapely.total_bounds(self.geometries)
        tiny = 1e-9
        return west - tiny, south - tiny, east + tiny, north + tiny

    def inner_points(self) -> list[tuple[float, float]]:
        """Longitude and latitude of a point inside each, near the middle."""
        inner = shapely.point_on_surface(np.array(self.geometries))
        return list(zip(shapely.get_x(inner), shapely.get_y(inner), strict=True))


def places_of_counties(counties: Sequence[County]) -> Places:
    """Give the counties by their codes."""
    codes = tuple(county.code for county in counties)
    return Places(codes, tuple(county.geometry for county in counties))


def fields_of(path: Path, *, key: str | None = None) -> Places:
    """Read fields, polygons or points, under the ids that `ingest.ground` gives them.

    Parameters
    ----------
    path
        Any file that `ingest.ground.vector.read_layer` reads. A row of several
        polygons is several fields, ``id-1``, ``id-2``, ... from the largest down.
    key
        Column with the id of each field, where its header is not among
        `ingest.ground.headers.SPELLINGS`.

    Raises
    ------
    PlacesUnusable
        No column of ids, or a field has no id, no valid shape, or the id of another.
    ingest.ground.errors.GroundError
        The file cannot be read, or lacks the column or a coordinate system.
    """
    layer = read_layer(path, columns={"field": key} if key else None)
    headers = headers_of(layer)
    header = headers.find("field") or headers.find("id")
    if header is None:
        has = ", ".join(layer.columns)
        raise _unusable(path, f"name its column of ids with --field-key, of {has}")
    if layer.faults:
        fault = layer.faults[0]
        raise _unusable(path, f"row {fault.row}: {fault.english}")
    fields: dict[str, shapely.Geometry] = {}
    for feature in layer.features:
        name = text(feature.values, header)
        parts = _fields_in(feature.geometry)
        if name is None or not parts:
            why = f"row {feature.row} ({name}) has no id, or is no polygon or point"
            raise _unusable(path, why)
        names = [name]
        if len(parts) > 1:
            names = [f"{name}-{number}" for number in range(1, len(parts) + 1)]
        for one, part in zip(names, parts, strict=True):
            if one in fields and not shapely.equals(fields[one], part):
                raise _unusable(path, f"{header.column} {one} has two shapes")
            fields[one] = part
    return Places(tuple(fields), tuple(fields.values()))


def _fields_in(shape: shapely.Geometry) -> list[shapely.Geometry]:
    """Polygons of a row from the largest down, or its one point."""
    parts = list(shapely.get_parts(shape))
    kinds = {part.geom_type for part in parts}
    if kinds == {"Polygon"}:
        return sorted(parts, key=shapely.area, reverse=True)
    return parts if kinds == {"Point"} and len(parts) == 1 else []


def _unusable(path: Path, why: str) -> PlacesUnusable:
    return PlacesUnusable(
        f"no fields from {path}: {why} · 无法从 {path} 读取地块，请检查编号列和图形",
        path=path,
    )


class GridMeans:
    """Means of places over one grid.

    A polygon's mean weighs each cell by the ground that the polygon has of it, exact
    (`raster.coverage`), so that one smaller than a cell gets the values of its cells. A
    point has the value of the cell it lies in.
    """

    def __init__(self, grid: Grid, places: Places) -> None:
        self._shares, self._whole = _shares(grid, places)
        rows = pixel_areas(grid.geobox, np.arange(grid.rows) + 0.5, np.zeros(grid.rows))
        self._areas = np.repeat(rows, grid.cols)

    def inside(self) -> Float:
        """Share of each place that lies on the grid, (places,)."""
        return self._sum(np.ones(len(self._areas))) / self._whole

    def of(self, layer: Layer, *, complete: float) -> Float:
        """Mean of each place, (places,).

        Parameters
        ----------
        layer
            (y, x) on this grid.
        complete
            Least share of a place that must have a value: below it the mean is NaN, not
            that of the part that is known.
        """
        values = layer.values.ravel()
        # What is impossible (infinite) makes the mean impossible, it is not missing.
        seen = ~np.isnan(values)
        share = self._sum(seen.astype(np.float64)) / self._whole
        total = self._sum(np.where(seen, values, 0.0) * self._areas)
        area = self._sum(seen * self._areas)
        enough = (share >= complete - _ROUNDING) & (area > 0)
        means = np.full(len(total), np.nan)
        means[enough] = total[enough] / area[enough]
        return means

    def _sum(self, cells: Float) -> Float:
        return np.asarray(self._shares @ cells, np.float64)


def _shares(grid: Grid, places: Places) -> tuple["csr_array[np.float64]", Float]:
    """Share of each cell in each place, and the size of each place in cells."""
    shapes = np.array(places.geometries, object)
    polygon = np.isin(shapely.get_type_id(shapes), _POLYGONS)
    cover = coverage(grid.geobox, list(shapes[polygon]))
    points = _cells(grid, shapes[~polygon])
    stacked = vstack([cover.matrix().astype(np.float64), points], format="csr")
    # Back from polygons first, points last, to the order of the places.
    order = np.argsort(
        np.concatenate([np.flatnonzero(polygon), np.flatnonzero(~polygon)])
    )
    whole = np.concatenate([cover.pixels, np.ones(points.shape[0])])
    return stacked[order], whole[order]


def _cells(grid: Grid, points: NDArray[np.object_]) -> "csr_array[np.float64]":
    """Weight 1 for the cell that each point lies in; nothing for one off the grid."""
    col = np.floor((shapely.get_x(points) - grid.west) / grid.width).astype(np.intp)
    row = np.floor((grid.north - shapely.get_y(points)) / grid.height).astype(np.intp)
    on = (row >= 0) & (row < grid.rows) & (col >= 0) & (col < grid.cols)
    cell = row * grid.cols + col
    shape = (len(points), grid.rows * grid.cols)
    return csr_array((np.ones(on.sum()), (np.flatnonzero(on), cell[on])), shape=shape)
