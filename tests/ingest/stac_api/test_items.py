"""Items whose identity, place or time cannot be believed are refused by name."""

from datetime import UTC, datetime
from typing import Any

import pystac
import pytest
from shapely.geometry import MultiPolygon, Polygon, box, mapping

from ingest.stac_api.errors import ItemUnusable
from ingest.stac_api.items import footprint_of, interval_of, offer_of, read_item
from tests.ingest.stac_api.items import TILE, earth_search, modis
from tests.ingest.wording import english

HALVES = MultiPolygon([box(179, 60, 180, 61), box(-180, 60, -179, 61)])


def _with(**changes: Any) -> pystac.Item:
    return read_item({**earth_search(), **changes})


@pytest.mark.parametrize(
    ("feature", "why"),
    [
        (None, "no id"),
        ("text", "no id"),
        ({**earth_search(), "id": None}, "no id"),
        ({**earth_search(), "id": "../../etc/passwd"}, "no id"),
        ({**earth_search(), "properties": None}, "no STAC item"),
        ({**earth_search(), "properties": {}}, "no STAC item"),
        ({**earth_search(), "properties": {"datetime": None}}, "no STAC item"),
        ({**earth_search(), "properties": {"datetime": "yesterday"}}, "no STAC item"),
        ({**earth_search(), "assets": None}, "no STAC item"),
        ({**earth_search(), "type": "Feat"}, "no STAC item"),
    ],
)
def test_what_is_no_item_is_refused(feature: object, why: str) -> None:
    with pytest.raises(ItemUnusable) as caught:
        read_item(feature)
    assert why in english(str(caught.value))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"geometry": None, "bbox": None}, "has no geometry"),
        ({"geometry": None}, "has no geometry"),
        ({"geometry": {"type": "Polygon"}}, "no readable geometry"),
        ({"geometry": {"type": "Blob", "coordinates": []}}, "no readable geometry"),
        ({"geometry": {"type": "Point", "coordinates": [125, 43]}}, "is a Point"),
        ({"geometry": {"type": "Polygon", "coordinates": []}}, "is empty"),
        (
            {"geometry": mapping(box(600_000, 4_800_000, 700_000, 4_900_000))},
            "leaves the range of degrees",
        ),
        (
            {
                "geometry": {
                    "type": "Polygon",
                    "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]],
                }
            },
            "is broken: Self-intersection",
        ),
        (
            {
                "geometry": {
                    "type": "Polygon",
                    "coordinates": [[[0, 0], [1, 1], [0, 0], [0, 0]]],
                }
            },
            "is broken",
        ),
        ({"geometry": mapping(box(-179.5, 60, 179.5, 61))}, "antimeridian"),
        ({"geometry": mapping(box(43.2, 24.6, 44.2, 26.0))}, "contradict"),
        ({"geometry": mapping(box(124.6, 44.1, 126.0, 45.1))}, "contradict"),
        ({"bbox": [124.6, 43.2, 126.0]}, "contradict"),
        ({"bbox": [124.6, 43.2, "126", 44.2]}, "contradict"),
        ({"bbox": [126.0, 43.2, 124.6, 44.2]}, "contradict"),
    ],
)
def test_wrong_place_is_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ItemUnusable) as caught:
        footprint_of(_with(**changes))
    assert why in english(str(caught.value))
    assert caught.value.item_id == "S2B_T51TXK_20250601T023552_L2A"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"bbox": [124.6, 43.2, 100.0, 126.0, 44.2, 900.0]},
        {"bbox": [124.3, 43.0, 126.2, 44.4]},
        {"geometry": mapping(HALVES), "bbox": [179, 60, -179, 61]},
        {"geometry": mapping(HALVES), "bbox": [-180, 60, 180, 61]},
    ],
    ids=["plain", "heights", "around the pixels", "antimeridian", "whole circle"],
)
def test_believable_place(changes: dict[str, Any]) -> None:
    assert footprint_of(_with(**changes)).area > 0


UTM = {"proj:code": "EPSG:32651"}
# The tile 51TXK: 109.8 km a side, within 124.63 to 126.02 E and 43.23 to 44.24 N.
GRIDS: list[dict[str, Any]] = [
    {"proj:bbox": [630_000, 4_788_000, 739_800, 4_897_800]},
    {
        "proj:shape": [10980, 10980],
        "proj:transform": [10, 0, 630_000, 0, -10, 4_897_800],
    },
    {
        "proj:shape": [10980, 10980],
        "proj:transform": [10, 0, 630_000, 0, -10, 4_897_800, 0, 0, 1],
    },
]


def _on(grid: dict[str, Any], place: Polygon, code: dict[str, Any]) -> pystac.Item:
    feature = earth_search(place=place)
    feature["properties"] |= code
    feature["assets"] = {"red": {"href": "https://e84.example/B04.tif", **grid}}
    return read_item(feature)


@pytest.mark.parametrize("code", [UTM, {"proj:code": None, "proj:epsg": 32651}])
@pytest.mark.parametrize("grid", GRIDS)
def test_geometry_that_leaves_the_grid_is_refused(
    grid: dict[str, Any], code: dict[str, Any]
) -> None:
    # Three hundredths of a degree east of the tile, 2.4 km.
    with pytest.raises(ItemUnusable) as caught:
        footprint_of(_on(grid, box(125.0, 43.4, 126.06, 44.0), code))
    assert "pixels within [124.6" in english(str(caught.value))


@pytest.mark.parametrize("grid", GRIDS)
def test_geometry_within_the_grid_is_believed(grid: dict[str, Any]) -> None:
    place = box(125.0, 43.4, 125.9, 44.0)
    assert footprint_of(_on(grid, place, UTM)) == place


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"proj:bbox": "here"},
        {"proj:bbox": [None, 0, 1, 1]},
        {"proj:shape": [10, 10]},
        {"proj:bbox": [0, 0, 1, 1], "proj:code": "EPSG:0"},
        {"proj:bbox": [0, 0, 1, 1], "proj:code": "junk"},
        # Antimeridian, UTM zone 1.
        {"proj:bbox": [2e5, 6e6, 5e5, 62e5], "proj:code": "EPSG:32601"},
    ],
)
def test_grid_that_is_not_told_refuses_nothing(fields: dict[str, Any]) -> None:
    assert footprint_of(_on(fields, TILE, UTM)) == TILE


def test_instant() -> None:
    moment = datetime(2025, 6, 1, 2, 40, 12, 345_000, tzinfo=UTC)
    assert interval_of(_with()) == (moment, moment)


def test_time_without_zone_is_utc() -> None:
    item = _with(properties={"datetime": "2025-06-01T02:40:12"})
    assert interval_of(item)[0] == datetime(2025, 6, 1, 2, 40, 12, tzinfo=UTC)


def test_time_of_another_zone_is_brought_to_utc() -> None:
    item = _with(properties={"datetime": "2025-06-01T07:00:00+08:00"})
    assert interval_of(item)[0] == datetime(2025, 5, 31, 23, tzinfo=UTC)


def test_composite_lasts_from_start_to_end() -> None:
    start, end = interval_of(read_item(modis("2025-05-25")))
    assert start == datetime(2025, 5, 25, tzinfo=UTC)
    assert end == datetime(2025, 6, 9, 23, 59, 59, tzinfo=UTC)


def test_composite_that_ends_before_it_starts_is_refused() -> None:
    feature = modis()
    feature["properties"]["end_datetime"] = "2025-05-01T00:00:00Z"
    with pytest.raises(ItemUnusable, match="before it starts"):
        interval_of(read_item(feature))


@pytest.mark.parametrize("cover", [-1, 101, "12", True, float("nan")])
def test_impossible_cloud_cover_is_refused(cover: object) -> None:
    item = read_item(earth_search())
    item.properties["eo:cloud_cover"] = cover
    with pytest.raises(ItemUnusable, match="cloud cover"):
        offer_of(item, source="x", bands={})


def test_properties_kept_are_those_that_tell_acquisitions_apart() -> None:
    item = read_item(earth_search())
    item.properties["proj:shape"] = [10980, 10980]
    item.properties["storage:schemes"] = {}
    offer = offer_of(item, source="x", bands={})
    assert dict(offer.properties) == {
        "platform": "sentinel-2b",
        "constellation": "sentinel-2",
        "eo:cloud_cover": 12.5,
        "grid:code": "MGRS-51TXK",
        "s2:tile_id": "S2B_OPER_MSI_L2A_TL_2BPS_20250601T050000_A037000_T51TXK",
        "s2:datatake_id": "GS2B_20250601T023549_037000_N05.11",
        "s2:processing_baseline": "05.11",
    }
