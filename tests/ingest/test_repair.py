"""What a verification finds broken is fetched again from where it came from."""

import copy
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio

from ingest.archive import Archive
from ingest.offer import BandOffer, Fetcher, split_origin
from ingest.plan import make_plan
from ingest.repair import repair
from ingest.source_errors import SourceDenied
from ingest.transfer import Outcome, carry_out
from tests.ingest.builders import add
from tests.ingest.rasters import numbers, write
from tests.ingest.small_world import MIDDLE, SIZE, SmallWorld, at, source, wanted
from tests.ingest.stac_api.server import StandIn
from tests.ingest.wording import english

DAY = "2025-06-01"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> SmallWorld:
    return SmallWorld(tmp_path_factory.mktemp("provider"))


@pytest.fixture(scope="module")
def server(world: SmallWorld) -> Iterator[StandIn]:
    item = world.add(DAY)
    with StandIn(world.folder) as running:
        at(running, copy.deepcopy(item))
        yield running


@pytest.fixture
def archive(server: StandIn, tmp_path: Path) -> Archive:
    """Give an archive of one scene, or the part of it that a place needs."""
    made = Archive(tmp_path / "archive")
    found = source(server).search(wanted())
    plan = make_plan(
        made, "earth-search", found, clip=MIDDLE.bounds, letters=("R", "N")
    )
    carry_out(plan, source(server), made, folder=tmp_path / "in")
    made.refresh_links()
    assert made.verify() == []
    return made


def _repair(server: StandIn, archive: Archive, folder: Path) -> Outcome:
    def opened(name: str, collection: str) -> Fetcher:
        assert (name, collection) == ("earth-search", "sentinel-2-c1-l2a")
        return source(server)

    return repair(archive, archive.verify(), opened, folder=folder)


def _band(archive: Archive) -> Path:
    (item,) = archive.items("sentinel-2-c1-l2a")
    return Path(item.assets["B04"].href)


def test_a_scene_whose_pixels_do_not_match_its_checksum_comes_again(
    server: StandIn, archive: Archive, tmp_path: Path
) -> None:
    path = _band(archive)
    with rasterio.open(path) as file:
        before = file.read(1)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    outcome = _repair(server, archive, tmp_path / "in")
    assert (len(outcome.added), outcome.failures) == (1, ())
    assert archive.verify() == []
    with rasterio.open(_band(archive)) as file:
        np.testing.assert_array_equal(file.read(1), before)


def test_a_missing_file_comes_again(
    server: StandIn, archive: Archive, tmp_path: Path
) -> None:
    _band(archive).unlink()
    assert len(_repair(server, archive, tmp_path / "in").added) == 1
    assert archive.verify() == []


def test_the_repaired_item_says_the_same_as_before(
    server: StandIn, archive: Archive, tmp_path: Path
) -> None:
    (before,) = archive.items("sentinel-2-c1-l2a")
    _band(archive).write_bytes(b"")
    _repair(server, archive, tmp_path / "in")
    (after,) = archive.items("sentinel-2-c1-l2a")
    assert after.properties == before.properties
    assert after.geometry == before.geometry
    assert {k: a.extra_fields for k, a in after.assets.items()} == {
        k: a.extra_fields for k, a in before.assets.items()
    }


def test_a_source_that_has_it_no_more_leaves_the_rest_as_it_is(
    server: StandIn, archive: Archive, tmp_path: Path
) -> None:
    _band(archive).write_bytes(b"")
    server.fail("/files/*", status=404, times=None)
    (failure,) = _repair(server, archive, tmp_path / "in").failures
    server.mend()
    assert "not there any more (404)" in english(failure.reason)
    assert len(archive.verify()) == 1


def test_whole_bands_are_neither_fetched_nor_changed(
    server: StandIn, archive: Archive, tmp_path: Path
) -> None:
    _band(archive).write_bytes(b"")
    before = len(server.paths())
    _repair(server, archive, tmp_path / "in")
    asked = {path.rpartition("/")[2] for path in server.paths()[before:]}
    assert asked == {"B04.tif"}


def test_a_source_that_has_another_file_by_now_mends_nothing(
    server: StandIn, world: SmallWorld, archive: Archive, tmp_path: Path
) -> None:
    _band(archive).write_bytes(b"")
    remote = world.folder / DAY / "B04.tif"
    whole = remote.read_bytes()
    write(remote, numbers(SIZE, SIZE, seed=99), driver="COG", nodata=0)
    (failure,) = _repair(server, archive, tmp_path / "in").failures
    remote.write_bytes(whole)
    assert "is not what it was when it came" in english(failure.reason)


def test_a_source_that_cannot_be_opened_keeps_no_other_from_mending(
    server: StandIn, archive: Archive, tmp_path: Path
) -> None:
    _band(archive).write_bytes(b"")
    (item,) = archive.items("sentinel-2-c1-l2a")
    gone = Path(add(archive, "gone", properties={"heitu:source": "gone"}).self_href)
    content = json.loads(gone.read_text())
    content["assets"]["B04"]["heitu:source"] = "https://x.example/B04.tif"
    gone.write_text(json.dumps(content))
    (gone.parent / "B04.tif").write_bytes(b"")

    def opened(name: str, _: str) -> Fetcher:
        if name == "gone":
            raise SourceDenied("no such source · 没有该数据源", href=name)
        return source(server)

    faults = archive.verify()
    outcome = repair(archive, faults, opened, folder=tmp_path / "in")
    assert outcome.added == (item.id,)
    assert [failure.item_id for failure in outcome.failures] == ["gone"]


def test_a_scene_that_is_lost_stays_a_fault(
    server: StandIn, archive: Archive, tmp_path: Path
) -> None:
    (item,) = archive.items("sentinel-2-c1-l2a")
    shutil.rmtree(_band(archive).parent)
    (failure,) = _repair(server, archive, tmp_path / "in").failures
    assert failure.item_id == item.id
    assert archive.verify() != []


def test_a_scene_of_no_source_is_named(server: StandIn, tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    Path(add(archive).assets["B04"].href).unlink()
    archive.refresh_links()
    (failure,) = _repair(server, archive, tmp_path / "in").failures
    assert failure.item_id == "one"
    assert "does not say where it came from" in english(failure.reason)


def test_a_listing_that_is_wrong_is_made_anew(
    server: StandIn, archive: Archive, tmp_path: Path
) -> None:
    (tmp_path / "archive/catalog.json").write_text("{half")
    outcome = _repair(server, archive, tmp_path / "in")
    assert outcome == Outcome((), (), ())
    assert archive.verify() == []


@pytest.mark.parametrize(
    ("href", "index"),
    [
        ("https://x.org/a.tif", 1),
        ("/data/field 1.tif", 3),
        ("sentinelhub:sentinel-2-l2a/S2B#B04", 1),
        ('HDF4_EOS:EOS_GRID:"/a.hdf":grid:250m 16 days NDVI', 1),
    ],
)
def test_an_origin_keeps_the_band_of_its_file(href: str, index: int) -> None:
    offer = BandOffer("B04", href, 0, index=index)
    assert split_origin(offer.origin) == (href, index)
