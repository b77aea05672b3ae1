"""A small country of two halves: maize in the west, bare ground in the east."""

import csv
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from api.cli import app
from ingest.archive import Archive, BandData
from tests.api.samples import CLOUDED, FINE, lonlat

# NDVI of maize from May to October; bare ground stays at 0.15.
MAIZE = {5: 0.25, 6: 0.5, 7: 0.85, 8: 0.8, 9: 0.5, 10: 0.2}
BARE = 0.15
RED = 0.05

# Inside the grid of the scenes.
BOX = ("--bbox", "124.2955", "43.3012", "124.3005", "43.3055")
HOW = (
    *("--series", "ndvi_smooth", "--step", "month", "--method", "hist"),
    *("--block-km", "0.1", "--least", "20", "--simulated"),
)


def add_year(folder: Path, year: int, *, shift: float = 0.0) -> None:
    """Add a scene a month; `shift` is added to every NDVI."""
    archive = Archive(folder / "archive")
    rng = np.random.default_rng(year)
    for month, ndvi in MAIZE.items():
        values = np.full(FINE.shape, BARE)
        values[:, :32] = ndvi
        values += rng.normal(shift, 0.02, FINE.shape)
        add_scene(archive, datetime(year, month, 15, 2, 40, tzinfo=UTC), values)
    archive.refresh_links()


def add_scene(archive: Archive, when: datetime, ndvi: NDArray[np.float64]) -> None:
    near = RED * (1 + ndvi) / (1 - ndvi)
    clear = np.full(FINE.shape, 4, np.uint8)
    clear[CLOUDED] = 9
    archive.add_scene(
        collection="fine",
        item_id=f"fine-{when:%Y%m%d}",
        acquired=when,
        geobox=FINE,
        bands={
            "B04": _band(np.full(FINE.shape, RED)),
            "B08": _band(near),
            "SCL": BandData(clear, FINE, nodata=0),
        },
        properties={"heitu:simulated": True},
    )


def _band(reflectance: NDArray[np.float64]) -> BandData:
    numbers = np.rint((reflectance + 0.1) * 10_000).astype(np.uint16)
    return BandData(numbers, FINE, nodata=0, scale=0.0001, offset=-0.1)


def write_points(path: Path, *, year: int = 2026, beside: bool = False) -> Path:
    """Write a point every fourth pixel; `beside` adds one far from every scene."""
    rows = []
    for row in range(2, 64, 4):
        for column in range(2, 64, 4):
            place = lonlat(FINE, (row, column))
            label = "maize" if column < 32 else "noncrop"
            rows.append([place["lon"], place["lat"], label, year])
    if beside:
        rows.append([125.9, 43.9, "maize", year])
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["lon", "lat", "label", "year"])
        table.writerows(rows)
    return path


def run(data: Path, *arguments: str) -> Result:
    name, *others = arguments
    whole = ["crop-map", name, *others, "--data", str(data)]
    return CliRunner().invoke(app, whole)
