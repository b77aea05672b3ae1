"""One block of a season: each date read once, and only what is asked computed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from raster.composite import (
    MISSING,
    NODATA,
    max_composite,
    median_composite,
    sorting_network,
)
from raster.curve import PHENOLOGY, Curves, curves
from raster.indices import Index
from raster.memory import keep_memory
from raster.observe import Formulas, index_limits, observe_scene
from raster.open_files import GDAL_OPTIONS
from raster.plane import Plane
from raster.reader import read_band, read_clear
from raster.selection import Observation, Scene
from raster.step import TimeStep

Float = NDArray[np.float32]
Byte = NDArray[np.uint8]
Composite = Literal["median", "max", "best"]

# A server that computes a pixel for a click need not keep a batch's memory.
_LARGE_BLOCK = 256 * 256

SMOOTH = "_smooth"
CLEAR_COUNT = "clear_count"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What every block of a season computes, and how.

    Attributes
    ----------
    variables
        Names of the results.
    indices
        Every index that a result needs.
    phenology_index
        Name of the one whose seasons are sought.
    steps
        Time steps, in order.
    start
        The day that dates are counted from.
    composite, smoothing, threshold, seasons, cloud_buffer, verify
        As in `raster.season.season`.
    """

    variables: tuple[str, ...]
    indices: tuple[Index, ...]
    phenology_index: str
    steps: tuple[TimeStep, ...]
    start: date
    composite: Composite
    smoothing: float
    threshold: float
    seasons: int
    cloud_buffer: float
    verify: bool

    @property
    def times(self) -> Float:
        """Centres of the steps in days since `start`, float32 (time,)."""
        days = [(step.centre - self.start).days for step in self.steps]
        return np.array(days, np.float32)

    @property
    def finds_seasons(self) -> bool:
        """Whether a result tells of the season."""
        return not set(PHENOLOGY).isdisjoint(self.variables)

    def smooths(self, index: Index) -> bool:
        """Whether a result needs the smoothed series of an index."""
        for_season = self.finds_seasons and index.name == self.phenology_index
        return for_season or index.name + SMOOTH in self.variables


@dataclass(frozen=True, slots=True)
class _Cubes:
    """Composites of one block by index, int16 (time, pixels), and what is behind."""

    values: dict[str, NDArray[np.int16]]
    weights: dict[str, Byte]
    clear_count: Byte


@dataclass(frozen=True, slots=True)
class _Job:
    """What stays the same for all scenes of a block."""

    geobox: GeoBox
    recipe: Recipe
    formulas: Formulas

    @property
    def is_best(self) -> bool:
        return self.recipe.composite == "best"


def season_block(
    geobox: GeoBox, looks: Sequence[Observation], recipe: Recipe
) -> dict[str, NDArray[Any]]:
    """Compute the asked variables of one block.

    Returns
    -------
    One array a variable in the dims, dtypes and scales of `raster.season.season`.

    Raises
    ------
    SceneUnreadable
        A file is missing or damaged.
    """
    if geobox.shape[0] * geobox.shape[1] >= _LARGE_BLOCK:
        keep_memory()
    with rasterio.Env(**GDAL_OPTIONS):
        cubes = _composites(geobox, looks, recipe)
    flat: dict[str, NDArray[Any]] = {CLEAR_COUNT: cubes.clear_count}
    for index in recipe.indices:
        values = cubes.values.pop(index.name)
        weights = cubes.weights.pop(index.name)
        if recipe.smooths(index):
            flat |= _smoothed(values, weights, index, recipe)
        flat[index.name] = values
    return {
        name: flat[name].reshape(*flat[name].shape[:-1], *geobox.shape)
        for name in recipe.variables
    }


def _smoothed(
    values: NDArray[np.int16], weights: Byte, index: Index, recipe: Recipe
) -> dict[str, NDArray[np.int16]]:
    found: Curves = curves(
        values,
        weights,
        recipe.times,
        scale=index.scale,
        limits=index_limits(index),
        smoothing=recipe.smoothing,
        threshold=recipe.threshold,
        seasons=recipe.seasons,
        wants_series=index.name + SMOOTH in recipe.variables,
        wants_seasons=recipe.finds_seasons and index.name == recipe.phenology_index,
    )
    told = {}
    if found.seasons.size:
        by_name = zip(PHENOLOGY, np.moveaxis(found.seasons, 1, 0), strict=True)
        told = {n: v[0] if recipe.seasons == 1 else v for n, v in by_name}
    return told | {index.name + SMOOTH: found.series}


def _composites(geobox: GeoBox, looks: Sequence[Observation], recipe: Recipe) -> _Cubes:
    grouped = [_looks_of(step, looks, recipe.composite) for step in recipe.steps]
    cube = (len(grouped), geobox.shape[0] * geobox.shape[1])
    cubes = _Cubes(
        {index.name: np.empty(cube, np.int16) for index in recipe.indices},
        {index.name: np.empty(cube, np.uint8) for index in recipe.indices},
        np.zeros(cube if CLEAR_COUNT in recipe.variables else (0, 0), np.uint8),
    )
    job = _Job(geobox, recipe, Formulas(recipe.indices))
    layers = 1 if job.is_best else max(map(len, grouped))
    # One buffer for all steps: memory grows with the busiest step, not the season.
    observations = np.empty((layers, len(recipe.indices), cube[1]), np.float32)
    for number, step_looks in enumerate(grouped):
        asked = cubes.clear_count.size > 0
        count = cubes.clear_count[number] if asked else np.zeros(cube[1], np.uint8)
        filled = _observe(step_looks, job, observations, count)
        _composite(observations[:filled], recipe, cubes, number)
        if job.is_best:
            # One observation is shown, and weighs as much as the step was seen.
            for weights in cubes.weights.values():
                np.multiply(weights[number], count, out=weights[number])
    return cubes


def _looks_of(
    step: TimeStep, looks: Iterable[Observation], composite: Composite
) -> list[Observation]:
    """Observations of a step; for the best pixel those nearest its centre first."""
    found = [look for look in looks if step.start <= look.acquired <= step.end]
    if composite == "best":
        found.sort(key=lambda look: abs(look.acquired - step.centre))
    return found


def _observe(
    looks: Sequence[Observation], job: _Job, observations: Float, count: Byte
) -> int:
    """Fill one layer of `observations` a look, and tell how many were of use."""
    filled = 0
    for look in looks:
        # The best pixel has one layer: what a look leaves open the next completes.
        completes = job.is_best and filled > 0
        layer = observations[0 if job.is_best else filled]
        seen, added = _add_look(look, job, layer, completes=completes)
        count += seen
        filled += added and not completes
    return filled


def _add_look(
    look: Observation, job: _Job, layer: Float, *, completes: bool
) -> tuple[Byte, bool]:
    """Put a look's scenes into a layer; where it was clear, and whether it was used."""
    seen = np.zeros(layer.shape[1], np.uint8)
    first = not completes
    for scene in look.scenes:
        clear = _clear(scene, job)
        seen |= clear
        # Under full cloud nothing is wanted, and the large bands stay unread.
        if job.formulas.indices and _is_wanted(clear, layer, first=first):
            _add_scene(scene, job, clear, layer, first=first)
            first = False
    return seen, not first


def _is_wanted(clear: Byte, layer: Float, *, first: bool) -> bool:
    if first:
        return bool(clear.any())
    return bool(((layer == MISSING).any(axis=0) & (clear != 0)).any())


def _clear(scene: Scene, job: _Job) -> Byte:
    """Clear-ground mask of a scene on the pixels of a block, uint8 (pixels,)."""
    return read_clear(
        scene.mask,
        job.geobox,
        kind=scene.mask_kind,
        cloud_buffer=job.recipe.cloud_buffer,
        verify=job.recipe.verify,
    )


def _add_scene(
    scene: Scene, job: _Job, clear: Byte, layer: Float, *, first: bool
) -> None:
    bands = [scene.bands[letter] for letter in job.formulas.bands]
    verify = job.recipe.verify
    planes = [read_band(band, job.geobox, verify=verify) for band in bands]
    observe_scene(
        _of_one_type(planes),
        bands,
        clear,
        job.formulas,
        layer,
        width=job.geobox.shape[1],
        first=first,
        together=job.is_best,
    )


def _of_one_type(planes: list[Plane]) -> list[Plane]:
    """Give the kernels one type; float32 holds every 16-bit number."""
    if len({plane.pixels.dtype for plane in planes}) == 1:
        return planes
    return [Plane(p.pixels.astype(np.float32), *p.layout) for p in planes]


def _composite(observations: Float, recipe: Recipe, cubes: _Cubes, number: int) -> None:
    """Reduce the observations of one step to its composites."""
    network = sorting_network(len(observations))
    for k, index in enumerate(recipe.indices):
        values, weights = (
            cubes.values[index.name][number],
            cubes.weights[index.name][number],
        )
        if not len(observations):
            values.fill(NODATA)
            weights.fill(0)
        elif recipe.composite == "median":
            median_composite(observations, k, network, 1 / index.scale, values, weights)
        else:
            max_composite(observations, k, 1 / index.scale, values, weights)
