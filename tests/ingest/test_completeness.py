"""What is there of a place and a dekad, against what catalogues said there is."""

import copy
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pystac
import pytest
import shapely

from ingest.archive import Archive
from ingest.completeness import DekadReport, completeness
from ingest.offer import Found, Refused, Wanted
from ingest.plan import make_plan
from ingest.searches import (
    SearchUnreadable,
    day_in,
    read_searches,
    record_search,
)
from ingest.transfer import carry_out
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

JUNE: dict[str, Any] = {"start": date(2025, 6, 1), "end": date(2025, 6, 30)}
LATER = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    world = SmallWorld(tmp_path_factory.mktemp("provider"))
    clear = [world.add(day) for day in ("2025-06-01", "2025-06-06", "2025-06-21")]
    cloudy = world.add("2025-06-11", cloud=95.0)
    with StandIn(world.folder) as running:
        at(running, *copy.deepcopy([*clear, cloudy]))
        yield running


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


def _record(
    folder: Path,
    asked: Wanted,
    found: Found,
    *,
    now: datetime = LATER,
    collection: str = "sentinel-2-c1-l2a",
) -> None:
    record_search(folder, "earth-search", asked, found, collection=collection, now=now)


def _search(server: StandIn, folder: Path, asked: Wanted) -> None:
    _record(folder, asked, source(server).search(asked))


def _fetch(
    server: StandIn, archive: Archive, folder: Path, *, days: int, clip: bool = False
) -> None:
    found = source(server).search(wanted(most=50))
    found = type(found)(offers=found.offers[:days])
    box = MIDDLE.bounds if clip else None
    plan = make_plan(archive, "earth-search", found, clip=box, letters=("R", "N"))
    assert carry_out(plan, source(server), archive, folder=folder).failures == ()


def _items(archive: Archive) -> list[pystac.Item]:
    return [item for name in archive.collections() for item in archive.items(name)]


def _june(archive: Archive, folder: Path) -> list[DekadReport]:
    return completeness(_items(archive), read_searches(folder), PLACE, **JUNE)


def test_a_place_that_nobody_searched_claims_nothing(
    archive: Archive, tmp_path: Path
) -> None:
    assert [(row.expected, row.complete) for row in _june(archive, tmp_path / "s")] == [
        (None, None)
    ] * 3


def test_expected_present_missing_and_cloudy_add_up(
    server: StandIn, archive: Archive, tmp_path: Path
) -> None:
    _search(server, tmp_path / "s", wanted(most=50))
    _fetch(server, archive, tmp_path / "in", days=1)
    first, second, third = _june(archive, tmp_path / "s")
    assert (first.expected, first.present, first.cloudy) == (2, 1, 0)
    assert [name[:22] for name in first.missing] == ["S2B_T51TXK_20250606T02"]
    assert (second.expected, second.present, second.cloudy) == (0, 0, 1)
    assert (third.expected, third.present, len(third.missing)) == (1, 0, 1)
    assert [row.complete for row in (first, second, third)] == [False, True, False]


def test_when_all_has_come_nothing_is_missing(
    server: StandIn, archive: Archive, tmp_path: Path
) -> None:
    _search(server, tmp_path / "s", wanted(most=50))
    _fetch(server, archive, tmp_path / "in", days=3)
    assert all(row.complete for row in _june(archive, tmp_path / "s"))


def test_the_clear_share_is_that_of_the_classes(
    server: StandIn, archive: Archive, tmp_path: Path
) -> None:
    _fetch(server, archive, tmp_path / "in", days=1)
    first, second, _ = _june(archive, tmp_path / "s")
    # The left half of the scene is under cloud; the grid has pixels of 250 m.
    assert first.clear_share == pytest.approx(0.5, abs=0.05)
    assert second.clear_share is None


def test_a_scene_fetched_for_a_part_is_missing_for_the_whole(
    server: StandIn, archive: Archive, tmp_path: Path
) -> None:
    _search(server, tmp_path / "s", wanted(most=50))
    _fetch(server, archive, tmp_path / "in", days=1, clip=True)
    whole, *_ = _june(archive, tmp_path / "s")
    assert (whole.present, len(whole.missing)) == (0, 2)
    searches = read_searches(tmp_path / "s")
    part, *_ = completeness(_items(archive), searches, MIDDLE, **JUNE)
    assert (part.present, len(part.missing)) == (1, 1)


def test_a_place_that_the_scene_reaches_in_part_is_held_as_far_as_it_does(
    server: StandIn, archive: Archive, tmp_path: Path
) -> None:
    west, south, east, north = PLACE.bounds
    wider = shapely.box(west - 0.01, south, east, north)
    asked = wanted(where=wider, most=50)
    _search(server, tmp_path / "s", asked)
    found = source(server).search(asked)
    plan = make_plan(archive, "earth-search", found, clip=PLACE.bounds, letters=())
    carry_out(plan, source(server), archive, folder=tmp_path / "in")
    searches = read_searches(tmp_path / "s")
    rows = completeness(_items(archive), searches, wider, **JUNE)
    assert all(row.complete for row in rows)


def test_a_search_before_the_end_of_a_dekad_does_not_speak_for_it(
    server: StandIn, archive: Archive, tmp_path: Path
) -> None:
    asked = wanted(most=50)
    found = source(server).search(asked)
    now = datetime(2025, 6, 25, tzinfo=UTC)
    _record(tmp_path / "s", asked, found, now=now)
    assert [row.expected for row in _june(archive, tmp_path / "s")] == [2, 0, None]


def test_a_search_for_a_part_does_not_speak_for_the_whole(
    server: StandIn, archive: Archive, tmp_path: Path
) -> None:
    _search(server, tmp_path / "s", wanted(where=MIDDLE))
    assert [row.expected for row in _june(archive, tmp_path / "s")] == [None] * 3


def test_a_scene_found_by_two_searches_counts_once(
    server: StandIn, archive: Archive, tmp_path: Path
) -> None:
    _search(server, tmp_path / "s", wanted(most=50))
    _search(server, tmp_path / "s", wanted(where=PLACE.buffer(0.5), most=50))
    assert [row.expected for row in _june(archive, tmp_path / "s")] == [2, 0, 1]


def test_a_scene_that_was_refused_is_missing_in_its_dekad(
    server: StandIn, archive: Archive, tmp_path: Path
) -> None:
    asked = wanted(most=50)
    refused = Refused("S2B_T51TXK_20250613T023552_L2A", "no offset · 无偏移")
    _record(tmp_path / "s", asked, Found((), (refused,)))
    assert [row.missing for row in _june(archive, tmp_path / "s")] == [
        (),
        (refused.item_id,),
        (),
    ]


def test_a_search_of_another_collection_replaces_no_answer(
    server: StandIn, archive: Archive, tmp_path: Path
) -> None:
    _search(server, tmp_path / "s", wanted(most=50))
    _record(tmp_path / "s", wanted(), Found(()), collection="sentinel-2-l2a")
    assert [row.expected for row in _june(archive, tmp_path / "s")] == [2, 0, 1]


def test_a_search_for_radar_says_nothing_of_optical_scenes(
    archive: Archive, tmp_path: Path
) -> None:
    _record(tmp_path / "s", wanted(), Found(()), collection="sentinel-1-rtc")
    assert [row.expected for row in _june(archive, tmp_path / "s")] == [None] * 3


def test_a_scene_without_red_and_near_infrared_is_missing(
    server: StandIn, archive: Archive, tmp_path: Path
) -> None:
    asked = wanted(most=50)
    _search(server, tmp_path / "s", asked)
    found = source(server).search(asked)
    plan = make_plan(archive, "earth-search", found, clip=None, letters=("S1",))
    carry_out(plan, source(server), archive, folder=tmp_path / "in")
    assert [row.present for row in _june(archive, tmp_path / "s")] == [0, 0, 0]


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("S2B_MSIL2A_20260704T022601_N0511_R046_T51TXK_20260705T051258", (7, 4)),
        ("LC09_L2SP_118029_20260703_20260705_02_T1", (7, 3)),
        ("HLS.S30.T51TXJ.2026185T022601.v2.0", (7, 4)),
        ("12345678", None),
    ],
)
def test_the_day_of_a_scene_is_read_from_its_name(
    name: str, day: tuple[int, int] | None
) -> None:
    assert day_in(name) == (date(2026, *day) if day else None)


def test_the_same_question_replaces_its_older_answer(
    server: StandIn, tmp_path: Path
) -> None:
    _search(server, tmp_path / "s", wanted())
    _search(server, tmp_path / "s", wanted(most=50))
    assert len(read_searches(tmp_path / "s")) == 1


def test_scenes_beside_the_place_are_not_missed_there(
    server: StandIn, tmp_path: Path
) -> None:
    _search(server, tmp_path / "s", wanted(where=shapely.box(100, 30, 140, 60)))
    beside = shapely.box(110, 40, 110.1, 40.1)
    rows = completeness([], read_searches(tmp_path / "s"), beside, **JUNE)
    assert [(row.expected, row.present) for row in rows] == [(0, 0)] * 3


@pytest.mark.parametrize("text", ["", "{}", '{"form": 99}'])
def test_a_damaged_record_is_named(server: StandIn, tmp_path: Path, text: str) -> None:
    _search(server, tmp_path / "s", wanted())
    (path,) = (tmp_path / "s").iterdir()
    path.write_text(text)
    with pytest.raises(SearchUnreadable) as caught:
        read_searches(tmp_path / "s")
    assert caught.value.path == path
    assert "delete it and search again" in english(str(caught.value))
