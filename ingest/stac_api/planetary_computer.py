"""Planetary Computer of Microsoft: COGs on Azure, signed with short-lived tokens.

Keys of the bands are ours already. Sentinel-2 and HLS items state neither scale nor
offset: the former follow from the processing baseline, the latter from the product's
specification. The API does not count its matches.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import pystac

from ingest.offer import BandOffer, SceneOffer
from ingest.stac_api.bands import (
    describe,
    mission_bands,
    state_offset,
    stated_nodata,
    web_href,
)
from ingest.stac_api.items import offer_of, unusable
from ingest.stac_api.provider import Provider
from raster.calibration import raster_value
from raster.mission import HLS_L30, HLS_S30, LANDSAT, SENTINEL_2, Mission, asset_of

__all__ = ["PLANETARY_COMPUTER", "offer"]

_COLLECTIONS: Final[Mapping[str, Mission | None]] = {
    "sentinel-2-l2a": SENTINEL_2,
    "landsat-c2-l2": LANDSAT,
    "hls2-s30": HLS_S30,
    "hls2-l30": HLS_L30,
    "sentinel-1-rtc": None,
    "modis-13Q1-061": None,
}

# MODIS Vegetation Index User's Guide, Collection 6.1 (Didan and Munoz 2019), table of
# MOD13Q1: layer, fill value, scale factor.
_MODIS_PREFIX: Final = "250m_16_days_"
_MODIS: Final[Mapping[str, tuple[str, float, float | None]]] = {
    "ndvi": ("NDVI", -3000, 0.0001),
    "evi": ("EVI", -3000, 0.0001),
    "vi_quality": ("VI_Quality", 65535, None),
    "pixel_reliability": ("pixel_reliability", -1, None),
    "composite_day": ("composite_day_of_the_year", -1, None),
}
# Gamma nought, linear power, float32.
_RTC_NODATA: Final = -32768.0
_RADAR: Final = {
    "heitu:backscatter": "power",
    "heitu:producer": "planetary-computer",
}


def offer(item: pystac.Item, letters: Sequence[str] = ()) -> SceneOffer:
    """Read an item, of which the bands of some letters have to be good.

    Sentinel-1 and MODIS have no letters: all their bands have to be good.

    Raises
    ------
    ItemUnusable, AssetMissing, OffsetUnknown
        It does not say what it has to, or contradicts itself.
    """
    if item.collection_id not in _COLLECTIONS:
        raise unusable(item.id, "is of a collection not known here", "属于未知影像集")
    return offer_of(
        item,
        source=PLANETARY_COMPUTER.name,
        bands=_bands(item, letters),
        more=_RADAR if item.collection_id == "sentinel-1-rtc" else {},
    )


def _bands(item: pystac.Item, letters: Sequence[str]) -> Mapping[str, BandOffer]:
    mission = _COLLECTIONS[item.collection_id or ""]
    if mission is None:
        is_radar = item.collection_id == "sentinel-1-rtc"
        return _radar(item) if is_radar else _modis(item)
    if mission is SENTINEL_2:
        state_offset(item)
    return mission_bands(item, mission, letters, href=_unsigned)


def _radar(item: pystac.Item) -> dict[str, BandOffer]:
    """Read the polarisations that there are, vv at least."""
    asset_of(item, ("vv",))
    bands: dict[str, BandOffer] = {}
    for key in item.assets.keys() & {"vv", "vh"}:
        bands[key] = describe(
            item,
            key,
            name=key,
            nodata=stated_nodata(item, key, usual=_RTC_NODATA, dtype="float32"),
            scale=1.0,
            offset=0.0,
            href=_unsigned,
        )
    return bands


def _modis(item: pystac.Item) -> dict[str, BandOffer]:
    bands = {}
    for name, (layer, fill, scale) in _MODIS.items():
        key = _MODIS_PREFIX + layer
        asset = asset_of(item, (key,))
        stated = raster_value(asset, "scale")
        if stated is not None and stated != scale:
            raise unusable(
                item.id,
                f"has {key} with scale {stated}, the product with {scale}",
                f"的 {key} 比例系数 {stated} 与产品规范 {scale} 矛盾",
            )
        bands[name] = describe(
            item,
            key,
            name=name,
            nodata=fill,
            scale=scale,
            offset=None if scale is None else 0.0,
            href=_unsigned,
        )
    return bands


def _unsigned(item: pystac.Item, key: str) -> str:
    # A signature of somebody else's search does not belong into an archive.
    return web_href(item, key).partition("?")[0]


PLANETARY_COMPUTER: Final = Provider(
    name="planetary-computer",
    url="https://planetarycomputer.microsoft.com/api/stac/v1",
    collections=_COLLECTIONS,
    offer=offer,
    access="sas",
    token_url="https://planetarycomputer.microsoft.com/api/sas/v1",
    secured=("https://*.blob.core.windows.net",),
)
