"""The catalogue of Sentinel Hub: every page of a search, and scenes out of entries."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import shapely
from sentinelhub.api.catalog import CatalogSearchIterator, SentinelHubCatalog
from sentinelhub.constants import CRS
from sentinelhub.exceptions import MissingDataInRequestException
from sentinelhub.geometry import BBox
from shapely.errors import ShapelyError
from shapely.geometry import shape

from ingest.offer import BandOffer, Refused, SceneOffer
from ingest.sentinel_hub.client import HubClient, Line
from ingest.sentinel_hub.errors import HubAnswerInvalid, HubSearchIncomplete
from ingest.sentinel_hub.evalscript import (
    NATIVE,
    NODATA,
    SCALE,
    SCENE_CLASSES,
    offset_of,
)

__all__ = ["DATA_PATH", "entries", "scene_of_entry"]

DATA_PATH: Final = "heitu:data_path"

_PAGE = 100
# ESA's name of a product; the Copernicus Data Space adds ".SAFE".
_PRODUCT = re.compile(
    r"(?P<satellite>S2[A-Z])_MSIL2A_(?P<take>\d{8}T\d{6})_N(?P<major>\d\d)(?P<minor>\d\d)"
    r"_R\d{3}_T(?P<tile>\d\d[C-X][A-Z]{2})_\d{8}T\d{6}"
)
_KEPT = ("platform", "constellation", "instruments", "gsd", "eo:cloud_cover")
# Degrees from the middle of its UTM zone beyond which a footprint is not the tile's.
_ZONE = 10.0


class _Pages(CatalogSearchIterator):
    """The library's search, which stops at an empty page even if more are announced."""

    def __init__(self, found: CatalogSearchIterator, told: str) -> None:
        super().__init__(found.client, found.url, found.params)
        self._told = told
        self._ids: set[str] = set()

    def _fetch_features(self) -> Sequence[dict[str, Any]]:
        page = {} if self.next is None else {"next": self.next}
        answer = self.client.get_json_dict(
            self.url, post_values={**self.params, **page}, use_session=True
        )
        features, context = answer.get("features"), answer.get("context") or {}
        if not isinstance(features, list) or not isinstance(context, Mapping):
            raise _not_a_page(self._told)
        self._check(features, context)
        self.next = context.get("next")
        self.finished = self.next is None
        return features

    def _check(self, features: list[Any], context: Mapping[str, Any]) -> None:
        returned, following = context.get("returned"), context.get("next")
        ids = [str(feature.get("id")) for feature in features]
        if returned is not None and returned != len(features):
            fault = f"a page announces {returned} entries and holds {len(features)}"
        elif following is not None and not features:
            fault = "a page is empty and announces another"
        elif following is not None and following == self.next:
            fault = "a page announces itself as the next"
        elif len(self._ids.union(ids)) < len(self._ids) + len(ids):
            fault = "an entry came twice"
        else:
            self._ids.update(ids)
            return
        raise _incomplete(self._told, fault)


def entries(
    line: Line,
    collection: str,
    bounds: tuple[float, float, float, float],
    start: date,
    end: date,
) -> list[dict[str, Any]]:
    """Give all entries of a box (degrees) and of days, both included.

    Raises
    ------
    HubSearchIncomplete
        The pages do not add up.
    HubAnswerInvalid
        An answer is no page of a catalogue.
    SourceError
        As `HubClient`.
    """
    told = f"{collection} {start}/{end}"
    catalog = SentinelHubCatalog(config=line.config)
    catalog.client = HubClient(line, told)
    midnight = datetime.min.time()
    found = catalog.search(
        collection,
        bbox=BBox(bounds, CRS.WGS84),
        time=(
            datetime.combine(start, midnight, UTC),
            datetime.combine(end + timedelta(days=1), midnight, UTC),
        ),
        limit=_PAGE,
    )
    try:
        return list(_Pages(found, told))
    except (ValueError, AttributeError, MissingDataInRequestException) as exc:
        raise _not_a_page(told) from exc


def scene_of_entry(
    entry: Mapping[str, Any], collection: str, source: str, keys: Iterable[str]
) -> SceneOffer | Refused:
    """Describe an entry as it will stand in the archive, or say why it cannot."""
    name = str(entry.get("id")).removesuffix(".SAFE")
    product = _PRODUCT.fullmatch(name)
    if product is None:
        return Refused(
            name,
            "its id is not the name of a Sentinel-2 L2A product; use another source"
            " · 编号不是 Sentinel-2 L2A 产品名，请改用其他数据源",
        )
    properties = entry.get("properties") or {}
    acquired, footprint = _moment(properties), _footprint(entry, product["tile"])
    if acquired is None:
        return Refused(
            name, "it has no time of acquisition; report it · 缺少成像时间，请反馈"
        )
    if footprint is None:
        return Refused(
            name,
            "its footprint is missing or not that of its tile; report it, or use "
            "another source · 影像范围缺失或与瓦片不符，请反馈或改用其他数据源",
        )
    baseline = int(product["major"]), int(product["minor"])
    return SceneOffer(
        source=source,
        collection=collection,
        item_id=name,
        acquired=acquired,
        footprint=footprint,
        bands={
            key: _band(f"sentinelhub:{collection}/{name}#{key}", key, baseline)
            for key in (*keys, SCENE_CLASSES)
        },
        properties={
            "platform": f"sentinel-{product['satellite'][1:].lower()}",
            **{
                key: properties[key] for key in _KEPT if properties.get(key) is not None
            },
            "s2:mgrs_tile": product["tile"],
            "s2:processing_baseline": f"{baseline[0]:02}.{baseline[1]:02}",
            "s2:product_uri": f"{name}.SAFE",
            DATA_PATH: _path(entry),
        },
    )


def _band(href: str, key: str, baseline: tuple[int, ...]) -> BandOffer:
    codes = key == SCENE_CLASSES
    return BandOffer(
        key=key,
        href=href,
        nodata=NODATA,
        scale=None if codes else SCALE,
        offset=None if codes else offset_of(baseline),
        resolution=NATIVE[key],
    )


def _moment(properties: Mapping[str, Any]) -> datetime | None:
    try:
        moment = datetime.fromisoformat(properties["datetime"])
    except (KeyError, TypeError, ValueError):
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)


def _footprint(entry: Mapping[str, Any], tile: str) -> shapely.Geometry | None:
    try:
        found = shapely.make_valid(shape(entry["geometry"]))
    except (KeyError, TypeError, ValueError, AttributeError, ShapelyError):
        return None
    if found.geom_type not in {"Polygon", "MultiPolygon"} or found.is_empty:
        return None
    west, south, east, north = found.bounds
    middle = int(tile[:2]) * 6 - 183
    in_zone = max(abs(west - middle), abs(east - middle)) <= _ZONE
    side = north >= 0 if tile[2] >= "N" else south <= 0
    return found if in_zone and side and -90 <= south <= north <= 90 else None


def _path(entry: Mapping[str, Any]) -> str:
    try:
        return str(entry["assets"]["data"]["href"]).rstrip("/")
    except (KeyError, TypeError):
        return ""


def _incomplete(told: str, fault: str) -> HubSearchIncomplete:
    return HubSearchIncomplete(
        f"{told}: the search of Sentinel Hub's catalogue is not complete: {fault}; run "
        "again, the catalogue may just be changing"
        f" · {told}：Sentinel Hub 目录检索不完整（{fault}），目录可能正在更新，请重试",
        href=told,
    )


def _not_a_page(told: str) -> HubAnswerInvalid:
    return HubAnswerInvalid(
        f"{told}: the answer of Sentinel Hub is no page of its catalogue; check the "
        "address"
        f" · {told}：Sentinel Hub 返回的不是目录页，请检查地址",
        href=told,
    )
