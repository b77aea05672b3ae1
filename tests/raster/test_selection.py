"""Items here are modelled on real ones of the catalogues they are named after."""

import math
import pickle
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pystac
import pytest

from raster.errors import AssetMissing, NoScenes
from raster.mission import Calibration
from raster.selection import (
    Band,
    Selection,
    acquired_on,
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
        ({"bands": [{"nodata": 7, "raster:scale": 1e-4, "raster:offset": -0.1}]}, 7),
        ({"nodata": 7, "raster:scale": 1e-4, "raster:offset": -0.1}, 7),
        ({"raster:bands": [SHIFTED]}, 0),
    ],
)
def test_nodata_in_every_spelling(fields: Mapping[str, Any], nodata: float) -> None:
    assert red_band(sentinel_2(red=fields)).nodata == nodata


def test_nodata_can_be_not_a_number() -> None:
    item = sentinel_2(red={"raster:bands": [{**SHIFTED, "nodata": "nan"}]})

    assert math.isnan(red_band(item).nodata)


@pytest.mark.parametrize(
    ("stated", "size"),
    [
        ({"file:size": 73_412}, 73_412),
        ({}, None),
        ({"file:size": "73412"}, None),
        ({"file:size": 73_412.5}, None),
        ({"file:size": True}, None),
        ({"file:size": None}, None),
    ],
)
def test_a_file_has_the_size_that_its_asset_states(
    stated: dict[str, Any], size: int | None
) -> None:
    item = sentinel_2(red={"raster:bands": [SHIFTED]} | stated)
    item.assets["SCL"].extra_fields |= stated

    (scene,) = chosen([item], bands=["R", "N"]).scenes

    assert (scene.mask.size, scene.bands["R"].size) == (size, size)
    assert scene.bands["N"].size is None


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
