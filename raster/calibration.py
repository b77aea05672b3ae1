"""How digital numbers become reflectance: what items say, and what can be believed.

A wrong scale or offset leaves no trace in an index but wrong values, so that only the
pairs of the missions' specifications are accepted.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pystac

from raster.errors import OffsetUnknown
from raster.mission import SENTINEL_2, Calibration, Mission, asset_of, baseline_of

_OFFSET_APPLIED = "earthsearch:boa_offset_applied"
# Of the scale itself, and in reflectance of the offset.
_TOLERANCE = 1e-6


def calibration_of(item: pystac.Item, mission: Mission, letter: str) -> Calibration:
    """Read scale and offset, from the item or as the mission's specification has it.

    Sentinel-2 numbers are shifted by 1000 from processing baseline 04.00 on, also in
    reprocessed scenes of earlier years. Earth Search took the shift out of the files of
    its collection sentinel-2-l2a and says so by `earthsearch:boa_offset_applied`, yet
    leaves the offset in the item: "true" sets it to zero. Its collection
    sentinel-2-c1-l2a holds the numbers as ESA made them.

    Raises
    ------
    OffsetUnknown
        Scale or offset are missing, are none of the mission's, or contradict the
        processing baseline.
    AssetMissing
        The item has no file for the band of this letter.
    """
    asset = asset_of(item, mission.bands[letter], band=letter)
    scale, offset = raster_value(asset, "scale"), raster_value(asset, "offset")
    if mission is SENTINEL_2 and item.properties.get(_OFFSET_APPLIED) is True:
        offset = 0.0
    if mission.implied:
        usual = mission.calibrations_of(letter)[0]
        scale = usual.scale if scale is None else scale
        offset = usual.offset if offset is None else offset
    found = _specified(mission.calibrations_of(letter), scale, offset)
    if found is None:
        raise _not_specified(item, mission, letter, scale, offset)
    if mission is SENTINEL_2 and item.properties.get(_OFFSET_APPLIED) is not True:
        _check_shift(item, asset, found.offset)
    return found


def _specified(
    known: Iterable[Calibration], scale: float | None, offset: float | None
) -> Calibration | None:
    """Give the one of some calibrations that is meant, or None.

    Any other is a slip, as offset -1000 for -0.1, and would pass for reflectance.
    """
    if scale is None or offset is None:
        return None
    for one in known:
        # Catalogues that keep single precision write 0.00009999999747378752.
        same_scale = math.isclose(scale, one.scale, rel_tol=_TOLERANCE)
        if same_scale and abs(offset - one.offset) <= _TOLERANCE:
            return one
    return None


def _not_specified(
    item: pystac.Item,
    mission: Mission,
    letter: str,
    scale: float | None,
    offset: float | None,
) -> OffsetUnknown:
    known = mission.calibrations_of(letter)
    expected = [f"scale {_plain(one.scale)}, offset {one.offset:g}" for one in known]
    return _offset_unknown(
        item,
        asset_of(item, mission.bands[letter]),
        f"scale {_stated(scale, 'missing')}, offset {_stated(offset, 'missing')}; "
        f"{mission.name} has {' or '.join(expected)}; {mission.hint}write raster:scale "
        "and raster:offset into the asset",
        f"的 scale（{_stated(scale, '缺')}）和 offset（{_stated(offset, '缺')}）"
        f"不可用，请改写为 {' 或 '.join(expected)}",
    )


def _stated(value: float | None, missing: str) -> str:
    return missing if value is None else str(value)


def _plain(scale: float) -> str:
    return f"{scale:.10f}".rstrip("0")


def _check_shift(item: pystac.Item, asset: pystac.Asset, offset: float) -> None:
    """Refuse an offset that the processing baseline or the catalogue contradicts."""
    baseline = baseline_of(item)
    shifted = baseline >= (4, 0)
    name = ".".join(f"{number:02}" for number in baseline)
    if baseline and shifted != (offset != 0):
        raise _offset_unknown(
            item,
            asset,
            f"offset {offset} with processing baseline {name}, whose numbers are "
            f"{'' if shifted else 'not '}shifted by 1000; write offset "
            f"{-0.1 if shifted else 0}, or {_OFFSET_APPLIED} = true into the item "
            "if the file holds numbers without the shift",
            f"的 offset {offset} 与处理基线 {name} 矛盾，请改正",
        )
    if shifted and _in_doubt(item):
        raise _offset_unknown(
            item,
            asset,
            f"{_OFFSET_APPLIED} = false with baseline {name} is wrong for many "
            "scenes of Earth Search's sentinel-2-l2a; take the scene from "
            "sentinel-2-c1-l2a, or look at its dark water: below 1000 set the property "
            "to true, else remove it",
            "的偏移标注（Earth Search sentinel-2-l2a）不可靠，请改用 sentinel-2-c1-l2a"
            " 的影像，或核对暗水体像元后改正该属性",
        )


def _offset_unknown(
    item: pystac.Item, asset: pystac.Asset, english: str, chinese: str
) -> OffsetUnknown:
    key = next(key for key, value in item.assets.items() if value is asset)
    return OffsetUnknown(
        f"item {item.id}, asset {key}: {english} · 影像 {item.id} 的 {key} {chinese}",
        item_id=item.id,
        href=asset.href,
    )


def _in_doubt(item: pystac.Item) -> bool:
    # Element84/earth-search issues 66 and 71, cirrus-geo/cirrus-earth-search issue 33:
    # "false" stands on scenes with and without the shift. Collection 1 is right.
    if item.properties.get(_OFFSET_APPLIED) is not False:
        return False
    software = item.properties.get("processing:software")
    by_old_pipeline = isinstance(software, Mapping) and "sentinel2-to-stac" in software
    return by_old_pipeline or item.collection_id == "sentinel-2-l2a"


def raster_value(asset: pystac.Asset, name: str) -> float | None:
    """Look where the STAC raster extension has it: 2.0 in band or asset, 1.1.

    Nodata is core metadata since STAC 1.1, without a prefix.
    """
    fields = asset.extra_fields
    current = name if name == "nodata" else f"raster:{name}"
    for value in (
        _first(fields.get("bands")).get(current),
        fields.get(current),
        _first(fields.get("raster:bands")).get(name),
    ):
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        if value == "nan":
            return math.nan
    return None


def _first(bands: object) -> Mapping[str, Any]:
    found = bands[0] if isinstance(bands, list) and bands else None
    return found if isinstance(found, Mapping) else {}
