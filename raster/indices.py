"""Spectral indices as data: name, formula, range and source of each.

Names clash between libraries; these hold here. ``ndti`` is the tillage index (elsewhere
also turbidity), ``ndwi`` the open water index of McFeeters, ``lswi`` the water of
leaves and soil, which others call NDMI or, after Gao, NDWI. ``nbr2`` and ``ndti`` are
one formula, as are ``ndsi`` and ``mndwi``: burnt land and residue, snow and water, are
told apart by where and when one looks.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from raster.errors import SettingInvalid
from raster.formula import Program, compile_formula

RESERVED: Final = frozenset(
    {"clear_count", "sos", "pos", "eos", "los", "base", "amplitude", "peak", "integral"}
    | {"time", "y", "x", "season", "spatial_ref"}
)
"""Names of a season's other variables and coordinates."""

_NAME = re.compile("[a-z][a-z0-9_]*")
_INT16_MAX: Final = 32767


@dataclass(frozen=True, slots=True)
class Index:
    """A spectral index, one of `INDICES` or one's own.

    Attributes
    ----------
    name
        Name of the variable: lower-case letters, digits and ``_``, beginning with a
        letter, not ending in ``_smooth``, none of `RESERVED`.
    formula
        See `raster.formula.compile_formula`; on reflectance (1 = all light).
    long_name, name_zh
        For people, in English and Chinese.
    scale
        Value of one step of the int16 at rest, which so holds ±32767 steps.
    valid
        Lowest and highest value that means something; values beyond are clipped.
        None: only what the int16 holds is the limit.
    source
        Paper or standard of the formula.

    Raises
    ------
    SettingInvalid
        For a name, formula, scale or range that does not fit the above.
    """

    name: str
    formula: str
    _: KW_ONLY
    long_name: str = ""
    name_zh: str = ""
    scale: float = 1e-4
    valid: tuple[float, float] | None = None
    source: str = ""

    def __post_init__(self) -> None:
        self._check_name()
        self._check_range()
        compile_formula(self.formula)

    @property
    def program(self) -> Program:
        """The formula, compiled."""
        return compile_formula(self.formula)

    def _check_name(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise SettingInvalid(
                f"index name {self.name!r}: use lower-case letters, digits and _,"
                f" a letter first · 指数名 {self.name!r} 只能用小写字母、数字和 _，"
                "并以字母开头"
            )
        if self.name in RESERVED or self.name.endswith("_smooth"):
            raise SettingInvalid(
                f"index name {self.name!r} is taken by another variable of a season:"
                f" choose another · 指数名 {self.name!r} 已被季节数据的其他变量占用，"
                "请换一个"
            )

    def _check_range(self) -> None:
        if not (self.scale > 0 and math.isfinite(self.scale)):
            raise SettingInvalid(
                f"index {self.name}: scale {self.scale} must be positive and finite"
                f" · 指数 {self.name} 的 scale {self.scale} 必须为有限正数"
            )
        limit = _INT16_MAX * self.scale
        if self.valid and not -limit <= self.valid[0] < self.valid[1] <= limit:
            raise SettingInvalid(
                f"index {self.name}: valid {self.valid} must rise, within ±{limit:g} at"
                f" scale {self.scale}: use a larger scale · 指数 {self.name} 的 valid"
                f" {self.valid} 须由小到大，且在 ±{limit:g} 之内，否则请增大 scale"
            )


def index_named(name: str) -> Index:
    """Index of the table by its name.

    Raises
    ------
    SettingInvalid
        If there is none of this name; says which are near.
    """
    found = INDICES.get(name)
    if found is None:
        near = ", ".join(near_indices(name)) or ", ".join(INDICES)
        raise SettingInvalid(
            f"there is no index {name!r}: choose from {near}, or give an Index with its"
            f" own formula · 没有指数 {name!r}，可选：{near}，或用 Index 自定义公式"
        )
    return found


# What other libraries call the same formula.
_ELSEWHERE: Final = {
    "bi": "bsi",
    "cig": "gcvi",
    "msavi2": "msavi",
    "ndmi": "lswi",
    "ndrei": "ndre",
    "ndtilli": "ndti",
}


def near_indices(name: str) -> list[str]:
    """Names of indices like a name, or that other libraries call so; may be none."""
    lower = name.lower()
    if lower in _ELSEWHERE:
        return [_ELSEWHERE[lower]]
    return get_close_matches(lower, INDICES)


_Row = tuple[str, str, str, str, str]

# The most of them are bounded by their form. EVI is not: over cloud and snow its
# divisor passes through zero, so it is cut where MODIS products end, as is EVI2.
_BOUNDED: Final[tuple[_Row, ...]] = (
    (
        "ndvi",
        "(N - R) / (N + R)",
        "normalised difference vegetation index",
        "归一化植被指数",
        "Rouse et al. 1974, NASA SP-351",
    ),
    (
        "ndre",
        "(N - RE1) / (N + RE1)",
        "normalised difference red edge index",
        "归一化红边指数",
        "Gitelson & Merzlyak 1994, doi:10.1016/1011-1344(93)06963-4",
    ),
    (
        "evi",
        "2.5 * (N - R) / (N + 6 * R - 7.5 * B + 1)",
        "enhanced vegetation index",
        "增强型植被指数",
        "Huete et al. 2002, doi:10.1016/S0034-4257(02)00096-2",
    ),
    (
        "evi2",
        "2.5 * (N - R) / (N + 2.4 * R + 1)",
        "two-band enhanced vegetation index",
        "两波段增强型植被指数",
        "Jiang et al. 2008, doi:10.1016/j.rse.2008.06.006",
    ),
    (
        "savi",
        "1.5 * (N - R) / (N + R + 0.5)",
        "soil-adjusted vegetation index",
        "土壤调节植被指数",
        "Huete 1988, doi:10.1016/0034-4257(88)90106-X",
    ),
    # Qi's second index. Written as a sum of squares, what is under the root cannot be
    # rounded below zero; 0.5 (2 N + 1 - sqrt((2 N + 1)^2 - 8 (N - R))) is the same.
    (
        "msavi",
        "N + 0.5 - 0.5 * sqrt((2 * N - 1) ** 2 + 8 * R)",
        "modified soil-adjusted vegetation index",
        "修正土壤调节植被指数",
        "Qi et al. 1994, doi:10.1016/0034-4257(94)90134-1",
    ),
    # Without the factor 1.16 that some authors add to it.
    (
        "osavi",
        "(N - R) / (N + R + 0.16)",
        "optimised soil-adjusted vegetation index",
        "优化土壤调节植被指数",
        "Rondeaux et al. 1996, doi:10.1016/0034-4257(95)00186-7",
    ),
    (
        "psri",
        "(R - B) / RE2",
        "plant senescence reflectance index",
        "植被衰老反射率指数",
        "Merzlyak et al. 1999, doi:10.1034/j.1399-3054.1999.106119.x",
    ),
    (
        "lswi",
        "(N - S1) / (N + S1)",
        "land surface water index (the same as NDMI)",
        "地表水分指数",
        "Xiao et al. 2004, doi:10.1016/j.rse.2003.11.008",
    ),
    (
        "ndwi",
        "(G - N) / (G + N)",
        "normalised difference water index (open water)",
        "归一化水体指数",
        "McFeeters 1996, doi:10.1080/01431169608948714",
    ),
    (
        "mndwi",
        "(G - S1) / (G + S1)",
        "modified normalised difference water index",
        "改进的归一化水体指数",
        "Xu 2006, doi:10.1080/01431160600589179",
    ),
    (
        "ndti",
        "(S1 - S2) / (S1 + S2)",
        "normalised difference tillage index",
        "归一化耕作指数",
        "van Deventer et al. 1997, Photogramm. Eng. Remote Sens. 63:87",
    ),
    (
        "bsi",
        "((S1 + R) - (N + B)) / ((S1 + R) + (N + B))",
        "bare soil index",
        "裸土指数",
        "Rikimaru et al. 2002, Tropical Ecology 43:39",
    ),
    (
        "nbr",
        "(N - S2) / (N + S2)",
        "normalised burn ratio",
        "归一化燃烧指数",
        "Key & Benson 2006, USDA RMRS-GTR-164",
    ),
    (
        "nbr2",
        "(S1 - S2) / (S1 + S2)",
        "normalised burn ratio 2",
        "归一化燃烧指数2",
        "USGS, Landsat surface reflectance-derived spectral indices",
    ),
    (
        "ndsi",
        "(G - S1) / (G + S1)",
        "normalised difference snow index",
        "归一化积雪指数",
        "Hall et al. 1995, doi:10.1016/0034-4257(95)00137-P",
    ),
)

# These two have no upper bound: 30 is beyond the densest canopy.
_CHLOROPHYLL: Final[tuple[_Row, ...]] = (
    (
        "gcvi",
        "N / G - 1",
        "green chlorophyll vegetation index",
        "绿色叶绿素植被指数",
        "Gitelson et al. 2003, doi:10.1078/0176-1617-00887",
    ),
    (
        "cire",
        "N / RE1 - 1",
        "red edge chlorophyll index",
        "红边叶绿素指数",
        "Gitelson et al. 2003, doi:10.1078/0176-1617-00887",
    ),
)

_RATIOS: Final[tuple[_Row, ...]] = (
    (
        "sti",
        "S1 / S2",
        "simple tillage index",
        "简单耕作指数",
        "van Deventer et al. 1997, Photogramm. Eng. Remote Sens. 63:87",
    ),
)

# Common names of the STAC electro-optical extension, but for the red edge, which it
# numbers by wavelength since version 2; rededge1 to 3 are what archives call them.
_REFLECTANCES: Final = (
    ("blue", "B", "蓝光"),
    ("green", "G", "绿光"),
    ("red", "R", "红光"),
    ("rededge1", "RE1", "红边1"),
    ("rededge2", "RE2", "红边2"),
    ("rededge3", "RE3", "红边3"),
    ("nir", "N", "近红外"),
    ("nir08", "N2", "窄近红外"),
    ("swir16", "S1", "短波红外1"),
    ("swir22", "S2", "短波红外2"),
)


def _indices() -> Iterator[Index]:
    for rows, scale, valid in (
        (_BOUNDED, 1e-4, (-1.0, 1.0)),
        (_CHLOROPHYLL, 1e-3, (-1.0, 30.0)),
        (_RATIOS, 1e-3, (0.0, 30.0)),
    ):
        for name, formula, long_name, name_zh, source in rows:
            yield Index(
                name,
                formula,
                long_name=long_name,
                name_zh=name_zh,
                scale=scale,
                valid=valid,
                source=source,
            )
    for name, band, name_zh in _REFLECTANCES:
        yield Index(
            name,
            band,
            long_name=f"surface reflectance, {name}",
            name_zh=f"{name_zh}地表反射率",
            valid=(0.0, 3.2),
            source="STAC electro-optical extension",
        )


INDICES: Final[Mapping[str, Index]] = MappingProxyType(
    {index.name: index for index in _indices()}
)
"""The known indices by name; reflectances of single bands among them."""
