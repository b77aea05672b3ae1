"""From archived scenes to seasons and county features: one run for each year."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any

import pystac
import xarray as xr
from odc.geo.geobox import GeoBox
from pandas import DataFrame

from api.ground import Ground
from api.lineage import Recipe, checksums, outlines_checksum, simulated
from ingest.archive import Archive
from models.features import season_features
from models.lead import season_to_date
from raster.season import SMOOTHING, THRESHOLD, season
from store import Store, features, runs

__all__ = ["METRICS", "YearSeason", "season_run", "season_window"]

# Season variables that county features and yield maps are made from.
METRICS = ("peak", "integral", "sos", "pos", "eos", "clear_count")

# What is known of a season that is not over.
TO_DATE = ("ndvi_smooth", "clear_count")

DEKAD = timedelta(days=10)


def season_window(year: int) -> tuple[date, date]:
    """Return first and last day of the growing season in Jilin, snow to snow."""
    return date(year, 4, 1), date(year, 10, 31)


@dataclass(kw_only=True)
class YearSeason:
    """The season of one collection, year and grid; computed once, when first needed.

    County features and yield maps need the same season, and each is skipped when its
    run is already there: only the first of them that is not pays for it. With `until`
    it is the season as it stood at the end of that day: no later scene is read.
    """

    archive: Archive
    ground: Ground
    collection: str
    year: int
    until: date | None = None
    compute: Callable[[xr.Dataset], xr.Dataset] = lambda lazy: lazy.compute()
    derive: tuple[Sequence[str], Callable[[xr.Dataset], xr.Dataset]] | None = None
    """More season variables, and what makes further layers of them, still lazy."""

    @property
    def window(self) -> tuple[date, date]:
        """First and last day that scenes are taken from."""
        start, end = season_window(self.year)
        return start, end if self.until is None else min(self.until, end)

    @property
    def is_open(self) -> bool:
        """Whether it is cut off before its end."""
        return self.window[1] < season_window(self.year)[1]

    @cached_property
    def items(self) -> list[pystac.Item]:
        """The year's scenes, oldest first."""
        start, end = self.window
        return self.archive.items(self.collection, start=start, end=end)

    @cached_property
    def metrics(self) -> xr.Dataset:
        """`METRICS` as an eager Dataset on the ground's grid, from verified files.

        With what `derive` makes, in the same pass over the scenes.
        """
        return self.compute(self.lazy_metrics())

    def lazy_metrics(self) -> xr.Dataset:
        """`metrics` before they are computed, on dask."""
        if self.derive is None:
            return self.lazy(METRICS)
        variables, derived = self.derive
        return derived(self.lazy((*METRICS, *variables)))

    def lazy(self, variables: Sequence[str]) -> xr.Dataset:
        """Season variables on the ground's grid, from verified files, on dask."""
        start, end = self.window
        return season(
            self.items,
            self.ground.geobox,
            start=start,
            end=end,
            variables=variables,
            smoothing=SMOOTHING,
            threshold=THRESHOLD,
            verify=True,
        )

    @property
    def over(self) -> bool:
        """Whether the scenes reach the last dekad of the season."""
        last = self.items[-1].datetime if self.items else None
        return last is not None and last.date() > season_window(self.year)[1] - DEKAD

    @property
    def simulated(self) -> bool:
        """Whether any scene, or the crop map, is simulated."""
        return simulated([*self.items, self.ground.crop_map])


def season_run(store: Store, year_season: YearSeason) -> str:
    """Put the year's county features into the store; returns the run's id.

    A run with the same scenes, crop map and code is reused, never repeated.
    """
    recipe = _recipe(year_season)
    with store.connection() as conn:
        if runs.exists(conn, recipe.run_id):
            return recipe.run_id
    frame = _features(year_season)
    with store.connection() as conn:
        runs.save(conn, recipe.finished())
        features.put(conn, frame, run_id=recipe.run_id, year=year_season.year)
    return recipe.run_id


def _features(year_season: YearSeason) -> DataFrame:
    ground = year_season.ground
    if year_season.is_open:
        return season_to_date(
            year_season.lazy(TO_DATE),
            zones=ground.zones,
            fractions=ground.fractions,
            county_codes=ground.codes,
        )
    return season_features(
        year_season.metrics,
        zones=ground.zones,
        fractions=ground.fractions,
        county_codes=ground.codes,
    )


def _recipe(year_season: YearSeason) -> Recipe:
    items = [*year_season.items, year_season.ground.crop_map]
    return Recipe(
        kind="season",
        inputs=checksums(items)
        | {"counties": outlines_checksum(year_season.ground.counties)},
        parameters={
            "collection": year_season.collection,
            "year": year_season.year,
            "grid": _grid(year_season.ground.geobox),
            "variables": list(TO_DATE if year_season.is_open else METRICS),
            "window": [day.isoformat() for day in year_season.window],
            "smoothing": SMOOTHING,
            "threshold": THRESHOLD,
        },
        simulated=year_season.simulated,
    )


def _grid(geobox: GeoBox) -> dict[str, Any]:
    """Return a grid as JSON: all that is needed to lay it again."""
    return {
        "crs": str(geobox.crs),
        "transform": list(geobox.affine)[:6],
        "shape": list(geobox.shape),
    }
