"""Layers of a MODIS tile in HDF4-EOS, which the GDAL of the wheels cannot read.

Needs the package pyhdf. The grid stands in the text attribute StructMetadata.0; the
CRS is the MODIS sinusoidal grid on a sphere of 6371007.181 m (MODLAND tile
calculator).
"""

import importlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from affine import Affine
from odc.geo.geobox import GeoBox

from ingest.band import BandFile
from ingest.convert import clip_window
from ingest.folders.errors import ProductInvalid, ReaderMissing
from ingest.folders.metadata_xml import missing
from ingest.folders.product import invalid
from ingest.offer import BandOffer, Bounds
from raster.cog import write_cog

__all__ = ["PREFIX", "Field", "convert_field", "fields_of", "href_of"]

# As GDAL names a layer of such a file.
PREFIX = "HDF4_EOS:EOS_GRID:"
GRID = "MODIS_Grid_16DAY_250m_500m_VI"
RADIUS = 6371007.181
SINUSOIDAL = f"+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R={RADIUS} +units=m +no_defs"
STRUCTURE = "StructMetadata.0"

# The HDF4 library keeps global state.
_LOCK = Lock()
_HREF = re.compile(rf'{PREFIX}"(?P<path>.+)":{GRID}:(?P<field>.+)')
# Codes of the HDF4 Reference Manual.
_DTYPES = {20: "int8", 21: "uint8", 22: "int16", 23: "uint16", 24: "int32"}


@dataclass(frozen=True, slots=True)
class Field:
    """What a layer says of itself: index = number / scale, and fill value."""

    dtype: str
    scale: float
    fill: float | None


def href_of(path: str, field: str) -> str:
    """Name of one layer, as GDAL writes it."""
    return f'{PREFIX}"{path}":{GRID}:{field}'


def fields_of(
    path: str, *, product: str, file: str
) -> tuple[GeoBox, Mapping[str, Field]]:
    """Grid and layers of a file, by their names.

    Raises
    ------
    ReaderMissing
        The package pyhdf is not installed.
    ProductInvalid
        The file is damaged, or on another grid than MODIS has.
    """
    with _opened(path, product=product, file=file) as hdf:
        structure = hdf.attributes().get(STRUCTURE)
        if not structure:
            raise missing(STRUCTURE, product=product, file=file)
        fields = {}
        for name, (_, _, code, _) in hdf.datasets().items():
            stated = hdf.select(name).attributes()
            fields[name] = Field(
                _DTYPES.get(code, "unknown"),
                float(stated.get("scale_factor", 1)),
                stated.get("_FillValue"),
            )
    return grid_of(structure, product=product, file=file), fields


def grid_of(structure: str, *, product: str, file: str) -> GeoBox:
    """Read the grid from the text of StructMetadata.0.

    Raises
    ------
    ProductInvalid
        It is not there, or not the sinusoidal grid.
    """
    width, height = (
        int(_stated(structure, rf"{axis}=(\d+)", product, file)[0])
        for axis in ("XDim", "YDim")
    )
    pair = r"=\(([-\d.]+),([-\d.]+)\)"
    left, top = _numbers(structure, "UpperLeftPointMtrs" + pair, product, file)
    right, bottom = _numbers(structure, "LowerRightMtrs" + pair, product, file)
    (radius,) = _numbers(structure, r"ProjParams=\(([\d.]+)", product, file)
    if "GCTP_SNSOID" not in structure or radius != RADIUS:
        raise invalid(
            product,
            file,
            "is not on the sinusoidal grid of MODIS; get the product as it was made",
            "不是 MODIS 正弦投影格网，请使用原始产品",
        )
    affine = Affine((right - left) / width, 0, left, 0, (bottom - top) / height, top)
    return GeoBox((height, width), affine, SINUSOIDAL)


def convert_field(band: BandOffer, target: Path, *, clip: Bounds | None) -> BandFile:
    """Write one layer of a file as a COG, its numbers unchanged.

    Raises
    ------
    ProductInvalid
        The file cannot be read.
    ingest.source_errors.ClipOutside
        No pixel of it lies in `clip`.
    """
    path, field = _path_and_field(band.href)
    name = Path(path).name
    grid, _ = fields_of(path, product=name, file=name)
    rows, columns = clip_window(grid, clip, href=band.href).toslices()
    with _opened(path, product=name, file=name) as hdf:
        pixels = hdf.select(field)[rows, columns]
    written = BandFile(
        path=target,
        geobox=grid[rows, columns],
        dtype=pixels.dtype.name,
        nodata=band.nodata,
        scale=band.scale,
        offset=band.offset,
        source=band.href,
    )
    write_cog(
        target,
        pixels,
        written.geobox,
        nodata=band.nodata,
        scale=band.scale,
        offset=band.offset,
        overview_resampling="nearest" if band.scale is None else "average",
    )
    return written


def _path_and_field(href: str) -> tuple[str, str]:
    found = _HREF.fullmatch(href)
    if found is None:
        raise missing(f"{PREFIX}…:{GRID}:…", product=href, file=href)
    return found["path"], found["field"]


@contextmanager
def _opened(path: str, *, product: str, file: str) -> Iterator[Any]:
    try:
        library = importlib.import_module("pyhdf.SD")
        damaged = importlib.import_module("pyhdf.error").HDF4Error
    except ImportError as exc:
        raise ReaderMissing(
            f"{file} is HDF4, which needs the package pyhdf: pip install "
            f'"heitu[modis]" · {file} 为 HDF4 格式，需要 pyhdf：'
            'pip install "heitu[modis]"',
            product=product,
            file=file,
        ) from exc
    with _LOCK:
        try:
            hdf = library.SD(path, library.SDC.READ)
            try:
                yield hdf
            finally:
                hdf.end()
        except (damaged, ValueError) as exc:
            raise _damaged(exc, product, file) from exc


def _damaged(exc: Exception, product: str, file: str) -> ProductInvalid:
    return invalid(
        product,
        file,
        f"cannot be read as HDF4 ({exc}); copy or download it again",
        "HDF4 文件无法读取，请重新复制或下载",
    )


def _numbers(text: str, pattern: str, product: str, file: str) -> list[float]:
    return [float(number) for number in _stated(text, pattern, product, file)]


def _stated(text: str, pattern: str, product: str, file: str) -> tuple[str, ...]:
    found = re.search(pattern, text)
    if found is None:
        raise missing(
            f"{STRUCTURE}/{pattern.partition('=')[0]}", product=product, file=file
        )
    return tuple(found.groups())
