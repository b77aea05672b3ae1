import hashlib
import json
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
import rasterio
import xarray as xr
from jsonschema import Draft7Validator
from odc.geo.geobox import GeoBox
from odc.geo.xr import ODCExtensionDs
from pystac.extensions.file import FileExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.raster import RasterExtension
from pystac.validation.local_validator import get_local_schema_cache
from referencing import Registry, Resource
from rio_cogeo.cogeo import cog_validate

from raster.errors import GridInvalid, NoClearPixel, SettingInvalid
from raster.grid import ALBERS_CHINA
from raster.product import write_season
from raster.season import season
from tests.raster.lazy import BLOCKS, GRID, computed, lazy_season, names, values
from tests.raster.scenes import grid, write_scene


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_a_product_holds_series_maps_and_item(log: Path, out: Path) -> None:
    write_season(lazy_season(log), out, product_id="rice")

    assert names(out) == ["rice"]
    assert names(out / "rice") == ["rice.json", "season.zarr", "sos.tif"]


def test_each_block_is_computed_once_for_all_variables(log: Path, out: Path) -> None:
    write_season(lazy_season(log), out, product_id="rice")

    assert computed(log) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]


def test_series_open_as_decoded_numbers_on_their_grid(log: Path, out: Path) -> None:
    write_season(lazy_season(log), out, product_id="rice")

    stored = xr.open_zarr(out / "rice" / "season.zarr")
    numbers = values()["ndvi"]
    expected = np.where(numbers == -32768, np.nan, numbers * 1e-4)
    np.testing.assert_allclose(stored["ndvi"], expected)
    assert stored["clear_count"].dtype == np.uint8
    np.testing.assert_array_equal(stored["clear_count"], values()["clear_count"])
    assert [str(day)[:10] for day in stored["time"].values] == [
        "2025-05-01",
        "2025-05-11",
        "2025-05-21",
    ]
    assert ODCExtensionDs(stored).geobox == GRID


def test_series_are_stored_as_integers(log: Path, out: Path) -> None:
    write_season(lazy_season(log), out, product_id="rice")

    raw = xr.open_zarr(out / "rice" / "season.zarr", mask_and_scale=False)
    assert raw["ndvi"].dtype == np.int16
    np.testing.assert_array_equal(raw["ndvi"], values()["ndvi"])
    assert raw["ndvi"].attrs["_FillValue"] == -32768
    assert raw.attrs["simulated"] == 1


def test_a_map_is_a_cog_with_mask_scale_and_units(log: Path, out: Path) -> None:
    write_season(
        lazy_season(log), out, product_id="rice", properties={"heitu:run": "r7"}
    )

    path = out / "rice" / "sos.tif"
    assert cog_validate(path, strict=True) == (True, [], [])
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(1), values()["sos"])
        np.testing.assert_array_equal(file.read_masks(1) > 0, values()["sos"] != -32768)
        assert file.mask_flag_enums == ([rasterio.enums.MaskFlags.per_dataset],)
        assert (file.nodata, file.units) == (-32768, ("days since 2025-05-01",))
        assert file.colorinterp == (rasterio.enums.ColorInterp.gray,)
        assert file.tags()["HEITU_SIMULATED"] == "true"
        assert file.tags()["HEITU_RUN"] == "r7"
        assert GeoBox.from_rio(file) == GRID


def test_two_seasons_are_two_bands_each_with_its_own_gaps(log: Path, out: Path) -> None:
    item = write_season(lazy_season(log, seasons=2), out, product_id="rice")

    expected = values(seasons=2)["sos"]
    with rasterio.open(out / "rice" / "sos.tif") as file:
        np.testing.assert_array_equal(file.read(), expected)
        np.testing.assert_array_equal(file.read_masks() > 0, expected != -32768)
        assert file.descriptions == ("sos 1", "sos 2")
    first, second = RasterExtension.ext(item.assets["sos"]).bands or []
    assert first.statistics is not None
    assert second.statistics is not None
    assert first.statistics.valid_percent == pytest.approx(
        100 * (expected[0] != -32768).mean(), abs=1e-4
    )
    assert second.statistics.valid_percent == pytest.approx(
        100 * (expected[1] != -32768).mean(), abs=1e-4
    )


def test_seasons_are_no_dimension_of_the_series(log: Path, out: Path) -> None:
    dataset = lazy_season(log, seasons=2).assign_coords(season=[1, 2])

    write_season(dataset, out, product_id="rice")

    stored = xr.open_zarr(out / "rice" / "season.zarr")
    assert set(stored.sizes) == {"time", "y", "x", "bnds"}


def test_the_item_tells_grid_time_and_lineage(log: Path, out: Path) -> None:
    item = write_season(
        lazy_season(log),
        out,
        product_id="rice",
        properties={"heitu:year": 2025},
        sources={"S2_1": "../../s2/S2_1/S2_1.json"},
        collection="seasons",
    )

    assert ProjectionExtension.ext(item).code == "EPSG:32651"
    assert ProjectionExtension.ext(item).shape == [20, 30]
    assert ProjectionExtension.ext(item).bbox == [6e5, 4_799_800.0, 600_300.0, 4.8e6]
    assert item.properties["start_datetime"] == "2025-05-01T00:00:00Z"
    assert item.properties["end_datetime"] == "2025-05-31T23:59:59Z"
    assert item.properties["heitu:lineage"]["scenes"] == ["S2_1"]
    assert item.properties["heitu:simulated"] is True
    assert item.properties["heitu:kind"] == "season"
    assert item.properties["heitu:year"] == 2025
    content = json.loads((out / "rice" / "rice.json").read_text())
    links = {(link["rel"], link["href"]) for link in content["links"]}
    assert links == {
        ("root", "../../catalog.json"),
        ("parent", "../collection.json"),
        ("collection", "../collection.json"),
        ("derived_from", "../../s2/S2_1/S2_1.json"),
    }


def test_the_item_tells_what_was_seen(log: Path, out: Path) -> None:
    item = write_season(lazy_season(log), out, product_id="rice")

    count = values()["clear_count"]
    assert item.properties["heitu:clear_share"] == {
        "2025-05-01": pytest.approx((count[0] > 0).mean(), abs=1e-6),
        "2025-05-11": pytest.approx((count[1] > 0).mean(), abs=1e-6),
        "2025-05-21": 0,
    }
    assert item.properties["heitu:never_clear_share"] == pytest.approx(
        (count.sum(axis=0) == 0).mean(), abs=1e-6
    )
    (band,) = RasterExtension.ext(item.assets["sos"]).bands or []
    assert band.unit == "days since 2025-05-01"
    assert band.nodata == -32768


def test_core_fields_follow_the_stac_schema(log: Path, out: Path) -> None:
    write_season(lazy_season(log), out, product_id="rice")

    schemas = get_local_schema_cache()
    registry: Registry[Any] = Registry().with_resources(
        [(uri, Resource.from_contents(schema)) for uri, schema in schemas.items()]
    )
    uri = "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/item.json"
    content = json.loads((out / "rice" / "rice.json").read_text())
    validator = Draft7Validator(schemas[uri], registry=registry)
    assert list(validator.iter_errors(content)) == []


def test_checksum_of_a_map_is_that_of_its_file(log: Path, out: Path) -> None:
    item = write_season(lazy_season(log), out, product_id="rice")

    content = (out / "rice" / "sos.tif").read_bytes()
    assert FileExtension.ext(item.assets["sos"]).checksum == (
        "1220" + hashlib.sha256(content).hexdigest()
    )
    assert FileExtension.ext(item.assets["sos"]).size == len(content)
    assert item.assets["sos"].href == str(out / "rice" / "sos.tif")


def test_checksum_of_the_series_is_that_of_sha256sum(log: Path, out: Path) -> None:
    item = write_season(lazy_season(log), out, product_id="rice")

    shell = "find * -type f | LC_ALL=C sort | xargs sha256sum | sha256sum"
    run = subprocess.run(
        ["sh", "-c", shell],
        cwd=out / "rice" / "season.zarr",
        capture_output=True,
        check=True,
        text=True,
    )
    asset = FileExtension.ext(item.assets["season"])
    assert asset.checksum == "1220" + run.stdout.split()[0]
    files = (out / "rice" / "season.zarr").rglob("*")
    assert asset.size == sum(path.stat().st_size for path in files if path.is_file())


def test_a_season_gives_the_same_bytes_again(log: Path, out: Path) -> None:
    once = write_season(lazy_season(log), out, product_id="rice", workers=1)
    again = write_season(lazy_season(log), out / "b", product_id="rice", workers=3)

    assert {key: FileExtension.ext(a).checksum for key, a in once.assets.items()} == {
        key: FileExtension.ext(a).checksum for key, a in again.assets.items()
    }


def test_an_own_projection_is_kept(log: Path, out: Path) -> None:
    albers = GeoBox.from_bbox(
        (1_500_000, 4_900_000, 1_500_300, 4_900_200), ALBERS_CHINA, resolution=10
    )

    item = write_season(lazy_season(log, geobox=albers), out, product_id="rice")

    with rasterio.open(out / "rice" / "sos.tif") as file:
        assert GeoBox.from_rio(file) == albers
    stored = xr.open_zarr(out / "rice" / "season.zarr")
    assert ODCExtensionDs(stored).geobox == albers
    assert ProjectionExtension.ext(item).code is None
    assert "Albers" in (ProjectionExtension.ext(item).wkt2 or "")


def test_only_maps_make_a_product_without_series(log: Path, out: Path) -> None:
    maps = lazy_season(log)[["sos"]]
    period = {
        "start_datetime": "2025-05-01T00:00:00Z",
        "end_datetime": "2025-05-31T23:59:59Z",
    }

    item = write_season(maps, out, product_id="rice", properties=period)

    assert names(out / "rice") == ["rice.json", "sos.tif"]
    assert set(item.assets) == {"sos"}
    assert "heitu:clear_share" not in item.properties


def test_maps_alone_must_be_given_their_time(log: Path, out: Path) -> None:
    with pytest.raises(SettingInvalid, match="start_datetime"):
        write_season(lazy_season(log)[["sos"]], out, product_id="rice")


def test_only_series_make_a_product_without_maps(log: Path, out: Path) -> None:
    write_season(
        lazy_season(log).drop_vars(["clear_count", "sos"]), out, product_id="rice"
    )

    assert names(out / "rice") == ["rice.json", "season.zarr"]


def test_a_season_never_clear_is_an_error_that_leaves_nothing(
    log: Path, out: Path
) -> None:
    with pytest.raises(NoClearPixel, match=r"rice: the season has no pixel.* · .*晴空"):
        write_season(lazy_season(log, clear=False), out, product_id="rice")

    assert names(out) == []


def test_a_season_without_any_value_is_an_error(log: Path, out: Path) -> None:
    dataset = lazy_season(log, clear=False).drop_vars("clear_count")

    with pytest.raises(NoClearPixel, match="no value in any of ndvi, sos"):
        write_season(dataset, out, product_id="rice")


def test_progress_counts_the_blocks(log: Path, out: Path) -> None:
    calls: list[tuple[int, int]] = []

    write_season(
        lazy_season(log),
        out,
        product_id="rice",
        progress=lambda done, total: calls.append((done, total)),
    )

    assert calls == [(done, BLOCKS) for done in range(BLOCKS + 1)]


@pytest.mark.parametrize("name", ["", "../up", ".hidden", "a/b"])
def test_a_name_that_is_no_folder_is_refused(log: Path, out: Path, name: str) -> None:
    with pytest.raises(SettingInvalid, match="cannot name a product"):
        write_season(lazy_season(log), out, product_id=name)


def test_properties_that_are_no_json_are_refused_at_once(log: Path, out: Path) -> None:
    with pytest.raises(SettingInvalid, match="cannot be written as JSON"):
        write_season(
            lazy_season(log), out, product_id="rice", properties={"a": float("nan")}
        )

    assert computed(log) == []


def test_a_dataset_must_say_whether_it_is_simulated(log: Path, out: Path) -> None:
    dataset = lazy_season(log)
    del dataset.attrs["simulated"]

    with pytest.raises(SettingInvalid, match="simulated"):
        write_season(dataset, out, product_id="rice")


def test_a_dataset_without_crs_is_refused(log: Path, out: Path) -> None:
    with pytest.raises(GridInvalid, match="no grid with a CRS"):
        write_season(lazy_season(log).drop_vars("spatial_ref"), out, product_id="rice")


def test_properties_cannot_make_simulated_data_real(log: Path, out: Path) -> None:
    item = write_season(
        lazy_season(log), out, product_id="rice", properties={"heitu:simulated": False}
    )

    assert item.properties["heitu:simulated"] is True


def _real_season(folder: Path) -> xr.Dataset:
    where = grid(40, 50)
    texture = np.random.default_rng(7).integers(0, 300, where.shape)
    height = [600, 1200, 2400, 4000, 4300, 3800, 2000, 1000]
    items = [
        write_scene(
            folder,
            f"2025-0{4 + number // 2}-{5 + 15 * (number % 2):02d}",
            red=500,
            nir=1000 + level + texture,
            scl=np.where(texture < 100 + 30 * number, 4, 9),
            geobox=where,
        )
        for number, level in enumerate(height)
    ]
    return season(items, where, start=date(2025, 4, 1), end=date(2025, 7, 31), chunk=16)


def test_the_product_of_real_blocks_is_the_season(tmp_path: Path, out: Path) -> None:
    dataset = _real_season(tmp_path)

    item = write_season(dataset, out, product_id="rice")

    expected = dataset.compute()
    stored = xr.open_zarr(out / "rice" / "season.zarr")
    decoded = xr.decode_cf(expected)
    assert isinstance(item, pystac.Item)
    for name, variable in expected.items():
        if "time" in variable.dims:
            np.testing.assert_array_equal(stored[name], decoded[name])
            continue
        with rasterio.open(out / "rice" / f"{name}.tif") as file:
            np.testing.assert_array_equal(file.read(1), variable)
    assert set(stored.data_vars) == {"ndvi", "ndvi_smooth", "clear_count"}
    assert stored.sizes == {"time": 12, "y": 40, "x": 50, "bnds": 2}
