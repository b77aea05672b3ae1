"""Coordinates brought to WGS 84, and geometries checked one by one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.aoi import AreaOfInterest
from pyproj.exceptions import CRSError, ProjError

from ingest.gcj02 import to_wgs84
from ingest.ground.errors import (
    CoordinatesSwapped,
    CrsConflict,
    CrsUnknown,
    DatumUnsure,
    NotDegrees,
)
from ingest.ground.fates import Listed
from ingest.ground.places import polygonal

__all__ = [
    "Coordinates",
    "checked",
    "crs_of",
    "range_fault",
    "refuse_exchanged",
    "refuse_misplaced",
    "transformation",
]

Coordinates = NDArray[np.float64]

# China's geodetic system of 2000 is WGS 84 to within a few centimetres, so PROJ's
# "ballpark" (no shift at all) is right for it, and for no other datum.
SAME_DATUMS = ("China 2000",)
# West, south, east, north of China, degrees.
CHINA = (73.0, 3.0, 136.0, 54.0)
# Of a polygon's area, and a hundred times what its coordinates' last digits change.
HARMLESS = 1e-6
# Ten digits are a hundredth of a millimetre: two imports of one point are equal.
DIGITS = 9


def crs_of(own: CRS | None, *, given: str | None, path: Path) -> CRS:
    """Decide in which CRS a file's coordinates are.

    Raises
    ------
    CrsUnknown
        Neither the file nor the caller says, or what the caller says is no CRS.
    CrsConflict
        They say different things.
    """
    try:
        stated = None if given is None else CRS.from_user_input(given)
    except CRSError as exc:
        raise CrsUnknown(
            f"--crs {given!r} is no CRS; write it as EPSG:4326 or EPSG:32651"
            f" · --crs {given!r} 无法识别，请写作 EPSG:4326 等",
            path=path,
        ) from exc
    if own is not None and own.name.startswith("Undefined"):
        own = None
    if own is None and stated is None:
        raise CrsUnknown(
            f"{path} does not say in which CRS its coordinates are (a shapefile says "
            "it in its .prj): give --crs, e.g. --crs EPSG:4326 or EPSG:4549"
            f" · {path.name} 未注明坐标系（shapefile 缺 .prj），请用 --crs 指明",
            path=path,
        )
    if own is not None and stated is not None and not _same(own, stated):
        raise CrsConflict(
            f"{path} is in {own.name}, --crs says {stated.name}: leave --crs out, or "
            f"correct the file · 文件坐标系为 {own.name}，与 --crs {stated.name} 不符",
            path=path,
        )
    crs = own or stated
    assert crs is not None
    return crs


def transformation(
    crs: CRS, *, bounds: Coordinates, gcj02: bool, path: Path
) -> Callable[[Coordinates], Coordinates]:
    """Return what brings (n, 2) coordinates of a CRS to degrees of WGS 84.

    Parameters
    ----------
    bounds : ndarray of float64, (4,)
        Of the data in `crs`: a datum is tied to WGS 84 differently from place to
        place.
    gcj02 : bool
        The degrees are GCJ-02 and are shifted back, once.

    Raises
    ------
    DatumUnsure
        PROJ knows no transformation from the CRS's datum to WGS 84 for this place.
    """
    transformer = _transformer(crs, bounds, path)

    def convert(xy: Coordinates) -> Coordinates:
        # PROJ's tolerance of impossible numbers is infinity, which is told later.
        lon, lat = transformer.transform(xy[:, 0], xy[:, 1])
        if gcj02:
            lon, lat = to_wgs84(lon, lat)
        return np.round(np.column_stack([lon, lat]), DIGITS)

    return convert


def range_fault(bounds: Coordinates) -> str | None:
    """Say ``"swapped"`` or ``"degrees"`` when bounds are no lon/lat; else None.

    Latitude cannot exceed 90 degrees, and east of it lies all of Northeast China: a
    "latitude" of 90 to 180 beside a "longitude" below 90 is a swapped pair.
    """
    if not np.isfinite(bounds).all():
        return "degrees"
    west, south, east, north = bounds
    if max(-west, east) <= 180 and max(-south, north) <= 90:
        return None
    if max(-west, east) <= 90 and max(-south, north) <= 180:
        return "swapped"
    return "degrees"


def refuse_exchanged(
    geometries: NDArray[np.object_],
    convert: Callable[[Coordinates], Coordinates],
    path: Path,
) -> None:
    """Refuse projected coordinates that lie in China only when exchanged.

    Chinese surveyors call the northing X and the easting Y.

    Raises
    ------
    CoordinatesSwapped
    """
    xy = shapely.get_coordinates(geometries)
    if not len(xy) or _in_china(convert(xy)) or not _in_china(convert(xy[:, ::-1])):
        return
    raise CoordinatesSwapped(
        f"{path}: the coordinates lie outside China; X and Y exchanged? Write the "
        "easting as X and the northing as Y, nothing is swapped silently"
        f" · {path.name} 的坐标在中国境外，X 与 Y 是否颠倒？请以东坐标为 X、"
        "北坐标为 Y",
        path=path,
    )


def _in_china(lonlat: Coordinates) -> bool:
    """Whether most of some places are there."""
    west, south, east, north = CHINA
    lon, lat = lonlat.T
    within = (lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)
    return bool(2 * np.count_nonzero(within) > len(within))


def refuse_misplaced(faults: list[str | None], path: Path) -> None:
    """Refuse a file of which most geometries are swapped or no degrees.

    Raises
    ------
    CoordinatesSwapped, NotDegrees
    """
    if 2 * faults.count("swapped") > len(faults):
        raise CoordinatesSwapped(
            f"{path}: latitude stands before longitude ({faults.count('swapped')} of "
            f"{len(faults)}); write longitude first, nothing is swapped silently"
            f" · {path.name} 的经纬度颠倒，请按 经度、纬度 的顺序",
            path=path,
        )
    if 2 * faults.count("degrees") > len(faults):
        raise NotDegrees(
            f"{path}: the coordinates are no longitudes and latitudes; give the CRS "
            f"they are in with --crs · {path.name} 的坐标不是经纬度，"
            "请用 --crs 指明坐标系",
            path=path,
        )


def checked(
    row: int, geometry: shapely.Geometry | None
) -> tuple[shapely.Geometry | None, list[Listed]]:
    """Return a geometry fit for use, or None, and what there is to say of it.

    Repaired is only what keeps its area (a ring that touches itself, a spike); an
    outline that crosses itself is the surveyor's to decide.
    """
    if geometry is None or geometry.is_empty:
        return None, [Listed(row, "empty", "no geometry", "没有几何图形")]
    if fault := range_fault(np.array(geometry.bounds)):
        return None, [_misplaced(row, geometry, fault)]
    if geometry.is_valid:
        return geometry, []
    repaired = polygonal(shapely.make_valid(geometry))
    reason = shapely.is_valid_reason(geometry)
    area = shapely.area(geometry)
    if not area > 0 or abs(shapely.area(repaired) / area - 1) > HARMLESS:
        english = f"invalid outline ({reason}); correct it"
        return None, [Listed(row, "invalid", english, f"图形无效（{reason}），请改正")]
    english = f"outline repaired without changing its area ({reason})"
    chinese = f"图形已修复，面积不变（{reason}）"
    return repaired, [Listed(row, "repaired", english, chinese)]


def _misplaced(row: int, geometry: shapely.Geometry, fault: str) -> Listed:
    x, y = geometry.bounds[:2]
    if fault == "swapped":
        english = f"latitude and longitude look swapped ({x:g}, {y:g})"
        return Listed(row, "swapped", english, f"经纬度似乎颠倒（{x:g}, {y:g}）")
    english = f"no longitude and latitude ({x:g}, {y:g})"
    return Listed(row, "degrees", english, f"不是经纬度（{x:g}, {y:g}）")


def _transformer(crs: CRS, bounds: Coordinates, path: Path) -> Transformer:
    geodetic = crs.geodetic_crs
    datum = geodetic.datum if geodetic else None
    same = datum is not None and datum.name in SAME_DATUMS
    try:
        return Transformer.from_crs(
            crs,
            "EPSG:4326",
            always_xy=True,
            allow_ballpark=same,
            # pyproj exports this class under another name than it checks.
            area_of_interest=_area(crs, bounds),  # type: ignore[arg-type]
        )
    except ProjError as exc:
        raise DatumUnsure(
            f"{path}: no transformation of known accuracy leads from {crs.name} to WGS "
            "84 (it would be off by up to a hundred metres); have it converted to "
            "CGCS2000 or WGS 84"
            f" · 无法由 {crs.name} 准确转换到 WGS 84，请先转换为 CGCS2000 或 WGS 84",
            path=path,
        ) from exc


def _area(crs: CRS, bounds: Coordinates) -> AreaOfInterest | None:
    """Where the data lie, to a few hundred metres; None if that is nowhere."""
    rough = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    lon, lat = rough.transform(bounds[[0, 2]], bounds[[1, 3]])
    if range_fault(np.array([lon[0], lat[0], lon[1], lat[1]])) is not None:
        return None
    return AreaOfInterest(lon[0], lat[0], lon[1], lat[1])


def _same(one: CRS, other: CRS) -> bool:
    # WGS 84 as EPSG:4326 and as OGC:CRS84 differ in axis order only, and geometry is
    # read x first from both.
    return one.equals(other, ignore_axis_order=True) or (
        one.to_epsg(min_confidence=70) is not None
        and one.to_epsg(min_confidence=70) == other.to_epsg()
    )
