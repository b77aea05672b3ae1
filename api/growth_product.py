"""Growth as a product on disk, and as numbers of fields and counties."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pystac
import xarray as xr
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from api.growth_request import DATES, GrowthRequest
from api.raster_file import open_raster
from models.growth import ZoneYears, zone_years
from raster.coverage import coverage
from raster.product import write_season
from raster.product_check import is_whole, read_product
from raster.series import SERIES
from raster.zone_sums import zone_statistics

__all__ = [
    "GrowthProduct",
    "finished_growth",
    "make_growth",
    "seasons_alike",
]

_Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthProduct:
    """Growth that was written: a folder of COGs, a Zarr store and an item."""

    item: pystac.Item
    folder: Path
    request: GrowthRequest

    def dataset(self) -> xr.Dataset:
        """Open value and dates of every year, and the layers, as stored integers."""
        series: xr.Dataset = xr.open_zarr(self.folder / SERIES, mask_and_scale=False)
        maps = {}
        for name in ("difference", "vci", "grade", "status", "years"):
            with open_raster(str(self.folder / f"{name}.tif")) as source:
                maps[name] = (("y", "x"), source.read(1))
        return series.assign(maps)

    def zones(
        self,
        geometries: Sequence[BaseGeometry],
        labels: Sequence[Hashable],
        *,
        share: NDArray[np.float32] | None,
    ) -> ZoneYears:
        """Average the growth over zones, by crop."""
        found = self.dataset()
        return zone_years(
            found["value"],
            found["grade"],
            coverage(self.request.geobox, geometries),
            weights=share,
            min_share=self.request.grading.min_share,
            zones=labels,
        )

    def dates(
        self, geometry: BaseGeometry, *, share: NDArray[np.float32] | None
    ) -> _Float:
        """Return the mean dates of a zone, (year, date), days since 1 April."""
        found = self.dataset()
        zone = coverage(self.request.geobox, [geometry])
        means = [
            zone_statistics(found[name], zone, weights=share)["mean"].to_numpy()[0]
            for name in DATES
        ]
        return np.stack(means, axis=1)


def finished_growth(request: GrowthRequest, folder: Path) -> GrowthProduct | None:
    """Return the very product that is asked for, if it is in the folder already."""
    item = read_product(folder, request.product_id)
    if item is None or item.properties.get("heitu:run") != request.recipe.run_id:
        return None
    if not is_whole(item):
        return None
    return GrowthProduct(item=item, folder=folder / item.id, request=request)


def make_growth(
    request: GrowthRequest,
    folder: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> GrowthProduct:
    """Compute growth block by block and write it, or take what is there already.

    Raises
    ------
    raster.RasterError
        As of `raster.product.write_season`.
    """
    done = finished_growth(request, folder)
    if done is not None:
        return done
    item = write_season(
        request.dataset(),
        folder,
        product_id=request.product_id,
        properties=request.properties(),
        sources=request.sources(folder / request.product_id),
        progress=progress,
    )
    return GrowthProduct(item=item, folder=folder / item.id, request=request)


def seasons_alike(collections: Mapping[int, str]) -> bool:
    """Tell whether all years were seen by the same scenes."""
    return len({*collections.values()}) <= 1
