"""Land-cover polygons over 68 real dates, against exactextract.

eo-learn example data, Sinergise and contributors, MIT; contains modified Copernicus
Sentinel data 2015-2017; land cover derived from RABA land-use records of the Slovenian
Ministry of Agriculture.
"""

import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import shapely
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from shapely.geometry.base import BaseGeometry

from raster.coverage import Coverage, coverage
from raster.zone_sums import zone_statistics
from tests.raster.test_zone_sums import exact

UTM = "EPSG:32633"
NODATA = -32768

# Bytes of the bounding box after the header's eight, by its kind (GeoPackage 2.1.3).
_ENVELOPE = (0, 32, 48, 48, 64)


@pytest.fixture(scope="module")
def patch(shared_data: Path) -> Path:
    return shared_data / "eo_patch"


@pytest.fixture(scope="module")
def polygons(patch: Path) -> list[BaseGeometry]:
    """The 88 polygons in UTM."""
    path = patch / "vector_timeless/LULC.gpkg"
    with sqlite3.connect(f"file:{path}?immutable=1", uri=True) as db:
        blobs = [blob for (blob,) in db.execute("SELECT geom FROM LULC ORDER BY fid")]
    db.close()
    starts = [8 + _ENVELOPE[blob[3] >> 1 & 7] for blob in blobs]
    return [
        shapely.from_wkb(blob[start:])
        for blob, start in zip(blobs, starts, strict=True)
    ]


@pytest.fixture(scope="module")
def geobox(patch: Path) -> GeoBox:
    outline = json.loads((patch / "bbox.geojson").read_text(encoding="utf-8"))
    text = json.dumps(outline.get("features", [outline])[0].get("geometry", outline))
    west, south, east, north = shapely.from_geojson(text).bounds
    step = ((east - west) / 100, (north - south) / 101)
    return GeoBox((101, 100), Affine(step[0], 0, west, 0, -step[1], north), UTM)


@pytest.fixture(scope="module")
def weights(geobox: GeoBox, polygons: list[BaseGeometry]) -> Coverage:
    to_lonlat = Transformer.from_crs(UTM, "EPSG:4326", always_xy=True)
    lonlat = [
        shapely.transform(polygon, to_lonlat.transform, interleaved=False)
        for polygon in polygons
    ]
    return coverage(geobox, lonlat)


@pytest.fixture(scope="module")
def ndvi(patch: Path) -> NDArray[np.int16]:
    """NDVI * 10000 of the 68 dates, clouds left out."""
    values = np.load(patch / "data/NDVI.npy")[..., 0]
    valid = np.load(patch / "mask/IS_VALID.npy")[..., 0]
    return np.where(valid, np.round(values * 10000), NODATA).astype(np.int16)


def test_every_pixel_is_covered_once(weights: Coverage) -> None:
    covered = weights.matrix().toarray().sum(axis=0)

    # The polygons leave 155 pixels unnamed and else make up a map.
    assert covered.max() == pytest.approx(1, abs=1e-5)
    assert (covered > 0.999).mean() > 0.9


def test_all_dates_are_those_of_exactextract(
    geobox: GeoBox,
    polygons: list[BaseGeometry],
    weights: Coverage,
    ndvi: NDArray[np.int16],
) -> None:
    result = zone_statistics(ndvi, weights, nodata=NODATA, quantiles=[0.25, 0.5])

    found = result["mean"].notnull().values
    assert found.mean() > 0.3
    asked = ["mean", "sum", "count", "quantile(q=0.25)", "median"]
    for date, plane in enumerate(ndvi):
        physical = np.where(plane == NODATA, np.nan, plane.astype(np.float64))
        theirs = exact(physical, polygons, asked, geobox=geobox)
        at, zones = result.isel(time=date), found[:, date]
        ours = [at["mean"], at["sum"], at["weight"], *at["quantile"].values.T]
        for mine, other in zip(ours, theirs.values(), strict=True):
            # Polygons went to degrees and back: a hundredth of a millimetre.
            np.testing.assert_allclose(
                np.asarray(mine)[zones], other[zones], rtol=2e-5, atol=0.01
            )


def test_a_date_without_a_clear_pixel_says_so(
    weights: Coverage, ndvi: NDArray[np.int16]
) -> None:
    result = zone_statistics(ndvi, weights, nodata=NODATA)

    clouded = (ndvi == NODATA).all(axis=(1, 2))
    assert clouded.any()
    # Some polygons are smaller than a pixel, and then that is what is said.
    assert set(np.unique(result["status"].values[:, clouded])) == {
        "no_data",
        "too_small",
    }
    assert np.isnan(result["mean"].values[:, clouded]).all()


def test_means_by_class_are_those_of_the_pixels(
    patch: Path, geobox: GeoBox, ndvi: NDArray[np.int16]
) -> None:
    classes = np.load(patch / "mask_timeless/LULC.npy")[..., 0]
    to_lonlat = Transformer.from_crs(UTM, "EPSG:4326", always_xy=True)
    frame = shapely.transform(
        geobox.extent.geom, to_lonlat.transform, interleaved=False
    )

    result = zone_statistics(
        ndvi, coverage(geobox, [frame]), nodata=NODATA, classes=classes, codes=(2, 3)
    )

    # 7,601 pixels of forest and 1,777 of grass, of 99.92 m² each.
    hectares = result["area_on_grid"].values[0] / 1e4
    assert hectares == pytest.approx([75.95, 17.76], rel=1e-3)
    for i, code in enumerate((2, 3)):
        mine = result["mean"].values[0, i]
        valid = (ndvi != NODATA) & (classes == code)
        sums = np.where(valid, ndvi, 0).sum(axis=(1, 2))
        seen = np.isfinite(mine)
        expected = sums[seen] / valid.sum(axis=(1, 2))[seen]
        np.testing.assert_allclose(mine[seen], expected, rtol=1e-5)
        assert seen.sum() > 40
