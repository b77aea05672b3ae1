"""A plan is carried out completely, or what is missing is named and the rest comes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import rasterio

from ingest.archive import Archive
from ingest.offer import Bounds, Found
from ingest.plan import BandUnknown, Plan, make_plan
from ingest.transfer import Outcome, carry_out, claimed
from raster.errors import DiskFull
from raster.selection import scene_of
from tests.ingest.small_world import (
    MIDDLE,
    PLACE,
    SmallWorld,
    at,
    source,
    wanted,
)
from tests.ingest.stac_api.server import StandIn
from tests.ingest.wording import english

DAYS = ("2025-06-01", "2025-06-11", "2025-07-01")
MIDDLE_BOX: Bounds = MIDDLE.bounds


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> SmallWorld:
    return SmallWorld(tmp_path_factory.mktemp("provider"))


@pytest.fixture(scope="module")
def items(world: SmallWorld) -> list[dict[str, object]]:
    return [world.add(day) for day in DAYS]


@pytest.fixture
def server(world: SmallWorld, items: list[dict[str, object]]) -> Iterator[StandIn]:
    import copy

    with StandIn(world.folder) as running:
        at(running, *copy.deepcopy(items))
        yield running


def _plan(
    server: StandIn,
    archive: Archive,
    *,
    clip: Bounds | None = None,
    letters: tuple[str, ...] = ("R", "N"),
    found: Found | None = None,
) -> Plan:
    found = found or source(server).search(wanted())
    return make_plan(archive, "earth-search", found, clip=clip, letters=letters)


def _run(server: StandIn, archive: Archive, folder: Path, **options: object) -> Outcome:
    plan = _plan(server, archive, **options)  # type: ignore[arg-type]
    outcome = carry_out(plan, source(server), archive, folder=folder, workers=2)
    archive.refresh_links()
    return outcome


def _files(paths: list[str]) -> set[str]:
    return {path.rpartition("/")[2] for path in paths if "/files/" in path}


def _ids(archive: Archive) -> list[str]:
    return [item.id for name in archive.collections() for item in archive.items(name)]


def test_scenes_arrive_bit_for_bit_and_serve_a_season(
    server: StandIn, world: SmallWorld, tmp_path: Path
) -> None:
    archive = Archive(tmp_path / "archive")
    outcome = _run(server, archive, tmp_path / "in")
    assert (len(outcome.added), outcome.failures) == (3, ())
    (item, *_) = archive.items("sentinel-2-c1-l2a")
    assert set(item.assets) == {"B04", "B08", "SCL"}
    with rasterio.open(item.assets["B04"].href) as file:
        np.testing.assert_array_equal(file.read(1), world.pixels(DAYS[0], "B04"))
    calibration = scene_of(item, ("R",)).bands["R"].calibration
    assert calibration is not None
    assert (calibration.scale, calibration.offset) == (1e-4, -0.1)
    assert archive.verify() == []


def test_only_the_bands_that_are_wanted_come(server: StandIn, tmp_path: Path) -> None:
    _run(server, Archive(tmp_path / "archive"), tmp_path / "in", letters=("S1",))
    assert _files(server.paths()) == {"B11.tif", "SCL.tif"}


def test_a_band_may_be_named_by_its_key(server: StandIn, tmp_path: Path) -> None:
    plan = _plan(server, Archive(tmp_path / "archive"), letters=("B11",))
    assert set(plan.to_come[0].keys) == {"B11", "SCL"}


def test_a_band_that_no_scene_has_is_named(server: StandIn, tmp_path: Path) -> None:
    with pytest.raises(BandUnknown) as caught:
        _plan(server, Archive(tmp_path / "archive"), letters=("R", "red"))
    assert "no scene here has a band red" in english(str(caught.value))


def test_a_second_run_does_nothing(server: StandIn, tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    _run(server, archive, tmp_path / "in")
    sent = server.bytes_sent
    plan = _plan(server, archive)
    assert (len(plan.present), plan.to_come, plan.bytes) == (3, (), 0)
    carry_out(plan, source(server), archive, folder=tmp_path / "in")
    assert server.bytes_sent == sent


def test_a_scene_that_fails_keeps_no_other_from_coming_and_comes_later(
    server: StandIn, tmp_path: Path
) -> None:
    archive = Archive(tmp_path / "archive")
    server.fail("/files/2025-06-11/B08.tif", status=500, times=None)
    outcome = _run(server, archive, tmp_path / "in")
    (failure,) = outcome.failures
    assert "20250611" in failure.item_id
    assert "busy (500)" in english(failure.reason)
    assert len(_ids(archive)) == 2
    server.mend()
    again = _run(server, archive, tmp_path / "in")
    assert (again.added, again.failures) == ((failure.item_id,), ())


def test_bands_that_had_arrived_do_not_come_again(
    server: StandIn, tmp_path: Path
) -> None:
    archive = Archive(tmp_path / "archive")
    *_, last = _plan(server, archive).to_come[0].keys
    server.fail(f"/files/*/{last}.tif", status=404, times=None)
    assert len(_run(server, archive, tmp_path / "in").failures) == 3
    server.mend()
    before = len(server.paths())
    assert len(_run(server, archive, tmp_path / "in").added) == 3
    assert _files(server.paths()[before:]) == {f"{last}.tif"}


def test_nothing_is_left_beside_the_archive_when_all_has_come(
    server: StandIn, tmp_path: Path
) -> None:
    _run(server, Archive(tmp_path / "archive"), tmp_path / "in")
    assert [path.name for path in (tmp_path / "in").iterdir()] == []


def test_the_part_of_a_place_comes_and_a_larger_one_replaces_it(
    server: StandIn, tmp_path: Path
) -> None:
    archive = Archive(tmp_path / "archive")
    _run(server, archive, tmp_path / "in", clip=MIDDLE_BOX, letters=("R", "S1"))
    (small, *_) = archive.items("sentinel-2-c1-l2a")
    with rasterio.open(small.assets["B04"].href) as file:
        assert file.width < 300
    # Another part of the scene: what is there stays covered, B11 stays too.
    _run(server, archive, tmp_path / "in", clip=PLACE.bounds)
    (large, *_) = archive.items("sentinel-2-c1-l2a")
    assert set(large.assets) == {"B04", "B08", "B11", "SCL"}
    with rasterio.open(large.assets["B11"].href) as file:
        assert file.width == 600
    assert _plan(server, archive, clip=MIDDLE_BOX).to_come == ()


def test_a_whole_scene_serves_every_part(server: StandIn, tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    _run(server, archive, tmp_path / "in")
    assert _plan(server, archive, clip=MIDDLE_BOX).to_come == ()


def test_a_part_does_not_serve_for_the_whole(server: StandIn, tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    _run(server, archive, tmp_path / "in", clip=MIDDLE_BOX)
    assert len(_plan(server, archive).to_come) == 3


def test_the_archive_holds_a_newer_processing_already(
    server: StandIn, world: SmallWorld, tmp_path: Path
) -> None:
    archive = Archive(tmp_path / "archive")
    _run(server, archive, tmp_path / "in")
    found = source(server).search(wanted())
    old = [
        replace(
            offer,
            item_id=f"{offer.item_id}-old",
            properties={**offer.properties, "s2:processing_baseline": "04.00"}
            | {"processing:version": "04.00"},
        )
        for offer in found.offers
    ]
    plan = _plan(server, archive, found=Found(tuple(old)))
    assert (len(plan.present), plan.to_come) == (3, ())


def test_of_two_processings_offered_the_newer_comes(
    server: StandIn, tmp_path: Path
) -> None:
    archive = Archive(tmp_path / "archive")
    (offer, *_) = source(server).search(wanted()).offers
    old = replace(
        offer,
        item_id="S2B_old",
        properties={**offer.properties, "s2:processing_baseline": "04.00"}
        | {"processing:version": "04.00"},
    )
    plan = _plan(server, archive, found=Found((old, offer)))
    assert [entry.offer.item_id for entry in plan.to_come] == [offer.item_id]
    assert plan.superseded == ("S2B_old",)


def test_a_scene_that_another_run_is_fetching_is_left_to_it(
    server: StandIn, tmp_path: Path
) -> None:
    archive = Archive(tmp_path / "archive")
    plan = _plan(server, archive)
    # The other run wants another part of the scene.
    other = replace(plan.to_come[0], clip=MIDDLE_BOX)
    with claimed(tmp_path / "in", other):
        outcome = carry_out(plan, source(server), archive, folder=tmp_path / "in")
    (failure,) = outcome.failures
    assert failure.item_id == plan.to_come[0].offer.item_id
    assert "another run" in english(failure.reason)
    assert len(outcome.added) == 2


def test_a_scene_that_another_run_brought_meanwhile_is_present(
    server: StandIn, tmp_path: Path
) -> None:
    archive = Archive(tmp_path / "archive")
    plan = _plan(server, archive)
    first = carry_out(plan, source(server), archive, folder=tmp_path / "in")
    sent = server.bytes_sent
    second = carry_out(plan, source(server), archive, folder=tmp_path / "in")
    assert (second.added, second.present) == ((), first.added)
    assert server.bytes_sent == sent


def test_a_part_that_another_run_brought_meanwhile_is_kept(
    server: StandIn, tmp_path: Path
) -> None:
    archive = Archive(tmp_path / "archive")
    west, south, east, north = MIDDLE_BOX
    left = _plan(server, archive, clip=(west, south, (west + east) / 2, north))
    right = _plan(server, archive, clip=((west + east) / 2, south, east, north))
    for plan in (left, right):
        outcome = carry_out(plan, source(server), archive, folder=tmp_path / "in")
        assert len(outcome.added) == 3
    assert _plan(server, archive, clip=MIDDLE_BOX).to_come == ()


def test_bands_that_another_run_brought_meanwhile_are_kept(
    server: StandIn, tmp_path: Path
) -> None:
    archive = Archive(tmp_path / "archive")
    plans = [_plan(server, archive, letters=letters) for letters in (("R",), ("S1",))]
    for plan in plans:
        carry_out(plan, source(server), archive, folder=tmp_path / "in")
    (item, *_) = archive.items("sentinel-2-c1-l2a")
    assert set(item.assets) == {"B04", "B11", "SCL"}


def test_bands_of_an_item_that_was_changed_do_not_come_together(
    server: StandIn, tmp_path: Path
) -> None:
    archive = Archive(tmp_path / "archive")
    server.fail("/files/*/B08.tif", status=404, times=None)
    _run(server, archive, tmp_path / "in")
    server.mend()
    # Made anew, without the shift: the numbers that wait have it.
    for offered in server.api.items:
        offered["properties"]["s2:processing_baseline"] = "03.01"
        for asset in offered["assets"].values():
            for band in asset.get("raster:bands", ()):
                if "offset" in band:
                    band["offset"] = 0.0
    before = len(server.paths())
    assert _run(server, archive, tmp_path / "in").failures == ()
    assert _files(server.paths()[before:]) == {"B04.tif", "B08.tif", "SCL.tif"}
    (item, *_) = archive.items("sentinel-2-c1-l2a")
    calibration = scene_of(item, ("R",)).bands["R"].calibration
    assert calibration is not None
    assert calibration.offset == 0.0


def test_a_waiting_band_that_was_damaged_comes_again(
    server: StandIn, world: SmallWorld, tmp_path: Path
) -> None:
    archive = Archive(tmp_path / "archive")
    server.fail("/files/*/B08.tif", status=404, times=None)
    _run(server, archive, tmp_path / "in")
    server.mend()
    for path in (tmp_path / "in").glob("*/B04.tif"):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 255
        path.write_bytes(content)
    _run(server, archive, tmp_path / "in")
    (item, *_) = archive.items("sentinel-2-c1-l2a")
    with rasterio.open(item.assets["B04"].href) as file:
        np.testing.assert_array_equal(file.read(1), world.pixels(DAYS[0], "B04"))


def test_a_scene_without_a_band_that_is_asked_for_is_refused(
    server: StandIn, tmp_path: Path
) -> None:
    (offer, *_) = source(server).search(wanted()).offers
    bands = {key: band for key, band in offer.bands.items() if key != "B11"}
    found = Found((replace(offer, bands=bands),))
    archive = Archive(tmp_path / "archive")
    plan = _plan(server, archive, letters=("R", "S1"), found=found)
    (refused,) = plan.refused
    assert plan.to_come == ()
    assert "has no band S1 at its source" in english(refused.reason)


def test_a_band_that_the_source_no_longer_offers_is_not_lost(
    server: StandIn, tmp_path: Path
) -> None:
    archive = Archive(tmp_path / "archive")
    _run(server, archive, tmp_path / "in", letters=("R", "S1"), clip=MIDDLE_BOX)
    offers = source(server).search(wanted()).offers
    bands = {key: offers[0].bands[key] for key in ("B04", "SCL")}
    found = Found((replace(offers[0], bands=bands),))
    plan = _plan(server, archive, letters=("R",), found=found)
    (refused,) = plan.refused
    assert "no longer offers" in english(refused.reason)


def test_a_full_disk_ends_the_run(
    server: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(tmp_path / "archive")
    plan = _plan(server, archive)

    def full(*_: object, **__: object) -> None:
        raise DiskFull("no space left", path=tmp_path)

    monkeypatch.setattr("ingest.fetch.convert", full)
    with pytest.raises(DiskFull):
        carry_out(plan, source(server), archive, folder=tmp_path / "in")
    assert archive.collections() == []


def test_a_run_that_is_asked_to_stop_begins_no_band(
    server: StandIn, tmp_path: Path
) -> None:
    archive = Archive(tmp_path / "archive")
    stop = Event()
    stop.set()
    plan = _plan(server, archive)
    outcome = carry_out(
        plan, source(server), archive, folder=tmp_path / "in", stop=stop
    )
    assert len(outcome.failures) == 3
    assert server.bytes_sent == 0


def test_progress_counts_every_band(server: StandIn, tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    seen: list[tuple[int, int]] = []
    carry_out(
        _plan(server, archive),
        source(server),
        archive,
        folder=tmp_path / "in",
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(number, 9) for number in range(1, 10)]


def test_items_say_where_their_pixels_came_from(
    server: StandIn, tmp_path: Path
) -> None:
    archive = Archive(tmp_path / "archive")
    _run(server, archive, tmp_path / "in", clip=MIDDLE_BOX)
    (item, *_) = archive.items("sentinel-2-c1-l2a")
    assert item.properties["heitu:source"] == "earth-search"
    assert item.properties["heitu:clip"] == list(MIDDLE_BOX)
    assert item.properties["heitu:simulated"] is False
    origin = item.assets["B04"].extra_fields["heitu:source"]
    assert origin == server.file_url(f"{DAYS[0]}/B04.tif")


def test_an_item_that_cannot_be_read_is_fetched_again(
    server: StandIn, tmp_path: Path
) -> None:
    archive = Archive(tmp_path / "archive")
    _run(server, archive, tmp_path / "in")
    (path,) = (tmp_path / "archive").glob("*/*20250601*/*.json")
    path.write_text("{half")
    outcome = _run(server, archive, tmp_path / "in")
    assert len(outcome.added) == 1
    assert archive.verify() == []


def test_the_plan_tells_how_many_bytes_come(server: StandIn, tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    plan = _plan(server, archive)
    carry_out(plan, source(server), archive, folder=tmp_path / "in")
    assert 0.3 < plan.bytes / server.bytes_sent < 3
