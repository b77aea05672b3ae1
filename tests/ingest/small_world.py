"""Scenes of a small place as a provider serves them: real files, real items."""

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio import Affine

from ingest.http import Web
from ingest.offer import Wanted
from ingest.stac_api import EARTH_SEARCH, StacSource
from raster.grid import lonlat_bounds
from tests.ingest.rasters import CRS, LEFT, PIXEL, TOP, numbers, write
from tests.ingest.stac_api.items import earth_search
from tests.ingest.stac_api.server import StandIn
from tests.ingest.test_http import Clock

SIZE = 600
"""Pixels of 10 m a side."""

GRID = GeoBox((SIZE, SIZE), Affine(PIXEL, 0, LEFT, 0, -PIXEL, TOP), CRS)
PLACE = shapely.box(*lonlat_bounds(GRID))
MIDDLE = shapely.box(*PLACE.centroid.buffer(0.01).bounds)
KEYS = {"B04": 1, "B08": 2, "B11": 3}
CLEAR, CLOUD = 4, 9


@dataclass
class SmallWorld:
    """Days of one tile, below a folder that a `StandIn` serves."""

    folder: Path
    days: list[str] = field(default_factory=list)

    def add(self, day: str, **properties: Any) -> dict[str, Any]:
        """Write the files of a day and give its item; the address comes later."""
        self.days.append(day)
        place = self.folder / day
        place.mkdir(parents=True)
        for key in KEYS:
            write(place / f"{key}.tif", self.pixels(day, key), driver="COG", nodata=0)
        # The left half is under cloud; classes have pixels of 20 m.
        classes = np.full((SIZE // 2, SIZE // 2), CLEAR, np.uint8)
        classes[:, : SIZE // 4] = CLOUD
        transform = Affine(2 * PIXEL, 0, LEFT, 0, -2 * PIXEL, TOP)
        write(place / "SCL.tif", classes, driver="COG", nodata=0, transform=transform)
        item = earth_search(day, place=PLACE, base="BASE", **properties)
        for key, asset in item["assets"].items():
            asset["href"] = asset["href"].replace("BASE", f"BASE/files/{day}")
            assert key
        return item

    def pixels(self, day: str, key: str) -> NDArray[np.uint16]:
        """Numbers in the file of a band."""
        return numbers(SIZE, SIZE, seed=int(day.replace("-", "")) + KEYS[key])


def at(server: StandIn, *items: dict[str, Any]) -> None:
    """Serve items whose files lie below the server's folder."""
    for item in items:
        for asset in item["assets"].values():
            asset["href"] = asset["href"].replace("BASE", server.url)
        server.api.items.append(item)


def source(server: StandIn) -> StacSource:
    """Earth Search as the stand-in plays it, asked without waiting."""
    web = Web(stop=Clock(), tries=3)
    return StacSource(
        EARTH_SEARCH, url=server.api_url, collection="sentinel-2-c1-l2a", web=web
    )


def wanted(
    *, where: shapely.Geometry = PLACE, most: float = 100.0, year: int = 2025
) -> Wanted:
    """Everything of a growing season."""
    return Wanted(where, date(year, 4, 1), date(year, 10, 31), most, bands=())
