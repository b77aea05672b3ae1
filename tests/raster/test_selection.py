"""Items here are modelled on real ones of the catalogues they are named after."""

import math
import pickle
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pystac
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raster.errors import AssetMissing, NoScenes, OffsetUnknown
from raster.selection import (
    Band,
    Calibration,
    Selection,
    Superseded,
    acquired_on,
    scene_of,
    select,
)
from tests.raster.test_mission import make_item

SHIFTED = {"scale": 0.0001, "offset": -0.1}
PLAIN = {"scale": 0.0001, "offset": 0}
FLAG = "earthsearch:boa_offset_applied"
LANDSAT_SCALING = {"nodata": 0, "scale": 2.75e-05, "offset": -0.2}


def sentinel_2(
    item_id: str = "S2_a",
    when: str = "2026-05-02T02:30:00Z",
    *,
    red: Mapping[str, Any] | None = None,
    scaling: Mapping[str, Any] = SHIFTED,
    properties: Mapping[str, Any] | None = None,
    collection: str | None = None,
    bbox: list[float] | None = None,
    folder: str = "/x",
) -> pystac.Item:
    """Make an item with assets of the Planetary Computer's names."""
    fields = {"raster:bands": [dict(scaling)]}
    return make_item(
        item_id,
        when,
        assets={"B04": fields if red is None else red, "B08": fields, "SCL": {}},
        properties=properties,
        collection=collection,
        bbox=bbox,
        folder=folder,
    )


def earth_search(
    tile: str,
    sequence: int,
    when: str,
    *,
    baseline: str,
    strip: str,
    take: str,
    generated: str,
    collection: str = "sentinel-2-l2a",
) -> pystac.Item:
    """Make an item of Earth Search v1: id, properties and asset names as there."""
    shifted = baseline >= "04.00"
    fields = {"raster:bands": [{"nodata": 0, **(SHIFTED if shifted else PLAIN)}]}
    return make_item(
        f"S2B_{tile}_{when[:10].replace('-', '')}_{sequence}_L2A",
        when,
        assets={"red": fields, "nir": fields, "scl": {}},
        collection=collection,
        properties={
            "platform": "sentinel-2b",
            "grid:code": f"MGRS-{tile}",
            "s2:processing_baseline": baseline,
            "s2:generation_time": generated,
            "s2:datatake_id": f"GS2B_{take}_016040_N{baseline}",
            "s2:datastrip_id": f"S2B_OPER_MSI_L2A_DS_S2RP_20230624T053545_S{strip}"
            f"_N{baseline}",
            FLAG: shifted,
        },
    )


# The two processings of 13SDV of 1 April 2020 that Earth Search holds.
OLD = earth_search(
    "13SDV",
    0,
    "2020-04-01T18:04:04.327Z",
    baseline="02.14",
    strip="20200401T175716",
    take="20200401T174909",
    generated="2020-04-01T22:01:55Z",
)
REPROCESSED = earth_search(
    "13SDV",
    1,
    "2020-04-01T18:04:04.327Z",
    baseline="05.00",
    strip="20200401T175716",
    take="20200401T174909",
    generated="2023-06-24T05:35:45Z",
)


def chosen(
    items: Sequence[pystac.Item],
    *,
    start: date = date(2019, 1, 1),
    end: date = date(2026, 12, 31),
    bands: Sequence[str] = (),
) -> Selection:
    return select(items, start=start, end=end, bands=bands)


def ids(selection: Selection) -> list[list[str]]:
    return [[scene.item_id for scene in k.scenes] for k in selection.observations]


def replaced(selection: Selection) -> list[tuple[str, str]]:
    return [(one.item_id, one.by) for one in selection.superseded]


def red_band(item: pystac.Item) -> Band:
    return chosen([item], bands=["R"]).scenes[0].bands["R"]


# What a scene holds.


def test_a_scene_of_earth_search() -> None:
    (scene,) = chosen([REPROCESSED], bands=["R", "N"]).scenes

    assert scene.item_id == "S2B_13SDV_20200401_1_L2A"
    assert scene.acquired == date(2020, 4, 1)
    assert (scene.mission, scene.mask_kind) == ("sentinel-2", "SCL")
    assert not scene.simulated
    assert scene.mask == Band(scene.item_id, f"/x/{scene.item_id}/scl.tif", None, 0)
    assert scene.key == scene.mask.href
    # Earth Search has taken the shift out of this file and left the offset in the item.
    calibration = Calibration(0.0001, 0.0)
    assert scene.bands == {
        letter: Band(
            scene.item_id, f"/x/{scene.item_id}/{key}.tif", calibration, 0, 65535
        )
        for letter, key in (("R", "red"), ("N", "nir"))
    }


def test_a_scene_of_landsat() -> None:
    fields = {"raster:bands": [LANDSAT_SCALING]}
    item = make_item(
        "LC09_L2SP_118029_20260502_02_T1",
        assets={"nir08": fields, "swir16": fields, "qa_pixel": {}},
        bbox=[124.0, 43.0, 127.0, 45.2],
    )

    (scene,) = chosen([item], bands=["N", "S1"]).scenes

    assert (scene.mission, scene.mask_kind, scene.mask.nodata) == (
        "landsat",
        "QA_PIXEL",
        1,
    )
    assert scene.bounds == (124.0, 43.0, 127.0, 45.2)
    assert scene.bands["N"].href.endswith("/nir08.tif")
    assert scene.bands["S1"].calibration == Calibration(2.75e-05, -0.2)
    assert scene.bands["S1"].saturated == 65535


@pytest.mark.parametrize(
    ("item_id", "mission", "near_infrared"),
    [
        ("HLS.S30.T51TXJ.2026122T022601.v2.0", "hls-s30", "B8A"),
        ("HLS.L30.T51TXJ.2026122T021501.v2.0", "hls-l30", "B05"),
    ],
)
def test_a_scene_of_hls_is_scaled_as_its_guide_says(
    item_id: str, mission: str, near_infrared: str
) -> None:
    item = make_item(item_id, assets=("B04", "B05", "B8A", "Fmask"))

    (scene,) = chosen([item], bands=["N"]).scenes

    assert (scene.mission, scene.mask_kind, scene.mask.nodata) == (
        mission,
        "Fmask",
        255,
    )
    band = scene.bands["N"]
    assert band.href.endswith(f"/{near_infrared}.tif")
    assert band.calibration == Calibration(0.0001, 0.0)
    assert (band.nodata, band.saturated) == (-9999, None)


def test_a_box_with_heights_gives_degrees_alone() -> None:
    item = sentinel_2(bbox=[124.0, 43.0, 120.0, 127.0, 45.0, 900.0])

    assert chosen([item]).scenes[0].bounds == (124.0, 43.0, 127.0, 45.0)


def test_a_simulated_scene_stays_marked() -> None:
    item = sentinel_2(properties={"heitu:simulated": True})

    assert chosen([item]).scenes[0].simulated


@pytest.mark.parametrize(
    ("fields", "nodata"),
    [
        ({"raster:bands": [{**SHIFTED, "nodata": -32768}]}, -32768),
        ({"raster:bands": [{**SHIFTED, "nodata": 0}]}, 0),
        ({"bands": [{"nodata": 7, "raster:scale": 1, "raster:offset": -0.1}]}, 7),
        ({"nodata": 7, "raster:scale": 1, "raster:offset": -0.1}, 7),
        ({"raster:bands": [SHIFTED]}, 0),
    ],
)
def test_nodata_in_every_spelling(fields: Mapping[str, Any], nodata: float) -> None:
    assert red_band(sentinel_2(red=fields)).nodata == nodata


def test_nodata_can_be_not_a_number() -> None:
    item = sentinel_2(red={"raster:bands": [{**SHIFTED, "nodata": "nan"}]})

    assert math.isnan(red_band(item).nodata)


# How numbers become reflectance.


@pytest.mark.parametrize(
    "fields",
    [
        {"raster:bands": [SHIFTED]},
        {"bands": [{"raster:scale": 0.0001, "raster:offset": -0.1}]},
        {"raster:scale": 0.0001, "raster:offset": -0.1},
        {"bands": [{"name": "red"}], "raster:bands": [SHIFTED]},
    ],
)
def test_calibration_in_every_spelling_of_the_raster_extension(
    fields: Mapping[str, Any],
) -> None:
    item = pystac.Item.from_dict(sentinel_2(red=fields).to_dict())

    assert red_band(item).calibration == Calibration(scale=0.0001, offset=-0.1)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"raster:bands": [{"scale": 0.0001}]},
        {"raster:bands": [{"offset": -0.1}]},
        {"raster:bands": []},
        {"raster:bands": [{"scale": 0, "offset": -0.1}]},
        {"raster:bands": [{"scale": math.inf, "offset": -0.1}]},
        {"raster:bands": [{"scale": True, "offset": -0.1}]},
        {"raster:bands": [{"scale": 0.0001, "offset": "unknown"}]},
        {"raster:bands": [{"scale": 0.0001, "offset": math.nan}]},
    ],
)
def test_an_unknown_offset_is_an_error(fields: Mapping[str, Any]) -> None:
    with pytest.raises(OffsetUnknown, match="item S2_a, asset B04") as caught:
        red_band(sentinel_2(red=fields))

    assert (caught.value.item_id, caught.value.href) == ("S2_a", "/x/S2_a/B04.tif")
    assert "shifted by 1000" in str(caught.value)


def test_an_unknown_offset_of_landsat_says_what_it_should_be() -> None:
    item = make_item(
        "LC09_L2SP_118029_20260502_20260505_02_T1_SR", assets=("red", "qa_pixel")
    )

    with pytest.raises(OffsetUnknown, match=r"number \* 0.0000275 - 0.2"):
        red_band(item)


def test_an_unusable_scale_of_hls_is_an_error() -> None:
    item = make_item(
        "HLS.L30.T51TXJ.2026122T021501.v2.0",
        assets={"B04": {"raster:scale": 0}, "Fmask": {}},
    )

    with pytest.raises(OffsetUnknown, match=r"scale 0\.0, offset 0\.0; write"):
        red_band(item)


OLD_PIPELINE = {"processing:software": {"sentinel2-to-stac": "0.1.0"}}
C1_PIPELINE = {"processing:software": {"sentinel-2-c1-l2a-to-stac": "v2024.02.01"}}


@pytest.mark.parametrize(
    ("scaling", "baseline", "properties", "offset"),
    [
        (SHIFTED, "05.11", {}, -0.1),
        (PLAIN, "03.01", {}, 0.0),
        (SHIFTED, None, {}, -0.1),
        (PLAIN, None, {}, 0.0),
        # Earth Search, sentinel-2-l2a: the shift is taken out, the offset left behind.
        (SHIFTED, "05.11", {FLAG: True}, 0.0),
        (PLAIN, "05.11", {FLAG: True}, 0.0),
        (PLAIN, "02.14", {FLAG: False} | OLD_PIPELINE, 0.0),
        # Earth Search, sentinel-2-c1-l2a: as ESA made it.
        (SHIFTED, "05.10", {FLAG: False} | C1_PIPELINE, -0.1),
        # Simulated scenes follow ESA's newer baselines.
        (SHIFTED, "05.11", {"heitu:simulated": True}, -0.1),
    ],
)
def test_the_shift_of_sentinel_2_is_taken_out_once(
    scaling: Mapping[str, Any],
    baseline: str | None,
    properties: dict[str, Any],
    offset: float,
) -> None:
    stated = {"s2:processing_baseline": baseline}
    item = sentinel_2(scaling=scaling, properties=stated | properties)

    assert red_band(item).calibration == Calibration(0.0001, offset)


@pytest.mark.parametrize(
    ("scaling", "baseline", "said"),
    [
        (
            PLAIN,
            "05.11",
            "offset 0.0 with processing baseline 05.11, .*write offset -0.1",
        ),
        (PLAIN, "04.00", "whose numbers are shifted by 1000"),
        (SHIFTED, "03.01", "baseline 03.01, whose numbers are not shifted"),
    ],
)
def test_an_offset_against_its_baseline_is_an_error(
    scaling: Mapping[str, Any], baseline: str, said: str
) -> None:
    item = sentinel_2(scaling=scaling, properties={"s2:processing_baseline": baseline})

    with pytest.raises(OffsetUnknown, match=said) as caught:
        red_band(item)

    assert (caught.value.item_id, caught.value.href) == ("S2_a", "/x/S2_a/B04.tif")
    assert "矛盾" in str(caught.value)


@pytest.mark.parametrize(
    ("collection", "software"),
    [("sentinel-2-l2a", None), ("archive", {"sentinel2-to-stac": "0.1.1"})],
)
def test_the_flag_that_earth_search_gets_wrong_is_not_believed(
    collection: str, software: dict[str, str] | None
) -> None:
    # S2B_33UXP_20250302_0_L2A: "false" in the item, no shift in the file.
    item = sentinel_2(
        "S2B_33UXP_20250302_0_L2A",
        collection=collection,
        properties={
            "s2:processing_baseline": "05.11",
            FLAG: False,
            "processing:software": software,
        },
    )

    with pytest.raises(OffsetUnknown, match="take the scene from sentinel-2-c1-l2a"):
        red_band(item)


def test_a_mask_needs_no_calibration() -> None:
    item = sentinel_2(red={}, properties={"s2:processing_baseline": "05.11"})

    assert chosen([item]).scenes[0].bands == {}


# What is missing.


def test_a_missing_asset_is_named() -> None:
    item = sentinel_2()
    del item.assets["B04"]

    with pytest.raises(
        AssetMissing,
        match=r"S2_a has no asset B04, red or B04_10m for band R \(it has B08, SCL\)",
    ) as caught:
        red_band(item)

    assert caught.value.item_id == "S2_a"


def test_a_missing_mask_is_named() -> None:
    item = sentinel_2()
    del item.assets["SCL"]

    with pytest.raises(
        AssetMissing, match=r"S2_a has no asset SCL \(it has B04, B08\)"
    ):
        chosen([item])


def test_a_band_the_mission_does_not_have_is_named() -> None:
    item = make_item(
        "LC09_L2SP_118029_20260502_02_T1", assets=("red", "nir08", "qa_pixel")
    )

    with pytest.raises(AssetMissing, match="is of landsat, which has no band RE1"):
        chosen([item], bands=["RE1"])


def test_an_error_survives_the_way_from_a_worker() -> None:
    error = AssetMissing("no SCL", item_id="S2_a")

    again = pickle.loads(pickle.dumps(error))

    assert (str(again), again.item_id) == ("no SCL", "S2_a")


def test_a_selection_survives_the_way_to_a_worker() -> None:
    selection = chosen([OLD, REPROCESSED], bands=["R"])

    assert pickle.loads(pickle.dumps(selection)) == selection


# Dates.


def test_items_of_one_utc_date_are_one_observation() -> None:
    items = [
        sentinel_2("S2_51TXL", "2026-05-02T23:00:00Z"),
        sentinel_2("S2_51TYL", "2026-05-02T10:30:00+08:00"),
        sentinel_2("S2_next", "2026-05-03T09:00:00+08:00"),
        sentinel_2("S2_early", "2026-05-02T07:00:00+08:00"),
    ]

    found = chosen(items, start=date(2026, 5, 2), end=date(2026, 5, 3))

    assert [look.acquired.day for look in found.observations] == [2, 3]
    assert ids(found) == [["S2_51TYL", "S2_51TXL"], ["S2_next"]]


def test_missions_of_one_date_look_on_their_own() -> None:
    items = [
        sentinel_2("S2_a"),
        make_item("HLS.S30.T51TXJ.2026122T022601.v2.0", assets=["Fmask"]),
        make_item("HLS.L30.T51TXJ.2026122T021501.v2.0", assets=["Fmask"]),
        make_item("LC09_L2SP_118029_20260502_02_T1", assets=["qa_pixel"]),
    ]

    found = chosen(items)

    assert [look.scenes[0].mission for look in found.observations] == [
        "hls-l30",
        "hls-s30",
        "landsat",
        "sentinel-2",
    ]


def test_dates_come_in_order_whatever_the_order_of_the_items() -> None:
    days = [4, 1, 3, 2]
    items = [sentinel_2(f"S2_{day}", f"2026-05-0{day}T02:30:00Z") for day in days]

    assert ids(chosen(items)) == [["S2_1"], ["S2_2"], ["S2_3"], ["S2_4"]]


def test_a_time_range_counts_by_its_start() -> None:
    item = sentinel_2(
        properties={
            "start_datetime": "2026-05-02T23:59:00Z",
            "end_datetime": "2026-05-03T00:05:00Z",
        }
    )
    item.datetime = None

    assert acquired_on(item) == date(2026, 5, 2)


def test_a_time_without_zone_is_utc() -> None:
    assert acquired_on(sentinel_2(when="2026-05-02T23:30:00")) == date(2026, 5, 2)


def test_an_item_without_time_is_an_error() -> None:
    item = sentinel_2()
    item.datetime = None

    with pytest.raises(NoScenes, match=r"item S2_a has no datetime.*请补写"):
        chosen([item])


def test_items_outside_the_window_are_not_looked_at() -> None:
    broken = make_item("no-mask-at-all", "2025-05-02T02:30:00Z")

    with pytest.raises(NoScenes, match=r"no scene acquired from 2026-05-01 .*没有影像"):
        chosen([broken], start=date(2026, 5, 1), end=date(2026, 5, 31))


def test_the_window_holds_its_first_and_last_day() -> None:
    items = [
        sentinel_2("S2_1", "2026-05-01T00:00:00Z"),
        sentinel_2("S2_2", "2026-05-02T23:59:59Z"),
        sentinel_2("S2_3", "2026-05-03T00:00:00Z"),
    ]

    found = chosen(items, start=date(2026, 5, 1), end=date(2026, 5, 2))

    assert ids(found) == [["S2_1"], ["S2_2"]]


# Nothing twice.


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
