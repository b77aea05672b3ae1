"""A real stack: 68 Sentinel-2 dates of 2015 to 2017 with their cloud masks.

eo-learn example data (Sinergise and contributors, MIT), contains modified Copernicus
Sentinel data 2015-2017.
"""

import json
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
import xarray as xr
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from raster.indices import Index
from raster.season import season
from tests.raster.scenes import write_scene

NODATA = -32768

# The stack holds NDVI alone; a band of NDVI + 1 carries it through the files.
SHIFTED = Index("shifted", "N", long_name="NDVI + 1", valid=(0, 3))

Stack = tuple[NDArray[np.float32], NDArray[np.bool_], list[datetime]]


@pytest.fixture(scope="module")
def stack(shared_data: Path) -> Stack:
    """NDVI, usable, and time of each date; two times of one day are one look."""
    folder = shared_data / "eo_patch"
    ndvi = np.load(folder / "data/NDVI.npy")[..., 0]
    usable = np.load(folder / "mask/IS_VALID.npy")[..., 0]
    texts = json.loads((folder / "timestamps.json").read_text())
    return ndvi, usable, [datetime.fromisoformat(text) for text in texts]


@pytest.fixture(scope="module")
def items(
    stack: Stack, shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[pystac.Item], GeoBox]:
    folder = tmp_path_factory.mktemp("stack")
    bbox = json.loads((shared_data / "eo_patch/bbox.geojson").read_text())
    corners = np.array(bbox["coordinates"][0])
    west, south = corners.min(axis=0)
    east, north = corners.max(axis=0)
    geobox = GeoBox.from_bbox(
        (west, south, east, north), "EPSG:32633", shape=stack[0].shape[1:]
    )
    scenes = [
        write_scene(
            folder,
            f"{moment:%Y-%m-%dT%H:%M:%S}+00:00",
            red=1,
            nir=np.round((ndvi + 1) * 10_000),
            scl=np.where(usable, 4, 9),
            geobox=geobox,
            item_id=f"S2_{moment:%Y%m%dT%H%M%S}",
        )
        for ndvi, usable, moment in zip(*stack, strict=True)
    ]
    return scenes, geobox


def monthly(items: tuple[Sequence[pystac.Item], GeoBox], composite: Any) -> xr.Dataset:
    scenes, geobox = items
    return season(
        scenes,
        geobox,
        start=date(2015, 7, 1),
        end=date(2017, 12, 31),
        step="month",
        composite=composite,
        variables=[SHIFTED, "clear_count"],
    ).compute()


def looks(stack: Stack) -> tuple[NDArray[np.float64], list[date]]:
    """NDVI where usable, NaN elsewhere; the later time of a day completes the other."""
    ndvi, usable, moments = stack
    known = np.where(usable, np.round((ndvi + 1) * 10_000), np.nan)
    days = sorted({moment.date() for moment in moments})
    merged = []
    for day in days:
        of_day = [i for i, moment in enumerate(moments) if moment.date() == day]
        look = known[of_day[-1]]
        for i in of_day[-2::-1]:
            look = np.where(np.isnan(look), known[i], look)
        merged.append(look)
    return np.stack(merged), days


@pytest.mark.parametrize("composite", ["median", "max"])
def test_monthly_composites_equal_numpy(
    stack: Stack, items: tuple[list[pystac.Item], GeoBox], composite: str
) -> None:
    found = monthly(items, composite)

    known, days = looks(stack)
    assert len(days) == 67
    oracle: Any = {"median": np.nanmedian, "max": np.nanmax}[composite]
    for number, first in enumerate(found.time.values.astype("datetime64[M]")):
        of_month = [i for i, day in enumerate(days) if np.datetime64(day, "M") == first]
        month = known[of_month] if of_month else np.full_like(known[:1], np.nan)
        empty = np.isnan(month).all(axis=0)
        expected = oracle(np.where(empty, 0, month), axis=0)
        ours = found.shifted.values[number]
        np.testing.assert_array_equal(ours == NODATA, empty)
        # The mean of two middle values may end in a half.
        np.testing.assert_allclose(ours[~empty], expected[~empty], atol=0.51)
        counted = np.isfinite(month).sum(axis=0)
        np.testing.assert_array_equal(found.clear_count.values[number], counted)


def test_valid_dates_are_counted_as_published(
    items: tuple[list[pystac.Item], GeoBox], stack: Stack, shared_data: Path
) -> None:
    published = np.load(shared_data / "eo_patch/mask_timeless/VALID_COUNT.npy")[..., 0]

    counted = monthly(items, "median").clear_count.values.sum(axis=0)

    # On 8 December 2015 the place was seen twice within minutes: one look of ours.
    _, usable, moments = stack
    twice = [i for i, m in enumerate(moments) if m.date() == date(2015, 12, 8)]
    both = usable[twice].all(axis=0)
    np.testing.assert_array_equal(counted, published - both)
