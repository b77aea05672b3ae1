"""What the header of a raster file says, without a single pixel."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock

import rasterio
from odc.geo.geobox import GeoBox
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from ingest.folders.product import invalid

__all__ = ["Header", "read_header"]

_LOCK = Lock()


@dataclass(frozen=True, slots=True)
class Header:
    """One raster file.

    Attributes
    ----------
    grid : GeoBox
        Any CRS.
    dtypes, scales, offsets, descriptions, colours : tuple
        One entry a band; scale 1 and offset 0 where the file says nothing.
    nodata : float or None
        Of the first band.
    tags : mapping of str to str
        Of the dataset, over those of its first band.
    masked : bool
        An alpha band or an internal mask says where there are pixels.
    """

    grid: GeoBox
    dtypes: tuple[str, ...]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    descriptions: tuple[str | None, ...]
    colours: tuple[ColorInterp, ...]
    nodata: float | None
    tags: Mapping[str, str]
    masked: bool

    @property
    def metres(self) -> float | None:
        """Size of a pixel, where the CRS measures in metres."""
        crs = self.grid.crs
        if crs is None or not crs.projected:
            return None
        return float(abs(self.grid.resolution.x))


def read_header(href: str, *, product: str, file: str) -> Header:
    """Open a raster file and look at its header.

    Raises
    ------
    ProductInvalid
        It cannot be opened, or has no CRS.
    """
    try:
        # A filter of warnings holds for all threads.
        with _LOCK, warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(href) as raster:
                return _header(raster, product, file)
    except RasterioError as exc:
        raise invalid(
            product,
            file,
            f"cannot be opened ({exc}); copy or download it again",
            "文件无法打开，请重新复制或下载",
        ) from exc


def _header(raster: rasterio.io.DatasetReader, product: str, file: str) -> Header:
    if raster.crs is None:
        raise invalid(
            product,
            file,
            "has no coordinate reference system: nobody knows where it lies; write one "
            "into it first",
            "没有坐标系，无法定位，请先写入坐标系",
        )
    return Header(
        grid=GeoBox(raster.shape, raster.transform, raster.crs.to_wkt()),
        dtypes=tuple(raster.dtypes),
        scales=tuple(raster.scales),
        offsets=tuple(raster.offsets),
        descriptions=tuple(raster.descriptions),
        colours=tuple(raster.colorinterp),
        nodata=raster.nodata,
        tags={**raster.tags(1), **raster.tags()},
        masked=MaskFlags.per_dataset in raster.mask_flag_enums[0]
        or ColorInterp.alpha in raster.colorinterp,
    )
