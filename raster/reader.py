"""Pixels of a file on a wanted grid."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Geod
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from raster.checksum import checksum_of
from raster.errors import SceneUnreadable
from raster.mask import MaskKind, clear_mask
from raster.open_files import Version, open_file, version_of
from raster.plane import Plane, stretched
from raster.selection import Band
from raster.warp import mapping, reduce, sample, transformer

Kind = Literal["reflectance", "classes"]
Pixels = NDArray[Any]

# Shares of a pixel that rounding in file headers may cost.
_SAME_SIZE = 1e-6
_SAME_EDGE = 1e-3

# From here on a pixel of the grid is the mean of many of the file.
MUCH_COARSER = 2 - _SAME_SIZE

# By how much a map's metre may differ from the ground's, in pixels of a cloud buffer.
_SCALE_OF_MAPS = 0.05

_STRIP_ROWS = 2048


@dataclass(frozen=True, slots=True)
class _File:
    """A file, or one of its overviews, and what its header says."""

    href: str
    overview: int | None
    geobox: GeoBox
    overviews: tuple[int, ...]
    version: Version
    count: int
    dtype: np.dtype[Any]
    nodata: float | None

    def open(self) -> DatasetReader:
        return open_file(self.href, self.overview, self.version)


@dataclass(frozen=True, slots=True)
class _Placement:
    """Target pixels along one source pixel; origin of the target, in target pixels."""

    factor: int
    column: int
    row: int


def read_band(band: Band, geobox: GeoBox, *, verify: bool = False) -> Plane:
    """Read one band of reflectance of a scene under a block.

    A file on the same pixels as `geobox`, or on pixels a whole number of times as
    large, is read as it is. Where `geobox` is coarser, the coarsest overview serves
    that is still as fine. Any other grid or CRS is resampled bilinearly, or averaged
    where `geobox` is at least twice as coarse. Nodata and saturated numbers never
    blend into a neighbour (in overviews, whoever made them decided).

    Parameters
    ----------
    geobox
        Grid of the block, any CRS.
    verify
        Look first whether a local file is the one whose checksum its item tells.

    Returns
    -------
    Plane
        Pixels in the file's dtype; the band's nodata also outside the file.

    Raises
    ------
    SceneUnreadable
        The file is missing, truncated, corrupt, or not as its item says.
    """
    with _naming(band):
        source = _fitting_overview(_checked(band, verify=verify), geobox)
        return _read(source, geobox, band, "reflectance")


@contextmanager
def _naming(band: Band) -> Iterator[None]:
    """Give what goes wrong the name of the file and its item."""
    try:
        yield
    except (RasterioError, OSError) as exc:
        raise SceneUnreadable(
            f"cannot read {band.href} of item {band.item_id}: {exc}. Run `heitu "
            "archive verify` to find damaged files, then ingest the scene again"
            f" · 无法读取影像 {band.item_id} 的文件 {band.href}，请用 `heitu archive"
            " verify` 查找损坏的文件并重新导入该影像",
            item_id=band.item_id,
            href=band.href,
        ) from exc


def _read(source: _File, geobox: GeoBox, band: Band, kind: Kind) -> Plane:
    at = _placement(source.geobox, geobox)
    if at is None:
        return Plane(_read_warped(source, geobox, band, kind))
    return _read_window(source, geobox, at, fill=band.nodata)


def _checked(band: Band, *, verify: bool) -> _File:
    """Look whether a file is as its item says."""
    version = version_of(band.href)
    if band.size is not None and version and version[-1] != band.size:
        raise RasterioError(f"{version[-1]} bytes instead of {band.size}")
    if verify and band.checksum is not None and version:
        _compare(band, version)
    file = _file(band.href, None, version)
    if file.count != 1:
        raise RasterioError(f"it has {file.count} bands instead of one")
    is_mask = band.calibration is None
    if not is_mask and file.nodata not in (None, band.nodata):
        raise RasterioError(
            f"its header says nodata {file.nodata}, its item {band.nodata}"
        )
    if is_mask and file.dtype not in (np.uint8, np.uint16):
        raise RasterioError(f"a mask of type {file.dtype}, not uint8 or uint16")
    if file.dtype.kind in "iu":
        limits = np.iinfo(file.dtype)
        if not limits.min <= band.nodata <= limits.max:
            raise RasterioError(f"nodata {band.nodata} does not fit its {file.dtype}")
    return file


def _compare(band: Band, version: Version) -> None:
    if checksum_of(band.href, version) != band.checksum:
        raise SceneUnreadable(
            f"the bytes of {band.href} are not those that item {band.item_id} was made "
            "of (file:checksum): its pixels may be wrong. Run `heitu archive verify "
            "--repair` to have it anew"
            f" · 影像 {band.item_id} 的文件 {band.href} 与其校验和（file:checksum）不符"
            "，像元可能有误，请用 `heitu archive verify --repair` 修复",
            item_id=band.item_id,
            href=band.href,
        )


@lru_cache(maxsize=1024)
def _ground_metres(geobox: GeoBox) -> float:
    """Shorter side of a grid's middle pixel on the ground."""
    height, width = geobox.shape
    way = transformer(str(geobox.crs), "EPSG:4326")
    x, y = np.array([0, 1, 0]) + width / 2, np.array([0, 0, 1]) + height / 2
    to_world: Any = geobox.affine
    lon, lat = way.transform(*(to_world @ (x, y)))
    _, _, sides = Geod(ellps="WGS84").inv(
        lon[[0, 0]], lat[[0, 0]], lon[[1, 2]], lat[[1, 2]]
    )
    return float(min(sides))


def _whole_pixels(metres: float, pixel: float) -> int:
    """Pixels that hold a distance; UTM's own scale must not make one more."""
    return max(math.ceil(metres / pixel - _SCALE_OF_MAPS), 0)


# Headers outlive their files' being open: laying out a grid costs as much as opening.
@lru_cache(maxsize=8192)
def _file(href: str, overview: int | None, version: Version) -> _File:
    dataset = open_file(href, overview, version)
    levels = () if overview is not None else tuple(dataset.overviews(1))
    return _File(
        href,
        overview,
        GeoBox.from_rio(dataset),
        levels,
        version,
        dataset.count,
        np.dtype(dataset.dtypes[0]),
        dataset.nodata,
    )


def _fitting_overview(whole: _File, target: GeoBox) -> _File:
    """Find the coarsest overview that is not coarser than the target."""
    if not whole.overviews:
        return whole
    ratio = _coarseness(whole.geobox, target) * (1 + _SAME_SIZE)
    fitting = [i for i, factor in enumerate(whole.overviews) if factor <= ratio]
    return _file(whole.href, fitting[-1], whole.version) if fitting else whole


def _coarseness(source: GeoBox, target: GeoBox) -> float:
    """Side of a pixel of the target in pixels of the source; squared, its area.

    In the middle of the source, so that all blocks of a grid are read alike.
    """
    if source.crs is None or target.crs is None:
        raise RasterioError("the file has no CRS")
    return _side(source, target.affine, str(target.crs))


@lru_cache(maxsize=4096)
def _side(source: GeoBox, target: Affine, crs: str) -> float:
    here = transformer(str(source.crs), crs).transform
    back = transformer(crs, str(source.crs)).transform
    height, width = source.shape
    centre = source.affine @ (width / 2, height / 2)
    x, y = here(*centre)
    # Pixels in degrees are higher than wide, so that one side would not tell the area.
    right = np.subtract(back(x + target.a, y + target.d), centre)
    down = np.subtract(back(x + target.b, y + target.e), centre)
    area = right[0] * down[1] - right[1] * down[0]
    return math.sqrt(abs(area / source.affine.determinant))


def _half(coarseness: float) -> float:
    """Pixels of a file that are half of one of the grid, or the only one in it."""
    return max(coarseness**2 / 2 * (1 - _SAME_SIZE), 1)


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
    coarseness = _coarseness(source.geobox, geobox)
    if coarseness >= MUCH_COARSER:
        return _read_reduced(source, geobox, band, coarseness)
    way = mapping(source.geobox, geobox)
    left, top, right, bottom = _within(way.window, source.geobox)
    pixels = _read_padded(
        source.open(), left, top, right=right, bottom=bottom, fill=band.nodata
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
    window: tuple[int, int, int, int], file: GeoBox, *, margin: int = 0
) -> tuple[int, int, int, int]:
    """Cut a window, widened by a margin, to the file; one that misses it is empty."""
    left, top, right, bottom = window
    left, top = max(left - margin, 0), max(top - margin, 0)
    right, bottom = min(right + margin, file.width), min(bottom + margin, file.height)
    return left, top, max(left, right), max(top, bottom)


def _reach(source: GeoBox, geobox: GeoBox) -> tuple[int, int, int, int]:
    """Window of a much finer file that holds the whole pixels of a block."""
    return mapping(source, geobox.pad(1)).window


def _read_reduced(
    source: _File, geobox: GeoBox, band: Band, coarseness: float
) -> Pixels:
    """Average a file much finer than the grid, which has no overview that fits.

    The mean of what was measured, where that is at least half of the pixel.
    """
    shape = (geobox.shape[0], geobox.shape[1])
    left, top, right, bottom = _within(_reach(source.geobox, geobox), source.geobox)
    sums, counts = np.zeros(shape), np.zeros(shape, np.int64)
    # In strips: a tile is a quarter of a gigabyte.
    for start in range(top, bottom, _STRIP_ROWS):
        end = min(start + _STRIP_ROWS, bottom)
        pixels = _read_padded(
            source.open(), left, start, right=right, bottom=end, fill=band.nodata
        )
        part = source.geobox[start:end, left:right]
        more = reduce(
            pixels,
            mapping(geobox, part),
            shape,
            nodata=band.nodata,
            saturated=band.saturated,
        )
        sums += more[0]
        counts += more[1]
    seen = counts >= _half(coarseness)
    mean = np.full(shape, float(band.nodata))
    np.divide(sums, counts, out=mean, where=seen)
    return np.floor(mean + 0.5).astype(source.dtype)


def read_clear(
    band: Band,
    geobox: GeoBox,
    *,
    kind: MaskKind,
    cloud_buffer: float,
    verify: bool = False,
) -> NDArray[np.uint8]:
    """Read where a scene shows the ground on the pixels of a block.

    Parameters
    ----------
    band
        The scene's mask.
    geobox
        Grid of the block, any CRS.
    cloud_buffer
        Metres by which clouds and shadows are grown, up to whole mask pixels.
    verify
        As in `read_band`.

    Returns
    -------
    uint8 (pixels,), 1 = clear. On a grid at least twice as coarse as the mask a pixel
    is clear where at least half of it is; else by the mask's nearest pixel.

    Raises
    ------
    SceneUnreadable
        The file is missing, truncated, corrupt, or not as its item says.
    """
    with _naming(band):
        whole = _checked(band, verify=verify)
        coarseness = _coarseness(whole.geobox, geobox)
        if coarseness >= MUCH_COARSER:
            return _clear_share(whole, band, geobox, coarseness, kind, cloud_buffer)
        at = _placement(whole.geobox, geobox)
        pixel = _ground_metres(geobox) * (1 if at is None else at.factor)
        grow = _whole_pixels(cloud_buffer, pixel)
        padded = geobox.pad(grow * (1 if at is None else at.factor))
        plane = _read(whole, padded, band, "classes")
        clear = clear_mask(plane.pixels, kind=kind, grow=grow)
    if grow:
        clear = np.ascontiguousarray(clear[grow:-grow, grow:-grow])
    inner = Plane(clear, *plane.layout)
    return stretched(inner, (geobox.shape[0], geobox.shape[1])).ravel()


def _clear_share(
    whole: _File,
    band: Band,
    geobox: GeoBox,
    coarseness: float,
    kind: MaskKind,
    cloud_buffer: float,
) -> NDArray[np.uint8]:
    grow = _whole_pixels(cloud_buffer, _ground_metres(whole.geobox))
    reach = _reach(whole.geobox, geobox)
    left, top, right, bottom = _within(reach, whole.geobox, margin=grow)
    classes = _read_padded(
        whole.open(), left, top, right=right, bottom=bottom, fill=band.nodata
    )
    clear = clear_mask(classes, kind=kind, grow=grow)
    way = mapping(geobox, whole.geobox[top:bottom, left:right])
    _, counts = reduce(clear, way, (geobox.shape[0], geobox.shape[1]), nodata=0)
    share: NDArray[np.uint8] = (counts >= _half(coarseness)).astype(np.uint8)
    return share.ravel()
