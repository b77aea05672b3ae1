"""Small products in the layout and naming of their producers."""

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.transform import from_origin

from ingest.archive import Archive
from ingest.band import BandData
from ingest.folders import FolderSource
from ingest.offer import Found, SceneOffer, Wanted

CRS = "EPSG:32651"
# Upper left corner of tile 51TXK, near Changchun.
LEFT, TOP = 600_000, 4_900_020
NORTHEAST = shapely.box(118, 38, 136, 54)
ELSEWHERE = shapely.box(10, 45, 11, 46)


def texture(size: int, *, seed: int = 0, dtype: str = "uint16") -> NDArray[Any]:
    """Numbers 1 to 9999 without a pattern that a codec could get right by chance."""
    high = {"uint8": 255, "int8": 4}.get(dtype, 10_000)
    low = 0 if dtype == "int8" else 1
    numbers = np.random.default_rng(seed).integers(low, high, (size, size))
    return numbers.astype(dtype)


def write_raster(
    path: Path,
    array: NDArray[Any],
    *,
    metres: float,
    left: float = LEFT,
    driver: str = "GTiff",
    nodata: float | None = None,
    crs: str | None = CRS,
    tags: Mapping[str, str] | None = None,
    **options: Any,
) -> None:
    """Write one or more bands with GDAL, on a grid from the tile's corner."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bands = array[np.newaxis] if array.ndim == 2 else array
    with rasterio.open(
        path,
        "w",
        driver=driver,
        count=len(bands),
        height=bands.shape[1],
        width=bands.shape[2],
        dtype=bands.dtype.name,
        crs=crs,
        transform=from_origin(left, TOP, metres, metres),
        nodata=nodata,
        **options,
    ) as raster:
        raster.write(bands)
        raster.update_tags(**(tags or {}))


def write_jp2(path: Path, array: NDArray[Any], *, metres: float) -> None:
    """Write a lossless JPEG 2000 as ESA does."""
    write_raster(
        path,
        array,
        metres=metres,
        driver="JP2OpenJPEG",
        QUALITY="100",
        REVERSIBLE="YES",
    )


def pixels(path: str | Path, index: int = 1) -> NDArray[Any]:
    with rasterio.open(path) as raster:
        array: NDArray[Any] = raster.read(index)
    return array


def wanted(
    *,
    bands: tuple[str, ...] = ("R", "N"),
    start: date = date(2000, 1, 1),
    end: date = date(2030, 12, 31),
    max_cloud: float = 100,
    where: shapely.Geometry = NORTHEAST,
) -> Wanted:
    return Wanted(where, start, end, max_cloud, bands)


def search(folder: Path, **choice: Any) -> Found:
    return FolderSource(folder).search(wanted(**choice))


def offered(folder: Path, **choice: Any) -> SceneOffer:
    """Give the only offer of a folder, of which nothing is refused."""
    found = search(folder, **choice)
    assert found.refused == ()
    (offer,) = found.offers
    return offer


def reason(folder: Path, **choice: Any) -> str:
    """Give the only refusal of a folder that offers nothing."""
    found = search(folder, **choice)
    assert found.offers == ()
    (refused,) = found.refused
    return refused.reason


def archived(
    source: FolderSource,
    offer: SceneOffer,
    folder: Path,
    keys: Iterable[str] | None = None,
) -> pystac.Item:
    """Fetch bands of an offer and put them into a new archive."""
    bands = {}
    for key in offer.bands if keys is None else keys:
        folder.mkdir(exist_ok=True)
        file = source.fetch(offer, key, clip=None, folder=folder)
        bands[key] = BandData(
            pixels(file.path), file.geobox, file.nodata, file.scale, file.offset
        )
    finest = min(bands.values(), key=lambda band: abs(band.geobox.resolution.x))
    return Archive(folder / "archive").add_scene(
        collection=offer.collection,
        item_id=offer.item_id,
        acquired=offer.acquired,
        geobox=finest.geobox,
        bands=bands,
        properties=offer.properties,
    )
