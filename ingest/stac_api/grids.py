"""Where the pixels of an item lie, by its own words (STAC projection extension)."""

import math
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

import pystac
from pyproj import Transformer
from pyproj.exceptions import ProjError
from shapely.geometry import MultiPolygon, Polygon

from ingest.offer import Bounds

__all__ = ["grids_of", "reaches_out"]

# Degrees, about 2 km. A footprint follows the pixels that hold data, in a few corners.
_SLACK: Final = 0.02
_DENSE: Final = 21


def grids_of(item: pystac.Item) -> set[Bounds]:
    """Give the bounds, in degrees, of the grids that an item or its assets state.

    A grid needs an EPSG code and proj:bbox, or proj:shape and proj:transform; what
    cannot be read, or lies across the antimeridian, is none.
    """
    stated = set(_stated(item))
    found = (_in_degrees(code, bbox) for code, bbox in stated)
    return {one for one in found if one is not None}


def reaches_out(outline: Polygon | MultiPolygon, grid: Bounds) -> bool:
    """Whether a footprint lies outside a grid, by more than rounding explains."""
    west, south, east, north = outline.bounds
    over = (grid[0] - west, grid[1] - south, east - grid[2], north - grid[3])
    return bool(max(over) > _SLACK)


def _stated(item: pystac.Item) -> Iterator[tuple[str, Bounds]]:
    """EPSG code and bounds in its coordinates, of the item and of its assets."""
    of_assets = (asset.extra_fields for asset in item.assets.values())
    for fields in (item.properties, *of_assets):
        # What an asset leaves out, the item says for all.
        code = _code(fields) or _code(item.properties)
        bbox = _bbox(fields)
        if code and bbox:
            yield code, bbox


def _code(fields: Mapping[str, Any]) -> str | None:
    code, number = fields.get("proj:code"), fields.get("proj:epsg")
    if isinstance(code, str):
        return code
    return f"EPSG:{number}" if isinstance(number, int) else None


def _bbox(fields: Mapping[str, Any]) -> Bounds | None:
    stated = _numbers(fields.get("proj:bbox"))
    if len(stated) == 4:
        return stated[0], stated[1], stated[2], stated[3]
    shape = _numbers(fields.get("proj:shape"))
    transform = _numbers(fields.get("proj:transform"))
    if len(shape) != 2 or len(transform) not in (6, 9):
        return None
    a, b, c, d, e, f = transform[:6]
    rows, columns = shape
    corners = [(x, y) for x in (0.0, columns) for y in (0.0, rows)]
    across = [a * x + b * y + c for x, y in corners]
    along = [d * x + e * y + f for x, y in corners]
    return min(across), min(along), max(across), max(along)


def _numbers(value: object) -> tuple[float, ...]:
    """Give a list of finite numbers; empty for anything else."""
    if not isinstance(value, list | tuple):
        return ()
    good = all(isinstance(n, int | float) and math.isfinite(n) for n in value)
    return tuple(map(float, value)) if good else ()


def _in_degrees(code: str, bbox: Bounds) -> Bounds | None:
    try:
        bounds = _to_degrees(code).transform_bounds(*bbox, densify_pts=_DENSE)
    except ProjError:
        return None
    west, south, east, north = bounds
    return (west, south, east, north) if west < east and south < north else None


@lru_cache(maxsize=32)
def _to_degrees(code: str) -> Transformer:
    return Transformer.from_crs(code, "EPSG:4326", always_xy=True)
