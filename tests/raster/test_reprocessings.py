"""Of each acquisition one processing is read, whatever catalogues list of it."""

from typing import Any

import pystac
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from raster.selection import Superseded, scene_of
from tests.raster.test_mission import make_item
from tests.raster.test_selection import (
    OLD,
    PLAIN,
    REPROCESSED,
    chosen,
    earth_search,
    ids,
    replaced,
    sentinel_2,
)


def test_the_newest_baseline_of_an_acquisition_is_read() -> None:
    found = chosen([REPROCESSED, OLD])

    assert ids(found) == [["S2B_13SDV_20200401_1_L2A"]]
    assert found.superseded == (
        Superseded(
            "S2B_13SDV_20200401_0_L2A",
            "S2B_13SDV_20200401_1_L2A",
            "baseline 02.14, replaced by baseline 05.00 · 旧处理版本，已被取代",
        ),
    )


@pytest.mark.parametrize(
    ("newer", "older", "read"),
    [
        (None, None, 1),
        (None, [0, 0, 1, 1], 1),
        ([0, 0, 1, 1], [0.2, 0.2, 0.8, 0.8], 1),
        # Of the newer processing only a field was fetched.
        ([0, 0, 1, 1], None, 2),
        ([0, 0, 1, 1], [0, 0, 2, 1], 2),
    ],
)
def test_a_part_of_the_newest_stands_for_no_more_than_its_place(
    newer: list[float] | None, older: list[float] | None, read: int
) -> None:
    new, old = REPROCESSED.clone(), OLD.clone()
    for item, clip in ((new, newer), (old, older)):
        if clip is not None:
            item.properties["heitu:clip"] = clip

    found = chosen([old, new])

    assert [scenes[0] for scenes in ids(found)] == [new.id]
    assert (len(found.scenes), len(found.superseded)) == (read, 2 - read)


def test_a_superseded_item_may_be_broken() -> None:
    broken = OLD.clone()
    del broken.assets["red"]

    assert len(chosen([REPROCESSED, broken], bands=["R"]).scenes) == 1


def test_a_reprocessing_at_another_time_of_the_datatake_is_the_same_acquisition() -> (
    None
):
    # 50HMH of 23 March 2019: 02:31:32 in baseline 02.11, 02:27:06 in 05.00.
    kwargs = {"strip": "20190323T022444", "take": "20190323T021349"}
    old = earth_search(
        "50HMH",
        0,
        "2019-03-23T02:31:32Z",
        baseline="02.11",
        generated="2019-03-23T05:12:00Z",
        **kwargs,
    )
    new = earth_search(
        "50HMH",
        1,
        "2019-03-23T02:27:06Z",
        baseline="05.00",
        generated="2023-06-14T23:49:54Z",
        **kwargs,
    )

    assert ids(chosen([old, new])) == [["S2B_50HMH_20190323_1_L2A"]]


def pieces(baseline: str, when: str) -> list[pystac.Item]:
    """Make the two pieces of 50HMH of 23 November 2019, 58 and 74 % without data."""
    return [
        earth_search(
            "50HMH",
            sequence,
            when,
            baseline=baseline,
            strip=strip,
            take="20191123T021351",
            generated=f"2019-11-23T04:5{sequence}:00Z",
        )
        for sequence, strip in enumerate(("20191123T022134", "20191123T022659"))
    ]


def test_two_pieces_of_a_tile_both_stay() -> None:
    found = chosen(pieces("02.12", "2019-11-23T02:13:51Z"))

    assert ids(found) == [["S2B_50HMH_20191123_1_L2A", "S2B_50HMH_20191123_0_L2A"]]
    assert found.superseded == ()


def test_each_piece_keeps_its_own_newest_baseline() -> None:
    old = pieces("02.12", "2019-11-23T02:13:51Z")
    new = pieces("05.00", "2019-11-23T02:27:08Z")
    for item in new:
        item.id = item.id.replace("L2A", "L2A_c1")

    found = chosen([*old, *new])

    assert ids(found) == [
        ["S2B_50HMH_20191123_1_L2A_c1", "S2B_50HMH_20191123_0_L2A_c1"]
    ]
    assert replaced(found) == [
        ("S2B_50HMH_20191123_0_L2A", "S2B_50HMH_20191123_0_L2A_c1"),
        ("S2B_50HMH_20191123_1_L2A", "S2B_50HMH_20191123_1_L2A_c1"),
    ]


@pytest.mark.parametrize(
    ("west", "scenes"),
    # Tile from 0 to 10: beside each other, overlapping by a strip, and all of it.
    [(6, 2), (5.8, 2), (4, 1), (0, 1)],
)
def test_pieces_whose_strip_is_not_named_are_told_by_their_place(
    west: float, scenes: int
) -> None:
    left, right = pieces("02.12", "2019-11-23T02:13:51Z")
    for item, bounds in ((left, (0, 0, 6, 10)), (right, (west, 0, 10, 10))):
        del item.properties["s2:datastrip_id"]
        item.geometry = shapely.geometry.mapping(shapely.box(*bounds))

    assert len(chosen([left, right]).scenes) == scenes


def test_an_item_that_does_not_name_its_piece_does_not_join_two() -> None:
    unnamed = pieces("02.11", "2019-11-23T02:13:51Z")[0]
    unnamed.id = "S2B_50HMH_20191123_9_L2A"
    del unnamed.properties["s2:datastrip_id"]

    found = chosen([unnamed, *pieces("02.12", "2019-11-23T02:13:51Z")])

    assert ids(found) == [["S2B_50HMH_20191123_1_L2A", "S2B_50HMH_20191123_0_L2A"]]
    assert [one.item_id for one in found.superseded] == [unnamed.id]


def test_one_product_in_two_catalogues_is_read_once() -> None:
    # Their ids, times and the spelling of the tile differ, the datatake does not.
    name = "S2B_MSIL2A_20200401T174909_N0500_R141_T13SDV_20230624T053545"
    copernicus = make_item(
        name,
        "2020-04-01T17:49:09.024Z",
        assets=["SCL_20m"],
        collection="sentinel-2-l2a-cdse",
        properties={
            "platform": "sentinel-2b",
            "grid:code": "MGRS-T13SDV",
            "processing:version": "05.00",
            "processing:datetime": "2023-06-24T05:35:45Z",
            "eopf:datatake_id": "GS2B_20200401T174909_016040_N05.00",
        },
    )
    planetary = make_item(
        name.replace("_N0500", ""),
        "2020-04-01T17:49:09.024Z",
        assets=["SCL"],
        properties={"s2:mgrs_tile": "13SDV", "s2:processing_baseline": "05.00"},
    )

    found = chosen([copernicus, REPROCESSED, planetary, OLD])

    # Made at the same time: the highest id.
    assert ids(found) == [[planetary.id]]
    assert len(found.superseded) == 3


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        pytest.param(
            "S2A_MSIL2A_20260502T023021_N0510_R046_T51TXJ_20260502T091122",
            "S2A_MSIL2A_20260502T023021_N0511_R046_T51TXJ_20260502T061122",
            id="baseline in the name",
        ),
        pytest.param(
            "S2A_MSIL2A_20260502T023021_N0511_R046_T51TXJ_20260502T061122",
            "S2A_MSIL2A_20260502T023021_N0511_R046_T51TXJ_20260509T031500",
            id="time of processing in the name",
        ),
        pytest.param(
            "S2A_51TXJ_20260502_0_L2A", "S2A_51TXJ_20260502_1_L2A", id="higher id"
        ),
    ],
)
def test_names_alone_tell_the_newer_processing(older: str, newer: str) -> None:
    found = chosen([sentinel_2(newer), sentinel_2(older)])

    assert ids(found) == [[newer]]
    assert replaced(found) == [(older, newer)]


def test_of_one_baseline_the_latest_made_is_read() -> None:
    items = [
        sentinel_2(
            f"S2A_51TXJ_20260502_{sequence}_L2A",
            properties={
                "s2:processing_baseline": "05.11",
                "s2:generation_time": f"2026-05-{day}T06:11:22Z",
            },
        )
        for sequence, day in ((0, "09"), (1, "02"))
    ]

    found = chosen(items)

    assert ids(found) == [["S2A_51TXJ_20260502_0_L2A"]]
    assert [one.reason for one in found.superseded] == [
        "made 2026-05-02 06:11, again 2026-05-09 06:11 · 同一次观测的较早处理结果"
    ]


def test_without_datatake_a_minute_and_the_platform_decide() -> None:
    def scene(name: str, when: str, platform: str) -> pystac.Item:
        tile = {"platform": platform, "grid:code": "MGRS-51TXJ"}
        return sentinel_2(name, when, properties=tile)

    items = [
        scene("first", "2026-05-02T10:04:09Z", "sentinel-2a"),
        scene("again", "2026-05-02T10:05:01Z", "sentinel-2a"),
        scene("tandem", "2026-05-02T10:04:39Z", "sentinel-2c"),
        scene("later", "2026-05-02T10:11:25Z", "sentinel-2a"),
    ]

    found = chosen(items)

    assert ids(found) == [["tandem", "later", "first"]]
    assert replaced(found) == [("again", "first")]


def test_adjacent_tiles_of_one_datatake_both_stay() -> None:
    items = [
        sentinel_2(f"S2A_MSIL2A_20260502T023021_N0511_R046_T51{square}_20260502T061122")
        for square in ("TXJ", "TYJ")
    ]

    assert len(chosen(items).scenes) == 2


def test_a_real_time_scene_of_landsat_is_replaced() -> None:
    names = (
        "LC09_L2SP_118029_20260502_20260503_02_RT",
        "LC09_L2SP_118029_20260502_20260520_02_T1",
        "LC09_L2SP_118029_20260502_20260601_02_T1",
        # Another row, another satellite, the day after.
        "LC09_L2SP_118030_20260502_20260520_02_T1",
        "LC08_L2SP_118029_20260502_20260520_02_T1",
        "LC09_L2SP_118029_20260503_20260520_02_T1",
    )
    found = chosen([make_item(name, assets=["qa_pixel"]) for name in names])

    assert {scene.item_id for scene in found.scenes} == set(names[2:])
    assert replaced(found) == [(names[0], names[2]), (names[1], names[2])]


def test_the_newest_version_of_an_hls_granule_is_read() -> None:
    names = (
        "HLS.L30.T51TXJ.2026122T021501.v1.5",
        "HLS.L30.T51TXJ.2026122T021501.v2.0",
        # The next scene of the same overpass, half a minute later.
        "HLS.L30.T51TXJ.2026122T021525.v2.0",
    )
    found = chosen([make_item(name, assets=["Fmask"]) for name in names])

    assert ids(found) == [[names[2], names[1]]]
    assert replaced(found) == [(names[0], names[1])]


def test_the_same_item_twice_counts_once() -> None:
    found = chosen([sentinel_2(), sentinel_2()])

    assert ids(found) == [["S2_a"]]
    assert found.superseded == ()


def test_an_item_listed_with_other_content_is_mentioned() -> None:
    found = chosen([sentinel_2(folder="/old"), sentinel_2(folder="/x")])

    assert found.scenes[0].key == "/x/S2_a/SCL.tif"
    assert [one.reason for one in found.superseded] == [
        "the same item with other content · 同一影像条目，内容不同"
    ]


def test_an_id_in_two_collections_is_one_acquisition() -> None:
    name = "S2A_51TXJ_20260502_0_L2A"
    old = sentinel_2(
        name, collection="a", properties={"s2:processing_baseline": "05.11"}
    )
    new = sentinel_2(
        name, collection="b", properties={"s2:processing_baseline": "05.12"}
    )
    copy = sentinel_2(
        name,
        collection="c",
        folder="/a",
        properties={"s2:processing_baseline": "05.12"},
    )

    found = chosen([old, new, copy])

    assert [scene.key for scene in found.scenes] == [f"/x/{name}/SCL.tif"]
    assert [one.reason for one in found.superseded] == [
        "baseline 05.11, replaced by baseline 05.12 · 旧处理版本，已被取代",
        "the same acquisition in collection b · 同一次观测的另一份数据",
    ]


# Real and simulated.

SIMULATED = {"heitu:simulated": True, "s2:processing_baseline": "05.12"}


def test_a_real_scene_comes_before_simulated_ones_of_its_day() -> None:
    # Simulated scenes can be made later, with any baseline and any name.
    items = [
        sentinel_2("z-simulated", properties=SIMULATED | {"updated": "2026-07-01"}),
        sentinel_2("S2_real", properties={"updated": "2026-05-03"}),
        sentinel_2("a-simulated", properties=SIMULATED | {"updated": "2026-05-01"}),
        sentinel_2("S2_older", properties={"updated": "2026-05-02"}),
    ]

    assert ids(chosen(items)) == [["S2_real", "S2_older", "z-simulated", "a-simulated"]]


def test_a_simulated_scene_does_not_replace_the_real_one_of_its_name() -> None:
    items = [
        sentinel_2(folder="/simulated", properties=SIMULATED),
        sentinel_2(folder="/real"),
    ]

    found = chosen(items)

    assert [scene.key for scene in found.scenes] == ["/real/S2_a/SCL.tif"]
    assert replaced(found) == [("S2_a", "S2_a")]


# Without a tile.

GRID = {
    "proj:code": "EPSG:32651",
    "proj:shape": [100, 100],
    "proj:transform": [10.0, 0.0, 600000.0, 0.0, -10.0, 4800000.0],
}
EAST = GRID | {"proj:transform": [10.0, 0.0, 601000.0, 0.0, -10.0, 4800000.0]}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param({}, {}, True, id="same grid and second"),
        pytest.param({}, {"properties": EAST}, False, id="another grid"),
        pytest.param({}, {"when": "2026-05-02T02:30:01Z"}, False, id="a second later"),
        pytest.param(
            {},
            {"properties": GRID | {"platform": "sentinel-2b"}},
            False,
            id="another satellite",
        ),
        pytest.param(
            {}, {"properties": GRID | {"heitu:simulated": True}}, False, id="simulated"
        ),
        pytest.param(
            {"properties": {}}, {"properties": {}}, False, id="no grid at all"
        ),
        pytest.param(
            {"properties": {}, "bbox": [124.0, 43.0, 125.0, 44.0]},
            {"properties": {}, "bbox": [124.0, 43.0, 125.0, 44.0]},
            True,
            id="same box",
        ),
        pytest.param(
            {"properties": {}, "bbox": [124.0, 43.0, 125.0, 44.0]},
            {"properties": {}, "bbox": [125.0, 43.0, 126.0, 44.0]},
            False,
            id="another box",
        ),
    ],
)
def test_without_a_tile_the_grid_and_the_second_decide(
    one: dict[str, Any], other: dict[str, Any], same: bool
) -> None:
    items = [
        sentinel_2("field-a", **({"properties": GRID} | one)),
        sentinel_2("field-b", **({"properties": GRID} | other)),
    ]

    found = chosen(items)

    assert len(found.scenes) == (1 if same else 2)
    assert replaced(found) == ([("field-a", "field-b")] if same else [])


def test_simulated_scenes_of_three_grids_and_a_season_all_stay() -> None:
    items = [
        sentinel_2(
            f"{collection}-202605{day:02}",
            f"2026-05-{day:02}T02:36:00Z",
            collection=collection,
            properties={
                "heitu:simulated": True,
                "platform": f"sentinel-2{'ab'[day % 2]}-simulated",
                "s2:processing_baseline": "05.11",
                "proj:shape": [size, size],
                "proj:transform": [10.0, 0.0, 0.0, 0.0, -10.0, 0.0],
            },
        )
        for day in range(1, 29)
        for collection, size in (("window", 10), ("province", 20), ("history", 30))
    ]

    found = chosen(items, bands=["R", "N"])

    assert len(found.scenes) == len(items)
    assert len(found.observations) == 28


# Laws.

MIXED = [
    OLD,
    REPROCESSED,
    REPROCESSED.clone(),
    *pieces("02.12", "2019-11-23T02:13:51Z"),
    sentinel_2("S2_a"),
    sentinel_2("S2_a", folder="/y"),
    sentinel_2("S2_a", folder="/y", scaling=PLAIN),
    sentinel_2("S2A_51TXJ_20260502_0_L2A"),
    sentinel_2("S2A_51TXJ_20260502_1_L2A", "2026-05-02T02:30:50Z"),
    sentinel_2("S2A_51TXJ_20260502_2_L2A", "2026-05-02T02:31:40Z"),
    sentinel_2("field-a", properties=GRID),
    sentinel_2("field-b", properties=GRID),
]


@given(st.permutations(MIXED))
def test_the_order_of_the_items_changes_nothing(items: list[pystac.Item]) -> None:
    assert chosen(items, bands=["R"]) == chosen(MIXED, bands=["R"])


@given(st.lists(st.sampled_from(MIXED), min_size=1, unique_by=id))
def test_every_item_is_read_or_named_as_superseded(items: list[pystac.Item]) -> None:
    found = chosen(items)

    read = {scene.item_id for scene in found.scenes}
    assert {one.by for one in found.superseded} <= read | {
        one.item_id for one in found.superseded
    }
    assert {item.id for item in items} == read | {
        one.item_id for one in found.superseded
    }


@given(st.lists(st.sampled_from(MIXED), min_size=1, unique_by=id))
def test_what_was_selected_is_selected_again(items: list[pystac.Item]) -> None:
    found = chosen(items)
    keys = {scene.key for scene in found.scenes}

    again = chosen([item for item in items if scene_of(item, ()).key in keys])

    assert {scene.key for scene in again.scenes} == keys
