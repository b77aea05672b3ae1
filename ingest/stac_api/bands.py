"""Bands of an item: where they lie, and what their numbers mean."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pystac

from ingest.offer import BandOffer
from ingest.stac_api.address import is_web_address, shown_address
from ingest.stac_api.errors import ItemUnusable
from ingest.stac_api.items import unusable
from raster.calibration import calibration_of, raster_value
from raster.errors import AssetMissing, OffsetUnknown
from raster.mask import MASK_NODATA
from raster.mission import SENTINEL_2, Mission, asset_of, baseline_of

__all__ = [
    "Href",
    "check_baseline",
    "checked_href",
    "describe",
    "mission_bands",
    "state_offset",
    "stated_nodata",
    "web_href",
]

Href = Callable[[pystac.Item, str], str]
"""Where the file of an asset lies, by its key."""

# ESA, Sentinel-2 Products Specification: QUANTIFICATION_VALUE 10000, and, from
# processing baseline 04.00 on, BOA_ADD_OFFSET -1000.
_SENTINEL_2_SCALE: Final = 0.0001
_SHIFTED: Final = -0.1


def mission_bands(
    item: pystac.Item, mission: Mission, letters: Sequence[str], *, href: Href
) -> dict[str, BandOffer]:
    """Read the mask and all bands, of which those of some letters have to be good.

    Another band that is missing or cannot be believed is left out: nobody asked for it.
    No letters = all bands that the item has have to be good.

    Raises
    ------
    AssetMissing
        The item lacks its mask or a band.
    OffsetUnknown
        What it says of scale and offset cannot be believed.
    ItemUnusable
        A file that cannot be read over HTTP.
    """
    mask = _key_of(item, asset_of(item, mission.mask_assets))
    nodata: float = MASK_NODATA[mission.mask_kind]
    name = mission.mask_assets[0]
    offers = [describe(item, mask, name=name, nodata=nodata, href=href)]
    for letter, keys in mission.bands.items():
        asked = letter in letters if letters else bool(item.assets.keys() & {*keys})
        try:
            offers.append(_band(item, mission, letter, href=href))
        except (AssetMissing, OffsetUnknown, ItemUnusable):
            if asked:
                raise
    return {offer.key: offer for offer in offers}


def _band(item: pystac.Item, mission: Mission, letter: str, *, href: Href) -> BandOffer:
    asset = asset_of(item, mission.bands[letter], band=letter)
    meaning = calibration_of(item, mission, letter)
    key = _key_of(item, asset)
    dtype = "int16" if mission.nodata < 0 else "uint16"
    return describe(
        item,
        key,
        name=_archive_key(mission, letter, key),
        nodata=stated_nodata(item, key, usual=mission.nodata, dtype=dtype),
        scale=meaning.scale,
        offset=meaning.offset,
        href=href,
    )


def describe(
    item: pystac.Item,
    key: str,
    *,
    name: str,
    nodata: float | None,
    scale: float | None = None,
    offset: float | None = None,
    href: Href,
) -> BandOffer:
    """Describe one asset under its name in the archive."""
    asset = item.assets[key]
    size, checksum = (asset.extra_fields.get(f"file:{n}") for n in ("size", "checksum"))
    return BandOffer(
        key=name,
        href=href(item, key),
        nodata=nodata,
        scale=scale,
        offset=offset,
        size=size if isinstance(size, int) and size > 0 else None,
        checksum=checksum if isinstance(checksum, str) else None,
        resolution=_resolution(item, key),
    )


def stated_nodata(item: pystac.Item, key: str, *, usual: float, dtype: str) -> float:
    """Give the number that is no measurement, `usual` where the item is silent.

    Raises
    ------
    ItemUnusable
        It is no number, or none that a file of this type can hold.
    """
    asset = item.assets[key]
    for said in _nodata_fields(asset):
        if said is not None and not _holds(dtype, said):
            raise unusable(
                item.id,
                f"has its asset {key} of {dtype} with nodata {said!r}",
                f"的 {key}（{dtype}）nodata 值 {said!r} 无效",
            )
    stated = raster_value(asset, "nodata")
    return usual if stated is None else stated


def _nodata_fields(asset: pystac.Asset) -> list[object]:
    """All that an asset says of nodata, where `raster_value` looks for it."""
    fields = asset.extra_fields
    lists = [fields.get("bands"), fields.get("raster:bands")]
    first = [one[0] for one in lists if isinstance(one, list) and one]
    bands = [one.get("nodata") for one in first if isinstance(one, Mapping)]
    return [fields.get("nodata"), *bands]


def _holds(dtype: str, value: object) -> bool:
    if np.dtype(dtype).kind == "f" and value == "nan":
        return True
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if np.dtype(dtype).kind == "f":
        return True
    limits = np.iinfo(dtype)
    return bool(limits.min <= value <= limits.max and value == int(value))


def check_baseline(item: pystac.Item) -> tuple[int, ...]:
    """Give the processing baseline of a Sentinel-2 item, (5, 11) for 05.11.

    Raises
    ------
    ItemUnusable
        It names none.
    """
    baseline = baseline_of(item)
    if not baseline:
        raise unusable(
            item.id,
            "names no processing baseline, so that nobody knows whether its numbers "
            "are shifted by 1000",
            "没有写明处理基线，无法判断反射率偏移",
        )
    return baseline


def state_offset(item: pystac.Item) -> None:
    """Write into the bands of a Sentinel-2 item what its baseline says of the offset.

    Only where the item is silent: what it says itself is compared with the baseline
    afterwards. See `raster.calibration.calibration_of`.

    Raises
    ------
    ItemUnusable
        It does not name its processing baseline.
    """
    offset = _SHIFTED if check_baseline(item) >= (4, 0) else 0.0
    for keys in SENTINEL_2.bands.values():
        for asset in (item.assets[key] for key in keys if key in item.assets):
            for name, value in (("scale", _SENTINEL_2_SCALE), ("offset", offset)):
                if raster_value(asset, name) is None:
                    asset.extra_fields[f"raster:{name}"] = value


def web_href(item: pystac.Item, key: str) -> str:
    """Give the address of an asset, if it is one of the web.

    Raises
    ------
    ItemUnusable
        It is of another kind, such as the ``s3://`` of a bucket whose reader pays.
    """
    asset = item.assets[key]
    try:
        href = asset.get_absolute_href() or asset.href
    except ValueError:
        href = asset.href
    return checked_href(item, key, href)


def checked_href(item: pystac.Item, key: str, href: object) -> str:
    """Refuse an address that cannot be read over HTTP; errors as `web_href`."""
    if isinstance(href, str) and is_web_address(href):
        return href
    raise unusable(
        item.id,
        f"has its asset {key} at {shown_address(href)}, which cannot be read over HTTP",
        f"的 {key} 位于 {shown_address(href)}，无法通过 HTTP 读取",
    )


def _key_of(item: pystac.Item, asset: pystac.Asset) -> str:
    return next(key for key, value in item.assets.items() if value is asset)


def _archive_key(mission: Mission, letter: str, key: str) -> str:
    # Sentinel-2 comes under three sets of keys, of which the archive has the first.
    # Landsat's lwir11 and lwir are two sensors' bands and keep their names.
    return mission.bands[letter][0] if mission is SENTINEL_2 else key


def _resolution(item: pystac.Item, key: str) -> float | None:
    """Pixel size in metres, from where the STAC extensions put it."""
    asset = item.assets[key]
    fields: Mapping[str, Any] = asset.extra_fields
    transform = fields.get("proj:transform")
    if isinstance(transform, list | tuple) and transform:
        if not all(map(_is_finite, transform)):
            raise unusable(
                item.id,
                f"has its asset {key} with proj:transform {transform}",
                f"的 {key} proj:transform {transform} 无效",
            )
        return abs(float(transform[0]))
    stated = raster_value(asset, "spatial_resolution")
    for value in (stated, fields.get("gsd"), item.properties.get("gsd")):
        if isinstance(value, int | float) and _is_finite(value):
            return float(value)
    return None


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
