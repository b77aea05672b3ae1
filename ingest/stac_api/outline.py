"""The outline of a place for a search: few vertices, and never less than the place."""

from typing import Final

import shapely
from shapely.geometry import MultiPolygon, Polygon

from ingest.stac_api.errors import WantedInvalid

__all__ = ["MOST_VERTICES", "outline"]

MOST_VERTICES: Final = 200
"""Servers cut off long requests and are slow with long polygons."""

# Degrees. The first hides rounding on either side; with the last, a country is a blob.
_FIRST_MARGIN: Final = 0.001
_LAST_MARGIN: Final = 1.0


def outline(where: shapely.Geometry) -> Polygon | MultiPolygon:
    """Simplify a place outwards, for the `intersects` of a STAC search.

    The place is widened by a margin and simplified by less than that (Douglas and
    Peucker 1973), so that nothing of it is lost; holes are filled. What a search finds
    in addition lies in the margin and is left out by an exact test.

    Parameters
    ----------
    where : Polygon or MultiPolygon
        EPSG:4326, degrees.

    Returns
    -------
    Polygon or MultiPolygon
        Covers `where`; at most `MOST_VERTICES` vertices.

    Raises
    ------
    WantedInvalid
        The place is no polygon, is broken, or leaves the range of degrees.
    """
    _check(where)
    margin = _FIRST_MARGIN
    while margin <= _LAST_MARGIN:
        wide = _filled(where.buffer(margin, quad_segs=2))
        rough = wide.simplify(margin / 2)
        if shapely.get_num_coordinates(rough) <= MOST_VERTICES and rough.covers(where):
            return rough
        margin *= 2
    return shapely.box(*where.bounds)


def _filled(place: Polygon | MultiPolygon) -> Polygon | MultiPolygon:
    parts = [Polygon(part.exterior) for part in shapely.get_parts(place)]
    return shapely.union_all(parts)


def _check(where: shapely.Geometry) -> None:
    problem = None
    if not isinstance(where, Polygon | MultiPolygon) or where.is_empty:
        problem = f"is a {where.geom_type}, not an area", "不是面"
    elif not where.is_valid:
        problem = f"is broken: {shapely.is_valid_reason(where)}", "几何无效"
    elif not _in_degrees(where.bounds):
        problem = f"has bounds {where.bounds}, which are no degrees", "坐标不是经纬度"
    if problem:
        raise WantedInvalid(
            f"the place {problem[0]}: give polygons in longitude and latitude (WGS 84)"
            f" · 检索范围{problem[1]}，请给出 WGS 84 经纬度的面"
        )


def _in_degrees(bounds: tuple[float, float, float, float]) -> bool:
    west, south, east, north = bounds
    return west >= -180 and east <= 180 and south >= -90 and north <= 90
