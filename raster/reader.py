"""Pixels of a file on a wanted grid."""

import os
import resource
import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from raster.errors import SceneUnreadable
from raster.plane import Plane
from raster.selection import Band
from raster.warp import mapping, sample, transformer

Kind = Literal["reflectance", "classes"]
Pixels = NDArray[Any]

GDAL_OPTIONS = {
    # A block is read once: a large cache would only hold what nobody asks for.
    "GDAL_CACHEMAX": 64_000_000,
    # Scenes have no files beside them that belong to their pixels, and looking for
    # some in a folder, or a bucket, of thousands takes longer than the header.
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
}
"""Options of `rasterio.Env` to read under."""

# An open file keeps most of a megabyte, in every thread; opening one costs a twentieth
# of reading its part of a block. So a season of some thirty dates stays open, and a
# longer one costs a little time instead of memory.
MOST_OPEN = 96

# Shares of a pixel that rounding in file headers may cost.
_SAME_SIZE = 1e-6
_SAME_EDGE = 1e-3

_METRES_PER_DEGREE = 111_320

# From here on a pixel of the grid is the mean of many of the file.
_MUCH_COARSER = 2


@dataclass(frozen=True, slots=True)
class _File:
    """A file, or one of its overviews, and what its header says."""

    href: str
    overview: int | None
    geobox: GeoBox
    overviews: tuple[int, ...]

    version: tuple[int, ...]

    def open(self) -> DatasetReader:
        return _open(self.href, self.overview, self.version)


@dataclass(frozen=True, slots=True)
class _Placement:
    """Target pixels along one source pixel; origin of the target, in target pixels."""

    factor: int
    column: int
    row: int


def read_band(
    band: Band, geobox: GeoBox, *, kind: Kind = "reflectance", margin: float = 0
) -> tuple[Plane, int]:
    """Read one band of a scene under a block.

    A file on the same pixels as `geobox`, or on pixels a whole number of times as
    large, is read as it is. Where `geobox` is coarser, the coarsest overview serves
    that is still as fine. Any other grid or CRS is resampled: reflectance bilinearly,
    or averaged where `geobox` is at least twice as coarse; classes by nearest
    neighbour, or by majority where it is. Nodata never blends into a neighbour.

    Parameters
    ----------
    geobox
        Grid of the block, any CRS.
    margin
        Metres to be read around the block, rounded to whole pixels of the plane.

    Returns
    -------
    Plane
        Pixels in the file's dtype; the band's nodata also outside the file.
    int
        Pixels of the plane that the margin adds on each side.

    Raises
    ------
    SceneUnreadable
        The file is missing, truncated or corrupt.
    """
    try:
        source = _fitting_overview(band.href, geobox)
        at = _placement(source.geobox, geobox)
        if at is None:
            wide = round(margin / _metres(geobox))
            pixels = _read_warped(source, geobox.pad(wide), band, kind)
            return Plane(pixels), wide
        wide = round(margin / (at.factor * _metres(geobox)))
        padded = geobox.pad(wide * at.factor)
        at = _Placement(
            at.factor, at.column - wide * at.factor, at.row - wide * at.factor
        )
        return _read_window(source, padded, at, fill=band.nodata), wide
    except (RasterioError, OSError) as exc:
        raise SceneUnreadable(
            f"cannot read {band.href} of item {band.item_id}: {exc}. Run `heitu "
            "archive verify` to find damaged files, then ingest the scene again"
            f" · 无法读取影像 {band.item_id} 的文件 {band.href}，请用 `heitu archive"
            " verify` 查找损坏的文件并重新导入该影像",
            item_id=band.item_id,
            href=band.href,
        ) from exc


def _metres(geobox: GeoBox) -> float:
    size = abs(geobox.resolution.x)
    in_degrees = geobox.crs is not None and geobox.crs.geographic
    return float(size * _METRES_PER_DEGREE if in_degrees else size)


class _OpenFiles(threading.local):
    """The open files of one thread; GDAL handles must not be shared."""

    def __init__(self) -> None:
        self.files: OrderedDict[tuple[object, ...], DatasetReader] = OrderedDict()


_open_files = _OpenFiles()


def _open(href: str, overview: int | None, version: tuple[int, ...]) -> DatasetReader:
    key, files = (href, overview, *version), _open_files.files
    if key in files:
        files.move_to_end(key)
        return files[key]
    options = {} if overview is None else {"overview_level": overview}
    files[key] = rasterio.open(href, **options)
    while len(files) > _most_open():
        files.popitem(last=False)[1].close()
    return files[key]


@lru_cache(maxsize=1)
def _most_open() -> int:
    """Files that a thread may hold: at most its share of what the system allows."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    threads = os.cpu_count() or 1
    return max(8, min(MOST_OPEN, allowed // (2 * threads)))


# Headers outlive their files' being open: laying out a grid costs as much as opening.
@lru_cache(maxsize=8192)
def _file(href: str, overview: int | None, version: tuple[int, ...]) -> _File:
    dataset = _open(href, overview, version)
    levels = () if overview is not None else tuple(dataset.overviews(1))
    return _File(href, overview, GeoBox.from_rio(dataset), levels, version)


def _version(href: str) -> tuple[int, ...]:
    """Give what changes when a local file is replaced: open handles do not notice."""
    if "://" in href or href.startswith("/vsi"):
        return ()
    status = os.stat(href)
    return status.st_ino, status.st_mtime_ns, status.st_size


def _fitting_overview(href: str, target: GeoBox) -> _File:
    """Find the coarsest overview that is not coarser than the target."""
    version = _version(href)
    whole = _file(href, None, version)
    if not whole.overviews:
        return whole
    ratio = _coarseness(whole.geobox, target) * (1 + _SAME_SIZE)
    fitting = [i for i, factor in enumerate(whole.overviews) if factor <= ratio]
    return _file(href, fitting[-1], version) if fitting else whole


def _coarseness(source: GeoBox, target: GeoBox) -> float:
    """Side of the target's middle pixel in pixels of the source."""
    if source.crs is None or target.crs is None:
        raise RasterioError("the file has no CRS")
    height, width = target.shape
    centre = target.affine @ (width / 2, height / 2)
    aside = target.affine @ (width / 2 + 1, height / 2)
    if source.crs != target.crs:
        transform = transformer(str(target.crs), str(source.crs)).transform
        centre, aside = transform(*centre), transform(*aside)
    distance = np.hypot(aside[0] - centre[0], aside[1] - centre[1])
    return float(distance / abs(source.resolution.x))


def _placement(source: GeoBox, target: GeoBox) -> _Placement | None:
    """Find how the target's pixels lie in the source; None if edges do not meet."""
    if source.crs != target.crs:
        return None
    old, new = source.affine, target.affine
    factor = max(round(old.a / new.a), 1)
    sizes = (new.a * factor / old.a - 1, new.e * factor / old.e - 1)
    column, row = (new.c - old.c) / new.a, (new.f - old.f) / new.e
    shifts = (column - round(column), row - round(row))
    if any((old.b, old.d, new.b, new.d)) or max(map(abs, sizes)) > _SAME_SIZE:
        return None
    if max(map(abs, shifts)) > _SAME_EDGE:
        return None
    return _Placement(factor, round(column), round(row))


def _read_window(
    source: _File, geobox: GeoBox, at: _Placement, *, fill: float
) -> Plane:
    height, width = geobox.shape
    # Whole source pixels around the block.
    left, top = at.column // at.factor, at.row // at.factor
    right = -(-(at.column + width) // at.factor)
    bottom = -(-(at.row + height) // at.factor)
    pixels = _read_padded(
        source.open(), left, top, right=right, bottom=bottom, fill=fill
    )
    column, row = at.column - left * at.factor, at.row - top * at.factor
    return Plane(pixels, at.factor, row, column)


def _read_padded(
    dataset: DatasetReader,
    left: int,
    top: int,
    *,
    right: int,
    bottom: int,
    fill: float,
) -> Pixels:
    """Read a window that may reach past the file's edges; there it is `fill`."""
    x0, x1 = max(left, 0), min(right, dataset.width)
    y0, y1 = max(top, 0), min(bottom, dataset.height)
    inside = x0 < x1 and y0 < y1
    if inside and (x1 - x0, y1 - y0) == (right - left, bottom - top):
        whole: Pixels = dataset.read(1, window=Window(x0, y0, x1 - x0, y1 - y0))
        return whole
    padded = np.full((bottom - top, right - left), fill, dataset.dtypes[0])
    if inside:
        pixels = dataset.read(1, window=Window(x0, y0, x1 - x0, y1 - y0))
        padded[y0 - top : y1 - top, x0 - left : x1 - left] = pixels
    return padded


def _read_warped(source: _File, geobox: GeoBox, band: Band, kind: Kind) -> Pixels:
    dataset = source.open()
    if _coarseness(source.geobox, geobox) >= _MUCH_COARSER:
        return _read_reduced(dataset, geobox, band, kind)
    way = mapping(source.geobox, geobox)
    left, top, right, bottom = _within(way.window, dataset)
    pixels = _read_padded(
        dataset, left, top, right=right, bottom=bottom, fill=band.nodata
    )
    return sample(
        pixels,
        way,
        (geobox.shape[0], geobox.shape[1]),
        left=left,
        top=top,
        nodata=band.nodata,
        saturated=band.saturated,
        blend=kind == "reflectance",
    )


def _within(
    window: tuple[int, int, int, int], dataset: DatasetReader
) -> tuple[int, int, int, int]:
    """Cut a window to the file; one that misses it is empty."""
    left, top, right, bottom = window
    left, top = max(left, 0), max(top, 0)
    right, bottom = min(right, dataset.width), min(bottom, dataset.height)
    return left, top, max(left, right), max(top, bottom)


def _read_reduced(
    dataset: DatasetReader, geobox: GeoBox, band: Band, kind: Kind
) -> Pixels:
    """Read a file much finer than the grid, which has no overview that fits."""
    majority = kind == "classes"
    with WarpedVRT(
        dataset,
        crs=str(geobox.crs),
        transform=geobox.affine,
        width=geobox.width,
        height=geobox.height,
        src_nodata=band.nodata,
        nodata=band.nodata,
        resampling=Resampling.mode if majority else Resampling.average,
    ) as warped:
        pixels: Pixels = warped.read(1)
    return pixels
