"""The ground under a grid: which county and which crops lie in each pixel."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pystac
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from api.raster_file import open_raster
from ingest.archive import Archive
from raster.zonal import zone_index
from store.counties import County

__all__ = ["Ground", "crop_map_id", "load_ground"]


@dataclass(frozen=True, kw_only=True)
class Ground:
    """Counties and crops of one grid; the arrays are made when they are first used."""

    geobox: GeoBox
    crop_map: pystac.Item
    """The crop map's archive item; its checksum goes into every run that used it."""

    counties: tuple[County, ...]

    @property
    def codes(self) -> tuple[str, ...]:
        """GB/T 2260 codes in the order of `zones`."""
        return tuple(county.code for county in self.counties)

    @cached_property
    def zones(self) -> NDArray[np.int16]:
        """Position in `codes` of each pixel's county, (y, x); -1 outside."""
        outlines = [county.geometry for county in self.counties]
        return zone_index(self.geobox, outlines)

    @cached_property
    def fractions(self) -> NDArray[np.uint8]:
        """Percent of maize, rice and soybean, (3, y, x); 255 outside the province."""
        with open_raster(self.crop_map.assets["data"].href) as source:
            percent: NDArray[np.uint8] = source.read()
            return percent

    def fraction(self, crop_position: int) -> NDArray[np.float32]:
        """Return the share 0..1 of one crop, 0 outside the province."""
        percent = self.fractions[crop_position]
        inside = np.where(percent == 255, np.uint8(0), percent)
        return np.divide(inside, 100, dtype=np.float32)

    def known_fraction(self, crop_position: int) -> NDArray[np.float32]:
        """Return the share 0..1 of one crop, NaN where the map does not say."""
        percent = self.fractions[crop_position]
        share = np.divide(percent, 100, dtype=np.float32)
        return np.where(percent == 255, np.float32(np.nan), share)


def crop_map_id(grid: str) -> str:
    """Return the product id of the crop map on the grid named `grid`."""
    return f"crop-map-{grid}"


def load_ground(archive: Archive, grid: str, counties: Sequence[County]) -> Ground:
    """Find the crop map of a grid, to lay the counties over it.

    Raises
    ------
    ingest.IngestError
        The archive has no crop map for this grid.
    """
    item = archive.item("products", crop_map_id(grid))
    with open_raster(item.assets["data"].href) as source:
        geobox = GeoBox(source.shape, source.transform, source.crs)
    return Ground(geobox=geobox, crop_map=item, counties=tuple(counties))
