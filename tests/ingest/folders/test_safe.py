"""Sentinel-2 SAFE: found, described, converted bit for bit, believed by a season."""

import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from shapely import Polygon

from ingest.folders import FolderSource
from ingest.offer import Source
from raster.mission import SENTINEL_2, Calibration, sensing_of
from raster.selection import scene_of, select
from tests.ingest.folders.builders import archived, offered, pixels, search, wanted
from tests.ingest.folders.safe_builder import Safe, zipped

NAME = "S2B_MSIL2A_20260704T022601_N0511_R046_T51TXK_20260704T051258"


def test_offer_describes_the_product(tmp_path: Path) -> None:
    Safe().at(tmp_path)
    offer = offered(tmp_path)
    assert (offer.source, offer.collection, offer.item_id) == (
        "folder",
        "sentinel-2-l2a",
        NAME,
    )
    assert offer.acquired == datetime(2026, 7, 4, 2, 28, 2, 581000, tzinfo=UTC)
    assert offer.footprint.bounds == (124.26, 44.23, 124.28, 44.24)
    assert sorted(offer.bands) == ["B04", "B08", "SCL"]


def test_properties_that_a_selection_needs(tmp_path: Path) -> None:
    Safe().at(tmp_path)
    assert offered(tmp_path).properties == {
        "platform": "sentinel-2b",
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "eo:cloud_cover": 12.375,
        "sat:orbit_state": "descending",
        "sat:relative_orbit": 46,
        "s2:processing_baseline": "05.11",
        "s2:mgrs_tile": "51TXK",
        "s2:product_uri": f"{NAME}.SAFE",
        "s2:generation_time": "2026-07-04T05:12:58.000000Z",
        "s2:datatake_id": "GS2B_20260704T022601_042926_N05.11",
        "s2:datastrip_id": "S2B_OPER_MSI_L2A_DS_2BPS_20260704T051258_"
        "S20260704T022802_N05.11",
        "view:sun_azimuth": 149.25,
        "view:sun_elevation": 65.5,
    }


def test_footprint_of_the_grid_where_none_is_given(tmp_path: Path) -> None:
    Safe(outline="").at(tmp_path)
    outline = offered(tmp_path).footprint
    # The four corners of 600000 E, 4900020 N and 2400 m to the south and east, by PROJ.
    corners = [
        (124.25248, 44.24655),
        (124.28253, 44.24622),
        (124.28206, 44.22462),
        (124.25202, 44.22495),
    ]
    assert outline.symmetric_difference(Polygon(corners)).area < 2e-6


@pytest.mark.parametrize("psd", [14, 15])
@pytest.mark.parametrize(
    ("baseline", "offset"), [("02.12", 0.0), ("03.01", 0.0), ("04.00", -0.1)]
)
def test_calibration_by_the_metadata(
    tmp_path: Path, psd: int, baseline: str, offset: float
) -> None:
    Safe(baseline=baseline, psd=psd).at(tmp_path)
    offer = offered(tmp_path)
    item = archived(FolderSource(tmp_path), offer, tmp_path / "out")
    scene = scene_of(item, ["R", "N"])
    assert scene.bands["R"].calibration == Calibration(0.0001, offset)
    assert scene.bands["N"].calibration == Calibration(0.0001, offset)
    assert scene.mask.nodata == 0


def test_calibration_is_that_of_each_band(tmp_path: Path) -> None:
    # band_id 8 is B8A, which follows B08: all other offsets are taken away.
    only = '<BOA_ADD_OFFSET band_id="8">-1000</BOA_ADD_OFFSET>'
    Safe(bands=("B8A", "SCL"), offsets=only).at(tmp_path)
    assert offered(tmp_path, bands=("N2",)).bands["B8A"].offset == -0.1


def test_old_names_of_the_metadata(tmp_path: Path) -> None:
    old = (
        ("IMAGE_FILE>", "IMAGE_FILE_2A>"),
        ("PRODUCT_URI>", "PRODUCT_URI_2A>"),
        ("Product_Info>", "L2A_Product_Info>"),
        ("BOA_QUANTIFICATION_VALUE", "L2A_BOA_QUANTIFICATION_VALUE"),
    )
    Safe(baseline="02.06", renamed=old).at(tmp_path)
    offer = offered(tmp_path)
    assert offer.bands["B04"].scale == 0.0001
    assert offer.properties["s2:product_uri"] == f"{offer.item_id}.SAFE"


@pytest.mark.parametrize("key", ["B04", "SCL", "B01"])
def test_pixels_are_those_of_the_jp2(tmp_path: Path, key: str) -> None:
    product = Safe(bands=("B01", "B04", "B08", "SCL"))
    root = product.at(tmp_path)
    source = FolderSource(tmp_path)
    offer = offered(tmp_path, bands=("A", "R", "N"))
    file = source.fetch(offer, key, clip=None, folder=tmp_path)
    metres = {"B04": 10, "SCL": 20, "B01": 60}[key]
    (jp2,) = root.rglob(f"*_{key}_{metres}m.jp2")
    assert np.array_equal(pixels(file.path), pixels(jp2))
    assert file.geobox.resolution.x == metres
    assert file.source == str(jp2)
    assert offer.bands[key].size == jp2.stat().st_size


def test_clip_leaves_the_window(tmp_path: Path) -> None:
    Safe().at(tmp_path)
    offer = offered(tmp_path)
    clip = (124.26, 44.235, 124.265, 44.24)
    file = FolderSource(tmp_path).fetch(offer, "B04", clip=clip, folder=tmp_path)
    rows, columns = file.geobox.shape
    # 0.005 degrees are 556 m by 399 m here, which meridians slant by a degree.
    assert 56 <= rows <= 58
    assert 40 <= columns <= 42
    first = pixels(offer.bands["B04"].href)
    left = round((file.geobox.affine.c - 600_000) / 10)
    top = round((4_900_020 - file.geobox.affine.f) / 10)
    window = first[top : top + rows, left : left + columns]
    assert np.array_equal(pixels(file.path), window)


@pytest.mark.parametrize("deflated", [False, True])
@pytest.mark.parametrize("inner", [None, ".", "下载/一月 二月"])
def test_zip_equals_the_folder(
    tmp_path: Path, inner: str | None, deflated: bool
) -> None:
    root = Safe().at(tmp_path / "数据 文件")
    plain = offered(root)
    path = zipped(root, inner=inner, deflated=deflated)
    packed = offered(path)
    assert packed.properties == plain.properties
    file = FolderSource(path).fetch(packed, "B04", clip=None, folder=tmp_path)
    assert np.array_equal(pixels(file.path), pixels(plain.bands["B04"].href))


def test_folder_with_spaces_and_chinese_and_a_level_more(tmp_path: Path) -> None:
    place = tmp_path / "吉林 影像" / "2026 年" / "七月"
    Safe().at(place)
    offer = offered(tmp_path)
    file = FolderSource(tmp_path).fetch(offer, "SCL", clip=None, folder=tmp_path)
    assert np.array_equal(pixels(file.path), pixels(offer.bands["SCL"].href))


def test_copy_beside_an_image_is_not_taken_for_it(tmp_path: Path) -> None:
    root = Safe().at(tmp_path)
    (jp2,) = root.rglob("*_B04_10m.jp2")
    for end in (".tif", ".xml", ".jp2.aux.xml"):
        jp2.with_name(jp2.stem + end).write_text("made by another program")
    assert offered(tmp_path).bands["B04"].href == str(jp2)


def test_product_named_itself_or_by_its_metadata(tmp_path: Path) -> None:
    root = Safe().at(tmp_path)
    assert offered(root).item_id == NAME
    assert offered(root / "MTD_MSIL2A.xml").item_id == NAME


def test_folder_of_another_name_is_read_too(tmp_path: Path) -> None:
    Safe().at(tmp_path).rename(tmp_path / "renamed")
    assert offered(tmp_path).item_id == NAME


def test_same_product_twice_is_offered_once(tmp_path: Path) -> None:
    root = Safe().at(tmp_path / "a")
    zipped(root)
    shutil.copytree(root, tmp_path / "b" / root.name)
    assert offered(tmp_path).item_id == NAME


def test_damaged_copy_does_not_count_beside_a_good_one(tmp_path: Path) -> None:
    Safe().at(tmp_path / "a")
    Safe(leave_out=("B04",)).at(tmp_path / "b")
    assert offered(tmp_path).item_id == NAME


def test_two_processings_of_one_acquisition(tmp_path: Path) -> None:
    for baseline, generated in (("04.00", "20260704T051258"), ("05.11", "20270101T0")):
        Safe(baseline=baseline, generated=f"{generated}00000"[:15]).at(tmp_path)
    source = FolderSource(tmp_path)
    found = source.search(wanted())
    items = [
        archived(source, offer, tmp_path / offer.item_id) for offer in found.offers
    ]
    choice = select(
        items, start=date(2026, 7, 1), end=date(2026, 7, 31), bands=["R", "N"]
    )
    assert len(items) == 2
    assert [sensing_of(item, SENTINEL_2).version for item in items] == [(4, 0), (5, 11)]
    assert [scene.item_id for scene in choice.scenes] == [items[1].id]
    assert choice.superseded[0].item_id == items[0].id


def test_all_bands_where_none_is_named(tmp_path: Path) -> None:
    Safe(bands=("B02", "B04", "B09", "B8A", "SCL")).at(tmp_path)
    bands = offered(tmp_path, bands=()).bands
    assert {key: band.resolution for key, band in bands.items()} == {
        "B02": 10,
        "B04": 10,
        "B8A": 20,
        "SCL": 20,
        "B09": 60,
    }


def test_all_bands_there_are_offered(tmp_path: Path) -> None:
    Safe(bands=("B02", "B04", "B08", "B11", "SCL")).at(tmp_path)
    keys = ["B02", "B04", "B08", "B11", "SCL"]
    assert sorted(offered(tmp_path, bands=("R", "S1")).bands) == keys


def test_band_not_asked_for_may_be_absent(tmp_path: Path) -> None:
    Safe(bands=("B04", "B08", "B12", "SCL"), leave_out=("B12",)).at(tmp_path)
    assert sorted(offered(tmp_path).bands) == ["B04", "B08", "SCL"]


def test_place_time_and_cloud_choose(tmp_path: Path) -> None:
    Safe().at(tmp_path)
    assert [one.item_id for one in search(tmp_path, max_cloud=12.3).cloudy] == [NAME]
    assert search(tmp_path, max_cloud=12.375).cloudy == ()
    assert search(tmp_path, end=date(2026, 7, 3)).offers == ()
    assert search(tmp_path, start=date(2026, 7, 5)).offers == ()
    day = date(2026, 7, 4)
    assert len(search(tmp_path, start=day, end=day).offers) == 1


def test_source_is_one(tmp_path: Path) -> None:
    source: Source = FolderSource(tmp_path)
    assert source.name == "folder"
