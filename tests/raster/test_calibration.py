"""How items say what their numbers mean, and which sayings are refused."""

import math
from collections.abc import Mapping
from typing import Any

import pystac
import pytest

from raster.errors import OffsetUnknown
from raster.mission import Calibration
from tests.raster.test_mission import make_item
from tests.raster.test_selection import (
    FLAG,
    PLAIN,
    SHIFTED,
    chosen,
    red_band,
    sentinel_2,
)


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

    with pytest.raises(
        OffsetUnknown, match=r"has scale 0\.0000275, offset -0\.2; write"
    ):
        red_band(item)


def test_an_unusable_scale_of_hls_is_an_error() -> None:
    item = make_item(
        "HLS.L30.T51TXJ.2026122T021501.v2.0",
        assets={"B04": {"raster:scale": 0}, "Fmask": {}},
    )

    with pytest.raises(OffsetUnknown, match=r"scale 0\.0, offset 0\.0; hls-l30 has"):
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


HLS_NAME = "HLS.S30.T51TXJ.2026122T022601.v2.0"
LANDSAT_NAME = "LC09_L2SP_118029_20260502_02_T1"


def scaled(item_id: str, key: str, mask: str, scale: float, offset: float) -> Any:
    fields = {"raster:scale": scale, "raster:offset": offset}
    return make_item(item_id, assets={key: fields, mask: {}})


@pytest.mark.parametrize(
    ("scale", "offset", "expected"),
    [
        (0.0001, 0.0, Calibration(0.0001, 0.0)),
        (0.0001, -0.1, Calibration(0.0001, -0.1)),
        # As single precision has them.
        (9.999999747378752e-05, -0.10000000149011612, Calibration(0.0001, -0.1)),
        (0.0001, 1e-7, Calibration(0.0001, 0.0)),
    ],
)
def test_the_scale_and_offset_of_sentinel_2_are_the_specified_ones(
    scale: float, offset: float, expected: Calibration
) -> None:
    item = scaled("S2_a", "B04", "SCL", scale, offset)

    assert red_band(item).calibration == expected


@pytest.mark.parametrize(
    ("scale", "offset"),
    [
        (0.0001, -1000.0),
        (0.0001, 0.1),
        (0.0001, -0.2),
        (0.0001, -0.1001),
        (0.0001, 0.0001),
        (1.0, 0.0),
        (1.0, -1000.0),
        (0.001, 0.0),
        (0.000101, -0.1),
        (0.00010001, 0.0),
        (-0.0001, 0.0),
        (2.75e-05, -0.2),
    ],
)
@pytest.mark.parametrize("baseline", [None, "05.11"])
def test_any_other_scale_or_offset_of_sentinel_2_is_a_slip(
    scale: float, offset: float, baseline: str | None
) -> None:
    item = scaled("S2_a", "B04", "SCL", scale, offset)
    item.properties["s2:processing_baseline"] = baseline

    with pytest.raises(OffsetUnknown) as caught:
        red_band(item)

    english, chinese = str(caught.value).split(" · ")
    assert f"asset B04: scale {scale}, offset {offset}; " in english
    assert "numbers shifted by 1000 have offset -0.1" in english
    assert "has scale 0.0001, offset 0 or scale 0.0001, offset -0.1; " in english
    assert chinese.endswith("scale 0.0001, offset 0 或 scale 0.0001, offset -0.1")
    assert (caught.value.item_id, caught.value.href) == ("S2_a", "/x/S2_a/B04.tif")


def test_a_flag_of_earth_search_does_not_excuse_a_wrong_scale() -> None:
    item = scaled("S2_a", "B04", "SCL", 1.0, -0.1)
    item.properties[FLAG] = True

    with pytest.raises(OffsetUnknown, match=r"scale 1\.0, offset 0\.0; "):
        red_band(item)


@pytest.mark.parametrize(
    ("scale", "offset"),
    [(0.0000275, 0.0), (0.0001, -0.2), (0.0000275, 0.2), (0.00341802, 149.0)],
)
def test_any_other_scale_or_offset_of_landsat_is_a_slip(
    scale: float, offset: float
) -> None:
    item = scaled(LANDSAT_NAME, "red", "qa_pixel", scale, offset)

    with pytest.raises(OffsetUnknown, match=r"landsat has scale 0\.0000275, offset -0"):
        red_band(item)


@pytest.mark.parametrize(
    ("scale", "offset"), [(0.0001, -0.1), (1.0, 0.0), (0.0000275, -0.2)]
)
def test_any_other_scale_or_offset_of_hls_is_a_slip(
    scale: float, offset: float
) -> None:
    item = scaled(HLS_NAME, "B04", "Fmask", scale, offset)

    with pytest.raises(OffsetUnknown, match=r"s30 has scale 0\.0001, offset 0; write"):
        red_band(item)


def test_thermal_numbers_of_landsat_become_kelvin() -> None:
    # Collection 2 guide: number * 0.00341802 + 149.
    item = scaled(LANDSAT_NAME, "lwir11", "qa_pixel", 0.00341802, 149.0)
    wrong = scaled(LANDSAT_NAME, "lwir11", "qa_pixel", 0.0000275, -0.2)

    (scene,) = chosen([item], bands=["T1"]).scenes

    assert scene.bands["T1"].calibration == Calibration(0.00341802, 149.0)
    with pytest.raises(OffsetUnknown, match=r"scale 0\.00341802, offset 149; write"):
        chosen([wrong], bands=["T1"])


def test_a_mask_needs_no_calibration() -> None:
    item = sentinel_2(red={}, properties={"s2:processing_baseline": "05.11"})

    assert chosen([item]).scenes[0].bands == {}
