"""HLS version 2 from its GeoTIFFs."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest.folders import FolderSource
from raster.mission import HLS_L30, HLS_S30, Calibration, sensing_of
from raster.selection import scene_of
from tests.ingest.folders.builders import (
    archived,
    offered,
    pixels,
    reason,
    search,
    texture,
    write_raster,
)
from tests.ingest.wording import english

S30 = "HLS.S30.T51TXJ.2026185T022601.v2.0"
L30 = "HLS.L30.T51TXJ.2026184T021831.v2.0"
TAGS = {
    "scale_factor": "0.0001",
    "add_offset": "0.0",
    "cloud_coverage": "3",
    "HLS_PROCESSING_TIME": "2026-07-06T03:11:52Z",
}
OF_S30 = {"SPACECRAFT_NAME": "Sentinel-2B", "PRODUCT_URI": "S2B_MSIL1C_X.SAFE"}
OF_L30 = {"LANDSAT_PRODUCT_ID": "LC08_L1TP_118029_20260703_20260703_02_RT"}


def granule(
    folder: Path, name: str, keys: tuple[str, ...], **changed: Any
) -> dict[str, Path]:
    tags = TAGS | (OF_S30 if "S30" in name else OF_L30) | changed.pop("tags", {})
    paths = {}
    for number, key in enumerate(keys):
        mask = key == "Fmask"
        paths[key] = folder / f"{name}.{key}.tif"
        array = texture(60, seed=number, dtype="uint8" if mask else "int16")
        nodata = 255 if mask else changed.get("nodata", -9999)
        write_raster(paths[key], array, metres=30, nodata=nodata, tags=tags)
    return paths


def test_sentinel_granule(tmp_path: Path) -> None:
    granule(tmp_path, S30, ("B04", "B8A", "B08", "Fmask"))
    offer = offered(tmp_path)
    assert (offer.collection, offer.item_id) == ("hls2-s30", S30)
    assert offer.acquired == datetime(2026, 7, 4, 2, 26, 1, tzinfo=UTC)
    assert sorted(offer.bands) == ["B04", "B8A", "Fmask"]
    assert offer.properties == {
        "platform": "sentinel-2b",
        "eo:cloud_cover": 3.0,
        "grid:code": "MGRS-51TXJ",
        "s2:product_uri": "S2B_MSIL1C_X.SAFE",
        "created": "2026-07-06T03:11:52+00:00",
    }
    band = offer.bands["B04"]
    assert (band.scale, band.offset, band.nodata) == (0.0001, 0.0, -9999)
    assert offer.bands["Fmask"].scale is None


def test_landsat_granule_has_near_infrared_in_band_five(tmp_path: Path) -> None:
    granule(tmp_path, L30, ("B04", "B05", "Fmask"))
    offer = offered(tmp_path)
    assert offer.collection == "hls2-l30"
    assert offer.properties["platform"] == "landsat-8"
    assert sorted(offer.bands) == ["B04", "B05", "Fmask"]


@pytest.mark.parametrize(
    ("name", "keys", "mission"),
    [
        (S30, ("B04", "B8A", "Fmask"), HLS_S30),
        (L30, ("B04", "B05", "Fmask"), HLS_L30),
    ],
)
def test_season_reads_the_item(
    tmp_path: Path, name: str, keys: tuple[str, ...], mission: Any
) -> None:
    paths = granule(tmp_path, name, keys)
    source = FolderSource(tmp_path)
    offer = offered(tmp_path)
    item = archived(source, offer, tmp_path / "out")
    scene = scene_of(item, ["R", "N"])
    assert scene.mission == mission.name
    assert scene.bands["N"].calibration == Calibration(0.0001, 0.0)
    assert scene.bands["N"].nodata == -9999
    assert sensing_of(item, mission).tile == "51TXJ"
    for key in keys:
        assert np.array_equal(
            pixels(tmp_path / "out" / f"{key}.tif"), pixels(paths[key])
        )


def test_two_granules_of_one_folder(tmp_path: Path) -> None:
    granule(tmp_path, S30, ("B04", "B8A", "Fmask"))
    granule(tmp_path, L30, ("B04", "B05", "Fmask"))
    assert [offer.item_id for offer in search(tmp_path).offers] == [L30, S30]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"tags": {"scale_factor": "0.001"}}, "scale_factor is 0.001 instead of 0.000"),
        ({"tags": {"add_offset": "-0.1"}}, "add_offset is -0.1 instead of 0"),
        ({"nodata": -1000}, "_FillValue is -1000 instead of -9999"),
    ],
)
def test_files_that_contradict_the_specification(
    tmp_path: Path, changed: dict[str, Any], says: str
) -> None:
    granule(tmp_path, S30, ("B04", "B8A", "Fmask"), **changed)
    assert says in english(reason(tmp_path))


def test_without_tags_the_specification_holds(tmp_path: Path) -> None:
    for key, dtype in (("B04", "int16"), ("B8A", "int16"), ("Fmask", "uint8")):
        path = tmp_path / f"{S30}.{key}.tif"
        write_raster(path, texture(60, dtype=dtype), metres=30)
    assert offered(tmp_path).bands["B04"].scale == 0.0001


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (("B04", "B8A"), f"{S30}.Fmask.tif: is missing"),
        (("B04", "Fmask"), "B8A: the product has no such band"),
    ],
)
def test_missing_files(tmp_path: Path, keys: tuple[str, ...], says: str) -> None:
    granule(tmp_path, S30, keys)
    assert says in english(reason(tmp_path))


def test_older_version(tmp_path: Path) -> None:
    granule(tmp_path, S30.replace("v2.0", "v1.5"), ("B04", "B8A", "Fmask"))
    assert "older version" in english(reason(tmp_path))


def test_file_that_is_no_tiff(tmp_path: Path) -> None:
    paths = granule(tmp_path, S30, ("B04", "B8A", "Fmask"))
    paths["B04"].write_bytes(b"not a tiff")
    assert f"{paths['B04'].name}: cannot be opened" in english(reason(tmp_path))
