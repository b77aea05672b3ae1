"""A folder of satellite products, as they were downloaded, as a source of imagery."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from ingest.band import BandFile
from ingest.convert import convert
from ingest.errors import PropertyInvalid
from ingest.fetch import check_file
from ingest.folders import drone, hls, landsat, leftovers, modis, safe, sentinel1
from ingest.folders.errors import ProductInvalid
from ingest.folders.files import Files, check_packed, listing
from ingest.folders.modis_hdf import PREFIX, convert_field
from ingest.folders.product import SOURCE, Product, invalid
from ingest.offer import Bounds, Found, Refused, SceneOffer, Wanted
from raster.mission import HLS_L30, HLS_S30, LANDSAT, SENTINEL_2, Mission

__all__ = ["AnyFolder", "FolderSource"]

logger = logging.getLogger(__name__)

READERS: tuple[Callable[[Files], Iterator[Product]], ...] = (
    safe.products,
    landsat.products,
    hls.products,
    sentinel1.products,
    modis.products,
    leftovers.products,
)
MISSIONS: dict[str, Mission] = {
    safe.COLLECTION: SENTINEL_2,
    landsat.COLLECTION: LANDSAT,
    hls.COLLECTIONS["S"]: HLS_S30,
    hls.COLLECTIONS["L"]: HLS_L30,
}


class FolderSource:
    """Products in a folder and all folders, zips and tars in it; or one product.

    Reads Sentinel-2 L2A SAFE, Landsat Collection 2 Level 2, HLS version 2, Sentinel-1
    RTC, MODIS 13Q1 and orthomosaics of drones. Nothing is unpacked or changed. Safe
    for threads.

    Parameters
    ----------
    path : Path
        The folder, a product's own folder, or a single file.
    acquired : datetime, optional
        Timezone-aware time of the flight of a drone's orthomosaic, over what the file
        says.

    Raises
    ------
    FolderMissing
        There is nothing at `path`.
    PropertyInvalid
        `acquired` has no timezone.
    """

    name = SOURCE

    def __init__(self, path: Path, *, acquired: datetime | None = None) -> None:
        if acquired is not None and acquired.tzinfo is None:
            raise PropertyInvalid(
                f"acquisition time {acquired.isoformat()} has no timezone; give it "
                f"one, e.g. +08:00 · 拍摄时间 {acquired.isoformat()} 没有时区，请补上，"
                "如 +08:00"
            )
        self.path = path
        self.acquired = acquired
        listing(path)

    def search(self, wanted: Wanted) -> Found:
        """Find all products of a place and time.

        Of a product that lies there twice, say packed and unpacked, one is offered; a
        second one of the same id but another time or other sizes is refused.
        One that cannot be read is refused unless its name tells another day. Files
        that belong to no product are counted in the log.

        Raises
        ------
        FolderMissing
            The folder is gone, or a folder in it cannot be listed.
        """
        parts, broken = listing(self.path)
        answer = _Answer(wanted, [Refused(one.product, str(one)) for one in broken])
        ignored = 0
        for files in parts:
            taken: set[str] = set()
            for product in self._recognised(files):
                answer.add(product)
                taken |= product.files
            ignored += _ignored(files, taken)
        logger.info("%s: %d files belong to no product", self.path, ignored)
        return answer.found()

    def fetch(
        self, offer: SceneOffer, key: str, *, clip: Bounds | None, folder: Path
    ) -> BandFile:
        """Write one band as a COG ``folder/KEY.tif``, completely or not at all.

        Parameters
        ----------
        offer : SceneOffer
            One of `search`.
        key : str
            One of its bands.
        clip : (west, south, east, north) or None
            Degrees, EPSG:4326; None = the whole scene.
        folder : Path
            Exists. A file of that name is replaced.

        Raises
        ------
        ProductInvalid
            The file is damaged, or the scene has no such band.
        ingest.source_errors.SourceError
            The file cannot be decoded to its end, has no pixel in `clip`, or is not the
            one that the product's manifest describes.
        """
        return fetch_band_of(offer, key, clip=clip, folder=folder)

    def _recognised(self, files: Files) -> Iterator[Product]:
        """Products of all producers; what one takes is no other's."""
        rest = files
        for reader in READERS:
            found = list(reader(rest))
            yield from found
            rest = rest.without({name for product in found for name in product.files})
        named = self.path.is_file() and not files.scheme
        yield from drone.products(rest, acquired=self.acquired, named=named)


def _ignored(files: Files, taken: set[str]) -> int:
    """Count files of no product; a zip or tar without any counts as one."""
    if files.scheme:
        return 0 if taken else 1
    return len(files.sizes.keys() - taken)


@dataclass(frozen=True, slots=True)
class AnyFolder:
    """Brings bands of products wherever they lie, for offers made before."""

    def fetch(
        self, offer: SceneOffer, key: str, *, clip: Bounds | None, folder: Path
    ) -> BandFile:
        """Write one band, as `FolderSource.fetch` does."""
        return fetch_band_of(offer, key, clip=clip, folder=folder)


def fetch_band_of(
    offer: SceneOffer, key: str, *, clip: Bounds | None, folder: Path
) -> BandFile:
    """Write one band, as `FolderSource.fetch` says."""
    band = offer.bands.get(key)
    if band is None:
        raise _no_band(offer, key)
    target = folder / f"{key}.tif"
    if band.href.startswith(PREFIX):
        return convert_field(band, target, clip=clip)
    check_packed(band.href, told=band.href)
    check_file(Path(band.href), band)
    if offer.collection == drone.COLLECTION:
        return drone.convert_band(band, target, clip=clip)
    return convert(
        band.href,
        target,
        clip=clip,
        nodata=band.nodata,
        scale=band.scale,
        offset=band.offset,
        index=band.index,
        overview_resampling="nearest" if band.scale is None else "average",
    )


class _Answer:
    """What a search has found so far; the first copy of a product counts."""

    def __init__(self, wanted: Wanted, refused: list[Refused]) -> None:
        self.wanted = wanted
        self.refused = refused
        self.others: list[Refused] = []
        self.offers: dict[tuple[str, str], SceneOffer] = {}
        self.cloudy: dict[tuple[str, str], SceneOffer] = {}

    def add(self, product: Product) -> None:
        """Read a product, and keep it if it is wanted."""
        try:
            offer = product.read()
            if _is_of(offer, self.wanted):
                self._sort_in(offer)
        except ProductInvalid as exc:
            if self._concerns(product.day):
                self.refused.append(Refused(product.name, str(exc)))

    def found(self) -> Found:
        """Give all, in order; a bad copy of what a good one offers does not count."""
        good = {offer.item_id for offer in self.offers.values()}
        bad = [one for one in self.refused if one.item_id not in good]
        return Found(
            offers=tuple(sorted(self.offers.values(), key=_by_time)),
            refused=(*bad, *self.others),
            cloudy=tuple(sorted(self.cloudy.values(), key=_by_time)),
        )

    def _sort_in(self, offer: SceneOffer) -> None:
        key = offer.collection, offer.item_id
        if (offer.cloud_cover or 0) > self.wanted.max_cloud:
            self.cloudy.setdefault(key, offer)
            return
        there = _present(offer, self.wanted.bands)
        first = self.offers.setdefault(key, there)
        if not _same(first, there):
            self.others.append(Refused(offer.item_id, _other(first, there)))
        elif first != there:
            logger.info("%s lies there more than once", offer.item_id)

    def _concerns(self, day: date | None) -> bool:
        return day is None or self.wanted.start <= day <= self.wanted.end


def _same(first: SceneOffer, second: SceneOffer) -> bool:
    """Whether two products of one id can be copies of each other."""
    both = first.bands.keys() & second.bands.keys()
    return first.acquired == second.acquired and all(
        first.bands[key].size == second.bands[key].size for key in both
    )


def _other(first: SceneOffer, second: SceneOffer) -> str:
    used, left = (
        min(band.href for band in one.bands.values()) for one in (first, second)
    )
    error = invalid(
        second.item_id,
        left,
        f"has the id of {used}, but another time or other sizes, so that only that one "
        "is brought in; keep the right one of the two in the folder",
        f"编号与 {used} 相同，但时间或文件大小不同，因此未导入，请在目录中只保留正确的"
        "一个",
    )
    return str(error)


def _by_time(offer: SceneOffer) -> tuple[datetime, str]:
    return offer.acquired, offer.item_id


def _is_of(offer: SceneOffer, wanted: Wanted) -> bool:
    first = last = offer.acquired.astimezone(UTC).date()
    if "end_datetime" in offer.properties:
        last = datetime.fromisoformat(offer.properties["end_datetime"]).date()
    in_time = last >= wanted.start and first <= wanted.end
    return in_time and bool(wanted.where.intersects(offer.footprint))


def _present(offer: SceneOffer, letters: tuple[str, ...]) -> SceneOffer:
    """Leave the bands whose files are there; those of some letters must be.

    Raises
    ------
    ProductInvalid
        A band that is asked for is not in the product, or its file missing or empty.
    """
    for key in _asked(offer, letters):
        if not offer.bands[key].size:
            raise invalid(
                offer.item_id,
                offer.bands[key].href,
                "is missing or empty; copy or download the product again",
                "文件缺失或为空，请重新复制或下载该产品",
            )
    there = {key: band for key, band in offer.bands.items() if band.size}
    return replace(offer, bands=there)


def _asked(offer: SceneOffer, letters: tuple[str, ...]) -> Iterator[str]:
    """Keys of the mask and the bands of some letters; none = all of the product.

    Without a mission that `raster.mission` knows there are no letters.
    """
    mission = MISSIONS.get(offer.collection)
    if mission is None or not letters:
        yield from offer.bands
        return
    for letter, keys in {"": mission.mask_assets, **mission.bands}.items():
        if letter and letter not in letters:
            continue
        key = _first(offer, keys)
        if key is None:
            raise _no_band(offer, keys[0])
        yield key
    for letter in letters:
        if letter not in mission.bands:
            raise _no_band(offer, letter)


def _first(offer: SceneOffer, keys: tuple[str, ...]) -> str | None:
    return next((key for key in keys if key in offer.bands), None)


def _no_band(offer: SceneOffer, key: str) -> ProductInvalid:
    return invalid(
        offer.item_id,
        key,
        f"the product has no such band (it has {', '.join(sorted(offer.bands))}); ask "
        "for other bands",
        f"产品没有该波段（现有 {'、'.join(sorted(offer.bands))}），请改选波段",
    )
