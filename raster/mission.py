"""The dialects of the catalogues: how an item's assets and names are read.

A season asks for bands by letter (R, N, S1 ...: Montero et al. 2023, Awesome Spectral
Indices) and for a mask; `mission_of` says under which asset keys an item has them.
`sensing_of` reads what tells one acquisition from another, and an older processing of
it from a newer one.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import pystac

from raster.errors import AssetMissing
from raster.mask import MaskKind


@dataclass(frozen=True, slots=True)
class Calibration:
    """Reflectance (thermal bands: kelvin) = digital number * scale + offset."""

    scale: float
    offset: float


@dataclass(frozen=True, slots=True)
class Mission:
    """One family of products, and the keys under which catalogues offer its files.

    `bands` and `mask_assets` hold candidate asset keys, the first present one counts.
    `calibrations` are all that the specification knows for reflectance, the letters in
    `thermal` have the one given there; an item must say which holds, unless `implied`,
    and `hint` begins the sentence that asks for it. `nodata` and `saturated` are
    digital numbers, None = no such number.
    """

    name: str
    mask_kind: MaskKind
    mask_assets: tuple[str, ...]
    bands: Mapping[str, tuple[str, ...]]
    calibrations: tuple[Calibration, ...]
    thermal: Mapping[str, Calibration] = field(default_factory=dict)
    implied: bool = False
    nodata: float = 0
    saturated: float | None = 65535
    hint: str = ""

    def calibrations_of(self, letter: str) -> tuple[Calibration, ...]:
        """Give all calibrations that a band of this letter can have."""
        thermal = self.thermal.get(letter)
        return self.calibrations if thermal is None else (thermal,)


def _of_three(number: str, common: str, metres: int) -> tuple[str, ...]:
    """Keys of a band: Planetary Computer and ours, Earth Search, Copernicus."""
    return number, common, f"{number}_{metres}m"


# Saturated 65535: Sentinel-2 Products Specification, SPECIAL_VALUE "SATURATED".
SENTINEL_2: Final = Mission(
    "sentinel-2",
    "SCL",
    ("SCL", "scl", "SCL_20m"),
    {
        "A": _of_three("B01", "coastal", 60),
        "B": _of_three("B02", "blue", 10),
        "G": _of_three("B03", "green", 10),
        "R": _of_three("B04", "red", 10),
        "RE1": _of_three("B05", "rededge1", 20),
        "RE2": _of_three("B06", "rededge2", 20),
        "RE3": _of_three("B07", "rededge3", 20),
        "N": _of_three("B08", "nir", 10),
        "N2": _of_three("B8A", "nir08", 20),
        "WV": _of_three("B09", "nir09", 60),
        "S1": _of_three("B11", "swir16", 20),
        "S2": _of_three("B12", "swir22", 20),
    },
    # Without and, from processing baseline 04.00 on, with BOA_ADD_OFFSET = -1000.
    (Calibration(0.0001, 0.0), Calibration(0.0001, -0.1)),
    hint="numbers shifted by 1000 have offset -0.1, and the date does not tell whether "
    "they are shifted: ",
)

# Landsat 4-9, Collection 2 Level 2. Not by number: SR_B4 is red on Landsat 8 and near
# infrared on Landsat 7. Before Landsat 8 there is no coastal band.
LANDSAT: Final = Mission(
    "landsat",
    "QA_PIXEL",
    ("qa_pixel", "QA_PIXEL"),
    {
        "A": ("coastal",),
        "B": ("blue",),
        "G": ("green",),
        "R": ("red",),
        "N": ("nir08",),
        "S1": ("swir16",),
        "S2": ("swir22",),
        "T1": ("lwir11", "lwir"),
    },
    # Landsat Collection 2 Level-2 Science Product Guide: scale factors.
    (Calibration(0.0000275, -0.2),),
    thermal={"T1": Calibration(0.00341802, 149.0)},
)

# HLS Product User Guide, version 2.0: reflectance is number * 0.0001, fill -9999. N is
# the narrow B8A, which is fitted to Landsat's near infrared; the broad B08 is not and
# has no letter. Thermal bands are left out: they are of another unit and scale.
HLS_S30: Final = Mission(
    "hls-s30",
    "Fmask",
    ("Fmask",),
    {
        "A": ("B01",),
        "B": ("B02",),
        "G": ("B03",),
        "R": ("B04",),
        "RE1": ("B05",),
        "RE2": ("B06",),
        "RE3": ("B07",),
        "N": ("B8A",),
        "N2": ("B8A",),
        "WV": ("B09",),
        "S1": ("B11",),
        "S2": ("B12",),
    },
    (Calibration(0.0001, 0.0),),
    implied=True,
    nodata=-9999,
    saturated=None,
)
HLS_L30: Final = Mission(
    "hls-l30",
    "Fmask",
    ("Fmask",),
    {
        "A": ("B01",),
        "B": ("B02",),
        "G": ("B03",),
        "R": ("B04",),
        "N": ("B05",),
        "S1": ("B06",),
        "S2": ("B07",),
    },
    (Calibration(0.0001, 0.0),),
    implied=True,
    nodata=-9999,
    saturated=None,
)

_ONLY_IN_S30 = {"B08", "B8A", "B12"}
_HLS_NAME = re.compile(r"HLS\w*?[._-]*([SL])30", re.IGNORECASE)


def asset_of(item: pystac.Item, keys: Sequence[str], *, band: str = "") -> pystac.Asset:
    """Give the asset of the first of some keys that an item has.

    Raises
    ------
    AssetMissing
        It has none of them; the message names `band`, where one is given.
    """
    for key in keys:
        if key in item.assets:
            return item.assets[key]
    raise _no_asset(item, keys, f" for band {band}" if band else "")


def _no_asset(item: pystac.Item, keys: Sequence[str], use: str = "") -> AssetMissing:
    *others, last = keys
    english = f"{', '.join(others)} or {last}" if others else last
    chinese = f"{'、'.join(others)} 或 {last}" if others else last
    return AssetMissing(
        f"item {item.id} has no asset {english}{use} (it has "
        f"{', '.join(sorted(item.assets)) or 'none'}): add the file to the item"
        f" · 影像 {item.id} 缺少 {chinese}，请补上该文件",
        item_id=item.id,
    )


def mission_of(item: pystac.Item) -> Mission:
    """Tell by its mask which mission's dialect an item speaks.

    Raises
    ------
    AssetMissing
        The item has no mask of any mission, or is of HLS and does not say whether its
        bands are numbered as Sentinel-2's or as Landsat's.
    """
    for mission in (SENTINEL_2, LANDSAT):
        if item.assets.keys() & mission.mask_assets:
            return mission
    # In this spelling alone: "fmask" of Geoscience Australia has other classes.
    if item.assets.keys() & HLS_S30.mask_assets:
        return _hls_mission(item)
    raise _no_asset(item, _expected_masks(item))


def _hls_mission(item: pystac.Item) -> Mission:
    # B05 is red edge in the one product and near infrared in the other: no guessing.
    named = _HLS_NAME.search(f"{item.id} {item.collection_id}")
    if named:
        return HLS_S30 if named[1] in "sS" else HLS_L30
    platform = text_of(item, "platform").lower()
    if platform.startswith("sentinel") or item.assets.keys() & _ONLY_IN_S30:
        return HLS_S30
    if platform.startswith("landsat"):
        return HLS_L30
    raise AssetMissing(
        f"item {item.id} does not say which HLS product it is: name it or its "
        "collection HLSS30 or HLSL30, or give it its platform"
        f" · 无法判断影像 {item.id} 属于 HLSS30 还是 HLSL30，请写明影像集或 platform",
        item_id=item.id,
    )


def _expected_masks(item: pystac.Item) -> tuple[str, ...]:
    """Keys of the masks that an item without any might have had."""
    name = f"{item.id} {item.collection_id} {text_of(item, 'platform')}".lower()
    for mission, pattern in (
        (HLS_S30, "hls"),
        (LANDSAT, r"landsat|\bl[cotem]0\d"),
        (SENTINEL_2, r"sentinel-?2|\bs2"),
    ):
        if re.search(pattern, name):
            return mission.mask_assets[:1]
    return "SCL", "qa_pixel", "Fmask"


def text_of(item: pystac.Item, *names: str) -> str:
    """Give the first of some properties that is a text, "" if none is."""
    values = (item.properties.get(name) for name in names)
    return next((value for value in values if isinstance(value, str)), "")


@dataclass(frozen=True, slots=True)
class Sensing:
    """What identifies an acquisition and, below `version`, one processing of it.

    Attributes
    ----------
    tile
        MGRS square or WRS-2 path and row.
    platform
        Satellite, lower case.
    take
        The producer's own name of the acquisition, without its processing.
    strip
        Start of a Sentinel-2 datastrip. A datatake is cut into datastrips, so that a
        tile can come in two pieces, each with a part of the pixels; the start stays
        when a piece is processed again, the datetime of the item does not.
    version
        Comparable; () is older than any other.
    label
        The version for people.
    processed
        When the product was made.
    """

    tile: str | None = None
    platform: str | None = None
    take: str | None = None
    strip: datetime | None = None
    version: tuple[int, ...] = ()
    label: str = ""
    processed: datetime | None = None


# S2A_MSIL2A_20200403T173901_N0500_R098_T13SDV_20230510T053445; the Planetary Computer
# leaves the baseline N0500 out of its ids.
_ESA_NAME = re.compile(
    r"S2[A-Z]_MSIL2A_(?P<take>\d{8}T\d{6})_(?:N(?P<baseline>\d{4})_)?R\d{3}"
    r"_T\d\d[A-Z]{3}_(?P<processed>\d{8}T\d{6})"
)
_SENTINEL_2_TILE = re.compile(r"_T(\d\d[A-Z]{3})(?:_|$)|^S2[A-Z]_(\d{1,2}[A-Z]{3})_")
_DATATAKE = re.compile(r"^GS2[A-Z]_(\d{8}T\d{6})")
_DATASTRIP = re.compile(r"_S(\d{8}T\d{6})")
_BASELINE = re.compile(r"^(\d\d)\.(\d\d)$")

# LC09_L2SP_010065_20220129_20220131_02_T1_SR; the Planetary Computer leaves the second
# date, of processing, out.
_LANDSAT_NAME = re.compile(
    r"^L[COTEM]0(?P<number>\d)_\w{4}_(?P<tile>\d{6})_(?P<day>\d{8})"
    r"(?:_(?P<processed>\d{8}))?_(?P<collection>\d\d)_(?P<tier>RT|T1|T2)"
)
# LC90100652022029LGN00: satellite, path, row, year and day, station, version.
_LANDSAT_SCENE = re.compile(r"^L[COTEM](?P<number>\d)\d{6}(?P<day>\d{7})")

# HLS.S30.T51TXJ.2026185T022601.v2.0
_HLS_GRANULE = re.compile(
    r"HLS\.(?P<take>[SL]30\.T(?P<tile>\d\d[A-Z]{3})\.\d{7}T\d{6})\.v(?P<version>[\d.]+)"
)


def sensing_of(item: pystac.Item, mission: Mission) -> Sensing:
    """Read an item's acquisition and processing from its properties and its id."""
    if mission is SENTINEL_2:
        return _sentinel_2(item)
    if mission is LANDSAT:
        return _landsat(item)
    return _hls(item)


def _sentinel_2(item: pystac.Item) -> Sensing:
    name = _ESA_NAME.search(item.id) or _ESA_NAME.search(
        text_of(item, "s2:product_uri")
    )
    taken = _DATATAKE.search(text_of(item, "s2:datatake_id", "eopf:datatake_id"))
    strip = _DATASTRIP.search(text_of(item, "s2:datastrip_id", "eopf:datastrip_id"))
    in_id = _SENTINEL_2_TILE.search(item.id)
    version = baseline_of(item)
    return Sensing(
        tile=_mgrs_tile(item) or (_square(in_id[1] or in_id[2]) if in_id else None),
        platform=_platform(item),
        take=taken[1] if taken else name["take"] if name else None,
        strip=_moment(strip[1]) if strip else None,
        version=version,
        label="baseline " + ".".join(f"{n:02}" for n in version) if version else "",
        processed=_moment(text_of(item, "s2:generation_time", "processing:datetime"))
        or _moment(name["processed"] if name else "")
        or _described(item),
    )


def baseline_of(item: pystac.Item) -> tuple[int, ...]:
    """Sentinel-2 processing baseline, (5, 11) for 05.11; () where it is not known."""
    stated = text_of(item, "s2:processing_baseline", "processing:version")
    found = _BASELINE.search(stated)
    if found:
        return int(found[1]), int(found[2])
    name = _ESA_NAME.search(item.id) or _ESA_NAME.search(
        text_of(item, "s2:product_uri")
    )
    digits = name["baseline"] if name else None
    return (int(digits[:2]), int(digits[2:])) if digits else ()


def _landsat(item: pystac.Item) -> Sensing:
    name = _LANDSAT_NAME.search(item.id)
    scene = _LANDSAT_SCENE.search(text_of(item, "landsat:scene_id"))
    take = None
    if name:
        take = f"{name['number']} {name['day']}"
    elif scene:
        day = datetime.strptime(scene["day"], "%Y%j").replace(tzinfo=UTC)
        take = f"{scene['number']} {day:%Y%m%d}"
    tier = text_of(item, "landsat:collection_category") or (
        name["tier"] if name else ""
    )
    number = text_of(item, "landsat:collection_number") or (
        name["collection"] if name else ""
    )
    return Sensing(
        tile=_path_and_row(item) or (name["tile"] if name else None),
        platform=_platform(item),
        take=take,
        # Real-time scenes are replaced within weeks by tier 1 or 2.
        version=(int(number), int(tier != "RT")) if number.isdecimal() else (),
        label=f"collection {number} {tier}".strip() if number else tier,
        processed=_moment((name["processed"] if name else "") or "")
        or _described(item),
    )


def _path_and_row(item: pystac.Item) -> str | None:
    numbers = [text_of(item, f"landsat:wrs_{name}") for name in ("path", "row")]
    decimal = all(number.isdecimal() for number in numbers)
    return "".join(number.zfill(3) for number in numbers) if decimal else None


def _hls(item: pystac.Item) -> Sensing:
    name = _HLS_GRANULE.search(item.id)
    digits = [int(n) for n in name["version"].split(".") if n] if name else []
    return Sensing(
        tile=_square(name["tile"]) if name else _mgrs_tile(item),
        platform=_platform(item),
        take=name["take"] if name else None,
        version=tuple(digits),
        label=f"v{'.'.join(map(str, digits))}" if digits else "",
        processed=_described(item),
    )


def _mgrs_tile(item: pystac.Item) -> str | None:
    """Square by the grid, Sentinel-2 or MGRS extension of STAC; all spellings agree."""
    code = text_of(item, "s2:mgrs_tile") or text_of(item, "grid:code")
    if re.fullmatch(r"(MGRS-)?T?\d{1,2}[A-Z]{3}", code):
        return _square(code.removeprefix("MGRS-"))
    zone = item.properties.get("mgrs:utm_zone")
    letters = text_of(item, "mgrs:latitude_band") + text_of(item, "mgrs:grid_square")
    return f"{int(zone)}{letters}" if isinstance(zone, int) and letters else None


def _square(code: str) -> str:
    # "T07HFE", "07HFE" and "7HFE" are one square.
    return code.removeprefix("T").lstrip("0")


def _platform(item: pystac.Item) -> str | None:
    named = text_of(item, "platform").lower().replace("_", "-")
    satellite = re.match(r"S2([A-Z])_", item.id)
    return named or (f"sentinel-2{satellite[1].lower()}" if satellite else None)


def _described(item: pystac.Item) -> datetime | None:
    """When the item itself was written: the best guess where the product is silent."""
    return _moment(text_of(item, "updated", "created"))


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
