"""The archive's items, kept in memory and read again when the files change."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import pystac
from pystac.extensions.raster import RasterExtension

from api.errors import ProductInvalid, ProductUnknown
from ingest.archive import PRODUCTS, Archive
from ingest.errors import ItemInvalid
from ingest.storage import Versions

__all__ = ["Catalogue", "RasterProduct"]

logger = logging.getLogger(__name__)

_DATA = "data"
_COLORMAP = "heitu:colormap"


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

        A product without a colour map, such as crop shares, is data for models.
        """
        if PRODUCTS not in self._archive.collections():
            return []
        items = sorted(self.items(PRODUCTS), key=lambda item: item.id)
        return [_product(item) for item in items if _COLORMAP in item.properties]

    def product(self, product_id: str) -> RasterProduct:
        """Return one product.

        Raises
        ------
        ProductUnknown
            The archive has none of this id.
        """
        for product in self.products():
            if product.id == product_id:
                return product
        raise ProductUnknown(product_id)


def _told(exc: ItemInvalid) -> None:
    """Name an item that cannot be read; one is no reason to serve no other."""
    logger.warning("%s", exc)


def _product(item: pystac.Item) -> RasterProduct:
    properties = item.properties
    try:
        return RasterProduct(
            id=item.id,
            kind=properties["heitu:kind"],
            crop=properties.get("heitu:crop"),
            year=properties["heitu:year"],
            resolution_m=properties["gsd"],
            bbox=_bbox(item),
            unit=properties["heitu:unit"],
            scale=_scale(item),
            range=_range(properties["heitu:range"]),
            colormap=properties[_COLORMAP],
            run_id=properties["heitu:run"],
            simulated=properties["heitu:simulated"],
            title_zh=properties["heitu:title_zh"],
            title_en=properties["title"],
            href=item.assets[_DATA].href,
        )
    except KeyError as exc:
        raise ProductInvalid(item.id, missing=str(exc.args[0])) from exc


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
