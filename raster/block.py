"""One block of a season: read all dates once, compute what is asked, scale."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from raster.composite import Calibration, is_measured, median, ndvi, reflectance
from raster.dekad import TimeStep
from raster.mask import is_clear
from raster.phenology import SeasonDates, season_dates, season_integral
from raster.reader import CACHE_BYTES, read_band
from raster.scene import SCENE_CLASS, Observation, Scene
from raster.smooth import interpolate, observed_span, whittaker

Float = NDArray[np.float32]
Mask = NDArray[np.bool_]

NODATA = -32768
NDVI_SCALE = 1e-4
INTEGRAL_SCALE = 1e-2

# Two values fix a straight line, not a season.
MIN_COMPOSITES = 3

# Pixels worked on at a time: the solver's arrays then stay in the CPU cache.
_PART = 16_384


@dataclass(frozen=True, slots=True)
class Recipe:
    """What every block of a season computes, and how."""

    variables: tuple[str, ...]
    steps: tuple[TimeStep, ...]
    start: date
    smoothing: float
    threshold: float

    @property
    def times(self) -> Float:
        """Centres of the steps in days since `start`, float32 (time,)."""
        days = [(step.centre - self.start).days for step in self.steps]
        return np.array(days, np.float32)

    @property
    def reads_reflectance(self) -> bool:
        """Whether anything but the count of clear observations is asked."""
        return any(name != "clear_count" for name in self.variables)

    @property
    def smooths(self) -> bool:
        """Whether anything is asked that needs the smoothed series."""
        return not {"clear_count", "ndvi"}.issuperset(self.variables)


def season_block(
    geobox: GeoBox, looks: Sequence[Observation], recipe: Recipe
) -> dict[str, NDArray[Any]]:
    """Compute the asked variables of one block.

    Returns
    -------
    One array a variable, (time, y, x) or (y, x), in the dtypes and scales of
    `raster.season.season`.
    """
    grouped = [
        [k for k in looks if s.start <= k.acquired <= s.end] for s in recipe.steps
    ]
    with rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES):
        clear = {scene.key: _clear(scene, geobox) for k in looks for scene in k.scenes}
        count = _clear_count(grouped, clear, pixels=geobox.shape[0] * geobox.shape[1])
        # Much of a province's rectangle is outside or never clear: the rest of the
        # work sees only the other pixels, side by side.
        columns = np.flatnonzero(count.any(axis=0))
        composites = (
            _composites(grouped, clear, geobox, columns)
            if recipe.reads_reflectance
            else np.empty((len(grouped), 0), np.float32)
        )
    flat = _compute(composites, columns, count, recipe)
    return {name: v.reshape(*v.shape[:-1], *geobox.shape) for name, v in flat.items()}


def _clear(scene: Scene, geobox: GeoBox) -> Mask:
    classes = read_band(scene.bands[SCENE_CLASS], geobox, kind="classes")
    return is_clear(classes).ravel()


def _clear_count(
    grouped: Sequence[Sequence[Observation]], clear: dict[str, Mask], *, pixels: int
) -> NDArray[np.uint8]:
    count = np.zeros((len(grouped), pixels), np.uint8)
    for row, looks in zip(count, grouped, strict=True):
        for look in looks:
            row += np.logical_or.reduce([clear[s.key] for s in look.scenes])
    return count


def _composites(
    grouped: Sequence[Sequence[Observation]],
    clear: dict[str, Mask],
    geobox: GeoBox,
    columns: NDArray[np.intp],
) -> Float:
    """Median NDVI of each step at the pixels `columns`; NaN = no observation."""
    composites = np.full((len(grouped), columns.size), np.nan, np.float32)
    for row, looks in zip(composites, grouped, strict=True):
        if looks:
            row[:] = median(
                np.stack([_observe(look, clear, geobox, columns) for look in looks])
            )
    return composites


def _observe(
    look: Observation,
    clear: dict[str, Mask],
    geobox: GeoBox,
    columns: NDArray[np.intp],
) -> Float:
    """NDVI of one date: each pixel from the first scene that measured it clear."""
    values = np.full(columns.size, np.nan, np.float32)
    for scene in look.scenes:
        # Under full cloud nothing is wanted and the two large bands stay unread.
        wanted = np.flatnonzero(clear[scene.key][columns] & np.isnan(values))
        if wanted.size:
            values[wanted] = _scene_ndvi(scene, geobox, columns[wanted])
    return values


def _scene_ndvi(scene: Scene, geobox: GeoBox, columns: NDArray[np.intp]) -> Float:
    bands = scene.bands["B04"], scene.bands["B08"]
    numbers = [
        read_band(band, geobox, kind="reflectance").ravel()[columns] for band in bands
    ]
    red, nir = (
        reflectance(number, band.calibration or Calibration(1, 0))
        for number, band in zip(numbers, bands, strict=True)
    )
    values = ndvi(red, nir)
    values[~(is_measured(numbers[0]) & is_measured(numbers[1]))] = np.nan
    return values


def _compute(
    composites: Float,
    columns: NDArray[np.intp],
    count: NDArray[np.uint8],
    recipe: Recipe,
) -> dict[str, NDArray[Any]]:
    """Fill the asked variables, (time, pixels) or (pixels,)."""
    result: dict[str, NDArray[Any]] = {"clear_count": count}
    for name in recipe.variables:
        if name != "clear_count":
            shape = count.shape if name.startswith("ndvi") else count.shape[1:]
            result[name] = np.full(shape, NODATA, np.int16)
    for part in _parts(composites.shape[1]):
        for name, values in _variables(composites[:, part], recipe).items():
            result[name][..., columns[part]] = values
    return result


def _parts(size: int) -> Iterator[slice]:
    for start in range(0, size, _PART):
        yield slice(start, start + _PART)


def _variables(composites: Float, recipe: Recipe) -> dict[str, NDArray[np.int16]]:
    """Compute the asked variables other than the count, scaled."""
    found = {"ndvi": _to_int16(composites, NDVI_SCALE)}
    if recipe.smooths:
        series = smooth_series(composites, recipe.times, smoothing=recipe.smoothing)
        dates = season_dates(series, recipe.times, threshold=recipe.threshold)
        found["ndvi_smooth"] = _to_int16(series, NDVI_SCALE)
        found |= _scaled_dates(dates)
        if "integral" in recipe.variables:
            area = season_integral(series, recipe.times, dates.sos, dates.eos)
            found["integral"] = _to_int16(area, INTEGRAL_SCALE)
    return {name: found[name] for name in recipe.variables if name in found}


def smooth_series(composites: Float, times: Float, *, smoothing: float) -> Float:
    """Smooth composites over time, without running past the observed span.

    Parameters
    ----------
    composites
        NDVI, float32 (time, pixels), NaN = no composite.
    times
        (time,) days; used where `smoothing` is 0, else the steps count as equal.
    smoothing
        Lambda of the Whittaker smoother; 0 joins the composites by straight lines.

    Returns
    -------
    float32 (time, pixels) in [-1, 1]; NaN before the first and after the last
    composite, and for pixels with fewer than `MIN_COMPOSITES`.
    """
    if smoothing == 0:
        series = interpolate(composites, times)
    else:
        series = whittaker(composites, smoothing=smoothing)
        np.clip(series, -1, 1, out=series)
        # Past its ends the smoother is a straight line that can peak by itself.
        series[~observed_span(composites)] = np.nan
    series[:, np.isfinite(composites).sum(axis=0) < MIN_COMPOSITES] = np.nan
    return series


def _scaled_dates(dates: SeasonDates) -> dict[str, NDArray[np.int16]]:
    return {
        "sos": _to_int16(dates.sos, 1),
        "pos": _to_int16(dates.pos, 1),
        "eos": _to_int16(dates.eos, 1),
        "peak": _to_int16(dates.peak, NDVI_SCALE),
    }


def _to_int16(values: Float, scale: float) -> NDArray[np.int16]:
    # Only an evergreen's integral can pass 32767 (a whole year above 0.89); it stays
    # at the largest value rather than turning negative.
    scaled = np.minimum(np.rint(values * np.float32(1 / scale)), 32767)
    return np.where(np.isnan(values), np.float32(NODATA), scaled).astype(np.int16)
