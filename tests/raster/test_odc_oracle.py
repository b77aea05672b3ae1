"""Composites against odc-stac and xarray, which share no code with ours."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import odc.stac
import pystac
import pytest
import xarray as xr
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from shapely.geometry import box, mapping

from raster.season import season
from tests.raster.scenes import UTM, grid, write_scene

# odc-geo 0.5 uses a function that shapely 2.2 has given up.
pytestmark = pytest.mark.filterwarnings(
    "ignore:The 'shapely.ops.transform:DeprecationWarning"
)

NODATA = -32768
WHERE = grid(64, 64)
DAYS = [f"2026-{month:02}-{day:02}" for month in (5, 6, 7) for day in (1, 9, 17, 26)]
OFFSETS = (0.0, -0.1)


def scene(folder: Path, day: str, seed: int) -> pystac.Item:
    """Noise at 10 m, classes at 20 m; every second scene with an offset."""
    rng = np.random.default_rng(seed)
    offset = OFFSETS[seed % 2]
    shift = round(-offset * 10_000)
    item = write_scene(
        folder,
        day,
        red=rng.integers(200, 3000, WHERE.shape) + shift,
        nir=rng.integers(1000, 6000, WHERE.shape) + shift,
        scl=rng.choice([0, 3, 4, 5, 6, 7, 8, 9, 10, 11], (32, 32)),
        geobox=WHERE,
        scl_geobox=grid(32, 32, resolution=20),
        calibration={"raster:bands": [{"scale": 0.0001, "offset": offset}]},
    )
    assert item.bbox is not None
    item.geometry = mapping(box(*item.bbox))
    item.properties["proj:code"] = UTM
    return item


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> list[pystac.Item]:
    folder = tmp_path_factory.mktemp("scenes")
    return [scene(folder, day, seed) for seed, day in enumerate(DAYS)]


def loaded(items: list[pystac.Item], where: GeoBox) -> xr.Dataset:
    cube: xr.Dataset = odc.stac.load(
        items, bands=["B04", "B08", "SCL"], geobox=where, resampling="nearest"
    )
    return cube


def theirs(items: list[pystac.Item], where: GeoBox) -> NDArray[np.float64]:
    """Monthly median NDVI of the clear observations, in steps of 1e-4."""
    cube = loaded(items, where)
    offsets = xr.DataArray([OFFSETS[i % 2] for i in range(len(items))], dims="time")
    red, nir = (cube[name] * 1e-4 + offsets for name in ("B04", "B08"))
    ndvi = ((nir - red) / (nir + red)).where(cube.SCL.isin([4, 5, 6, 7]))
    monthly: Any = ndvi.groupby("time.month").map(_median)
    return np.asarray(monthly.to_numpy() * 10_000)


def _median(month: xr.DataArray) -> xr.DataArray:
    # Told apart first, since numpy warns on a pixel without a value.
    empty = month.isnull().all("time")
    return month.where(~empty, 0).median("time").where(~empty)


@pytest.mark.parametrize("where", [WHERE, WHERE[10:41, 3:60]])
def test_monthly_medians_equal_odc_stac_and_xarray(
    items: list[pystac.Item], where: GeoBox
) -> None:
    ours = season(
        items,
        where,
        start=date(2026, 5, 1),
        end=date(2026, 7, 31),
        step="month",
        variables=["ndvi"],
    ).compute()

    expected = theirs(items, where)
    found = ours.ndvi.to_numpy()
    np.testing.assert_array_equal(found == NODATA, np.isnan(expected))
    known = found != NODATA
    assert known.mean() > 0.5
    # Half a step of rounding, and float32 in between.
    np.testing.assert_allclose(found[known], expected[known], atol=0.51)
