import pickle
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pystac
import pytest

from raster.composite import Calibration
from raster.errors import AssetMissing, NoScenes, OffsetUnknown
from raster.scene import Band, observations

SHIFTED = {"scale": 0.0001, "offset": -0.1}
ALL = ("B04", "B08", "SCL")


def make_item(
    item_id: str = "S2_a",
    when: datetime = datetime(2026, 5, 2, 2, 30, tzinfo=UTC),
    *,
    red: Mapping[str, Any] | None = None,
    properties: Mapping[str, Any] | None = None,
) -> pystac.Item:
    item = pystac.Item(item_id, None, None, when, dict(properties or {}))
    red = {"raster:bands": [SHIFTED]} if red is None else red
    item.add_asset("B04", pystac.Asset("/x/B04.tif", extra_fields=dict(red)))
    item.add_asset(
        "B08", pystac.Asset("/x/B08.tif", extra_fields={"raster:bands": [SHIFTED]})
    )
    item.add_asset("SCL", pystac.Asset(f"/x/{item_id}/SCL.tif"))
    return item


def red_band(item: pystac.Item) -> Band:
    (look,) = observations(
        [item], start=date(2026, 1, 1), end=date(2026, 12, 31), bands=ALL
    )
    return look.scenes[0].bands["B04"]


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
    item = pystac.Item.from_dict(make_item(red=fields).to_dict())

    assert red_band(item).calibration == Calibration(scale=0.0001, offset=-0.1)


def test_an_offset_already_applied_is_not_applied_again() -> None:
    item = make_item(properties={"earthsearch:boa_offset_applied": True})

    assert red_band(item).calibration == Calibration(scale=0.0001, offset=0.0)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"raster:bands": [{"scale": 0.0001}]},
        {"raster:bands": [{"offset": -0.1}]},
        {"raster:bands": []},
        {"raster:bands": [{"scale": 0, "offset": -0.1}]},
        {"raster:bands": [{"scale": 0.0001, "offset": "unknown"}]},
        {"raster:bands": [{"scale": 0.0001, "offset": float("nan")}]},
    ],
)
def test_an_unknown_offset_is_an_error(fields: Mapping[str, Any]) -> None:
    with pytest.raises(OffsetUnknown, match="item S2_a, asset B04") as caught:
        red_band(make_item(red=fields))

    assert (caught.value.item_id, caught.value.href) == ("S2_a", "/x/B04.tif")


def test_a_missing_asset_is_named() -> None:
    item = make_item()
    del item.assets["SCL"]

    with pytest.raises(
        AssetMissing, match=r"S2_a has no asset SCL \(it has B04, B08\)"
    ):
        red_band(item)


def test_an_error_survives_the_way_from_a_worker() -> None:
    error = AssetMissing("no SCL", item_id="S2_a")

    again = pickle.loads(pickle.dumps(error))

    assert (str(again), again.item_id) == ("no SCL", "S2_a")


def test_items_of_one_utc_date_are_one_observation() -> None:
    beijing = timezone(timedelta(hours=8))
    items = [
        make_item("S2_51TXL", datetime(2026, 5, 2, 23, tzinfo=UTC)),
        make_item("S2_51TYL", datetime(2026, 5, 2, 10, 30, tzinfo=beijing)),
        make_item("S2_next", datetime(2026, 5, 3, 9, tzinfo=beijing)),
        make_item("S2_early", datetime(2026, 5, 2, 7, tzinfo=beijing)),
    ]

    looks = observations(items, start=date(2026, 5, 2), end=date(2026, 5, 3), bands=ALL)

    assert [look.acquired.day for look in looks] == [2, 3]
    assert [s.item_id for s in looks[0].scenes] == ["S2_51TYL", "S2_51TXL"]


def test_a_reprocessed_scene_comes_before_what_it_replaces() -> None:
    items = [make_item("S2A_51TXL_20260502_0"), make_item("S2A_51TXL_20260502_1")]

    (look,) = observations(
        items, start=date(2026, 5, 2), end=date(2026, 5, 2), bands=ALL
    )

    assert look.scenes[0].item_id == "S2A_51TXL_20260502_1"


def test_the_same_item_twice_counts_once() -> None:
    (look,) = observations(
        [make_item(), make_item()],
        start=date(2026, 5, 2),
        end=date(2026, 5, 2),
        bands=ALL,
    )

    assert len(look.scenes) == 1


def test_items_outside_the_window_are_not_looked_at() -> None:
    broken = make_item("S2_old", datetime(2025, 5, 2, tzinfo=UTC), red={})

    with pytest.raises(NoScenes, match="no scene acquired from 2026-05-01"):
        observations([broken], start=date(2026, 5, 1), end=date(2026, 5, 31), bands=ALL)
