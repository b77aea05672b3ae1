"""Real Sentinel-2 dates through the archive."""

from datetime import date
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
import xarray as xr

from ingest.archive import Archive
from tests.ingest.s2_field import COLLECTION, read_s2_field, write_s2_field


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    return shared_data / "s2_field_2019"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Archive:
    archive = Archive(tmp_path_factory.mktemp("s2") / "archive")
    write_s2_field(archive, folder)
    return archive


@pytest.fixture(scope="module")
def cube(folder: Path) -> xr.Dataset:
    return read_s2_field(folder)


def _pixels(item: pystac.Item, key: str) -> np.ndarray:
    with rasterio.open(item.assets[key].href) as dataset:
        return np.asarray(dataset.read(1), dtype=float)


@pytest.mark.parametrize("key", ["B04", "B08", "SCL"])
def test_every_date_comes_back_equal(
    archive: Archive, cube: xr.Dataset, key: str
) -> None:
    items = archive.items(COLLECTION)
    read = np.stack([_pixels(item, key) for item in items])
    # 0 is no valid number in any of the three layers.
    np.testing.assert_array_equal(np.where(read == 0, np.nan, read), cube[key])


def test_dates_are_those_of_the_data(archive: Archive) -> None:
    days = [f"{item.datetime:%m-%d}" for item in archive.items(COLLECTION)]
    assert len(days) == 33
    assert (days[0], days[12], days[-1]) == ("01-27", "05-02", "12-28")


def test_may_and_june_by_date(archive: Archive) -> None:
    items = archive.items(COLLECTION, start=date(2019, 5, 2), end=date(2019, 6, 26))
    assert [item.id for item in items] == [
        "s2-20190502",
        "s2-20190527",
        "s2-20190601",
        "s2-20190626",
    ]


def test_field_lies_in_northern_spain(archive: Archive) -> None:
    assert len(archive.items(COLLECTION, bbox=(-4.873, 41.773, -4.871, 41.775))) == 33
    assert archive.items(COLLECTION, bbox=(125.0, 43.0, 126.0, 44.0)) == []


def test_ndvi_from_the_files_is_the_published_ndvi(
    archive: Archive, cube: xr.Dataset
) -> None:
    item = archive.item(COLLECTION, "s2-20190502")
    red, nir = _pixels(item, "B04"), _pixels(item, "B08")
    valid = red > 0
    ndvi = (nir[valid] - red[valid]) / (nir[valid] + red[valid])
    published = cube.NDVI.sel(t="2019-05-02").squeeze().to_numpy()[valid]
    np.testing.assert_allclose(ndvi, published, atol=1e-6)


def test_archive_of_real_scenes_is_whole(archive: Archive) -> None:
    assert archive.verify() == []
