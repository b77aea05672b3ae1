"""Small grids and bands, so that a test states only what it is about."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.io import DatasetReader
from rasterio.transform import from_origin

from ingest.archive import Archive, BandData
from ingest.band import BandFile
from raster.cog import write_cog
from raster.remote import gdal_path, s3_options

NOON = datetime(2025, 7, 1, 4, 0, tzinfo=UTC)
MADE_UP = {"eo:cloud_cover": 12.5, "heitu:simulated": True}


def utm_grid(*, size: int = 40, resolution: float = 10.0) -> GeoBox:
    """Square grid whose upper left corner is 500000 E 4800000 N, UTM 51 N."""
    transform = from_origin(500_000, 4_800_000, resolution, resolution)
    return GeoBox((size, size), transform, "EPSG:32651")


def gradient(size: int = 40) -> NDArray[np.uint16]:
    return np.arange(1, size * size + 1, dtype=np.uint16).reshape(size, size)


def red_band(size: int = 40) -> BandData:
    return BandData(gradient(size), utm_grid(size=size), 0, 1e-4, -0.1)


def add(
    archive: Archive,
    item_id: str = "one",
    *,
    collection: str = "scenes",
    acquired: datetime = NOON,
    bands: dict[str, BandData] | None = None,
    properties: Mapping[str, Any] = MADE_UP,
    replace: bool = False,
) -> pystac.Item:
    return archive.add_scene(
        collection=collection,
        item_id=item_id,
        acquired=acquired,
        geobox=utm_grid(),
        bands={"B04": red_band()} if bands is None else bands,
        properties=properties,
        replace=replace,
    )


def files_in(folder: Path) -> list[str]:
    """Every file and folder below `folder`, relative, sorted."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def red_file(folder: Path, name: str = "B04.tif", *, size: int = 40) -> BandFile:
    """Write `red_band` as a finished file, as a source of imagery does."""
    band, path = red_band(size), folder / name
    folder.mkdir(parents=True, exist_ok=True)
    write_cog(path, band.array, band.geobox, nodata=0, scale=1e-4, offset=-0.1)
    return BandFile(path, band.geobox, "uint16", 0, 1e-4, -0.1, "https://source/B04")


@contextmanager
def opened(href: str) -> Iterator[DatasetReader]:
    """Open a raster of an archive wherever it lies."""
    options = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", **s3_options(os.environ)}
    with rasterio.Env(**options), rasterio.open(gdal_path(href)) as dataset:
        yield dataset
