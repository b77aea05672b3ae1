"""Cloud-optimised GeoTIFF: the only file form rasters take at rest."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypedDict, Unpack

import numpy as np
import rasterio
from numpy.typing import DTypeLike, NDArray
from odc.geo.geobox import GeoBox
from rasterio import shutil as rasterio_shutil
from rasterio.enums import ColorInterp, Resampling
from rasterio.errors import RasterioError
from rasterio.io import DatasetWriter, MemoryFile
from rasterio.windows import Window

from raster.errors import GridInvalid, SettingInvalid, WriteFailed
from raster.files import probe, replace_file, reported, sync, write_failed

BLOCK = 512

Blocks = Iterable[tuple[tuple[slice, slice], NDArray[Any]]]
Color = tuple[int, int, int] | tuple[int, int, int, int]

# zstd level 1 encodes 4x faster than deflate and decodes 1.6x faster; the tile pool of
# the caller brings the parallelism, so GDAL must not add threads of its own.
_COG = {
    "driver": "COG",
    "compress": "ZSTD",
    "level": 1,
    "predictor": "STANDARD",
    "blocksize": BLOCK,
    # Blocks of nothing but nodata, half of a province's rectangle, cost no bytes.
    "sparse_ok": "YES",
    "num_threads": 1,
    "bigtiff": "IF_SAFER",
}

# Tiles of the COG to come, so that the copy reads each of them once.
_SCRATCH = {
    "driver": "GTiff",
    "tiled": True,
    "blockxsize": BLOCK,
    "blockysize": BLOCK,
    "compress": "ZSTD",
    "zstd_level": 1,
    "sparse_ok": True,
    "bigtiff": "IF_SAFER",
}

_GRID = ("count", "height", "width", "dtype", "crs", "transform")

# Bytes: GDAL would otherwise take 5 % of the machine.
_CACHE = 128 * 1024 * 1024

_INTERPRETATIONS = {
    "gray": (ColorInterp.gray,),
    "rgb": (ColorInterp.red, ColorInterp.green, ColorInterp.blue),
}


class CogOptions(TypedDict, total=False):
    """What else a COG can be told; every key may be left out.

    Attributes
    ----------
    scale, offset
        physical value = stored * scale + offset, written as band metadata.
    units
        Unit of the physical value, written as band metadata.
    descriptions
        One name a band.
    overview_resampling
        "average" (the default) for quantities, "mode" or "nearest" for classes.
    tags
        Dataset metadata, for example the run that made the raster.
    colormap
        Colour of each class, (red, green, blue) or with alpha, 0 to 255; one band of
        uint8 or uint16 only.
    colour
        What the bands are to the eye: "gray" for one band, "rgb" for three.
    """

    scale: float | None
    offset: float | None
    units: str | None
    descriptions: Sequence[str] | None
    overview_resampling: Literal["average", "nearest", "mode"]
    tags: Mapping[str, str] | None
    colormap: Mapping[int, Color] | None
    colour: Literal["gray", "rgb"] | None


def write_cog(
    path: Path,
    array: NDArray[Any],
    geobox: GeoBox,
    *,
    nodata: float | None,
    mask: NDArray[np.bool_] | None = None,
    **options: Unpack[CogOptions],
) -> None:
    """Write an array as a COG, completely or not at all.

    Parameters
    ----------
    path
        Target; its folder exists. An older file there is replaced in one step.
    array
        (y, x) or (bands, y, x), any dtype GDAL knows; stored in that dtype.
    geobox
        Grid of the last two axes, any CRS.
    nodata
        Value that means "no data", left out of overviews; None for none.
    mask
        bool (y, x), True where the pixels count: stored as internal mask, with a
        pixel of nodata as False whatever is given. None for no mask.
    **options
        As in `CogOptions`.

    Raises
    ------
    GridInvalid
        Array, grid, mask and descriptions do not fit together, or inside the mask
        only some bands hold nodata: a TIFF's mask is that of all its bands.
    SettingInvalid
        Colours that the bands cannot have.
    DiskFull, WriteFailed
        Nothing was written; an older file at `path` is untouched.
    """
    bands = array[np.newaxis] if array.ndim == 2 else array
    _check_shapes(path, bands, geobox)
    _check_options(path, len(bands), bands.dtype, options)
    valid = None if mask is None else _valid(path, bands, mask, nodata)
    profile = _COG | _profile(bands.shape, bands.dtype, geobox, nodata)
    profile["overview_resampling"] = options.get("overview_resampling", "average")
    # Leaving nodata out of means is three times slower, even where there is none.
    simple = valid is None and profile["overview_resampling"] == "average"
    if simple and nodata is not None and not has_value(bands, nodata).all():
        simple = False
    with MemoryFile() as memory:
        try:
            if simple:
                _encode_full(memory.name, bands, profile, options)
            else:
                _encode(memory, bands, valid, profile, options)
        # The copy raises GDAL's own errors, which rasterio does not wrap here.
        except (RasterioError, rasterio._err.CPLE_BaseError) as exc:
            raise _not_encoded(path, exc) from exc
        # GDAL hides the errno of a failed write; bytes written here report it.
        replace_file(path, memory.getbuffer())


def write_cog_blocks(
    path: Path,
    blocks: Blocks,
    geobox: GeoBox,
    *,
    dtype: DTypeLike,
    nodata: float | None,
    count: int = 1,
    mask: bool = False,
    threads: int = 1,
    **options: Unpack[CogOptions],
) -> None:
    """Write a COG from block to block, in memory that its size does not change.

    The blocks pass through a scratch file in a hidden folder beside `path`; at its
    end all pixels of the COG are read back and compared with what was given.

    Parameters
    ----------
    path
        Target; its folder exists. An older file there is replaced in one step.
    blocks
        ((rows, columns), array) of every part of the grid, once each, in any order;
        arrays (y, x) or (bands, y, x). Multiples of 512 pixels are quickest.
    geobox
        Grid of the whole, any CRS.
    dtype, count
        Of the stored bands.
    nodata
        Value that means "no data", left out of overviews; None for none.
    mask
        Also store as internal mask where the one band is not `nodata`.
    threads
        Threads of GDAL that compress.
    **options
        As in `CogOptions`.

    Raises
    ------
    GridInvalid
        A block does not fit, or the blocks do not make up the grid.
    SettingInvalid
        Colours that the bands cannot have, or a mask without nodata or of many bands.
    DiskFull, WriteFailed
        Nothing was written; an older file at `path` is untouched.
    """
    kind = np.dtype(dtype)
    _check_options(path, count, kind, options)
    if mask and (nodata is None or count != 1):
        raise SettingInvalid(
            f"{path}: a mask is made of nodata and for one band; there are {count} "
            f"bands and nodata is {nodata}; leave the mask out, or give one band and "
            f"its nodata · {path}：掩膜由 nodata 生成且只用于单波段，现有 {count} "
            f"个波段，nodata 为 {nodata}，请去掉掩膜，或给出单波段及其 nodata"
        )
    profile = _profile((count, *geobox.shape), kind, geobox, nodata)
    with reported(path), TemporaryDirectory(dir=path.parent, prefix=".cog-") as name:
        scratch, whole = Path(name, "scratch.tif"), Path(name, "whole.tif")
        try:
            with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True, GDAL_CACHEMAX=_CACHE):
                with rasterio.open(scratch, "w", **_SCRATCH, **profile) as target:
                    # A colour map comes before the first pixel or not at all.
                    _describe(target, options)
                    given = _fill(path, target, blocks, nodata if mask else None)
                _to_cog(scratch, whole, options, threads)
                same = _digest(whole) == given
        # The copy raises GDAL's own errors, which rasterio does not wrap here.
        except (RasterioError, rasterio._err.CPLE_BaseError) as exc:
            raise _cause(path, str(exc), Path(name)) from exc
        if not same:
            raise _cause(path, "what was stored is not what was given", Path(name))
        sync(whole)
        whole.replace(path)


def has_value(array: NDArray[Any], nodata: float) -> NDArray[np.bool_]:
    """Where an array holds something else than nodata, which may be NaN."""
    held: NDArray[np.bool_] = ~np.isnan(array) if np.isnan(nodata) else array != nodata
    return held


def _encode(
    memory: MemoryFile,
    bands: NDArray[Any],
    valid: NDArray[np.bool_] | None,
    profile: dict[str, Any],
    options: CogOptions,
) -> None:
    with memory.open(**profile) as target:
        target.write(bands)
        if valid is not None:
            target.write_mask(valid)
        _describe(target, options)


def _encode_full(
    name: str, bands: NDArray[Any], profile: dict[str, Any], options: CogOptions
) -> None:
    """Encode bands that hold a number everywhere; means need not look for holes."""
    grid = {key: profile[key] for key in _GRID}
    with rasterio.open("whole", "w+", driver="MEM", **grid) as target:
        target.write(bands)
        if levels := _levels(bands.shape[1:]):
            target.build_overviews(levels, Resampling.average)
        if profile["nodata"] is not None:
            target.nodata = profile["nodata"]
        _describe(target, options)
        rasterio_shutil.copy(target, name, **_COG, overviews="FORCE_USE_EXISTING")


def _levels(shape: tuple[int, ...]) -> list[int]:
    """Reductions by 2, 4, 8 ... until the image fits into one tile."""
    count = max(0, math.ceil(math.log2(max(shape) / BLOCK)))
    return [2**level for level in range(1, count + 1)]


def _profile(
    shape: tuple[int, ...], dtype: np.dtype[Any], geobox: GeoBox, nodata: float | None
) -> dict[str, Any]:
    count, height, width = shape
    return {
        "count": count,
        "height": height,
        "width": width,
        "dtype": dtype.name,
        "crs": str(geobox.crs),
        "transform": geobox.transform,
        "nodata": nodata,
    }


def _describe(target: DatasetWriter, options: CogOptions) -> None:
    scale, offset, units = (options.get(key) for key in ("scale", "offset", "units"))
    if scale is not None:
        target.scales = (scale,) * target.count
    if offset is not None:
        target.offsets = (offset,) * target.count
    if units is not None:
        target.units = (units,) * target.count
    for band, name in enumerate(options.get("descriptions") or (), start=1):
        target.set_band_description(band, name)
    if colormap := options.get("colormap"):
        target.write_colormap(1, colormap)
    if colour := options.get("colour"):
        target.colorinterp = _INTERPRETATIONS[colour]
    target.update_tags(**(options.get("tags") or {}))


def _fill(
    path: Path, target: DatasetWriter, blocks: Blocks, masked: float | None
) -> list[int]:
    """Write all blocks, with a mask where they are not `masked`; give their digest."""
    digest, pixels = [0, 0], 0
    for (rows, columns), array in blocks:
        bands = array[np.newaxis] if array.ndim == 2 else array
        window = Window.from_slices(rows, columns)
        _check_block(path, target, bands, window)
        target.write(bands, window=window)
        if masked is not None:
            valid = has_value(bands[0], masked)
            target.write_mask(valid, window=window)
            digest[1] += int(np.count_nonzero(valid))
        digest[0] += _bits(bands)
        pixels += bands[0].size
    if pixels != target.height * target.width:
        raise GridInvalid(
            f"{path}: blocks of {pixels} pixels for a grid of "
            f"{target.height * target.width}; give every part of it once"
            f" · {path}：各分块共 {pixels} 像元，格网为 {target.height * target.width} "
            "像元，请让每一部分恰好出现一次"
        )
    return _wrapped(digest)


def _to_cog(scratch: Path, whole: Path, options: CogOptions, threads: int) -> None:
    rasterio_shutil.copy(
        scratch,
        whole,
        **_COG
        | {
            "overview_resampling": options.get("overview_resampling", "average"),
            "num_threads": threads,
        },
    )


def _digest(path: Path) -> list[int]:
    """Read all of a COG; its digest tells whether every pixel arrived.

    Closing a file, GDAL does not report that its last tiles found no room.
    """
    digest = [0, 0]
    with rasterio.open(path) as file:
        levels = len(file.overviews(1))
        masked = rasterio.enums.MaskFlags.per_dataset in file.mask_flag_enums[0]
        for window in _strips(file):
            digest[0] += _bits(file.read(window=window))
            if masked:
                digest[1] += int(np.count_nonzero(file.read_masks(1, window=window)))
    for level in range(levels):
        with rasterio.open(path, overview_level=level) as file:
            for window in _strips(file):
                file.read(window=window)
    return _wrapped(digest)


def _strips(file: rasterio.io.DatasetReader) -> Iterable[Window]:
    for row in range(0, file.height, BLOCK):
        yield Window(0, row, file.width, min(BLOCK, file.height - row))


def _bits(array: NDArray[Any]) -> int:
    # The sum of the bit patterns does not depend on the order of the blocks.
    whole = np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")
    return int(whole.sum(dtype=np.uint64))


def _wrapped(digest: list[int]) -> list[int]:
    # Each sum wraps at 64 bits, and how often depends on the parts.
    return [number % 2**64 for number in digest]


def _valid(
    path: Path, bands: NDArray[Any], mask: NDArray[np.bool_], nodata: float | None
) -> NDArray[np.bool_]:
    if mask.shape != bands.shape[1:] or mask.dtype != bool:
        raise GridInvalid(
            f"{path}: mask of shape {mask.shape} and type {mask.dtype}; give bool of "
            f"shape {bands.shape[1:]} · {path}：掩膜形状为 {mask.shape}、类型为 "
            f"{mask.dtype}，请给出形状为 {bands.shape[1:]} 的 bool 数组"
        )
    if nodata is None:
        return mask
    held = has_value(bands, nodata)
    valid: NDArray[np.bool_] = mask & held.all(axis=0)
    if not np.array_equal(valid, mask & held.any(axis=0)):
        raise GridInvalid(
            f"{path}: inside the mask some bands hold nodata where others do not, and "
            "a TIFF has one mask for all; leave the mask out, or write a file a band"
            f" · {path}：掩膜内各波段的 nodata 不一致，而 TIFF 各波段共用一个掩膜，请"
            "去掉掩膜，或每个波段单独写一个文件"
        )
    return valid


def _check_shapes(path: Path, bands: NDArray[Any], geobox: GeoBox) -> None:
    if bands.ndim != 3 or bands.shape[1:] != geobox.shape:
        raise GridInvalid(
            f"{path}: array of shape {bands.shape} does not fit the grid of shape "
            f"{tuple(geobox.shape)}; give (y, x) or (bands, y, x) of that grid"
            f" · {path}：数组形状 {bands.shape} 与格网形状 {tuple(geobox.shape)} 不符，"
            "请给出该格网的 (y, x) 或 (bands, y, x) 数组"
        )


def _check_block(
    path: Path, target: DatasetWriter, bands: NDArray[Any], window: Window
) -> None:
    inside = (
        window.row_off + window.height <= target.height
        and window.col_off + window.width <= target.width
    )
    shape = (target.count, window.height, window.width)
    if bands.shape != shape or bands.dtype != target.dtypes[0] or not inside:
        raise GridInvalid(
            f"{path}: block of shape {bands.shape} and type {bands.dtype} at row "
            f"{window.row_off}, column {window.col_off} does not fit the grid of shape "
            f"{target.shape}; give {target.dtypes[0]} of shape {shape} there"
            f" · {path}：第 {window.row_off} 行第 {window.col_off} 列起的分块为 "
            f"{bands.dtype} {bands.shape}，与格网 {target.shape} 不符，应为 "
            f"{target.dtypes[0]} {shape}"
        )


def _check_options(
    path: Path, count: int, dtype: np.dtype[Any], options: CogOptions
) -> None:
    names = options.get("descriptions")
    if names and len(names) != count:
        raise GridInvalid(
            f"{path}: {len(names)} descriptions for {count} bands; give one each"
            f" · {path}：{count} 个波段却有 {len(names)} 个名称，请每个波段给一个"
        )
    colour = options.get("colour")
    if colour and (
        options.get("colormap") or len(_INTERPRETATIONS.get(colour, ())) != count
    ):
        raise SettingInvalid(
            f"{path}: colour {colour!r} does not fit {count} bands or stands beside a "
            "colour map; 'gray' is for one band, 'rgb' for three"
            f" · {path}：颜色 {colour!r} 不适合 {count} 个波段，或与色表同时给出；"
            "'gray' 用于单波段，'rgb' 用于三波段"
        )
    if not options.get("colormap"):
        return
    if count != 1 or dtype.name not in {"uint8", "uint16"}:
        raise SettingInvalid(
            f"{path}: a colour map is for one band of uint8 or uint16, not for {count} "
            f"of {dtype}; leave it out, or give classes as one such band"
            f" · {path}：色表只用于单波段 uint8 或 uint16，现为 {count} 个 {dtype} "
            "波段，请去掉色表，或改用这样的单波段"
        )
    if options.get("overview_resampling", "average") == "average":
        raise SettingInvalid(
            f"{path}: the mean of two classes is no class; with a colour map give "
            "overview_resampling='mode' or 'nearest'"
            f" · {path}：类别不能取平均，使用色表时请设 overview_resampling='mode' 或 "
            "'nearest'"
        )


def _not_encoded(path: Path, exc: RasterioError) -> WriteFailed:
    return WriteFailed(
        f"cannot encode {path}: {exc}. Check data type and nodata"
        f" · 无法编码 {path}，请检查数据类型和 nodata",
        path=path,
    )


def _cause(path: Path, reason: str, folder: Path) -> WriteFailed:
    """Find out what GDAL does not say: whether the disk took no more."""
    found = probe(folder)
    if found is not None:
        return write_failed(path, found)
    return WriteFailed(
        f"cannot write {path}: {reason}. Check the disk, data type and nodata"
        f" · 无法写入 {path}，请检查磁盘、数据类型和 nodata",
        path=path,
    )
