"""True ground area of pixels, on any north-up grid."""

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import CRS, Geod, Transformer
from scipy.interpolate import RegularGridInterpolator

from raster.errors import GridInvalid

Float = NDArray[np.float64]

# Linear between them, the scale of UTM over one tile is right to 2e-8 and that of a
# Mercator grid 2000 km wide to 5e-6.
_NODES = 65

# Half the base of the differences, in units of the CRS; an equal-area projection then
# shows an areal scale of 1 to 1e-8.
_STEP = 500.0
_EQUAL_AREA = 1e-7

_WGS84 = Geod(ellps="WGS84")


def pixel_areas(geobox: GeoBox, rows: NDArray[np.floating], cols: Float) -> Float:
    """Ground area of pixels on the ellipsoid.

    Parameters
    ----------
    geobox
        North-up grid in a geographic or projected CRS.
    rows, cols
        (n,) positions of pixel centres in pixels: 0.5 is the centre of the first. In
        a geographic CRS the row alone counts.

    Returns
    -------
    float64 (n,), m². A pixel's plane area in an equal-area projection; divided by the
    areal scale of the place in any other (linear between a lattice of 65 x 65 points);
    the area between two parallels in a geographic CRS (Snyder 1987, Map Projections:
    A Working Manual, equation 3-12).

    Raises
    ------
    GridInvalid
        No CRS, or parts of the grid lie where the projection is not defined.
    """
    if geobox.crs is None:
        raise GridInvalid(
            "the grid has no CRS: build it with raster.grid.geobox_for"
            " · 栅格缺少坐标系，请用 raster.grid.geobox_for 构建"
        )
    crs = CRS.from_user_input(str(geobox.crs))
    if crs.is_geographic:
        return _between_parallels(geobox, crs)[rows.astype(np.intp)]
    plane = abs(geobox.affine.determinant)
    ground = _ground_of_plane(geobox, crs)
    unit = crs.axis_info[0].unit_conversion_factor if crs.axis_info else 1.0
    if np.abs(ground / unit**2 - 1).max() < _EQUAL_AREA:
        return np.full(len(rows), plane * unit**2)
    between = RegularGridInterpolator(_nodes(geobox), ground)
    return np.asarray(plane * between(np.column_stack([rows, cols])))


def _nodes(geobox: GeoBox) -> tuple[Float, Float]:
    height, width = geobox.shape
    return np.linspace(0, height, _NODES), np.linspace(0, width, _NODES)


def _ground_of_plane(geobox: GeoBox, crs: CRS) -> Float:
    """m² of ground under a square unit of the plane, at the lattice: (nodes, nodes).

    The Jacobian of longitude and latitude, times the product of the ellipsoid's radii
    of curvature and the cosine of the latitude. Not from PROJ's factors, which take
    Web Mercator for a map of a sphere.
    """
    rows, cols = np.meshgrid(*_nodes(geobox), indexing="ij")
    affine, geod = geobox.affine, crs.get_geod() or _WGS84
    x, y = affine.c + affine.a * cols, affine.f + affine.e * rows
    to_lonlat = Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True).transform
    _, lat = np.radians(to_lonlat(x, y))
    # What the projection does not hold is infinite, and found below.
    with np.errstate(invalid="ignore"):
        along = _difference(to_lonlat(x + _STEP, y), to_lonlat(x - _STEP, y))
        across = _difference(to_lonlat(x, y + _STEP), to_lonlat(x, y - _STEP))
        radii = geod.a**2 * (1 - geod.es) / (1 - geod.es * np.sin(lat) ** 2) ** 2
        turned = np.abs(along[0] * across[1] - along[1] * across[0])
        ground = np.asarray(turned / (2 * _STEP) ** 2 * radii * np.cos(lat))
    if not (np.isfinite(ground) & (ground > 0)).all():
        raise GridInvalid(
            f"the grid {geobox.boundingbox} reaches beyond where {geobox.crs} is "
            "defined: take a smaller one or another CRS"
            " · 栅格超出该坐标系的有效范围，请缩小范围或更换坐标系"
        )
    return ground


def _difference(
    there: tuple[Float, Float], here: tuple[Float, Float]
) -> tuple[Float, Float]:
    """Longitude and latitude from here to there, radians, the short way round."""
    east = (there[0] - here[0] + 180) % 360 - 180
    return np.radians(east), np.radians(there[1] - here[1])


def _between_parallels(geobox: GeoBox, crs: CRS) -> Float:
    """m² of a pixel of each row, float64 (height,)."""
    geod = crs.get_geod() or _WGS84
    radians = crs.axis_info[0].unit_conversion_factor
    edges = geobox.affine.f + geobox.affine.e * np.arange(geobox.shape.y + 1)
    sine = np.sin(np.clip(edges * radians, -np.pi / 2, np.pi / 2))
    e = np.sqrt(geod.es)
    # The logarithm's part tends to the sine itself on a sphere.
    log_part = np.arctanh(e * sine) / e if e else sine
    q = (1 - geod.es) * (sine / (1 - geod.es * sine**2) + log_part)
    width = abs(geobox.affine.a) * radians
    return np.asarray(np.abs(np.diff(q)) * geod.a**2 / 2 * width)
