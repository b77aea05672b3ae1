"""A real field: 33 Sentinel-2 dates of 2019 and phenology published for it.

FuseTS / AI4FOOD demo data (VITO, Sinergise, University of Valencia; Apache-2.0),
contains modified Copernicus Sentinel data 2019.
"""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from raster.phenology import season_dates
from raster.season import season
from tests.raster.scenes import write_scene

FIELD_PIXELS = 2322


@pytest.fixture(scope="module")
def cube(shared_data: Path) -> xr.Dataset:
    return xr.open_dataset(shared_data / "s2_field_2019/raw_s2_ndvi_field.nc").load()


@pytest.fixture(scope="module")
def dated(cube: xr.Dataset, tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    """The field's season date by date, through files and items."""
    folder = tmp_path_factory.mktemp("field")
    left, top = float(cube.x[0]) - 5, float(cube.y[0]) + 5
    geobox = GeoBox.from_bbox(
        (left, top - 10 * cube.sizes["y"], left + 10 * cube.sizes["x"], top),
        "EPSG:32630",
        resolution=10,
    )
    items = [
        write_scene(
            folder,
            str(scene.t.dt.date.item()),
            red=scene.B04.fillna(0),
            nir=scene.B08.fillna(0),
            scl=scene.SCL.fillna(0),
            geobox=geobox,
        )
        for _, scene in cube.groupby("t", squeeze=False)
        for scene in [scene.squeeze("t")]
    ]
    return season(
        items,
        geobox,
        start=date(2019, 1, 1),
        end=date(2019, 12, 31),
        step="date",
        smoothing=0,
    ).compute()


def test_ndvi_equals_the_published_ndvi(cube: xr.Dataset, dated: xr.Dataset) -> None:
    ours = xr.decode_cf(dated).ndvi

    expected = cube.NDVI.where(cube.SCL.isin([4, 5, 6, 7])).to_numpy()
    np.testing.assert_array_equal(ours.time.to_numpy(), cube.t.to_numpy())
    np.testing.assert_allclose(ours.to_numpy(), expected, atol=1e-4)


def test_the_field_peaks_on_the_second_of_may(dated: xr.Dataset) -> None:
    pos = xr.decode_cf(dated).pos.dt.dayofyear.to_numpy()

    field = pos[np.isfinite(pos)]
    assert field.size == FIELD_PIXELS
    assert np.median(field) == 122


Series = NDArray[np.float32]


@pytest.fixture(scope="module")
def published(shared_data: Path) -> xr.Dataset:
    """The published phenology of the field's pixels, in days of the year."""
    folder = shared_data / "s2_field_2019"
    phenology = xr.open_dataset(folder / "phenology.nc").isel(phenology=0).load()
    numbers = xr.open_dataset(folder / "cropsar_ndvi.nc").NDVI.load()
    series = numbers.where(numbers != 255) * 0.004 - 0.08
    joined = xr.merge([phenology, {"series": series}], join="inner")
    pixels = joined.stack(pixel=("y", "x"), create_index=False)
    return pixels.isel(pixel=pixels.pos_times.notnull().to_numpy())


@pytest.fixture(scope="module")
def fused(published: xr.Dataset) -> tuple[Series, Series]:
    """The NDVI series the phenology was made from, and its days of the year."""
    series = published.series.transpose("t", "pixel").to_numpy()
    days = published.t.dt.dayofyear.to_numpy()
    return series.astype(np.float32), days.astype(np.float32)


def test_every_pixel_peaks_on_the_published_day(
    fused: tuple[Series, Series], published: xr.Dataset
) -> None:
    dates = season_dates(*fused, threshold=0.25)

    assert dates.pos.size == FIELD_PIXELS
    np.testing.assert_array_equal(dates.pos, published.pos_times)


@pytest.mark.parametrize("threshold", [0.2, 0.25, 0.5])
def test_threshold_dates_lie_between_the_published_valleys_and_the_peak(
    fused: tuple[Series, Series], published: xr.Dataset, threshold: float
) -> None:
    dates = season_dates(*fused, threshold=threshold)

    # Seven pixels peak on the last date, so nothing of them ends in the year.
    ended = published.eos_times.to_numpy() > 0
    assert (~ended).sum() == 7
    assert np.isnan(dates.eos[~ended]).all()
    assert (published.sos_times < dates.sos).all()
    assert (dates.sos < dates.pos).all()
    assert (dates.pos[ended] < dates.eos[ended]).all()
    assert (dates.eos < published.eos_times)[ended].all()
