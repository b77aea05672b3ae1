"""Sentinel-2 products that cannot be used: each is refused by name, with what to do."""

import shutil
import tarfile
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from ingest.errors import IngestError
from ingest.folders import FolderSource, ProductInvalid
from tests.ingest.folders.builders import ELSEWHERE, offered, reason, search
from tests.ingest.folders.safe_builder import SHIFTED, Safe, zipped
from tests.ingest.wording import english

NAME = "S2B_MSIL2A_20260704T022601_N0511_R046_T51TXK_20260704T051258"


@pytest.mark.parametrize(
    ("product", "says"),
    [
        (Safe(offsets=""), "BOA_ADD_OFFSET of B04 is missing"),
        (Safe(offsets=SHIFTED.replace("-1000", "0")), "BOA_ADD_OFFSET of B04 is 0"),
        (Safe(offsets=SHIFTED.replace("-1000", "x")), "BOA_ADD_OFFSET of B04 is x"),
        (Safe(baseline="03.01", offsets=SHIFTED), "baseline 03.01"),
        (Safe(quantification=None), "does not give BOA_QUANTIFICATION_VALUE"),
        (Safe(quantification="1000"), "BOA_QUANTIFICATION_VALUE 1000"),
        (Safe(quantification="ten"), "BOA_QUANTIFICATION_VALUE ten"),
        (Safe(baseline="99"), "baseline 99"),
        (Safe(renamed=(("65535", "65534"),)), "SATURATED is 65534 instead of 65535"),
        (Safe(renamed=(("PROCESSING_BASELINE", "X"),)), "not give PROCESSING_BASELINE"),
        (Safe(renamed=(("<Granule ", "<Granule granuleIdentifier='x'/><Granule "),)),
         "lists 2 tiles"),
        (Safe(renamed=((NAME, "影像"),)), "cannot be an id"),
        (Safe(leave_out=("B04",)), "_B04_10m.jp2: is missing or empty"),
        (Safe(leave_out=("SCL",)), "_SCL_20m.jp2: is missing or empty"),
        (Safe(bands=("B08", "SCL")), "B04: the product has no such band"),
        (Safe(renamed=(("</n1:General_Info>", ""),)), "is no XML"),
        (Safe(renamed=(("<n1:Level", "<!DOCTYPE x [<!ENTITY a 'b'>]><n1:Level"),)),
         "document type declaration"),
        (Safe(renamed=(("IMAGE_FILE", "OTHER"),)), "does not give IMAGE_FILE"),
    ],
)  # fmt: skip
def test_metadata_that_cannot_be_believed(
    tmp_path: Path, product: Safe, says: str
) -> None:
    product.at(tmp_path)
    assert says in english(reason(tmp_path))


def _lose_tile(root: Path) -> None:
    next(root.rglob("MTD_TL.xml")).unlink()


def _lose_metadata(root: Path) -> None:
    (root / "MTD_MSIL2A.xml").unlink()


def _cut_metadata(root: Path) -> None:
    path = root / "MTD_MSIL2A.xml"
    path.write_bytes(path.read_bytes()[:900])


def _empty_image(root: Path) -> None:
    next(root.rglob("*_B08_10m.jp2")).write_bytes(b"")


def _level_1c(root: Path) -> None:
    (root / "MTD_MSIL2A.xml").rename(root / "MTD_MSIL1C.xml")


def _old_format(root: Path) -> None:
    name = "S2A_USER_MTD_SAFL2A_PDMC_20160504T185128_R051_V20160504.xml"
    (root / "MTD_MSIL2A.xml").rename(root.parent / name)
    shutil.rmtree(root)


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (_lose_tile, "has 0 files GRANULE/*/MTD_TL.xml"),
        (_lose_metadata, "MTD_MSIL2A.xml is missing"),
        (_cut_metadata, "is no XML"),
        (_empty_image, "_B08_10m.jp2: is missing or empty"),
        (_level_1c, "is Level-1C"),
        (_old_format, "many tiles in one product"),
    ],
)
def test_files_that_are_not_whole(
    tmp_path: Path, harm: Callable[[Path], None], says: str
) -> None:
    harm(Safe().at(tmp_path))
    assert says in english(reason(tmp_path))


@pytest.mark.parametrize("cut", [10, 2_000, -1])
def test_zip_that_was_cut_off(tmp_path: Path, cut: int) -> None:
    root = Safe().at(tmp_path)
    path = zipped(root)
    shutil.rmtree(root)
    path.write_bytes(path.read_bytes()[:cut])
    assert f"{path} cannot be opened, so that it is cut off" in english(
        reason(tmp_path)
    )


def test_jp2_that_was_cut_off_leaves_no_file(tmp_path: Path) -> None:
    root = Safe().at(tmp_path)
    image = next(root.rglob("*_B04_10m.jp2"))
    image.write_bytes(image.read_bytes()[:-500])
    offer = offered(tmp_path)
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(IngestError, match="cut off"):
        FolderSource(tmp_path).fetch(offer, "B04", clip=None, folder=folder)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("deflated", [False, True])
def test_jp2_in_a_zip_that_was_cut_off(tmp_path: Path, deflated: bool) -> None:
    root = Safe().at(tmp_path)
    image = next(root.rglob("*_B04_10m.jp2"))
    image.write_bytes(image.read_bytes()[:-500])
    path = zipped(root, deflated=deflated)
    with pytest.raises(ProductInvalid, match=r"B04_10m\.jp2 is cut off"):
        FolderSource(path).fetch(offered(path), "B04", clip=None, folder=tmp_path)


def test_changed_byte_in_a_zip(tmp_path: Path) -> None:
    root = Safe().at(tmp_path)
    image = next(root.rglob("*_B04_10m.jp2")).read_bytes()
    path = zipped(root)
    content = bytearray(path.read_bytes())
    content[content.index(image) + len(image) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ProductInvalid, match="CRC"):
        FolderSource(path).fetch(offered(path), "B04", clip=None, folder=tmp_path)


def test_unknown_band_names_those_there_are(tmp_path: Path) -> None:
    Safe().at(tmp_path)
    with pytest.raises(ProductInvalid, match=r"it has B04, B08, SCL"):
        FolderSource(tmp_path).fetch(
            offered(tmp_path), "B12", clip=None, folder=tmp_path
        )


def test_broken_product_of_another_day_is_of_no_concern(tmp_path: Path) -> None:
    _lose_metadata(Safe().at(tmp_path))
    assert search(tmp_path, end=date(2026, 7, 3)).refused == ()
    assert search(tmp_path, start=date(2026, 7, 5)).refused == ()


def test_missing_band_elsewhere_is_of_no_concern(tmp_path: Path) -> None:
    Safe(leave_out=("B04",)).at(tmp_path)
    assert search(tmp_path, where=ELSEWHERE).refused == ()


def test_one_bad_product_does_not_hide_the_others(tmp_path: Path) -> None:
    Safe().at(tmp_path)
    Safe(day="2026-07-09", offsets="").at(tmp_path)
    found = search(tmp_path)
    assert [offer.item_id for offer in found.offers] == [NAME]
    assert [refused.item_id[11:19] for refused in found.refused] == ["20260709"]


@pytest.mark.parametrize(
    "name", [f"{NAME}.tar.gz", f"{NAME}.SAFE.zip.part", f"{NAME}.zip.crdownload"]
)
def test_half_loaded_or_packed_otherwise(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x1f\x8b")
    assert "finish the download, or unpack it" in english(reason(tmp_path))


def test_zip_in_a_zip(tmp_path: Path) -> None:
    root = Safe().at(tmp_path / "a")
    inner = zipped(root)
    with zipfile.ZipFile(tmp_path / "order.zip", "w") as archive:
        archive.write(inner, inner.name)
    shutil.rmtree(tmp_path / "a")
    assert "cannot be read as .zip (order.zip)" in english(reason(tmp_path))


def test_encrypted_zip(tmp_path: Path) -> None:
    root = Safe().at(tmp_path)
    path = zipped(root)
    shutil.rmtree(root)
    # Bit 0 of the flags of every entry, in the central directory and before the data.
    content = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        at = content.find(mark)
        while at >= 0:
            content[at + place] |= 1
            at = content.find(mark, at + 4)
    path.write_bytes(content)
    assert "MTD_MSIL2A.xml cannot be read" in english(reason(tmp_path))


def test_tar_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "LC09.tar").write_bytes(b"not a tar" * 100)
    assert "cannot be opened" in english(reason(tmp_path))


@pytest.mark.parametrize(
    ("form", "good"), [(tarfile.GNU_FORMAT, True), (tarfile.PAX_FORMAT, False)]
)
def test_tar_with_long_names(tmp_path: Path, form: int, good: bool) -> None:
    root = Safe().at(tmp_path)
    with tarfile.open(tmp_path / "a.tar", "w", format=form) as archive:
        archive.add(root, arcname=f"./{root.name}")
    shutil.rmtree(root)
    if not good:
        assert "unpack it" in english(reason(tmp_path))
        return
    offer = offered(tmp_path)
    assert offer.bands["B04"].href.startswith(f"/vsitar/{tmp_path}/a.tar/{NAME}.SAFE/")
    FolderSource(tmp_path).fetch(offer, "B04", clip=None, folder=tmp_path)
