"""Pixels of a file on a wanted grid."""

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT
from rasterio.warp import calculate_default_transform
from rasterio.windows import Window

from raster.errors import SceneUnreadable
from raster.scene import Band

Kind = Literal["reflectance", "classes"]
Pixels = NDArray[Any]

# A block is read once, so a large GDAL cache would only hold what nobody asks for.
CACHE_BYTES = 64_000_000
MAX_OPEN = 128

_NODATA = 0

# Shares of a pixel that rounding in file headers may cost.
_SAME_SIZE = 1e-6
_SAME_EDGE = 1e-3


@dataclass(frozen=True, slots=True)
class _Open:
    dataset: DatasetReader
    geobox: GeoBox


@dataclass(frozen=True, slots=True)
class _Placement:
    """Target pixels along one source pixel; origin of the target, in target pixels."""

    factor: int
    column: int
    row: int


class _OpenFiles(threading.local):
    """The open files of one thread; GDAL handles must not be shared."""

    def __init__(self) -> None:
        self.files: OrderedDict[tuple[object, ...], _Open] = OrderedDict()


_open_files = _OpenFiles()


def read_band(band: Band, geobox: GeoBox, *, kind: Kind) -> Pixels:
    """Read one band of a scene on a grid.

    A file on the same pixels as `geobox` is read by window; classes at a whole
    multiple of its resolution are replicated. Any other grid or CRS is resampled:
    reflectance bilinearly, or averaged where `geobox` is at least twice as coarse;
    classes by nearest neighbour, or by majority where it is. Nodata never blends
    into a neighbour.

    Parameters
    ----------
    geobox
        Wanted grid, any CRS.

    Returns
    -------
    (y, x) in the file's dtype; 0 = nodata, also outside the file.

    Raises
    ------
    SceneUnreadable
        The file is missing, truncated or corrupt.
    """
    try:
        source = _open(band.href)
        at = _placement(source.geobox, geobox)
        if at is not None and (at.factor == 1 or kind == "classes"):
            return _read_window(source.dataset, geobox, at)
        return _read_warped(source, geobox, kind)
    except (RasterioError, OSError) as exc:
        raise SceneUnreadable(
            f"cannot read {band.href} of item {band.item_id}: {exc}. Run `heitu "
            "archive verify` to find damaged files, then ingest the scene again"
            f" · 无法读取影像 {band.item_id} 的文件 {band.href}，请用 `heitu archive"
            " verify` 查找损坏的文件并重新导入该影像",
            item_id=band.item_id,
            href=band.href,
        ) from exc


def _open(href: str) -> _Open:
    key = (href, *_version(href))
    files = _open_files.files
    if key in files:
        files.move_to_end(key)
        return files[key]
    dataset = rasterio.open(href)
    files[key] = _Open(dataset, GeoBox.from_rio(dataset))
    while len(files) > MAX_OPEN:
        files.popitem(last=False)[1].dataset.close()
    return files[key]


def _version(href: str) -> tuple[int, ...]:
    """Give what changes when a local file is replaced: open handles do not notice."""
    if "://" in href or href.startswith("/vsi"):
        return ()
    status = os.stat(href)
    return status.st_ino, status.st_mtime_ns, status.st_size


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


def _read_window(dataset: DatasetReader, geobox: GeoBox, at: _Placement) -> Pixels:
    height, width = geobox.shape
    # Whole source pixels around the target, cut to it after replication.
    left, top = at.column // at.factor, at.row // at.factor
    right = -(-(at.column + width) // at.factor)
    bottom = -(-(at.row + height) // at.factor)
    coarse = _read_padded(dataset, left, top, right=right, bottom=bottom)
    if at.factor == 1:
        return coarse
    fine = coarse.repeat(at.factor, axis=0).repeat(at.factor, axis=1)
    y, x = at.row - top * at.factor, at.column - left * at.factor
    return fine[y : y + height, x : x + width]


def _read_padded(
    dataset: DatasetReader, left: int, top: int, *, right: int, bottom: int
) -> Pixels:
    """Read a window that may reach past the file's edges; there it is nodata."""
    x0, x1 = max(left, 0), min(right, dataset.width)
    y0, y1 = max(top, 0), min(bottom, dataset.height)
    padded = np.zeros((bottom - top, right - left), dataset.dtypes[0])
    if x0 >= x1 or y0 >= y1:
        return padded
    pixels: Pixels = dataset.read(1, window=Window(x0, y0, x1 - x0, y1 - y0))
    if pixels.shape == padded.shape:
        return pixels
    padded[y0 - top : y1 - top, x0 - left : x1 - left] = pixels
    return padded


def _read_warped(source: _Open, geobox: GeoBox, kind: Kind) -> Pixels:
    with WarpedVRT(
        source.dataset,
        crs=str(geobox.crs),
        transform=geobox.affine,
        width=geobox.width,
        height=geobox.height,
        src_nodata=_NODATA,
        nodata=_NODATA,
        resampling=_resampling(source.geobox, geobox, kind),
    ) as warped:
        pixels: Pixels = warped.read(1)
    return pixels


def _resampling(source: GeoBox, target: GeoBox, kind: Kind) -> Resampling:
    if source.crs is None:
        raise RasterioError("the file has no CRS")
    seen, _, _ = calculate_default_transform(
        str(target.crs),
        str(source.crs),
        target.width,
        target.height,
        *target.boundingbox.bbox,
    )
    coarser = seen.a >= 2 * source.resolution.x
    if kind == "classes":
        return Resampling.mode if coarser else Resampling.nearest
    return Resampling.average if coarser else Resampling.bilinear
