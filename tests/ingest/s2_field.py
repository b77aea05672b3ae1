"""A real Sentinel-2 season written into an archive: 33 dates of 2019, one field."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pystac
import xarray as xr
from odc.geo.geobox import GeoBox
from rasterio.transform import from_origin

from ingest.archive import Archive, BandData

COLLECTION = "s2-field-2019"


def read_s2_field(folder: Path) -> xr.Dataset:
    """Digital numbers (t, y, x) as the data's authors stored them, NaN nodata."""
    with xr.open_dataset(folder / "raw_s2_ndvi_field.nc") as dataset:
        return dataset[["B04", "B08", "SCL", "NDVI"]].load()


def s2_field_grid(dataset: xr.Dataset) -> GeoBox:
    """The 10 m grid of the cube; its coordinates are pixel centres."""
    west, north = float(dataset.x[0]) - 5, float(dataset.y[0]) + 5
    transform = from_origin(west, north, 10, 10)
    return GeoBox((dataset.sizes["y"], dataset.sizes["x"]), transform, "EPSG:32630")


def write_s2_field(archive: Archive, folder: Path) -> list[pystac.Item]:
    """Write every date of `folder` (shared_data / "s2_field_2019") as a scene.

    Reflectance = DN * 1e-4 with offset 0, as processing baseline 02 has it; nodata 0.
    """
    dataset = read_s2_field(folder)
    grid = s2_field_grid(dataset)
    for step in range(dataset.sizes["t"]):
        scene = dataset.isel(t=step)
        day = datetime.fromisoformat(str(scene.t.values)[:10]).replace(tzinfo=UTC)
        archive.add_scene(
            collection=COLLECTION,
            item_id=f"s2-{day:%Y%m%d}",
            acquired=day,
            geobox=grid,
            bands={
                "B04": _band(scene.B04, grid, dtype="uint16", scale=1e-4, offset=0.0),
                "B08": _band(scene.B08, grid, dtype="uint16", scale=1e-4, offset=0.0),
                "SCL": _band(scene.SCL, grid, dtype="uint8"),
            },
            properties={"constellation": "sentinel-2", "heitu:simulated": False},
        )
    archive.refresh_links()
    return archive.items(COLLECTION)


def _band(
    values: xr.DataArray,
    grid: GeoBox,
    *,
    dtype: str,
    scale: float | None = None,
    offset: float | None = None,
) -> BandData:
    numbers = np.nan_to_num(values.to_numpy(), nan=0.0).astype(dtype)
    return BandData(numbers, grid, 0, scale, offset)
