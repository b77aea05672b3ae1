"""Grids: the province's equal-area projection, snapped geoboxes, pixel areas."""

from functools import lru_cache

import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from odc.geo.geom import BoundingBox
from pyproj import Transformer

from raster.errors import GridInvalid

# Albers equal area with the standard parallels of Chinese national mapping.
ALBERS_CHINA = (
    "+proj=aea +lat_1=25 +lat_2=47 +lat_0=0 +lon_0=105 +x_0=0 +y_0=0 "
    "+datum=WGS84 +units=m +no_defs"
)

# A straight edge in degrees bends on a projected grid; over 0.05 degrees (5 km) it
# departs less than a metre from the chord.
_SEGMENT_DEGREES = 0.05


def geobox_for(
    bounds_lonlat: tuple[float, float, float, float], *, crs: str, resolution: float
) -> GeoBox:
    """North-up grid covering a longitude/latitude rectangle.

    Parameters
    ----------
    bounds_lonlat
        (west, south, east, north) in degrees, WGS 84.
    crs
        Target CRS, anything pyproj reads.
    resolution
        Pixel size in units of `crs`.

    Returns
    -------
    GeoBox
        The smallest grid holding the rectangle (to a hundredth of a pixel) whose
        pixel edges are whole multiples of `resolution`: two grids of one CRS and
        resolution always share their pixels.

    Raises
    ------
    GridInvalid
        Empty rectangle or a resolution that is not positive.
    """
    west, south, east, north = bounds_lonlat
    if not (west < east and south < north and resolution > 0):
        raise GridInvalid(
            f"no grid for bounds {bounds_lonlat} at resolution {resolution}: give "
            "(west, south, east, north) with west < east and south < north, and a "
            "positive resolution"
            f" · 范围 {bounds_lonlat}、分辨率 {resolution} 无法建立网格，请检查"
        )
    # The sides of the rectangle bend in the target CRS; corners alone would cut it.
    bounds = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform_bounds(
        west, south, east, north, densify_pts=101
    )
    return GeoBox.from_bbox(
        BoundingBox(*bounds, crs=crs), resolution=resolution, anchor="edge"
    )


def check_crs(geobox: GeoBox) -> None:
    """Refuse a grid without CRS.

    Raises
    ------
    GridInvalid
        It has none.
    """
    if geobox.crs is None:
        raise GridInvalid(
            "the grid has no CRS: build it with raster.grid.geobox_for"
            " · 网格没有坐标系，请用 raster.grid.geobox_for 建立"
        )


def lonlat_bounds(geobox: GeoBox) -> tuple[float, float, float, float]:
    """(west, south, east, north) of a grid in degrees, WGS 84, edges densified.

    Raises
    ------
    GridInvalid
        The grid has no CRS.
    """
    check_crs(geobox)
    box = geobox.boundingbox.bbox
    west, south, east, north = _to_lonlat(str(geobox.crs)).transform_bounds(
        *box, densify_pts=21
    )
    return west, south, east, north


def project_onto(geobox: GeoBox, polygons: NDArray[np.object_]) -> NDArray[np.object_]:
    """Bring polygons in EPSG:4326 (longitude, latitude) to the CRS of a grid.

    What cannot be brought there has coordinates that are not finite.
    """
    transformer = Transformer.from_crs("EPSG:4326", str(geobox.crs), always_xy=True)
    dense = shapely.segmentize(polygons, _SEGMENT_DEGREES)
    projected: NDArray[np.object_] = shapely.transform(
        dense, transformer.transform, interleaved=False
    )
    return projected


@lru_cache(maxsize=32)
def _to_lonlat(crs: str) -> Transformer:
    # Building a transformer takes milliseconds and a season asks once a block.
    return Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
