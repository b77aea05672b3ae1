"""From the numbers of one scene to its indices, one pixel row at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raster.composite import MISSING
from raster.formula import BAND_STEP, CONSTANT_STEP, evaluate
from raster.indices import Index
from raster.jit import kernel
from raster.plane import Plane, stretch_row
from raster.selection import Band

Float = NDArray[np.float32]
Byte = NDArray[np.uint8]

_NIL = np.float32(0)
_NAN = np.float32(np.nan)

_INT16_MAX = 32767

# Columns of a layout and of a calibration.
_FACTOR, _ROW, _COLUMN = 0, 1, 2
_SCALE, _OFFSET, _NODATA, _SATURATED = 0, 1, 2, 3


@dataclass(frozen=True)
class Formulas:
    """Several indices as one program, over one set of bands.

    Attributes
    ----------
    indices
        What is computed, in this order.
    """

    indices: tuple[Index, ...]

    @cached_property
    def bands(self) -> tuple[str, ...]:
        """Letters of all bands that are read, each once."""
        return tuple(dict.fromkeys(b for i in self.indices for b in i.program.bands))

    @cached_property
    def arrays(self) -> tuple[Any, ...]:
        """What `observe` takes: code, its ends, constants, limits, stack depth."""
        code: list[tuple[int, int]] = []
        constants: list[float] = []
        ends = []
        for index in self.indices:
            code += self._moved(index, first_constant=len(constants))
            constants += index.program.constants.tolist()
            ends.append(len(code))
        return (
            np.array(code, np.int32),
            np.array(ends, np.int64),
            np.array(constants, np.float32),
            np.array([index_limits(index) for index in self.indices], np.float32),
            max(index.program.depth for index in self.indices),
        )

    def _moved(self, index: Index, *, first_constant: int) -> list[tuple[int, int]]:
        """Give the steps of one program, with the bands and constants of all."""
        program, moved = index.program, []
        for step, argument in program.code.tolist():
            if step == BAND_STEP:
                argument = self.bands.index(program.bands[argument])
            elif step == CONSTANT_STEP:
                argument += first_constant
            moved.append((step, argument))
        return moved


def index_limits(index: Index) -> tuple[float, float]:
    """Lowest and highest value that is kept: the index's own, or what int16 holds."""
    largest = _INT16_MAX * index.scale
    return index.valid or (-largest, largest)


def observe_scene(
    planes: Sequence[Plane],
    bands: Sequence[Band],
    clear: Byte,
    formulas: Formulas,
    observations: Float,
    *,
    width: int,
    first: bool,
    together: bool,
) -> None:
    """Put a scene's indices where it is clear and nothing stands yet.

    Parameters
    ----------
    planes, bands
        Pixels and calibration, in the order of ``formulas.bands``; one integer type.
    clear
        uint8 (pixels,), 1 = clear.
    observations
        float32 (indices, pixels), changed; `MISSING` where nothing stands.
    width
        Pixels of a row of the block.
    first
        The observations are yet undefined: this scene also fills what is missing.
    together
        A pixel takes all its indices from this scene, or none.
    """
    calibrations = np.array([_calibration(band) for band in bands], np.float32)
    _observe(
        tuple(plane.pixels for plane in planes),
        np.array([plane.layout for plane in planes]),
        calibrations,
        clear,
        formulas.arrays,
        observations,
        width,
        first,
        together,
    )


def _calibration(band: Band) -> tuple[float, float, float, float]:
    if band.calibration is None:
        return 1, 0, band.nodata, np.inf
    saturated = np.inf if band.saturated is None else band.saturated
    return band.calibration.scale, band.calibration.offset, band.nodata, saturated


@kernel
def reflect_row(numbers: NDArray[Any], calibration: Float, reflectance: Float) -> None:
    """Reflectance of a row of numbers, at least 0; NaN where nothing was measured.

    With its offset a dark pixel can come out negative, and a ratio of two bands would
    then change its sign.
    """
    scale, offset = calibration[_SCALE], calibration[_OFFSET]
    nodata, saturated = calibration[_NODATA], calibration[_SATURATED]
    for x in range(reflectance.size):
        number = np.float32(numbers[x])
        measured = (number != nodata) & (number != saturated)
        value = max(number * scale + offset, _NIL)
        reflectance[x] = value if measured else _NAN


@kernel
def _observe(
    bands: tuple[NDArray[Any], ...],
    layouts: NDArray[np.int64],
    calibrations: Float,
    clear: Byte,
    program: tuple[Any, ...],
    observations: Float,
    width: int,
    first: bool,
    together: bool,
) -> None:
    limits = program[3]
    planes = np.empty((len(bands), width), np.float32)
    numbers = np.empty(width, bands[0].dtype)
    results = np.empty((len(limits), program[4], width), np.float32)
    takes = np.empty((len(limits), width), np.uint8)
    for y in range(clear.size // width):
        row = slice(y * width, (y + 1) * width)
        wanted = False
        for index in range(len(limits)):
            standing = observations[index, row]
            wanted |= _find_wanted(clear[row], standing, first, takes[index])
        if wanted:
            for band in range(len(bands)):
                source = bands[band][
                    (y + layouts[band, _ROW]) // layouts[band, _FACTOR]
                ]
                if layouts[band, _FACTOR] == 1:
                    reflect_row(source, calibrations[band], planes[band])
                else:
                    factor, column = layouts[band, _FACTOR], layouts[band, _COLUMN]
                    stretch_row(source, factor, column, numbers)
                    reflect_row(numbers, calibrations[band], planes[band])
            _run(program, planes, results, takes)
            if together:
                _agree(takes)
        if wanted or first:
            for index in range(len(limits)):
                _put(results[index, 0], takes[index], first, observations[index, row])


@kernel
def _find_wanted(clear: Byte, standing: Float, first: bool, takes: Byte) -> bool:
    """Mark the pixels of a row to be taken; tells whether there are any."""
    total = 0
    for x in range(clear.size):
        free = True if first else standing[x] == MISSING
        takes[x] = clear[x] if free else 0
        total += takes[x]
    return total > 0


@kernel
def _run(program: tuple[Any, ...], planes: Float, results: Float, takes: Byte) -> None:
    """Compute the indices of a row; what has no value is not taken."""
    code, ends, constants, limits, _ = program
    where = np.arange(planes.shape[0]).astype(np.int32)
    begin = 0
    for index in range(len(ends)):
        end = ends[index]
        evaluate(code[begin:end], constants, where, planes, results[index])
        begin = end
        values, taken = results[index, 0], takes[index]
        low, high = limits[index, 0], limits[index, 1]
        for x in range(values.size):
            taken[x] = taken[x] if abs(values[x]) < MISSING else 0
            values[x] = min(max(values[x], low), high)


@kernel
def _agree(takes: Byte) -> None:
    """Take a pixel for all indices or for none."""
    for index in range(1, len(takes)):
        for x in range(takes.shape[1]):
            takes[0, x] &= takes[index, x]
    for index in range(1, len(takes)):
        takes[index] = takes[0]


@kernel
def _put(values: Float, takes: Byte, first: bool, observations: Float) -> None:
    if first:
        for x in range(values.size):
            observations[x] = values[x] if takes[x] != 0 else MISSING
    else:
        for x in range(values.size):
            observations[x] = values[x] if takes[x] != 0 else observations[x]
