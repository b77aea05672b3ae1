"""The catalogue: every page, every entry an offer or refused by name, none twice."""

from collections.abc import Callable
from datetime import date, datetime
from functools import partial
from typing import Any

import pytest
import shapely
from shapely.geometry import mapping

from ingest.offer import Found
from ingest.sentinel_hub import (
    HubAnswerInvalid,
    HubSearchIncomplete,
    HubSettingInvalid,
)
from tests.ingest.sentinel_hub.scenes import (
    ITEM,
    OUTLINE,
    PATH,
    source_of,
    tile,
    to_degrees,
    wanted,
)
from tests.ingest.sentinel_hub.server import Fault, HubServer, Tile
from tests.ingest.wording import english


def named(day: int, **changes: Any) -> Tile:
    item_id = ITEM.replace("20240620T022529", f"202406{day:02}T022529")
    usual = {"acquired": f"2024-06-{day:02}T02:32:11Z"}
    return tile(item_id, **{**usual, **changes})


def found(hub: HubServer, **changes: Any) -> Found:
    return source_of(hub).search(wanted(**changes))


def test_offer_describes_the_scene(hub: HubServer) -> None:
    (offer,) = found(hub).offers
    assert (offer.source, offer.collection) == ("sentinel-hub", "sentinel-2-l2a")
    assert offer.item_id == ITEM
    assert offer.acquired == datetime.fromisoformat("2024-06-20T02:32:11+00:00")
    assert offer.footprint.equals_exact(to_degrees(OUTLINE), 1e-9)
    assert offer.cloud_cover == 10.0
    assert dict(offer.properties) == {
        "platform": "sentinel-2b",
        "instruments": ["msi"],
        "constellation": "sentinel-2",
        "gsd": 10,
        "eo:cloud_cover": 10.0,
        "s2:mgrs_tile": "51TXJ",
        "s2:processing_baseline": "05.10",
        "s2:product_uri": f"{ITEM}.SAFE",
        "heitu:data_path": PATH,
    }


def test_band_says_what_its_numbers_mean(hub: HubServer) -> None:
    (offer,) = found(hub, bands=("R", "S1")).offers
    assert list(offer.bands) == ["B04", "B11", "SCL"]
    red, classes = offer.bands["B04"], offer.bands["SCL"]
    assert red.href == f"sentinelhub:sentinel-2-l2a/{ITEM}#B04"
    assert (red.nodata, red.scale, red.offset, red.resolution) == (0, 0.0001, -0.1, 10)
    assert (classes.nodata, classes.scale, classes.offset) == (0, None, None)
    assert classes.resolution == 20


def test_no_letters_are_all_bands(hub: HubServer) -> None:
    (offer,) = found(hub, bands=()).offers
    assert len(offer.bands) == 13


def test_letter_of_no_band_is_named(hub: HubServer) -> None:
    with pytest.raises(HubSettingInvalid, match="'T1'") as caught:
        found(hub, bands=("T1",))
    english(str(caught.value))


def test_every_page_is_read(hub: HubServer) -> None:
    hub.tiles = [named(day) for day in range(30, 0, -1)]
    hub.page_size = 7
    offers = found(hub).offers
    assert len(hub.seen["search"]) == 5
    assert [offer.acquired.day for offer in offers] == list(range(1, 31))


def test_both_ends_of_the_time_belong_to_it(hub: HubServer) -> None:
    hub.tiles = [
        named(9, acquired="2024-06-09T23:59:59Z"),
        named(10, acquired="2024-06-10T00:00:00Z"),
        named(12, acquired="2024-06-12T23:59:59.5Z"),
        named(13, acquired="2024-06-13T00:00:00Z"),
    ]
    offers = found(hub, start=date(2024, 6, 10), end=date(2024, 6, 12)).offers
    assert [offer.acquired.day for offer in offers] == [10, 12]


def test_cloudy_scene_is_counted_not_offered(hub: HubServer) -> None:
    hub.tiles = [named(1, cloud=20.0), named(2, cloud=20.1)]
    answer = found(hub, max_cloud=20.0)
    assert [offer.acquired.day for offer in answer.offers] == [1]
    assert [offer.item_id for offer in answer.cloudy] == [hub.tiles[1].item_id]


def test_scene_beside_the_place_is_not_offered(hub: HubServer) -> None:
    # Within the box of the place, but in the corner that the place leaves out.
    west, south, east, north = OUTLINE.bounds
    place = shapely.Polygon([(west, south), (east, south), (east, north)])
    corner = shapely.box(west, north - 600, west + 600, north)
    hub.tiles = [tile(outline=corner)]
    assert found(hub, where=to_degrees(place)).offers == ()


def test_lost_entry_is_noticed(hub: HubServer) -> None:
    hub.tiles = [named(day) for day in range(1, 4)]
    hub.fail("search", changed(lambda page: {**page, "features": page["features"][1:]}))
    with pytest.raises(HubSearchIncomplete, match="3 entries and holds 2") as caught:
        found(hub)
    english(str(caught.value))


def changed(change: Callable[[dict[str, Any]], Any]) -> Fault:
    return Fault(change=change)


def test_lost_page_is_noticed(hub: HubServer) -> None:
    hub.fail("search", changed(lambda _: {"features": [], "context": {"next": 100}}))
    with pytest.raises(HubSearchIncomplete, match="is empty and announces another"):
        found(hub)


def test_page_that_comes_twice_is_noticed(hub: HubServer) -> None:
    hub.tiles = [named(day) for day in range(1, 4)]
    same = {"features": [hub.tiles[0].entry()], "context": {"next": 1}}
    hub.fail("search", changed(lambda _: same))
    hub.page_size = 1
    hub.fail("search", changed(lambda _: {**same, "context": {"next": 2}}))
    with pytest.raises(HubSearchIncomplete, match="came twice"):
        found(hub)


def test_page_that_leads_to_itself_is_noticed(hub: HubServer) -> None:
    pages = [
        {"features": [named(day).entry()], "context": {"next": 1}} for day in (1, 2)
    ]
    for page in pages:
        hub.fail("search", Fault(change=partial(lambda made, _: made, page)))
    with pytest.raises(HubSearchIncomplete, match="announces itself"):
        found(hub)


@pytest.mark.parametrize(
    "answer", [{}, {"features": {}}, {"features": ["x"]}, ["x"], {"features": None}]
)
def test_other_json_is_no_page(hub: HubServer, answer: Any) -> None:
    hub.fail("search", changed(lambda _: answer))
    with pytest.raises(HubAnswerInvalid, match="no page") as caught:
        found(hub)
    english(str(caught.value))


FAR = mapping(shapely.box(0, 43, 1, 44))
SOUTHERN = mapping(shapely.box(124, -44, 125, -43))


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (tile(geometry=None), "footprint"),
        (tile(geometry={"type": "Polygon", "coordinates": []}), "footprint"),
        (tile(geometry={"type": "Point", "coordinates": [124, 43]}), "footprint"),
        (tile(geometry={"type": "Polygon", "coordinates": [[["x"]]]}), "footprint"),
        (tile(geometry=FAR), "footprint"),
        (tile(geometry=SOUTHERN), "footprint"),
        (tile(extra={"properties": {}}), "time"),
        (tile(extra={"properties": {"datetime": "soon"}}), "time"),
        (tile(extra={"properties": {"datetime": None}}), "time"),
        (tile("S2B_MSIL1C_20240620T022529"), "id"),
    ],
)
def test_entry_that_cannot_be_used_is_refused_by_name(
    hub: HubServer, entry: Tile, reason: str
) -> None:
    whole = named(1)
    hub.fail("search", changed(lambda _: {"features": [entry.entry(), whole.entry()]}))
    answer = found(hub)
    assert [offer.item_id for offer in answer.offers] == [whole.item_id]
    (refused,) = answer.refused
    assert refused.item_id == entry.item_id
    assert reason in english(refused.reason)


def test_older_processing_is_told_from_the_newer(hub: HubServer) -> None:
    older = ITEM.replace("N0510", "N0400").replace("T052233", "T010101")
    hub.tiles = [tile(), tile(older)]
    offers = found(hub).offers
    assert {
        offer.item_id: offer.properties["s2:processing_baseline"] for offer in offers
    } == {older: "04.00", ITEM: "05.10"}
