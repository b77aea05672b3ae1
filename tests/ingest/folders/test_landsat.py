"""Landsat Collection 2 Level 2 from its own files."""

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from ingest.folders import FolderSource
from ingest.folders.landsat import parse_odl
from raster.mission import LANDSAT, Calibration, sensing_of
from raster.selection import scene_of
from tests.ingest.folders.builders import archived, offered, pixels, reason, search
from tests.ingest.folders.landsat_builder import Landsat
from tests.ingest.wording import english

NAME = "LC09_L2SP_118029_20260703_20260705_02_T1"


@pytest.mark.parametrize("form", ["json", "xml", "txt"])
def test_offer_by_each_form_of_the_metadata(tmp_path: Path, form: str) -> None:
    Landsat(form=form).at(tmp_path)
    offer = offered(tmp_path, bands=())
    assert (offer.collection, offer.item_id) == ("landsat-c2-l2", NAME)
    assert offer.acquired == datetime(2026, 7, 3, 2, 18, 34, 396428, tzinfo=UTC)
    assert offer.footprint.bounds == (124.2522, 44.2301, 124.275, 44.2465)
    bands = "blue coastal green lwir11 nir08 qa_pixel red swir16 swir22"
    assert sorted(offer.bands) == bands.split()
    assert offer.properties == {
        "platform": "landsat-9",
        "constellation": "landsat",
        "instruments": ["oli", "tirs"],
        "eo:cloud_cover": 21.12,
        "view:sun_azimuth": 112.2005908,
        "view:sun_elevation": 57.84396063,
        "landsat:wrs_type": "2",
        "landsat:wrs_path": "118",
        "landsat:wrs_row": "029",
        "landsat:collection_category": "T1",
        "landsat:collection_number": "02",
        "landsat:correction": "L2SP",
        "landsat:scene_id": "LC91180292026184LGN00",
        "created": "2026-07-05T05:45:26Z",
    }


@pytest.mark.parametrize(
    ("sensor", "red", "nir", "thermal"),
    [
        ("LC09", "SR_B4", "SR_B5", "ST_B10"),
        ("LC08", "SR_B4", "SR_B5", "ST_B10"),
        ("LE07", "SR_B3", "SR_B4", "ST_B6"),
        ("LT05", "SR_B3", "SR_B4", "ST_B6"),
    ],
)
def test_bands_are_named_by_what_they_see(
    tmp_path: Path, sensor: str, red: str, nir: str, thermal: str
) -> None:
    Landsat(sensor=sensor).at(tmp_path)
    offer = offered(tmp_path, bands=("R", "N", "T1"))
    assert offer.bands["red"].href.endswith(f"_{red}.TIF")
    assert offer.bands["nir08"].href.endswith(f"_{nir}.TIF")
    (lwir,) = [band for key, band in offer.bands.items() if key.startswith("lwir")]
    assert lwir.href.endswith(f"_{thermal}.TIF")


def test_season_believes_the_calibration(tmp_path: Path) -> None:
    Landsat().at(tmp_path)
    offer = offered(tmp_path, bands=("R", "T1"))
    item = archived(FolderSource(tmp_path), offer, tmp_path / "out")
    scene = scene_of(item, ["R", "T1"])
    assert scene.bands["R"].calibration == Calibration(0.0000275, -0.2)
    assert scene.bands["T1"].calibration == Calibration(0.00341802, 149.0)
    assert (scene.bands["R"].nodata, scene.mask.nodata) == (0, 1)
    sensing = sensing_of(item, LANDSAT)
    assert (sensing.tile, sensing.take) == ("118029", "9 20260703")
    assert sensing.version == (2, 1)


def test_pixels_are_unchanged(tmp_path: Path) -> None:
    root = Landsat().at(tmp_path)
    offer = offered(tmp_path)
    for key, file in (("red", "SR_B4"), ("qa_pixel", "QA_PIXEL")):
        written = FolderSource(tmp_path).fetch(offer, key, clip=None, folder=tmp_path)
        original = pixels(root / f"{NAME}_{file}.TIF")
        assert np.array_equal(pixels(written.path), original)


def test_without_thermal_bands(tmp_path: Path) -> None:
    Landsat(level="L2SR").at(tmp_path)
    assert "lwir11" not in offered(tmp_path, bands=()).bands
    assert "no such band" in english(reason(tmp_path, bands=("R", "T1")))


def test_cloud_that_was_not_looked_for_is_unknown(tmp_path: Path) -> None:
    Landsat(cloud="-1").at(tmp_path)
    assert offered(tmp_path, max_cloud=0).cloud_cover is None


@pytest.mark.parametrize(
    ("product", "says"),
    [
        (Landsat(level="L1TP"), "is of level L1TP and collection 02"),
        (Landsat(collection="01"), "collection 01"),
        (Landsat(leave_out=("SR_B4",)), "SR_B4.TIF: is missing or empty"),
        (Landsat(leave_out=("QA_PIXEL",)), "QA_PIXEL.TIF: is missing or empty"),
        (
            Landsat(
                changed={
                    "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS/REFLECTANCE_MULT_BAND_4": "1"
                }
            ),
            "band red has scale 1 and offset -0.2",
        ),
        (
            Landsat(
                changed={
                    "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS/REFLECTANCE_ADD_BAND_4": ""
                }
            ),
            "REFLECTANCE_ADD_BAND_4",
        ),
        (
            Landsat(changed={"IMAGE_ATTRIBUTES/SPACECRAFT_ID": "LANDSAT_3"}),
            "is of LANDSAT_3",
        ),
        (
            Landsat(changed={"IMAGE_ATTRIBUTES/SCENE_CENTER_TIME": "noon"}),
            "'2026-07-03 noon' is no time",
        ),
        (
            Landsat(changed={"IMAGE_ATTRIBUTES/CLOUD_COVER": "few"}),
            "CLOUD_COVER = 'few' is no number",
        ),
    ],
)
def test_products_that_cannot_be_used(
    tmp_path: Path, product: Landsat, says: str
) -> None:
    product.at(tmp_path)
    assert says in english(reason(tmp_path))


def test_bands_without_metadata(tmp_path: Path) -> None:
    root = Landsat().at(tmp_path)
    (root / f"{NAME}_MTL.json").unlink()
    assert f"{NAME}_MTL.json, _MTL.xml or _MTL.txt is missing" in reason(tmp_path)


@pytest.mark.parametrize("form", ["json", "xml"])
def test_metadata_that_were_cut_off(tmp_path: Path, form: str) -> None:
    root = Landsat(form=form).at(tmp_path)
    path = root / f"{NAME}_MTL.{form}"
    path.write_bytes(path.read_bytes()[:300])
    assert path.name in english(reason(tmp_path))


def test_path_and_row_are_no_date(tmp_path: Path) -> None:
    root = Landsat().at(tmp_path)
    (root / f"{NAME}_MTL.json").write_text("{")
    assert search(tmp_path, end=date(2026, 7, 2)).refused == ()
    assert len(search(tmp_path, start=date(2026, 7, 3)).refused) == 1


def test_object_description_language() -> None:
    text = 'GROUP = A\n  GROUP = B\n    K = "v w"\n    N = 1.5\n  END_GROUP = B\nEND\n'
    assert parse_odl(text) == {"A": {}, "B": {"K": "v w", "N": "1.5"}}


def test_object_description_language_that_was_cut_off() -> None:
    with pytest.raises(ValueError, match="does not close with END"):
        parse_odl("GROUP = A\n  K = 1\nEND_GROUP = A\n")
