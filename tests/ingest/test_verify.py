import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest.archive import Archive, BandData
from ingest.checksum import sha256_multihash
from ingest.errors import ItemInvalid
from tests.ingest.builders import add, red_band, utm_grid
from tests.ingest.wording import english


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    archive = Archive(tmp_path / "archive")
    scl = BandData(np.full((40, 40), 4, "uint8"), utm_grid(), 0)
    add(archive, "one", bands={"B04": red_band(), "B08": red_band(), "SCL": scl})
    add(archive, "two")
    archive.refresh_links()
    return archive


def _faults(archive: Archive) -> list[tuple[str | None, str | None, str]]:
    """Item, asset and the English half of each problem."""
    return [
        (fault.item_id, fault.asset, english(fault.problem))
        for fault in archive.verify()
    ]


def test_whole_archive_has_no_faults(archive: Archive) -> None:
    assert archive.verify() == []


def test_progress_counts_every_file(archive: Archive) -> None:
    seen: list[tuple[int, int]] = []
    archive.verify(lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_missing_file(archive: Archive) -> None:
    (archive.root / "scenes/one/B04.tif").unlink()
    assert _faults(archive) == [("one", "B04", "missing file")]


def test_truncated_file(archive: Archive) -> None:
    path = archive.root / "scenes/one/B08.tif"
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-1])
    problem = f"{size - 1} bytes instead of {size}"
    assert _faults(archive) == [("one", "B08", problem)]


def test_one_changed_bit(archive: Archive) -> None:
    path = archive.root / "scenes/two/B04.tif"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert _faults(archive) == [("two", "B04", "content differs from its checksum")]


def _swap_content(archive: Archive, content: bytes) -> None:
    """Put `content` behind item two's asset, with size and checksum that agree."""
    path = archive.root / "scenes/two/B04.tif"
    item = archive.root / "scenes/two/two.json"
    old_size, old_sum = path.stat().st_size, sha256_multihash(path)
    path.write_bytes(content)
    text = item.read_text().replace(old_sum, sha256_multihash(path))
    item.write_text(
        text.replace(f'"file:size": {old_size}', f'"file:size": {len(content)}')
    )


def test_file_that_is_no_raster(archive: Archive) -> None:
    _swap_content(archive, b"no raster")
    ((item_id, asset, problem),) = _faults(archive)
    assert (item_id, asset) == ("two", "B04")
    assert problem.startswith("not a readable raster")


def test_raster_of_another_size(archive: Archive, tmp_path: Path) -> None:
    other = Archive(tmp_path / "other")
    small = red_band(16)
    item = other.add_scene(
        collection="scenes",
        item_id="small",
        acquired=archive.item("scenes", "two").datetime or pytest.fail("no time"),
        geobox=small.geobox,
        bands={"B04": small},
        properties={},
    )
    _swap_content(archive, Path(item.assets["B04"].href).read_bytes())
    ((_, _, problem),) = _faults(archive)
    assert problem == "raster of [16, 16] pixels, not as its item says"


def test_file_no_asset_knows(archive: Archive) -> None:
    (archive.root / "scenes/one/notes.txt").write_text("x")
    assert _faults(archive) == [("one", None, "file belongs to no asset")]


def test_deleted_item_is_missed(archive: Archive) -> None:
    for path in (archive.root / "scenes/two").iterdir():
        path.unlink()
    (archive.root / "scenes/two").rmdir()
    assert _faults(archive) == [("two", None, "listed in collection.json but missing")]


def test_item_that_is_not_listed(archive: Archive) -> None:
    add(archive, "three")
    ((item_id, _, problem),) = _faults(archive)
    assert item_id == "three"
    assert problem == "not listed in collection.json: refresh the links"


def test_broken_item_does_not_hide_the_others(archive: Archive) -> None:
    (archive.root / "scenes/one/one.json").write_text("{half")
    (archive.root / "scenes/two/B04.tif").unlink()
    missing, broken = sorted(_faults(archive), key=lambda fault: str(fault[1]))
    assert missing == ("two", "B04", "missing file")
    assert broken[:2] == ("one", None)
    assert "one.json: Expecting property name" in broken[2]


def test_broken_listing(archive: Archive) -> None:
    (archive.root / "scenes/collection.json").write_text("{half")
    (fault,) = archive.verify()
    assert (fault.collection, fault.item_id, fault.asset) == ("scenes", None, None)
    assert english(fault.problem).endswith("refresh the archive's links")
    archive.refresh_links()
    assert archive.verify() == []


def test_refresh_does_not_paper_over_a_broken_item(archive: Archive) -> None:
    (archive.root / "scenes/one/one.json").write_text("{half")
    with pytest.raises(ItemInvalid):
        archive.refresh_links()


Edit = Callable[[dict[str, Any]], object]


def _edit(archive: Archive, edit: Edit, *, item: str = "scenes/one") -> Path:
    path = archive.root / item / f"{Path(item).name}.json"
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("key", ["B04", "B08"])
@pytest.mark.parametrize(
    "edit",
    [
        lambda asset: asset["raster:bands"][0].pop("offset"),
        lambda asset: asset["raster:bands"][0].pop("scale"),
        lambda asset: asset["raster:bands"][0].update(offset="unknown"),
        lambda asset: asset["raster:bands"][0].update(scale=0),
        lambda asset: asset.update({"raster:bands": []}),
        lambda asset: asset.update({"raster:bands": {"offset": 0}}),
        lambda asset: asset.update({"raster:bands": ["scale"]}),
        lambda asset: asset.pop("raster:bands"),
    ],
)
def test_reflectance_of_unknown_scaling(archive: Archive, key: str, edit: Edit) -> None:
    path = _edit(archive, lambda item: edit(item["assets"][key]))
    (fault,) = archive.verify()
    assert (fault.item_id, fault.asset, fault.href) == ("one", key, str(path))
    assert fault.problem.startswith(f"item one, asset {key}: scale ")
    assert english(fault.problem).endswith("raster:offset into the asset")


def test_scaling_in_the_newer_spelling_is_no_fault(archive: Archive) -> None:
    def respell(item: dict[str, Any]) -> None:
        (band,) = item["assets"]["B04"].pop("raster:bands")
        item["assets"]["B04"]["raster:scale"] = band["scale"]
        item["assets"]["B04"]["raster:offset"] = band["offset"]

    _edit(archive, respell)
    assert archive.verify() == []


def test_scene_without_its_classes(archive: Archive) -> None:
    path = _edit(archive, lambda item: item["assets"].pop("SCL"))
    by_path = {Path(fault.href): fault for fault in archive.verify()}
    assert by_path.keys() == {path, path.with_name("SCL.tif")}
    assert (by_path[path].item_id, by_path[path].asset) == ("one", "SCL")
    assert english(by_path[path].problem) == (
        "item one has no asset SCL, qa_pixel or Fmask (it has B04, B08): add the file "
        "to the item"
    )


@pytest.mark.parametrize(
    "edit",
    [
        lambda item: item["properties"].pop("datetime"),
        lambda item: item["properties"].update(datetime=None),
        lambda item: item["properties"].update(datetime="summer"),
        lambda item: item["properties"].update(datetime=20250701),
        lambda item: item["properties"].update(datetime="2025-07-01T04:00:00"),
    ],
)
def test_time_nobody_can_read(archive: Archive, edit: Edit) -> None:
    path = _edit(archive, edit)
    (fault,) = archive.verify()
    assert (fault.item_id, fault.href) == ("one", str(path))
    assert "its time cannot be read" in english(fault.problem)


@pytest.mark.parametrize(
    "edit",
    [
        lambda item: item.pop("stac_version"),
        lambda item: item.update(bbox=[]),
        lambda item: item.update(bbox=["west", 43, 124, 44]),
        lambda item: item["assets"]["B04"].pop("href"),
        lambda item: item["assets"].update(B04="B04.tif"),
    ],
)
def test_item_that_is_no_stac_item(archive: Archive, edit: Edit) -> None:
    path = _edit(archive, edit)
    (fault,) = archive.verify()
    assert (fault.item_id, fault.asset, fault.href) == ("one", None, str(path))
    english(fault.problem)


def test_product_needs_no_scaling_and_no_classes(archive: Archive) -> None:
    archive.add_product(
        product_id="land",
        kind="land-cover",
        geobox=utm_grid(),
        asset=BandData(np.ones((40, 40), "uint8"), utm_grid(), 0),
        properties={"heitu:year": 2025},
    )
    archive.refresh_links()
    assert archive.verify() == []
