"""Cloud-optimised GeoTIFF: the only file form rasters take at rest."""

import errno
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import get_ident
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError
from rasterio.io import DatasetWriter, MemoryFile

from raster.errors import DiskFull, GridInvalid, WriteFailed

BLOCK = 512

# zstd level 1 writes 8x faster than deflate and reads 1.7x faster; the tile pool of
# the caller brings the parallelism, so GDAL must not add threads of its own.
_CREATION = {
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


def write_cog(
    path: Path,
    array: NDArray[Any],
    geobox: GeoBox,
    *,
    nodata: float | None,
    scale: float | None = None,
    offset: float | None = None,
    descriptions: Sequence[str] | None = None,
    overview_resampling: Literal["average", "nearest", "mode"] = "average",
    tags: Mapping[str, str] | None = None,
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
    scale, offset
        physical value = stored * scale + offset, written as band metadata.
    descriptions
        One name a band.
    overview_resampling
        "average" for quantities, "mode" or "nearest" for classes.
    tags
        Dataset metadata, for example the run that made the raster.

    Raises
    ------
    GridInvalid
        Array, grid and descriptions do not fit together.
    DiskFull, WriteFailed
        Nothing was written; an older file at `path` is untouched.
    """
    bands = array[np.newaxis] if array.ndim == 2 else array
    names = tuple(descriptions or ())
    _check_shapes(path, bands, geobox, names)
    profile = _profile(bands, geobox, nodata) | {
        "overview_resampling": overview_resampling
    }
    with MemoryFile() as memory:
        try:
            with memory.open(**profile) as target:
                target.write(bands)
                _describe(target, names, scale=scale, offset=offset)
                target.update_tags(**(tags or {}))
        except RasterioError as exc:
            raise WriteFailed(
                f"cannot encode {path}: {exc}. Check data type and nodata"
                f" · 无法编码 {path}，请检查数据类型和 nodata",
                path=path,
            ) from exc
        # GDAL hides the errno of a failed write; bytes written here report it.
        _replace(path, memory.getbuffer())


def _profile(
    bands: NDArray[Any], geobox: GeoBox, nodata: float | None
) -> dict[str, Any]:
    count, height, width = bands.shape
    return _CREATION | {
        "count": count,
        "height": height,
        "width": width,
        "dtype": bands.dtype.name,
        "crs": str(geobox.crs),
        "transform": geobox.transform,
        "nodata": nodata,
    }


def _describe(
    target: DatasetWriter,
    names: tuple[str, ...],
    *,
    scale: float | None,
    offset: float | None,
) -> None:
    if scale is not None:
        target.scales = (scale,) * target.count
    if offset is not None:
        target.offsets = (offset,) * target.count
    for band, name in enumerate(names, start=1):
        target.set_band_description(band, name)


def _check_shapes(
    path: Path, bands: NDArray[Any], geobox: GeoBox, names: tuple[str, ...]
) -> None:
    if bands.ndim != 3 or bands.shape[1:] != geobox.shape:
        raise GridInvalid(
            f"{path}: array of shape {bands.shape} does not fit the grid of shape "
            f"{tuple(geobox.shape)}; give (y, x) or (bands, y, x) of that grid"
        )
    if names and len(names) != len(bands):
        raise GridInvalid(
            f"{path}: {len(names)} descriptions for {len(bands)} bands; give one each"
        )


def _replace(path: Path, content: memoryview) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}-{get_ident()}.part")
    # Readers see the older file or the whole new one; fsync before the rename, else a
    # power cut may leave the new name on empty content.
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as exc:
        part.unlink(missing_ok=True)
        raise _write_failed(path, exc) from exc


def _write_failed(path: Path, exc: OSError) -> WriteFailed:
    if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFull(
            f"no space left to write {path}: free some space or choose another data "
            "folder, then run again; nothing was kept of this file"
            f" · 磁盘已满，无法写入 {path}，请清理空间或另选数据目录后重试",
            path=path,
        )
    return WriteFailed(
        f"cannot write {path}: {exc.strerror}. Check its folder and permissions"
        f" · 无法写入 {path}，请检查目录和权限",
        path=path,
    )
