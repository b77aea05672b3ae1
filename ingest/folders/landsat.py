"""Landsat Collection 2 Level 2: GeoTIFFs beside an MTL file.

Sources: Landsat 8-9 and 4-7 Collection 2 Level 2 Science Product Guides (LSDS-1619 and
LSDS-1618). Bands are named by what they see: SR_B4 is red on Landsat 8 and near
infrared on Landsat 7.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import PurePosixPath
from xml.etree import ElementTree

import shapely

from ingest.folders.errors import ProductInvalid
from ingest.folders.files import Files
from ingest.folders.metadata_xml import missing, parse_xml, tag_of
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
from raster.mask import MASK_NODATA
from raster.mission import LANDSAT, Calibration

__all__ = ["COLLECTION", "parse_odl", "products"]

COLLECTION = "landsat-c2-l2"
OLI = {
    "1": "coastal",
    "2": "blue",
    "3": "green",
    "4": "red",
    "5": "nir08",
    "6": "swir16",
    "7": "swir22",
    "ST_B10": "lwir11",
}
TM = {
    "1": "blue",
    "2": "green",
    "3": "red",
    "4": "nir08",
    "5": "swir16",
    "7": "swir22",
    "ST_B6": "lwir",
}
NAMES = {4: TM, 5: TM, 7: TM, 8: OLI, 9: OLI}
MASK = "qa_pixel"
LEVELS = {"L2SP", "L2SR"}
CORNERS = ("UL", "UR", "LR", "LL")
METRES = 30.0
TOLERANCE = 1e-6

_METADATA = re.compile(r"(?:^|/)(?P<name>L[COTEM]0\d_\w+)_MTL\.(?P<form>json|xml|txt)$")
_BAND = re.compile(
    r"(?:^|/)(?P<name>L[COTEM]0\d_L\w{3}_\d{6}_\d{8}_\d{8}_\d\d_(?:RT|T1|T2))_"
    r"(?:SR_B\d|ST_B\d+|QA_PIXEL|B\d+)\.TIF$",
    re.IGNORECASE,
)
_FORMS = ("json", "xml", "txt")

Groups = Mapping[str, Mapping[str, str]]


def products(files: Files) -> Iterator[Product]:
    """All that looks like a Landsat product, of whatever level."""
    metadata: dict[tuple[str, str], list[str]] = {}
    for name in files.sizes:
        found = _METADATA.search(name)
        if found:
            place = name[: found.start("name")], found["name"]
            metadata.setdefault(place, []).append(name)
    for (folder, name), found_files in metadata.items():
        best = min(found_files, key=lambda file: _FORMS.index(file.rpartition(".")[2]))
        yield _product(files, folder, name, best)
    described = {name for _, name in metadata}
    for name in sorted(_names_of_bands(files) - described):
        yield _without_metadata(files, name)


def parse_odl(text: str) -> dict[str, dict[str, str]]:
    """Read the groups of an MTL.txt, an Object Description Language file.

    Returns
    -------
    dict
        Values by group and key, without quotes; of nested groups the innermost.

    Raises
    ------
    ValueError
        The text was cut off.
    """
    if not text.rstrip().endswith("\nEND"):
        raise ValueError("it does not close with END")
    groups: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = (part.strip() for part in line.partition("="))
        if key == "GROUP":
            current = groups.setdefault(value, {})
        elif value and key != "END_GROUP":
            current[key] = value.strip('"')
    return groups


def _product(files: Files, folder: str, name: str, metadata: str) -> Product:
    return Product(
        name,
        frozenset(one for one in files.sizes if one.startswith(f"{folder}{name}_")),
        lambda: _Reading(files, folder, name, metadata).offer(),
        _day(name),
    )


def _names_of_bands(files: Files) -> set[str]:
    return {found["name"] for name in files.sizes if (found := _BAND.search(name))}


def _without_metadata(files: Files, name: str) -> Product:
    return Product(
        name,
        frozenset(file for file in files.sizes if name in file),
        not_usable(
            name,
            f"{name}_MTL.json, _MTL.xml or _MTL.txt is missing, which says what its "
            "numbers mean; download it to the bands",
            f"缺少 {name}_MTL.json、_MTL.xml 或 _MTL.txt，请补充下载元数据",
        ),
        _day(name),
    )


def _day(name: str) -> date | None:
    # Path and row, 120029, are no date; the first eight digits are the acquisition.
    return day_of("_".join(name.split("_")[3:]))


@dataclass(frozen=True, slots=True)
class _Reading:
    """One product while its metadata are read."""

    files: Files
    folder: str
    name: str
    metadata: str

    def offer(self) -> SceneOffer:
        groups = self._groups()
        self._check_level(groups)
        taken = " ".join(
            self._need(groups, "IMAGE_ATTRIBUTES", key)
            for key in ("DATE_ACQUIRED", "SCENE_CENTER_TIME")
        )
        return SceneOffer(
            source=SOURCE,
            collection=COLLECTION,
            item_id=checked_id(
                self._need(groups, "PRODUCT_CONTENTS", "LANDSAT_PRODUCT_ID")
            ),
            acquired=moment(taken, product=self.name, file=self.metadata),
            footprint=self._outline(groups),
            bands=self._bands(groups),
            properties=self._properties(groups),
        )

    def _groups(self) -> Groups:
        content = self.files.read(self.metadata)
        if self.metadata.endswith(".xml"):
            root = parse_xml(content, product=self.name, file=self.metadata)
            return _of_xml(root)
        try:
            text = content.decode()
            if self.metadata.endswith(".txt"):
                return parse_odl(text)
            return _of_json(json.loads(text))
        except (ValueError, TypeError, AttributeError) as exc:
            raise self._invalid(
                f"cannot be read ({exc}); copy or download it again",
                "元数据无法读取，请重新复制或下载",
            ) from exc

    def _invalid(self, english: str, chinese: str) -> ProductInvalid:
        return invalid(self.name, self.metadata, english, chinese)

    def _need(self, groups: Groups, group: str, key: str) -> str:
        value = groups.get(group, {}).get(key)
        if not value:
            raise missing(f"{group}/{key}", product=self.name, file=self.metadata)
        return value

    def _number(self, groups: Groups, group: str, key: str) -> float:
        value = self._need(groups, group, key)
        found = number(value)
        if found is None:
            raise self._invalid(
                f"{key} = {value!r} is no number; get the product again",
                f"{key} = {value!r} 不是数值，请重新获取该产品",
            )
        return found

    def _check_level(self, groups: Groups) -> None:
        contents = groups.get("PRODUCT_CONTENTS", {})
        level = contents.get("PROCESSING_LEVEL", "")
        collection = contents.get("COLLECTION_NUMBER", "")
        if level not in LEVELS or collection != "02":
            raise self._invalid(
                f"is of level {level or 'unknown'} and collection "
                f"{collection or 'unknown'}; surface reflectance of Collection 2 "
                "Level 2 (L2SP or L2SR) is needed, order that",
                f"为 {level or '未知'} 级、Collection {collection or '未知'}，需要 "
                "Collection 2 Level 2（L2SP 或 L2SR）地表反射率产品",
            )

    def _names(self, groups: Groups) -> Mapping[str, str]:
        craft = self._need(groups, "IMAGE_ATTRIBUTES", "SPACECRAFT_ID")
        number = craft.rpartition("_")[2]
        if not number.isdecimal() or int(number) not in NAMES:
            raise self._invalid(
                f"is of {craft}; Landsat 4, 5, 7, 8 and 9 can be read",
                f"卫星为 {craft}，只能读取 Landsat 4、5、7、8、9",
            )
        return NAMES[int(number)]

    def _bands(self, groups: Groups) -> dict[str, BandOffer]:
        contents = groups["PRODUCT_CONTENTS"]
        bands = {MASK: self._mask(groups)}
        for band, key in self._names(groups).items():
            file = contents.get(f"FILE_NAME_BAND_{band}")
            if file:
                calibration = self._calibration(groups, band, key)
                bands[key] = self._band(
                    key, file, 0, calibration.scale, calibration.offset
                )
        return bands

    def _mask(self, groups: Groups) -> BandOffer:
        file = self._need(groups, "PRODUCT_CONTENTS", "FILE_NAME_QUALITY_L1_PIXEL")
        return self._band(MASK, file, MASK_NODATA["QA_PIXEL"])

    def _band(
        self,
        key: str,
        file: str,
        nodata: int,
        scale: float | None = None,
        offset: float | None = None,
    ) -> BandOffer:
        name = f"{self.folder}{PurePosixPath(file).name}"
        return BandOffer(
            key=key,
            href=self.files.href(name),
            nodata=nodata,
            scale=scale,
            offset=offset,
            size=self.files.size(name),
            resolution=METRES,
        )

    def _calibration(self, groups: Groups, band: str, key: str) -> Calibration:
        thermal = band.startswith("ST_")
        # Level 1 numbers stand under the same names in other groups of the file.
        group = (
            f"LEVEL2_SURFACE_{'TEMPERATURE' if thermal else 'REFLECTANCE'}_PARAMETERS"
        )
        prefix = "TEMPERATURE" if thermal else "REFLECTANCE"
        scale = self._number(groups, group, f"{prefix}_MULT_BAND_{band}")
        offset = self._number(groups, group, f"{prefix}_ADD_BAND_{band}")
        expected = LANDSAT.calibrations_of("T1" if thermal else "R")[0]
        if not (
            math.isclose(scale, expected.scale, rel_tol=TOLERANCE)
            and math.isclose(offset, expected.offset, rel_tol=TOLERANCE)
        ):
            raise self._invalid(
                f"band {key} has scale {scale:g} and offset {offset:g} instead of "
                f"{expected.scale:g} and {expected.offset:g}; such a product is not "
                "known, get it again from its producer",
                f"{key} 波段的 scale {scale:g}、offset {offset:g} 与规范 "
                f"{expected.scale:g}、{expected.offset:g} 不符，请重新获取该产品",
            )
        return expected

    def _outline(self, groups: Groups) -> shapely.Polygon:
        degrees = [
            [
                self._number(
                    groups, "PROJECTION_ATTRIBUTES", f"CORNER_{corner}_{axis}_PRODUCT"
                )
                for axis in ("LON", "LAT")
            ]
            for corner in CORNERS
        ]
        return shapely.Polygon(degrees)

    def _properties(self, groups: Groups) -> Mapping[str, object]:
        image = groups["IMAGE_ATTRIBUTES"]
        contents = groups["PRODUCT_CONTENTS"]
        cloud = self._number(groups, "IMAGE_ATTRIBUTES", "CLOUD_COVER")
        craft = self._need(groups, "IMAGE_ATTRIBUTES", "SPACECRAFT_ID")
        return known(
            {
                "platform": craft.lower().replace("_", "-"),
                "constellation": "landsat",
                "instruments": image.get("SENSOR_ID", "").lower().split("_"),
                # -1 stands for cloud that was not looked for.
                "eo:cloud_cover": cloud if cloud >= 0 else None,
                "view:sun_azimuth": number(image.get("SUN_AZIMUTH")),
                "view:sun_elevation": number(image.get("SUN_ELEVATION")),
                "landsat:wrs_type": image.get("WRS_TYPE"),
                "landsat:wrs_path": self._wrs(groups, "WRS_PATH"),
                "landsat:wrs_row": self._wrs(groups, "WRS_ROW"),
                "landsat:collection_category": contents.get("COLLECTION_CATEGORY"),
                "landsat:collection_number": contents.get("COLLECTION_NUMBER"),
                "landsat:correction": contents.get("PROCESSING_LEVEL"),
                "landsat:scene_id": groups.get("LEVEL1_PROCESSING_RECORD", {}).get(
                    "LANDSAT_SCENE_ID"
                ),
                "created": groups.get("LEVEL2_PROCESSING_RECORD", {}).get(
                    "DATE_PRODUCT_GENERATED"
                ),
            }
        )

    def _wrs(self, groups: Groups, key: str) -> str:
        return self._need(groups, "IMAGE_ATTRIBUTES", key).zfill(3)


def _of_xml(root: ElementTree.Element) -> Groups:
    return {
        tag_of(group): {tag_of(entry): (entry.text or "").strip() for entry in group}
        for group in root
    }


def _of_json(content: Mapping[str, Mapping[str, Mapping[str, object]]]) -> Groups:
    (top,) = content.values()
    return {
        group: {key: str(value) for key, value in entries.items()}
        for group, entries in top.items()
    }
