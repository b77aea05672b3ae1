"""The pixels of a tile that are wanted, and how they are cut into requests.

Sentinel-2 tiles stand on multiples of 60 m of their UTM zone, whatever the band
(Sentinel-2 Products Specification, tiling), so that a pixel asked for on that grid is
a pixel of the product, not a resampled one.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from ingest.offer import Bounds
from ingest.source_errors import ClipOutside

__all__ = ["Piece", "epsg_of", "in_utm", "pieces", "tile_grid"]

# All bands of a scene cover the same ground: the coarsest pixel decides.
_STEP = 60
# Footprints are given a metre inside the tile or rounded: no reason for a row more.
_ROUNDING = 1.5
# Blocks of a COG: pieces of whole blocks are written without reading them again.
_BLOCK = 512
_CHORDS = 32


@dataclass(frozen=True, slots=True)
class Piece:
    """One rectangle of a grid: its place there, and its own grid."""

    rows: slice
    columns: slice
    geobox: GeoBox

    @property
    def box(self) -> shapely.Polygon:
        """Outline in the CRS of the grid."""
        return shapely.box(*self.geobox.boundingbox.bbox)

    def __str__(self) -> str:
        rows, columns = self.rows, self.columns
        return f"[{rows.start}:{rows.stop}, {columns.start}:{columns.stop}]"


def epsg_of(tile: str) -> int:
    """EPSG code of the UTM zone of an MGRS tile: 32651 for "51TXJ"."""
    return (32600 if tile[2] >= "N" else 32700) + int(tile[:2])


def in_utm(geometry: shapely.Geometry, epsg: int) -> shapely.Geometry:
    """Bring degrees to metres of a UTM zone, point by point."""
    transformer = Transformer.from_crs(4326, epsg, always_xy=True)
    return shapely.transform(geometry, transformer.transform, interleaved=False)


def tile_grid(
    footprint: shapely.Geometry,
    epsg: int,
    clip: Bounds | None,
    *,
    pixel: float,
    told: str,
) -> GeoBox:
    """Grid of the pixels of a scene that are needed.

    Parameters
    ----------
    footprint : Geometry
        EPSG:4326; where the scene has pixels.
    epsg : int
        Of the tile's UTM zone.
    clip : (west, south, east, north) or None
        Degrees; None = the whole footprint.
    pixel : float
        Metres; a divisor of 60.
    told : str
        The scene, for the message.

    Returns
    -------
    GeoBox
        North up, edges on multiples of 60 m.

    Raises
    ------
    ClipOutside
        Footprint and clip do not meet.
    """
    west, south, east, north = _snapped(in_utm(footprint, epsg).bounds)
    if clip is not None:
        corners = shapely.box(*clip)
        side = max(clip[2] - clip[0], clip[3] - clip[1])
        dense = shapely.segmentize(corners, side / _CHORDS) if side > 0 else corners
        wanted = _snapped(in_utm(dense, epsg).bounds)
        west, south = max(west, wanted[0]), max(south, wanted[1])
        east, north = min(east, wanted[2]), min(north, wanted[3])
    if west >= east or south >= north:
        raise ClipOutside(
            f"{told}: its footprint {_rounded(footprint.bounds)} and the place "
            f"{_rounded(clip)} do not meet; check the place"
            f" · {told}：影像范围与所选区域 {_rounded(clip)} 不相交，请检查区域",
            href=told,
        )
    shape = round((north - south) / pixel), round((east - west) / pixel)
    return GeoBox(shape, Affine(pixel, 0, west, 0, -pixel, north), f"EPSG:{epsg}")


def pieces(geobox: GeoBox, limit: int) -> Iterator[Piece]:
    """Cut a grid into rectangles of at most `limit` pixels a side, row by row.

    Every pixel is in exactly one of them.
    """
    side = limit // _BLOCK * _BLOCK or limit
    height, width = geobox.shape
    for top in range(0, height, side):
        for left in range(0, width, side):
            rows = slice(top, min(top + side, height))
            columns = slice(left, min(left + side, width))
            yield Piece(rows, columns, geobox[rows, columns])


def _snapped(bounds: Bounds) -> Bounds:
    west, south, east, north = bounds
    return (
        math.floor((west + _ROUNDING) / _STEP) * _STEP,
        math.floor((south + _ROUNDING) / _STEP) * _STEP,
        math.ceil((east - _ROUNDING) / _STEP) * _STEP,
        math.ceil((north - _ROUNDING) / _STEP) * _STEP,
    )


def _rounded(bounds: Bounds | None) -> tuple[float, ...]:
    return tuple(round(degree, 4) for degree in bounds or ())
