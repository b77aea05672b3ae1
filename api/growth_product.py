"""Growth as a product on disk, and as numbers of fields and counties."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pystac
import shapely
import xarray as xr
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from shapely.geometry.base import BaseGeometry

from api.errors import CropUnknown
from api.growth_request import DATES, GrowthRequest
from api.raster_file import open_raster
from ingest.archive import PRODUCTS, Archive, BandData
from models.features import CROPS, PURITY
from models.growth import ZoneYears, zone_years
from raster.composite import NODATA
from raster.coverage import coverage
from raster.grid import lonlat_bounds
from raster.product import write_season
from raster.product_check import is_whole, read_product
from raster.series import SERIES
from raster.zone_sums import zone_statistics

__all__ = [
    "CropShare",
    "GrowthProduct",
    "crop_share",
    "finished_growth",
    "make_growth",
    "publish",
]

# Ends of the colours of a difference on the page.
_RANGE = (-0.2, 0.2)

# More than this is not copied into the archive in one piece.
_MOST_PIXELS = 50_000_000

_Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class CropShare:
    """Share of a crop in each pixel of a grid, and the map it is from.

    Attributes
    ----------
    share
        float32 (y, x), 0..1; 0 where less than `PURITY` per cent, or unknown.
    item
        The crop map's archive item.
    """

    share: NDArray[np.float32]
    item: pystac.Item


def crop_share(archive: Archive, crop: str, geobox: GeoBox) -> CropShare | None:
    """Lay the archive's crop map over a grid, averaged; None where there is none.

    Raises
    ------
    CropUnknown
        There are crop maps, but none has the crop.
    """
    maps = [
        item
        for item in archive.items(PRODUCTS)
        if item.properties.get("heitu:kind") == "crop-map"
        and "heitu:crops" in item.properties
    ]
    if not maps:
        return None
    known = [item for item in maps if crop in item.properties["heitu:crops"]]
    if not known:
        raise CropUnknown(
            crop,
            known={name for item in maps for name in item.properties["heitu:crops"]},
        )
    best = max(known, key=lambda item: _fitness(item, geobox))
    band = best.properties["heitu:crops"].index(crop) + 1
    percent = _warped(best.assets["data"].href, band, geobox)
    pure = np.where(percent >= PURITY, percent, 0) / 100
    return CropShare(share=pure.astype(np.float32), item=best)


def _fitness(item: pystac.Item, geobox: GeoBox) -> tuple[float, float]:
    """Rank a crop map by its cover of the grid, then by its likeness in pixel size."""
    with open_raster(item.assets["data"].href) as source:
        grid = GeoBox(source.shape, source.transform, source.crs)
    wanted = shapely.box(*lonlat_bounds(geobox))
    there = shapely.box(*lonlat_bounds(grid)).intersection(wanted).area / wanted.area
    ratio = abs(grid.resolution.x) / abs(geobox.resolution.x)
    return round(there, 2), -abs(np.log(ratio))


def _warped(href: str, band: int, geobox: GeoBox) -> NDArray[np.float32]:
    with (
        open_raster(href) as source,
        WarpedVRT(
            source,
            crs=str(geobox.crs),
            transform=geobox.affine,
            height=geobox.shape.y,
            width=geobox.shape.x,
            resampling=Resampling.average,
            dtype="float32",
        ) as below,
    ):
        percent = below.read(band, masked=True)
    filled: NDArray[np.float32] = percent.filled(0).astype(np.float32)
    return np.where(filled <= 100, filled, np.float32(0))


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


def publish(
    product: GrowthProduct, *, share: CropShare | None, crop: str
) -> str | None:
    """Put the difference into the archive, for the page; returns the product's id.

    None where it is too large to be copied in one piece: the COGs are in the folder.
    """
    request = product.request
    if request.geobox.shape.y * request.geobox.shape.x > _MOST_PIXELS:
        return None
    with open_raster(str(product.folder / "difference.tif")) as source:
        pixels = source.read(1)
    if share is not None:
        pixels = np.where(share.share > 0, pixels, np.int16(NODATA))
    name = f"{product.item.id}-{crop}" if share is not None else product.item.id
    made = request.properties()
    request.archive.add_product(
        product_id=name,
        kind="growth",
        geobox=request.geobox,
        asset=BandData(
            pixels, request.geobox, nodata=NODATA, scale=request.scale, offset=0.0
        ),
        properties={
            **{key: made[key] for key in made if key not in _LONG},
            **({"heitu:crop": crop} if crop in CROPS and share is not None else {}),
            "heitu:unit": f"Δ{request.index.upper()}",
            "heitu:range": list(_RANGE),
            "heitu:colormap": "rdylgn",
        },
    )
    return name


# Stand in the product's own item.
_LONG = {"heitu:inputs", "heitu:parameters", "heitu:kind"}


def seasons_alike(collections: Mapping[int, str]) -> bool:
    """Tell whether all years were seen by the same scenes."""
    return len({*collections.values()}) <= 1
