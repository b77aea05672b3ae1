"""What the providers' items say, and what they leave to be known."""

from collections.abc import Callable
from typing import Any

import pystac
import pytest

from ingest.offer import BandOffer, SceneOffer
from ingest.stac_api import COPERNICUS, EARTH_SEARCH, PLANETARY_COMPUTER, Provider
from ingest.stac_api.errors import ItemUnusable
from ingest.stac_api.items import read_item
from raster.errors import AssetMissing, OffsetUnknown
from raster.mission import SENTINEL_2, sensing_of
from raster.selection import scene_of
from tests.ingest.stac_api import items
from tests.ingest.stac_api.api import ItemDict
from tests.ingest.wording import english


def _read(
    provider: Provider, feature: ItemDict, letters: tuple[str, ...] = ()
) -> SceneOffer:
    return provider.offer(read_item(feature), letters)


def test_earth_search_collection_1() -> None:
    offer = _read(EARTH_SEARCH, items.earth_search())
    assert offer.source == "earth-search"
    assert offer.collection == "sentinel-2-c1-l2a"
    assert {*offer.bands} == {"B04", "B08", "B11", "SCL"}
    assert {key: offer.bands[key] for key in ("SCL", "B04")} == {
        "SCL": BandOffer("SCL", "https://e84.example/c1/SCL.tif", 0, resolution=20),
        "B04": BandOffer(
            "B04", "https://e84.example/c1/B04.tif", 0, 0.0001, -0.1, resolution=10
        ),
    }


def test_earth_search_old_collection_without_the_shift() -> None:
    offer = _read(EARTH_SEARCH, items.earth_search_old(applied=True))
    assert offer.bands["B04"].offset == 0.0
    # Without it the archive would find the baseline contradicted.
    assert offer.properties["earthsearch:boa_offset_applied"] is True


def test_earth_search_old_collection_in_doubt_is_refused() -> None:
    with pytest.raises(OffsetUnknown, match="sentinel-2-c1-l2a"):
        _read(EARTH_SEARCH, items.earth_search_old(applied=False))


@pytest.mark.parametrize(
    ("baseline", "offset"),
    [("02.12", 0.0), ("03.01", 0.0), ("04.00", -0.1), ("05.11", -0.1)],
)
@pytest.mark.parametrize("applied", ["planetary computer", "copernicus"])
def test_offset_follows_from_the_baseline(
    applied: str, baseline: str, offset: float
) -> None:
    if applied == "copernicus":
        feature = items.copernicus(baseline=baseline, offset=None)
        offer = _read(COPERNICUS, feature)
    else:
        offer = _read(PLANETARY_COMPUTER, items.planetary_computer(baseline=baseline))
    assert {offer.bands[key].offset for key in items.BANDS} == {offset}
    assert {offer.bands[key].scale for key in items.BANDS} == {0.0001}
    assert (offer.bands["SCL"].scale, offer.bands["SCL"].offset) == (None, None)


@pytest.mark.parametrize(
    ("provider", "feature"),
    [
        (EARTH_SEARCH, items.earth_search(baseline=None)),
        (PLANETARY_COMPUTER, items.planetary_computer(baseline=None)),
        (PLANETARY_COMPUTER, items.planetary_computer(baseline="new")),
    ],
)
def test_unknown_baseline_is_refused(provider: Provider, feature: ItemDict) -> None:
    with pytest.raises(ItemUnusable) as caught:
        _read(provider, feature)
    assert "no processing baseline" in english(str(caught.value))


@pytest.mark.parametrize(
    ("provider", "feature"),
    [
        (EARTH_SEARCH, items.earth_search(offset=None)),
        (EARTH_SEARCH, items.earth_search(offset=0.0)),
        (EARTH_SEARCH, items.earth_search(offset=-1000)),
        (EARTH_SEARCH, items.earth_search(baseline="02.14")),
        (COPERNICUS, items.copernicus(offset=0.0)),
        (COPERNICUS, items.copernicus(baseline="03.01", offset=-0.1)),
        (PLANETARY_COMPUTER, items.landsat(scale=0.0001)),
    ],
    ids=["none", "zero", "-1000", "old", "zero, jp2", "old, jp2", "landsat"],
)
def test_offset_that_is_missing_or_contradicted_is_refused(
    provider: Provider, feature: ItemDict
) -> None:
    with pytest.raises(OffsetUnknown):
        _read(provider, feature)


def test_copernicus_takes_native_resolution_over_https() -> None:
    bands = _read(COPERNICUS, items.copernicus()).bands
    assert {key: band.resolution for key, band in bands.items()} == {
        "SCL": 20,
        "B04": 10,
        "B08": 10,
        "B11": 20,
    }
    assert bands["B11"].href == (
        "https://zipper.dataspace.copernicus.eu/odata/v1/Products(bf1711dc)"
        "/Nodes(B11_20m)/$value"
    )
    assert bands["B04"].size == 118933074
    assert bands["B04"].checksum == "1620" + "1d" * 32


def test_copernicus_item_only_on_s3_is_refused() -> None:
    feature = items.copernicus()
    del feature["assets"]["B04_10m"]["alternate"]
    with pytest.raises(ItemUnusable, match="s3://eodata"):
        _read(COPERNICUS, feature)


def test_signature_of_a_search_is_not_kept() -> None:
    feature = items.planetary_computer()
    feature["assets"]["B04"]["href"] += "?sig=secret"
    bands = _read(PLANETARY_COMPUTER, feature).bands
    assert "secret" not in repr(bands)
    assert bands["B04"].href.endswith("/B04.tif")


def test_landsat_keeps_common_names() -> None:
    bands = _read(PLANETARY_COMPUTER, items.landsat()).bands
    assert {k: (b.scale, b.offset, b.nodata) for k, b in bands.items()} == {
        "qa_pixel": (None, None, 1),
        "red": (0.0000275, -0.2, 0),
        "nir08": (0.0000275, -0.2, 0),
        "lwir11": (0.00341802, 149.0, 0),
    }


def test_landsat_without_thermal_band_is_refused_where_it_is_wanted() -> None:
    feature = items.landsat()
    del feature["assets"]["lwir11"]
    assert "red" in _read(PLANETARY_COMPUTER, feature, ("R",)).bands
    with pytest.raises(AssetMissing):
        _read(PLANETARY_COMPUTER, feature, ("T1",))


def test_hls_has_its_scale_from_the_specification() -> None:
    bands = _read(PLANETARY_COMPUTER, items.hls(), ("R", "N")).bands
    assert {k: (b.scale, b.offset, b.nodata) for k, b in bands.items()} == {
        "Fmask": (None, None, 255),
        "B04": (0.0001, 0.0, -9999),
        "B8A": (0.0001, 0.0, -9999),
    }


def test_band_that_nobody_asked_for_may_be_wrong() -> None:
    feature = items.earth_search()
    feature["assets"]["nir"]["raster:bands"] = [{"scale": 0.0001, "offset": 0.1}]
    feature["assets"]["swir16"]["href"] = "s3://bucket/B11.tif"
    assert {*_read(EARTH_SEARCH, feature, ("R",)).bands} == {"B04", "SCL"}
    with pytest.raises(OffsetUnknown):
        _read(EARTH_SEARCH, feature, ("N",))
    with pytest.raises(ItemUnusable, match="s3://bucket"):
        _read(EARTH_SEARCH, feature, ("S1",))
    with pytest.raises(OffsetUnknown):
        _read(EARTH_SEARCH, feature)


def test_radar_has_both_polarisations_and_no_mask() -> None:
    offer = _read(PLANETARY_COMPUTER, items.radar())
    assert offer.properties["heitu:backscatter"] == "power"
    bands = offer.bands
    assert {k: (b.scale, b.offset, b.nodata) for k, b in bands.items()} == {
        "vv": (1.0, 0.0, -32768),
        "vh": (1.0, 0.0, -32768),
    }


def test_radar_without_vv_is_refused() -> None:
    feature = items.radar()
    del feature["assets"]["vv"]
    with pytest.raises(AssetMissing):
        _read(PLANETARY_COMPUTER, feature)


def test_modis_layers() -> None:
    bands = _read(PLANETARY_COMPUTER, items.modis()).bands
    assert {k: (b.scale, b.offset, b.nodata) for k, b in bands.items()} == {
        "ndvi": (0.0001, 0.0, -3000),
        "evi": (0.0001, 0.0, -3000),
        "vi_quality": (None, None, 65535),
        "pixel_reliability": (None, None, -1),
        "composite_day": (None, None, -1),
    }


def test_modis_of_another_scale_is_refused() -> None:
    with pytest.raises(ItemUnusable, match=r"scale 0\.001"):
        _read(PLANETARY_COMPUTER, items.modis(scale=0.001))


@pytest.mark.parametrize(
    ("provider", "feature", "mask"),
    [
        (EARTH_SEARCH, items.earth_search(), "scl"),
        (PLANETARY_COMPUTER, items.planetary_computer(), "SCL"),
        (PLANETARY_COMPUTER, items.landsat(), "qa_pixel"),
        (PLANETARY_COMPUTER, items.hls(), "Fmask"),
        (PLANETARY_COMPUTER, items.modis(), "250m_16_days_pixel_reliability"),
    ],
)
def test_missing_mask_is_refused(
    provider: Provider, feature: ItemDict, mask: str
) -> None:
    del feature["assets"][mask]
    with pytest.raises(AssetMissing):
        _read(provider, feature)


@pytest.mark.parametrize(
    "made", [items.earth_search, items.planetary_computer, items.copernicus]
)
def test_acquisition_can_be_told_from_what_is_kept(
    made: Callable[[], dict[str, Any]],
) -> None:
    provider = {
        items.earth_search: EARTH_SEARCH,
        items.planetary_computer: PLANETARY_COMPUTER,
        items.copernicus: COPERNICUS,
    }[made]
    offer = _read(provider, made())
    kept = pystac.Item(
        offer.item_id, None, None, offer.acquired, dict(offer.properties)
    )
    sensing = sensing_of(kept, SENTINEL_2)
    assert (sensing.tile, sensing.version) == ("51TXK", (5, 11))
    assert sensing.take is not None
    assert sensing.take.startswith("20250601T0235")


@pytest.mark.parametrize(
    ("provider", "feature", "offset"),
    [
        (EARTH_SEARCH, items.earth_search(), -0.1),
        (EARTH_SEARCH, items.earth_search_old(), 0.0),
        (PLANETARY_COMPUTER, items.planetary_computer(), -0.1),
        (PLANETARY_COMPUTER, items.planetary_computer(baseline="02.12"), 0.0),
        (COPERNICUS, items.copernicus(offset=None), -0.1),
        (PLANETARY_COMPUTER, items.landsat(), -0.2),
        (PLANETARY_COMPUTER, items.hls(), 0.0),
    ],
    ids=["c1", "no shift", "azure", "azure old", "jp2", "landsat", "hls"],
)
def test_season_reads_from_the_archive_what_was_offered(
    provider: Provider, feature: ItemDict, offset: float
) -> None:
    offer = _read(provider, feature, ("R",))
    scene = scene_of(_archived(offer), ["R"])
    red = scene.bands["R"].calibration
    assert red is not None
    assert red.offset == offset
    assert scene.mask.href == next(
        band.href for band in offer.bands.values() if band.scale is None
    )


def _archived(offer: SceneOffer) -> pystac.Item:
    """The item of an offer, as the archive writes scale, offset and nodata."""
    item = pystac.Item(
        offer.item_id,
        None,
        None,
        offer.acquired,
        dict(offer.properties),
        collection=offer.collection,
    )
    for key, band in offer.bands.items():
        raster = {"scale": band.scale, "offset": band.offset, "nodata": band.nodata}
        stated = {name: value for name, value in raster.items() if value is not None}
        item.assets[key] = pystac.Asset(
            band.href, extra_fields={"raster:bands": [stated]}
        )
    return item
