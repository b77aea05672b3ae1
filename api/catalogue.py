"""The archive's items, kept in memory and read again when the files change."""

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pystac
from pystac.extensions.raster import RasterExtension

from api.errors import ProductInvalid, ProductUnknown
from ingest.archive import PRODUCTS, Archive
from ingest.errors import ItemInvalid
from ingest.storage import Versions

__all__ = ["Catalogue", "ClassLook", "RasterProduct"]

logger = logging.getLogger(__name__)

_DATA = "data"
_COLORMAP = "heitu:colormap"
_CLASSES = "heitu:classes"
_COLOURS = {_COLORMAP, _CLASSES}
_ACCURACY = "heitu:accuracy"
_UNCERTAINTY = "heitu:uncertainty"

# Kinds that are published with their accuracy or not at all.
_ASSESSED = {"crop-classes"}


@dataclass(frozen=True, slots=True)
class ClassLook:
    """A class of a product: its stored number, names, and colour as ``#rrggbb``."""

    value: int
    name: str
    name_en: str
    name_zh: str
    colour: str


@dataclass(frozen=True, slots=True)
class RasterProduct:
    """A product as its item describes it.

    Attributes
    ----------
    bbox
        West, south, east, north in degrees, WGS 84.
    scale
        value in `unit` = stored integer * scale.
    range
        Values in `unit` at the two ends of the colour map.
    href
        Path or URL of the COG; never shown to a client.
    place
        Key of the place it was made for, e.g. a county's code; None where not said.
    period
        First and last day it tells of, ISO 8601; None for the whole year.
    classes
        Of a map of classes, which has no colour map; empty for a quantity.
    accuracy
        As `models.crop_map.accuracy.Accuracy.described` tells it.
    warnings
        What a reader has to know, each in both languages ("en", "zh").
    """

    id: str
    kind: str
    crop: str | None
    year: int
    resolution_m: float
    bbox: tuple[float, float, float, float]
    unit: str
    scale: float
    range: tuple[float, float]
    colormap: str
    run_id: str
    simulated: bool
    title_zh: str
    title_en: str
    href: str
    place: str | None = None
    period: tuple[str, str] | None = None
    classes: tuple[ClassLook, ...] = ()
    accuracy: Mapping[str, Any] | None = None
    warnings: tuple[Mapping[str, str], ...] = ()


class Catalogue:
    """Reads items as `Archive` does, but parses each collection only when it changed.

    Parsing two hundred items takes a second, looking at their versions a millisecond
    (on object storage, one request), and a request must see a product as soon as it is
    replaced.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._lock = threading.Lock()
        self._read: dict[str, tuple[Versions, tuple[pystac.Item, ...]]] = {}

    def scene_collections(self) -> list[str]:
        """Return the ids of the collections that hold scenes."""
        return [name for name in self._archive.collections() if name != PRODUCTS]

    def items(self, collection: str) -> Sequence[pystac.Item]:
        """Return all items of a collection that can be read; they are read-only.

        One that cannot be is named in the log, once for each of its versions.
        """
        with self._lock:
            versions = self._archive.versions(collection)
            known, items = self._read.get(collection, (None, ()))
            if known != versions:
                items = tuple(self._archive.items(collection, on_invalid=_told))
                self._read[collection] = (versions, items)
            return items

    def products(self) -> list[RasterProduct]:
        """Return the products that can be drawn, sorted by id.

        A product without colours, such as crop shares, is data for models. One with
        an uncertainty beside its values is followed by that as a product of its own.
        One that does not say all that is needed is named in the log and left out.
        """
        found = []
        for item in self._drawn():
            try:
                found += _products(item)
            except ProductInvalid as exc:
                _told(exc)
        return found

    def product(self, product_id: str) -> RasterProduct:
        """Return one product.

        Raises
        ------
        ProductUnknown
            The archive has none of this id.
        ProductInvalid
            Its item does not say all that is needed to show it.
        """
        for item in self._drawn():
            # The uncertainty of a product has its id with a word behind it.
            if product_id == item.id or product_id.startswith(f"{item.id}."):
                for product in _products(item):
                    if product.id == product_id:
                        return product
        raise ProductUnknown(product_id)

    def _drawn(self) -> list[pystac.Item]:
        if PRODUCTS not in self._archive.collections():
            return []
        items = sorted(self.items(PRODUCTS), key=lambda item: item.id)
        return [item for item in items if _COLOURS & item.properties.keys()]


def _told(exc: ItemInvalid | ProductInvalid) -> None:
    """Name an item that cannot be read; one is no reason to serve no other."""
    logger.warning("%s", exc)


def _products(item: pystac.Item) -> list[RasterProduct]:
    try:
        product = _product(item)
        found = item.properties.get(_UNCERTAINTY)
        return [product] if found is None else [product, _beside(item, product, found)]
    except KeyError as exc:
        raise ProductInvalid(item.id, missing=str(exc.args[0])) from exc


def _product(item: pystac.Item) -> RasterProduct:
    properties = item.properties
    classes = tuple(map(_class, properties.get(_CLASSES, ())))
    # Not `get`: such a map is not shown without its accuracy.
    assessed = properties["heitu:kind"] in _ASSESSED
    return RasterProduct(
        id=item.id,
        kind=properties["heitu:kind"],
        crop=properties.get("heitu:crop"),
        year=properties["heitu:year"],
        resolution_m=properties["gsd"],
        bbox=_bbox(item),
        unit=properties["heitu:unit"],
        scale=_scale(item),
        range=_ends(classes) if classes else _range(properties["heitu:range"]),
        colormap="classes" if classes else properties[_COLORMAP],
        run_id=properties["heitu:run"],
        simulated=properties["heitu:simulated"],
        title_zh=properties["heitu:title_zh"],
        title_en=properties["title"],
        href=item.assets[_DATA].href,
        place=properties.get("heitu:place"),
        period=_period(properties.get("heitu:period")),
        classes=classes,
        accuracy=properties[_ACCURACY] if assessed else None,
        warnings=tuple(properties.get("heitu:warnings", ())),
    )


def _beside(
    item: pystac.Item, product: RasterProduct, said: Mapping[str, Any]
) -> RasterProduct:
    """Return the uncertainty of a product's values, on the same grid."""
    return replace(
        product,
        id=f"{product.id}.{said['asset']}",
        kind=f"{product.kind}-{said['asset']}",
        unit=said["unit"],
        range=_range(said["range"]),
        colormap=said["colormap"],
        title_zh=said["title_zh"],
        title_en=said["title_en"],
        href=item.assets[said["asset"]].href,
    )


def _class(said: Mapping[str, Any]) -> ClassLook:
    return ClassLook(
        value=said["value"],
        name=said["name"],
        name_en=said["name_en"],
        name_zh=said["name_zh"],
        colour=said["colour"],
    )


def _ends(classes: Sequence[ClassLook]) -> tuple[float, float]:
    values = [one.value for one in classes]
    return min(values), max(values)


def _period(days: Sequence[str] | None) -> tuple[str, str] | None:
    if days is None:
        return None
    first, last = days
    return first, last


def _bbox(item: pystac.Item) -> tuple[float, float, float, float]:
    if item.bbox is None:
        raise ProductInvalid(item.id, missing="bbox")
    west, south, east, north = item.bbox
    return west, south, east, north


def _range(ends: Sequence[float]) -> tuple[float, float]:
    low, high = ends
    return low, high


def _scale(item: pystac.Item) -> float:
    bands = RasterExtension.ext(item.assets[_DATA]).bands
    scale = bands[0].scale if bands else None
    # The raster extension's default: stored numbers are the values.
    return 1.0 if scale is None else scale
