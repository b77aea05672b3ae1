"""An archive in a folder, with other processes at work in it and damage done to it."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ingest.archive import Archive
from ingest.errors import ItemInvalid, SceneExists
from ingest.storage_folder import LocalFolder
from tests.ingest.builders import add, files_in, red_file, utm_grid
from tests.ingest.wording import english

ROOT = Path(__file__).parents[2]
DAY = 86_400

# Adds a scene in two steps: half of it, and the rest when it is told to.
WRITER = """
import sys
from pathlib import Path
from ingest.archive import Archive
from ingest.storage_folder import LocalFolder
from tests.ingest.builders import add
held = LocalFolder(Path(sys.argv[1])).placing("scenes", "two", replace=False)
with held as place:
    (place.folder / "B04.tif").write_bytes(b"half")
    print(place.folder, flush=True)
    sys.stdin.readline()
    place.commit(b"{}")
"""


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    archive = Archive(tmp_path / "archive")
    add(archive, "one")
    archive.refresh_links()
    return archive


@contextmanager
def _writer(archive: Archive) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Another process in the midst of adding "two", and its hidden folder."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(archive.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stdout is not None
        try:
            yield process, Path(process.stdout.readline().strip())
        finally:
            process.kill()


def _listed(archive: Archive) -> list[str]:
    content = json.loads((archive.root / "scenes/collection.json").read_text())
    hrefs = [link["href"] for link in content["links"] if link["rel"] == "item"]
    return sorted(Path(href).stem for href in hrefs)


def _age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_what_another_process_writes_survives_a_refresh(archive: Archive) -> None:
    with _writer(archive) as (process, part):
        _age(part, 9 * DAY)
        archive.refresh_links()
        assert (part / "B04.tif").read_bytes() == b"half"
        process.communicate("go on\n")
        assert process.returncode == 0
    assert files_in(archive.root / "scenes/two") == ["B04.tif", "two.json"]
    assert not list(archive.root.glob("scenes/.*"))


def test_what_a_killed_process_wrote_is_removed_at_once(archive: Archive) -> None:
    with _writer(archive) as (process, part):
        process.kill()
        process.wait()
        assert part.exists()
        archive.refresh_links()
    assert not list(archive.root.glob("scenes/.*"))


def test_what_was_moved_aside_survives_a_refresh(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, seen = Path.rename, []

    def watched(path: Path, target: Path) -> Path:
        moved = rename(path, target)
        if path == archive.root / "scenes/one":
            LocalFolder(archive.root).sweep([])
            seen.append(files_in(target))
        return moved

    monkeypatch.setattr(Path, "rename", watched)
    add(archive, "one", replace=True)
    assert seen == [["B04.tif", "one.json"]]
    assert not list(archive.root.glob("scenes/.*"))


@pytest.mark.parametrize(("age", "stays"), [(0.9 * DAY, True), (1.1 * DAY, False)])
def test_leftovers_nobody_ever_held_go_after_a_day(
    archive: Archive, age: float, stays: bool
) -> None:
    folder, file = archive.root / "scenes/.part-x-01", archive.root / ".part-c.json-01"
    folder.mkdir()
    file.write_text("{")
    for leftover in (folder, file):
        _age(leftover, age)
    archive.refresh_links()
    assert (folder.exists(), file.exists()) == (stays, stays)


def _lose(path: Path) -> None:
    path.unlink()


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


@pytest.fixture(params=[_lose, _truncate])
def damaged(request: pytest.FixtureRequest, archive: Archive) -> Archive:
    """Archive of "one", whose item file is lost or cut off, and "two"."""
    add(archive, "two")
    archive.refresh_links()
    request.param(archive.root / "scenes/one/one.json")
    return archive


def test_item_without_a_readable_file_is_not_there(damaged: Archive) -> None:
    assert not damaged.has("scenes", "one")
    assert damaged.has("scenes", "two")


def test_scene_takes_the_place_of_a_damaged_one(damaged: Archive) -> None:
    (damaged.root / "scenes/one/B99.tif").write_bytes(b"older")
    add(damaged, "one")
    damaged.refresh_links()
    assert damaged.verify() == []
    assert not list(damaged.root.glob("scenes/.*"))
    with pytest.raises(SceneExists):
        add(damaged, "one")


def test_files_take_the_place_of_a_damaged_scene(
    damaged: Archive, tmp_path: Path
) -> None:
    damaged.add_files(
        collection="scenes",
        item_id="one",
        acquired=damaged.item("scenes", "two").datetime,
        geobox=utm_grid(),
        files={"B04": red_file(tmp_path / "work")},
        properties={},
    )
    damaged.refresh_links()
    assert damaged.verify() == []


def test_two_that_mend_one_scene_do_not_overwrite_each_other(damaged: Archive) -> None:
    storage = LocalFolder(damaged.root)
    with storage.placing("scenes", "one", replace=False) as slower:
        add(damaged, "one")
        with pytest.raises(SceneExists):
            slower.commit(b"{}")
    assert damaged.has("scenes", "one")


def test_refresh_lists_the_others_before_it_complains(damaged: Archive) -> None:
    add(damaged, "three")
    with pytest.raises(ItemInvalid) as caught:
        damaged.refresh_links()
    assert caught.value.href == str(damaged.root / "scenes/one/one.json")
    english(str(caught.value))
    assert _listed(damaged) == ["three", "two"]


def test_refresh_reports_each_damaged_item(damaged: Archive) -> None:
    broken: list[ItemInvalid] = []
    damaged.refresh_links(on_invalid=broken.append)
    assert [one.href for one in broken] == [str(damaged.root / "scenes/one/one.json")]
    assert _listed(damaged) == ["two"]


def test_verify_names_the_damaged_item_once(damaged: Archive) -> None:
    damaged.refresh_links(on_invalid=lambda _: None)
    (fault,) = damaged.verify()
    assert (fault.collection, fault.item_id) == ("scenes", "one")
    assert "bring the scene in again" in english(fault.problem)


def test_verify_names_a_lost_scene_though_it_was_the_only_one(archive: Archive) -> None:
    shutil.rmtree(archive.root / "scenes/one")
    (fault,) = archive.verify()
    assert (fault.collection, fault.item_id) == ("scenes", "one")
    assert english(fault.problem) == "listed in collection.json but missing"


@pytest.mark.parametrize("others", [[], ["two"]])
def test_lost_scene_stays_listed_on_demand(archive: Archive, others: list[str]) -> None:
    for name in others:
        add(archive, name)
    archive.refresh_links()
    shutil.rmtree(archive.root / "scenes/one")
    archive.refresh_links(keep_listed=True)
    assert _listed(archive) == ["one", *others]
    (fault,) = archive.verify()
    assert (fault.collection, fault.item_id) == ("scenes", "one")
    archive.refresh_links()
    assert archive.verify() == []
    assert archive.collections() == (["scenes"] if others else [])


def test_lost_scene_stays_listed_once_beside_a_new_one(archive: Archive) -> None:
    shutil.rmtree(archive.root / "scenes/one")
    archive.refresh_links(keep_listed=True)
    add(archive, "one")
    archive.refresh_links(keep_listed=True)
    assert _listed(archive) == ["one"]
    assert archive.verify() == []
