"""Which pixels of a scene show the ground.

Three producers, three kinds of classes, one answer. A class is clear, or it blocks the
view; of the blocking ones clouds and shadows also spoil their neighbours and can be
grown, while nodata, saturation, snow and the margins a producer has already drawn
around its clouds end where they end.

| kind | clear | blocks and grows | blocks |
|---|---|---|---|
| SCL | 4, 5, 6, 7 | 2, 3, 8, 9, 10 | 0, 1, 11, unknown |
| QA_PIXEL | the rest | bits 2, 3, 4; cloud confidence from medium | bits 0, 1, 5 |
| Fmask | the rest | bits 0, 1, 3 | bits 2, 4; 255 |

Sources: Sentinel-2 Level-2A ATBD (S2-PDGS-MPC-ATBD-L2A) and Products Specification
(SCL); Landsat 8-9 and 4-7 Collection 2 Level 2 Science Product Guides, LSDS-1619 table
6-2 and LSDS-1618 table 5-5 (QA_PIXEL); HLS Product User Guide, version 2.0 (Fmask).
"""

import math
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from raster.errors import SettingInvalid
from raster.jit import kernel

MaskKind = Literal["SCL", "QA_PIXEL", "Fmask"]

Byte = NDArray[np.uint8]
Classes = NDArray[np.uint8] | NDArray[np.uint16]

MASK_NODATA: Final[dict[MaskKind, int]] = {"SCL": 0, "QA_PIXEL": 1, "Fmask": 255}
"""The class that means "no data here"; never clear."""

# Class 7, unclassified, is mostly bright or mixed ground. Class 2 is a dark area, since
# processing baseline 04.00 the cast shadow of a mountain. Class 11, snow, hides a crop.
_CLEAR_CLASSES = (4, 5, 6, 7)
_SHADE_CLASSES = (2, 3, 8, 9, 10)

# QA_PIXEL: 0 fill, 1 dilated cloud, 2 cirrus, 3 cloud, 4 cloud shadow, 5 snow, 6 clear,
# 7 water, 8-9 confidence of cloud (2 medium, 3 high). Bit 6 is of no use: over water
# Landsat 4-7 leaves it unset. Medium confidence sets no flag of its own (22080 in table
# 6-3); it counts as a cloud here, as class 8 of Sentinel-2 does.
_QA_BLOCKS = 0b0010_0011
_QA_GROWS = 0b10_0001_1100

# Fmask: 0 cirrus (before version 2.0, now unused), 1 cloud, 2 adjacent to cloud or
# shadow, 3 cloud shadow, 4 snow or ice, 5 water, 6-7 aerosol level.
_FMASK_BLOCKS = 0b0001_0100
_FMASK_GROWS = 0b0000_1011

# What a table says of a class.
_BLOCKS, _CLEAR, _GROWS = 0, 1, 2


def clear_mask(classes: Classes, *, kind: MaskKind, grow: int = 0) -> Byte:
    """Find the pixels that show the ground.

    Parameters
    ----------
    classes
        uint8 or uint16 (y, x), as the producer wrote them. With a `grow` it must reach
        `grow` pixels past the wanted pixels on every side, for what lies there
        shades them; the caller cuts this margin off the result.
    kind
        Who made the classes: "SCL" Sentinel-2, "QA_PIXEL" Landsat Collection 2,
        "Fmask" HLS.
    grow
        Radius of the disk, in pixels of `classes`, by which clouds and shadows grow: a
        pixel is not clear when the centre of a cloudy one is at most this far away.

    Returns
    -------
    uint8 (y, x): 1 = clear, 0 = not, also where nothing was measured.

    Raises
    ------
    SettingInvalid
        `grow` is negative, `kind` unknown, or `classes` of another type or shape.
    """
    _check(classes, kind, grow)
    state = np.empty(classes.shape, np.uint8)
    if grow == 0:
        _look_up(classes.ravel(), _CLEAR_TABLES[kind], state.ravel())
        return state
    _look_up(classes.ravel(), _TABLES[kind], state.ravel())
    shaded = np.zeros(classes.shape, np.uint8)
    _grow(state, _half_widths(grow), shaded)
    _keep_clear(state.ravel(), shaded.ravel())
    return state


def _check(classes: Classes, kind: str, grow: int) -> None:
    if kind not in _TABLES:
        raise SettingInvalid(
            f"mask kind {kind!r}: choose one of {', '.join(get_args(MaskKind))}"
            f" · 未知的掩膜类型 {kind!r}，请选用 {'、'.join(get_args(MaskKind))}"
        )
    if grow < 0:
        raise SettingInvalid(
            f"mask grown by {grow} pixels: choose 0 or more"
            f" · 云掩膜扩展 {grow} 个像元无效，请取 0 或更大的值"
        )
    if classes.ndim != 2 or classes.dtype not in (np.uint8, np.uint16):
        raise SettingInvalid(
            f"{kind} classes of type {classes.dtype} and shape {classes.shape}: give "
            "uint8 or uint16 (y, x)"
            f" · {kind} 应为二维 uint8 或 uint16 数组，实际为 {classes.dtype}"
            f" {classes.shape}"
        )


def _half_widths(radius: int) -> NDArray[np.int64]:
    """Half width of the disk's row at each distance from its middle row."""
    return np.array([math.isqrt(radius**2 - d**2) for d in range(radius + 1)])


def _scl_table() -> Byte:
    table = np.full(1 << 16, _BLOCKS, np.uint8)
    table[list(_CLEAR_CLASSES)] = _CLEAR
    table[list(_SHADE_CLASSES)] = _GROWS
    return table


def _bit_table(values: NDArray[np.intp], *, blocks: int, grows: int) -> Byte:
    table = np.full(1 << 16, _BLOCKS, np.uint8)
    table[values] = _CLEAR
    table[values[(values & blocks) != 0]] = _BLOCKS
    table[values[(values & grows) != 0]] = _GROWS
    return table


def _qa_table() -> Byte:
    table = _bit_table(np.arange(1 << 16), blocks=_QA_BLOCKS, grows=_QA_GROWS)
    # Fill ends at the edge of the swath, whatever the other bits of the pixel say.
    table[1::2] = _BLOCKS
    return table


def _fmask_table() -> Byte:
    table = _bit_table(np.arange(1 << 8), blocks=_FMASK_BLOCKS, grows=_FMASK_GROWS)
    table[MASK_NODATA["Fmask"]] = _BLOCKS
    return table


# All as long as uint16 reaches: a class beyond what its producer defines is then looked
# up safely, and blocks.
_TABLES: Final[dict[str, Byte]] = {
    "SCL": _scl_table(),
    "QA_PIXEL": _qa_table(),
    "Fmask": _fmask_table(),
}
_CLEAR_TABLES: Final[dict[str, Byte]] = {
    kind: (table == _CLEAR).view(np.uint8) for kind, table in _TABLES.items()
}


@kernel
def _look_up(classes: Classes, table: Byte, state: Byte) -> None:
    for i in range(classes.size):
        state[i] = table[classes[i]]


@kernel
def _grow(state: Byte, half_widths: NDArray[np.int64], shaded: Byte) -> None:
    """Set `shaded` (y, x) to 1 within the disk around every growing pixel."""
    rows, columns = state.shape
    radius = half_widths.size - 1
    # Zeros on both sides, so that a shifted row needs no look at its ends.
    padded = np.zeros(columns + 2 * radius, np.uint8)
    reach = np.empty(columns, np.uint8)
    for y in range(rows):
        if not _growing(state[y], padded[radius : radius + columns]):
            continue
        reach[:] = padded[radius : radius + columns]
        width = 0
        # The disk's rows get wider towards its middle: each adds to the one before.
        for distance in range(radius, -1, -1):
            while width < half_widths[distance]:
                width += 1
                _add(reach, padded[radius - width : radius - width + columns])
                _add(reach, padded[radius + width : radius + width + columns])
            if y >= distance:
                _add(shaded[y - distance], reach)
            if y + distance < rows:
                _add(shaded[y + distance], reach)


@kernel
def _growing(state: Byte, growing: Byte) -> bool:
    """Write which pixels of a row grow; whether any does."""
    found = np.uint8(0)
    for x in range(state.size):
        growing[x] = state[x] >> 1
        found |= state[x] >> 1
    return bool(found)


@kernel
def _add(target: Byte, source: Byte) -> None:
    for x in range(target.size):
        target[x] |= source[x]


@kernel
def _keep_clear(state: Byte, shaded: Byte) -> None:
    for i in range(state.size):
        state[i] &= 1 & ~shaded[i]
