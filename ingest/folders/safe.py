"""Sentinel-2 Level-2A in SAFE: a folder or a zip of JPEG 2000 images.

Sources: Sentinel-2 Products Specification Document (S2-PDGS-TAS-DI-PSD) 14 and 15; its
version 14.2, of baselines 02.04 to 02.06, has other tag names. From processing baseline
04.00 on the numbers are shifted by BOA_ADD_OFFSET; the date does not tell whether.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from xml.etree import ElementTree

import shapely
from odc.geo.geobox import GeoBox
from pyproj.exceptions import CRSError
from rasterio.transform import from_origin

from ingest.checksum import multihash
from ingest.folders.errors import ProductInvalid
from ingest.folders.files import Files
from ingest.folders.metadata_xml import (
    all_of,
    missing,
    parse_xml,
    required,
    text_of,
)
from ingest.folders.product import (
    SOURCE,
    Product,
    checked_id,
    day_of,
    invalid,
    known,
    moment,
    not_usable,
    number,
)
from ingest.offer import BandOffer, SceneOffer
from ingest.stac_item import footprint
from raster.mission import Calibration

__all__ = ["COLLECTION", "products"]

COLLECTION = "sentinel-2-l2a"
# Finest pixels of each band as it was measured, metres; B01 comes at 20 m too, made
# from the 60 m ones.
NATIVE = {
    "B01": 60,
    "B02": 10,
    "B03": 10,
    "B04": 10,
    "B05": 20,
    "B06": 20,
    "B07": 20,
    "B08": 10,
    "B8A": 20,
    "B09": 60,
    "B11": 20,
    "B12": 20,
    "SCL": 20,
}
# band_id of the metadata counts all thirteen bands of the instrument.
_ALL_BANDS = "B01 B02 B03 B04 B05 B06 B07 B08 B8A B09 B10 B11 B12"
BAND_IDS = {band: str(number) for number, band in enumerate(_ALL_BANDS.split())}
SPECIAL = {"NODATA": "0", "SATURATED": "65535"}
SHIFTED_FROM = (4, 0)

# Names in manifest.safe, of MD5 products and of those since baseline 04.00.
_CHECKSUMS = {"MD5": "md5", "SHA3-256": "sha3_256"}

_METADATA = re.compile(r"(?:^|/)MTD_MSI(?P<level>L1C|L2A)\.xml$", re.IGNORECASE)
_OLD_METADATA = re.compile(r"(?:^|/)S2[A-Z]_\w+_MTD_SAF\w+\.xml$")
_SAFE = re.compile(r"(?:^|/)(?P<name>S2[A-Z]_MSIL[12]\w+)\.SAFE(?=/)")
_TILE_METADATA = re.compile(r"(?:^|/)GRANULE/[^/]+/MTD_TL\.xml$")
_OWN = re.compile(
    r"(GRANULE|DATASTRIP|AUX_DATA|HTML|rep_info)/|(manifest\.safe|INSPIRE\.xml)$"
    r"|MTD_|S2[A-Z]_[^/]*(jpg|png|xml)$"
)
_IMAGE = re.compile(r"_(?P<key>B\d\d|B8A|SCL)_(?P<metres>[126]0)m$")
_TILE = re.compile(r"_T(\d\d[A-Z]{3})(?:_|$)")
_BASELINE = re.compile(r"(\d\d)\.(\d\d)")


def products(files: Files) -> Iterator[Product]:
    """All that looks like a Sentinel-2 product, of whatever level."""
    roots = set()
    for name in files.sizes:
        found = _METADATA.search(name)
        if found:
            root = name[: found.start()]
            roots.add(root)
            yield _product(files, root, name, found["level"].upper())
        elif _OLD_METADATA.search(name):
            yield _of_many_tiles(files, name)
    for root in sorted(
        {name[: m.end()] for name in files.sizes if (m := _SAFE.search(name))}
    ):
        if not any(other == root or other.startswith(f"{root}/") for other in roots):
            yield _without_metadata(files, root)


def _product(files: Files, root: str, metadata: str, level: str) -> Product:
    name = PurePosixPath(root).name.removesuffix(".SAFE") or files.root.stem
    read = (
        (lambda: _Reading(files, root, metadata, name).offer())
        if level == "L2A"
        else not_usable(
            name,
            "is Level-1C, which is not corrected for the atmosphere; get the Level-2A "
            "product or make it with Sen2Cor",
            "是 L1C 级产品，未做大气校正，请改用 L2A 级产品或用 Sen2Cor 处理",
        )
    )
    return Product(name, _claimed(files, root), read, day_of(name))


def _claimed(files: Files, root: str) -> frozenset[str]:
    below = files.below(root)
    if root.endswith(".SAFE"):
        return below
    # Metadata that lie loose in a folder do not make all of that folder theirs.
    start = len(root) + 1 if root else 0
    return frozenset(name for name in below if _OWN.match(name[start:]))


def _of_many_tiles(files: Files, metadata: str) -> Product:
    root = metadata.rpartition("/")[0]
    name = PurePosixPath(metadata).stem
    return Product(
        name,
        _claimed(files, root) | {metadata},
        not_usable(
            name,
            "is of the format before December 2016, with many tiles in one product; "
            "get the reprocessed product (Collection-1)",
            "是 2016 年 12 月以前的多景旧格式，请改用重新处理的产品（Collection-1）",
        ),
        day_of(name),
    )


def _without_metadata(files: Files, root: str) -> Product:
    name = PurePosixPath(root).name.removesuffix(".SAFE")
    return Product(
        name,
        files.below(root),
        not_usable(
            name,
            "MTD_MSIL2A.xml is missing; copy or download the product again",
            "缺少 MTD_MSIL2A.xml，请重新复制或下载该产品",
        ),
        day_of(name),
    )


@dataclass(frozen=True, slots=True)
class _Reading:
    """One Level-2A product while its metadata are read."""

    files: Files
    root: str
    metadata: str
    name: str

    def offer(self) -> SceneOffer:
        product = self._parsed(self.metadata)
        tile_file = self._tile_metadata()
        tile = self._parsed(tile_file)
        granule = self._granule(product)
        return SceneOffer(
            source=SOURCE,
            collection=COLLECTION,
            item_id=checked_id(self._uri(product).removesuffix(".SAFE")),
            acquired=moment(
                self._need(tile, "SENSING_TIME", file=tile_file),
                product=self.name,
                file=tile_file,
            ),
            footprint=_outline(product) or self._grid_outline(tile, tile_file),
            bands=self._bands(product),
            properties=self._properties(product, tile, granule),
        )

    def _parsed(self, file: str) -> ElementTree.Element:
        return parse_xml(self.files.read(file), product=self.name, file=file)

    def _need(self, root: ElementTree.Element, *tags: str, file: str = "") -> str:
        return required(root, *tags, product=self.name, file=file or self.metadata)

    def _invalid(self, english: str, chinese: str) -> ProductInvalid:
        return invalid(self.name, self.metadata, english, chinese)

    def _uri(self, product: ElementTree.Element) -> str:
        return self._need(product, "PRODUCT_URI", "PRODUCT_URI_2A")

    def _tile_metadata(self) -> str:
        below = sorted(filter(_TILE_METADATA.search, self.files.below(self.root)))
        if len(below) != 1:
            raise self._invalid(
                f"has {len(below)} files GRANULE/*/MTD_TL.xml instead of one; copy or "
                "download the product again",
                f"应有一个 GRANULE/*/MTD_TL.xml，实有 {len(below)} 个，请重新下载",
            )
        return below[0]

    def _granule(self, product: ElementTree.Element) -> ElementTree.Element:
        granules = list(all_of(product, "Granule", "Granules"))
        if len({one.get("granuleIdentifier") for one in granules}) != 1:
            raise self._invalid(
                f"lists {len(granules)} tiles; only products of one tile can be read",
                f"列出 {len(granules)} 个分幅，只能读取单分幅产品",
            )
        return granules[0]

    def _properties(
        self,
        product: ElementTree.Element,
        tile: ElementTree.Element,
        granule: ElementTree.Element,
    ) -> Mapping[str, object]:
        uri = self._uri(product)
        square = _TILE.search(granule.get("granuleIdentifier", "")) or _TILE.search(uri)
        take = next(all_of(product, "Datatake"), None)
        cloud = text_of(
            product, "Cloud_Coverage_Assessment", "CLOUD_COVERAGE_ASSESSMENT"
        )
        return known(
            {
                "platform": self._need(product, "SPACECRAFT_NAME").lower(),
                "constellation": "sentinel-2",
                "instruments": ["msi"],
                "eo:cloud_cover": number(cloud),
                "sat:orbit_state": _lower(text_of(product, "SENSING_ORBIT_DIRECTION")),
                "sat:relative_orbit": _whole(text_of(product, "SENSING_ORBIT_NUMBER")),
                "s2:processing_baseline": self._need(product, "PROCESSING_BASELINE"),
                "s2:mgrs_tile": square[1] if square else None,
                "s2:product_uri": uri,
                "s2:generation_time": self._need(product, "GENERATION_TIME"),
                "s2:datatake_id": None
                if take is None
                else take.get("datatakeIdentifier"),
                "s2:datastrip_id": granule.get("datastripIdentifier"),
                **_sun(tile),
            }
        )

    def _bands(self, product: ElementTree.Element) -> dict[str, BandOffer]:
        self._check_special(product)
        offsets = {
            element.get("band_id", ""): element.text or ""
            for element in all_of(product, "BOA_ADD_OFFSET")
        }
        images = self._files_by_stem()
        checksums = self._checksums()
        bands = {}
        for key, (metres, listed) in sorted(_images(product).items()):
            file = images.get(PurePosixPath(listed).name) or self._absent(listed)
            calibration = (
                None if key == "SCL" else self._calibration(product, key, offsets)
            )
            bands[key] = BandOffer(
                key=key,
                href=self.files.href(file),
                nodata=0,
                scale=calibration.scale if calibration else None,
                offset=calibration.offset if calibration else None,
                size=self.files.size(file),
                checksum=checksums.get(PurePosixPath(file).name),
                resolution=metres,
            )
        if not bands:
            raise missing("IMAGE_FILE", product=self.name, file=self.metadata)
        return bands

    def _checksums(self) -> dict[str, str]:
        """Multihashes of the manifest by file name; none where there is no manifest."""
        file = f"{self.root}/manifest.safe" if self.root else "manifest.safe"
        if file not in self.files.sizes:
            return {}
        found = {}
        for stream in self._parsed(file).iter("byteStream"):
            place, sum_of = stream.find("fileLocation"), stream.find("checksum")
            if place is None or sum_of is None:
                continue
            kind = _CHECKSUMS.get(sum_of.get("checksumName", "").upper())
            name = PurePosixPath(place.get("href", "")).name
            if kind and sum_of.text:
                found[name] = multihash(kind, sum_of.text.strip())
        return found

    def _files_by_stem(self) -> dict[str, str]:
        below = self.files.below(self.root)
        # A copy that someone made beside an image does not stand for it.
        ranked = [
            name for end in (".tif", ".jp2") for name in below if name[-4:] == end
        ]
        return {PurePosixPath(name).stem: name for name in ranked}

    def _absent(self, listed: str) -> str:
        return "/".join(filter(None, (self.root, f"{listed}.jp2")))

    def _check_special(self, product: ElementTree.Element) -> None:
        stated = {
            text_of(one, "SPECIAL_VALUE_TEXT"): text_of(one, "SPECIAL_VALUE_INDEX")
            for one in all_of(product, "Special_Values")
        }
        for name, usual in SPECIAL.items():
            if stated.get(name, usual) != usual:
                raise self._invalid(
                    f"special value {name} is {stated[name]} instead of {usual}; such "
                    "a product is not known, get it again from its producer",
                    f"特殊值 {name} 为 {stated[name]}，应为 {usual}，请重新获取该产品",
                )

    def _calibration(
        self, product: ElementTree.Element, key: str, offsets: Mapping[str, str]
    ) -> Calibration:
        """Scale and offset of a band; only what the specification knows is believed."""
        baseline = self._need(product, "PROCESSING_BASELINE")
        digits = _BASELINE.fullmatch(baseline)
        quantification = self._need(
            product, "BOA_QUANTIFICATION_VALUE", "L2A_BOA_QUANTIFICATION_VALUE"
        )
        if digits is None or number(quantification) != 10000:
            raise self._invalid(
                f"processing baseline {baseline} and BOA_QUANTIFICATION_VALUE "
                f"{quantification} are of no known product (10000 is); get the product "
                "again from its producer",
                f"处理基线 {baseline}、BOA_QUANTIFICATION_VALUE {quantification} "
                "不属于已知产品，请重新获取",
            )
        shifted = (int(digits[1]), int(digits[2])) >= SHIFTED_FROM
        added = offsets.get(BAND_IDS[key], None if shifted else "0")
        if added is None or number(added) != (-1000 if shifted else 0):
            raise self._invalid(
                f"BOA_ADD_OFFSET of {key} is {added or 'missing'} with processing "
                f"baseline {baseline}, whose numbers are shifted by "
                f"{-1000 if shifted else 0}; reflectance would be wrong by 0.1, get "
                "the product again from its producer",
                f"{key} 的 BOA_ADD_OFFSET（{added or '缺'}）与处理基线 {baseline} "
                "不符，反射率会偏差 0.1，请重新获取该产品",
            )
        return Calibration(1e-4, -0.1 if shifted else 0.0)

    def _grid_outline(self, tile: ElementTree.Element, file: str) -> shapely.Geometry:
        try:
            return self._of_grid(tile, file)
        except (ValueError, CRSError) as exc:
            raise invalid(
                self.name,
                file,
                f"does not say where the tile lies ({exc}); get the product again",
                "未写明分幅位置，请重新获取该产品",
            ) from exc

    def _of_grid(self, tile: ElementTree.Element, file: str) -> shapely.Geometry:
        fields = {tag: self._need(tile, tag, file=file) for tag in _GRID}
        left, top, width, height = (float(fields[tag]) for tag in _GRID[3:])
        shape = int(fields["NROWS"]), int(fields["NCOLS"])
        transform = from_origin(left, top, width, -height)
        return footprint(GeoBox(shape, transform, fields["HORIZONTAL_CS_CODE"]))


# The first Size and Geoposition of a tile are those of 10 m.
_GRID = ("HORIZONTAL_CS_CODE", "NROWS", "NCOLS", "ULX", "ULY", "XDIM", "YDIM")


def _images(product: ElementTree.Element) -> dict[str, tuple[int, str]]:
    """Of each band the listed image nearest to its own pixels: (metres, name)."""
    images: dict[str, tuple[int, str]] = {}
    for element in all_of(product, "IMAGE_FILE", "IMAGE_FILE_2A"):
        listed = (element.text or "").strip()
        found = _IMAGE.search(listed)
        if found is None or found["key"] not in NATIVE:
            continue
        key, metres = found["key"], int(found["metres"])
        best = images.get(key)
        if metres >= NATIVE[key] and (best is None or metres < best[0]):
            images[key] = metres, listed
    return images


def _outline(product: ElementTree.Element) -> shapely.Polygon | None:
    """Product_Footprint, the part of the tile that has data: latitude, longitude …."""
    numbers = (text_of(product, "EXT_POS_LIST") or "").split()
    try:
        degrees = [float(text) for text in numbers]
        ring = shapely.Polygon(list(zip(degrees[1::2], degrees[::2], strict=True)))
    except ValueError:
        return None
    return ring if ring.is_valid and not ring.is_empty else None


def _sun(tile: ElementTree.Element) -> dict[str, float | None]:
    mean = next(all_of(tile, "Mean_Sun_Angle"), None)
    if mean is None:
        return {}
    zenith = number(text_of(mean, "ZENITH_ANGLE"))
    return {
        "view:sun_azimuth": number(text_of(mean, "AZIMUTH_ANGLE")),
        "view:sun_elevation": None if zenith is None else 90 - zenith,
    }


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


def _lower(text: str | None) -> str | None:
    return text.lower() if text else None
