"""Spellings of crops and of the label crop / non-crop."""

__all__ = ["CROPS", "CROP_SPELLINGS", "LABELS", "crop_of", "label_of"]

CROPS = ("maize", "rice", "soybean", "other")

CROP_SPELLINGS: dict[str, tuple[str, ...]] = {
    "maize": ("maize", "corn", "玉米", "春玉米", "苞米"),
    "rice": ("rice", "paddy", "paddyrice", "水稻", "稻", "稻谷", "水田"),
    "soybean": ("soybean", "soybeans", "soya", "soy", "大豆", "黄豆"),
    "other": (
        *("other", "othercrop", "othercrops", "其他", "其它", "其他作物", "杂粮"),
        # The crops of the northeast that no class of their own is kept for.
        *("sorghum", "高粱", "wheat", "小麦", "春小麦", "millet", "谷子", "糜子"),
        *("peanut", "peanuts", "groundnut", "花生", "potato", "potatoes", "马铃薯"),
        *("土豆", "sunflower", "sunflowers", "向日葵", "葵花", "sugarbeet", "甜菜"),
        *("mungbean", "绿豆", "adzukibean", "红小豆", "小豆", "tobacco", "烟草"),
        *("oats", "燕麦", "vegetables", "蔬菜"),
    ),
}

LABELS: dict[bool, tuple[str, ...]] = {
    True: ("crop", "cropland", "1", "true", "yes", "作物", "耕地", "农田"),
    False: (
        *("noncrop", "nocrop", "notcrop", "noncropland", "0", "false", "no"),
        *("非作物", "非耕地", "非农田"),
    ),
}

_CROP = {word: crop for crop, words in CROP_SPELLINGS.items() for word in words}
_LABEL = {word: label for label, words in LABELS.items() for word in words}


def crop_of(text: str) -> str | None:
    """Name of a crop in one of `CROPS`; None when the spelling is not known."""
    return _CROP.get(_plain(text))


def label_of(text: str) -> tuple[bool, str | None] | None:
    """Whether a label means crop, and which crop if it names one.

    ``Non-crop``, ``Noncrop`` and ``NonCrop`` are one label. None when it is not known.
    """
    word = _plain(text)
    if word in _CROP:
        return True, _CROP[word]
    return (_LABEL[word], None) if word in _LABEL else None


def _plain(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter not in " -_.")
