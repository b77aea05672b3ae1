"""Where a season is wanted: a county, a rectangle, or a field."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import shapely

from api.errors import PlaceInvalid
from ingest.boundaries import jilin_counties
from ingest.county_names import COUNTY_NAMES

__all__ = ["Bounds", "Place", "place_in_box", "place_of_county", "place_of_field"]

Bounds = tuple[float, float, float, float]

# What a product's id may not hold.
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a season is: `key` goes into the product's id.

    `bounds` is (west, south, east, north) in degrees, WGS 84.
    """

    key: str
    name_en: str
    name_zh: str
    bounds: Bounds


def place_of_county(code: str) -> Place:
    """Return the rectangle around a county of Jilin.

    Parameters
    ----------
    code
        GB/T 2260 code, e.g. "220184", or the county's Chinese name.

    Raises
    ------
    PlaceInvalid
        No such county.
    ingest.IngestError
        The county outlines are not installed, or are not the ones checked.
    """
    codes = {name_zh: key for key, (name_zh, _) in COUNTY_NAMES.items()}
    wanted = codes.get(code, code)
    if wanted not in COUNTY_NAMES:
        near = [key for key in COUNTY_NAMES if key[:4] == code[:4]] or [*COUNTY_NAMES]
        known = ", ".join(f"{key} {COUNTY_NAMES[key][0]}" for key in near)
        raise PlaceInvalid(
            f"{code!r} is no county of Jilin; give its GB/T 2260 code or Chinese name,"
            f" one of {known} · 吉林省没有 {code!r}，请填写以上代码或名称之一"
        )
    name_zh, name_en = COUNTY_NAMES[wanted]
    (county,) = (c for c in jilin_counties() if c.code == wanted)
    return Place(wanted, name_en, name_zh, _bounds(county.geometry))


def place_in_box(bounds: Bounds) -> Place:
    """Return a rectangle (west, south, east, north) in degrees, WGS 84.

    Raises
    ------
    PlaceInvalid
        It is empty, or no longitudes and latitudes.
    """
    west, south, east, north = bounds
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise PlaceInvalid(
            f"no rectangle from west {west:g}, south {south:g} to east {east:g}, north "
            f"{north:g}: give degrees of WGS 84 in this order, e.g. 124.2 43.1 124.5 "
            "43.3 · 经纬度范围无效，请按 西 南 东 北 的顺序填写（WGS 84，度）"
        )
    # A hundred-thousandth of a degree is a metre.
    corners = "_".join(f"{number:.5f}".rstrip("0").rstrip(".") for number in bounds)
    degrees = f"{west:g}-{east:g}°E {south:g}-{north:g}°N"
    return Place(f"box_{corners}", degrees, degrees, bounds)


def place_of_field(path: Path) -> Place:
    """Return the rectangle around the polygons of a GeoJSON file, named as the file.

    Raises
    ------
    PlaceInvalid
        The file is missing, is not GeoJSON, or holds no polygon in degrees.
    """
    try:
        shape = shapely.from_geojson(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, shapely.errors.GEOSException) as exc:
        raise _unreadable(path, str(exc)) from exc
    if not shapely.area(shape) > 0:
        raise _unreadable(path, "no polygon in it")
    west, south, east, north = _bounds(shape)
    if not (west >= -180 and east <= 180 and south >= -90 and north <= 90):
        raise _unreadable(path, f"{west:g} {south:g} {east:g} {north:g} are no degrees")
    slug = _UNSAFE.sub("-", path.stem).strip("-._")
    # Fields of two farms may bear one name, and Chinese ones leave no letters.
    digest = hashlib.sha256(shape.normalize().wkb).hexdigest()[:8]
    key = "-".join(part for part in ("field", slug, digest) if part)
    return Place(key, path.stem, path.stem, (west, south, east, north))


def _unreadable(path: Path, why: str) -> PlaceInvalid:
    return PlaceInvalid(
        f"{path} does not say where the field is ({why}): give a GeoJSON file with its "
        "polygon in longitude and latitude, WGS 84"
        f" · 无法从 {path} 读取地块，请提供经纬度（WGS 84）多边形的 GeoJSON 文件"
    )


def _bounds(shape: shapely.Geometry) -> Bounds:
    west, south, east, north = map(float, shape.bounds)
    return west, south, east, north
