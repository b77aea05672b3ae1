"""Rasters of the archive, wherever it lies."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import rasterio
from rasterio.io import DatasetReader

from raster.remote import gdal_path, s3_options

__all__ = ["open_raster", "reading_options"]


def reading_options() -> dict[str, str]:
    """Return the GDAL options to read rasters of the archive under."""
    # Nothing beside a file belongs to its pixels, and a bucket is long to list.
    return {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", **s3_options(os.environ)}


@contextmanager
def open_raster(href: str) -> Iterator[DatasetReader]:
    """Open a raster by its path or ``s3://`` URL.

    Raises
    ------
    rasterio.errors.RasterioIOError
        It is missing or no raster.
    raster.SettingInvalid
        It is on an object store whose address is none.
    """
    with (
        rasterio.Env(**reading_options()),
        rasterio.open(gdal_path(href)) as dataset,
    ):
        yield dataset
