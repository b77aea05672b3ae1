"""A search is complete or an error: the real client against a server with faults."""

from datetime import date

import pytest
from shapely.geometry import box

from ingest.http import Web
from ingest.source_errors import SourceBusy, SourceStopped, SourceUnreachable
from ingest.stac_api.errors import (
    ApiInvalid,
    ApiRefuses,
    PagingEndless,
    SearchIncomplete,
    WantedInvalid,
)
from ingest.stac_api.search import Answer, Catalogue
from tests.ingest.stac_api.conftest import Waits
from tests.ingest.stac_api.items import FIELD, earth_search, modis
from tests.ingest.stac_api.server import StandIn
from tests.ingest.wording import english

DAYS = [f"2025-{month:02}-{day:02}" for month in (5, 6, 7) for day in (1, 11, 21)]
IDS = {f"S2B_T51TXK_{day.replace('-', '')}T023552_L2A" for day in DAYS}


@pytest.fixture
def filled(server: StandIn) -> StandIn:
    """Nine scenes, four pages."""
    server.api.items = [earth_search(day) for day in DAYS]
    server.api.page_size = 3
    return server


def _find(
    server: StandIn,
    web: Web,
    *,
    collection: str = "sentinel-2-c1-l2a",
    start: date = date(2025, 5, 1),
    end: date = date(2025, 7, 31),
) -> Answer:
    catalogue = Catalogue(server.api_url, collection, 100, web)
    return catalogue.find(FIELD, start=start, end=end)


def _ids(answer: Answer) -> set[str]:
    return {item_id for _, item_id in answer.items}


@pytest.mark.parametrize("merge", [True, False])
@pytest.mark.parametrize("count", ["numberMatched", "context"])
def test_every_page_is_read_and_counted(
    filled: StandIn, web: Web, count: str, merge: bool
) -> None:
    filled.api.count = "context" if count == "context" else "numberMatched"
    filled.api.merge_links = merge
    answer = _find(filled, web)
    assert _ids(answer) == IDS
    assert (answer.pages, answer.repeated, answer.matched) == (3, 0, 9)


def test_first_and_last_moment_of_the_days_count(filled: StandIn, web: Web) -> None:
    early, late = earth_search("2025-05-05"), earth_search("2025-05-06")
    early["properties"]["datetime"] = "2025-05-05T00:00:00Z"
    late["properties"]["datetime"] = "2025-05-05T23:59:59.9Z"
    filled.api.items = [early, late]
    day = date(2025, 5, 5)
    assert len(_find(filled, web, start=day, end=day).items) == 2


def test_server_gets_the_place_and_the_time(filled: StandIn, web: Web) -> None:
    _find(filled, web)
    asked = filled.seen[0].body
    assert asked["datetime"] == "2025-05-01T00:00:00Z/2025-07-31T23:59:59.999Z"
    assert asked["intersects"]["type"] == "Polygon"
    assert asked["collections"] == ["sentinel-2-c1-l2a"]


def test_empty_page_in_the_middle_does_not_end_the_search(
    filled: StandIn, web: Web
) -> None:
    filled.api.empty_page = 1
    assert _ids(_find(filled, web)) == IDS


def test_item_that_comes_twice_counts_once(filled: StandIn, web: Web) -> None:
    filled.api.repeated_page = 1
    answer = _find(filled, web)
    assert _ids(answer) == IDS
    assert answer.repeated == 3


@pytest.mark.parametrize("miscount", [1, -1])
def test_wrong_count_is_an_error(filled: StandIn, web: Web, miscount: int) -> None:
    filled.api.miscount = miscount
    with pytest.raises(SearchIncomplete) as caught:
        _find(filled, web)
    assert (caught.value.seen, caught.value.matched) == (9, 9 + miscount)
    assert f"gave 9 scenes of sentinel-2-c1-l2a, and has {9 + miscount}" in english(
        str(caught.value)
    )


def test_lost_page_is_an_error(filled: StandIn, web: Web) -> None:
    filled.api.lost_page = 1
    with pytest.raises(SearchIncomplete) as caught:
        _find(filled, web)
    assert (caught.value.seen, caught.value.matched) == (6, 9)


def test_lost_page_in_place_of_which_another_came_twice(
    filled: StandIn, web: Web
) -> None:
    filled.api.repeated_page = 0
    filled.api.lost_page = 2
    with pytest.raises(SearchIncomplete, match="3 of them twice"):
        _find(filled, web)


def test_nothing_found_counts_as_complete(filled: StandIn, web: Web) -> None:
    answer = _find(filled, web, start=date(2020, 1, 1), end=date(2020, 1, 31))
    assert not answer.items


def test_nothing_found_for_a_misspelt_collection_is_an_error(
    filled: StandIn, web: Web
) -> None:
    with pytest.raises(WantedInvalid) as caught:
        _find(filled, web, collection="sentinel-2-l2b")
    assert "/stac/collections" in english(str(caught.value))


def test_without_a_count_a_second_search_confirms(filled: StandIn, web: Web) -> None:
    filled.api.count = None
    answer = _find(filled, web)
    assert _ids(answer) == IDS
    assert answer.matched is None
    months = {request.body["datetime"][:7] for request in filled.seen}
    assert months == {"2025-05", "2025-06", "2025-07"}


def test_without_a_count_a_lost_page_is_found(filled: StandIn, web: Web) -> None:
    filled.api.count = None
    filled.api.lost_page = 2
    filled.api.page_size = 2
    with pytest.raises(SearchIncomplete) as caught:
        _find(filled, web)
    assert caught.value.seen != caught.value.matched


def test_without_a_count_a_capped_answer_is_found(filled: StandIn, web: Web) -> None:
    filled.api.count = None
    filled.api.capped = 5
    with pytest.raises(SearchIncomplete) as caught:
        _find(filled, web)
    assert (caught.value.seen, caught.value.matched) == (5, 9)


def test_composites_over_the_end_of_a_month_count_once(
    filled: StandIn, web: Web
) -> None:
    filled.api.count = None
    filled.api.items = [modis("2025-05-09"), modis("2025-05-25"), modis("2025-06-10")]
    answer = _find(filled, web, collection="modis-13Q1-061")
    assert len(answer.items) == 3


def test_paging_in_a_circle_is_an_error(filled: StandIn, web: Web) -> None:
    filled.api.endless = True
    with pytest.raises(PagingEndless) as caught:
        _find(filled, web)
    assert "over and over" in english(str(caught.value))
    assert len(filled.seen) < 10


def test_endless_new_links_without_new_scenes_are_an_error(
    filled: StandIn, web: Web
) -> None:
    filled.api.endless = True
    filled.api.fresh_links = True
    with pytest.raises(PagingEndless):
        _find(filled, web)
    assert len(filled.seen) < 20


def test_scene_added_while_paging_is_met_by_a_second_round(
    filled: StandIn, web: Web
) -> None:
    filled.fail("/stac/search", body=b'{"features": [], "numberMatched": 9}')
    assert _ids(_find(filled, web)) == IDS


def test_busy_server_is_asked_again_after_its_time(
    filled: StandIn, web: Web, waits: Waits
) -> None:
    filled.fail("/stac/search", status=429, retry_after="7", after=1)
    assert _ids(_find(filled, web)) == IDS
    assert waits.seconds == [7.0]


def test_server_that_wants_too_long_a_wait_is_an_error_at_once(
    filled: StandIn, web: Web, waits: Waits
) -> None:
    filled.fail("/stac/search", status=503, retry_after="3600", times=None)
    with pytest.raises(SourceBusy) as caught:
        _find(filled, web)
    assert "left alone for 3600 s" in english(str(caught.value))
    assert waits.seconds == []


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500},
        {"status": 502},
        {"cut_after": 200},
        {"cut_after": 0},
        {"body": b'{"type": "FeatureCollection", "features": ['},
        {"body": b"<html>gateway</html>"},
        {"body": b"\xff\xfe"},
    ],
    ids=["500", "502", "cut", "nothing", "half", "html", "bytes"],
)
def test_page_that_fails_once_is_read_again(
    filled: StandIn, web: Web, fault: dict[str, int | bytes]
) -> None:
    filled.fail("/stac/search", after=1, **fault)  # type: ignore[arg-type]
    assert _ids(_find(filled, web)) == IDS


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"status": 500}, SourceBusy),
        ({"cut_after": 200}, SourceUnreachable),
        ({"body": b'{"features": ['}, ApiInvalid),
        ({"body": b"[]"}, ApiInvalid),
        ({"body": b"{}"}, ApiInvalid),
        ({"body": b'{"features": {}}'}, ApiInvalid),
        (
            {"body": b'{"features": [], "links": [{"rel": "next", "href": "/etc"}]}'},
            ApiInvalid,
        ),
        ({"status": 400}, ApiRefuses),
        ({"status": 403}, ApiRefuses),
    ],
)
def test_page_that_fails_for_ever_is_an_error(
    filled: StandIn,
    web: Web,
    fault: dict[str, int | bytes],
    error: type[Exception],
) -> None:
    filled.fail("/stac/search", times=None, after=1, **fault)  # type: ignore[arg-type]
    with pytest.raises(error) as caught:
        _find(filled, web)
    english(str(caught.value))


def test_words_of_a_server_that_refuses_are_shown(filled: StandIn, web: Web) -> None:
    filled.fail("/stac/search", status=400, body=b'{"description": "limit is 200"}')
    with pytest.raises(ApiRefuses) as caught:
        _find(filled, web)
    assert "refuses (400)" in english(str(caught.value))
    assert "limit is 200" in str(caught.value)
    assert caught.value.status == 400


def test_no_server_is_an_error(filled: StandIn, web: Web) -> None:
    gone = Catalogue("http://127.0.0.1:9", "sentinel-2-c1-l2a", 100, web)
    with pytest.raises(SourceUnreachable) as caught:
        gone.find(box(125, 43, 126, 44), start=date(2025, 5, 1), end=date(2025, 5, 2))
    assert "check the line and the address" in english(str(caught.value))


def test_run_that_is_ended_asks_no_more(
    filled: StandIn, web: Web, waits: Waits
) -> None:
    waits.set()
    filled.fail("/stac/search", status=503, times=None)
    with pytest.raises(SourceStopped):
        _find(filled, web)
    assert len(filled.seen) == 1
