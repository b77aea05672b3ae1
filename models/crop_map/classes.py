"""The classes of a crop map and their codes, which never change."""

from dataclasses import dataclass
from typing import Final

__all__ = ["CLASSES", "CROP", "KINDS", "NODATA", "NON_CROP", "CropClass", "class_named"]

NODATA: Final = 255
"""Code of a pixel without enough clear data, in every layer of a map."""

CROP: Final = "crop"
"""Label of a sample that is some crop, nobody knows which: it serves the crop mask."""


@dataclass(frozen=True, slots=True)
class CropClass:
    """One class: its code in the map, its names, and its colour as ``#rrggbb``."""

    code: int
    name: str
    name_en: str
    name_zh: str
    colour: str


NON_CROP: Final = CropClass(0, "non-crop", "non-crop", "非耕地", "#d9d9d9")

CLASSES: Final = (
    NON_CROP,
    CropClass(1, "maize", "maize", "玉米", "#f2c14e"),
    CropClass(2, "rice", "rice", "水稻", "#4d9de0"),
    CropClass(3, "soybean", "soybean", "大豆", "#3bb273"),
    CropClass(4, "other", "other crop", "其他作物", "#b07aa1"),
)
"""All classes; the code of each is its place."""

KINDS: Final = CLASSES[1:]
"""The crops among them."""


def class_named(name: str) -> CropClass | None:
    """Return the class of a name, None where there is none, as for `CROP`."""
    return next((one for one in CLASSES if one.name == name), None)
