"""Where a point or polygon lies: the exact join with the counties."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Geod, Transformer

from raster.grid import ALBERS_CHINA
from store.counties import County

__all__ = ["WGS84", "Places", "area_ha"]

WGS84 = Geod(ellps="WGS84")


def area_ha(polygon: shapely.Geometry) -> float:
    """Area of a polygon in EPSG:4326 on the WGS 84 ellipsoid, ha.

    Edges are geodesics (Karney 2013, Algorithms for geodesics, J. Geodesy 87:43).
    """
    # The sign of a ring's area is its direction, which files choose freely.
    oriented = shapely.orient_polygons(polygon)
    return abs(float(WGS84.geometry_area_perimeter(oriented)[0])) / 1e4


class Places:
    """The counties of the province, ready for joins.

    Parameters
    ----------
    counties : sequence of County
        Geometry in EPSG:4326 (WGS 84).
    anywhere : bool
        Whether places outside the province are welcome too.
    """

    def __init__(self, counties: Sequence[County], *, anywhere: bool = False) -> None:
        self.anywhere = anywhere
        self._counties = sorted(counties, key=lambda county: county.code)
        self._outlines = np.array([county.geometry for county in self._counties])
        shapely.prepare(self._outlines)
        self._tree = shapely.STRtree(self._outlines)

    def of_points(self, lon: Sequence[float], lat: Sequence[float]) -> list[str | None]:
        """Code of the county of each point; None outside the province.

        A point on a border belongs to the lower code.
        """
        points, counties = self._tree.query(
            shapely.points(lon, lat), predicate="intersects"
        )
        codes: list[str | None] = [None] * len(lon)
        for point, county in sorted(zip(points, counties, strict=True), reverse=True):
            codes[point] = self._counties[county].code
        return codes

    def distances_km(self, lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
        """Geodesic distance from points outside to the province, km.

        The nearest point of the border is sought in the Albers plane, whose scale
        differs by direction: the distance is that to a point of the border, at most a
        few percent above the shortest.

        Parameters
        ----------
        lonlat : ndarray of float64, (n, 2)
            Degrees, WGS 84.
        """
        lines = shapely.shortest_line(
            self._border, shapely.points(self._flattened(lonlat))
        )
        x, y = shapely.get_coordinates(lines)[::2].T
        lon, lat = self._to_plane.transform(x, y, direction="INVERSE")
        metres = WGS84.inv(lon, lat, lonlat[:, 0], lonlat[:, 1])[2]
        return np.asarray(metres, dtype=np.float64) / 1000

    def shares(self, polygon: shapely.Geometry) -> dict[str, float]:
        """Share of a polygon's area in each county it meets, 0..1.

        What the shares lack of 1 lies outside the province.
        """
        met = sorted(self._tree.query(polygon, predicate="intersects"))
        if len(met) == 1 and shapely.covers(self._outlines[met[0]], polygon):
            return {self._counties[met[0]].code: 1.0}
        whole = area_ha(polygon)
        parts = {
            self._counties[number].code: area_ha(
                polygonal(shapely.intersection(self._outlines[number], polygon))
            )
            for number in met
        }
        return {code: part / whole for code, part in parts.items() if part > 0}

    @cached_property
    def _to_plane(self) -> Transformer:
        return Transformer.from_crs("EPSG:4326", ALBERS_CHINA, always_xy=True)

    @cached_property
    def _border(self) -> shapely.Geometry:
        # From outside, no inner border is nearer than the outer one; and lines are
        # searched through an index, polygons are not.
        rings = shapely.get_parts(shapely.boundary(self._outlines))
        border = shapely.multilinestrings(rings)
        flat = shapely.transform(border, self._flattened)
        shapely.prepare(flat)
        return flat

    def _flattened(self, lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(self._to_plane.transform(*lonlat.T))


def polygonal(geometry: shapely.Geometry) -> shapely.Geometry:
    """Polygons of a geometry; lines and points of a collection are left out."""
    parts = shapely.get_parts(geometry)
    return shapely.union_all(parts[shapely.area(parts) > 0])
