"""Where something is wanted: a county, a rectangle, or a field."""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path

import shapely

from api.errors import PlaceInvalid
from ingest.boundaries import jilin_counties
from ingest.county_codes import NoCounty, find_county
from ingest.county_names import COUNTY_NAMES, PREFECTURE_NAMES

__all__ = ["Bounds", "Place", "place_in_box", "place_of_county", "place_of_field"]

Bounds = tuple[float, float, float, float]

# "lishu" is like "lishu county" by 0.59.
_LIKE = 0.55

# What a product's id may not hold.
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is wanted: `key` goes into the product's id.

    `geometry` is of polygons in longitude and latitude, degrees, WGS 84.
    """

    key: str
    name_en: str
    name_zh: str
    geometry: shapely.Geometry

    @property
    def bounds(self) -> Bounds:
        """(west, south, east, north) in degrees, WGS 84."""
        return _bounds(self.geometry)


def place_of_county(code: str) -> Place:
    """Return a county of Jilin.

    Parameters
    ----------
    code
        GB/T 2260 code, e.g. "220184", or the county's Chinese name, with or without
        its last word (市, 县 or 区) where that leaves no doubt.

    Raises
    ------
    PlaceInvalid
        No such county.
    ingest.IngestError
        The county outlines are not installed, or are not the ones checked.
    """
    wanted = code if code in COUNTY_NAMES else _code_of(code)
    name_zh, name_en = COUNTY_NAMES[wanted]
    (county,) = (c for c in jilin_counties() if c.code == wanted)
    return Place(wanted, name_en, name_zh, county.geometry)


def _code_of(name: str) -> str:
    found = find_county(name, year=datetime.now(UTC).year)
    if isinstance(found, NoCounty):
        raise _no_county(name)
    return found.code


def _no_county(text: str) -> PlaceInvalid:
    known = ", ".join(f"{key} {COUNTY_NAMES[key][0]}" for key in _near(text))
    english, chinese = (
        (f"; perhaps {known}", f"，也许是 {known}") if known else ("", "")
    )
    return PlaceInvalid(
        f"{text!r} is no county of Jilin: give its GB/T 2260 code or Chinese name"
        f"{english}; `heitu serve` lists all {len(COUNTY_NAMES)} at /counties"
        f" · 吉林省没有 {text!r}，请填写县代码或县名{chinese}；`heitu serve` 的 "
        f"/counties 列出全部 {len(COUNTY_NAMES)} 个"
    )


def _near(text: str) -> list[str]:
    """Codes of the counties that may be meant: of a prefecture, or of like names."""
    prefectures = {name: key for key, both in PREFECTURE_NAMES.items() for name in both}
    prefecture = prefectures.get(text, text[:4])
    within = [key for key in COUNTY_NAMES if key[:4] == prefecture]
    # An English name is asked for without the city that tells two districts apart.
    names = {
        name.partition(",")[0].casefold(): key
        for key, both in COUNTY_NAMES.items()
        for name in both
    }
    like = get_close_matches(text.casefold(), names, cutoff=_LIKE)
    return within or list(dict.fromkeys(names[name] for name in like))


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
    return Place(f"box_{corners}", degrees, degrees, shapely.box(*bounds))


def place_of_field(path: Path) -> Place:
    """Return the polygons of a GeoJSON file, named as the file.

    Raises
    ------
    PlaceInvalid
        The file is missing, is not GeoJSON, or holds no polygon in degrees.
    """
    try:
        shape = shapely.from_geojson(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, shapely.errors.GEOSException) as exc:
        raise _unreadable(path, str(exc)) from exc
    # A FeatureCollection, as map programs write it, is a collection of geometries.
    shape = shapely.union_all(
        [part for part in _parts(shape) if part.geom_type == "Polygon"]
    )
    if not shapely.area(shape) > 0:
        raise _unreadable(path, "no polygon in it")
    west, south, east, north = _bounds(shape)
    if not (west >= -180 and east <= 180 and south >= -90 and north <= 90):
        raise _unreadable(path, f"{west:g} {south:g} {east:g} {north:g} are no degrees")
    slug = _UNSAFE.sub("-", path.stem).strip("-._")
    # Fields of two farms may bear one name, and Chinese ones leave no letters.
    digest = hashlib.sha256(shape.normalize().wkb).hexdigest()[:8]
    key = "-".join(part for part in ("field", slug, digest) if part)
    return Place(key, path.stem, path.stem, shape)


def _parts(shape: shapely.Geometry) -> list[shapely.Geometry]:
    """Single geometries of a collection, however deep they lie in it."""
    if not hasattr(shape, "geoms"):
        return [shape]
    return [single for part in shape.geoms for single in _parts(part)]


def _unreadable(path: Path, why: str) -> PlaceInvalid:
    return PlaceInvalid(
        f"{path} does not say where the field is ({why}): give a GeoJSON file with its "
        "polygon in longitude and latitude, WGS 84"
        f" · 无法从 {path} 读取地块，请提供经纬度（WGS 84）多边形的 GeoJSON 文件"
    )


def _bounds(shape: shapely.Geometry) -> Bounds:
    west, south, east, north = map(float, shape.bounds)
    return west, south, east, north
