"""One band of a file that GDAL reads, as a checked COG; every pixel is decoded once.

JPEG 2000 decodes some thirty times slower than zstd, so that a file in it is read by
whole rows of its own tiles and never touched again.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from ingest.band import BandFile
from ingest.offer import Bounds
from ingest.source_errors import ClipOutside, SourceUnreadable
from raster.cog import write_cog, write_cog_blocks

__all__ = ["check_whole", "clip_window", "convert", "unreadable"]

# Above this many bytes of pixels a band passes through a file instead of memory.
IN_MEMORY = 1 << 28
# Rows read at a time: a multiple of the tiles of Sentinel-2 (1024) and of most COGs.
ROWS = 1024
# A sliver of a pixel that rounding puts outside the clip is no reason to read a row.
TOLERANCE = 1e-3

_OPTIONS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_CACHEMAX": 128 * 1024 * 1024,
    # Threads inside GDAL's JPEG 2000 driver keep their errors to themselves: a cut-off
    # file then reads as zeros. Several bands at once use the cores as well.
    "GDAL_NUM_THREADS": 1,
}
# A JP2 file, and a bare code stream.
_JP2_MAGIC = (b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")
_JP2_END = b"\xff\xd9"


def convert(
    source: str,
    target: Path,
    *,
    clip: Bounds | None,
    nodata: float | None,
    scale: float | None,
    offset: float | None,
    index: int = 1,
    overview_resampling: Literal["average", "nearest"],
    note: str | None = None,
) -> BandFile:
    """Write one band, or the window of it that covers a place, as a COG.

    Parameters
    ----------
    source : str
        A path, or what GDAL takes for one: ``/vsizip/…``.
    target : Path
        Its folder exists. The file is there completely or not at all.
    clip : (west, south, east, north) or None
        Degrees, EPSG:4326; the window is the smallest one of whole pixels that holds
        it. None = all.
    nodata, scale, offset : float or None
        What the numbers mean, as `BandFile` says it; the numbers are not changed.
    index : int
        Band of the file, from 1.
    overview_resampling : str
        "nearest" for class codes and flags, whose mean is no class.
    note : str, optional
        Where the pixels come from, for `BandFile.source`; `source` if left out.

    Returns
    -------
    BandFile
        Of the file written.

    Raises
    ------
    SourceUnreadable
        The file cannot be opened or decoded to its end, or has no CRS.
    ClipOutside
        No pixel of it lies in `clip`.
    raster.errors.WriteFailed
        The COG cannot be written.
    """
    told = note or source
    check_whole(source, told=told)
    with rasterio.Env(**_OPTIONS):
        try:
            with rasterio.open(source) as file:
                grid = _grid(file, told)
                window = clip_window(grid, clip, href=told)
                band = BandFile(
                    path=target,
                    geobox=grid[window.toslices()],
                    dtype=_dtype(file, index),
                    nodata=nodata,
                    scale=scale,
                    offset=offset,
                    source=told,
                )
                _write(file, band, window, index, overview_resampling)
        except RasterioError as exc:
            raise unreadable(told, str(exc)) from exc
    return band


def clip_window(grid: GeoBox, clip: Bounds | None, *, href: str) -> Window:
    """Give the smallest window of whole pixels of a grid that holds a rectangle.

    Parameters
    ----------
    grid : GeoBox
        North-up or not, with CRS.
    clip : (west, south, east, north) or None
        Degrees, EPSG:4326; None = the whole grid.
    href : str
        Names the file in the error.

    Returns
    -------
    Window
        Inside the grid, at least one pixel.

    Raises
    ------
    ClipOutside
    """
    height, width = grid.shape
    if clip is None:
        return Window(0, 0, width, height)
    # The sides of the rectangle bend in the file's CRS; corners alone would cut it.
    to_grid = Transformer.from_crs("EPSG:4326", str(grid.crs), always_xy=True)
    west, south, east, north = to_grid.transform_bounds(*clip, densify_pts=101)
    inverse = ~grid.affine
    corners = [inverse * (x, y) for x in (west, east) for y in (south, north)]
    left, right = _whole([x for x, _ in corners], width)
    top, bottom = _whole([y for _, y in corners], height)
    if left >= right or top >= bottom:
        raise ClipOutside(
            f"{href} has no pixel in {_degrees(clip)}: check the place"
            f" · {href} 在 {_degrees(clip)} 范围内没有像元，请检查范围",
            href=href,
        )
    return Window(left, top, right - left, bottom - top)


def check_whole(path: str, *, told: str) -> None:
    """Refuse a local JPEG 2000 file that was cut off.

    OpenJPEG decodes what is there and leaves zeros where the rest was, so that the
    end of the code stream (EOC, ISO/IEC 15444-1 annex A) has to be looked for.

    Raises
    ------
    SourceUnreadable
    """
    if not Path(path).is_file():
        return
    with Path(path).open("rb") as file:
        if not file.read(12).startswith(_JP2_MAGIC):
            return
        file.seek(-len(_JP2_END), 2)
        if file.read() != _JP2_END:
            raise unreadable(told, "the JPEG 2000 code stream is cut off")


def unreadable(href: str, reason: str) -> SourceUnreadable:
    """Say that a file at the source cannot be decoded, and what to do."""
    return SourceUnreadable(
        f"{href} cannot be read: {reason}. Fetch or copy the file again"
        f" · {href} 无法读取，请重新获取该文件",
        href=href,
    )


def _grid(file: DatasetReader, told: str) -> GeoBox:
    if file.crs is None:
        raise SourceUnreadable(
            f"{told} has no coordinate reference system: nobody knows where it lies; "
            f"write one into it first · {told} 没有坐标系，请先写入坐标系",
            href=told,
        )
    return GeoBox(file.shape, file.transform, file.crs.to_wkt())


def _dtype(file: DatasetReader, index: int) -> str:
    if not 1 <= index <= file.count:
        raise unreadable(file.name, f"it has {file.count} bands, not {index}")
    return str(file.dtypes[index - 1])


def _write(
    file: DatasetReader,
    band: BandFile,
    window: Window,
    index: int,
    resampling: Literal["average", "nearest"],
) -> None:
    if window.width * window.height * np.dtype(band.dtype).itemsize <= IN_MEMORY:
        pixels = np.empty((window.height, window.width), band.dtype)
        for (rows, _), strip in _strips(file, window, index):
            pixels[rows] = strip
        write_cog(
            band.path,
            pixels,
            band.geobox,
            nodata=band.nodata,
            scale=band.scale,
            offset=band.offset,
            overview_resampling=resampling,
        )
        return
    write_cog_blocks(
        band.path,
        _strips(file, window, index),
        band.geobox,
        dtype=band.dtype,
        nodata=band.nodata,
        scale=band.scale,
        offset=band.offset,
        overview_resampling=resampling,
    )


def _strips(
    file: DatasetReader, window: Window, index: int
) -> Iterator[tuple[tuple[slice, slice], NDArray[Any]]]:
    """Read a window by rows of the file's own tiles, so that each is decoded once."""
    tile, _ = file.block_shapes[index - 1]
    step = tile * max(1, ROWS // tile)
    last = window.row_off + window.height
    row = window.row_off
    while row < last:
        end = min(row // step * step + step, last)
        strip = Window(window.col_off, row, window.width, end - row)
        rows = slice(row - window.row_off, end - window.row_off)
        yield (rows, slice(0, window.width)), file.read(index, window=strip)
        row = end


def _whole(edges: list[float], size: int) -> tuple[int, int]:
    """Round a range outwards to whole pixels inside [0, size]."""
    first = math.floor(min(edges) + TOLERANCE)
    last = math.ceil(max(edges) - TOLERANCE)
    return max(first, 0), min(last, size)


def _degrees(bounds: Bounds) -> str:
    west, south, east, north = bounds
    return f"{west:g}-{east:g}°E {south:g}-{north:g}°N"
