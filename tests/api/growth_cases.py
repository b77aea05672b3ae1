"""An archive of one county whose growth is known: an even index in every year."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox
from typer.testing import CliRunner, Result

from api.cli import app
from api.growth_request import GrowthRequest
from api.place import place_of_county
from ingest.archive import Archive, BandData
from raster.grid import geobox_for

LISHU = "220322"
PLACE = place_of_county(LISHU)
GRID = geobox_for(PLACE.bounds, crs="EPSG:32651", resolution=4000)
DAY = date(2026, 7, 25)

# Mean of the past years 0.64; no scene of 2020; 2026 is 0.06 below, beyond them all.
LEVELS = {2021: 0.60, 2022: 0.62, 2023: 0.64, 2024: 0.66, 2025: 0.68, 2026: 0.58}

_DATES = ((6, 15), (7, 5), (7, 15), (7, 25))
_RED = 0.05


def add_years(
    archive: Archive, levels: Mapping[int, float], *, clouded: tuple[int, ...] = ()
) -> None:
    """Add scenes of an even NDVI a year; of some years cloud everywhere."""
    for year, level in levels.items():
        scl = np.full(GRID.shape, 9 if year in clouded else 4, np.uint8)
        for month, day in _DATES:
            archive.add_scene(
                collection="even",
                item_id=f"even-{year}{month:02d}{day:02d}",
                acquired=datetime(year, month, day, 2, 40, tzinfo=UTC),
                geobox=GRID,
                bands={
                    "B04": _reflectance(_RED),
                    "B08": _reflectance(_RED * (1 + level) / (1 - level)),
                    "SCL": BandData(scl, GRID, nodata=0),
                },
                properties={"heitu:simulated": True},
            )
    archive.refresh_links()


def _reflectance(value: float) -> BandData:
    number = np.full(GRID.shape, round(value * 10_000) + 1000, np.uint16)
    return BandData(number, GRID, nodata=0, scale=0.0001, offset=-0.1)


def add_crop_map(archive: Archive, grid: GeoBox = GRID) -> None:
    """Half of every pixel is maize, a tenth soybean."""
    percent = np.zeros((2, *grid.shape), np.uint8)
    percent[0], percent[1] = 50, 10
    archive.add_product(
        product_id="crop-map-even",
        kind="crop-map",
        geobox=grid,
        asset=BandData(percent, grid, nodata=255),
        properties={
            "title": "Crop shares",
            "heitu:title_zh": "作物比例",
            "heitu:crops": ["maize", "soybean"],
            "heitu:unit": "%",
            "heitu:year": 2026,
            "heitu:run": "0123456789abcdef",
            "heitu:simulated": True,
        },
    )


def request(archive: Archive, **settings: Any) -> GrowthRequest:
    given = {"place": PLACE, "day": DAY, "past": 6, **settings}
    return GrowthRequest(archive=archive, **given)


def run(data: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--data", str(data)])
