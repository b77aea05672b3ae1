from pathlib import Path

import pytest

from ingest.archive import Archive
from ingest.checksum import sha256_multihash
from ingest.errors import ItemInvalid
from tests.ingest.builders import add, red_band


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    archive = Archive(tmp_path / "archive")
    add(archive, "one", bands={"B04": red_band(), "B08": red_band()})
    add(archive, "two")
    archive.refresh_links()
    return archive


def _faults(archive: Archive) -> list[tuple[str, str | None, str]]:
    """Item, asset and the English half of each problem."""
    return [
        (fault.item_id, fault.asset, fault.problem.split(" · ")[0])
        for fault in archive.verify()
    ]


def test_whole_archive_has_no_faults(archive: Archive) -> None:
    assert archive.verify() == []


def test_progress_counts_every_file(archive: Archive) -> None:
    seen: list[tuple[int, int]] = []
    archive.verify(lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


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
    assert problem == "not a readable raster"


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
    faults = _faults(archive)
    assert ("one", None, "unreadable item") in faults
    assert ("two", "B04", "missing file") in faults


def test_broken_listing(archive: Archive) -> None:
    (archive.root / "scenes/collection.json").write_text("{half")
    assert _faults(archive) == [("scenes", None, "unreadable listing")]
    archive.refresh_links()
    assert archive.verify() == []


def test_refresh_does_not_paper_over_a_broken_item(archive: Archive) -> None:
    (archive.root / "scenes/one/one.json").write_text("{half")
    with pytest.raises(ItemInvalid):
        archive.refresh_links()
