"""Small rasters of known content, in the forms providers offer them."""

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer

CRS = "EPSG:32651"
LEFT, TOP, PIXEL = 600_000, 4_820_000, 10
NAMES = {"COG": "tif", "GTiff": "tif", "JP2OpenJPEG": "jp2"}


def numbers(height: int, width: int, *, seed: int = 1) -> NDArray[np.uint16]:
    """Reflectances that differ from pixel to pixel."""
    rng = np.random.default_rng(seed)
    return rng.integers(1, 10_000, (height, width), dtype=np.uint16)


def write(
    path: Path, array: NDArray[Any], *, driver: str = "GTiff", **options: Any
) -> Path:
    """Write (y, x) or (bands, y, x) with 10 m pixels in UTM zone 51."""
    bands = array[np.newaxis] if array.ndim == 2 else array
    profile = {
        "driver": driver,
        "count": len(bands),
        "height": bands.shape[1],
        "width": bands.shape[2],
        "dtype": bands.dtype.name,
        "crs": CRS,
        "transform": Affine(PIXEL, 0, LEFT, 0, -PIXEL, TOP),
    }
    if driver == "JP2OpenJPEG":
        profile |= {"QUALITY": 100, "REVERSIBLE": "YES"}
    with rasterio.open(path, "w", **(profile | options)) as file:
        file.write(bands)
    return path


def pixels(path: Path | str, index: int = 1) -> NDArray[Any]:
    """Read one band."""
    with rasterio.open(path) as file:
        band: NDArray[Any] = file.read(index)
    return band


def degrees(
    *, rows: tuple[float, float], columns: tuple[float, float]
) -> tuple[float, float, float, float]:
    """Rectangle in degrees that lies within some rows and columns of `write`'s grid.

    Its sides bend in UTM: it is taken a hundredth of a pixel inside.
    """
    to_degrees = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
    x = [LEFT + PIXEL * column for column in columns]
    y = [TOP - PIXEL * row for row in rows]
    corners = [to_degrees.transform(a, b) for a in x for b in y]
    lon, lat = sorted(c[0] for c in corners), sorted(c[1] for c in corners)
    return lon[1], lat[1], lon[2], lat[2]
