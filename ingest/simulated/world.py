"""The simulated world: one seed, one year, its counties, everything that follows."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from ingest.simulated.canopy import make_canopy
from ingest.simulated.clouds import SkyMaker
from ingest.simulated.crops import all_phenology
from ingest.simulated.errors import CropUnknown
from ingest.simulated.land_cover import CROPS
from ingest.simulated.landscape import (
    Surface,
    make_landscape,
    province_geobox,
    sample,
)
from ingest.simulated.noise import Float32, generator
from ingest.simulated.weather import make_weather, weather_table
from ingest.simulated.window import WINDOW_COUNTY, field_rows, make_window
from ingest.simulated.yields import SurveyError, make_yields
from store.counties import County
from store.fields import Field
from store.statistics import CountyStatistic

__all__ = [
    "HISTORY",
    "PROVINCE",
    "WINDOW",
    "World",
    "crop_fractions",
    "true_yield",
]

WINDOW = "sim-s2-10m"
PROVINCE = "sim-s2-250m"
HISTORY = "sim-history-1km"
LEAST_SHARE = 0.002  # of a county's area, below which no statistic names the crop
OUTSIDE = 255
NOISE_LENGTH = 1 << 22  # numbers; longer than any grid has pixels
SOURCE = "simulated survey · 模拟调查"


class World:
    """Jilin as made by code: nothing in it is real but the county outlines.

    Everything that does not depend on a date is made here once; afterwards the world
    is only read, so any number of threads may render from it.

    Parameters
    ----------
    seed
        Same seed, year and counties give the same bytes.
    year
        Current season.
    counties
        All that exists; the province grids cover just these. Without 220322 the
        world has no 10 m window and no fields.
    history
        Years before `year` with statistics and 1 km scenes.

    Raises
    ------
    CountyNotDescribed
        A county the simulator knows no land cover of.
    GridNotCovered
        The window does not fit into its county's polygon.
    """

    def __init__(
        self, seed: int, year: int, counties: Sequence[County], history: int = 10
    ) -> None:
        self.seed, self.year = seed, year
        self.counties = tuple(counties)
        self.years = tuple(range(year - history, year + 1))
        self.codes = tuple(county.code for county in self.counties)
        self._make_seasons()
        self._make_land()
        self.sky = SkyMaker(seed)
        self.noise: Float32 = generator(seed, "pixel noise").standard_normal(
            2 * NOISE_LENGTH, dtype=np.float32
        )

    def _make_seasons(self) -> None:
        centres = [county.geometry.centroid for county in self.counties]
        lon = np.array([centre.x for centre in centres])
        lat = np.array([centre.y for centre in centres])
        self._weather = make_weather(self.seed, self.years, lon, lat)
        self.phenology = all_phenology(self._weather)
        self._yields = make_yields(
            self.seed, self._weather, self.phenology, codes=self.codes, lat=lat
        )
        self.canopy = make_canopy(self._weather, self.phenology, self._yields.vigour)

    def _make_land(self) -> None:
        land = self._landscape = make_landscape(self.seed, self.counties)
        province = province_geobox(self.counties, 250.0)
        history = province_geobox(self.counties, 1000.0)
        self.surfaces = {
            PROVINCE: sample(land, province, self.counties),
            HISTORY: sample(land, history, self.counties),
        }
        self._window = make_window(self.seed, land, self.counties)
        if self._window is not None:
            self.surfaces[WINDOW] = self._window.surface
        self._share, self._mean_vigour = _county_means(
            self.surfaces[PROVINCE], len(self.counties)
        )

    @property
    def grids(self) -> dict[str, GeoBox]:
        """Grid of each collection of scenes."""
        return {name: surface.geobox for name, surface in self.surfaces.items()}

    def weather(self) -> pd.DataFrame:
        """Daily weather of all counties and years, one row a county and day.

        Columns county, day (date), tmin, tmax (degC), precipitation (mm), radiation
        (MJ m-2), simulated.
        """
        return weather_table(self._weather, self.codes)

    def truth(self) -> pd.DataFrame:
        """Return the true yields: county, crop, year, yield_t_ha, area_ha, simulated.

        All years, the current one too. A county's yield is the mean of `true_yield`
        on the 250 m grid weighted by the crop's share; crops on less than 0.2 % of a
        county are left out.
        """
        area = np.array([county.area_km2 for county in self.counties]) * 100.0
        rows = [
            (code, crop, year, self._yields.value[crop][y, c], share * area[c], True)
            for k, crop in enumerate(CROPS)
            for c, code in enumerate(self.codes)
            for y, year in enumerate(self.years)
            if (share := self._share[c, k]) >= LEAST_SHARE
        ]
        names = ["county", "crop", "year", "yield_t_ha", "area_ha", "simulated"]
        return pd.DataFrame(rows, columns=names)

    def statistics(self) -> list[CountyStatistic]:
        """Survey yields (t/ha) and areas (ha) of the years before the current one.

        The truth with a survey's error; never the current year.
        """
        truth = self.truth()
        past = truth[truth["year"] < self.year]
        error = SurveyError(self.seed, (len(past),))
        yields = (past["yield_t_ha"] * error.of_yield).round(3).tolist()
        areas = (past["area_ha"] * error.of_area).round(1).tolist()
        keys = past[["county", "crop", "year"]].to_numpy().tolist()
        return [
            CountyStatistic(
                county=county,
                crop=crop,
                year=year,
                yield_t_ha=yield_t_ha,
                area_ha=area_ha,
                source=SOURCE,
                simulated=True,
            )
            for (county, crop, year), yield_t_ha, area_ha in zip(
                keys, yields, areas, strict=True
            )
        ]

    def fields(self) -> list[Field]:
        """Parcels in the middle of the 10 m window; none in a world without it."""
        if self._window is None:
            return []
        return field_rows(self._window, county=WINDOW_COUNTY, year=self.year)

    def surface(self, geobox: GeoBox) -> Surface:
        """Tell what the pixels of any grid hold.

        The parcels on the window's own grid, the smooth landscape elsewhere.

        Raises
        ------
        GridNotCovered
            The grid touches no county.
        """
        for surface in self.surfaces.values():
            if surface.geobox == geobox:
                return surface
        return sample(self._landscape, geobox, self.counties)

    def pixel_yield(self, surface: Surface, crop: str) -> Float32:
        """Return the true yield in t/ha of the surface's pixels in the current year."""
        value = self._yields.value[crop][-1] / self._mean_vigour[:, CROPS.index(crop)]
        level = value.astype(np.float32).take(surface.county)
        return np.asarray(surface.vigour * level)


def crop_fractions(world: World, geobox: GeoBox) -> NDArray[np.uint8]:
    """Share of each crop in the pixels of a grid.

    Returns
    -------
    ndarray
        uint8 (3, y, x): percent of maize, rice, soybean; 255 outside the counties.

    Raises
    ------
    GridNotCovered
        The grid touches no county.
    """
    surface = world.surface(geobox)
    out = np.full((len(CROPS), *surface.shape), OUTSIDE, dtype=np.uint8)
    percent = np.rint(surface.cover[: len(CROPS)] * 100.0).astype(np.uint8)
    out.reshape(len(CROPS), -1)[:, surface.index] = percent
    return out


def true_yield(world: World, geobox: GeoBox, crop: str) -> Float32:
    """Yield a crop truly has, or would have, in each pixel in the current year.

    Returns
    -------
    ndarray
        float32 (y, x) t/ha, NaN outside the counties.

    Raises
    ------
    CropUnknown
        Not one of maize, rice, soybean.
    GridNotCovered
        The grid touches no county.
    """
    if crop not in CROPS:
        raise CropUnknown(f"no crop {crop!r} is simulated: use one of {CROPS}")
    surface = world.surface(geobox)
    values = world.pixel_yield(surface, crop)
    return np.asarray(surface.spread(values, outside=np.nan), dtype=np.float32)


def _county_means(
    surface: Surface, count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share and share-weighted mean vigour of each crop, (counties, crops).

    NaN for a county so small that no pixel centre lies in it.
    """
    pixels = np.bincount(surface.county, minlength=count).astype(float)
    share, vigour = [], []
    for cover in surface.cover[: len(CROPS)]:
        weight = np.bincount(surface.county, weights=cover, minlength=count)
        total = np.bincount(
            surface.county, weights=cover * surface.vigour, minlength=count
        )
        share.append(weight / np.where(pixels, pixels, np.nan))
        vigour.append(total / np.where(weight, weight, np.nan))
    return np.stack(share, axis=1), np.stack(vigour, axis=1)
