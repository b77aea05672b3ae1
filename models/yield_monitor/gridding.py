"""From points to a raster: what the points of each pixel say, and how many they are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from models.yield_monitor.clean import Cleaned
from raster.errors import GridInvalid
from raster.grid import check_crs, geobox_for

__all__ = ["YieldGrid", "grid_for", "grid_points"]


@dataclass(frozen=True, slots=True, eq=False)
class YieldGrid:
    """Cleaned points on a grid.

    Attributes
    ----------
    geobox
        The grid.
    mean
        float32 (y, x), t/ha: grain over land of the pixel's good points; NaN without.
    count
        int32 (y, x), good points.
    standard_error
        float32 (y, x), t/ha: standard deviation of the points over the root of their
        count; NaN for fewer than two. Points of a pixel come from the same pass or
        two, so it says how much they differ, and nothing of a bias they share.
    """

    geobox: GeoBox
    mean: NDArray[np.float32]
    count: NDArray[np.int32]
    standard_error: NDArray[np.float32]


def grid_for(cleaned: Cleaned, *, resolution: float = 10.0) -> GeoBox:
    """Grid over the good points in their UTM zone, pixels of `resolution` metres.

    Raises
    ------
    raster.GridInvalid
        There are no good points, or the resolution is not positive.
    """
    good = cleaned.good
    lon, lat = good["lon"].to_numpy(float), good["lat"].to_numpy(float)
    if not len(good):
        raise GridInvalid(
            "no point of the harvest is good: see the table of reasons"
            " · 没有有效测产点，请查看原因统计"
        )
    # Points at the very edge of a rectangle would lie on the edge of their pixel.
    margin = resolution * 2e-5
    # Pixels of a projected grid are of one size, which degrees are not.
    zone = int((lon.mean() + 180) // 6) + 1
    return geobox_for(
        (
            lon.min() - margin,
            lat.min() - margin,
            lon.max() + margin,
            lat.max() + margin,
        ),
        crs=f"EPSG:{(32600 if lat.mean() >= 0 else 32700) + zone}",
        resolution=resolution,
    )


def grid_points(cleaned: Cleaned, geobox: GeoBox) -> YieldGrid:
    """Bring the good points to a grid, each to the pixel it lies in.

    Raises
    ------
    raster.GridInvalid
        The grid has no CRS.
    """
    check_crs(geobox)
    good = cleaned.good
    to_grid = Transformer.from_crs("EPSG:4326", str(geobox.crs), always_xy=True)
    x, y = to_grid.transform(good["lon"].to_numpy(), good["lat"].to_numpy())
    col, row = ~geobox.affine @ (np.asarray(x), np.asarray(y))
    height, width = geobox.shape
    on_grid = (col >= 0) & (col < width) & (row >= 0) & (row < height)
    pixel = np.floor(row[on_grid]).astype(np.intp) * width + np.floor(
        col[on_grid]
    ).astype(np.intp)
    kept = good[on_grid]
    yields, area = kept["yield_t_ha"].to_numpy(), kept["area_m2"].to_numpy()

    def summed(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.bincount(pixel, values, height * width), np.float64)

    count = summed(np.ones(len(pixel)))
    with np.errstate(divide="ignore", invalid="ignore"):
        # Grain over land, not the mean of yields: a row over little land says little.
        mean = summed(yields * area) / summed(area)
        middle = summed(yields) / count
        spread = summed((yields - middle[pixel]) ** 2) / (count - 1)
        error = np.where(count > 1, np.sqrt(spread / count), np.nan)
    return YieldGrid(
        geobox=geobox,
        mean=mean.reshape(height, width).astype(np.float32),
        count=count.reshape(height, width).astype(np.int32),
        standard_error=error.reshape(height, width).astype(np.float32),
    )
