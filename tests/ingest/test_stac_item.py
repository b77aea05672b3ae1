import json
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
from jsonschema import Draft7Validator
from odc.geo.geobox import GeoBox
from pystac.extensions.eo import EOExtension
from pystac.extensions.file import FileExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.raster import RasterExtension
from pystac.validation.local_validator import get_local_schema_cache
from rasterio.transform import from_origin
from referencing import Registry, Resource

from ingest.archive import Archive, BandData
from ingest.checksum import sha256_multihash
from ingest.errors import BandInvalid
from ingest.stac_item import footprint
from raster.grid import ALBERS_CHINA
from tests.ingest.builders import add, red_band, utm_grid
from tests.ingest.wording import english

SCHEMAS = "https://schemas.stacspec.org/v1.1.0"


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


@pytest.fixture
def item(archive: Archive) -> pystac.Item:
    coarse = utm_grid(size=20, resolution=20)
    scl = BandData(np.full((20, 20), 4, "uint8"), coarse, 0)
    return add(archive, bands={"B04": red_band(), "SCL": scl})


def test_core_fields_follow_the_stac_schemas(
    archive: Archive, item: pystac.Item
) -> None:
    archive.refresh_links()
    schemas = get_local_schema_cache()
    registry: Registry[Any] = Registry().with_resources(
        [(uri, Resource.from_contents(schema)) for uri, schema in schemas.items()]
    )
    for name, kind in (
        ("catalog.json", "catalog"),
        ("scenes/collection.json", "collection"),
        ("scenes/one/one.json", "item"),
    ):
        content = json.loads((archive.root / name).read_text())
        uri = f"{SCHEMAS}/{kind}-spec/json-schema/{kind}.json"
        validator = Draft7Validator(schemas[uri], registry=registry)
        assert list(validator.iter_errors(content)) == []


def test_grid_of_the_item(item: pystac.Item) -> None:
    projection = ProjectionExtension.ext(item)
    assert projection.code == "EPSG:32651"
    assert projection.shape == [40, 40]
    assert projection.transform == [10.0, 0.0, 500_000.0, 0.0, -10.0, 4_800_000.0]
    assert projection.bbox == [500_000.0, 4_799_600.0, 500_400.0, 4_800_000.0]
    assert item.common_metadata.gsd == 10.0


def test_grid_of_a_coarser_asset(item: pystac.Item) -> None:
    projection = ProjectionExtension.ext(item.assets["SCL"])
    assert projection.shape == [20, 20]
    assert projection.transform == [20.0, 0.0, 500_000.0, 0.0, -20.0, 4_800_000.0]


def test_scaling_of_a_reflectance_band(item: pystac.Item) -> None:
    (band,) = RasterExtension.ext(item.assets["B04"]).bands or []
    assert (band.scale, band.offset, band.nodata) == (1e-4, -0.1, 0)
    assert band.data_type == "uint16"
    assert band.spatial_resolution == 10.0


def test_class_codes_have_no_scale(item: pystac.Item) -> None:
    (band,) = RasterExtension.ext(item.assets["SCL"]).bands or []
    assert (band.scale, band.offset, band.nodata) == (None, None, 0)


def test_spectral_band(item: pystac.Item) -> None:
    (band,) = EOExtension.ext(item.assets["B04"]).bands or []
    assert (band.name, band.common_name) == ("B04", "red")
    assert band.center_wavelength == 0.665
    assert EOExtension.ext(item).cloud_cover == 12.5


def test_checksum_and_size_are_those_of_the_file(item: pystac.Item) -> None:
    path = Path(item.assets["B04"].href)
    stated = FileExtension.ext(item.assets["B04"])
    assert stated.checksum == sha256_multihash(path)
    assert stated.size == path.stat().st_size


def test_simulated_mark_is_kept(item: pystac.Item) -> None:
    assert item.properties["heitu:simulated"] is True


def test_own_projection_is_written_as_wkt(archive: Archive) -> None:
    transform = from_origin(1_600_000, 4_900_000, 1000, 1000)
    grid = GeoBox((300, 600), transform, ALBERS_CHINA)
    band = BandData(np.zeros((300, 600), "float32"), grid, float("nan"))
    stored = archive.add_product(
        product_id="wide",
        kind="test",
        geobox=grid,
        asset=band,
        properties={"heitu:year": 2025},
    )
    projection = ProjectionExtension.ext(stored)
    assert projection.code is None
    assert "Albers" in str(projection.wkt2)
    assert stored.assets["data"].extra_fields["raster:bands"][0]["nodata"] == "nan"


def test_footprint_follows_bent_edges(archive: Archive) -> None:
    transform = from_origin(1_600_000, 4_900_000, 1000, 1000)
    grid = GeoBox((300, 600), transform, ALBERS_CHINA)
    stored = archive.add_product(
        product_id="wide",
        kind="test",
        geobox=grid,
        asset=BandData(np.zeros((300, 600), "uint8"), grid, 255),
        properties={"heitu:year": 2025},
    )
    assert stored.geometry is not None
    assert len(stored.geometry["coordinates"][0]) > 30


def test_product_of_several_bands(archive: Archive) -> None:
    stack = BandData(np.zeros((3, 40, 40), "uint8"), utm_grid(), 255)
    stored = archive.add_product(
        product_id="fractions",
        kind="crop-fraction",
        geobox=utm_grid(),
        asset=stack,
        properties={"heitu:year": 2025},
    )
    assert len(RasterExtension.ext(stored.assets["data"]).bands or []) == 3


def test_band_in_another_crs_is_refused(archive: Archive) -> None:
    transform = from_origin(500_000, 4_800_000, 10, 10)
    other = GeoBox((40, 40), transform, "EPSG:32652")
    band = BandData(np.ones((40, 40), "uint16"), other, 0)
    with pytest.raises(BandInvalid, match="EPSG:32652") as caught:
        add(archive, bands={"B04": band})
    english(str(caught.value))


def test_grid_without_crs_is_refused() -> None:
    nowhere = GeoBox((4, 4), from_origin(0, 0, 10, 10), None)
    with pytest.raises(BandInvalid, match="without CRS") as caught:
        footprint(nowhere)
    english(str(caught.value))
