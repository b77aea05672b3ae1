"""What the tests of seasons share: a small archive, places and the command."""

import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import xarray as xr
from odc.geo.geobox import GeoBox
from typer.testing import CliRunner, Result

from api.cli import app
from api.place import place_in_box
from api.season_product import SeasonRequest
from ingest.archive import Archive, BandData
from tests.api import samples

# Inside the fine scenes.
INSIDE = (124.2955, 43.3012, 124.3005, 43.3055)
BOX = ("--bbox", *map(str, INSIDE))
SUMMER: dict[str, Any] = {"start": date(2026, 4, 1), "end": date(2026, 10, 31)}


def add_data(folder: Path) -> Path:
    """Make a data folder with scenes at 10 m of 2026 and at 250 m of 2025 and 2026."""
    archive = Archive(folder / "archive")
    samples.add_scenes(archive, "fine", samples.FINE, samples.FINE_2026)
    samples.add_scenes(archive, "coarse", samples.COARSE, samples.COARSE_YEARS)
    archive.refresh_links()
    return folder


def run(data: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["season", "--data", str(data), *arguments])


def made(result: Result) -> tuple[Path, pystac.Item]:
    """Folder and item of the product that a command says it made."""
    assert result.exception is None, result.output
    folder = Path(result.stdout.splitlines()[0])
    return folder, pystac.Item.from_file(str(folder / f"{folder.name}.json"))


def series(folder: Path) -> xr.Dataset:
    cube: xr.Dataset = xr.open_zarr(folder / "season.zarr", mask_and_scale=False)
    return cube.load()


def request(data: Path, **settings: Any) -> SeasonRequest:
    given = {"place": place_in_box(INSIDE), **SUMMER, "options": {}, **settings}
    return SeasonRequest(archive=Archive(data / "archive"), **given)


def add_july_scene(
    archive: Archive, grid: GeoBox, item_id: str, *, nir: object, replace: bool = False
) -> None:
    """Add a cloudless scene to collection "fine"."""

    def band(numbers: object) -> BandData:
        values = np.broadcast_to(np.asarray(numbers, np.uint16), grid.shape).copy()
        return BandData(values, grid, nodata=0, scale=0.0001, offset=-0.1)

    archive.add_scene(
        collection="fine",
        item_id=item_id,
        acquired=datetime(2026, 7, 15, 2, 40, tzinfo=UTC),
        geobox=grid,
        bands={
            "B04": band(samples.RED_DN),
            "B08": band(nir),
            "SCL": BandData(np.full(grid.shape, 4, np.uint8), grid, nodata=0),
        },
        properties={"heitu:simulated": True},
        replace=replace,
    )


def check_languages(error: BaseException) -> None:
    """Check that a message is "English · 中文"."""
    english, chinese = str(error).split(" · ")
    assert re.search("[a-z]{3}", english)
    assert re.search("[\u4e00-\u9fff]", chinese)
