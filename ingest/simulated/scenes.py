"""Scenes of the simulated world: when they are taken and what their pixels are.

Rendering works on runs of pixels that fit the processor's cache: shares of pure
surfaces, one matrix product for the mixing, then noise, shadow, cloud, numbers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from ingest.band import BandData
from ingest.simulated.clouds import CLOUDY, SceneClass, Sky, classify, sun_position
from ingest.simulated.land_cover import COVERS, CROPS
from ingest.simulated.landscape import Surface
from ingest.simulated.noise import Float32, generator
from ingest.simulated.spectra import (
    BANDS,
    CLOUD,
    ENDMEMBERS,
    SHADOW_LIGHT,
    green_cover,
    mix,
)
from ingest.simulated.weather import DAYS
from ingest.simulated.world import HISTORY, NOISE_LENGTH, PROVINCE, WINDOW, World

__all__ = ["SCENES", "Rendered", "ScenePlan", "render", "scene_plans"]

SCL = "SCL"
COARSE_BANDS = ("B05", "B11", "B12", SCL)  # at 20 m in the 10 m window
SCENES = {WINDOW: 22, PROVINCE: 22, HISTORY: 18}  # dates a year
NODES = {WINDOW: 4, PROVINCE: 4, HISTORY: 1}  # pixels between nodes of cloud noise
REVISIT = 5  # days between passes of the two satellites (ESA)
OVERPASS = timedelta(hours=2, minutes=36)  # UTC, 10:30 mean local solar time
SEASON = ((4, 1), (10, 31))
SCALE, OFFSET, NODATA = 1e-4, -0.1, 0  # of processing baseline 04.00 and later (ESA)
BASELINE = "05.11"
RUN = 1 << 17  # pixels worked on at once
# Noise of a pixel: a part of the signal and a floor, assumed.
RELATIVE_NOISE, NOISE_FLOOR = np.float32(0.012), np.float32(0.0012)
TEXTURE = np.float32(0.02)  # sd of lasting brightness between pixels, assumed
GARDENS = np.float32(0.3)  # green share of villages and towns, assumed
# Haze the atmospheric correction leaves behind, largest value and its spectrum.
HAZE = 0.0025
HAZE_SPECTRUM = (1.6, 1.2, 1.0, 0.9, 0.5, 0.3, 0.2)


@dataclass(frozen=True, slots=True)
class ScenePlan:
    """One scene to come: where it belongs, when, on which grid, with which bands."""

    collection: str
    item_id: str
    acquired: datetime
    geobox: GeoBox
    bands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rendered:
    """Pixels of a scene and the properties of its item."""

    bands: dict[str, BandData]
    properties: dict[str, Any]


def scene_plans(world: World) -> list[ScenePlan]:
    """All scenes of the world, by collection and time.

    The window and the province in the current year with eight bands, the 1 km
    history in each year before it with B04, B08 and SCL.
    """
    plans = []
    for collection, geobox in world.grids.items():
        past = collection == HISTORY
        bands = ("B04", "B08", SCL) if past else (*BANDS, SCL)
        for year in world.years[:-1] if past else (world.year,):
            for acquired in _acquisitions(world.seed, collection, year):
                item_id = f"{collection}-{acquired:%Y%m%d}"
                plans.append(ScenePlan(collection, item_id, acquired, geobox, bands))
    return plans


def render(world: World, plan: ScenePlan) -> Rendered:
    """Make the pixels of a scene.

    Returns
    -------
    Rendered
        Reflectance bands as uint16 with reflectance = DN * 1e-4 - 0.1, nodata 0; SCL
        as uint8, nodata 0. In the 10 m window B05, B11, B12 and SCL are at 20 m.
        The properties carry the true cloud cover and ``heitu:simulated``.
    """
    surface = world.surfaces[plan.collection]
    numbers, scl = _pixels(world, plan, surface)
    planes = [surface.spread(row, outside=NODATA) for row in numbers]
    grids = dict(zip(plan.bands[:-1], planes, strict=True))
    grids[SCL] = surface.spread(scl, outside=SceneClass.NO_DATA)
    coarse = COARSE_BANDS if plan.collection == WINDOW else ()
    bands = {
        name: _band(name, grid, plan.geobox, halve=name in coarse)
        for name, grid in grids.items()
    }
    return Rendered(bands, _properties(plan, scl))


def _acquisitions(seed: int, collection: str, year: int) -> Iterator[datetime]:
    """Thin the revisit lattice: one pass out of each of equal parts of the season."""
    rng = generator(seed, "passes", collection, year)
    (first_month, first_day), (last_month, last_day) = SEASON
    first = date(year, first_month, first_day) + timedelta(int(rng.integers(REVISIT)))
    days = (date(year, last_month, last_day) - first).days
    for group in np.array_split(np.arange(0, days + 1, REVISIT), SCENES[collection]):
        day = first + timedelta(int(rng.choice(group)))
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        yield midnight + OVERPASS + timedelta(seconds=int(rng.integers(600)))


def _pixels(
    world: World, plan: ScenePlan, surface: Surface
) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """Numbers (bands without SCL, pixels) and SCL (pixels) of the held pixels."""
    sky = world.sky(
        plan.item_id,
        plan.acquired,
        surface.shape,
        surface.index,
        resolution=abs(plan.geobox.resolution.x),
        node=NODES[plan.collection],
    )
    painter = _Painter(world, plan)
    count = len(surface.index)
    numbers = np.empty((len(plan.bands) - 1, count), dtype=np.uint16)
    scl = np.empty(count, dtype=np.uint8)
    for start in range(0, count, RUN):
        run = slice(start, min(start + RUN, count))
        painter.paint(surface, run, sky, numbers, scl)
    return numbers, scl


class _Painter:
    """Paints runs of pixels of one scene."""

    def __init__(self, world: World, plan: ScenePlan) -> None:
        year = world.years.index(plan.acquired.year)
        canopy = world.canopy
        self._day = plan.acquired.timetuple().tm_yday - 1
        self._leaves = {c: canopy.leaf_area[c][year].reshape(-1) for c in CROPS}
        self._dead = {c: canopy.dead[c][year].reshape(-1) for c in CROPS}
        self._flooded = canopy.flooded[year].reshape(-1)
        day = self._day
        self._wet = canopy.wet[year, :, day]
        self._forest = canopy.forest[year, :, day]
        self._autumn = canopy.autumn[year, :, day]
        self._grass = canopy.grass[year, :, day]
        self._rows = [BANDS.index(name) for name in plan.bands[:-1]]
        self._red, self._nir = (plan.bands.index(name) for name in ("B04", "B08"))
        self._noise = world.noise
        rng = generator(world.seed, "scene noise", plan.item_id)
        self._starts = rng.integers(0, NOISE_LENGTH, len(self._rows))
        self._haze = rng.uniform(0.0, HAZE) * np.array(HAZE_SPECTRUM)[self._rows]

    def paint(
        self,
        surface: Surface,
        run: slice,
        sky: Sky,
        numbers: NDArray[np.uint16],
        scl: NDArray[np.uint8],
    ) -> None:
        """Fill `numbers` and `scl` in the run."""
        weights = self._weights(surface, run)
        opacity, shade = sky.opacity[run], sky.shade[run]
        light = mix(weights, self._rows)
        red, nir = light[self._red], light[self._nir]
        scl[run] = classify(
            opacity=opacity,
            shade=shade,
            ndvi=(nir - red) / (nir + red),
            water=weights[ENDMEMBERS.index("water")]
            + weights[ENDMEMBERS.index("paddy water")],
        )
        texture = 1.0 + TEXTURE * self._noise[run]
        for i, row in enumerate(self._rows):
            band = light[i] * texture + np.float32(self._haze[i])
            band *= 1.0 - (1.0 - SHADOW_LIGHT[row]) * shade
            band += opacity * (CLOUD[row] - band)
            noise = self._noise[
                self._starts[i] + run.start : self._starts[i] + run.stop
            ]
            band += (RELATIVE_NOISE * band + NOISE_FLOOR) * noise
            numbers[i, run] = _numbers(band)

    def _weights(self, surface: Surface, run: slice) -> Float32:
        """Share of each endmember, float32 (endmembers, pixels)."""
        county = surface.county[run]
        cover = dict(zip(COVERS, surface.cover[:, run], strict=True))
        moment = county.astype(np.int32) * DAYS + self._day
        moment += surface.shift[run]
        weights = np.zeros((len(ENDMEMBERS), len(county)), dtype=np.float32)
        share = dict(zip(ENDMEMBERS, weights, strict=True))
        vigour = surface.vigour[run]
        soil = np.zeros(len(county), dtype=np.float32)
        for crop in CROPS:
            green = green_cover(self._leaves[crop].take(moment) * vigour)
            dead = (1.0 - green) * self._dead[crop].take(moment)
            share[crop][:] = cover[crop] * green
            share["dead"] += cover[crop] * dead
            open_ground = cover[crop] * (1.0 - green - dead)
            if crop == "rice":
                flooded = self._flooded.take(moment)
                share["paddy water"][:] = open_ground * flooded
                open_ground *= 1.0 - flooded
            soil += open_ground
        wet = self._wet.take(county)
        share["wet soil"][:] = soil * wet
        # The brightness of the soil rides on its share: it scales the spectrum.
        share["dry soil"][:] = soil * (1.0 - wet) * surface.soil[run]
        self._background(share, cover, county)
        return weights

    def _background(
        self,
        share: dict[str, Float32],
        cover: dict[str, Float32],
        county: NDArray[np.int16],
    ) -> None:
        green, autumn = self._forest.take(county), self._autumn.take(county)
        share["forest"][:] = cover["forest"] * green
        share["autumn forest"][:] = cover["forest"] * autumn
        share["bare forest"][:] = cover["forest"] * (1.0 - green - autumn)
        grass = self._grass.take(county)
        meadow = cover["grass"] + GARDENS * cover["built"]
        share["grass"][:] = meadow * grass
        share["dry grass"][:] = meadow * (1.0 - grass)
        share["water"][:] = cover["water"]
        share["built"][:] = (1.0 - GARDENS) * cover["built"]


def _numbers(reflectance: Float32) -> NDArray[np.uint16]:
    numbers = (reflectance - np.float32(OFFSET)) * np.float32(1.0 / SCALE)
    # 0 means no data: the darkest valid number is 1.
    return np.asarray(np.clip(np.rint(numbers), 1, 65535), dtype=np.uint16)


def _band(
    name: str, grid: NDArray[np.generic], geobox: GeoBox, *, halve: bool
) -> BandData:
    if halve:
        geobox = geobox.zoom_out(2)
        grid = grid[::2, ::2].copy() if name == SCL else _halved(grid)
    if name == SCL:
        return BandData(grid, geobox, nodata=int(SceneClass.NO_DATA))
    return BandData(grid, geobox, nodata=NODATA, scale=SCALE, offset=OFFSET)


def _halved(grid: NDArray[np.generic]) -> NDArray[np.uint16]:
    """Mean of 2 x 2 pixels; the window has no pixel without data."""
    wide = grid.astype(np.uint32)
    rows = wide[::2] + wide[1::2]
    return ((rows[:, ::2] + rows[:, 1::2] + 2) // 4).astype(np.uint16)


def _properties(plan: ScenePlan, scl: NDArray[np.uint8]) -> dict[str, Any]:
    cloudy = sum(np.count_nonzero(scl == value) for value in CLOUDY)
    shaded = np.count_nonzero(scl == SceneClass.SHADOW)
    zenith, azimuth = sun_position(plan.acquired.timetuple().tm_yday)
    satellite = "ab"[plan.acquired.toordinal() // REVISIT % 2]
    return {
        "heitu:simulated": True,
        # No real satellite took this; readers of the platform alone must see it too.
        "platform": f"sentinel-2{satellite}-simulated",
        "constellation": "sentinel-2-simulated",
        "instruments": ["msi"],
        "processing:level": "L2",
        "s2:processing_baseline": BASELINE,
        "eo:cloud_cover": round(100.0 * cloudy / scl.size, 2),
        "s2:cloud_shadow_percentage": round(100.0 * shaded / scl.size, 2),
        "view:sun_elevation": round(90.0 - zenith, 2),
        "view:sun_azimuth": round(azimuth, 2),
    }
