from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import pystac
import pytest

from raster.errors import AssetMissing
from raster.mission import (
    HLS_L30,
    HLS_S30,
    LANDSAT,
    SENTINEL_2,
    Mission,
    Sensing,
    asset_of,
    baseline_of,
    mission_of,
    sensing_of,
)

EARTH_SEARCH = (
    *("aot", "blue", "coastal", "green", "nir", "nir08", "nir09", "red", "red-jp2"),
    *("rededge1", "rededge2", "rededge3", "scl", "scl-jp2", "swir16", "swir22"),
    *("thumbnail", "visual", "wvp"),
)
PLANETARY_COMPUTER = (
    *("AOT", "B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09"),
    *("B11", "B12", "SCL", "WVP", "visual"),
)
COPERNICUS = (
    *("AOT_10m", "B01_20m", "B01_60m", "B02_10m", "B02_20m", "B03_10m", "B04_10m"),
    *("B04_20m", "B05_20m", "B06_20m", "B07_20m", "B08_10m", "B8A_20m", "B09_60m"),
    *("B11_20m", "B12_20m", "SCL_20m", "SCL_60m", "TCI_10m"),
)
LANDSAT_9 = (
    *("coastal", "blue", "green", "red", "nir08", "swir16", "swir22", "lwir11"),
    *("qa_pixel", "qa_radsat", "qa_aerosol", "qa", "mtl.json"),
)
LANDSAT_7 = (
    *("blue", "green", "red", "nir08", "swir16", "swir22", "lwir"),
    *("qa_pixel", "qa_radsat", "cloud_qa", "atmos_opacity"),
)
S30 = (
    *("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10"),
    *("B11", "B12", "Fmask", "SAA", "SZA", "VAA", "VZA"),
)
L30 = (
    *("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B09", "B10", "B11"),
    *("Fmask", "SAA", "SZA", "VAA", "VZA"),
)


def make_item(
    item_id: str = "S2_a",
    when: str | None = "2026-05-02T02:30:00Z",
    *,
    assets: Iterable[str] | Mapping[str, Mapping[str, Any]] = (),
    collection: str | None = None,
    properties: Mapping[str, Any] | None = None,
    bbox: list[float] | None = None,
    folder: str = "/x",
) -> pystac.Item:
    moment = None if when is None else datetime.fromisoformat(when)
    item = pystac.Item(
        item_id, None, bbox, moment, dict(properties or {}), collection=collection
    )
    described = assets if isinstance(assets, Mapping) else {key: {} for key in assets}
    for key, fields in described.items():
        asset = pystac.Asset(f"{folder}/{item_id}/{key}.tif", extra_fields=dict(fields))
        item.add_asset(key, asset)
    return item


@pytest.mark.parametrize(
    ("item", "mission", "mask", "red", "near_infrared"),
    [
        (
            make_item("S2B_51TXJ_20230802_0_L2A", assets=EARTH_SEARCH),
            SENTINEL_2,
            "scl",
            "red",
            "nir",
        ),
        (
            make_item(
                "S2A_MSIL2A_20190212T192651_R013_T07HFE_20201007T160857",
                assets=PLANETARY_COMPUTER,
            ),
            SENTINEL_2,
            "SCL",
            "B04",
            "B08",
        ),
        (
            make_item(
                "S2A_MSIL2A_20250628T024141_N0511_R089_T51RTQ_20250628T074719",
                assets=COPERNICUS,
            ),
            SENTINEL_2,
            "SCL_20m",
            "B04_10m",
            "B08_10m",
        ),
        (
            make_item("window-20260401", assets=("B04", "B08", "SCL")),
            *(
                SENTINEL_2,
                "SCL",
                "B04",
                "B08",
            ),
        ),
        (
            make_item("LC09_L2SP_118029_20220129_02_T1", assets=LANDSAT_9),
            LANDSAT,
            "qa_pixel",
            "red",
            "nir08",
        ),
        (
            make_item("LE07_L2SP_118029_20100109_02_T1", assets=LANDSAT_7),
            LANDSAT,
            "qa_pixel",
            "red",
            "nir08",
        ),
        (
            make_item("HLS.S30.T51TXJ.2026185T022601.v2.0", assets=S30),
            HLS_S30,
            "Fmask",
            "B04",
            "B8A",
        ),
        (
            make_item("HLS.L30.T51TXJ.2026186T021501.v2.0", assets=L30),
            HLS_L30,
            "Fmask",
            "B04",
            "B05",
        ),
    ],
)
def test_an_item_is_read_in_its_own_dialect(
    item: pystac.Item, mission: Mission, mask: str, red: str, near_infrared: str
) -> None:
    found = mission_of(item)

    assert found is mission
    assert asset_of(item, found.mask_assets) is item.assets[mask]
    assert asset_of(item, found.bands["R"]) is item.assets[red]
    assert asset_of(item, found.bands["N"]) is item.assets[near_infrared]


@pytest.mark.parametrize(
    ("mission", "assets", "letters"),
    [
        (SENTINEL_2, EARTH_SEARCH, "A B G R RE1 RE2 RE3 N N2 WV S1 S2"),
        (SENTINEL_2, PLANETARY_COMPUTER, "A B G R RE1 RE2 RE3 N N2 WV S1 S2"),
        (SENTINEL_2, COPERNICUS, "A B G R RE1 RE2 RE3 N N2 WV S1 S2"),
        (LANDSAT, LANDSAT_9, "A B G R N S1 S2 T1"),
        (LANDSAT, LANDSAT_7, "B G R N S1 S2 T1"),
        (HLS_S30, S30, "A B G R RE1 RE2 RE3 N N2 WV S1 S2"),
        (HLS_L30, L30, "A B G R N S1 S2"),
    ],
)
def test_every_band_a_catalogue_offers_has_its_letter(
    mission: Mission, assets: tuple[str, ...], letters: str
) -> None:
    offered = {
        letter for letter, keys in mission.bands.items() if set(keys) & set(assets)
    }

    assert offered == set(letters.split())


def test_short_wave_infrared_is_numbered_differently_in_the_two_hls_products() -> None:
    # L30 has a B11 too: there it is thermal.
    assert (HLS_S30.bands["S1"], HLS_S30.bands["S2"]) == (("B11",), ("B12",))
    assert (HLS_L30.bands["S1"], HLS_L30.bands["S2"]) == (("B06",), ("B07",))


@pytest.mark.parametrize(
    ("item", "mission"),
    [
        (make_item("a", assets=L30, collection="HLSL30_2.0"), HLS_L30),
        (make_item("a", assets=L30, collection="hls2-l30"), HLS_L30),
        (make_item("a", assets=S30, collection="HLSS30.v2.0"), HLS_S30),
        (make_item("a", assets=S30, collection="hls2-s30"), HLS_S30),
        (make_item("a", assets=L30, properties={"platform": "LANDSAT-8"}), HLS_L30),
        (make_item("a", assets=L30, properties={"platform": "sentinel-2a"}), HLS_S30),
        (make_item("a", assets=S30), HLS_S30),
    ],
)
def test_the_hls_product_is_told_by_name_platform_or_bands(
    item: pystac.Item, mission: Mission
) -> None:
    assert mission_of(item) is mission


def test_an_hls_product_that_cannot_be_told_is_an_error() -> None:
    item = make_item("a", assets=("B04", "B05", "Fmask"))

    with pytest.raises(AssetMissing, match="does not say which HLS product") as caught:
        mission_of(item)

    assert caught.value.item_id == "a"
    assert " · " in str(caught.value)


@pytest.mark.parametrize(
    ("item_id", "properties", "said"),
    [
        ("S2_a", {}, r"item S2_a has no asset SCL \(it has B04, B08\)"),
        ("a", {"platform": "Sentinel-2A"}, "item a has no asset SCL "),
        ("LC09_L2SP_118029_20220129_02_T1", {}, "has no asset qa_pixel "),
        ("a", {"platform": "landsat-7"}, "item a has no asset qa_pixel "),
        ("HLS.L30.T51TXJ.2026186T021501.v2.0", {}, "has no asset Fmask "),
        ("a", {}, "item a has no asset SCL, qa_pixel or Fmask "),
    ],
)
def test_a_missing_mask_is_named(
    item_id: str, properties: dict[str, str], said: str
) -> None:
    item = make_item(item_id, assets=("B04", "B08"), properties=properties)

    with pytest.raises(AssetMissing, match=said) as caught:
        mission_of(item)

    assert caught.value.item_id == item_id
    assert "缺少" in str(caught.value)


def test_the_fmask_of_geoscience_australia_is_not_that_of_hls() -> None:
    # Values 0 to 5 instead of bits: 1 is clear there and cirrus here.
    with pytest.raises(AssetMissing):
        mission_of(make_item("ga_ls8c", assets=("nbart_red", "fmask", "oa_fmask")))


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("item", "mission", "sensing"),
    [
        pytest.param(
            make_item(
                "S2B_13SDV_20200401_1_L2A",
                properties={
                    "platform": "sentinel-2b",
                    "grid:code": "MGRS-13SDV",
                    "s2:processing_baseline": "05.00",
                    "s2:generation_time": "2023-06-24T05:35:45.000000Z",
                    "s2:datatake_id": "GS2B_20200401T174909_016040_N05.00",
                    "s2:datastrip_id": "S2B_OPER_MSI_L2A_DS_S2RP_20230624T053545_"
                    "S20200401T175716_N05.00",
                },
            ),
            SENTINEL_2,
            Sensing(
                tile="13SDV",
                platform="sentinel-2b",
                take="20200401T174909",
                strip=moment("2020-04-01T17:57:16"),
                version=(5, 0),
                label="baseline 05.00",
                processed=moment("2023-06-24T05:35:45"),
            ),
            id="Earth Search",
        ),
        pytest.param(
            make_item(
                "S2A_T07HFE_20190212T192646_L2A",
                properties={
                    "mgrs:utm_zone": 7,
                    "mgrs:latitude_band": "H",
                    "mgrs:grid_square": "FE",
                    "s2:product_uri": "S2A_MSIL2A_20190212T192651_N0212_R013_T07HFE_"
                    "20201007T160857.SAFE",
                },
            ),
            SENTINEL_2,
            Sensing(
                tile="7HFE",
                platform="sentinel-2a",
                take="20190212T192651",
                version=(2, 12),
                label="baseline 02.12",
                processed=moment("2020-10-07T16:08:57"),
            ),
            id="Earth Search, collection 1",
        ),
        pytest.param(
            make_item(
                "S2A_MSIL2A_20190212T192651_R013_T07HFE_20201007T160857",
                properties={
                    "platform": "Sentinel-2A",
                    "s2:mgrs_tile": "07HFE",
                    "s2:processing_baseline": "02.12",
                },
            ),
            SENTINEL_2,
            Sensing(
                tile="7HFE",
                platform="sentinel-2a",
                take="20190212T192651",
                version=(2, 12),
                label="baseline 02.12",
                processed=moment("2020-10-07T16:08:57"),
            ),
            id="Planetary Computer",
        ),
        pytest.param(
            make_item(
                "S2A_MSIL2A_20231107T144731_N0509_R139_T20QRF_20231107T182159",
                properties={
                    "platform": "sentinel-2a",
                    "grid:code": "MGRS-T20QRF",
                    "processing:version": "05.09",
                    "processing:datetime": "2023-11-07T18:21:59.14490Z",
                    "eopf:datatake_id": "GS2A_20231107T144731_043751_N05.09",
                },
            ),
            SENTINEL_2,
            Sensing(
                tile="20QRF",
                platform="sentinel-2a",
                take="20231107T144731",
                version=(5, 9),
                label="baseline 05.09",
                processed=moment("2023-11-07T18:21:59.144900"),
            ),
            id="Copernicus Data Space",
        ),
        pytest.param(
            make_item("S2A_MSIL2A_20260502T023021_N0511_R046_T51TXJ_20260502T061122"),
            SENTINEL_2,
            Sensing(
                tile="51TXJ",
                platform="sentinel-2a",
                take="20260502T023021",
                version=(5, 11),
                label="baseline 05.11",
                processed=moment("2026-05-02T06:11:22"),
            ),
            id="the name alone",
        ),
        pytest.param(
            make_item(
                "LC09_L2SP_010065_20220129_20220131_02_T1_SR",
                properties={
                    "platform": "LANDSAT_9",
                    "landsat:wrs_path": "010",
                    "landsat:wrs_row": "065",
                    "landsat:collection_category": "T1",
                    "landsat:collection_number": "02",
                    "landsat:scene_id": "LC90100652022029LGN00",
                },
            ),
            LANDSAT,
            Sensing(
                tile="010065",
                platform="landsat-9",
                take="9 20220129",
                version=(2, 1),
                label="collection 02 T1",
                processed=moment("2022-01-31"),
            ),
            id="USGS",
        ),
        pytest.param(
            make_item(
                "LC09_L2SP_010065_20220129_02_RT",
                properties={"created": "2022-03-09T15:13:21.724443Z"},
            ),
            LANDSAT,
            Sensing(
                tile="010065",
                take="9 20220129",
                version=(2, 0),
                label="collection 02 RT",
                processed=moment("2022-03-09T15:13:21.724443"),
            ),
            id="Planetary Computer, Landsat",
        ),
        pytest.param(
            make_item(
                "scene-17",
                properties={
                    "landsat:wrs_path": "10",
                    "landsat:wrs_row": "65",
                    "landsat:scene_id": "LC90100652022029LGN00",
                },
            ),
            LANDSAT,
            Sensing(tile="010065", take="9 20220129"),
            id="Landsat under another name",
        ),
        pytest.param(
            make_item(
                "HLS.S30.T07HFE.2026185T022601.v2.0", properties={"platform": "S2"}
            ),
            HLS_S30,
            Sensing(
                tile="7HFE",
                platform="s2",
                take="S30.T07HFE.2026185T022601",
                version=(2, 0),
                label="v2.0",
            ),
            id="HLS",
        ),
        pytest.param(
            make_item(
                "window-20260401", properties={"platform": "sentinel-2a-simulated"}
            ),
            SENTINEL_2,
            Sensing(platform="sentinel-2a-simulated"),
            id="a simulated scene",
        ),
        pytest.param(
            make_item("field_10JUN_2026", properties={"s2:processing_baseline": "n/a"}),
            SENTINEL_2,
            Sensing(),
            id="a date that looks like a tile",
        ),
    ],
)
def test_what_an_item_says_of_its_acquisition(
    item: pystac.Item, mission: Mission, sensing: Sensing
) -> None:
    assert sensing_of(item, mission) == sensing


@pytest.mark.parametrize(
    "properties",
    [
        {"s2:mgrs_tile": "07HFE"},
        {"s2:mgrs_tile": "T07HFE"},
        {"grid:code": "MGRS-7HFE"},
        {"grid:code": "MGRS-07HFE"},
        {"grid:code": "MGRS-T07HFE"},
        {"mgrs:utm_zone": 7, "mgrs:latitude_band": "H", "mgrs:grid_square": "FE"},
    ],
)
def test_one_square_in_every_spelling(properties: dict[str, Any]) -> None:
    item = make_item("a", properties=properties)

    assert sensing_of(item, SENTINEL_2).tile == "7HFE"


def test_the_baseline_of_a_copied_scene_is_its_property() -> None:
    item = make_item(
        "S2A_MSIL2A_20190212T192651_N0212_R013_T07HFE_20201007T160857",
        properties={"s2:processing_baseline": "05.00"},
    )

    assert baseline_of(item) == (5, 0)
