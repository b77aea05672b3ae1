"""What the Process API is asked to compute, and what its numbers then mean.

Reflectance is asked for as such, negative values included (``harmonizeValues`` false:
by default the service sets them to zero), and stored as ESA stores it: 10000 times,
shifted by 1000 from processing baseline 04.00 on, 0 = no data. So the number does not
depend on what the service does with the shift of its files, and at the bands' own
pixel size it is the number of ESA's product again.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ingest.offer import BandOffer
from raster.mission import SENTINEL_2

__all__ = [
    "MASK",
    "META",
    "NATIVE",
    "NODATA",
    "SCALE",
    "SCENE_CLASSES",
    "VALUES",
    "declared",
    "evalscript",
    "offset_of",
    "outputs",
]

# Names of the parts of an answer; dataMask tells data from no data, whatever the band.
VALUES: Final = "values"
SCENE_CLASSES: Final = "SCL"
MASK: Final = "dataMask"
META: Final = "userdata"

SCALE: Final = 0.0001
NODATA: Final = 0
_LARGEST: Final = 65535

# Pixel size in metres (Sentinel-2 Products Specification; SCL comes with 20 m).
NATIVE: Final[Mapping[str, float]] = {
    **dict.fromkeys(("B02", "B03", "B04", "B08"), 10.0),
    **dict.fromkeys(("B05", "B06", "B07", "B8A", "B11", "B12", SCENE_CLASSES), 20.0),
    **dict.fromkeys(("B01", "B09"), 60.0),
}


def offset_of(baseline: tuple[int, ...]) -> float:
    """Offset of the stored numbers of a processing baseline, () if it is not known.

    The shift holds by what the script computes, so that any would be right; the one of
    ESA's own product is what `raster.calibration` expects.
    """
    old = bool(baseline) and baseline < (4, 0)
    return SENTINEL_2.calibrations[0 if old else 1].offset


def declared(item_id: str, bands: Iterable[BandOffer]) -> dict[str, Any]:
    """Say what the numbers of an answer are; the service sends it back with them."""
    optical = [band for band in bands if band.key != SCENE_CLASSES]
    offset = optical[0].offset if optical else None
    return {
        "product": item_id,
        "bands": [band.key for band in optical],
        "scale": SCALE,
        "offset": offset,
        "nodata": NODATA,
        "largest": _LARGEST,
    }


def outputs(keys: Iterable[str]) -> dict[str, tuple[int, str]]:
    """Rasters of an answer: number of bands and NumPy type by name."""
    every = tuple(keys)
    optical = sum(key != SCENE_CLASSES for key in every)
    return {
        **({VALUES: (optical, "uint16")} if optical else {}),
        **({SCENE_CLASSES: (1, "uint8")} if SCENE_CLASSES in every else {}),
        MASK: (1, "uint8"),
    }


def evalscript(meaning: Mapping[str, Any], keys: Iterable[str], path: str) -> str:
    """Write the script of one piece.

    Parameters
    ----------
    meaning
        As `declared`.
    keys
        Bands of the piece, SCL possibly among them.
    path
        Where the service keeps the tile, as its catalogue says it; "" if it does not.
        The Copernicus Data Space names the product in it, the main deployment only
        path and date.
    """
    every = list(keys)
    optical = [key for key in every if key != SCENE_CLASSES]
    setup = {
        "input": [
            {
                "bands": [*every, MASK],
                "units": [_unit(key) for key in every] + ["DN"],
            }
        ],
        "output": [
            {"id": name, "bands": count, "sampleType": dtype.upper()}
            for name, (count, dtype) in outputs(every).items()
        ],
        "mosaicking": "TILE",
    }
    shift = round(-(meaning["offset"] or 0.0) / SCALE)
    return _SCRIPT.format(
        meaning=json.dumps(meaning),
        path=json.dumps(path.rstrip("/")),
        setup=json.dumps(setup),
        optical=json.dumps(optical),
        classes=json.dumps(SCENE_CLASSES in every),
        factor=round(1 / SCALE),
        shift=shift,
        largest=_LARGEST,
    )


def _unit(key: str) -> str:
    return "DN" if key == SCENE_CLASSES else "REFLECTANCE"


# TILE mosaicking: neighbours overlap by 10 km and have the same time, and only this
# tile's own pixels are wanted. A path is compared without regular expressions, which
# not every deployment reads. Doubled braces are single ones after `format`.
_SCRIPT = """//VERSION=3
const MEANING = {meaning};
const PATH = {path};
const OPTICAL = {optical};

function setup() {{
  return {setup};
}}

function placeOf(tile) {{
  return String(tile.dataPath || tile.productId || tile.tileOriginalId || "");
}}

function isWanted(tile) {{
  let place = placeOf(tile);
  while (place.endsWith("/")) {{
    place = place.slice(0, -1);
  }}
  const named = place.includes(MEANING.product)
    || String(tile.productId || "").includes(MEANING.product);
  return named || (PATH !== "" && place === PATH);
}}

function preProcessScenes(collections) {{
  collections.scenes.tiles = collections.scenes.tiles.filter(isWanted);
  return collections;
}}

function stored(reflectance) {{
  const number = Math.round({factor} * reflectance) + {shift};
  return Math.min(Math.max(number, 0), {largest});
}}

function evaluatePixel(samples) {{
  const valid = samples.length > 0 && samples[0].dataMask === 1;
  const answer = {{ dataMask: [valid ? 1 : 0] }};
  if (OPTICAL.length > 0) {{
    answer.values = OPTICAL.map((band) => (valid ? stored(samples[0][band]) : 0));
  }}
  if ({classes}) {{
    answer.SCL = [valid ? samples[0].SCL : 0];
  }}
  return answer;
}}

function updateOutputMetadata(scenes, inputMetadata, outputMetadata) {{
  const tiles = (scenes.tiles || []).map(placeOf);
  outputMetadata.userData = Object.assign({{ tiles: tiles }}, MEANING);
}}
"""
