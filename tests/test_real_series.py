"""A real Sentinel-2 year through archive and season: no simulated pixel in it."""

from datetime import date
from pathlib import Path

import numpy as np
import pystac
import pytest
import xarray as xr

from ingest.archive import Archive
from raster.season import season
from tests.ingest.s2_field import read_s2_field, s2_field_grid, write_s2_field


@pytest.fixture(scope="module")
def field(shared_data: Path) -> xr.Dataset:
    return read_s2_field(shared_data / "s2_field_2019")


@pytest.fixture(scope="module")
def items(
    shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[pystac.Item]:
    archive = Archive(tmp_path_factory.mktemp("archive"))
    return write_s2_field(archive, shared_data / "s2_field_2019")


@pytest.fixture(scope="module")
def dates(items: list[pystac.Item], field: xr.Dataset) -> xr.Dataset:
    lazy = season(
        items,
        s2_field_grid(field),
        start=date(2019, 1, 1),
        end=date(2019, 12, 31),
        variables=["ndvi", "pos"],
        step="date",
        smoothing=0,
    )
    return xr.decode_cf(lazy.compute(), decode_times=False)


def test_every_date_of_the_file_is_a_step(dates: xr.Dataset) -> None:
    assert dates.sizes["time"] == 33
    assert str(dates.time.values[0])[:10] == "2019-01-27"
    assert str(dates.time.values[-1])[:10] == "2019-12-28"


def test_ndvi_equals_the_ndvi_that_comes_with_the_data(
    dates: xr.Dataset, field: xr.Dataset
) -> None:
    # Classes that the season takes for clear; the others are gaps in ours alone.
    clear = field.SCL.isin([4, 5, 6, 7]).to_numpy()
    theirs, ours = field.NDVI.to_numpy(), dates.ndvi.to_numpy()
    assert np.array_equal(np.isfinite(ours), clear & np.isfinite(theirs))
    # Half a step of the stored int16, and float32 in between.
    np.testing.assert_allclose(ours[clear], theirs[clear], atol=6e-5)


def test_field_median_peak_is_day_122(dates: xr.Dataset) -> None:
    pos = dates.pos.to_numpy()
    assert np.isfinite(pos).sum() == 2322
    # Days since 1 January; day of year 122 is 2 May 2019.
    assert np.nanmedian(pos) + 1 == 122


def test_smoothed_dekads_keep_the_height_and_place_of_the_peak(
    items: list[pystac.Item], field: xr.Dataset
) -> None:
    lazy = season(
        items,
        s2_field_grid(field),
        start=date(2019, 1, 1),
        end=date(2019, 9, 30),
        variables=["peak", "sos", "pos", "eos"],
    )
    found = xr.decode_cf(lazy.compute(), decode_times=False)
    peak, sos, pos, eos = (
        np.nanmedian(found[name]) for name in ("peak", "sos", "pos", "eos")
    )
    # The field's median on 27 April and 2 May is 0.79; nothing is seen until 27 May,
    # so a smooth curve has its top on one side of that gap or in it.
    assert peak == pytest.approx(0.79, abs=0.02)
    assert 117 <= pos + 1 <= 146
    assert sos < pos < eos
